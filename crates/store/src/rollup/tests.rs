//! Roll-ups against a naive recomputation, and the rules of DATA.md section 4 by name.

use crate::fixture::{Bed, HOUR, instance, tick_of};
use crate::layout::HOUR_MS;
use crate::merge::{Hour, HourReport, consolidate};
use arrow::array::{Array, AsArray};
use arrow::datatypes::{DataType, Float64Type, Int64Type, TimestampMillisecondType};
use fgm_model::rate::ReadAt;
use fgm_model::rollup::{Rule, Statistic, column_name, roll_up_column, signals};
use fgm_model::schema::column;
use fgm_model::signal::Point;
use fgm_model::{Instance, Metric, Resolution, Row, Signal, Table, Tick, Values};
use parquet::arrow::arrow_reader::{ArrowReaderOptions, ParquetRecordBatchReaderBuilder};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;

/// A number of any type, or none.
#[derive(Debug, Clone, Copy)]
enum Number {
    Int(i64),
    Float(f64),
}

impl PartialEq for Number {
    /// A sum's last digits depend on the order of adding.
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Int(a), Self::Int(b)) => a == b,
            (Self::Float(a), Self::Float(b)) => (a - b).abs() <= 1e-12 * a.abs().max(b.abs()),
            _ => false,
        }
    }
}

/// A row's numbers by column, without nulls.
type Numbers = BTreeMap<String, Number>;
/// By instance and bucket.
type Keyed = BTreeMap<(String, i64), Numbers>;

fn numbers(path: &Path) -> Keyed {
    let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
    let file = File::open(path).unwrap();
    let reader = ParquetRecordBatchReaderBuilder::try_new_with_options(file, options).unwrap();
    let mut keyed = Keyed::new();
    for batch in reader.build().unwrap() {
        let batch = batch.unwrap();
        for row in 0..batch.num_rows() {
            let mut numbers = Numbers::new();
            let mut id = String::new();
            for (field, array) in batch.schema().fields().iter().zip(batch.columns()) {
                let number = match field.data_type() {
                    _ if array.is_null(row) => continue,
                    DataType::Int64 => Number::Int(array.as_primitive::<Int64Type>().value(row)),
                    DataType::Float64 => {
                        Number::Float(array.as_primitive::<Float64Type>().value(row))
                    }
                    DataType::Timestamp(_, _) => {
                        Number::Int(array.as_primitive::<TimestampMillisecondType>().value(row))
                    }
                    DataType::Utf8 if field.name() == column::CONTAINER_ID => {
                        id = array.as_string::<i32>().value(row).to_owned();
                        continue;
                    }
                    _ => continue,
                };
                numbers.insert(field.name().clone(), number);
            }
            let Some(Number::Int(start_ms)) = numbers.remove(column::TIME) else {
                panic!("a row without a time");
            };
            let doubled = keyed.insert((id, start_ms), numbers);
            assert!(doubled.is_none(), "one row per instance and bucket");
        }
    }
    keyed
}

fn merge(bed: &Bed, hour: i64) -> HourReport {
    let hour = Hour {
        table: Table::Metrics,
        recorder: "fgm-7xk2p".into(),
        hour_start_ms: HOUR + hour * HOUR_MS,
    };
    consolidate(&bed.dir, &hour, &|| false).unwrap()
}

fn path_of(report: &HourReport, resolution: Resolution) -> &Path {
    let made = report.roll_ups.iter();
    let mut of = made.filter(|made| made.resolution == resolution);
    &of.next().unwrap().path
}

/// A raw row.
#[derive(Debug, Clone)]
struct Raw {
    at: ReadAt,
    epoch: i64,
    values: Values,
}

fn summarise(into: &mut Numbers, signal: Signal, floats: &[f64], has_last: bool) {
    let mut put = |statistic, number| into.insert(column_name(signal, statistic), number);
    if floats.is_empty() {
        return;
    }
    let fold = |f: fn(f64, f64) -> f64| floats.iter().copied().reduce(f).unwrap();
    put(Statistic::Min, Number::Float(fold(f64::min)));
    put(Statistic::Max, Number::Float(fold(f64::max)));
    put(
        Statistic::Sum,
        Number::Float(floats.iter().fold(0.0, |sum, value| sum + value)),
    );
    put(
        Statistic::Count,
        Number::Int(i64::try_from(floats.len()).unwrap()),
    );
    if has_last {
        put(Statistic::Last, Number::Float(*floats.last().unwrap()));
    }
}

/// The roll-up of one instance's rows, straight from the definition.
fn naive(rows: &[Raw], border: Option<&Raw>, length_ms: i64) -> BTreeMap<i64, Numbers> {
    let before = |index: usize| {
        let of_epoch = rows[..index]
            .iter()
            .rev()
            .find(|row| row.epoch == rows[index].epoch);
        of_epoch.or_else(|| border.filter(|border| border.epoch == rows[index].epoch))
    };
    let bucket = |row: &Raw| row.at.time_ms.div_euclid(length_ms) * length_ms;
    let mut result = BTreeMap::new();
    for start_ms in rows.iter().map(bucket) {
        let of: Vec<usize> = (0..rows.len())
            .filter(|row| bucket(&rows[*row]) == start_ms)
            .collect();
        let mut numbers = Numbers::new();
        let int = |value: i64| Number::Int(value);
        numbers.insert(
            roll_up_column::FIRST_TIME.into(),
            int(rows[of[0]].at.time_ms),
        );
        numbers.insert(
            roll_up_column::LAST_TIME.into(),
            int(rows[*of.last().unwrap()].at.time_ms),
        );
        numbers.insert(
            roll_up_column::ROWS.into(),
            int(i64::try_from(of.len()).unwrap()),
        );
        let gap = |row: &usize| {
            let (at, before) = (rows[*row].at, before(*row)?.at);
            Some(((at.time_ms - before.time_ms) * 1000 + at.offset_us - before.offset_us).max(0))
        };
        numbers.insert(
            roll_up_column::INCREASE_TIME_US.into(),
            int(of.iter().filter_map(gap).sum()),
        );
        for signal in signals(Table::Metrics) {
            let metrics = signal.inputs();
            let inputs = |row: &Raw| -> Vec<Option<i64>> {
                metrics
                    .iter()
                    .map(|metric| row.values.get(*metric))
                    .collect()
            };
            let shown = |row: &usize| {
                let earlier = before(*row).map(|row| (row.at, inputs(row)));
                let earlier = earlier
                    .as_ref()
                    .map(|(at, inputs)| Point { at: *at, inputs });
                let now = inputs(&rows[*row]);
                let later = Point {
                    at: rows[*row].at,
                    inputs: &now,
                };
                signal.eval(earlier, later, 1000)
            };
            let stored = |row: usize| rows[row].values.get(metrics[0]);
            let known: Vec<i64> = of.iter().filter_map(|row| stored(*row)).collect();
            match Rule::of(signal) {
                Rule::Derived => {
                    let values: Vec<f64> = of.iter().filter_map(shown).collect();
                    summarise(&mut numbers, signal, &values, true);
                }
                Rule::Gauge if !known.is_empty() => {
                    let mut put = |statistic, value| {
                        numbers.insert(column_name(signal, statistic), Number::Int(value))
                    };
                    put(Statistic::Min, *known.iter().min().unwrap());
                    put(Statistic::Max, *known.iter().max().unwrap());
                    put(Statistic::Sum, known.iter().sum());
                    put(Statistic::Count, i64::try_from(known.len()).unwrap());
                    put(Statistic::Last, *known.last().unwrap());
                }
                Rule::Gauge => {}
                Rule::Cumulative => {
                    let rates: Vec<f64> = of.iter().filter_map(shown).collect();
                    summarise(&mut numbers, signal, &rates, false);
                    let mut put = |statistic, value| {
                        numbers.insert(column_name(signal, statistic), Number::Int(value))
                    };
                    if let (Some(first), Some(last)) = (known.first(), known.last()) {
                        put(Statistic::First, *first);
                        put(Statistic::Last, *last);
                    }
                    // From each known value to the one before it of the same clock epoch.
                    let gains: Vec<i64> = of
                        .iter()
                        .filter_map(|row| {
                            let epoch = rows[*row].epoch;
                            let earlier = rows[..*row]
                                .iter()
                                .rev()
                                .filter(|other| other.epoch == epoch);
                            let border = border.filter(|border| border.epoch == epoch);
                            let mut values =
                                earlier.chain(border).map(|row| row.values.get(metrics[0]));
                            Some((stored(*row)? - values.find_map(|value| value)?).max(0))
                        })
                        .collect();
                    if !gains.is_empty() {
                        put(Statistic::Increase, gains.iter().sum());
                    }
                }
            }
        }
        result.insert(start_ms, numbers);
    }
    result
}

const METRICS: [Metric; 6] = [
    Metric::CpuUserUsec,
    Metric::CpuNrPeriods,
    Metric::CpuNrThrottled,
    Metric::MemoryCurrent,
    Metric::MemoryInactiveFile,
    Metric::IoRchar,
];

/// Rows of two instances over the border of two hours: gaps, resets, missing values, steps of
/// the clock.
fn any_recording() -> impl Strategy<Value = Vec<Tick>> {
    let value = prop::option::weighted(0.8, -20..400_i64);
    let row = prop::option::weighted(
        0.8,
        (
            prop::collection::vec(value, METRICS.len()),
            -300_000..300_000_i64,
        ),
    );
    let step =
        prop_oneof![6 => Just(1000_i64), 2 => Just(2000), 1 => Just(5000), 1 => Just(61_000)];
    let tick = (
        step,
        prop::bool::weighted(0.05),
        prop::collection::vec(row, 2),
    );
    prop::collection::vec(tick, 1..60).prop_map(|ticks| {
        let mut time_ms = HOUR + HOUR_MS - 30_000;
        let mut epoch = 0;
        let mut totals = [[1000_i64; METRICS.len()]; 2];
        let mut recorded = Vec::new();
        for (step, is_set, rows) in ticks {
            time_ms += step;
            if is_set {
                time_ms -= 7000;
                epoch += 1;
            }
            let mut tick = Tick {
                time_ms,
                clock_epoch: epoch,
                rows: Vec::new(),
            };
            for (number, row) in (0..).zip(rows) {
                let Some((deltas, offset_us)) = row else {
                    continue;
                };
                let mut values = Values::default();
                let totals = &mut totals[usize::try_from(number).unwrap()];
                for ((metric, total), delta) in METRICS.into_iter().zip(totals).zip(deltas) {
                    *total = (*total + delta.unwrap_or(50)).max(0);
                    values.set(metric, delta.map(|_| *total));
                }
                tick.rows.push(Row {
                    instance: instance(number),
                    read_offset_us: offset_us,
                    limits_known: true,
                    values,
                });
            }
            recorded.push(tick);
        }
        recorded
    })
}

/// An instance's rows of an hour, in the order of a file.
fn rows_of(ticks: &[Tick], of: &Instance, hour: i64) -> Vec<Raw> {
    let mut rows: BTreeMap<(i64, i64), Raw> = BTreeMap::new();
    for tick in ticks {
        if tick.time_ms.div_euclid(HOUR_MS) * HOUR_MS != HOUR + hour * HOUR_MS {
            continue;
        }
        for row in tick.rows.iter().filter(|row| row.instance.life == of.life) {
            let raw = Raw {
                at: ReadAt {
                    time_ms: tick.time_ms,
                    offset_us: row.read_offset_us,
                },
                epoch: tick.clock_epoch,
                values: row.values.clone(),
            };
            rows.insert((tick.time_ms, tick.clock_epoch), raw);
        }
    }
    rows.into_values().collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// Roll-ups equal a naive recomputation: extremes of gauges, of rates and of derived
    /// signals, increases, and "the rate across an hour's border uses the previous hour's last
    /// row of the instance".
    #[test]
    fn roll_ups_equal_a_naive_recomputation(ticks in any_recording()) {
        let bed = Bed::new();
        for hour in 0..2 {
            let begins = HOUR + hour * HOUR_MS;
            let of: Vec<Tick> = ticks
                .iter()
                .filter(|tick| tick.time_ms.div_euclid(HOUR_MS) * HOUR_MS == begins)
                .cloned()
                .collect();
            if of.iter().any(|tick| !tick.rows.is_empty()) {
                bed.segment(&of);
            }
        }
        for hour in 0..2 {
            let report = merge(&bed, hour);
            if report.roll_ups.is_empty() {
                prop_assert!((0..2).all(|number| rows_of(&ticks, &instance(number), hour).is_empty()));
                continue;
            }
            for resolution in Resolution::ROLL_UPS {
                let mut expected = Keyed::new();
                for number in 0..2 {
                    let of = instance(number);
                    let border = rows_of(&ticks, &of, hour - 1);
                    let rows = rows_of(&ticks, &of, hour);
                    let buckets = naive(&rows, border.last(), resolution.bucket_ms().unwrap());
                    expected.extend(buckets.into_iter().map(|(start, numbers)| ((of.container_id.clone(), start), numbers)));
                }
                prop_assert_eq!(numbers(path_of(&report, resolution)), expected);
            }
        }
    }
}

/// One busy second in an hour of idle ones.
fn hour_with_a_spike(second: i64) -> Vec<Tick> {
    let a = instance(1);
    let mut total = 0;
    (0..600)
        .map(|n| {
            let is_spike = n == second;
            total += if is_spike { 900_000 } else { 1000 };
            let mut tick = tick_of(
                HOUR + n * 1000,
                0,
                &[(&a, if is_spike { 1 << 30 } else { 1 << 20 })],
            );
            tick.rows[0].read_offset_us = 0;
            tick.rows[0].values.set(Metric::CpuUserUsec, Some(total));
            tick
        })
        .collect()
}

/// "a one-second spike must survive every level", of a gauge and of a rate.
#[test]
fn a_spike_of_one_second_survives_every_level() {
    for second in [1, 59, 60, 333, 599] {
        let bed = Bed::new();
        bed.segment(&hour_with_a_spike(second));
        let report = merge(&bed, 0);
        for resolution in Resolution::ROLL_UPS {
            let rows = numbers(path_of(&report, resolution));
            let highest = |name: &str| {
                rows.values()
                    .filter_map(|row| match row.get(name)? {
                        Number::Int(value) => Some(f64::from(i32::try_from(*value).unwrap())),
                        Number::Float(value) => Some(*value),
                    })
                    .fold(0.0, f64::max)
            };
            assert_eq!(
                highest("memory_current__max"),
                f64::from(1 << 30),
                "{second}"
            );
            assert_eq!(highest("cpu_user_usec__max"), 900_000.0, "{second}");
            assert_eq!(
                highest("memory_working_set__max"),
                0.0,
                "its part is not known"
            );
        }
    }
}

/// "The rate across an hour's border": a spike in the first second of an hour is one, whichever
/// hour is merged first, and a late change of the hour before rebuilds.
#[test]
fn a_late_change_of_the_hour_before_rebuilds() {
    let bed = Bed::new();
    let a = instance(1);
    let tick = |time_ms: i64, total: i64| {
        let mut tick = tick_of(time_ms, 0, &[(&a, 1)]);
        tick.rows[0].values.set(Metric::CpuUserUsec, Some(total));
        tick
    };
    bed.segment(&[tick(HOUR + HOUR_MS, 5000)]);
    let first = merge(&bed, 1);
    let rate = |report: &HourReport| {
        let rows = numbers(path_of(report, Resolution::S60));
        rows.into_values()
            .next()
            .unwrap()
            .get("cpu_user_usec__max")
            .copied()
    };
    assert_eq!(rate(&first), None, "there is no row before");
    bed.segment(&[tick(HOUR + HOUR_MS - 1000, 2000)]);
    let again = merge(&bed, 1);
    assert!(again.merged.is_none());
    assert_eq!(rate(&again), Some(Number::Float(3000.0)));
    assert!(again.roll_ups.iter().all(|made| made.generation == 1));
    assert_eq!(merge(&bed, 1), HourReport::default());
    merge(&bed, 0);
    assert_eq!(
        merge(&bed, 1),
        HourReport::default(),
        "merging it changed nothing in it"
    );
}

/// A footer tells where each instance's buckets lie, as in a raw file.
#[test]
fn a_roll_up_says_where_its_instances_lie() {
    let bed = Bed::new();
    let instances = [1, 2].map(instance);
    let rows: Vec<(&Arc<Instance>, i64)> = instances.iter().map(|one| (one, 1)).collect();
    bed.segment(&[tick_of(HOUR, 0, &rows), tick_of(HOUR + 60_000, 0, &rows)]);
    merge(&bed, 0);
    let listing = crate::listing::Lister::at(bed.dir.clone(), Resolution::S60)
        .list(&crate::listing::Selection::all())
        .unwrap();
    let footer = &listing.files[0].footer;
    let ranges: Vec<_> = footer
        .instances
        .iter()
        .map(|range| (range.first_row, range.rows))
        .collect();
    assert_eq!(ranges, [(0, 2), (2, 2)]);
    assert_eq!(footer.instances[1].last_ms, HOUR + 60_000);
}
