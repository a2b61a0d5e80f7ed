//! The raw rows of a file that are asked for, some instances at a time: only their pages are
//! read, and only a few thousand rows are in memory.

use super::cursor::{Cursor, Slice, Values, int_place, time_place};
use super::inputs::Inputs;
use super::lives::Places;
use super::pages::Pages;
use super::refusal::Refusal;
use super::source::{Source, Span};
use super::table::guarded;
use fgm_model::schema::column;
use parquet::data_type::Int64Type;
use parquet::errors::ParquetError;
use std::ops::Range;
use std::sync::Arc;

/// The longest tick interval; longer ones in a file's metadata are a mistake.
pub(super) const LONGEST_INTERVAL_MS: i64 = 60_000;

/// An interval as a file may have it.
pub(super) fn sane(interval_ms: i64) -> i64 {
    interval_ms.clamp(1, LONGEST_INTERVAL_MS)
}

/// A file with rows that are asked for.
#[derive(Debug)]
pub(super) struct Opened {
    source: Arc<Source>,
    pages: Arc<Pages>,
    columns: Columns,
    runs: Vec<Run>,
}

/// Rows of one instance.
#[derive(Debug, Clone)]
struct Run {
    place: usize,
    rows: Range<usize>,
}

/// Where the columns are.
#[derive(Debug)]
struct Columns {
    time: usize,
    offset: Option<usize>,
    epoch: Option<usize>,
    inputs: Vec<Option<usize>>,
}

impl Opened {
    /// Opens a file for the rows of these instances in a span; `None` when it has none.
    pub(super) fn open(
        source: &Arc<Source>,
        places: &Places,
        inputs: &Inputs,
        span: (i64, i64),
    ) -> Result<Option<Self>, Refusal> {
        let mut runs: Vec<_> = source
            .spans
            .iter()
            .filter(|run| run.rows > 0 && run.first_ms <= span.1 && span.0 <= run.last_ms)
            .filter_map(|run: &Span| {
                Some(Run {
                    place: places.get(run.life)?,
                    rows: run.first_row..run.first_row.saturating_add(run.rows),
                })
            })
            .collect();
        if runs.is_empty() {
            return Ok(None);
        }
        let Some(columns) = Columns::of(source, inputs) else {
            return Err(Refusal::Damaged(
                "it has no column time of milliseconds".into(),
            ));
        };
        let rows = joined(runs.iter().map(|run| run.rows.clone()));
        let pages = guarded(|| Pages::of_rows(source, &columns.all(), &rows))?;
        // Our files have their rows in the order of the places; of others a cursor goes back.
        runs.sort_by_key(|run| run.place);
        Ok(Some(Self {
            source: Arc::clone(source),
            pages: Arc::new(pages),
            columns,
            runs,
        }))
    }

    /// Adds its rows to the counts by place.
    pub(super) fn count(&self, rows: &mut [usize]) {
        for run in &self.runs {
            if let Some(count) = rows.get_mut(run.place) {
                *count += run.rows.len();
            }
        }
    }
}

/// Adjacent ranges as one; the ranges rise.
pub(super) fn joined(ranges: impl Iterator<Item = Range<usize>>) -> Vec<Range<usize>> {
    let mut joined: Vec<Range<usize>> = Vec::new();
    for range in ranges {
        match joined.last_mut() {
            Some(last) if last.end == range.start => last.end = range.end,
            _ => joined.push(range),
        }
    }
    joined
}

impl Columns {
    fn of(source: &Source, inputs: &Inputs) -> Option<Self> {
        let int = |name| int_place(source, name);
        Some(Self {
            time: time_place(source, column::TIME)?,
            offset: inputs
                .has_rates
                .then(|| int(column::READ_OFFSET_US))
                .flatten(),
            // Where the statistics tell, the column need not be read.
            epoch: source
                .clock_epoch
                .is_none()
                .then(|| int(column::CLOCK_EPOCH))
                .flatten(),
            inputs: inputs.names.iter().map(|name| int(name)).collect(),
        })
    }

    fn all(&self) -> Vec<usize> {
        let few = [Some(self.time), self.offset, self.epoch];
        few.into_iter()
            .chain(self.inputs.iter().copied())
            .flatten()
            .collect()
    }
}

/// Reads an opened file, block after block of instances.
pub(super) struct Feed<'a> {
    opened: &'a Opened,
    time: Cursor<'a, Int64Type>,
    offset: Option<Cursor<'a, Int64Type>>,
    epoch: Option<Cursor<'a, Int64Type>>,
    inputs: Vec<Option<Cursor<'a, Int64Type>>>,
    next: usize,
    block: Block,
}

/// Rows of some instances.
#[derive(Debug, Default)]
struct Block {
    time: Values<i64>,
    offset: Values<i64>,
    epoch: Values<i64>,
    inputs: Vec<Values<i64>>,
    pieces: Vec<(usize, Range<usize>)>,
}

/// Rows of one instance as a file or stream has them.
#[derive(Debug, Clone)]
pub(super) struct Piece<'a> {
    pub(super) times_ms: &'a [i64],
    /// Empty where there are none.
    pub(super) offsets_us: Slice<'a, i64>,
    pub(super) epochs: Epochs<'a>,
    pub(super) interval_ms: i64,
    pub(super) columns: Vec<Slice<'a, i64>>,
}

/// The clock epochs of some rows.
#[derive(Debug, Clone, Copy)]
pub(super) enum Epochs<'a> {
    /// The same for all.
    One(i64),
    /// One per row, 0 where there is none.
    Each(Slice<'a, i64>),
}

impl<'a> Feed<'a> {
    pub(super) fn new(opened: &'a Opened) -> Self {
        let cursor = |place| Cursor::new(&opened.source, &opened.pages, place);
        let columns = &opened.columns;
        Self {
            time: cursor(columns.time),
            offset: columns.offset.map(cursor),
            epoch: columns.epoch.map(cursor),
            inputs: columns
                .inputs
                .iter()
                .map(|place| place.map(cursor))
                .collect(),
            next: 0,
            block: Block {
                inputs: vec![Values::default(); columns.inputs.len()],
                ..Block::default()
            },
            opened,
        }
    }

    /// Which file it is.
    pub(super) fn source(&self) -> &Source {
        &self.opened.source
    }

    /// Reads the rows of the places up to `end`; blocks follow each other.
    pub(super) fn read(&mut self, end: usize) -> Result<(), Refusal> {
        self.block.clear();
        let rest = self.opened.runs.get(self.next..).unwrap_or_default();
        let runs: Vec<_> = rest.iter().take_while(|run| run.place < end).collect();
        self.next += runs.len();
        let mut from = 0;
        for run in &runs {
            let to = from + run.rows.len();
            self.block.pieces.push((run.place, from..to));
            from = to;
        }
        let rows = joined(runs.iter().map(|run| run.rows.clone()));
        let read = guarded(|| {
            self.read_rows(&rows)
                .map_err(|error| Refusal::Damaged(error.to_string()))
        });
        if read.is_err() {
            self.block.clear();
            self.next = usize::MAX;
        }
        read
    }

    fn read_rows(&mut self, rows: &[Range<usize>]) -> Result<(), ParquetError> {
        let block = &mut self.block;
        for rows in rows {
            self.time.read(rows, &mut block.time)?;
            if let Some(cursor) = &mut self.offset {
                cursor.read(rows, &mut block.offset)?;
            }
            if let Some(cursor) = &mut self.epoch {
                cursor.read(rows, &mut block.epoch)?;
            }
            for (cursor, values) in self.inputs.iter_mut().zip(&mut block.inputs) {
                if let Some(cursor) = cursor {
                    cursor.read(rows, values)?;
                }
            }
        }
        Ok(())
    }

    /// The rows of a place in the block that was read.
    pub(super) fn pieces(&self, place: usize) -> impl Iterator<Item = Piece<'_>> {
        let block = &self.block;
        let from = block.pieces.partition_point(|(other, _)| *other < place);
        let of_place = block.pieces.get(from..).unwrap_or_default();
        let of_place = of_place
            .iter()
            .take_while(move |(other, _)| *other == place);
        of_place.map(|(_, rows)| self.piece(rows))
    }

    fn piece(&self, rows: &Range<usize>) -> Piece<'_> {
        let block = &self.block;
        let source = self.source();
        Piece {
            times_ms: block.time.values.get(rows.clone()).unwrap_or_default(),
            offsets_us: block.offset.slice(rows.clone()),
            epochs: match source.clock_epoch {
                Some(epoch) => Epochs::One(epoch),
                None if self.epoch.is_none() => Epochs::One(0),
                None => Epochs::Each(block.epoch.slice(rows.clone())),
            },
            interval_ms: sane(source.interval_ms()),
            columns: block
                .inputs
                .iter()
                .map(|values| values.slice(rows.clone()))
                .collect(),
        }
    }
}

impl Block {
    fn clear(&mut self) {
        self.pieces.clear();
        let few = [&mut self.time, &mut self.offset, &mut self.epoch];
        few.into_iter()
            .chain(&mut self.inputs)
            .for_each(Values::clear);
    }
}
