//! How late ticks begin while every CPU is busy: the recorder's against those of a bare loop.

use crate::recorder::Fgm;
use crate::table::Table;
use crate::ticks::quantile;
use crate::tree::Tree;
use anyhow::Context;
use arrow::array::AsArray;
use arrow::datatypes::{Int64Type, TimestampMillisecondType};
use fgm_model::schema::column;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use rustix::thread::{ClockId, clock_nanosleep_absolute};
use rustix::time::{Timespec, clock_gettime};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::hint::black_box;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

const INTERVAL_US: i64 = 100_000;
const TICKS: usize = 400;

/// Both in the same time, with one busy thread per CPU that is not pinned.
pub(crate) fn measure(tree: &Tree, table: &mut Table) -> anyhow::Result<()> {
    let done = AtomicBool::new(false);
    let cpus = std::thread::available_parallelism()?.get();
    let cap = tree.most_kept_files().to_string();
    let arguments = [
        "--interval",
        "100ms",
        "--seal",
        "1h",
        "--max-open-files",
        &cap,
    ];
    let (bare, data) = std::thread::scope(|scope| {
        for _ in 0..cpus {
            scope.spawn(|| {
                let mut number = 0_u64;
                while !done.load(Ordering::Relaxed) {
                    number = black_box(number.wrapping_mul(31).wrapping_add(7));
                }
            });
        }
        let measured = (|| {
            let fgm = Fgm::start(tree, &arguments)?;
            std::thread::sleep(Duration::from_secs(5));
            let bare = bare_loop()?;
            anyhow::Ok((bare, fgm.stop()?))
        })();
        done.store(true, Ordering::Relaxed);
        measured
    })?;
    let mut bare = bare;
    let mut own = first_reads(data.path())?;
    let compared = |share, bare: &mut [f64], own: &mut [f64]| {
        (
            quantile(bare, share) / 1000.0,
            quantile(own, share) / 1000.0,
        )
    };
    let (bare_median, own_median) = compared(0.5, &mut bare, &mut own);
    let (bare_p99, own_p99) = compared(0.99, &mut bare, &mut own);
    let ratio = own_p99 / bare_p99;
    table.judge(
        tree.count(),
        format!(
            "first read of a tick after its instant, p99, {cpus} CPUs kept busy by {cpus} threads"
        ),
        format!(
            "{own_p99:.2} ms against {bare_p99:.2} ms of a bare clock_nanosleep loop: {ratio:.2} \
             (medians {own_median:.2}, {bare_median:.2}; {} and {} ticks of 100 ms)",
            own.len(),
            bare.len()
        ),
        "<= 2",
        ratio <= 2.0,
    );
    Ok(())
}

/// Sleeps to each instant of the grid; how late it woke, in microseconds.
fn bare_loop() -> anyhow::Result<Vec<f64>> {
    rustix::thread::set_current_timer_slack(std::num::NonZero::new(1))?;
    let now_us = || {
        let now = clock_gettime(ClockId::Realtime);
        now.tv_sec * 1_000_000 + now.tv_nsec / 1000
    };
    let mut next_us = (now_us() / INTERVAL_US + 1) * INTERVAL_US;
    let mut late_us = Vec::new();
    for _ in 0..TICKS {
        let until = Timespec {
            tv_sec: next_us / 1_000_000,
            tv_nsec: next_us % 1_000_000 * 1000,
        };
        clock_nanosleep_absolute(ClockId::Realtime, &until)?;
        late_us.push((now_us() - next_us) as f64);
        next_us = (now_us() / INTERVAL_US + 1) * INTERVAL_US;
    }
    Ok(late_us)
}

/// When each tick's first reading began after the tick's instant, in microseconds: what is in the
/// recorder's own files. Pods are read before their containers.
fn first_reads(data: &Path) -> anyhow::Result<Vec<f64>> {
    let mut first: BTreeMap<i64, i64> = BTreeMap::new();
    let mut folders = [fgm_model::Table::Pods, fgm_model::Table::Metrics]
        .map(|table| data.join(table.as_str()))
        .to_vec();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder)? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else {
                add_file(&path, &mut first)?;
            }
        }
    }
    // The first second finds everything and opens it.
    Ok(first.into_values().skip(10).map(|us| us as f64).collect())
}

fn add_file(path: &Path, first: &mut BTreeMap<i64, i64>) -> anyhow::Result<()> {
    let builder = ParquetRecordBatchReaderBuilder::try_new(File::open(path)?)?;
    let columns = [column::TIME, column::READ_OFFSET_US];
    let mask = ProjectionMask::columns(builder.parquet_schema(), columns);
    for batch in builder.with_projection(mask).build()? {
        let batch = batch?;
        let times = batch.column_by_name(column::TIME).context("no time")?;
        let offsets = batch
            .column_by_name(column::READ_OFFSET_US)
            .context("no offset")?;
        let times = times.as_primitive::<TimestampMillisecondType>();
        let offsets = offsets.as_primitive::<Int64Type>();
        for (time, offset) in times.values().iter().zip(offsets.values()) {
            let earliest = first.entry(*time).or_insert(*offset);
            *earliest = (*earliest).min(*offset);
        }
    }
    Ok(())
}
