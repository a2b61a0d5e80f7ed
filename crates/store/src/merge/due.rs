//! Which hours there is something to do for.

use super::left_over;
use super::names::Names;
use super::needs::decide;
use super::state::{Hour, State, hours};
use crate::StoreError;
use crate::layout::{DataDir, FileName, HOUR_MS, hour_of, names_in};
use fgm_model::rollup::roll_ups_of;
use fgm_model::{Resolution, Table};
use std::collections::{BTreeSet, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

/// How long after an hour its names may still arrive: as long as a recorder keeps writing
/// revisions of what it did not know (DATA.md section 5).
const LATEST_NAMES_MS: i64 = 25 * HOUR_MS;

/// Finds the hours that are due, and remembers those that need nothing as long as their
/// directories hold the same names: a month of hours is then not read again every few minutes.
#[derive(Debug, Default)]
pub struct Planner {
    settled: HashMap<Hour, u64>,
}

/// Closed hours that need a merge, a roll-up, a rebuild or late names, oldest first.
///
/// # Errors
/// When a directory cannot be listed.
pub fn due(
    dir: &DataDir,
    now_ms: i64,
    min_age: Duration,
    recorder_running: bool,
) -> Result<Vec<Hour>, StoreError> {
    Planner::default().due(dir, now_ms, min_age, recorder_running)
}

impl Planner {
    /// As [`due`], which is this with nothing remembered.
    ///
    /// An hour is closed `min_age` after its end. Spools that were left behind count only while
    /// no recorder runs: it seals its own.
    ///
    /// # Errors
    /// When a directory cannot be listed.
    pub fn due(
        &mut self,
        dir: &DataDir,
        now_ms: i64,
        min_age: Duration,
        recorder_running: bool,
    ) -> Result<Vec<Hour>, StoreError> {
        let min_age_ms = i64::try_from(min_age.as_millis()).unwrap_or(i64::MAX);
        let is_closed = |hour: &Hour| {
            let end_ms = hour.hour_start_ms.saturating_add(HOUR_MS);
            end_ms.saturating_add(min_age_ms) <= now_ms
        };
        let mut all = hours(dir)?;
        let mut left_over = BTreeSet::new();
        if !recorder_running {
            left_over.extend(left_over::all(dir)?.into_iter().map(|(_, hour)| hour));
            all.extend(left_over.iter().cloned());
        }
        self.settled.retain(|hour, _| all.contains(hour));
        let mut due = Vec::new();
        for hour in all.into_iter().filter(is_closed) {
            if left_over.contains(&hour) || self.needs_anything(dir, &hour, now_ms)? {
                due.push(hour);
            }
        }
        due.sort_by_key(|hour| (hour.hour_start_ms, hour.table));
        Ok(due)
    }

    fn needs_anything(
        &mut self,
        dir: &DataDir,
        hour: &Hour,
        now_ms: i64,
    ) -> Result<bool, StoreError> {
        let print = fingerprint(dir, hour)?;
        if self.settled.get(hour) == Some(&print) {
            return Ok(false);
        }
        let state = State::look(dir, hour)?;
        let shelves = state.roll_ups.iter().map(|(_, shelf)| shelf);
        let is_broken = std::iter::once(&state.raw)
            .chain(shelves)
            .flat_map(|shelf| &shelf.broken)
            .any(|(_, error)| !matches!(error, StoreError::NewerFormat { .. }));
        let unnamed = match state.raw.hour_file() {
            Some(file) if now_ms <= hour.hour_start_ms.saturating_add(LATEST_NAMES_MS) => {
                file.footer.hour.unnamed.as_slice()
            }
            _ => &[],
        };
        let names = Names::gather(dir, hour, unnamed)?;
        if is_broken || decide(&state, names.tell_any()).any() {
            return Ok(true);
        }
        // While names may arrive, other directories matter too.
        if unnamed.is_empty() {
            self.settled.insert(hour.clone(), print);
        }
        Ok(false)
    }
}

/// Changes when a file of the hour, or of the hour before, comes or goes. An event's hour is not
/// in its name, so there every file of the date counts.
fn fingerprint(dir: &DataDir, hour: &Hour) -> Result<u64, StoreError> {
    let mut hasher = DefaultHasher::new();
    let mut add = |resolution: Resolution, of: &Hour| {
        let at_ms = of.hour_start_ms;
        let partition = dir.partition_at(of.table, resolution, at_ms, &of.pod())?;
        for text in names_in(&partition)? {
            let is_of_hour = text
                .parse::<FileName>()
                .is_ok_and(|name| hour_of(name.start_ms) == at_ms);
            if is_of_hour || of.table == Table::Events {
                text.hash(&mut hasher);
            }
        }
        Ok::<_, StoreError>(())
    };
    add(Resolution::Raw, hour)?;
    add(Resolution::Raw, &hour.before())?;
    for resolution in roll_ups_of(hour.table) {
        add(*resolution, hour)?;
    }
    Ok(hasher.finish())
}
