//! Starting after whatever ended the last run.
//!
//! Under the recorder's lock: `_tmp/recorder` is emptied, what a durable file already holds is
//! removed, and the spools that are left are sealed, each under its own recorder's partition.

use crate::StoreError;
use crate::layout::{DataDir, Role, names_in, parse_ulid, remove_file, sync_directory};
use crate::listing::{Lister, Listing, Selection};
use crate::lock::consolidator_is_active;
use crate::quarantine::set_aside;
use crate::seal::{NO_NAMES, SealReport, remove_spool_directory, seal_stream};
use crate::table_file::Watch;
use fgm_model::Table;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::SystemTime;
use ulid::Ulid;

/// What was found and done.
#[derive(Debug, Default)]
pub struct RecoveryReport {
    /// Unfinished files removed from `_tmp/recorder`.
    pub unfinished: usize,
    /// Streams removed because a file already holds their rows.
    pub superseded_streams: usize,
    /// Files removed because another one holds their rows.
    pub superseded_files: usize,
    /// What left-over spools became.
    pub sealed: SealReport,
    /// Files that could not be parsed and lie in `_quarantine` now.
    pub quarantined: Vec<PathBuf>,
    /// What was left in place, because trying again later may help.
    pub failed: Vec<(PathBuf, StoreError)>,
}

/// Puts a data directory in order. To be called under the recorder's lock.
///
/// # Errors
/// When a directory cannot be listed; what fails for one file is in
/// [`RecoveryReport::failed`].
pub fn recover(dir: &DataDir) -> Result<RecoveryReport, StoreError> {
    recover_watched(dir, SystemTime::now(), &mut |_| Ok(()))
}

pub(crate) fn recover_watched(
    dir: &DataDir,
    now: SystemTime,
    watch: Watch<'_>,
) -> Result<RecoveryReport, StoreError> {
    let mut report = RecoveryReport::default();
    let tmp = dir.tmp(Role::Recorder);
    for name in names_in(&tmp)? {
        report.unfinished += usize::from(remove_file(&tmp.join(name))?);
    }
    let listing = Lister::new(dir.clone()).list(&Selection::all())?;
    remove_superseded(dir, &listing, now, &mut report)?;
    for skipped in listing.skipped {
        // A stream that does not parse is dealt with when it is sealed.
        let is_file = skipped.path.extension().is_some_and(|ext| ext == "parquet");
        if is_file && skipped.error.is_damage() {
            let kept = set_aside(dir, &skipped.path, &skipped.error.to_string())?;
            report.quarantined.push(kept);
        } else if is_file {
            report.failed.push((skipped.path, skipped.error));
        }
    }
    for name in names_in(&dir.spool_root())? {
        if let Some(ulid) = parse_ulid(&name) {
            seal_left_over(dir, ulid, &mut report, watch)?;
        }
    }
    Ok(report)
}

/// Removes what others hold, after making sure that those are durable.
fn remove_superseded(
    dir: &DataDir,
    listing: &Listing,
    now: SystemTime,
    report: &mut RecoveryReport,
) -> Result<(), StoreError> {
    let holders = |ulid: Ulid, table: Table| -> BTreeSet<&Path> {
        listing
            .files
            .iter()
            .filter(|file| file.table == table && file.footer.spools.contains(&ulid))
            .filter_map(|file| file.path.parent())
            .collect()
    };
    for stream in &listing.superseded_streams {
        for partition in holders(stream.ulid, stream.table) {
            sync_directory(partition)?;
        }
        report.superseded_streams += usize::from(remove_file(&stream.path)?);
        remove_spool_directory(dir, stream.ulid)?;
    }
    // A consolidator keeps an hour's sources until the roll-ups made of them are durable.
    if consolidator_is_active(dir, now)? {
        return Ok(());
    }
    for file in &listing.superseded_files {
        if let Some(partition) = file.path.parent() {
            sync_directory(partition)?;
        }
        report.superseded_files += usize::from(remove_file(&file.path)?);
    }
    Ok(())
}

fn seal_left_over(
    dir: &DataDir,
    ulid: Ulid,
    report: &mut RecoveryReport,
    watch: Watch<'_>,
) -> Result<(), StoreError> {
    for name in names_in(&dir.spool(ulid))? {
        let Some(table) = name.strip_suffix(".arrows").and_then(Table::from_name) else {
            continue;
        };
        if let Err(error) = seal_stream(dir, (ulid, table), NO_NAMES, &mut report.sealed, watch) {
            tracing::warn!(spool = %ulid, table = table.as_str(), %error, "left a spool unsealed");
            report.failed.push((dir.stream(ulid, table), error));
        }
    }
    remove_spool_directory(dir, ulid)
}

#[cfg(test)]
mod tests;
