use super::*;
use fgm_model::{EventKind, Metric, Table, Values};
use std::collections::{BTreeMap, HashMap, HashSet};

const HOUR_MS: i64 = 3_600_000;

fn settings(scenario: Scenario, seed: u64) -> Settings {
    Settings {
        scenario,
        seed,
        containers: 26,
        start_ms: 500_000 * HOUR_MS,
        duration_ms: HOUR_MS,
        interval_ms: 1000,
    }
}

fn batches(settings: Settings, mut each: impl FnMut(&Batch)) -> Truth {
    let mut generator = Generator::new(settings);
    let mut batch = Batch::default();
    while generator.next_tick(&mut batch).is_some() {
        each(&batch);
    }
    generator.into_truth()
}

#[test]
fn the_same_settings_give_the_same_rows() {
    let short = |seed| Settings {
        duration_ms: 120_000,
        ..settings(Scenario::Churn, seed)
    };
    let rows = |seed| {
        let mut rows = Vec::new();
        let truth = batches(short(seed), |batch| {
            rows.extend(batch.metrics.rows.clone());
            rows.extend(batch.pods.rows.clone());
        });
        (rows, truth)
    };
    assert!(rows(1) == rows(1));
    assert!(rows(1) != rows(2));
}

/// Within a life, and for pods and the node too: "counters that count".
#[test]
fn counters_never_fall_and_keys_are_unique() {
    for scenario in Scenario::ALL {
        let short = Settings {
            duration_ms: 1_200_000,
            ..settings(scenario, 11)
        };
        let mut last: HashMap<(Table, String), Values> = HashMap::new();
        let mut fallen = Vec::new();
        batches(short, |batch| {
            for (table, tick) in [
                (Table::Metrics, &batch.metrics),
                (Table::Pods, &batch.pods),
                (Table::Node, &batch.node),
            ] {
                let mut keys = HashSet::new();
                for row in &tick.rows {
                    let id = &row.instance.container_id;
                    assert!(keys.insert(id), "{scenario:?}: two rows of {id}");
                    let before = last.insert((table, id.clone()), row.values.clone());
                    let Some(before) = before else { continue };
                    for metric in Metric::ALL {
                        let cumulative = metric.def().kind.is_cumulative();
                        if cumulative && row.values.get(metric) < before.get(metric) {
                            fallen.push((scenario, table, metric));
                        }
                    }
                }
            }
        });
        fallen.dedup();
        assert!(fallen.is_empty(), "{fallen:?}");
        assert!(last.len() > 26);
    }
}

/// Nobody waits for memory longer than time goes by, in the second of an OOM kill neither.
#[test]
fn memory_pressure_rises_no_faster_than_time() {
    let settings = Settings {
        interval_ms: 5000,
        ..settings(Scenario::Leak, 2)
    };
    let (mut last, mut judged) = (HashMap::new(), 0);
    batches(settings, |batch| {
        for row in &batch.metrics.rows {
            let waited = row.values.get(Metric::MemoryPsiSomeUsec);
            let at_us = batch.metrics.time_ms * 1000 + row.read_offset_us;
            let key = (row.instance.container_id.clone(), row.instance.life.clone());
            let Some((before_us, before)) = last.insert(key, (at_us, waited)) else {
                continue;
            };
            let Some(rise) = waited.zip(before).map(|(now, before)| now - before) else {
                continue;
            };
            assert!(rise <= at_us - before_us, "{rise} in {}", at_us - before_us);
            judged += usize::from(rise > 0);
        }
    });
    assert!(judged > 10, "{judged} rows with pressure");
}

/// What the truth says of each life is what its rows say.
#[test]
fn the_truth_is_that_of_the_rows() {
    for scenario in Scenario::ALL {
        let mut rows: BTreeMap<String, (u64, Values)> = BTreeMap::new();
        let mut kinds: HashMap<EventKind, u64> = HashMap::new();
        let mut ids = HashSet::new();
        let mut times = Vec::new();
        let truth = batches(settings(scenario, 7), |batch| {
            let since_us = times.last().map_or(0, |last| batch.metrics.time_ms - last) * 1000;
            times.push(batch.metrics.time_ms);
            for row in &batch.metrics.rows {
                let entry = rows.entry(row.instance.container_id.clone()).or_default();
                *entry = (entry.0 + 1, row.values.clone());
                // Between the last tick and the next one, what ended in between included.
                let offset_us = row.read_offset_us;
                assert!(
                    -since_us < offset_us && offset_us < 1_000_000,
                    "{offset_us}"
                );
            }
            for event in &batch.events {
                *kinds.entry(event.kind).or_default() += 1;
                assert!(ids.insert(event.event_id.clone()), "{event:?}");
                assert!(event.detail.is_object());
                assert_eq!(event.recorded_at_ms, batch.metrics.time_ms);
            }
        });
        let lives: Vec<_> = truth
            .series
            .iter()
            .flat_map(|series| &series.instances)
            .collect();
        assert_eq!(lives.len(), rows.len());
        for life in &lives {
            let (count, last) = &rows[&life.container_id];
            assert_eq!(life.rows, *count);
            let get = |metric| last.get(metric).expect("known");
            assert_eq!(
                life.cpu_usec,
                get(Metric::CpuUserUsec) + get(Metric::CpuSystemUsec)
            );
            assert_eq!(life.nr_throttled, get(Metric::CpuNrThrottled));
            assert_eq!(life.memory_peak, get(Metric::MemoryPeak));
        }
        let count = |kind| kinds.get(&kind).copied().unwrap_or(0);
        let kills: usize = truth
            .series
            .iter()
            .map(|series| series.oom_kills.len())
            .sum();
        assert_eq!(count(EventKind::OomKill), kills as u64);
        assert_eq!(count(EventKind::Started), lives.len() as u64);
        let ended = lives.iter().filter(|life| life.end != End::Running).count();
        assert_eq!(count(EventKind::Ended), ended as u64);
        let spells: usize = truth
            .series
            .iter()
            .map(|series| series.throttling.len())
            .sum();
        assert_eq!(count(EventKind::ThrottlingStarted), spells as u64);
        // Every instant was read or is told as missed.
        let missed: i64 = truth.gaps.iter().map(|gap| gap.missed).sum();
        assert_eq!(times.len() as i64 + missed, 3600, "{scenario:?}");
        for gap in &truth.gaps {
            assert!(
                times
                    .iter()
                    .all(|time| !(gap.from_ms..=gap.to_ms).contains(time))
            );
        }
    }
}

/// Each scenario has what it is for.
#[test]
fn every_scenario_shows_its_trouble() {
    let of = |scenario| {
        let larger = Settings {
            containers: 50,
            ..settings(scenario, 3)
        };
        batches(larger, |_| {})
    };
    let ends = |truth: &Truth, end| {
        let lives = truth.series.iter().flat_map(|series| &series.instances);
        lives.filter(|life| life.end == end).count()
    };
    let kills = |truth: &Truth, survived| {
        let kills = truth.series.iter().flat_map(|series| &series.oom_kills);
        kills.filter(|kill| kill.survived == survived).count()
    };
    let spells = |truth: &Truth| {
        truth
            .series
            .iter()
            .filter(|one| !one.throttling.is_empty())
            .count()
    };
    let idle = of(Scenario::Idle);
    assert_eq!(
        (kills(&idle, false), spells(&idle), idle.gaps.len()),
        (0, 0, 0)
    );
    let realistic = of(Scenario::Realistic);
    assert!(spells(&realistic) >= 1);
    assert!(!realistic.gaps.is_empty());
    assert!(
        realistic
            .series
            .iter()
            .any(|one| one.leak_bytes_per_s > 0.0)
    );
    assert!(realistic.series.iter().any(|one| one.cpu_spikes.len() > 10));
    assert!(
        realistic
            .series
            .iter()
            .any(|one| one.memory_spikes.len() > 10)
    );
    assert!(realistic.series.iter().any(|one| !one.periods.is_empty()));
    let churn = of(Scenario::Churn);
    assert!(ends(&churn, End::Completed) > 50 && ends(&churn, End::Crashed) > 5);
    assert!(ends(&churn, End::RolledOut) > 20);
    let short = churn.series.iter().flat_map(|one| &one.instances);
    assert!(
        short
            .filter(|life| life.rows == 1 && life.ended_us.is_some())
            .count()
            > 3
    );
    assert!(spells(&of(Scenario::Throttle)) > 20);
    let leak = of(Scenario::Leak);
    assert!(kills(&leak, false) > 5);
    assert!(ends(&leak, End::OomKilled) == kills(&leak, false));
    assert!(kills(&of(Scenario::Multiproc), true) > 3);
}

/// A CPU spike is in the counters, whole: the second has what the spike wanted.
#[test]
fn a_spike_off_the_grid_is_in_the_counters() {
    let mut usage: HashMap<String, Vec<(i64, i64)>> = HashMap::new();
    let truth = batches(settings(Scenario::Realistic, 3), |batch| {
        for row in &batch.metrics.rows {
            let get = |metric| row.values.get(metric).expect("known");
            let read_us = batch.metrics.time_ms * 1000 + row.read_offset_us;
            let used = get(Metric::CpuUserUsec) + get(Metric::CpuSystemUsec);
            usage
                .entry(row.instance.container_id.clone())
                .or_default()
                .push((read_us, used));
        }
    });
    let mut compared = 0;
    for series in &truth.series {
        let [life] = series.instances.as_slice() else {
            continue;
        };
        let rows = &usage[&life.container_id];
        for spike in &series.cpu_spikes {
            let end_us = spike.start_us + spike.width_us;
            let before = rows.iter().rfind(|(read_us, _)| *read_us <= spike.start_us);
            let after = rows.iter().find(|(read_us, _)| *read_us >= end_us);
            let (Some((_, before)), Some((_, after))) = (before, after) else {
                continue;
            };
            let wanted = spike.size * spike.width_us / 1000;
            assert!(
                after - before >= wanted - 10,
                "{} of {wanted}",
                after - before
            );
            assert!(spike.start_us % 1_000_000 != 0);
            compared += 1;
        }
    }
    assert!(compared > 20, "{compared}");
}

/// Readers take `detail` apart: its keys are those of the recorder's events.
#[test]
fn details_have_the_recorders_shape() {
    let snapshot = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../collector/src/snapshots/fgm_collector__events__tests__details_have_a_stable_shape.snap"
    );
    let text = std::fs::read_to_string(snapshot).expect("the collector's snapshot");
    let keys = |detail: &serde_json::Value| -> Vec<String> {
        detail
            .as_object()
            .expect("an object")
            .keys()
            .cloned()
            .collect()
    };
    let mut shapes: HashMap<String, Vec<Vec<String>>> = HashMap::new();
    for line in text.lines().filter(|line| line.contains(" recorded ")) {
        let (head, detail) = line.split_once(": ").expect("a detail");
        let kind = head.split(' ').next().expect("a kind").to_owned();
        let detail = serde_json::from_str(detail).expect("JSON");
        shapes.entry(kind).or_default().push(keys(&detail));
    }
    let mut compared = HashSet::new();
    batches(settings(Scenario::Churn, 5), |batch| {
        for event in &batch.events {
            if let Some(shapes) = shapes.get(event.kind.as_str()) {
                assert!(shapes.contains(&keys(&event.detail)), "{event:?}");
                compared.insert(event.kind);
            }
        }
    });
    assert!(compared.len() >= 4, "{compared:?}");
}
