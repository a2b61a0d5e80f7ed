//! What consolidating an hour of 250 containers costs: bytes per value, CPU, memory.
//!
//! `cargo bench -p fgm-store --bench consolidate`. The hour comes from the generator's realistic
//! scenario, recorded by the real writer, and is consolidated by a process of its own, so that
//! nothing but the consolidation is in its figures.
#![expect(clippy::unwrap_used, reason = "a bench that fails has no figure")]

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use fgm_model::Table;
use fgm_model::schema::column;
use fgm_store::merge::{Hour, HourReport, consolidate, due};
use fgm_store::{DataDir, Spool, seal};
use fgm_testkit::generator::{Batch, Generator, Scenario, Settings};
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

const HOUR_MS: i64 = 3_600_000;
const START_MS: i64 = 500_000 * HOUR_MS;
const CHILD: &str = "FGM_BENCH_CONSOLIDATE";

/// Records hours of every table as `fgm` does: a spool per minute, sealed.
fn record(dir: &DataDir, containers: usize, hours: i64) {
    let mut generator = Generator::new(Settings {
        scenario: Scenario::Realistic,
        seed: 7,
        containers,
        start_ms: START_MS,
        duration_ms: hours * HOUR_MS,
        interval_ms: 1000,
    });
    let recorder = generator.recorder().clone();
    let mut batch = Batch::default();
    let mut open: Option<(i64, Spool)> = None;
    while let Some(time_ms) = generator.next_tick(&mut batch) {
        let minute = time_ms / 60_000;
        if open.as_ref().is_some_and(|(of, _)| *of != minute)
            && let Some((_, spool)) = open.take()
        {
            seal(dir, spool.close().unwrap().ulid).unwrap();
        }
        let (_, spool) =
            open.get_or_insert_with(|| (minute, Spool::create(dir, &recorder, 1000).unwrap()));
        for (table, tick) in [
            (Table::Metrics, &batch.metrics),
            (Table::Pods, &batch.pods),
            (Table::Node, &batch.node),
        ] {
            if !tick.rows.is_empty() {
                spool.append_tick(table, tick).unwrap();
            }
        }
    }
    if let Some((_, spool)) = open {
        seal(dir, spool.close().unwrap().ulid).unwrap();
    }
}

fn hours_of(dir: &DataDir, table: Table) -> Vec<Hour> {
    let now_ms = START_MS + 10 * HOUR_MS;
    let mut hours = due(dir, now_ms, Duration::ZERO, false).unwrap();
    hours.retain(|hour| hour.table == table);
    hours
}

fn run(dir: &DataDir, hour: &Hour) -> HourReport {
    consolidate(dir, hour, &|| false).unwrap()
}

/// A field of `/proc/self/status`, in kB.
fn status(field: &str) -> i64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with(field));
    line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok())
        .unwrap_or(-1)
}

fn cpu() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(
        time.tv_sec.unsigned_abs(),
        u32::try_from(time.tv_nsec).unwrap_or_default(),
    )
}

/// Values of a file as they are counted: every column but labels, times rows.
fn values(path: &Path) -> u64 {
    let file = fs::File::open(path).unwrap();
    let metadata = parquet::file::metadata::ParquetMetaDataReader::new()
        .parse_and_finish(&file)
        .unwrap();
    let schema = metadata.file_metadata().schema_descr();
    let columns = schema
        .columns()
        .iter()
        .filter(|column| !column::IDENTITY_TEXT.contains(&column.name()))
        .count();
    u64::try_from(metadata.file_metadata().num_rows()).unwrap() * columns as u64
}

/// In the process of its own: consolidates the second hour, and prints what it took.
#[expect(clippy::print_stdout, reason = "figures for a person")]
#[expect(clippy::cast_precision_loss, reason = "figures for a person")]
fn child(root: &Path) {
    let dir = DataDir::new(root);
    for table in [Table::Metrics, Table::Pods, Table::Node] {
        for hour in hours_of(&dir, table) {
            let _ = fs::write("/proc/self/clear_refs", "5");
            let before = status("VmRSS:");
            let (begin, wall) = (cpu(), Instant::now());
            let report = run(&dir, &hour);
            let (spent, wall) = (cpu() - begin, wall.elapsed());
            let made = report.merged.unwrap();
            println!(
                "{} of hour {}: {} segments, {} rows, {} MB -> {} MB, {:.3} B/value, {spent:?} CPU, \
                 {wall:?} wall, peak memory {} kB above the {before} kB before",
                table.as_str(),
                (hour.hour_start_ms - START_MS) / HOUR_MS,
                report.sources,
                made.rows,
                report.source_bytes / 1_000_000,
                made.bytes / 1_000_000,
                made.bytes as f64 / values(&made.path) as f64,
                status("VmHWM:") - before,
            );
            for made in &report.roll_ups {
                let name = made.resolution.directory(table);
                println!("  {name}: {} rows, {} kB", made.rows, made.bytes / 1000);
            }
        }
    }
}

fn benches(criterion: &mut Criterion) {
    if let Some(root) = std::env::var_os(CHILD) {
        child(Path::new(&root));
        std::process::exit(0);
    }
    let temp = tempfile::tempdir().unwrap();
    // `cargo test --benches` only asks whether it runs.
    if !std::env::args().any(|argument| argument == "--test") {
        let dir = DataDir::create(temp.path().join("figures")).unwrap();
        record(&dir, 250, 2);
        let own = std::env::current_exe().unwrap();
        let mut child = Command::new(own);
        child.arg("--bench").env(CHILD, dir.root());
        assert!(child.status().unwrap().success());
    }
    let mut number = 0;
    criterion
        .benchmark_group("consolidate")
        .sample_size(10)
        .bench_function("an hour of 10 containers", |bencher| {
            bencher.iter_batched(
                || {
                    number += 1;
                    let dir = DataDir::create(temp.path().join(format!("{number}"))).unwrap();
                    record(&dir, 10, 1);
                    dir
                },
                |dir| {
                    let hours = hours_of(&dir, Table::Metrics);
                    hours.iter().map(|hour| run(&dir, hour)).collect::<Vec<_>>()
                },
                BatchSize::PerIteration,
            );
        });
}

criterion_group!(consolidation, benches);
criterion_main!(consolidation);
