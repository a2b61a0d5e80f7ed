//! The order of a merged file's rows, from the key columns of its sources.
//!
//! Rows of one instance lie together in every source, so the order is told in runs: many rows
//! of a source that follow each other in the file too. That keeps it small, and lets each
//! column be copied run by run.

use crate::StoreError;
use crate::footer::InstanceRange;
use crate::seal::order::Identities;
use crate::table_file::column::{Column, NULL, Values};
use crate::table_file::read::{Run, TableFile};
use arrow::datatypes::Field;
use fgm_model::Table;
use fgm_model::schema::{column, table_schema};
use std::collections::HashMap;
use std::ops::Range;

/// "One row group up to ~1 M rows", cut only between instances.
const GROUP_ROWS: usize = 1 << 20;

/// One row group of the file.
#[derive(Debug, Default)]
pub(super) struct Group {
    /// Its rows.
    pub(super) rows: usize,
    /// For each source its runs, in the order of its rows.
    pub(super) runs: Vec<Vec<Run>>,
    /// Which of [`Order::instances`] lie in it.
    pub(super) instances: Range<usize>,
    /// The row of the file that it begins with.
    pub(super) first_row: usize,
}

/// Where each row of the sources goes.
#[derive(Debug, Default)]
pub(super) struct Order {
    /// The row groups.
    pub(super) groups: Vec<Group>,
    /// Where each instance's rows lie in the file.
    pub(super) instances: Vec<InstanceRange>,
    /// Rows in the file.
    pub(super) rows: usize,
    /// The first and the last `time`; `None` without a row.
    pub(super) span_ms: Option<(i64, i64)>,
    /// Rows that give way to a later source's row of the same key.
    pub(super) duplicates: u64,
}

/// A row as the sort sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    time_ms: i64,
    clock_epoch: i64,
    source: usize,
    row: usize,
}

/// Rows of one instance that lie together in a source.
#[derive(Debug, Clone, Copy)]
struct Piece {
    identity: u32,
    source: usize,
    first: usize,
    rows: usize,
}

/// The times of a source's rows.
struct Times {
    time_ms: Vec<i64>,
    /// One for all, as nearly always, or each its own.
    clock_epoch: Result<i64, Vec<i64>>,
}

impl Times {
    fn key(&self, source: usize, row: usize) -> Key {
        Key {
            time_ms: self.time_ms[row],
            clock_epoch: match &self.clock_epoch {
                Ok(same) => *same,
                Err(each) => each[row],
            },
            source,
            row,
        }
    }
}

impl Order {
    /// Sorts by (`container_id`, `life`, `time`). Of one key the row of the later source wins;
    /// events have their own key and stay all.
    pub(super) fn of(sources: &[TableFile], table: Table) -> Result<Self, StoreError> {
        let mut identities = Identities::default();
        let mut pieces = Vec::new();
        let mut times = Vec::with_capacity(sources.len());
        for (source, file) in sources.iter().enumerate() {
            times.push(read_times(file)?);
            read_pieces(file, source, &mut identities, &mut pieces)?;
        }
        let (identities, rank_of) = identities.ranked();
        for piece in &mut pieces {
            piece.identity = rank_of[piece.identity as usize];
        }
        pieces.sort_by_key(|piece| (piece.identity, piece.source, piece.first));
        let mut order = Self::default();
        let mut keys: Vec<Key> = Vec::new();
        for same in pieces.chunk_by(|a, b| a.identity == b.identity) {
            keys.clear();
            for piece in same {
                let times = &times[piece.source];
                let rows = piece.first..piece.first + piece.rows;
                keys.extend(rows.map(|row| times.key(piece.source, row)));
            }
            keys.sort_unstable();
            let before = keys.len();
            if table != Table::Events {
                keep_the_last_of_each_key(&mut keys);
            }
            order.duplicates += (before - keys.len()) as u64;
            let identity = same.first().map_or(0, |piece| piece.identity as usize);
            order.add(&identities[identity], &keys, sources.len());
        }
        // So that each source is read once, forwards.
        for runs in order.groups.iter_mut().flat_map(|group| &mut group.runs) {
            runs.sort_unstable_by_key(|run| run.from);
        }
        Ok(order)
    }

    /// Adds the rows of the next instance.
    fn add(
        &mut self,
        (container_id, life): &(Option<String>, Option<String>),
        keys: &[Key],
        sources: usize,
    ) {
        let (Some(first), Some(last)) = (keys.first(), keys.last()) else {
            return;
        };
        let is_full = |group: &Group| group.rows > 0 && group.rows + keys.len() > GROUP_ROWS;
        if self.groups.last().is_none_or(is_full) {
            let next = self.instances.len();
            self.groups.push(Group {
                runs: vec![Vec::new(); sources],
                instances: next..next,
                first_row: self.rows,
                rows: 0,
            });
        }
        self.instances.push(InstanceRange {
            container_id: container_id.clone(),
            life: life.clone(),
            first_row: self.rows as u64,
            rows: keys.len() as u64,
            first_ms: first.time_ms,
            last_ms: last.time_ms,
        });
        let (lowest, highest) = self.span_ms.unwrap_or((first.time_ms, last.time_ms));
        self.span_ms = Some((lowest.min(first.time_ms), highest.max(last.time_ms)));
        self.rows += keys.len();
        let Some(group) = self.groups.last_mut() else {
            return;
        };
        group.instances.end += 1;
        for key in keys {
            let to = group.rows;
            group.rows += 1;
            let runs = &mut group.runs[key.source];
            match runs.last_mut() {
                Some(run) if run.from + run.rows == key.row && run.to + run.rows == to => {
                    run.rows += 1;
                }
                _ => runs.push(Run {
                    from: key.row,
                    to,
                    rows: 1,
                }),
            }
        }
    }
}

/// Of adjacent equal (time, epoch) the last stays: the later source, there the later row.
fn keep_the_last_of_each_key(keys: &mut Vec<Key>) {
    keys.reverse();
    keys.dedup_by_key(|key| (key.time_ms, key.clock_epoch));
    keys.reverse();
}

fn read_column(file: &TableFile, field: &Field) -> Result<Column, StoreError> {
    let mut column = Column::new(field, file.rows());
    file.whole(&mut column)?;
    Ok(column)
}

fn read_times(file: &TableFile) -> Result<Times, StoreError> {
    let schema = table_schema(Table::Metrics);
    let bad = || StoreError::parse(file.path(), "segment", "a row has no time");
    let field = |name: &str| schema.field_with_name(name).map_err(|_| bad());
    let time = read_column(file, field(column::TIME)?)?;
    let epoch = read_column(file, field(column::CLOCK_EPOCH)?)?;
    match (time.values, epoch.values) {
        (Values::Int(time_ms), Values::Int(epochs)) if !time.valid.contains(&false) => {
            let first = epochs.first().copied().unwrap_or_default();
            Ok(Times {
                time_ms,
                clock_epoch: if epochs.iter().all(|epoch| *epoch == first) {
                    Ok(first)
                } else {
                    Err(epochs)
                },
            })
        }
        _ => Err(bad()),
    }
}

/// Appends the pieces of a source: as many as it has instances, when it is sorted.
fn read_pieces(
    file: &TableFile,
    source: usize,
    identities: &mut Identities,
    pieces: &mut Vec<Piece>,
) -> Result<(), StoreError> {
    let text = |name: &str| Field::new(name, arrow::datatypes::DataType::Utf8, true);
    let ids = read_column(file, &text(column::CONTAINER_ID))?;
    let lives = read_column(file, &text(column::LIFE))?;
    let (
        Values::Text {
            keys: ids,
            words: id_words,
        },
        Values::Text {
            keys: lives,
            words: life_words,
        },
    ) = (&ids.values, &lives.values)
    else {
        return Ok(());
    };
    let word = |words: &crate::table_file::column::Words, key: u32| {
        (key != NULL)
            .then(|| {
                words
                    .list
                    .get(key as usize)?
                    .as_utf8()
                    .ok()
                    .map(str::to_owned)
            })
            .flatten()
    };
    let mut known: HashMap<(u32, u32), u32> = HashMap::new();
    let mut last: Option<(u32, u32)> = None;
    for (row, pair) in ids.iter().copied().zip(lives.iter().copied()).enumerate() {
        if last == Some(pair) {
            if let Some(piece) = pieces.last_mut() {
                piece.rows += 1;
            }
            continue;
        }
        let identity = *known.entry(pair).or_insert_with(|| {
            let (id, life) = (word(id_words, pair.0), word(life_words, pair.1));
            identities.index_of(id.as_deref(), life.as_deref())
        });
        pieces.push(Piece {
            identity,
            source,
            first: row,
            rows: 1,
        });
        last = Some(pair);
    }
    Ok(())
}
