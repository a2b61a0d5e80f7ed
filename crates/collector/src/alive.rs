//! A living instance and how it is read.

use crate::clock;
use crate::grid::Now;
use crate::subject::Subject;
use fgm_cgroup::{CgroupReader, Outcome, ReadContext};
use fgm_model::{Instance, Metric, Values};
use fgm_proc::{Listed, ProcReader, Processes, Pss, PssSkipped};
use std::sync::Arc;
use std::time::Duration;

/// Limits are read again this often although a write to them is told.
const LIMITS_EVERY_US: i64 = 60_000_000;

/// `memory.events` of a cgroup under memory pressure changes a hundred times a second; between
/// ticks it is read no more often than this.
const LEAST_BETWEEN_READS_US: i64 = 100_000;

/// What all instances share.
pub(crate) struct Readers {
    pub(crate) cgroups: ReadContext,
    pub(crate) processes: ProcReader,
    pub(crate) pss: Pss,
    /// Processes found too large to scan, of the instance read last.
    pub(crate) skipped: Vec<PssSkipped>,
}

/// A living instance.
pub(crate) struct Alive {
    pub(crate) subject: Subject,
    /// It may turn out to be its pod's sandbox: its rows wait.
    pub(crate) undecided: bool,
    reader: CgroupReader,
    processes: Processes,
    limits_due_us: i64,
    read_us: i64,
    /// The last reading found the cgroup there, so its list of processes is fresh.
    fresh: bool,
}

impl Alive {
    /// An instance that was just found; `born` when its birth was seen. Its limits are read.
    pub(crate) fn new(
        instance: Arc<Instance>,
        reader: CgroupReader,
        now: Now,
        born: bool,
        readers: &mut Readers,
    ) -> Self {
        // Those found together at the start shall not be due together.
        let hash = instance
            .life
            .get(..8)
            .and_then(|hex| i64::from_str_radix(hex, 16).ok());
        let spread_us = hash.unwrap_or(0) % LIMITS_EVERY_US;
        let mut alive = Self {
            subject: Subject::new(instance),
            undecided: false,
            reader,
            processes: if born {
                Processes::born(clock::boot_time(now))
            } else {
                Processes::found()
            },
            limits_due_us: now.boot_us + spread_us,
            read_us: i64::MIN,
            fresh: false,
        };
        alive.read_limits(readers);
        alive
    }

    pub(crate) fn instance(&self) -> &Arc<Instance> {
        &self.subject.instance
    }

    /// Goes on from what an earlier recorder stored.
    pub(crate) fn resume(&mut self, stored: &Values, stored_ms: i64, now: Now) {
        let ago = Duration::from_micros((now.wall_us - stored_ms * 1000).max(0).unsigned_abs());
        self.processes
            .resume(stored, Some(clock::boot_time(now).minus(ago)));
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

    /// The whole reading, at a moment that is no tick's.
    pub(crate) fn read_between_ticks(&mut self, now: Now, readers: &mut Readers) {
        self.read_cgroup(now.boot_us, readers);
        self.read_processes(now, readers);
    }

    /// The cgroup's files, and the limits when they are due.
    pub(crate) fn read_cgroup(&mut self, boot_us: i64, readers: &mut Readers) {
        if boot_us >= self.limits_due_us {
            self.limits_due_us = boot_us + LIMITS_EVERY_US;
            self.reader.ask_again();
            self.read_limits(readers);
        }
        let reader = &mut self.reader;
        self.fresh = self.subject.read(clock::wall_us(), |values| {
            let outcome = reader.read(values, &mut readers.cgroups);
            // Of a cgroup that ended meanwhile counts what was read before. `cpu.stat` is read
            // first, and every cgroup has it.
            outcome == Outcome::Alive || values.get(Metric::CpuUserUsec).is_some()
        });
        self.read_us = boot_us;
    }

    /// The processes that the last reading of the cgroup listed.
    pub(crate) fn read_processes(&mut self, now: Now, readers: &mut Readers) {
        if !self.fresh {
            return;
        }
        let at = clock::boot_time(now);
        let values = &mut self.subject.values;
        let pids = self.reader.pids();
        let listed = Listed::new(pids);
        let listed = match values.get(Metric::ProcessCount).map(u64::try_from) {
            // The rest are outside our PID namespace.
            Some(Ok(count)) => listed.with_outside(count.saturating_sub(pids.len() as u64)),
            _ => listed.incomplete(),
        };
        self.processes
            .read(listed, &mut readers.processes, at, values);
        readers
            .pss
            .fill(&self.processes, at, values, &mut readers.skipped);
    }
}
