//! A cgroup with rows and how its files are read: what containers, pods and the node share.

use crate::clock;
use crate::grid::Now;
use crate::identity::{Named, Pods};
use crate::readers::Readers;
use crate::subject::Subject;
use fgm_cgroup::{CgroupReader, Outcome};
use fgm_model::{Instance, Metric, Values};
use std::sync::Arc;

/// Limits are read again this often although a write to them is told.
pub(crate) const LIMITS_EVERY_US: i64 = 60_000_000;

/// `memory.events` of a cgroup under memory pressure changes a hundred times a second; between
/// ticks it is read no more often than this.
const LEAST_BETWEEN_READS_US: i64 = 100_000;

/// The reading of one cgroup.
pub(crate) struct Watched {
    pub(crate) subject: Subject,
    named: Option<Arc<Named>>,
    reader: CgroupReader,
    limits_due_us: i64,
    read_us: i64,
    outcome: Option<Outcome>,
}

impl Watched {
    /// A cgroup that was just found. Its limits are read.
    pub(crate) fn new(
        instance: Arc<Instance>,
        reader: CgroupReader,
        now: Now,
        readers: &mut Readers,
    ) -> Self {
        // Those found together at the start shall not be due together.
        let hash = instance
            .life
            .get(..8)
            .and_then(|hex| i64::from_str_radix(hex, 16).ok());
        let spread_us = hash.unwrap_or(0) % LIMITS_EVERY_US;
        let mut watched = Self {
            subject: Subject::new(instance),
            named: None,
            reader,
            limits_due_us: now.boot_us + spread_us,
            read_us: i64::MIN,
            outcome: None,
        };
        watched.read_limits(readers);
        watched
    }

    pub(crate) const fn instance(&self) -> &Arc<Instance> {
        &self.subject.instance
    }

    /// Takes what is known of its name by now.
    pub(crate) fn take_name(&mut self, pods: &Pods) {
        // Where less is known than before (a pod deleted long ago), what was known holds.
        let is_news = |named: &Arc<Named>| {
            self.named.as_ref().is_none_or(|before| {
                named != before
                    && (named.container_name.is_some() || before.container_name.is_none())
            })
        };
        let Some(named) = pods.name(self.instance()).filter(is_news) else {
            return;
        };
        self.subject.instance = Arc::new(named.fill(self.instance()));
        self.subject.resources = named.resources;
        self.named = Some(named);
    }

    pub(crate) fn read_limits(&mut self, readers: &mut Readers) {
        // An end is told by discovery.
        let _ = self.reader.read_limits(&mut readers.cgroups);
        self.subject.limits_known = self.reader.limits().known;
    }

    /// Whether enough time went by since the last reading.
    pub(crate) const fn may_read_between(&self, boot_us: i64) -> bool {
        boot_us.saturating_sub(self.read_us) >= LEAST_BETWEEN_READS_US
    }

    /// Reads the cgroup's files, the limits too when they are due, and what else makes its row.
    pub(crate) fn read(
        &mut self,
        boot_us: i64,
        readers: &mut Readers,
        more: impl FnOnce(&mut Values, &mut Readers),
    ) {
        if boot_us >= self.limits_due_us {
            self.limits_due_us = boot_us + LIMITS_EVERY_US;
            self.reader.ask_again();
            self.read_limits(readers);
        }
        self.read_us = boot_us;
        let (reader, last) = (&mut self.reader, &mut self.outcome);
        self.subject.read(clock::wall_us(), |values| {
            let outcome = reader.read(values, &mut readers.cgroups);
            // Of a cgroup that ended meanwhile counts what was read before. `cpu.stat` is read
            // before all other counters, and every cgroup has it.
            let found = outcome == Outcome::Alive || values.get(Metric::CpuUserUsec).is_some();
            *last = found.then_some(outcome);
            if found {
                more(values, readers);
            }
            found
        });
    }

    /// How the last reading went; `None` when the cgroup was not there.
    pub(crate) const fn outcome(&self) -> Option<Outcome> {
        self.outcome
    }

    /// The processes that the last reading listed, in ascending order.
    pub(crate) fn pids(&self) -> &[u32] {
        self.reader.pids()
    }

    /// These and the values, for what is read of them.
    pub(crate) fn pids_and_values(&mut self) -> (&[u32], &mut Values) {
        (self.reader.pids(), &mut self.subject.values)
    }
}
