//! What `fgm` says of a real kernel, against the kernel's own files read by hand in a guest.
//!
//! Counters are judged by bracketing: two readings by hand, one before and one after `fgm`'s, have
//! the row between them.

#![expect(
    clippy::unwrap_used,
    reason = "a failed expectation is how a story fails"
)]

use fgm_model::{Metric, Signal, Table};
use fgm_store::reader::{Reader, SeriesQuery};
use fgm_stories::guest::Guest;
use fgm_stories::stored::{EventRow, Row, Stored, assert_holds, assert_orderly, unique};
use std::collections::{HashMap, HashSet};

const RESOURCES: &str = include_str!("kernel_resources.sh");
const SHORT_LIVES: &str = include_str!("kernel_short_lives.sh");
const OOM: &str = include_str!("kernel_oom.sh");
const REBOOT: &str = include_str!("kernel_reboot.sh");

/// The containers of `kernel_resources.sh` by the end of their ID.
const THROTTLED: u32 = 1;
const OOM_KILLED: u32 = 2;
const WRITER: u32 = 3;
const THRASHER: u32 = 4;
const RESIDENT: u32 = 5;
/// As which its readings by hand name their pod and the node.
const POD: u32 = 0;
const NODE: u32 = 9;

#[test]
fn oom_kill_throttling_pressure_disk_and_memory_agree_with_the_kernel() {
    let Some(guest) = Guest::new() else { return };
    let Some(_) = guest.run(RESOURCES) else {
        return;
    };
    let data_dir = guest.folder().join("data");
    assert_orderly(&data_dir);
    let content = Stored::open(&data_dir).read();
    let rows = content.rows();
    let of = |number| -> Vec<&Row> {
        let rows: Vec<_> = rows
            .iter()
            .filter(|row| *row.key.container_id == *id(number))
            .collect();
        assert!(!rows.is_empty(), "no row of container {number}");
        rows
    };
    let by_hand = ByHand::parse(&guest.read("by-hand").unwrap());

    let last = of(OOM_KILLED).pop().unwrap();
    let get = |metric| last.values.get(metric);
    assert_eq!(get(Metric::MemoryEventsOomKill), Some(1), "{last:?}");
    assert_eq!(get(Metric::MemoryMax), Some(32 << 20));
    assert_eq!(get(Metric::MemoryPeak), Some(32 << 20));
    assert!(get(Metric::MemoryEventsMax) > Some(0));
    assert!(get(Metric::MemoryCurrent).is_some(), "{last:?}");
    assert!(last.limits_known);
    let ended =
        |event: &&EventRow| event.kind == "ended" && event.container_id == Some(id(OOM_KILLED));
    assert_eq!(content.events().iter().filter(ended).count(), 1);

    let throttled = of(THROTTLED);
    by_hand.brackets_by_count(&throttled, THROTTLED, CPU_STAT);
    by_hand.brackets_by_time(&throttled, THROTTLED, CPU_STAT);
    let last = throttled.last().unwrap();
    assert!(
        last.values.get(Metric::CpuNrThrottled) > Some(10),
        "{last:?}"
    );
    assert_eq!(last.values.get(Metric::CpuQuotaUsec), Some(20_000));
    assert_eq!(last.values.get(Metric::CpuPeriodUsec), Some(100_000));
    let most = derived(&data_dir, THROTTLED, "cpu_throttled_percent");
    assert!((50.0..=100.0).contains(&most), "{most} % throttled");

    by_hand.brackets_pressure(&of(THROTTLED), THROTTLED, "cpu");
    by_hand.brackets_pressure(&of(THRASHER), THRASHER, "memory");
    by_hand.brackets_pressure(&of(THRASHER), THRASHER, "io");

    // Their pod and the node, in tables of their own: counters that hold what is below.
    let pods = content.rows_of(Table::Pods);
    let pods: Vec<_> = pods.iter().collect();
    let node = content.rows_of(Table::Node);
    let node: Vec<_> = node.iter().collect();
    by_hand.brackets_by_time(&pods, POD, CPU_STAT);
    by_hand.brackets_by_time(&node, NODE, CPU_TIME);
    for resource in ["cpu", "memory", "io"] {
        by_hand.brackets_pressure(&pods, POD, resource);
        by_hand.brackets_pressure(&node, NODE, resource);
    }
    for (rows, number, what) in [
        (&pods, POD, "memory.events oom_kill"),
        (&node, NODE, "vmstat oom_kill"),
    ] {
        let kills = rows.last().unwrap().values.get(Metric::MemoryEventsOomKill);
        assert_eq!(kills, Some(1), "{what}");
        assert_eq!(kills, by_hand.last(number, what));
    }

    let last = of(WRITER).pop().unwrap();
    assert_eq!(last.values.get(Metric::IoWriteBytes), Some(24 << 20));
    assert_eq!(
        last.values.get(Metric::IoWriteBytes),
        by_hand.last(WRITER, "io.stat wbytes")
    );
    assert_eq!(
        last.values.get(Metric::IoWriteOps),
        by_hand.last(WRITER, "io.stat wios")
    );

    // The process of RESIDENT holds 20 MiB, shares nothing and does nothing.
    let resident = of(RESIDENT);
    let with_pss = |row: &&&Row| row.values.get(Metric::MemoryPss).is_some();
    let last = resident.iter().rfind(with_pss).unwrap();
    for (metric, key) in [
        (Metric::MemoryPss, "Pss"),
        (Metric::MemoryPssAnon, "Pss_Anon"),
    ] {
        let kilobytes = last.values.get(metric).unwrap() / 1024;
        let by_hand = by_hand.all(RESIDENT, &format!("smaps_rollup {key}"));
        assert!(kilobytes >= 20 << 10, "{key}: {kilobytes} kB");
        assert!(
            by_hand.contains(&kilobytes),
            "{key}: {kilobytes} kB, by hand {by_hand:?}"
        );
    }
}

/// 200 containers are born and end within 20 s.
#[test]
fn short_lives_have_rows_and_ends_and_leave_nothing_behind() {
    let Some(guest) = Guest::new() else { return };
    let Some(_) = guest.run(SHORT_LIVES) else {
        return;
    };
    let data_dir = guest.folder().join("data");
    assert_orderly(&data_dir);
    let content = Stored::open(&data_dir).read();
    let mut rows: HashMap<String, Vec<Row>> = HashMap::new();
    for row in content.rows() {
        let id = row.key.container_id.to_string();
        rows.entry(id).or_default().push(row);
    }
    let events = content.events();
    let ids_of = |kind: &str| -> HashSet<String> {
        let of_kind = events.iter().filter(|event| event.kind == kind);
        of_kind
            .filter_map(|event| event.container_id.clone())
            .collect()
    };
    let (started, ended) = (ids_of("started"), ids_of("ended"));

    // Each line: the number, and the uptime at which it was removed, in seconds.
    let clock = guest.read("clock").unwrap();
    let boot_us = boot_time_us(&clock);
    let lives = guest.read("lives").unwrap();
    let mut judged = 0;
    for line in lives.lines() {
        let (number, removed) = line.split_once(' ').unwrap();
        let id = id(number.parse().unwrap());
        let Some(rows) = rows.get(&id) else {
            panic!("container {number} has no row");
        };
        assert!(started.contains(&id) && ended.contains(&id), "{number}");
        // Half a second is what the two clocks may be apart as they are told by the script.
        let removed_us = boot_us + micros(removed) + 500_000;
        for row in rows {
            assert!(
                row.read_us <= removed_us && row.key.time_ms * 1000 <= removed_us + 1_000_000,
                "container {number} was removed at {removed_us}: {row:?}"
            );
        }
        judged += 1;
    }
    assert_eq!(judged, 200);
    assert_eq!(guest.read("before").unwrap(), guest.read("after").unwrap());
}

/// The containers of `kernel_oom.sh` beside the fifty that vanish.
const GROUP: u32 = 61;
const ALIVE_WHILE_AWAY: u32 = 62;
const GONE_WHILE_AWAY: u32 = 63;

/// DATA.md section 5: exactly one event per OOM, whether its cgroup vanishes in the same second,
/// its processes die together, or the recorder was away.
#[test]
fn every_oom_is_one_event() {
    let Some(guest) = Guest::new() else { return };
    let Some(_) = guest.run(OOM) else {
        return;
    };
    let data_dir = guest.folder().join("data");
    assert_orderly(&data_dir);
    let mut kills: HashMap<String, EventRow> = HashMap::new();
    for event in Stored::open(&data_dir).read().events() {
        let newer = |known: &EventRow| known.revision < event.revision;
        if event.kind == "oom_kill" && kills.get(&event.event_id).is_none_or(newer) {
            kills.insert(event.event_id.clone(), event);
        }
    }
    let of = |number| -> Vec<&EventRow> {
        let own = |event: &&EventRow| event.container_id == Some(id(number));
        kills.values().filter(own).collect()
    };
    for number in (1..=50).chain([GROUP, ALIVE_WHILE_AWAY, GONE_WHILE_AWAY]) {
        let [kill] = of(number)[..] else {
            panic!("container {number}: {:?}", of(number));
        };
        // The guest's kernel log is readable.
        assert_eq!(kill.detail["victim"]["name"], "hog", "{kill:?}");
        assert_eq!(kill.detail["scope"], "container", "{kill:?}");
        assert_eq!(kill.detail["limit_bytes"], 16 << 20, "{kill:?}");
        let processes = if number == GROUP { 3 } else { 1 };
        assert_eq!(kill.detail["processes_killed"], processes, "{kill:?}");
    }
    assert_eq!(of(GROUP)[0].detail["group_kill"], true);
    assert_eq!(kills.len(), 53, "{kills:?}");
}

/// Two boots over one data directory: what the first had written is sealed by the second, and a
/// container of the same name is another instance of the same series.
#[test]
fn a_reboot_costs_nothing_that_was_written() {
    let Some(guest) = Guest::new() else { return };
    let Some(_) = guest.run(REBOOT) else { return };
    let cut = Stored::open(&guest.folder().join("data")).read();
    assert!(cut.streams() > 0, "the first boot sealed nothing");
    let before = unique(cut.keys());
    assert!(before.len() >= 8, "{before:?}");
    let Some(_) = guest.run(REBOOT) else { return };

    let data_dir = guest.folder().join("after");
    assert_orderly(&data_dir);
    let after = Stored::open(&data_dir).read();
    assert_holds(&unique(after.keys()), &before, "lost by the reboot");
    let containers = Reader::open(&data_dir).containers(0, i64::MAX).unwrap();
    let one = containers
        .iter()
        .find(|one| one.identity.container_id == id(1));
    let lives = &one.unwrap().instances;
    assert_eq!(lives.len(), 2, "one for each boot: {lives:#?}");
    assert!(lives[0].last_ms < lives[1].first_ms, "{lives:#?}");
}

const CPU_STAT: &[(&str, Metric)] = &[
    ("cpu.stat nr_periods", Metric::CpuNrPeriods),
    ("cpu.stat nr_throttled", Metric::CpuNrThrottled),
    ("cpu.stat throttled_usec", Metric::CpuThrottledUsec),
    ("cpu.stat user_usec", Metric::CpuUserUsec),
    ("cpu.stat system_usec", Metric::CpuSystemUsec),
];

const CPU_TIME: &[(&str, Metric)] = &[
    ("cpu.stat user_usec", Metric::CpuUserUsec),
    ("cpu.stat system_usec", Metric::CpuSystemUsec),
];

/// The highest value of a derived signal of that container.
fn derived(data_dir: &std::path::Path, number: u32, signal: &str) -> f64 {
    let query = SeriesQuery {
        table: Table::Metrics,
        signals: vec![Signal::from_id(signal).unwrap()],
        start_ms: 0,
        end_ms: i64::MAX,
        series: None,
    };
    let series = Reader::open(data_dir).series(&query).unwrap();
    let series = series
        .iter()
        .find(|series| series.identity.container_id == id(number))
        .unwrap();
    series.values[0].iter().copied().fold(f64::NAN, f64::max)
}

fn id(number: u32) -> String {
    format!("{number:064x}")
}

/// When the guest's uptime was zero: the lines are an uptime, the wall clock in nanoseconds, and
/// the uptime after that was read.
fn boot_time_us(clock: &str) -> i64 {
    let mut lines = clock.lines();
    let before = micros(lines.next().unwrap());
    let wall_ns: i64 = lines.next().unwrap().trim().parse().unwrap();
    let after = micros(lines.next().unwrap());
    wall_ns / 1000 - i64::midpoint(before, after)
}

/// `12.34` seconds in microseconds.
fn micros(seconds: &str) -> i64 {
    let (whole, hundredths) = seconds.trim().split_once('.').unwrap();
    whole.parse::<i64>().unwrap() * 1_000_000 + hundredths.parse::<i64>().unwrap() * 10_000
}

/// A reading by the script, made between two seconds.
#[derive(Debug, Clone)]
struct Reading {
    number: u32,
    /// The file and the key in it.
    what: String,
    value: i64,
    from: i64,
    to: i64,
}

/// The readings of the script, in their order.
struct ByHand(Vec<Reading>);

impl ByHand {
    fn parse(text: &str) -> Self {
        let mut from = 0;
        let mut readings: Vec<Reading> = Vec::new();
        for line in text.lines() {
            let words: Vec<_> = line.split(' ').collect();
            match words[..] {
                ["from", second] => from = second.parse().unwrap(),
                ["to", second] => {
                    let to = second.parse().unwrap();
                    let round = readings
                        .iter_mut()
                        .rev()
                        .take_while(|reading| reading.to == 0);
                    round.for_each(|reading| reading.to = to);
                }
                [number, file, key, value] => readings.push(Reading {
                    number: number.parse().unwrap(),
                    what: format!("{file} {key}"),
                    value: value.parse().unwrap(),
                    from,
                    to: 0,
                }),
                _ => panic!("by hand: {line:?}"),
            }
        }
        Self(readings)
    }

    fn readings(&self, number: u32, what: &str) -> Vec<&Reading> {
        let of = |reading: &&Reading| reading.number == number && reading.what == what;
        self.0.iter().filter(of).collect()
    }

    fn all(&self, number: u32, what: &str) -> Vec<i64> {
        let readings = self.readings(number, what);
        readings.iter().map(|reading| reading.value).collect()
    }

    fn last(&self, number: u32, what: &str) -> Option<i64> {
        self.all(number, what).pop()
    }

    /// Rows between the last reading of an earlier second and the first of a later one.
    fn brackets_by_time(&self, rows: &[&Row], number: u32, files: &[(&str, Metric)]) {
        let readings = self.readings(number, files[0].0);
        self.brackets(rows, number, files, |row| {
            let second = row.read_us / 1_000_000;
            let before = readings.iter().rposition(|by_hand| by_hand.to < second)?;
            let after = readings.iter().position(|by_hand| by_hand.from > second)?;
            Some((before, after))
        });
    }

    /// The same for the pressure on a resource, of which there was some.
    fn brackets_pressure(&self, rows: &[&Row], number: u32, resource: &str) {
        let metric = |kind: &str| Metric::from_name(&format!("{resource}_psi_{kind}_usec"));
        let file = |kind: &str| format!("{resource}.pressure {kind}");
        let (some, full) = (file("some"), file("full"));
        let files = [
            (some.as_str(), metric("some").unwrap()),
            (full.as_str(), metric("full").unwrap()),
        ];
        self.brackets_by_time(rows, number, &files);
        let last = rows.last().unwrap();
        assert!(last.values.get(files[0].1) > Some(0), "none: {last:?}");
    }

    /// Rows between the last reading with a lower count (of the first of `files`) and the first
    /// with a higher one: within the same count if readings by hand are frequent.
    fn brackets_by_count(&self, rows: &[&Row], number: u32, files: &[(&str, Metric)]) {
        let (file, metric) = files[0];
        let readings = self.readings(number, file);
        self.brackets(rows, number, files, |row| {
            let count = row.values.get(metric)?;
            let before = readings.iter().rposition(|by_hand| by_hand.value < count)?;
            let after = readings.iter().position(|by_hand| by_hand.value > count)?;
            let second = row.read_us / 1_000_000;
            assert!(
                (readings[before].from..=readings[after].to).contains(&second),
                "{file} is {count} at {second}, by hand {:?}",
                (readings[before], readings[after])
            );
            Some((before, after))
        });
    }

    /// Every row that has a place between two readings lies between them in all of `files`.
    fn brackets(
        &self,
        rows: &[&Row],
        number: u32,
        files: &[(&str, Metric)],
        place: impl Fn(&Row) -> Option<(usize, usize)>,
    ) {
        let mut judged = 0;
        for row in rows {
            let Some((before, after)) = place(row) else {
                continue;
            };
            judged += 1;
            for (file, metric) in files {
                let by_hand = self.all(number, file);
                let value = row.values.get(*metric).unwrap();
                let bounds = by_hand[before]..=by_hand[after];
                assert!(
                    bounds.contains(&value),
                    "{file}: {value}, by hand {bounds:?}"
                );
            }
        }
        assert!(
            judged >= 3,
            "only {judged} rows of {number} between readings by hand"
        );
    }
}
