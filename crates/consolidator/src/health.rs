//! How the consolidator itself is doing: its self-metrics and the two probe answers.
//!
//! Metrics are declared here, beside one another, and set where the thing happens.

use fgm_service::probes;
use fgm_service::registry::{measured, new};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A counter of seconds that may have a fraction.
type Seconds = Counter<f64, AtomicU64>;
/// A moment, in seconds UTC.
type Moment = Gauge<f64, AtomicU64>;

/// Longer without a sign of life, and the work is stuck: signs come many times a second.
const STUCK_AFTER: Duration = Duration::from_mins(5);

/// What a round is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    Merge,
    Archive,
    Retention,
}

impl Part {
    pub(crate) const ALL: [Self; 3] = [Self::Merge, Self::Archive, Self::Retention];

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Merge => "merge",
            Self::Archive => "archive",
            Self::Retention => "retention",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PartLabel {
    part: &'static str,
}

/// Self-metrics and the state behind the probes.
#[derive(Debug)]
pub struct Health {
    registry: Registry,
    locked: AtomicBool,
    sign: Mutex<Option<Instant>>,

    pub(crate) rounds: Counter,
    pub(crate) last_round: Moment,
    failures: Family<PartLabel, Counter>,
    pub(crate) merge_cpu: Seconds,
    pub(crate) hours_due: Gauge,
    pub(crate) hours_merged: Counter,
    pub(crate) rows_merged: Counter,
    pub(crate) merged_bytes: Counter,
    pub(crate) sources_removed: Counter,
    pub(crate) quarantined: Counter,
    pub(crate) archive_uploads: Counter,
    pub(crate) archive_bytes: Counter,
    pub(crate) archive_removed: Counter,
    pub(crate) archive_waiting: Gauge,
    pub(crate) deleted_hours: Counter,
    pub(crate) deleted_bytes: Counter,
    pub(crate) lost_hours: Counter,
    resident: Gauge,
}

impl Default for Health {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("fgm_consolidator");
        let to = &mut registry;
        let health = Self {
            locked: AtomicBool::new(false),
            sign: Mutex::default(),
            rounds: new(to, "rounds", "Rounds of work"),
            last_round: measured(
                to,
                "last_round_timestamp",
                "When the last round without a failure ended",
                Unit::Seconds,
            ),
            failures: new(to, "failures", "What failed and is tried again, by part"),
            merge_cpu: measured(to, "merge_cpu", "CPU time of merging", Unit::Seconds),
            hours_due: new(to, "hours_due", "Hours of a table that wait to be merged"),
            hours_merged: new(to, "hours_merged", "Hours of a table merged"),
            rows_merged: new(to, "rows_merged", "Rows of merged hours"),
            merged_bytes: measured(to, "merged", "Bytes of merged hours", Unit::Bytes),
            sources_removed: new(
                to,
                "sources_removed",
                "Files removed because a merged hour holds their rows",
            ),
            quarantined: new(to, "quarantined", "Unreadable files set aside"),
            archive_uploads: new(to, "archive_uploads", "Files uploaded and read back"),
            archive_bytes: measured(to, "archive_uploaded", "Bytes uploaded", Unit::Bytes),
            archive_removed: new(
                to,
                "archive_removed",
                "Archived files deleted because another one there holds their rows",
            ),
            archive_waiting: new(
                to,
                "archive_waiting",
                "Files here that the archive does not hold yet",
            ),
            deleted_hours: new(to, "deleted_hours", "Hours of a table deleted by retention"),
            deleted_bytes: measured(to, "deleted", "Bytes deleted by retention", Unit::Bytes),
            lost_hours: new(
                to,
                "lost_hours",
                "Hours of a table deleted for free disk before they were archived",
            ),
            resident: measured(
                to,
                "resident_memory",
                "Resident memory of the process",
                Unit::Bytes,
            ),
            registry,
        };
        for part in Part::ALL {
            health.failed(part, 0);
        }
        health
    }
}

impl Health {
    /// The consolidator lock is ours.
    pub(crate) fn set_locked(&self) {
        self.locked.store(true, Ordering::Relaxed);
        self.sign_of_life();
    }

    /// The work goes on.
    pub(crate) fn sign_of_life(&self) {
        *self.sign.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    pub(crate) fn failed(&self, part: Part, times: usize) {
        let label = PartLabel {
            part: part.as_str(),
        };
        self.failures.get_or_create(&label).inc_by(count(times));
    }

    fn alive_at(&self, now: Instant) -> Result<(), String> {
        let sign = *self.sign.lock().unwrap_or_else(PoisonError::into_inner);
        // Before the first sign it waits for the lock.
        let silent = sign.map_or(Duration::ZERO, |at| now.saturating_duration_since(at));
        if silent <= STUCK_AFTER {
            Ok(())
        } else {
            Err(format!("no sign of life for {} s", silent.as_secs()))
        }
    }
}

/// As metrics count.
pub(crate) fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

/// As gauges show.
pub(crate) fn level(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

impl probes::Health for Health {
    fn alive(&self) -> Result<(), String> {
        self.alive_at(Instant::now())
    }

    fn ready(&self) -> Result<(), String> {
        if !self.locked.load(Ordering::Relaxed) {
            return Err("waiting for the consolidator lock of the data directory".to_owned());
        }
        self.alive()
    }

    fn metrics_text(&self) -> String {
        if let Some(bytes) = resident_bytes() {
            self.resident.set(bytes);
        }
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _ = encode(&mut text, &self.registry);
        text
    }
}

/// The resident memory of this process.
fn resident_bytes() -> Option<i64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: i64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    kib.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;
    use probes::Health as _;

    #[test]
    fn ready_tells_what_is_missing() {
        let health = Health::default();
        assert_eq!(health.alive(), Ok(()));
        assert!(health.ready().unwrap_err().contains("lock"));
        health.set_locked();
        assert_eq!(health.ready(), Ok(()));
    }

    #[test]
    fn work_that_is_stuck_is_not_alive() {
        let health = Health::default();
        health.sign_of_life();
        let later = Instant::now() + Duration::from_secs(301);
        assert_eq!(
            health.alive_at(later),
            Err("no sign of life for 301 s".to_owned())
        );
    }

    #[test]
    fn names_of_the_self_metrics() {
        let text = Health::default().metrics_text();
        assert!(
            text.contains("failures_total{part=\"archive\"} 0"),
            "{text}"
        );
        let names: Vec<_> = text
            .lines()
            .filter(|line| line.starts_with("# HELP"))
            .collect();
        insta::assert_snapshot!(names.join("\n"));
    }
}
