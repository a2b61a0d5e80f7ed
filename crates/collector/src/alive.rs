//! A living container (or unit) and how it is read.

use crate::clock;
use crate::facts::{Facts, Reading};
use crate::grid::Now;
use crate::identity::Pods;
use crate::readers::Readers;
use crate::subject::Subject;
use crate::watched::Watched;
use fgm_cgroup::{CgroupId, CgroupReader, Outcome};
use fgm_model::{Instance, Metric, Values};
use fgm_proc::{Listed, Processes};
use std::sync::Arc;
use std::time::Duration;

/// A living instance.
pub(crate) struct Alive {
    watched: Watched,
    /// It may turn out to be its pod's sandbox: its rows wait.
    pub(crate) undecided: bool,
    /// The pod cgroup it is in.
    pub(crate) pod: Option<CgroupId>,
    processes: Processes,
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
        Self {
            watched: Watched::new(instance, reader, now, readers),
            undecided: false,
            pod: None,
            processes: if born {
                Processes::born(clock::boot_time(now))
            } else {
                Processes::found()
            },
        }
    }

    pub(crate) const fn instance(&self) -> &Arc<Instance> {
        self.watched.instance()
    }

    pub(crate) const fn subject(&mut self) -> &mut Subject {
        &mut self.watched.subject
    }

    /// What is left of it at its end.
    pub(crate) fn into_subject(self) -> Subject {
        self.watched.subject
    }

    /// Takes what is known of its name by now.
    pub(crate) fn take_name(&mut self, pods: &Pods) {
        self.watched.take_name(pods);
    }

    /// Goes on from what an earlier recorder stored.
    pub(crate) fn resume(&mut self, stored: &Values, stored_ms: i64, now: Now) {
        let ago = Duration::from_micros((now.wall_us - stored_ms * 1000).max(0).unsigned_abs());
        self.processes
            .resume(stored, Some(clock::boot_time(now).minus(ago)));
    }

    pub(crate) fn read_limits(&mut self, readers: &mut Readers) {
        self.watched.read_limits(readers);
    }

    /// Whether enough time went by since the last reading.
    pub(crate) const fn may_read_between(&self, boot_us: i64) -> bool {
        self.watched.may_read_between(boot_us)
    }

    /// The whole reading, at a moment that is no tick's.
    pub(crate) fn read_between_ticks(&mut self, now: Now, readers: &mut Readers) {
        self.read_cgroup(now.boot_us, readers);
        self.read_processes(now, readers);
    }

    /// The cgroup's files, and the limits when they are due.
    pub(crate) fn read_cgroup(&mut self, boot_us: i64, readers: &mut Readers) {
        self.watched.read(boot_us, readers, |_, _| {});
    }

    /// The processes that the last reading of the cgroup listed.
    pub(crate) fn read_processes(&mut self, now: Now, readers: &mut Readers) {
        if self.watched.outcome().is_none() {
            return;
        }
        let at = clock::boot_time(now);
        let (pids, values) = self.watched.pids_and_values();
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

    /// Tells what was read just now; `tick_ms` is the instant of the tick that read it.
    pub(crate) fn tell(&self, facts: &mut Facts, tick_ms: Option<i64>, interval_ms: i64) {
        let subject = &self.watched.subject;
        let at_ms = clock::wall_us() / 1000;
        let Some(outcome) = self.watched.outcome() else {
            facts.vanished(&subject.instance, at_ms);
            return;
        };
        let reading = Reading {
            at_ms,
            tick_ms,
            interval_ms,
            limits_known: subject.limits_known,
            whole: outcome == Outcome::Alive,
        };
        facts.seen(&subject.instance, reading, &subject.values);
    }

    /// Its processes by the last reading, in ascending order; none when it was not there.
    pub(crate) fn pids(&self) -> &[u32] {
        match self.watched.outcome() {
            Some(_) => self.watched.pids(),
            None => &[],
        }
    }
}
