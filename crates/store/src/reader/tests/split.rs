use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;

/// What becomes of one spool.
#[derive(Debug, Clone, Copy)]
enum Fate {
    Spooled,
    Sealed,
    /// Both visible: the moment between publish and unlink.
    Both,
    /// A second recorder, which saw the same.
    TwoRecorders,
}

fn fate() -> impl Strategy<Value = Fate> {
    prop_oneof![
        Just(Fate::Spooled),
        Just(Fate::Sealed),
        Just(Fate::Both),
        Just(Fate::TwoRecorders)
    ]
}

/// Ticks around an hour's border: steps of some seconds, some instances in each, and sometimes
/// the clock set back.
fn recording() -> impl Strategy<Value = Vec<Tick>> {
    let value = || (0_i64..1000, 0_i64..1000);
    let one = (
        1_i64..6,
        prop::bool::weighted(0.05),
        prop::collection::vec(prop::option::of(value()), 3),
    );
    prop::collection::vec(one, 1..25).prop_map(|steps| {
        let instances = [
            instance("c1", "l1", Some("app")),
            instance("c1", "l2", Some("app")),
            instance("c2", "l1", Some("db")),
        ];
        let (mut time_ms, mut clock_epoch) = (HOUR - 20 * SECOND, 0);
        let mut ticks = Vec::new();
        for (step, set_back, values) in steps {
            time_ms += step * SECOND;
            if set_back {
                time_ms -= 9 * SECOND;
                clock_epoch += 1;
            }
            let rows = instances
                .iter()
                .zip(values)
                .filter_map(|(instance, value)| value.map(|(a, b)| row(instance, a, b)))
                .collect();
            ticks.push(Tick {
                time_ms,
                clock_epoch,
                rows,
            });
        }
        ticks
    })
}

fn write(ticks: &[Tick], cuts: &[bool], fates: &[Fate]) -> Data {
    let mut data = Data::new();
    let hour = |tick: &Tick| crate::layout::hour_of(tick.time_ms);
    let mut parts: Vec<Vec<Tick>> = Vec::new();
    for (index, tick) in ticks.iter().enumerate() {
        let last = parts.last().and_then(|part| part.last());
        let joins = last.is_some_and(|last| {
            hour(last) == hour(tick) && last.clock_epoch == tick.clock_epoch && !cuts[index]
        });
        match parts.last_mut() {
            Some(part) if joins => part.push(tick.clone()),
            _ => parts.push(vec![tick.clone()]),
        }
    }
    for (part, fate) in parts.iter().zip(fates) {
        if part.iter().all(|tick| tick.rows.is_empty()) {
            continue;
        }
        match fate {
            Fate::Spooled => drop(data.spooled(part)),
            Fate::Sealed => drop(data.sealed(part)),
            Fate::Both => {
                let ulid = data.spooled(part);
                let stream = data.dir.stream(ulid, Table::Metrics);
                let bytes = std::fs::read(&stream).unwrap();
                seal(&data.dir, ulid).unwrap();
                std::fs::create_dir_all(stream.parent().unwrap()).unwrap();
                std::fs::write(stream, bytes).unwrap();
            }
            Fate::TwoRecorders => {
                data.sealed(part);
                data.recorder = recorder("fgm-b");
                data.spooled(part);
                data.recorder = recorder("fgm-a");
            }
        }
    }
    data
}

type Rows = BTreeMap<(String, String, i64, i64), (f64, Option<f64>)>;

/// Straight from the definition: the previous row of the same instance and epoch makes the rate.
fn truth(ticks: &[Tick]) -> Rows {
    let mut rows = Rows::new();
    let mut earlier: BTreeMap<(String, String, i64), (i64, i64)> = BTreeMap::new();
    for tick in ticks {
        for row in &tick.rows {
            let (id, life) = (row.instance.container_id.clone(), row.instance.life.clone());
            let bytes = row.values.get(Metric::IoReadBytes).unwrap();
            let before = earlier.insert(
                (id.clone(), life.clone(), tick.clock_epoch),
                (tick.time_ms, bytes),
            );
            let rate = before.and_then(|(time_ms, before)| {
                let gap_ms = tick.time_ms - time_ms;
                (gap_ms <= 3000 && bytes >= before)
                    .then(|| (bytes - before) as f64 / (gap_ms as f64 / 1000.0))
            });
            let memory = row.values.get(Metric::MemoryCurrent).unwrap() as f64;
            rows.insert((id, life, tick.clock_epoch, tick.time_ms), (memory, rate));
        }
    }
    rows
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    /// DATA.md section 3, the set rule as a reader sees it, and section 2, "Rates".
    #[test]
    fn any_split_over_spools_and_segments_gives_the_same_series(
        ticks in recording(),
        cuts in prop::collection::vec(prop::bool::weighted(0.3), 25),
        fates in prop::collection::vec(fate(), 25),
        from in -25_i64..25,
        length in 0_i64..60,
    ) {
        let data = write(&ticks, &cuts, &fates);
        let reader = data.reader();
        let (start_ms, end_ms) = (HOUR + from * SECOND, HOUR + (from + length) * SECOND);
        let want: Rows = truth(&ticks)
            .into_iter()
            .filter(|((.., time_ms), _)| (start_ms..=end_ms).contains(time_ms))
            .collect();

        let mut got = Rows::new();
        let containers = reader.containers(start_ms, end_ms).unwrap();
        reader.scan(&query(start_ms, end_ms), &containers, &|| true, |chunk| {
            let who = &containers[chunk.series].instances[chunk.instance].instance;
            for (index, time_ms) in chunk.times_ms.iter().enumerate() {
                let key = (who.container_id.clone(), who.life.clone(), chunk.clock_epoch, *time_ms);
                let rate = chunk.values[1][index];
                let double = got.insert(key, (chunk.values[0][index], (!rate.is_nan()).then_some(rate)));
                assert_eq!(double, None);
            }
        }).unwrap();
        prop_assert_eq!(&got, &want);

        // In one piece: the same rows, every series in the order of its keys.
        let series = reader.series(&query(start_ms, end_ms)).unwrap();
        let rows: usize = series.iter().map(|one| one.times_ms.len()).sum();
        prop_assert_eq!(rows, want.len());
        for one in &series {
            for index in 1..one.times_ms.len() {
                let rises = one.times_ms[index - 1] < one.times_ms[index];
                prop_assert!(rises || one.breaks.contains(&index));
            }
        }
    }
}
