//! Roll-up files made by hand of the definition, one row at a time.

use super::*;
use crate::footer::{Footer, HourNotes, InstanceRange, Origin};
use crate::layout::{FileName, hour_of};
use crate::set_rule::Level;
use arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray, new_null_array};
use fgm_model::Resolution;
use fgm_model::rollup::{Rule, Statistic, column_name, roll_up_column, roll_up_schema};
use fgm_model::schema::column;
use parquet::arrow::ArrowWriter;
use std::collections::BTreeMap;
use std::fs::{self, File};

/// What the definition makes of one bucket of one instance.
#[derive(Debug, Clone, Default)]
pub(super) struct Naive {
    rows: i64,
    step_time_us: i64,
    /// By signal: its values, the increases behind them, and the last.
    pub(super) values: [Vec<f64>; 2],
    increase: i64,
    last: Option<i64>,
}

/// Whose, and from when.
pub(super) type Key = (String, String, i64);

/// Straight from the definition: gauge and rate of each row, put into buckets.
pub(super) fn naive(ticks: &[Tick], bucket_ms: i64) -> BTreeMap<Key, Naive> {
    let mut buckets: BTreeMap<Key, Naive> = BTreeMap::new();
    let mut before: BTreeMap<(String, String), (i64, i64)> = BTreeMap::new();
    for tick in ticks {
        for row in &tick.rows {
            let who = (row.instance.container_id.clone(), row.instance.life.clone());
            let bucket = tick.time_ms.div_euclid(bucket_ms) * bucket_ms;
            let bytes = row.values.get(Metric::IoReadBytes).unwrap();
            let memory = row.values.get(Metric::MemoryCurrent).unwrap();
            let earlier = before.insert(who.clone(), (tick.time_ms, bytes));
            let of = buckets.entry((who.0, who.1, bucket)).or_default();
            of.rows += 1;
            of.values[0].push(memory as f64);
            of.last = Some(memory);
            let step = earlier.filter(|(time_ms, _)| tick.time_ms - time_ms <= 3000);
            if let Some((time_ms, earlier)) = step {
                let step_ms = tick.time_ms - time_ms;
                of.step_time_us += step_ms * 1000;
                if bytes >= earlier {
                    of.increase += bytes - earlier;
                    of.values[1].push((bytes - earlier) as f64 / (step_ms as f64 / 1000.0));
                }
            }
        }
    }
    buckets
}

pub(super) fn signals() -> Vec<Signal> {
    query(0, 0).signals
}

/// A roll-up file of one hour, made by hand of the definition.
pub(super) fn roll_up(
    data: &Data,
    ticks: &[Tick],
    hour_ms: i64,
    resolution: Resolution,
    spools: Vec<Ulid>,
) {
    let bucket_ms = resolution.bucket_ms().unwrap();
    let mut buckets: Vec<_> = naive(ticks, bucket_ms).into_iter().collect();
    buckets.retain(|((.., bucket), _)| hour_of(*bucket) == hour_ms);
    let names: BTreeMap<_, _> = ticks
        .iter()
        .flat_map(|tick| &tick.rows)
        .map(|row| (row.instance.container_id.clone(), Arc::clone(&row.instance)))
        .collect();
    let ints = |of: &dyn Fn(&Key, &Naive) -> Option<i64>| -> ArrayRef {
        Arc::new(Int64Array::from_iter(
            buckets.iter().map(|(key, naive)| of(key, naive)),
        ))
    };
    let text = |of: &dyn Fn(&Key) -> Option<String>| -> ArrayRef {
        Arc::new(StringArray::from_iter(
            buckets.iter().map(|(key, _)| of(key)),
        ))
    };
    let schema = Arc::new(roll_up_schema(Table::Metrics));
    let column = |name: &str| -> Option<ArrayRef> {
        for (place, signal) in signals().into_iter().enumerate() {
            for statistic in Rule::of(signal).statistics() {
                if name == column_name(signal, *statistic) {
                    let number = |naive: &Naive| {
                        let values = &naive.values[place];
                        let bound = |pick: fn(f64, f64) -> f64| values.iter().copied().reduce(pick);
                        match statistic {
                            Statistic::Min => bound(f64::min),
                            Statistic::Max => bound(f64::max),
                            Statistic::Sum => (!values.is_empty()).then(|| values.iter().sum()),
                            Statistic::Count => Some(values.len() as f64),
                            Statistic::Increase => Some(naive.increase as f64),
                            Statistic::Last => naive.last.map(|last| last as f64),
                            Statistic::First => None,
                        }
                    };
                    let numbers = buckets.iter().map(|(_, naive)| number(naive));
                    return Some(match Rule::of(signal).data_type(*statistic) {
                        arrow::datatypes::DataType::Float64 => {
                            Arc::new(Float64Array::from_iter(numbers))
                        }
                        _ => Arc::new(Int64Array::from_iter(
                            numbers.map(|number| number.map(|number| number as i64)),
                        )),
                    });
                }
            }
        }
        Some(match name {
            column::TIME => arrow::compute::cast(
                &ints(&|key, _| Some(key.2)),
                &fgm_model::schema::time_type(),
            )
            .unwrap(),
            roll_up_column::ROWS => ints(&|_, naive| Some(naive.rows)),
            roll_up_column::INCREASE_TIME_US => ints(&|_, naive| Some(naive.step_time_us)),
            column::NODE => text(&|_| Some(data.recorder.node.clone())),
            column::CONTAINER_ID => text(&|key| Some(key.0.clone())),
            column::LIFE => text(&|key| Some(key.1.clone())),
            column::POD_UID => text(&|key| names[&key.0].pod_uid.clone()),
            column::CONTAINER_NAME => text(&|key| names[&key.0].container_name.clone()),
            _ => return None,
        })
    };
    let columns = schema
        .fields()
        .iter()
        .map(|field| {
            column(field.name()).unwrap_or_else(|| new_null_array(field.data_type(), buckets.len()))
        })
        .collect();
    let batch = RecordBatch::try_new(Arc::clone(&schema), columns).unwrap();

    let mut instances: Vec<InstanceRange> = Vec::new();
    for (row, ((id, life, bucket), _)) in buckets.iter().enumerate() {
        match instances.last_mut() {
            Some(last)
                if last.container_id.as_ref() == Some(id) && last.life.as_ref() == Some(life) =>
            {
                last.rows += 1;
                last.last_ms = *bucket;
            }
            _ => instances.push(InstanceRange {
                container_id: Some(id.clone()),
                life: Some(life.clone()),
                first_row: row as u64,
                rows: 1,
                first_ms: *bucket,
                last_ms: *bucket,
            }),
        }
    }
    let times = || buckets.iter().map(|((.., bucket), _)| *bucket);
    let (Some(start_ms), Some(end_ms)) = (times().min(), times().max()) else {
        return;
    };
    let footer = Footer {
        origin: Some(Origin::new(data.recorder.clone(), SECOND)),
        level: Level::Hour,
        generation: 0,
        spools,
        instances,
        hour: HourNotes::default(),
    };
    let name = FileName {
        start_ms,
        end_ms,
        ulid: Ulid::generate(),
    };
    let pod = crate::layout::pod_directory(&data.recorder.recorder);
    let partition = data
        .dir
        .partition_at(Table::Metrics, resolution, hour_ms, &pod)
        .unwrap();
    fs::create_dir_all(&partition).unwrap();
    let file = File::create(partition.join(name.to_string())).unwrap();
    let mut writer = ArrowWriter::try_new(file, schema, None).unwrap();
    writer.write(&batch).unwrap();
    for pair in footer.to_key_values().unwrap() {
        writer.append_key_value_metadata(pair);
    }
    writer.close().unwrap();
}
