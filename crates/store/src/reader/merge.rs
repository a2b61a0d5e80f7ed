//! The rows of one instance from several files and streams, brought into the order of their
//! key. Pure.
//!
//! "The key of a row is (container_id, life, clock_epoch, time)": of equal keys one row stays.

use super::cursor::{Slice, Values};
use super::eval::Rows;
use super::feed::{Epochs, Piece};
use std::ops::Range;

/// Rows in order, and where another clock epoch or tick interval begins.
#[derive(Debug, Default)]
pub(super) struct Merged {
    times_ms: Vec<i64>,
    offsets_us: Values<i64>,
    epochs: Vec<i64>,
    intervals_ms: Vec<i64>,
    columns: Vec<Values<i64>>,
}

/// Rows of one clock epoch and one tick interval.
#[derive(Debug)]
pub(super) struct Stretch<'a> {
    pub(super) clock_epoch: i64,
    pub(super) rows: Rows<'a>,
}

/// Hands the stretches of an instance's rows on; `scratch` is reused from call to call.
pub(super) fn stretches(
    pieces: &[Piece<'_>],
    scratch: &mut Merged,
    mut each: impl FnMut(Stretch<'_>),
) {
    if let [piece] = pieces
        && let Epochs::One(clock_epoch) = piece.epochs
        && piece.times_ms.is_sorted_by(|a, b| a < b)
    {
        // A whole hour in one file, as nearly all are.
        each(Stretch {
            clock_epoch,
            rows: Rows {
                times_ms: piece.times_ms,
                offsets_us: piece.offsets_us,
                interval_ms: piece.interval_ms,
                columns: &piece.columns,
            },
        });
        return;
    }
    scratch.fill(pieces);
    scratch.sort();
    let mut from = 0;
    while from < scratch.times_ms.len() {
        let key = |row: usize| (scratch.epochs.get(row), scratch.intervals_ms.get(row));
        let rest = from..scratch.times_ms.len();
        let to = rest
            .clone()
            .find(|row| key(*row) != key(from))
            .unwrap_or(rest.end);
        scratch.hand_on(from..to, &mut each);
        from = to;
    }
}

impl Merged {
    fn clear(&mut self, columns: usize) {
        self.times_ms.clear();
        self.offsets_us.clear();
        self.epochs.clear();
        self.intervals_ms.clear();
        self.columns.resize_with(columns, Values::default);
        self.columns.iter_mut().for_each(Values::clear);
    }

    fn fill(&mut self, pieces: &[Piece<'_>]) {
        self.clear(pieces.first().map_or(0, |piece| piece.columns.len()));
        for piece in pieces {
            let count = piece.times_ms.len();
            self.times_ms.extend_from_slice(piece.times_ms);
            let all = self.times_ms.len();
            add(&mut self.offsets_us, piece.offsets_us, count);
            match piece.epochs {
                Epochs::One(epoch) => self.epochs.resize(all, epoch),
                Epochs::Each(epochs) => {
                    self.epochs
                        .extend((0..count).map(|row| epochs.get(row).unwrap_or(0)));
                }
            }
            self.intervals_ms.resize(all, piece.interval_ms);
            for (column, rows) in self.columns.iter_mut().zip(&piece.columns) {
                add(column, *rows, count);
            }
        }
    }

    /// Sorts by (epoch, time) and drops doubles, unless that is so already.
    fn sort(&mut self) {
        let key = |row: usize| (self.epochs.get(row), self.times_ms.get(row));
        let rows = self.times_ms.len();
        if (1..rows).all(|row| key(row - 1) < key(row)) {
            return;
        }
        // Of doubles the later file's row stays, as it does when files are merged.
        let mut order: Vec<_> = (0..rows).rev().collect();
        order.sort_by_key(|row| key(*row));
        order.dedup_by_key(|row| key(*row));
        let mut sorted = Self::default();
        sorted.clear(self.columns.len());
        for row in order {
            sorted.times_ms.extend(self.times_ms.get(row));
            sorted.epochs.extend(self.epochs.get(row));
            sorted.intervals_ms.extend(self.intervals_ms.get(row));
            sorted
                .offsets_us
                .extend(self.offsets_us.slice(row..row + 1));
            for (to, from) in sorted.columns.iter_mut().zip(&self.columns) {
                to.extend(from.slice(row..row + 1));
            }
        }
        *self = sorted;
    }

    fn hand_on(&self, rows: Range<usize>, each: &mut impl FnMut(Stretch<'_>)) {
        let columns: Vec<_> = self.columns.iter().map(|c| c.slice(rows.clone())).collect();
        each(Stretch {
            clock_epoch: self.epochs.get(rows.start).copied().unwrap_or(0),
            rows: Rows {
                times_ms: self.times_ms.get(rows.clone()).unwrap_or_default(),
                offsets_us: self.offsets_us.slice(rows.clone()),
                interval_ms: self.intervals_ms.get(rows.start).copied().unwrap_or(1000),
                columns: &columns,
            },
        });
    }
}

/// Adds rows; a piece that lacks the column has rows without values.
fn add(column: &mut Values<i64>, rows: Slice<'_, i64>, count: usize) {
    if rows.values.len() == count {
        column.extend(rows);
    } else {
        column.extend_nulls(count);
    }
}
