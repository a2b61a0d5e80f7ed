//! What may go when space or age demands it (DATA.md section 4, "Retention").
//!
//! [`plan`] is pure: an inventory in, units to delete out. [`apply`] deletes them so that
//! nothing reappears: what a file supersedes goes before the file.

mod stock;

use crate::StoreError;
use crate::layout::{DataDir, HOUR_MS};
use crate::lock::consolidator_is_active;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};
pub use stock::{apply, disk, take_stock};

/// What is to be kept; `None` is no bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// `--retain-age`: hours that ended longer ago go.
    pub max_age_ms: Option<i64>,
    /// `--retain-size`: the oldest go until the directory is not larger.
    pub max_bytes: Option<u64>,
    /// `--min-free-disk`: the oldest go until so much is free; the smaller of a tenth and 5 GiB
    /// when `None`.
    pub min_free_bytes: Option<u64>,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            max_age_ms: Some(30 * 24 * HOUR_MS),
            max_bytes: Some(20 << 30),
            min_free_bytes: None,
        }
    }
}

/// The file system below the data directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Disk {
    /// Bytes that may still be written.
    pub free_bytes: u64,
    /// Its size.
    pub total_bytes: u64,
}

impl Disk {
    fn min_free_bytes(self, policy: &Policy) -> u64 {
        policy
            .min_free_bytes
            .unwrap_or((self.total_bytes / 10).min(5 << 30))
    }
}

/// The unit of deletion. The order is the order of deletion.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Unit {
    /// Raw tables first, then 60 s, 600 s, events.
    class: Class,
    /// The start of its hour.
    pub hour_ms: i64,
    /// The name of its table's directory.
    pub table: String,
    /// The name of its `pod=` directory.
    pub pod: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Class {
    Raw,
    Minutes,
    TenMinutes,
    Events,
}

impl Unit {
    /// The unit of a table directory (roll-ups included), `pod=` directory and hour.
    #[must_use]
    pub fn new(table: &str, pod: &str, hour_ms: i64) -> Self {
        let class = if table == "events" {
            Class::Events
        } else if table.ends_with("_600s") {
            Class::TenMinutes
        } else if table.ends_with("_60s") {
            Class::Minutes
        } else {
            Class::Raw
        };
        Self {
            class,
            hour_ms,
            table: table.to_owned(),
            pod: pod.to_owned(),
        }
    }
}

/// A published file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// Its path.
    pub path: PathBuf,
    /// Its size.
    pub bytes: u64,
}

/// Everything in a data directory.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Inventory {
    /// Published files.
    pub units: BTreeMap<Unit, Vec<Stored>>,
    /// What is never deleted here but counts: spools, `_quarantine`, notes.
    pub other_bytes: u64,
}

/// Why a unit goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// It is older than `--retain-age`.
    Age,
    /// The directory is larger than `--retain-size`.
    Size,
    /// Less than `--min-free-disk` is free.
    FreeDisk,
    /// The same, and the archive does not hold it: its rows are lost.
    Lost,
}

/// What to delete, in order.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The units, why, and their files.
    pub deletions: Vec<(Unit, Cause, Vec<Stored>)>,
    /// What that frees.
    pub freed_bytes: u64,
    /// What would go as well, but waits for its upload.
    pub waiting: Vec<Unit>,
    /// Its size.
    pub waiting_bytes: u64,
    /// Even then too little is free: stop recording until there is space.
    pub stop_recording: bool,
}

/// Decides what to delete where nothing is archived.
#[must_use]
pub fn plan(inventory: &Inventory, policy: &Policy, now_ms: i64, disk: Disk) -> Plan {
    plan_beside_archive(inventory, policy, now_ms, disk, &|_| false)
}

/// Decides what to delete where finished hours are archived: `unarchived` tells whether one of
/// these files is not in the archive yet.
///
/// "Age and size wait for the upload; free disk does not, and counts what was lost."
#[must_use]
pub fn plan_beside_archive(
    inventory: &Inventory,
    policy: &Policy,
    now_ms: i64,
    disk: Disk,
    unarchived: &dyn Fn(&[Stored]) -> bool,
) -> Plan {
    let min_free_bytes = disk.min_free_bytes(policy);
    let last_hour_ms = inventory.units.keys().map(|unit| unit.hour_ms).max();
    let is_too_old = |unit: &Unit| {
        let ended_ms = unit.hour_ms.saturating_add(HOUR_MS);
        policy
            .max_age_ms
            .is_some_and(|age_ms| ended_ms <= now_ms.saturating_sub(age_ms))
    };
    let mut plan = Plan::default();
    let mut rest = Vec::new();
    for (unit, files) in &inventory.units {
        let (old, waits) = (is_too_old(unit), unarchived(files));
        match (old, waits) {
            (true, false) => plan.add(unit, Cause::Age, files),
            (true, true) => plan.wait(unit, files),
            (false, _) => {}
        }
        if waits || !old {
            rest.push((unit, files, old, waits));
        }
    }
    let all = inventory
        .units
        .values()
        .map(|files| size(files))
        .sum::<u64>();
    let total = inventory.other_bytes.saturating_add(all);
    for (unit, files, old, waits) in rest {
        if Some(unit.hour_ms) == last_hour_ms {
            continue;
        }
        // What waits for its upload will go: nothing younger goes in its place.
        let going = plan.freed_bytes.saturating_add(plan.waiting_bytes);
        let left = total.saturating_sub(going);
        let for_size = !old && policy.max_bytes.is_some_and(|most| left > most);
        let for_free_disk = plan.free_after(disk) < min_free_bytes;
        match (waits, for_free_disk) {
            (false, _) if for_size => plan.add(unit, Cause::Size, files),
            (false, true) => plan.add(unit, Cause::FreeDisk, files),
            (true, true) => plan.lose(unit, files),
            (true, false) if for_size => plan.wait(unit, files),
            _ => {}
        }
    }
    plan.stop_recording = plan.free_after(disk) < min_free_bytes;
    plan
}

impl Plan {
    fn add(&mut self, unit: &Unit, cause: Cause, files: &[Stored]) {
        self.freed_bytes = self.freed_bytes.saturating_add(size(files));
        self.deletions.push((unit.clone(), cause, files.to_vec()));
    }

    fn wait(&mut self, unit: &Unit, files: &[Stored]) {
        self.waiting_bytes = self.waiting_bytes.saturating_add(size(files));
        self.waiting.push(unit.clone());
    }

    fn lose(&mut self, unit: &Unit, files: &[Stored]) {
        if let Some(place) = self.waiting.iter().position(|waiting| waiting == unit) {
            self.waiting.remove(place);
            self.waiting_bytes = self.waiting_bytes.saturating_sub(size(files));
        }
        self.add(unit, Cause::Lost, files);
    }

    fn free_after(&self, disk: Disk) -> u64 {
        disk.free_bytes.saturating_add(self.freed_bytes)
    }

    /// How many units free disk takes before the archive has them.
    #[must_use]
    pub fn lost(&self) -> usize {
        let causes = self.deletions.iter().map(|(_, cause, _)| cause);
        causes.filter(|cause| **cause == Cause::Lost).count()
    }
}

fn size(files: &[Stored]) -> u64 {
    files.iter().map(|file| file.bytes).sum()
}

/// What a round of retention did.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Retained {
    /// Units deleted.
    pub units: usize,
    /// Bytes deleted.
    pub bytes: u64,
    /// Too little is free, and nothing more may be deleted: stop recording until there is
    /// space.
    pub stop_recording: bool,
    /// A consolidator is at work: deleting is its business.
    pub left_to_consolidator: bool,
}

/// One round: takes stock, plans, deletes.
///
/// # Errors
/// When the directory cannot be listed or a file not deleted.
pub fn retain(dir: &DataDir, policy: &Policy, now: SystemTime) -> Result<Retained, StoreError> {
    let disk = disk(dir)?;
    let since_epoch = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    let now_ms = i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX);
    let plan = plan(&take_stock(dir)?, policy, now_ms, disk);
    let mut retained = Retained {
        stop_recording: plan.stop_recording,
        left_to_consolidator: consolidator_is_active(dir, now)?,
        ..Retained::default()
    };
    if !retained.left_to_consolidator {
        retained.bytes = apply(dir, &plan)?;
        retained.units = plan.deletions.len();
    }
    Ok(retained)
}

#[cfg(test)]
mod tests;
