//! The order of a segment's rows, from the key columns alone.

use crate::StoreError;
use crate::footer::InstanceRange;
use crate::layout::hour_of;
use crate::seal::columns::text_at;
use crate::stream::{Columns, SpoolStream};
use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{Int64Type, TimestampMillisecondType};
use fgm_model::Table;
use fgm_model::schema::column;
use std::collections::HashMap;
use std::path::Path;

/// The place of a row that gives way to a later one of the same key.
pub(crate) const DROPPED: u32 = u32::MAX;

/// Where each row of the spool goes in the file.
#[derive(Debug)]
pub(crate) struct Order {
    /// For each row, in the order of arrival, its row in the file or [`DROPPED`].
    pub(crate) place: Vec<u32>,
    /// Ticks read.
    pub(crate) ticks: usize,
    /// Where each instance's rows lie.
    pub(crate) instances: Vec<InstanceRange>,
    /// The first `time`.
    pub(crate) first_ms: i64,
    /// The last `time`.
    pub(crate) last_ms: i64,
    /// The hour it belongs to: of `time`, or of `recorded_at` for events.
    pub(crate) hour_ms: i64,
    /// Rows that gave way.
    pub(crate) duplicates: u64,
}

/// A row as the sort sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    rank: u32,
    time_ms: i64,
    clock_epoch: i64,
    arrival: u32,
}

/// `container_id` and `life`.
pub(crate) type Identity = (Option<String>, Option<String>);

impl Order {
    /// The columns that [`Order::read`] needs.
    pub(crate) const fn columns(table: Table) -> Columns<'static> {
        match table {
            Table::Events => Columns::Named(&[
                column::TIME,
                column::RECORDED_AT,
                column::CLOCK_EPOCH,
                column::CONTAINER_ID,
                column::LIFE,
            ]),
            Table::Metrics | Table::Pods | Table::Node => Columns::Named(&[
                column::TIME,
                column::CLOCK_EPOCH,
                column::CONTAINER_ID,
                column::LIFE,
            ]),
        }
    }

    /// Reads at most that many ticks and sorts by (`container_id`, `life`, `time`).
    pub(crate) fn read(
        stream: &mut SpoolStream,
        path: &Path,
        table: Table,
        most_ticks: usize,
    ) -> Result<Self, StoreError> {
        let mut keys = Vec::new();
        let mut identities = Identities::default();
        let mut ticks = 0;
        let mut hour_ms = i64::MAX;
        while ticks < most_ticks
            && let Some(batch) = stream.next_batch()?
        {
            let bad = |reason: &str| StoreError::parse(path, "spool stream", reason);
            read_keys(&batch, &mut keys, &mut identities).ok_or_else(|| bad("no key columns"))?;
            let recorded = match table {
                Table::Events => column::RECORDED_AT,
                Table::Metrics | Table::Pods | Table::Node => column::TIME,
            };
            let recorded = times(&batch, recorded).ok_or_else(|| bad("no recording time"))?;
            hour_ms = recorded
                .iter()
                .copied()
                .map(hour_of)
                .fold(hour_ms, i64::min);
            ticks += 1;
        }
        let (identities, rank_of) = identities.ranked();
        for key in &mut keys {
            key.rank = rank_of[key.rank as usize];
        }
        keys.sort_unstable();
        let mut order = Self {
            place: vec![DROPPED; keys.len()],
            ticks,
            instances: Vec::new(),
            first_ms: keys.iter().map(|key| key.time_ms).min().unwrap_or(0),
            last_ms: keys.iter().map(|key| key.time_ms).max().unwrap_or(0),
            hour_ms,
            duplicates: 0,
        };
        order.assign(&keys, identities, table);
        Ok(order)
    }

    fn assign(&mut self, keys: &[Key], identities: Vec<Identity>, table: Table) {
        let mut identities = identities.into_iter().map(Some).collect::<Vec<_>>();
        let mut row = 0_u32;
        for (index, key) in keys.iter().enumerate() {
            // Of one key the later arrival wins. Events have their own key, and the reader
            // takes the highest revision of each.
            let same_key = |next: &Key| {
                Key {
                    arrival: 0,
                    ..*next
                } == Key { arrival: 0, ..*key }
            };
            if table != Table::Events && keys.get(index + 1).is_some_and(same_key) {
                self.duplicates += 1;
                continue;
            }
            self.place[key.arrival as usize] = row;
            // An identity is taken by the first of its rows; the others extend that range.
            if let Some((container_id, life)) = identities[key.rank as usize].take() {
                self.instances.push(InstanceRange {
                    container_id,
                    life,
                    first_row: u64::from(row),
                    rows: 0,
                    first_ms: key.time_ms,
                    last_ms: key.time_ms,
                });
            }
            if let Some(range) = self.instances.last_mut() {
                range.rows += 1;
                range.last_ms = key.time_ms;
            }
            row += 1;
        }
    }

    /// Rows in the file.
    pub(crate) fn rows(&self) -> usize {
        self.place.len() - usize::try_from(self.duplicates).unwrap_or(0)
    }
}

/// Appends a batch's keys; `None` when a column is missing or of another type.
fn read_keys(batch: &RecordBatch, keys: &mut Vec<Key>, identities: &mut Identities) -> Option<()> {
    let times = times(batch, column::TIME)?;
    let epochs = batch
        .column_by_name(column::CLOCK_EPOCH)?
        .as_primitive_opt::<Int64Type>()?;
    let ids = batch.column_by_name(column::CONTAINER_ID)?;
    let lives = batch.column_by_name(column::LIFE)?;
    for (row, &time_ms) in times.iter().enumerate() {
        keys.push(Key {
            rank: identities.index_of(text_at(ids, row)?, text_at(lives, row)?),
            time_ms,
            clock_epoch: if epochs.is_null(row) {
                0
            } else {
                epochs.value(row)
            },
            arrival: u32::try_from(keys.len())
                .ok()
                .filter(|row| *row < DROPPED)?,
        });
    }
    Some(())
}

fn times<'a>(batch: &'a RecordBatch, name: &str) -> Option<&'a [i64]> {
    let times = batch
        .column_by_name(name)?
        .as_primitive_opt::<TimestampMillisecondType>()?;
    (times.null_count() == 0).then(|| times.values().as_ref())
}

/// Numbers identities as they come.
#[derive(Default)]
pub(crate) struct Identities {
    known: HashMap<Option<String>, HashMap<Option<String>, u32>>,
    list: Vec<Identity>,
}

impl Identities {
    pub(crate) fn index_of(&mut self, container_id: Option<&str>, life: Option<&str>) -> u32 {
        let (container_id, life) = (container_id.map(str::to_owned), life.map(str::to_owned));
        let lives = self.known.entry(container_id.clone()).or_default();
        // A row makes at most one identity, and rows are counted in u32.
        let next = u32::try_from(self.list.len()).unwrap_or(DROPPED);
        *lives.entry(life.clone()).or_insert_with(|| {
            self.list.push((container_id, life));
            next
        })
    }

    /// The identities in order, and for each number its place among them.
    pub(crate) fn ranked(self) -> (Vec<Identity>, Vec<u32>) {
        let mut numbers: Vec<u32> = (0..).take(self.list.len()).collect();
        numbers.sort_unstable_by_key(|number| &self.list[*number as usize]);
        let mut rank_of = vec![0; numbers.len()];
        for (rank, number) in (0..).zip(&numbers) {
            rank_of[*number as usize] = rank;
        }
        let identities = numbers
            .iter()
            .map(|number| self.list[*number as usize].clone())
            .collect();
        (identities, rank_of)
    }
}
