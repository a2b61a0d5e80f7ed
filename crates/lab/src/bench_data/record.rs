//! From generated ticks to files: the spool, the seal and the consolidation of a real recording.
//!
//! One thread generates and appends to spools, another seals and merges what is closed. A spool
//! is sealed each minute only where segments are wanted; else it holds an hour, or less when that
//! is more rows than one file should have: the rows, and the hour files made of them, are the same.

use super::place::Place;
use anyhow::{Context, anyhow};
use fgm_model::Table;
use fgm_store::layout::{HOUR_MS, hour_of};
use fgm_store::merge::{self, Hour};
use fgm_store::rotation::{Decision, Rotation};
use fgm_store::state::{self, Clock, Recording};
use fgm_store::{DataDir, Spool, StoreError, seal};
use fgm_testkit::generator::{Batch, Generator, RECORDER, Settings};
use indicatif::ProgressBar;
use std::fs;
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use ulid::Ulid;

/// What a spool should hold at most.
const ROWS_OF_SPOOL: i64 = 1_000_000;
const SEGMENT_MS: i64 = 60_000;

/// What was made.
pub(super) struct Done {
    pub(super) rows: u64,
    pub(super) files: usize,
    pub(super) bytes: u64,
}

/// What the sealing thread is told.
enum Told {
    Closed(Ulid),
    /// Nothing more comes for the hour that begins then.
    HourOver(i64),
}

/// Generates everything and writes the truth beside it.
pub(super) fn record(
    place: &Place,
    settings: Settings,
    segments: bool,
    bar: &ProgressBar,
) -> anyhow::Result<Done> {
    let dir = &place.dir;
    state::write(dir, state::CLOCK, &Clock::default())?;
    state::write(dir, state::RECORDING, &recording(settings))?;
    let mut generator = Generator::new(settings);
    // A few closed spools may wait: then generating waits too.
    let (tell, told) = sync_channel(2);
    let finished = thread::scope(|scope| {
        let sealing = scope.spawn(move || seal_all(dir, segments, &told));
        let generated = generate(dir, &mut generator, settings, segments, &tell, bar);
        drop(tell);
        let sealed = sealing
            .join()
            .map_err(|_| anyhow!("the sealing thread ended badly"))?;
        sealed.and(generated)
    });
    finished?;
    let truth = generator.into_truth();
    let text = serde_json::to_string_pretty(&truth).context("cannot write the truth as JSON")?;
    let path = place.truth_file();
    fs::write(&path, text + "\n").with_context(|| format!("cannot write {}", path.display()))?;
    let (files, bytes) = size_of(dir.root())?;
    Ok(Done {
        rows: truth.rows.metrics + truth.rows.pods + truth.rows.node + truth.rows.events,
        files,
        bytes,
    })
}

/// What a viewer tells a person who looks at the data.
fn recording(settings: Settings) -> Recording {
    Recording {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        notice: Some(format!(
            "generated data: scenario {}, seed {}",
            settings.scenario.as_str(),
            settings.seed
        )),
    }
}

fn generate(
    dir: &DataDir,
    generator: &mut Generator,
    settings: Settings,
    segments: bool,
    tell: &SyncSender<Told>,
    bar: &ProgressBar,
) -> anyhow::Result<()> {
    let containers = i64::try_from(settings.containers.max(1))?;
    let spool_ms = if segments {
        SEGMENT_MS
    } else {
        (ROWS_OF_SPOOL / containers * settings.interval_ms).clamp(SEGMENT_MS, HOUR_MS)
    };
    let mut rotation = Rotation::new(spool_ms);
    let mut spool: Option<Spool> = None;
    let mut hour_ms = hour_of(settings.start_ms);
    let mut batch = Batch::default();
    // A sealing thread that is gone has an error to tell, which its join gives.
    while let Some(time_ms) = generator.next_tick(&mut batch) {
        if let Decision::Rotate(_) = rotation.decide(time_ms, 0) {
            if let Some(spool) = spool.take()
                && tell.send(Told::Closed(spool.close()?.ulid)).is_err()
            {
                return Ok(());
            }
            if hour_of(time_ms) != hour_ms {
                if tell.send(Told::HourOver(hour_ms)).is_err() {
                    return Ok(());
                }
                hour_ms = hour_of(time_ms);
            }
        }
        let spool = match &mut spool {
            Some(spool) => spool,
            None => spool.insert(Spool::create(
                dir,
                generator.recorder(),
                settings.interval_ms,
            )?),
        };
        append(spool, &batch)?;
        let position = (time_ms - settings.start_ms) / settings.interval_ms + 1;
        bar.set_position(position.unsigned_abs());
    }
    bar.set_message("sealing");
    if let Some(spool) = spool {
        let _ = tell.send(Told::Closed(spool.close()?.ulid));
    }
    let _ = tell.send(Told::HourOver(hour_ms));
    Ok(())
}

fn append(spool: &mut Spool, batch: &Batch) -> Result<(), StoreError> {
    spool.append_tick(Table::Metrics, &batch.metrics)?;
    spool.append_tick(Table::Pods, &batch.pods)?;
    spool.append_tick(Table::Node, &batch.node)?;
    if !batch.events.is_empty() {
        spool.append_events(&batch.events)?;
    }
    Ok(())
}

fn seal_all(dir: &DataDir, segments: bool, told: &Receiver<Told>) -> anyhow::Result<()> {
    for told in told {
        match told {
            Told::Closed(ulid) => {
                seal(dir, ulid)?;
            }
            Told::HourOver(_) if segments => {}
            Told::HourOver(hour_start_ms) => {
                for table in Table::ALL {
                    let hour = Hour {
                        table,
                        recorder: RECORDER.to_owned(),
                        hour_start_ms,
                    };
                    merge::consolidate(dir, &hour, &|| false)?;
                }
            }
        }
    }
    Ok(())
}

/// Published files below a data directory, and their bytes.
fn size_of(root: &Path) -> anyhow::Result<(usize, u64)> {
    let (mut files, mut bytes) = (0, 0);
    let entries = fs::read_dir(root).with_context(|| format!("cannot list {}", root.display()))?;
    for entry in entries {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            let (more, size) = size_of(&entry.path())?;
            files += more;
            bytes += size;
        } else if entry.path().extension().is_some_and(|end| end == "parquet") {
            files += 1;
            bytes += entry.metadata()?.len();
        }
    }
    Ok((files, bytes))
}
