//! What all signals of an hour share: which rows belong to which instance and bucket, and how
//! long after the row before each one was read.

use super::border::{Border, LastRow};
use super::raw_rows;
use crate::StoreError;
use crate::footer::InstanceRange;
use crate::listing::FileInfo;
use crate::table_file::column::{Column, Values};
use crate::table_file::read::TableFile;
use arrow::datatypes::{DataType, Field};
use fgm_model::Resolution;
use fgm_model::rate::{ReadAt, step_us};
use fgm_model::schema::{column, time_type};
use std::ops::Range;

/// Rows of one instance within one bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Bucket {
    /// The bucket's start.
    pub(super) start_ms: i64,
    /// The first row's `time`.
    pub(super) first_ms: i64,
    /// The last row's `time`.
    pub(super) last_ms: i64,
    /// Its rows in the file.
    pub(super) rows: Range<usize>,
    /// The minutes that it consists of.
    pub(super) minutes: Range<usize>,
    /// The microseconds from the row before each of its rows, of the same clock epoch, to that
    /// row.
    pub(super) gap_us: i64,
    /// How many of its rows have a rate.
    pub(super) steps: usize,
}

/// The buckets of one resolution.
#[derive(Debug, Default)]
pub(super) struct Buckets {
    /// In the order of the file.
    pub(super) list: Vec<Bucket>,
    /// Those of each instance.
    pub(super) of_instance: Vec<Range<usize>>,
}

/// How a row follows the one before it of its instance and clock epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Before {
    /// There is none.
    Nothing,
    /// The last row of the hour before.
    Border,
    /// That row of the file.
    Row(usize),
}

/// Rows whose predecessor is not the row above, by instance.
type Jumps = Vec<(usize, Before)>;

/// The hour as every signal sees it.
pub(super) struct Frame {
    instances: Vec<InstanceRange>,
    interval_ms: i64,
    /// The finest buckets that all resolutions consist of.
    minutes: Buckets,
    /// For each row the microseconds since the row before, 0 where no rate may be made over them.
    /// Every signal reads all of them, so they are short.
    steps_us: Vec<i32>,
    jumps: Vec<Jumps>,
}

/// The length of a minute, which every bucket is a multiple of.
const MINUTE_MS: i64 = 60_000;

impl Frame {
    /// Reads the key columns, instance by instance.
    pub(super) fn read(
        file: &TableFile,
        info: &FileInfo,
        border: &Border,
    ) -> Result<Self, StoreError> {
        let bad = |reason: &str| StoreError::parse(file.path(), "hour file", reason);
        let instances = info.footer.instances.clone();
        let covered = instances.iter().try_fold(0, |next, range| {
            let rows = raw_rows(range);
            (rows.start == next).then_some(rows.end)
        });
        if covered != Some(file.rows()) {
            return Err(bad("its list of instances does not name every row"));
        }
        let origin = info.footer.origin.as_ref();
        let mut frame = Self {
            interval_ms: origin.map_or(1000, |origin| origin.interval_ms),
            minutes: Buckets::default(),
            steps_us: vec![0; file.rows()],
            jumps: Vec::with_capacity(instances.len()),
            instances,
        };
        let most = frame.instances().map(|rows| rows.len()).max().unwrap_or(0);
        let int = |name: &str| Field::new(name, DataType::Int64, true);
        let mut keys = [
            Field::new(column::TIME, time_type(), false),
            int(column::READ_OFFSET_US),
            int(column::CLOCK_EPOCH),
        ]
        .map(|field| (file.column(field.name()), Column::new(&field, most)));
        let ranges: Vec<Range<usize>> = frame.instances().collect();
        for (index, rows) in ranges.into_iter().enumerate() {
            for (stream, column) in &mut keys {
                if let Some(stream) = stream {
                    stream.skip_to(rows.start)?;
                    stream.read(column, 0, rows.len())?;
                }
            }
            let [(_, times), (_, offsets), (_, epochs)] = &keys;
            let (Values::Int(times), Values::Int(offsets), Values::Int(epochs)) =
                (&times.values, &offsets.values, &epochs.values)
            else {
                return Err(bad("its key columns have another type"));
            };
            let moments: Vec<(ReadAt, i64)> = (0..rows.len())
                .map(|row| {
                    let at = ReadAt {
                        time_ms: times[row],
                        offset_us: offsets[row],
                    };
                    (at, epochs[row])
                })
                .collect();
            if !moments.is_sorted_by_key(|(at, _)| at.time_ms) {
                return Err(bad("its rows are not in the order of time"));
            }
            let last = border.of(&frame.instances[index]);
            frame.add(rows.start, &moments, last);
        }
        Ok(frame)
    }

    /// Adds the rows of the next instance.
    fn add(&mut self, first_row: usize, moments: &[(ReadAt, i64)], border: Option<&LastRow>) {
        let mut jumps = Jumps::new();
        let first_bucket = self.minutes.list.len();
        let mut latest: Vec<(i64, usize)> = Vec::new();
        for (index, (at, epoch)) in moments.iter().enumerate() {
            let row = first_row + index;
            let known = latest.iter_mut().find(|(other, _)| other == epoch);
            let before = match (known, border) {
                (Some((_, last)), _) => Before::Row(std::mem::replace(last, row)),
                (None, border) => {
                    latest.push((*epoch, row));
                    match border {
                        Some(border) if border.clock_epoch == *epoch => Before::Border,
                        _ => Before::Nothing,
                    }
                }
            };
            if before != Before::Row(row.wrapping_sub(1)) {
                jumps.push((row, before));
            }
            let earlier = match before {
                Before::Nothing => None,
                Before::Border => border.map(|border| border.at),
                Before::Row(before) => Some(moments[before - first_row].0),
            };
            let since_us = earlier.map_or(0, |earlier| gap_us(earlier, *at));
            let step_us = earlier.and_then(|earlier| step_us(earlier, *at, self.interval_ms));
            // A few intervals: what does not fit is no step.
            let step_us = step_us.and_then(|step_us| i32::try_from(step_us).ok());
            self.steps_us[row] = step_us.unwrap_or_default();
            let steps = usize::from(step_us.is_some());
            let start_ms = at.time_ms.div_euclid(MINUTE_MS).saturating_mul(MINUTE_MS);
            match self.minutes.list[first_bucket..].last_mut() {
                Some(bucket) if bucket.start_ms == start_ms => {
                    bucket.last_ms = at.time_ms;
                    bucket.rows.end = row + 1;
                    bucket.gap_us = bucket.gap_us.saturating_add(since_us);
                    bucket.steps += steps;
                }
                _ => {
                    let minute = self.minutes.list.len();
                    self.minutes.list.push(Bucket {
                        start_ms,
                        first_ms: at.time_ms,
                        last_ms: at.time_ms,
                        rows: row..row + 1,
                        minutes: minute..minute + 1,
                        gap_us: since_us,
                        steps,
                    });
                }
            }
        }
        self.jumps.push(jumps);
        let of_instance = first_bucket..self.minutes.list.len();
        self.minutes.of_instance.push(of_instance);
    }

    /// The rows of each instance.
    pub(super) fn instances(&self) -> impl Iterator<Item = Range<usize>> + '_ {
        self.instances.iter().map(raw_rows)
    }

    /// An instance.
    pub(super) fn identity(&self, index: usize) -> &InstanceRange {
        &self.instances[index]
    }

    /// The tick interval.
    pub(super) const fn interval_ms(&self) -> i64 {
        self.interval_ms
    }

    /// The microseconds that a rate of each of these rows is made over, 0 where none may be made.
    pub(super) fn steps_us(&self, rows: &Range<usize>) -> &[i32] {
        &self.steps_us[rows.clone()]
    }

    /// The rows of an instance whose predecessor is not the row above, in order.
    pub(super) fn jumps(&self, index: usize) -> &[(usize, Before)] {
        &self.jumps[index]
    }

    /// The buckets of a minute, which those of every resolution consist of.
    pub(super) const fn minutes(&self) -> &Buckets {
        &self.minutes
    }

    /// The buckets of a resolution.
    pub(super) fn buckets(&self, resolution: Resolution) -> Buckets {
        let length_ms = resolution.bucket_ms().unwrap_or(MINUTE_MS);
        let mut buckets = Buckets::default();
        for minutes in &self.minutes.of_instance {
            let first_bucket = buckets.list.len();
            for minute in &self.minutes.list[minutes.clone()] {
                let start_ms = minute
                    .start_ms
                    .div_euclid(length_ms)
                    .saturating_mul(length_ms);
                match buckets.list[first_bucket..].last_mut() {
                    Some(bucket) if bucket.start_ms == start_ms => {
                        bucket.last_ms = minute.last_ms;
                        bucket.rows.end = minute.rows.end;
                        bucket.minutes.end = minute.minutes.end;
                        bucket.gap_us = bucket.gap_us.saturating_add(minute.gap_us);
                        bucket.steps += minute.steps;
                    }
                    _ => buckets.list.push(Bucket {
                        start_ms,
                        ..minute.clone()
                    }),
                }
            }
            let of_instance = first_bucket..buckets.list.len();
            buckets.of_instance.push(of_instance);
        }
        buckets
    }
}

/// The microseconds from one real read to a later one; 0 when time ran back.
fn gap_us(earlier: ReadAt, later: ReadAt) -> i64 {
    let gap_ms = later.time_ms.saturating_sub(earlier.time_ms);
    gap_ms
        .saturating_mul(1000)
        .saturating_add(later.offset_us)
        .saturating_sub(earlier.offset_us)
        .max(0)
}
