//! Counting rows, nulls and missing ticks, batch by batch.

use crate::seal::text_at;
use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{DataType, Int64Type, TimestampMillisecondType};
use fgm_model::schema::column;
use std::collections::{BTreeMap, HashMap};

/// Grid instants without a row of an instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gap {
    /// The last row before it.
    pub after_ms: i64,
    /// How many rows are missing.
    pub missing: u64,
}

/// The rows of one instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstanceReport {
    /// Pod and container, or the unit, as well as it is known.
    pub name: String,
    /// Its `container_id`.
    pub container_id: String,
    /// Its `life`.
    pub life: String,
    /// Its rows.
    pub rows: u64,
    /// The first `time`.
    pub first_ms: i64,
    /// The last `time`.
    pub last_ms: i64,
    /// Ticks without a row between the two.
    pub gaps: Vec<Gap>,
}

impl InstanceReport {
    /// Ticks without a row, in all gaps.
    #[must_use]
    pub fn missing(&self) -> u64 {
        self.gaps.iter().map(|gap| gap.missing).sum()
    }
}

#[derive(Default)]
pub(super) struct Tally {
    pub(super) rows: u64,
    pub(super) range_ms: Option<(i64, i64)>,
    /// Rows of each kind, for events.
    pub(super) kinds: BTreeMap<String, u64>,
    /// Nulls of each column.
    pub(super) nulls: HashMap<String, u64>,
    instances: BTreeMap<(String, String), Seen>,
}

#[derive(Default)]
struct Seen {
    container_name: Option<String>,
    pod_name: Option<String>,
    cgroup_path: Option<String>,
    /// (clock epoch, time) of each row.
    moments: Vec<(i64, i64)>,
}

impl Tally {
    pub(super) fn add(&mut self, batch: &RecordBatch) {
        self.rows += batch.num_rows() as u64;
        for (field, column) in batch.schema_ref().fields().iter().zip(batch.columns()) {
            *self.nulls.entry(field.name().clone()).or_default() += column.null_count() as u64;
        }
        self.add_instances(batch);
        let kinds = batch.column_by_name(column::KIND);
        for row in 0..batch.num_rows() {
            if let Some(kind) = kinds.and_then(|kinds| text_at(kinds, row)).flatten() {
                *self.kinds.entry(kind.to_owned()).or_default() += 1;
            }
        }
    }

    fn add_instances(&mut self, batch: &RecordBatch) {
        let times = batch
            .column_by_name(column::TIME)
            .filter(|times| is_time(times.data_type()))
            .and_then(|times| times.as_primitive_opt::<TimestampMillisecondType>());
        let epochs = batch
            .column_by_name(column::CLOCK_EPOCH)
            .and_then(|epochs| epochs.as_primitive_opt::<Int64Type>());
        let text = |name: &str, row| {
            let texts = batch.column_by_name(name)?;
            text_at(texts, row)?.map(str::to_owned)
        };
        for row in 0..batch.num_rows() {
            let Some(time_ms) = times.filter(|times| times.is_valid(row)) else {
                continue;
            };
            let time_ms = time_ms.value(row);
            let (first, last) = self.range_ms.unwrap_or((time_ms, time_ms));
            self.range_ms = Some((first.min(time_ms), last.max(time_ms)));
            let Some(id) = text(column::CONTAINER_ID, row) else {
                continue;
            };
            let life = text(column::LIFE, row).unwrap_or_default();
            let seen = self.instances.entry((id, life)).or_default();
            seen.moments
                .push((epochs.map_or(0, |epochs| epochs.value(row)), time_ms));
            for (known, name) in [
                (&mut seen.container_name, column::CONTAINER_NAME),
                (&mut seen.pod_name, column::POD_NAME),
                (&mut seen.cgroup_path, column::CGROUP_PATH),
            ] {
                if known.is_none() {
                    *known = text(name, row);
                }
            }
        }
    }

    /// The instances, with gaps where the interval is known.
    pub(super) fn instances(&mut self, interval_ms: Option<i64>) -> Vec<InstanceReport> {
        std::mem::take(&mut self.instances)
            .into_iter()
            .map(|((container_id, life), mut seen)| {
                seen.moments.sort_unstable();
                let times = || seen.moments.iter().map(|(_, time_ms)| *time_ms);
                InstanceReport {
                    name: seen.name(),
                    rows: seen.moments.len() as u64,
                    first_ms: times().min().unwrap_or_default(),
                    last_ms: times().max().unwrap_or_default(),
                    gaps: interval_ms.map_or_else(Vec::new, |ms| gaps(&seen.moments, ms)),
                    container_id,
                    life,
                }
            })
            .collect()
    }
}

fn is_time(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Timestamp(_, _))
}

impl Seen {
    fn name(&self) -> String {
        match (&self.pod_name, &self.container_name, &self.cgroup_path) {
            (Some(pod), Some(container), _) => format!("{pod}/{container}"),
            (Some(name), None, _) | (None, Some(name), _) => name.clone(),
            (None, None, path) => path.clone().unwrap_or_default(),
        }
    }
}

/// Where more than an interval lies between two rows of the same clock epoch.
fn gaps(moments: &[(i64, i64)], interval_ms: i64) -> Vec<Gap> {
    moments
        .windows(2)
        .filter_map(|pair| {
            let [(epoch, after_ms), (next_epoch, next_ms)] = *pair else {
                return None;
            };
            let steps = next_ms.checked_sub(after_ms)?.checked_div(interval_ms)?;
            let missing = u64::try_from(steps.checked_sub(1)?).ok()?;
            (epoch == next_epoch && missing > 0).then_some(Gap { after_ms, missing })
        })
        .collect()
}
