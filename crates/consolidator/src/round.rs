//! One round: merge what is due, archive what is finished, delete what is too old or too much.

use crate::archive::{Archive, ArchiveError, Pass};
use crate::config::Settings;
use crate::health::{Health, Part, count, level};
use crate::progress::Progress;
use chrono::{DateTime, SecondsFormat, Utc};
use fgm_store::lock::recorder_is_running;
use fgm_store::merge::{self, Hour, HourReport, Planner};
use fgm_store::retain::{self, Inventory, Plan, Policy};
use fgm_store::{DataDir, StoreError};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::runtime::Handle;
use tokio::sync::watch;

/// What the rounds need, and remember of one another.
#[derive(Debug)]
pub(crate) struct Rounds {
    pub(crate) dir: DataDir,
    pub(crate) settings: Settings,
    pub(crate) archive: Option<Archive>,
    pub(crate) health: Arc<Health>,
    pub(crate) progress: Progress,
    pub(crate) runtime: Handle,
    pub(crate) stopped: watch::Receiver<bool>,
    pub(crate) planner: Planner,
    /// The troubles of the last round: what lasts is said once.
    pub(crate) said: BTreeSet<String>,
}

/// The troubles of a round.
#[derive(Debug, Default)]
struct Troubles {
    said: BTreeSet<String>,
    count: usize,
}

impl Rounds {
    /// Puts in order what an earlier consolidator left when it ended.
    pub(crate) fn prepare(&self) -> Result<(), StoreError> {
        let removed = merge::unlink_superseded(&self.dir)?;
        self.health.sources_removed.inc_by(count(removed));
        if removed > 0 {
            tracing::info!(removed, "removed files whose rows others hold");
        }
        Ok(())
    }

    /// All that is due; returns how much of it failed.
    pub(crate) fn round(&mut self) -> usize {
        let mut troubles = Troubles::default();
        self.merge(&mut troubles);
        self.archive(&mut troubles);
        self.retain(&mut troubles);
        self.health.rounds.inc();
        if troubles.count == 0 {
            let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
            self.health
                .last_round
                .set(now.unwrap_or_default().as_secs_f64());
        }
        self.said = troubles.said;
        troubles.count
    }

    /// Retention alone, between rounds.
    pub(crate) fn retain_only(&mut self) -> usize {
        let mut troubles = Troubles::default();
        self.retain(&mut troubles);
        self.said.append(&mut troubles.said);
        troubles.count
    }

    /// Waits; `true` when the end came.
    pub(crate) fn wait(&self, duration: Duration) -> bool {
        self.health.sign_of_life();
        let mut stopped = self.stopped.clone();
        self.runtime.block_on(async {
            let stop = stopped.wait_for(|stop| *stop);
            tokio::time::timeout(duration, stop).await.is_ok()
        })
    }

    /// Asked many times by whatever takes long.
    fn is_stopped(&self) -> bool {
        self.health.sign_of_life();
        *self.stopped.borrow()
    }

    fn trouble(&self, troubles: &mut Troubles, part: Part, text: String) {
        self.health.failed(part, 1);
        troubles.count += 1;
        if !self.said.contains(&text) {
            tracing::error!(part = part.as_str(), "{text}");
        }
        troubles.said.insert(text);
    }

    fn merge(&mut self, troubles: &mut Troubles) {
        let due = recorder_is_running(&self.dir).and_then(|recorder_running| {
            let min_age = self.settings.min_age;
            self.planner
                .due(&self.dir, now_ms(), min_age, recorder_running)
        });
        let due = match due {
            Ok(due) => due,
            Err(error) => return self.trouble(troubles, Part::Merge, error.to_string()),
        };
        self.health.hours_due.set(level(due.len()));
        self.progress.begin(due.len());
        for (index, hour) in due.iter().enumerate() {
            if self.is_stopped() {
                break;
            }
            self.progress.doing(format!("merging {}", describe(hour)));
            let began = thread_cpu();
            match merge::consolidate(&self.dir, hour, &|| self.is_stopped()) {
                Ok(report) => self.tell_merged(&report),
                Err(error) => {
                    let text = format!("{} is left as it is: {error}", describe(hour));
                    self.trouble(troubles, Part::Merge, text);
                }
            }
            let spent = thread_cpu().saturating_sub(began);
            self.health.merge_cpu.inc_by(spent.as_secs_f64());
            self.health.hours_due.set(level(due.len() - index - 1));
            self.progress.done();
        }
        self.progress.end();
    }

    fn tell_merged(&self, report: &HourReport) {
        if let Some(merged) = &report.merged {
            self.health.hours_merged.inc();
            self.health.rows_merged.inc_by(merged.rows);
            self.health.merged_bytes.inc_by(merged.bytes);
        }
        let removed = count(report.unlinked);
        self.health.sources_removed.inc_by(removed);
        let set_aside = count(report.quarantined.len());
        self.health.quarantined.inc_by(set_aside);
    }

    fn archive(&mut self, troubles: &mut Troubles) {
        // Taken out for the time, so that the rest of `self` stays in reach.
        let Some(mut archive) = self.archive.take() else {
            return;
        };
        match retain::take_stock(&self.dir) {
            Ok(inventory) => self.pass(&mut archive, &inventory, troubles),
            Err(error) => self.trouble(troubles, Part::Archive, error.to_string()),
        }
        self.archive = Some(archive);
    }

    fn pass(&self, archive: &mut Archive, inventory: &Inventory, troubles: &mut Troubles) {
        self.progress.begin(0);
        let told = |path: &std::path::Path| {
            self.health.sign_of_life();
            let name = path.strip_prefix(self.dir.root()).unwrap_or(path);
            self.progress.doing(format!("archiving {}", name.display()));
        };
        let mut stopped = self.stopped.clone();
        let pass = self.runtime.block_on(async {
            tokio::select! {
                pass = archive.pass(&self.dir, inventory, &told) => Some(pass),
                _ = stopped.wait_for(|stop| *stop) => None,
            }
        });
        self.progress.end();
        // Given up: what was on its way is sent again another time.
        let Some(pass) = pass else { return };
        let Pass {
            uploaded,
            uploaded_bytes,
            removed,
            waiting,
            failures,
        } = pass;
        self.health.archive_uploads.inc_by(count(uploaded));
        self.health.archive_bytes.inc_by(uploaded_bytes);
        self.health.archive_removed.inc_by(count(removed));
        self.health.archive_waiting.set(level(waiting));
        for error in failures {
            self.archive_trouble(troubles, &error);
        }
    }

    fn archive_trouble(&self, troubles: &mut Troubles, error: &ArchiveError) {
        self.trouble(troubles, Part::Archive, error.to_string());
    }

    fn retain(&mut self, troubles: &mut Troubles) {
        if self.is_stopped() {
            return;
        }
        let mut archive = self.archive.take();
        if let Err(error) = self.try_retain(archive.as_mut(), troubles) {
            self.trouble(troubles, Part::Retention, error.to_string());
        }
        self.archive = archive;
    }

    fn try_retain(
        &self,
        archive: Option<&mut Archive>,
        troubles: &mut Troubles,
    ) -> Result<(), StoreError> {
        let policy = self.settings.retention.policy(&self.dir)?;
        let inventory = retain::take_stock(&self.dir)?;
        let mut plan = plan_of(&self.dir, &policy, &inventory, archive.as_deref())?;
        if let Some(archive) = archive
            && !plan.deletions.is_empty()
        {
            // Once more, for somebody else may have deleted there.
            let files = plan.deletions.iter().flat_map(|(.., files)| files);
            archive.doubt(&self.dir, files);
            self.pass(archive, &inventory, troubles);
            plan = plan_of(&self.dir, &policy, &inventory, Some(archive))?;
        }
        if self.is_stopped() {
            return Ok(());
        }
        let bytes = retain::apply(&self.dir, &plan)?;
        self.health
            .deleted_hours
            .inc_by(count(plan.deletions.len()));
        self.health.deleted_bytes.inc_by(bytes);
        self.health.lost_hours.inc_by(count(plan.lost()));
        Ok(())
    }
}

/// What retention would delete now.
pub(crate) fn plan_of(
    dir: &DataDir,
    policy: &Policy,
    inventory: &Inventory,
    archive: Option<&Archive>,
) -> Result<Plan, StoreError> {
    let disk = retain::disk(dir)?;
    let unarchived =
        |files: &[retain::Stored]| archive.is_some_and(|archive| !archive.holds_all(files));
    Ok(retain::plan_beside_archive(
        inventory,
        policy,
        now_ms(),
        disk,
        &unarchived,
    ))
}

/// An hour of a table, for a person.
pub(crate) fn describe(hour: &Hour) -> String {
    format!(
        "{} of {} by {}",
        hour.table.as_str(),
        moment(hour.hour_start_ms),
        hour.recorder
    )
}

/// `2026-11-24T08:00Z`.
pub(crate) fn moment(time_ms: i64) -> String {
    DateTime::<Utc>::from_timestamp_millis(time_ms).map_or_else(
        || format!("{time_ms} ms"),
        |time| {
            let text = time.to_rfc3339_opts(SecondsFormat::Secs, true);
            text.replace(":00Z", "Z")
        },
    )
}

pub(crate) fn now_ms() -> i64 {
    Utc::now().timestamp_millis()
}

fn thread_cpu() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::try_from(time).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments() {
        assert_eq!(moment(1_795_507_200_000), "2026-11-24T08:00Z");
        assert_eq!(moment(i64::MAX), "9223372036854775807 ms");
    }
}
