//! Buckets from every level, against a naive recomputation.

use super::roll_up_file::{naive, roll_up, signals};
use super::*;
use crate::layout::{HOUR_MS, hour_of};
use fgm_model::Resolution;
use proptest::prelude::*;
use std::fs;

/// Rows of two lives over three hours, some seconds apart, counters that are reset now and then.
fn recording() -> impl Strategy<Value = Vec<Tick>> {
    let value = || {
        prop::option::weighted(
            0.9,
            (0_i64..1000, prop::option::weighted(0.95, 0_i64..5000)),
        )
    };
    let step = prop_oneof![6 => 1_i64..4, 1 => 4_i64..900];
    prop::collection::vec((step, value(), value()), 30..150).prop_map(|steps| {
        let instances = [
            instance("c1", "l1", Some("app")),
            instance("c2", "l1", Some("db")),
        ];
        let mut totals = [0_i64; 2];
        let mut time_ms = HOUR - 100 * SECOND;
        let mut ticks = Vec::new();
        for (step, one, other) in steps {
            time_ms += step * SECOND;
            let mut rows = Vec::new();
            for ((instance, total), value) in instances.iter().zip(&mut totals).zip([one, other]) {
                let Some((memory, gained)) = value else {
                    continue;
                };
                *total = gained.map_or(0, |gained| *total + gained);
                rows.push(row(instance, memory, *total));
            }
            if !rows.is_empty() && hour_of(time_ms) < HOUR + 2 * HOUR_MS {
                ticks.push(tick(time_ms, rows));
            }
        }
        ticks
    })
}

/// Seals each hour in a few segments; some hours get roll-ups.
fn write(ticks: &[Tick], rolled: &[bool]) -> Data {
    let data = Data::new();
    let hours = ticks.chunk_by(|a, b| hour_of(a.time_ms) == hour_of(b.time_ms));
    for (hour, has_roll_ups) in hours.zip(rolled) {
        let mut spools = Vec::new();
        for part in hour.chunks(40) {
            let ulid = data.spooled(part);
            spools.push(ulid);
            seal(&data.dir, ulid).unwrap();
        }
        if *has_roll_ups {
            for resolution in Resolution::ROLL_UPS {
                roll_up(
                    &data,
                    ticks,
                    hour_of(hour[0].time_ms),
                    resolution,
                    spools.clone(),
                );
            }
        }
    }
    data
}

fn all_kept(grid: Grid) -> BucketQuery {
    BucketQuery {
        table: Table::Metrics,
        signals: signals(),
        grid,
        resolution: grid.resolution(),
        keep: Keep {
            extremes: true,
            means: true,
            summary: Some(Percentiles::All),
        },
    }
}

fn close(a: f64, b: f64) -> bool {
    (a.is_nan() && b.is_nan()) || (a - b).abs() <= 1e-9 * b.abs().max(1.0)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// DATA.md section 4: "Roll-up rows are partial aggregates keyed (instance, bucket): readers
    /// combine equal keys".
    #[test]
    fn buckets_of_every_level_equal_a_naive_recomputation(
        ticks in recording(),
        rolled in prop::collection::vec(any::<bool>(), 4),
        step_s in prop::sample::select(vec![1_i64, 5, 30, 60, 120, 600, 1800, 3600, 7200]),
    ) {
        let data = write(&ticks, &rolled);
        let reader = data.reader();
        let (first, last) = (ticks[0].time_ms, ticks[ticks.len() - 1].time_ms);
        let containers = reader.containers(first, last).unwrap();
        let grid = Grid::covering(first, last, step_s * 1000);
        let series = reader.buckets(&all_kept(grid), &containers, &|| true).unwrap();
        let want = naive(&ticks, grid.step_ms);
        let mut compared = 0;
        for (container, series) in containers.iter().zip(&series) {
            let who = &container.identity;
            for (place, buckets) in series.signals.iter().enumerate() {
                for bucket in 0..grid.buckets {
                    let from = grid.start_ms + i64::try_from(bucket).unwrap() * grid.step_ms;
                    let want = want.get(&(who.container_id.clone(), who.life.clone(), from));
                    let values = want.map(|want| want.values[place].as_slice()).unwrap_or_default();
                    let min = values.iter().copied().fold(f64::NAN, f64::min);
                    let max = values.iter().copied().fold(f64::NAN, f64::max);
                    let Some(buckets) = buckets else {
                        prop_assert!(values.is_empty());
                        continue;
                    };
                    prop_assert_eq!(bits(&[buckets.min[bucket], buckets.max[bucket]]), bits(&[min, max]));
                    if place == 0 {
                        let mean = values.iter().sum::<f64>() / values.len() as f64;
                        prop_assert!(close(buckets.mean[bucket], mean));
                    }
                    compared += values.len();
                }
                if let Some(summary) = buckets.as_ref().and_then(|buckets| buckets.summary) {
                    let known = buckets.iter().flat_map(|b| b.max.iter().copied());
                    prop_assert_eq!(summary.max, known.fold(f64::NAN, f64::max));
                }
            }
        }
        prop_assert!(compared > 0);
    }
}

proptest! {
    // Each case is twenty minutes of ticks, looked at on every step.
    #![proptest_config(ProptestConfig::with_cases(2))]

    /// DATA.md section 4: "a one-second spike must survive every level".
    #[test]
    fn a_spike_of_a_second_survives_every_level(at in prop::collection::vec(1_usize..1199, 1..4)) {
        let app = instance("c1", "l1", Some("app"));
        let mut total = 0;
        let ticks: Vec<_> = (0..1200_usize)
            .map(|second| {
                let is_spike = at.contains(&second);
                total += if is_spike { 1_000_000 } else { 10 };
                let memory = if is_spike { 777_777 } else { 1000 };
                let time_ms = HOUR + i64::try_from(second).unwrap() * SECOND;
                tick(time_ms, vec![row(&app, memory, total)])
            })
            .collect();
        let data = Data::new();
        let ulid = data.spooled(&ticks);
        seal(&data.dir, ulid).unwrap();
        let reader = data.reader();
        for rolled in [false, true] {
            if rolled {
                for resolution in Resolution::ROLL_UPS {
                    roll_up(&data, &ticks, HOUR, resolution, vec![ulid]);
                }
            }
            for step_ms in LADDER_MS {
                let grid = Grid::covering(HOUR, HOUR + HOUR_MS - 1, step_ms);
                let containers = reader.containers(HOUR, HOUR + HOUR_MS).unwrap();
                let series = reader.buckets(&all_kept(grid), &containers, &|| true).unwrap();
                for (buckets, spike) in series[0].signals.iter().zip([777_777.0, 1_000_000.0]) {
                    let buckets = buckets.as_ref().unwrap();
                    let of_spikes: std::collections::BTreeSet<_> =
                        at.iter().map(|at| grid.bucket(ticks[*at].time_ms).unwrap()).collect();
                    for (bucket, max) in buckets.max.iter().enumerate() {
                        prop_assert_eq!(*max == spike, of_spikes.contains(&bucket));
                    }
                    prop_assert_eq!(buckets.summary.unwrap().max, spike);
                }
                // "Averages of rates are increase / time."
                let rate = series[0].signals[1].as_ref().unwrap().summary.unwrap().mean;
                prop_assert!(close(rate, (total - 10) as f64 / 1199.0));
            }
        }
    }
}

fn hour_of_ticks(memory: i64) -> Vec<Tick> {
    let app = instance("c1", "l1", Some("app"));
    (0..120)
        .map(|s| tick(HOUR + s * SECOND, vec![row(&app, memory, s)]))
        .collect()
}

fn highest(reader: &Reader) -> f64 {
    let grid = Grid::covering(HOUR, HOUR + HOUR_MS - 1, 600_000);
    let containers = reader.containers(HOUR, HOUR + HOUR_MS - 1).unwrap();
    let series = reader
        .buckets(&all_kept(grid), &containers, &|| true)
        .unwrap();
    series[0].signals[0].as_ref().unwrap().summary.unwrap().max
}

/// A roll-up that says other numbers than the raw rows tells which of them was read.
#[test]
fn a_roll_up_counts_only_while_it_holds_all_that_the_hour_holds() {
    let data = Data::new();
    let ulid = data.spooled(&hour_of_ticks(1));
    seal(&data.dir, ulid).unwrap();
    let reader = data.reader();
    assert_eq!(highest(&reader), 1.0);
    roll_up(&data, &hour_of_ticks(7), HOUR, Resolution::S600, vec![ulid]);
    assert_eq!(highest(&reader), 7.0);
    // A late spool is not in it.
    let app = instance("c1", "l1", Some("app"));
    let late = data.spooled(&[tick(HOUR + 500 * SECOND, vec![row(&app, 3, 0)])]);
    assert_eq!(highest(&reader), 3.0);
    seal(&data.dir, late).unwrap();
    assert_eq!(highest(&reader), 3.0);
    roll_up(
        &data,
        &hour_of_ticks(8),
        HOUR,
        Resolution::S600,
        vec![ulid, late],
    );
    assert_eq!(highest(&reader), 8.0);
}

#[test]
fn where_raw_rows_are_deleted_roll_ups_still_tell() {
    let data = Data::new();
    let ulid = data.spooled(&hour_of_ticks(5));
    seal(&data.dir, ulid).unwrap();
    for resolution in Resolution::ROLL_UPS {
        roll_up(&data, &hour_of_ticks(5), HOUR, resolution, vec![ulid]);
    }
    fs::remove_dir_all(data.dir.table(Table::Metrics)).unwrap();
    let reader = data.reader();
    let containers = reader.containers(HOUR, HOUR + HOUR_MS - 1).unwrap();
    assert_eq!(containers.len(), 1);
    assert_eq!(containers[0].id, SeriesId::of("node-1", "uid-app", "app"));
    assert_eq!(containers[0].first_ms, HOUR);
    assert_eq!(highest(&reader), 5.0);
    let ids: Vec<_> = reader
        .signals(Table::Metrics, HOUR, HOUR)
        .unwrap()
        .iter()
        .map(|s| s.id())
        .collect();
    assert_eq!(ids, ["memory_current", "io_read_bytes"]);
    let status = reader.status().unwrap();
    assert_eq!((status.first_ms, status.files), (Some(HOUR), 2));
}

/// The first rate after an hour that is rolled up needs that hour's last raw row.
#[test]
fn a_rate_is_made_over_the_border_of_a_rolled_up_hour() {
    let data = Data::new();
    let app = instance("c1", "l1", Some("app"));
    let before = [tick(HOUR - SECOND, vec![row(&app, 1, 100)])];
    let ulid = data.spooled(&before);
    seal(&data.dir, ulid).unwrap();
    roll_up(&data, &before, HOUR - HOUR_MS, Resolution::S600, vec![ulid]);
    data.sealed(&[tick(HOUR, vec![row(&app, 1, 350)])]);
    let reader = data.reader();
    let grid = Grid::covering(HOUR - HOUR_MS, HOUR + HOUR_MS - 1, 600_000);
    let containers = reader.containers(HOUR - HOUR_MS, HOUR + HOUR_MS).unwrap();
    let series = reader
        .buckets(&all_kept(grid), &containers, &|| true)
        .unwrap();
    assert_eq!(series[0].signals[1].as_ref().unwrap().max[6], 250.0);
}

/// The consolidator's own files, against the raw rows that they are made from.
#[test]
fn an_hour_that_was_consolidated_gives_the_same_buckets() {
    let data = Data::new();
    let (app, db) = (
        instance("c1", "l1", Some("app")),
        instance("c2", "l1", Some("db")),
    );
    for part in 0..4 {
        let seconds = part * 300..part * 300 + 290;
        let ticks: Vec<_> = seconds
            .map(|s| {
                let rows = vec![row(&app, s * 7 % 113, s * s), row(&db, s % 5, 3 * s)];
                tick(HOUR + s * SECOND, rows)
            })
            .collect();
        data.sealed(&ticks);
    }
    let reader = data.reader();
    let ask = |step_ms, resolution| {
        let grid = Grid::covering(HOUR, HOUR + HOUR_MS - 1, step_ms);
        let query = BucketQuery {
            resolution,
            ..all_kept(grid)
        };
        let containers = reader.containers(HOUR, HOUR + HOUR_MS).unwrap();
        reader.buckets(&query, &containers, &|| true).unwrap()
    };
    let now_ms = HOUR + 3 * HOUR_MS;
    let before: Vec<_> = [60_000, 600_000]
        .map(|step_ms| ask(step_ms, Resolution::Raw))
        .into();
    let min_age = std::time::Duration::from_secs(120);
    for hour in crate::merge::due(&data.dir, now_ms, min_age, false).unwrap() {
        crate::merge::consolidate(&data.dir, &hour, &|| false).unwrap();
    }
    assert_eq!(reader.status().unwrap().files, 3);
    let levels = [(60_000, Resolution::S60), (600_000, Resolution::S600)];
    for (want, (step_ms, resolution)) in before.iter().zip(levels) {
        let got = [ask(step_ms, resolution), ask(step_ms, Resolution::Raw)];
        for (got, want) in got.iter().flat_map(|got| got.iter().zip(want)) {
            for (got, want) in got.signals.iter().zip(&want.signals) {
                let (got, want) = (got.as_ref().unwrap(), want.as_ref().unwrap());
                assert_eq!(bits(&got.min), bits(&want.min));
                assert_eq!(bits(&got.max), bits(&want.max));
                let means = got.mean.iter().zip(&want.mean);
                assert!(
                    means.clone().all(|(got, want)| close(*got, *want)),
                    "{means:?}"
                );
            }
        }
    }
}
