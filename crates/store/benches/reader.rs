//! What answers cost, beside DuckDB on the same files in the same run.
//!
//! `FGM_PYTHON=.venv/bin/python cargo bench -p fgm-store --bench reader` (a Python with the
//! package `duckdb`; without it the reader's figures stand alone). Directories are written by the
//! real writer and consolidated: an hour and a week of 250 containers that live as long, an hour
//! and a day in which 250 at a time come and go (621 in the hour), and such a week (40,000 in all).
//! Hours and day are at 1 Hz; the weeks have one tick a minute: their roll-ups have the shape of
//! any week's. `FGM_BENCH_DATA` names a directory in which they are kept from run to run: the day
//! takes minutes to be made.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a bench that fails has no figure, and figures are for a person"
)]

use criterion::{Criterion, criterion_group, criterion_main};
use fgm_model::{Resolution, Signal, Table};
use fgm_store::merge::{consolidate, due};
use fgm_store::reader::{
    BucketQuery, Container, Grid, Keep, Percentiles, RankBy, RankQuery, Reader, SeriesQuery,
};
use fgm_store::{DataDir, Spool, seal};
use fgm_testkit::generator::{Batch, Generator, Scenario, Settings};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

const HOUR_MS: i64 = 3_600_000;
const START_MS: i64 = 500_000 * HOUR_MS;
const DAY_H: i64 = 24;
const WEEK_H: i64 = 7 * DAY_H;
const CONTAINERS: usize = 250;
/// Pixels across.
const PX: i64 = 1000;

/// Records and consolidates, a spool per hour, unless that was done before.
fn record(root: &Path, scenario: Scenario, hours: i64, interval_ms: i64) -> DataDir {
    let done = root.join("_notes/recorded");
    let dir = DataDir::create(root).unwrap();
    if done.exists() {
        return dir;
    }
    let mut generator = Generator::new(Settings {
        scenario,
        seed: 7,
        containers: CONTAINERS,
        start_ms: START_MS,
        duration_ms: hours * HOUR_MS,
        interval_ms,
    });
    let recorder = generator.recorder().clone();
    let mut batch = Batch::default();
    let mut open: Option<(i64, Spool)> = None;
    while let Some(time_ms) = generator.next_tick(&mut batch) {
        let hour = time_ms / HOUR_MS;
        if open.as_ref().is_some_and(|(of, _)| *of != hour)
            && let Some((_, spool)) = open.take()
        {
            seal(&dir, spool.close().unwrap().ulid).unwrap();
        }
        let (_, spool) = open
            .get_or_insert_with(|| (hour, Spool::create(&dir, &recorder, interval_ms).unwrap()));
        spool.append_tick(Table::Metrics, &batch.metrics).unwrap();
    }
    if let Some((_, spool)) = open {
        seal(&dir, spool.close().unwrap().ulid).unwrap();
    }
    let now_ms = START_MS + (hours + 2) * HOUR_MS;
    for hour in due(&dir, now_ms, Duration::from_secs(120), false).unwrap() {
        consolidate(&dir, &hour, &|| false).unwrap();
    }
    std::fs::write(done, "").unwrap();
    dir
}

fn cpu() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(
        time.tv_sec.unsigned_abs(),
        u32::try_from(time.tv_nsec).unwrap_or_default(),
    )
}

/// The median CPU time in milliseconds.
fn cpu_ms<T>(mut work: impl FnMut() -> T) -> f64 {
    let mut spent: Vec<_> = (0..15)
        .map(|_| {
            let begin = cpu();
            std::hint::black_box(work());
            cpu() - begin
        })
        .collect();
    spent.sort();
    spent[spent.len() / 2].as_secs_f64() * 1e3
}

fn signal(id: &str) -> Signal {
    Signal::from_id(id).unwrap()
}

struct Bed {
    reader: Reader,
    containers: Vec<Container>,
    start_ms: i64,
    end_ms: i64,
    root: PathBuf,
}

impl Bed {
    fn new(root: PathBuf, hours: i64) -> Self {
        let (start_ms, end_ms) = (START_MS, START_MS + hours * HOUR_MS - 1);
        let reader = Reader::open(&root);
        let containers = reader.containers(start_ms, end_ms).unwrap();
        Self {
            reader,
            containers,
            start_ms,
            end_ms,
            root,
        }
    }

    /// A container that is there from the first to the last row.
    fn whole(&self) -> &Container {
        let is_whole = |one: &&Container| {
            one.instances.len() == 1
                && one.first_ms == self.start_ms
                && one.last_ms > self.end_ms - 2000
        };
        self.containers.iter().find(is_whole).unwrap()
    }

    /// Asks for the containers and one series, every row.
    fn one(&self, id: &str) -> usize {
        let query = SeriesQuery {
            table: Table::Metrics,
            signals: vec![signal(id)],
            start_ms: self.start_ms,
            end_ms: self.end_ms,
            series: Some(vec![self.whole().id.clone()]),
        };
        let series = self.reader.series(&query).unwrap();
        assert!(series[0].times_ms.len() > 3500);
        series[0].times_ms.len()
    }

    /// Asks for the containers and all their series in buckets.
    fn all(&self, id: &str, resolution: Option<Resolution>, keep: Keep) -> usize {
        let step_ms = Grid::step_for(self.start_ms, self.end_ms, 1000, PX);
        let grid = Grid::covering(self.start_ms, self.end_ms, step_ms);
        let containers = self.reader.containers(self.start_ms, self.end_ms).unwrap();
        let query = BucketQuery {
            table: Table::Metrics,
            signals: vec![signal(id)],
            grid,
            resolution: resolution.unwrap_or(grid.resolution()),
            keep,
        };
        let series = self.reader.buckets(&query, &containers, &|| true).unwrap();
        let with_data = series.iter().filter(|one| one.signals[0].is_some()).count();
        assert!(with_data >= CONTAINERS);
        with_data
    }

    fn rank(&self, id: &str) -> usize {
        let query = RankQuery {
            table: Table::Metrics,
            signal: signal(id),
            start_ms: self.start_ms,
            end_ms: self.end_ms,
            base_ms: None,
            by: RankBy::P99,
        };
        let ranking = self
            .reader
            .rank(&query, &self.containers, &|| true)
            .unwrap();
        ranking.rows.len()
    }
}

/// Opens a directory nobody looked at: what is stored, and who was there.
fn open(root: &Path, hours: i64) -> usize {
    let reader = Reader::open(root);
    assert!(reader.status().unwrap().files > 0);
    let end_ms = START_MS + hours * HOUR_MS;
    reader.containers(START_MS, end_ms).unwrap().len()
}

/// The same questions of DuckDB.
fn duckdb(hour: &Bed, week: &Bed) -> HashMap<String, String> {
    let Some(python) = std::env::var_os("FGM_PYTHON") else {
        println!("no DuckDB: set FGM_PYTHON to a Python that has the package duckdb");
        return HashMap::new();
    };
    let output = Command::new(python)
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/benches/reader.py"))
        .args([&hour.root, &week.root])
        .arg(&hour.whole().instances[0].instance.container_id)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let text = String::from_utf8(output.stdout).unwrap();
    let pair = |line: &str| {
        line.split_once(' ')
            .map(|(a, b)| (a.to_owned(), b.to_owned()))
    };
    text.lines().filter_map(pair).collect()
}

fn print_figures(hour: &Bed, restless_hour: &Bed, day: &Bed, week: &Bed, restless: &Bed) {
    let other = duckdb(hour, week);
    let line = |what: &str, target: &str, spent: f64, key: &str| {
        let other = other.get(key).map_or("-", String::as_str);
        println!("{what:<58} {spent:>8.2} ms CPU  target {target:>5}  DuckDB {other:>8} ms CPU");
    };
    let extremes = Keep {
        extremes: true,
        ..Keep::default()
    };
    let everything = Keep {
        extremes: true,
        means: true,
        summary: Some(Percentiles::All),
    };
    let minute = Some(Resolution::S60);
    line(
        "1 gauge x 1 container x 1 h",
        "1",
        cpu_ms(|| hour.one("memory_current")),
        "one",
    );
    line(
        "1 rate x 1 container x 1 h",
        "1",
        cpu_ms(|| hour.one("cpu_user_usec")),
        "",
    );
    let all = |id, keep| cpu_ms(|| hour.all(id, None, keep));
    line(
        "1 gauge x 250 x 1 h, extremes",
        "10",
        all("memory_current", extremes),
        "all",
    );
    line(
        "1 rate x 250 x 1 h, extremes",
        "10",
        all("cpu_user_usec", extremes),
        "",
    );
    line(
        "1 derived x 250 x 1 h, extremes",
        "",
        all("memory_working_set", extremes),
        "",
    );
    line(
        "1 gauge x 250 x 1 h, means and percentiles too",
        "",
        all("memory_current", everything),
        "",
    );
    let all = |id, keep| cpu_ms(|| restless_hour.all(id, None, keep));
    line(
        "1 gauge x 250 of 621 at a time x 1 h, extremes",
        "",
        all("memory_current", extremes),
        "",
    );
    line(
        "1 rate x 250 of 621 at a time x 1 h, extremes",
        "",
        all("cpu_user_usec", extremes),
        "",
    );
    line(
        "1 gauge x 1 container x 24 h, every second",
        "",
        cpu_ms(|| day.one("memory_current")),
        "",
    );
    line(
        "1 rate x 1 container x 24 h, every second",
        "",
        cpu_ms(|| day.one("cpu_user_usec")),
        "",
    );
    let all = |id, resolution, keep| cpu_ms(|| day.all(id, resolution, keep));
    line(
        "1 gauge x 250 at a time x 24 h, extremes",
        "",
        all("memory_current", None, extremes),
        "",
    );
    line(
        "1 rate x 250 at a time x 24 h, extremes",
        "",
        all("cpu_user_usec", None, extremes),
        "",
    );
    line(
        "the same from every second",
        "",
        all("cpu_user_usec", Some(Resolution::Raw), extremes),
        "",
    );
    let all = |id, resolution, keep| cpu_ms(|| week.all(id, resolution, keep));
    line(
        "1 gauge x 250 x 7 d, extremes",
        "60",
        all("memory_current", None, extremes),
        "week",
    );
    line(
        "1 rate x 250 x 7 d, means and percentiles too",
        "60",
        all("cpu_user_usec", None, everything),
        "",
    );
    line(
        "the same from the roll-up of a minute",
        "",
        all("cpu_user_usec", minute, everything),
        "",
    );
    line(
        "1 gauge x 40,000 short ones x 7 d, extremes",
        "",
        cpu_ms(|| restless.all("memory_current", None, extremes)),
        "",
    );
    line(
        "rank 250 x 1 h by p99",
        "",
        cpu_ms(|| hour.rank("cpu_user_usec")),
        "",
    );
    line(
        "open a directory of 7 days, list its containers",
        "200",
        cpu_ms(|| open(&week.root, WEEK_H)),
        "",
    );
    line(
        "the same with 40,000",
        "",
        cpu_ms(|| open(&restless.root, WEEK_H)),
        "",
    );
    line(
        "list the containers of 7 days again",
        "",
        cpu_ms(|| week.reader.containers(week.start_ms, week.end_ms)),
        "",
    );
    line(
        "ask whether anything changed",
        "",
        cpu_ms(|| week.reader.pulse()),
        "",
    );
}

fn benches(criterion: &mut Criterion) {
    // `cargo test --benches` only asks whether it runs: an hour is enough for that.
    let is_test = std::env::args().any(|argument| argument == "--test");
    let temp = tempfile::tempdir().unwrap();
    let root = std::env::var_os("FGM_BENCH_DATA").map_or(temp.path().to_owned(), PathBuf::from);
    let (day_h, week_h) = if is_test { (1, 1) } else { (DAY_H, WEEK_H) };
    let hour_interval_ms = if is_test { 1000 * 60 } else { 1000 };
    let [hour, restless_hour, day, week, restless] =
        ["steady-hour", "hour", "day", "steady-week", "week"].map(|name| root.join(name));
    std::fs::create_dir_all(&root).unwrap();
    // Nobody ends in this scenario.
    record(&hour, Scenario::Throttle, 1, hour_interval_ms);
    record(&restless_hour, Scenario::Realistic, 1, hour_interval_ms);
    record(&day, Scenario::Realistic, day_h, hour_interval_ms);
    record(&week, Scenario::Throttle, week_h, 60_000);
    record(&restless, Scenario::Realistic, week_h, 60_000);
    if is_test {
        assert!(open(&hour, 1) >= CONTAINERS);
        return;
    }
    let (hour, restless_hour) = (Bed::new(hour, 1), Bed::new(restless_hour, 1));
    let week = Bed::new(week, WEEK_H);
    let (day, restless) = (Bed::new(day, DAY_H), Bed::new(restless, WEEK_H));
    print_figures(&hour, &restless_hour, &day, &week, &restless);
    let keep = Keep {
        extremes: true,
        ..Keep::default()
    };
    let mut group = criterion.benchmark_group("reader");
    group
        .sample_size(20)
        .measurement_time(Duration::from_secs(3));
    group.bench_function("1 x 1 h", |bencher| {
        bencher.iter(|| hour.one("memory_current"));
    });
    group.bench_function("250 x 1 h", |bencher| {
        bencher.iter(|| hour.all("memory_current", None, keep));
    });
    group.bench_function("250 x 1 h, rate", |bencher| {
        bencher.iter(|| hour.all("cpu_user_usec", None, keep));
    });
    group.bench_function("250 x 7 d", |bencher| {
        bencher.iter(|| week.all("memory_current", None, keep));
    });
    group.bench_function("open 7 d", |bencher| {
        bencher.iter(|| open(&week.root, WEEK_H));
    });
    group.finish();
}

criterion_group!(reader, benches);
criterion_main!(reader);
