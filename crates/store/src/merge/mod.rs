//! Consolidation: the files of a closed hour become one, and its roll-ups (DATA.md section 4).
//!
//! An hour of one (table, pod) goes through these steps; each may be the last before a kill, and
//! each can be repeated, because every step looks at what lies on disk and does what is missing:
//!
//! 1. left-over spools of the hour are sealed, if no recorder runs that would do it;
//! 2. all files that count are merged into one hour file: written below `_tmp`, read back,
//!    renamed. From then on the set rule says that it counts and its sources do not;
//! 3. the roll-ups are made from the hour file, in the same way;
//! 4. what others hold is removed, sources only once every roll-up holds their rows.
//!
//! What does not parse goes to `_quarantine` and the rest is merged without it; what the system
//! refuses is an error, and the hour is tried again later; a file of a newer format stays.
//!
//! To be called under the consolidator's lock.

mod consolidation;
mod due;
mod hour;
mod left_over;
mod names;
mod needs;
mod order;
mod state;
#[cfg(test)]
mod tests;

use crate::StoreError;
use crate::layout::{DataDir, Role, names_in, remove_file, sync_directory};
use crate::quarantine::set_aside;
use crate::table_file::{Step, Watch};
use consolidation::Consolidation;
pub use due::{Planner, due};
use fgm_model::Resolution;
use needs::removable;
pub use state::Hour;
use state::State;
use std::path::{Path, PathBuf};

/// How often an hour is looked at anew because a file of it had to be set aside or vanished.
const MOST_ATTEMPTS: usize = 100;

/// A file that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Made {
    /// Where it is.
    pub path: PathBuf,
    /// What its rows stand for.
    pub resolution: Resolution,
    /// Its rows.
    pub rows: u64,
    /// Its size.
    pub bytes: u64,
    /// How often it was made anew.
    pub generation: u64,
}

/// What was done for an hour.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct HourReport {
    /// Files of left-over spools that were sealed first.
    pub sealed: Vec<PathBuf>,
    /// The hour's file, when it was made.
    pub merged: Option<Made>,
    /// Files that went into it.
    pub sources: usize,
    /// Their size.
    pub source_bytes: u64,
    /// Rows left out because a later one has the same key.
    pub duplicates: u64,
    /// Instances whose names are still not known.
    pub unnamed: usize,
    /// Roll-ups that were made.
    pub roll_ups: Vec<Made>,
    /// Files removed because others hold their rows.
    pub unlinked: usize,
    /// Files that could not be parsed and lie in `_quarantine` now.
    pub quarantined: Vec<PathBuf>,
    /// The caller asked to stop: the rest is done next time.
    pub stopped: bool,
}

/// Merges an hour, makes its roll-ups and removes what others hold, as far as there is a need.
///
/// `stop` is asked between columns; a stop leaves everything as valid as a kill would.
///
/// # Errors
/// What the system refused: nothing is lost, try again later.
pub fn consolidate(
    dir: &DataDir,
    hour: &Hour,
    stop: &dyn Fn() -> bool,
) -> Result<HourReport, StoreError> {
    consolidate_watched(dir, hour, stop, &mut |_| Ok(()))
}

pub(crate) fn consolidate_watched(
    dir: &DataDir,
    hour: &Hour,
    stop: &dyn Fn() -> bool,
    watch: Watch<'_>,
) -> Result<HourReport, StoreError> {
    let mut report = HourReport::default();
    let mut last = StoreError::Unsettled(dir.root().to_owned());
    for _ in 0..MOST_ATTEMPTS {
        let result = Consolidation { dir, hour, stop }.run(&mut report, watch);
        match result {
            Ok(()) => return Ok(report),
            Err(StoreError::Stopped) => {
                report.stopped = true;
                return Ok(report);
            }
            // Only what does not parse is set aside, and nothing else waits for it.
            Err(StoreError::Parse { path, reason, .. }) if is_table_file(dir, &path) => {
                report.quarantined.push(set_aside(dir, &path, &reason)?);
            }
            // "A file gone at open means: list again."
            Err(error) if error.is_not_found() => last = error,
            Err(error) => return Err(error),
        }
    }
    Err(last)
}

/// Whether it is a published file, which may be set aside.
fn is_table_file(dir: &DataDir, path: &Path) -> bool {
    path.extension()
        .is_some_and(|extension| extension == "parquet")
        && !path.starts_with(dir.tmp(Role::Consolidator))
}

/// Removes what an earlier run left unfinished, and every file whose rows others hold. To be
/// called at start. Returns how many files of the tables went.
///
/// # Errors
/// When a directory cannot be listed or a file not removed.
pub fn unlink_superseded(dir: &DataDir) -> Result<usize, StoreError> {
    let tmp = dir.tmp(Role::Consolidator);
    for name in names_in(&tmp)? {
        remove_file(&tmp.join(name))?;
    }
    let mut unlinked = 0;
    for hour in state::hours(dir)? {
        let state = State::look(dir, &hour)?;
        unlinked += unlink(&state, &mut |_| Ok(()))?;
    }
    Ok(unlinked)
}

/// Removes what may go, after making sure that what is kept is durable.
fn unlink(state: &State, watch: Watch<'_>) -> Result<usize, StoreError> {
    let mut unlinked = 0;
    let shelves = std::iter::once(&state.raw).chain(state.roll_ups.iter().map(|(_, shelf)| shelf));
    if removable(state).next().is_some() {
        for file in shelves.flat_map(|shelf| &shelf.live) {
            if let Some(partition) = file.path.parent() {
                sync_directory(partition)?;
            }
        }
    }
    for file in removable(state) {
        unlinked += usize::from(remove_file(&file.path)?);
        watch(Step::Removed)?;
    }
    Ok(unlinked)
}
