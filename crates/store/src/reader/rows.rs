//! Rows of many files and streams, brought into the order of each instance. Pure.
//!
//! "The key of a row is (container_id, life, clock_epoch, time)": of equal keys one row stays.

use super::columns::{int, ints, times};
use arrow::array::{Int64Array, RecordBatch, TimestampMillisecondArray};
use fgm_model::rate::ReadAt;
use fgm_model::schema::column;
use fgm_model::signal::{Point, Signal};
use std::collections::HashMap;
use std::ops::{Range, RangeInclusive};

/// A day: an offset beyond it is not one, and must not overflow what is made of it.
const LARGEST_OFFSET_US: i64 = 86_400_000_000;

/// The columns that a set of signals needs, each once.
#[derive(Debug)]
pub(super) struct Inputs {
    /// Names of the metric columns.
    pub(super) names: Vec<&'static str>,
    /// For each signal the signal and where its inputs lie in a row's flat list.
    signals: Vec<(Signal, Range<usize>)>,
    /// For each item of the flat list the column.
    columns: Vec<usize>,
}

impl Inputs {
    pub(super) fn of(signals: &[Signal]) -> Self {
        let mut inputs = Self {
            names: Vec::new(),
            signals: Vec::new(),
            columns: Vec::new(),
        };
        for signal in signals {
            let from = inputs.columns.len();
            for metric in signal.inputs() {
                let name = metric.name();
                let known = inputs.names.iter().position(|known| *known == name);
                let place = known.unwrap_or_else(|| {
                    inputs.names.push(name);
                    inputs.names.len() - 1
                });
                inputs.columns.push(place);
            }
            inputs.signals.push((*signal, from..inputs.columns.len()));
        }
        inputs
    }
}

/// One batch, only what values are made of.
#[derive(Debug)]
struct Batch {
    times: TimestampMillisecondArray,
    offsets: Option<Int64Array>,
    columns: Vec<Option<Int64Array>>,
    interval_ms: i64,
}

/// Where a row lies, and its key within the instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct RowRef {
    epoch: i64,
    time_ms: i64,
    batch: u32,
    row: u32,
}

/// The rows of one window of time.
#[derive(Debug)]
pub(super) struct Rows {
    batches: Vec<Batch>,
    instances: Vec<Vec<RowRef>>,
}

impl Rows {
    pub(super) fn new(instances: usize) -> Self {
        Self {
            batches: Vec::new(),
            instances: vec![Vec::new(); instances],
        }
    }

    /// Adds the rows of a batch: `place` tells the instance of each, `within` the times wanted.
    pub(super) fn add(
        &mut self,
        batch: &RecordBatch,
        inputs: &Inputs,
        interval_ms: i64,
        within: &RangeInclusive<i64>,
        mut place: impl FnMut(usize) -> Option<usize>,
    ) {
        let (Some(times), Ok(number)) = (
            times(batch, column::TIME),
            u32::try_from(self.batches.len()),
        ) else {
            return;
        };
        let epochs = ints(batch, column::CLOCK_EPOCH);
        for row in 0..batch.num_rows() {
            let time_ms = times.value(row);
            if !within.contains(&time_ms) {
                continue;
            }
            let rows = place(row).and_then(|place| self.instances.get_mut(place));
            if let Some(rows) = rows {
                rows.push(RowRef {
                    epoch: int(epochs.as_ref(), row).unwrap_or(0),
                    time_ms,
                    batch: number,
                    row: u32::try_from(row).unwrap_or(u32::MAX),
                });
            }
        }
        self.batches.push(Batch {
            times,
            offsets: ints(batch, column::READ_OFFSET_US),

            columns: inputs.names.iter().map(|name| ints(batch, name)).collect(),
            interval_ms,
        });
    }
}

/// The last row of an instance in a clock epoch, as the next rate needs it.
#[derive(Debug)]
pub(super) struct Earlier {
    at: ReadAt,
    inputs: Vec<Option<i64>>,
}

impl Default for Earlier {
    fn default() -> Self {
        Self {
            at: ReadAt {
                time_ms: 0,
                offset_us: 0,
            },
            inputs: Vec::new(),
        }
    }
}

/// Last rows, from window to window.
pub(super) type Carry = HashMap<(usize, i64), Earlier>;

/// Values of one instance in one clock epoch, in time order.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Run {
    pub(super) instance: usize,
    pub(super) clock_epoch: i64,
    pub(super) interval_ms: i64,
    pub(super) times_ms: Vec<i64>,
    /// Per signal, NaN = no data.
    pub(super) values: Vec<Vec<f64>>,
}

/// The values of the window. Rows before `start_ms` only serve the first rate.
pub(super) fn evaluate(
    mut rows: Rows,
    inputs: &Inputs,
    start_ms: i64,
    carry: &mut Carry,
    mut sink: impl FnMut(Run),
) {
    for (instance, refs) in rows.instances.iter_mut().enumerate() {
        refs.sort_unstable();
        refs.dedup_by_key(|row| (row.epoch, row.time_ms));
        for run in refs.chunk_by(|a, b| a.epoch == b.epoch) {
            let Some(first) = run.first() else { continue };
            let carried = carry.remove(&(instance, first.epoch));
            let mut seen = carried.is_some();
            let mut earlier = carried.unwrap_or_default();
            let mut later = Earlier::default();
            let mut out = Run {
                instance,
                clock_epoch: first.epoch,
                values: vec![Vec::with_capacity(run.len()); inputs.signals.len()],
                ..Run::default()
            };
            for row in run {
                let Some(batch) = rows.batches.get(row.batch as usize) else {
                    continue;
                };
                read(&mut later, batch, row.row as usize, inputs);
                if row.time_ms >= start_ms {
                    out.interval_ms = out.interval_ms.max(batch.interval_ms);
                    out.times_ms.push(row.time_ms);
                    for ((signal, range), values) in inputs.signals.iter().zip(&mut out.values) {
                        let value = signal.eval(
                            seen.then(|| point(&earlier, range)),
                            point(&later, range),
                            batch.interval_ms,
                        );
                        values.push(value.filter(|v| v.is_finite()).unwrap_or(f64::NAN));
                    }
                }
                // Two buffers in turn: a row allocates nothing.
                std::mem::swap(&mut earlier, &mut later);
                seen = true;
            }
            if seen {
                carry.insert((instance, first.epoch), earlier);
            }
            if !out.times_ms.is_empty() {
                sink(out);
            }
        }
    }
}

fn read(into: &mut Earlier, batch: &Batch, row: usize, inputs: &Inputs) {
    let value = |place: &usize| int(batch.columns.get(*place)?.as_ref(), row);
    into.at = ReadAt {
        time_ms: batch.times.value(row),
        offset_us: int(batch.offsets.as_ref(), row)
            .unwrap_or(0)
            .clamp(-LARGEST_OFFSET_US, LARGEST_OFFSET_US),
    };
    into.inputs.clear();
    into.inputs.extend(inputs.columns.iter().map(value));
}

fn point<'a>(row: &'a Earlier, range: &Range<usize>) -> Point<'a> {
    Point {
        at: row.at,
        inputs: row.inputs.get(range.clone()).unwrap_or_default(),
    }
}
