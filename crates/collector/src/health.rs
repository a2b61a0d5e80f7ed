//! How the recorder itself is doing: its self-metrics and the two probe answers.
//!
//! Metrics are declared here, beside one another, and set where the thing happens.

use crate::identity::IdentityMetrics;
use fgm_proc::PssUsage;
use fgm_service::registry::{measured, new};
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};
use rustix::io::Errno;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// A counter of seconds or bytes that may have a fraction.
type Seconds = Counter<f64, AtomicU64>;

/// The parts of a tick whose CPU time is told apart.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Part {
    Discovery,
    Cgroups,
    Processes,
    Pods,
    Node,
    Rows,
}

impl Part {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Discovery => "discovery",
            Self::Cgroups => "cgroups",
            Self::Processes => "processes",
            Self::Pods => "pods",
            Self::Node => "node",
            Self::Rows => "rows",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct PartLabel {
    part: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct TableLabel {
    table: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct RefusalLabel {
    source: &'static str,
    errno: ErrnoLabel,
}

/// An errno, which gets its name only when it is shown: refusals are counted each tick.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct ErrnoLabel(Errno);

impl EncodeLabelValue for ErrnoLabel {
    /// The names of the refusals that an operator can act on; others by their number.
    fn encode(&self, to: &mut LabelValueEncoder<'_>) -> Result<(), fmt::Error> {
        let name = match self.0 {
            Errno::ACCESS => "EACCES",
            Errno::PERM => "EPERM",
            Errno::IO => "EIO",
            Errno::INVAL => "EINVAL",
            Errno::MFILE => "EMFILE",
            Errno::NFILE => "ENFILE",
            Errno::NOMEM => "ENOMEM",
            other => return EncodeLabelValue::encode(&other.raw_os_error(), to),
        };
        EncodeLabelValue::encode(&name, to)
    }
}

/// Self-metrics and the state behind the probes.
#[derive(Debug)]
pub struct Health {
    registry: Registry,
    interval: Duration,
    locked: AtomicBool,
    writing: AtomicBool,
    last_tick_boot_us: AtomicI64,
    notice: Mutex<Option<String>>,

    pub(crate) ticks: Counter,
    pub(crate) ticks_missed: Counter,
    pub(crate) ticks_late: Counter,
    pub(crate) clock_steps: Counter,
    pub(crate) lateness: Histogram,
    tick_cpu: Family<PartLabel, Seconds>,
    pub(crate) containers: Gauge,
    pub(crate) pods: Gauge,
    pub(crate) watches: Gauge,
    pub(crate) kept_descriptors: Gauge,
    refused: Family<RefusalLabel, Counter>,

    pub(crate) pss_cpu: Seconds,
    pub(crate) pss_scans: Counter,
    pub(crate) pss_skipped: Counter,
    pss_panics: Counter,

    rows: Family<TableLabel, Counter>,
    pub(crate) rows_lost: Counter,
    pub(crate) spool_bytes: Counter,
    pub(crate) segments: Counter,
    pub(crate) segment_bytes: Counter,
    pub(crate) seal_cpu: Seconds,
    pub(crate) seal_failures: Counter,
    pub(crate) deleted_hours: Counter,
    pub(crate) deleted_bytes: Counter,
    recording: Gauge,
    resident: Gauge,
    resident_anonymous: Gauge,

    pub(crate) identity: IdentityMetrics,
}

impl Health {
    /// Fresh metrics for a recorder of that interval.
    #[must_use]
    pub fn new(interval: Duration) -> Self {
        let mut registry = Registry::with_prefix("fgm");
        let to = &mut registry;
        Self {
            interval,
            locked: AtomicBool::new(false),
            writing: AtomicBool::new(false),
            last_tick_boot_us: AtomicI64::new(i64::MIN),
            notice: Mutex::default(),
            ticks: new(to, "ticks", "Ticks taken"),
            ticks_missed: new(to, "ticks_missed", "Grid instants without a reading"),
            ticks_late: new(
                to,
                "ticks_late",
                "Ticks that began more than a quarter of the interval late",
            ),
            clock_steps: new(to, "clock_steps", "Times the wall clock was set"),
            lateness: lateness(to),
            tick_cpu: measured(
                to,
                "tick_cpu",
                "CPU time of the tick thread by part",
                Unit::Seconds,
            ),
            containers: new(to, "containers", "Instances read each tick"),
            pods: new(to, "pods", "Pod cgroups read each tick"),
            watches: new(to, "watches", "inotify watches on cgroup directories"),
            kept_descriptors: new(to, "kept_descriptors", "Kernel files kept open"),
            refused: new(
                to,
                "reads_refused",
                "Reads that the kernel refused, by errno",
            ),
            pss_cpu: measured(
                to,
                "pss_cpu",
                "CPU time spent on the proportional set size",
                Unit::Seconds,
            ),
            pss_scans: new(
                to,
                "pss_scans",
                "Processes scanned for their proportional set size",
            ),
            pss_skipped: new(to, "pss_skipped", "Processes too large to scan"),
            pss_panics: new(
                to,
                "pss_panics",
                "Times the thread of the proportional set size panicked, which ends it",
            ),
            rows: new(to, "rows", "Rows spooled, by table"),
            rows_lost: new(to, "rows_lost", "Rows that could not be spooled"),
            spool_bytes: measured(to, "spool", "Bytes appended to the spool", Unit::Bytes),
            segments: new(to, "segments", "Segments published"),
            segment_bytes: measured(to, "segment", "Bytes of published segments", Unit::Bytes),
            seal_cpu: measured(to, "seal_cpu", "CPU time of sealing", Unit::Seconds),
            seal_failures: new(
                to,
                "seal_failures",
                "Attempts to seal that failed and are tried again",
            ),
            deleted_hours: new(to, "deleted_hours", "Hours of a table deleted by retention"),
            deleted_bytes: measured(to, "deleted", "Bytes deleted by retention", Unit::Bytes),
            recording: new(to, "recording", "1 while rows reach the disk"),
            resident: measured(
                to,
                "resident_memory",
                "Resident memory of the recorder",
                Unit::Bytes,
            ),
            resident_anonymous: measured(
                to,
                "resident_anonymous_memory",
                "Anonymous part of it",
                Unit::Bytes,
            ),
            identity: IdentityMetrics::new(to),
            registry,
        }
    }

    /// The recorder lock is ours.
    pub(crate) fn set_locked(&self) {
        self.locked.store(true, Ordering::Relaxed);
    }

    /// A tick began at that boot time.
    pub(crate) fn set_ticked(&self, boot_us: i64) {
        self.last_tick_boot_us.store(boot_us, Ordering::Relaxed);
    }

    /// Whether the last rows reached the disk.
    pub(crate) fn set_recording(&self, recording: bool) {
        self.writing.store(recording, Ordering::Relaxed);
        self.recording.set(recording.into());
    }

    pub(crate) fn add_tick_cpu(&self, part: Part, time: Duration) {
        self.tick_cpu
            .get_or_create(&PartLabel {
                part: part.as_str(),
            })
            .inc_by(time.as_secs_f64());
    }

    pub(crate) fn add_rows(&self, table: &'static str, rows: u64) {
        self.rows.get_or_create(&TableLabel { table }).inc_by(rows);
    }

    /// The totals of refused reads of one source, by errno.
    pub(crate) fn set_refusals(
        &self,
        source: &'static str,
        totals: impl Iterator<Item = (Errno, u64)>,
    ) {
        for (errno, total) in totals {
            let label = RefusalLabel {
                source,
                errno: ErrnoLabel(errno),
            };
            let counter = self.refused.get_or_create_owned(&label);
            counter.inc_by(total.saturating_sub(counter.get()));
        }
    }

    /// The totals of the PSS thread; its end is an error that an operator should know of.
    pub(crate) fn set_pss(&self, usage: PssUsage) {
        if usage.failed && self.pss_panics.get() == 0 {
            self.pss_panics.inc();
            tracing::error!(
                "the thread that reads smaps_rollup panicked (its message stands above): \
                 memory_pss is unknown from now on; restart fgm, and report it"
            );
        }
        let spent = usage.cpu.as_secs_f64() - self.pss_cpu.get();
        self.pss_cpu.inc_by(spent.max(0.0));
        self.pss_scans
            .inc_by(usage.scans.saturating_sub(self.pss_scans.get()));
    }

    pub(crate) fn set_own_memory(&self, resident_bytes: u64, anonymous_bytes: u64) {
        let gauge = |bytes| i64::try_from(bytes).unwrap_or(i64::MAX);
        self.resident.set(gauge(resident_bytes));
        self.resident_anonymous.set(gauge(anonymous_bytes));
    }

    /// Why less is recorded than a person might expect, if so.
    #[must_use]
    pub fn notice(&self) -> Option<String> {
        let notices = [self.lock_notice().clone(), self.identity.notice()];
        let notices: Vec<_> = notices.into_iter().flatten().collect();
        (!notices.is_empty()).then(|| notices.join(" "))
    }

    pub(crate) fn set_notice(&self, notice: Option<String>) {
        *self.lock_notice() = notice;
    }

    fn lock_notice(&self) -> MutexGuard<'_, Option<String>> {
        self.notice.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the tick thread is alive: `/healthz`.
    ///
    /// # Errors
    /// One sentence that says what is wrong.
    pub fn alive(&self, boot_us: i64) -> Result<(), String> {
        let last = self.last_tick_boot_us.load(Ordering::Relaxed);
        // Before the first tick the recorder may wait for the lock or seal what was left over.
        let limit = (5 * self.interval).max(Duration::from_secs(10));
        let age_us = boot_us.saturating_sub(last);
        if last == i64::MIN || age_us <= i64::try_from(limit.as_micros()).unwrap_or(i64::MAX) {
            Ok(())
        } else {
            Err(format!("no tick for {} s", age_us / 1_000_000))
        }
    }

    /// Whether rows are being recorded: `/readyz`.
    ///
    /// # Errors
    /// One sentence that says what is wrong.
    pub fn ready(&self, boot_us: i64) -> Result<(), String> {
        if !self.locked.load(Ordering::Relaxed) {
            return Err("waiting for the recorder lock of the data directory".to_owned());
        }
        if self.last_tick_boot_us.load(Ordering::Relaxed) == i64::MIN {
            return Err("no tick yet".to_owned());
        }
        self.alive(boot_us)?;
        if !self.writing.load(Ordering::Relaxed) {
            return Err("rows do not reach the disk; see the log".to_owned());
        }
        Ok(())
    }

    /// The metrics in the OpenMetrics text format.
    #[must_use]
    pub fn metrics_text(&self) -> String {
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _ = encode(&mut text, &self.registry);
        text
    }
}

fn lateness(to: &mut Registry) -> Histogram {
    let lateness = Histogram::new([
        0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0,
    ]);
    to.register_with_unit(
        "tick_lateness",
        "Start of a tick after its grid instant",
        Unit::Seconds,
        lateness.clone(),
    );
    lateness
}

#[cfg(test)]
mod tests;
