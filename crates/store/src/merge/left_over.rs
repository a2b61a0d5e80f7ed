//! Spools that a recorder left behind.
//!
//! They are the recorder's: it seals them when it starts again. While none runs, an hour would
//! wait for them, so they are sealed here, under the recorder's lock: then none can start, and
//! what is read is what there is.

use super::state::{Hour, State, spools_of};
use crate::layout::{DataDir, Role, hour_of, names_in, parse_ulid, pod_directory, remove_file};
use crate::lock::{Lock, LockError};
use crate::seal::{NO_NAMES, SealReport, remove_spool_directory, seal_stream};
use crate::stream::{Columns, SpoolStream};
use crate::table_file::Watch;
use crate::{StoreError, layout::sync_directory};
use arrow::array::AsArray;
use arrow::datatypes::TimestampMillisecondType;
use fgm_model::Table;
use fgm_model::schema::column;
use std::path::PathBuf;
use std::time::Duration;
use ulid::Ulid;

/// Seals the left-over streams of an hour, and returns the files made of them. While a recorder
/// runs there are none.
pub(super) fn seal(
    dir: &DataDir,
    hour: &Hour,
    watch: Watch<'_>,
) -> Result<Vec<PathBuf>, StoreError> {
    let streams = of_hour(dir, hour)?;
    if streams.is_empty() {
        return Ok(Vec::new());
    }
    let _lock = match Lock::acquire(dir, Role::Recorder, Duration::ZERO) {
        Ok(lock) => lock,
        Err(LockError::Held { .. }) => return Ok(Vec::new()),
        Err(LockError::Store(error)) => return Err(error),
    };
    let mut report = SealReport::default();
    // Once more: a recorder may have sealed some before the lock was taken.
    for ulid in of_hour(dir, hour)? {
        let holder = State::raw_of(dir, hour)?
            .into_iter()
            .find(|file| spools_of(file).any(|listed| listed == ulid));
        if let Some(partition) = holder.as_ref().and_then(|file| file.path.parent()) {
            sync_directory(partition)?;
            remove_file(&dir.stream(ulid, hour.table))?;
        } else {
            match seal_stream(dir, (ulid, hour.table), NO_NAMES, &mut report, watch) {
                Err(error @ StoreError::NewerFormat { .. }) => {
                    tracing::debug!(spool = %ulid, %error, "left a spool in place");
                }
                other => other?,
            }
        }
        remove_spool_directory(dir, ulid)?;
    }
    Ok(report.published.into_iter().map(|file| file.path).collect())
}

fn of_hour(dir: &DataDir, hour: &Hour) -> Result<Vec<Ulid>, StoreError> {
    let left = all(dir)?;
    let same = left.into_iter().filter(|(_, of)| of == hour);
    Ok(same.map(|(ulid, _)| ulid).collect())
}

/// Every stream with at least one row, and its hour.
pub(super) fn all(dir: &DataDir) -> Result<Vec<(Ulid, Hour)>, StoreError> {
    let mut streams = Vec::new();
    for name in names_in(&dir.spool_root())? {
        let Some(ulid) = parse_ulid(&name) else {
            continue;
        };
        for file in names_in(&dir.spool(ulid))? {
            let table = file.strip_suffix(".arrows").and_then(Table::from_name);
            if let Some(table) = table
                && let Some(hour) = hour_of_stream(dir, ulid, table)?
            {
                streams.push((ulid, hour));
            }
        }
    }
    Ok(streams)
}

/// The hour of a stream's first row; `None` when it has none, cannot be parsed or is gone: then
/// it is nothing that an hour waits for.
fn hour_of_stream(dir: &DataDir, ulid: Ulid, table: Table) -> Result<Option<Hour>, StoreError> {
    let name = match table {
        Table::Events => column::RECORDED_AT,
        Table::Metrics | Table::Pods | Table::Node => column::TIME,
    };
    let opened = SpoolStream::open(&dir.stream(ulid, table), Columns::Named(&[name]));
    let mut stream = match opened {
        Ok(Some(stream)) => stream,
        Ok(None) => return Ok(None),
        Err(error) if error.errno().is_none() || error.is_not_found() => return Ok(None),
        Err(error) => return Err(error),
    };
    let Some(batch) = stream.next_batch()? else {
        return Ok(None);
    };
    let times = batch
        .column_by_name(name)
        .and_then(|times| times.as_primitive_opt::<TimestampMillisecondType>());
    let Some(first) = times.and_then(|times| times.iter().flatten().min()) else {
        return Ok(None);
    };
    let pod = pod_directory(&stream.origin().recorder.recorder);
    Ok(pod.strip_prefix("pod=").map(|recorder| Hour {
        table,
        recorder: recorder.to_owned(),
        hour_start_ms: hour_of(first),
    }))
}
