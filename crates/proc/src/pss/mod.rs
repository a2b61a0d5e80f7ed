//! The proportional set (PSS) of the processes, under a budget of CPU time.
//!
//! Reading `smaps_rollup` walks a process's page tables (20 ms per GiB of small pages) and holds
//! its mmap lock, so it is done by a thread of its own, as seldom as the `planner` finds it
//! worth. The tick thread never waits for a scan: [`Pss::fill`] takes what is known and notes
//! what changed, [`Pss::end_tick`] swaps notes with the thread.
//!
//! Between scans the columns repeat the sum of the last scans over the processes that live now;
//! `memory_pss_age_ms` is the age of the oldest of them. They are null while any live process
//! was never scanned, and when the budget is off. A process without an address space has
//! nothing and needs no scan. Should the thread panic, the columns are null from then on, and
//! [`PssUsage::failed`] tells.

mod bucket;
mod planner;
mod worker;

use crate::clock::BootTime;
use crate::facts::page_bytes;
use crate::process::ProcessKey;
use crate::processes::{Footprint, Processes};
use crate::reader::{OpenError, open_root};
use crate::smaps_rollup::SmapsRollup;
use fgm_kernfile::Refusals;
use fgm_model::{Metric, Values};
use planner::PlannerConfig;
use rustix::io::Errno;
use std::collections::HashMap;
use std::io;
use std::path::Path;
use std::time::Duration;
use worker::Worker;

/// What bounds the scans.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PssConfig {
    /// CPU time per second.
    pub budget_per_second: Duration,
    /// How much unspent budget is saved up.
    pub capacity: Duration,
    /// Scans predicted to cost more are left out, since they hold up the process that long;
    /// `None` if they were asked for.
    pub largest: Option<Duration>,
}

impl Default for PssConfig {
    fn default() -> Self {
        Self {
            budget_per_second: Duration::from_millis(5),
            capacity: Duration::from_millis(150),
            largest: Some(Duration::from_millis(50)),
        }
    }
}

/// The thread cannot be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The proc mount cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The kernel gives no thread.
    #[error(
        "cannot start the thread that reads smaps_rollup: {0}; raise the limit of tasks or turn the PSS budget off"
    )]
    Thread(#[source] io::Error),
}

/// A process whose scan was left out because it would cost too much; told once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PssSkipped {
    /// The process.
    pub key: ProcessKey,
    /// Its resident memory.
    pub resident_bytes: u64,
    /// What the scan was predicted to cost.
    pub predicted_cost: Duration,
}

/// What was spent so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PssUsage {
    /// CPU time of the thread.
    pub cpu: Duration,
    /// Scans that gave a number.
    pub scans: u64,
    /// Scans that gave none: the process ended or it was refused.
    pub failed_scans: u64,
    /// Processes left out as too large.
    pub skipped: u64,
    /// The thread panicked: no column is known from then on.
    pub failed: bool,
}

/// The PSS of all containers; belongs to the tick thread.
#[derive(Debug)]
pub struct Pss {
    /// `None` when the budget is off.
    worker: Option<Worker>,
    known: HashMap<ProcessKey, Known>,
    outgoing: Vec<Message>,
    incoming: Vec<Report>,
    round: u32,
    usage: PssUsage,
    refusals: Refusals,
}

/// What the tick thread tells.
#[derive(Debug, Clone, Copy)]
enum Message {
    Observe(ProcessKey, Footprint),
    Forget(ProcessKey),
}

/// What the scanning thread tells.
#[derive(Debug, Clone, Copy)]
enum Report {
    Scanned(ProcessKey, BootTime, SmapsRollup),
    Failed(Option<Errno>),
    Skipped(ProcessKey, Duration),
}

#[derive(Debug)]
struct Known {
    sent: Option<Footprint>,
    scan: Option<(BootTime, SmapsRollup)>,
    skipped: Option<Duration>,
    round: u32,
}

impl Pss {
    /// Starts the scanning thread; it ends when this is dropped.
    ///
    /// # Errors
    /// The proc mount cannot be opened, or there is no thread to be had.
    pub fn start(proc_root: &Path, config: PssConfig) -> Result<Self, StartError> {
        if config.budget_per_second.is_zero() {
            return Ok(Self::off());
        }
        let config = PlannerConfig {
            budget_per_second: config.budget_per_second,
            capacity: config.capacity,
            largest: config.largest,
        };
        let root = open_root(proc_root)?;
        let worker = Worker::start(root, config).map_err(StartError::Thread)?;
        Ok(Self {
            worker: Some(worker),
            ..Self::off()
        })
    }

    /// No scans: every column stays null.
    #[must_use]
    pub fn off() -> Self {
        Self {
            worker: None,
            known: HashMap::new(),
            outgoing: Vec::new(),
            incoming: Vec::new(),
            round: 0,
            usage: PssUsage::default(),
            refusals: Refusals::default(),
        }
    }

    /// Sets the columns of a container whose processes were just read, notes which of them
    /// changed, and adds to `skipped` those that were found too large since the last call.
    pub fn fill(
        &mut self,
        processes: &Processes,
        now: BootTime,
        values: &mut Values,
        skipped: &mut Vec<PssSkipped>,
    ) {
        let mut sum = Some(Sum::default());
        if self.worker.is_none() {
            sum = None;
        } else {
            for process in processes.footprints() {
                let scan =
                    process.and_then(|(key, footprint)| self.follow(key, footprint, now, skipped));
                sum = sum.and_then(|sum| sum.plus(scan?));
            }
        }
        let part =
            |part: fn(&SmapsRollup) -> Option<u64>| sum.as_ref().and_then(|sum| part(&sum.parts));
        values.set_u64(Metric::MemoryPss, part(|parts| Some(parts.pss_bytes)));
        values.set_u64(Metric::MemoryPssAnon, part(|parts| parts.pss_anon_bytes));
        values.set_u64(Metric::MemoryPssFile, part(|parts| parts.pss_file_bytes));
        values.set_u64(Metric::MemoryPssShmem, part(|parts| parts.pss_shmem_bytes));
        values.set_u64(Metric::MemorySwapPss, part(|parts| parts.swap_pss_bytes));
        let age_ms = sum
            .as_ref()
            .map(|sum| now.since(sum.oldest.unwrap_or(now)).as_millis());
        values.set_u64(
            Metric::MemoryPssAgeMs,
            age_ms.and_then(|age| u64::try_from(age).ok()),
        );
    }

    /// Ends a tick, after all containers were filled: tells the thread what changed, forgets
    /// processes that no container has any more, takes what was scanned.
    pub fn end_tick(&mut self) {
        if self.worker.as_ref().is_some_and(Worker::has_failed) {
            *self = Self {
                usage: PssUsage {
                    failed: true,
                    ..self.usage
                },
                refusals: std::mem::take(&mut self.refusals),
                ..Self::off()
            };
        }
        let Some(worker) = &self.worker else {
            return;
        };
        let (round, outgoing) = (self.round, &mut self.outgoing);
        self.known.retain(|&key, known| {
            // A tick that was cut short forgets nothing.
            let stays = round.wrapping_sub(known.round) <= 1;
            if !stays {
                outgoing.push(Message::Forget(key));
            }
            stays
        });
        self.round = round.wrapping_add(1);
        self.usage.cpu = worker.exchange(outgoing, &mut self.incoming);
        for report in self.incoming.drain(..) {
            match report {
                Report::Scanned(key, at, parts) => {
                    self.usage.scans += 1;
                    if let Some(known) = self.known.get_mut(&key) {
                        known.scan = Some((at, parts));
                    }
                }
                Report::Failed(errno) => {
                    self.usage.failed_scans += 1;
                    if let Some(errno) = errno {
                        self.refusals.count(errno);
                    }
                }
                Report::Skipped(key, predicted_cost) => {
                    self.usage.skipped += 1;
                    if let Some(known) = self.known.get_mut(&key) {
                        known.skipped = Some(predicted_cost);
                    }
                }
            }
        }
    }

    /// What was spent so far, as of the last [`Pss::end_tick`].
    #[must_use]
    pub const fn usage(&self) -> PssUsage {
        self.usage
    }

    /// Scans that the kernel refused.
    #[must_use]
    pub const fn refusals(&self) -> &Refusals {
        &self.refusals
    }

    /// Processes that are followed: for a check that none is left behind.
    #[must_use]
    pub fn followed(&self) -> usize {
        self.known.len()
    }

    fn follow(
        &mut self,
        key: ProcessKey,
        footprint: Footprint,
        now: BootTime,
        skipped: &mut Vec<PssSkipped>,
    ) -> Option<(BootTime, SmapsRollup)> {
        if footprint.size_pages == 0 {
            return Some((now, SmapsRollup::NOTHING));
        }
        let known = self.known.entry(key).or_insert(Known {
            sent: None,
            scan: None,
            skipped: None,
            round: 0,
        });
        known.round = self.round;
        if known.sent != Some(footprint) {
            known.sent = Some(footprint);
            self.outgoing.push(Message::Observe(key, footprint));
        }
        if let Some(predicted_cost) = known.skipped.take() {
            skipped.push(PssSkipped {
                key,
                resident_bytes: footprint.resident_pages.saturating_mul(page_bytes()),
                predicted_cost,
            });
        }
        known.scan
    }
}

/// The sum over the processes so far.
struct Sum {
    parts: SmapsRollup,
    oldest: Option<BootTime>,
}

impl Default for Sum {
    fn default() -> Self {
        Self {
            parts: SmapsRollup::NOTHING,
            oldest: None,
        }
    }
}

impl Sum {
    /// `None` beyond what 64 bits hold; a part that one process does not have is unknown.
    fn plus(self, (at, parts): (BootTime, SmapsRollup)) -> Option<Self> {
        let both = |left: Option<u64>, right: Option<u64>| left?.checked_add(right?);
        Some(Self {
            parts: SmapsRollup {
                rss_bytes: self.parts.rss_bytes.checked_add(parts.rss_bytes)?,
                pss_bytes: self.parts.pss_bytes.checked_add(parts.pss_bytes)?,
                pss_anon_bytes: both(self.parts.pss_anon_bytes, parts.pss_anon_bytes),
                pss_file_bytes: both(self.parts.pss_file_bytes, parts.pss_file_bytes),
                pss_shmem_bytes: both(self.parts.pss_shmem_bytes, parts.pss_shmem_bytes),
                swap_pss_bytes: both(self.parts.swap_pss_bytes, parts.swap_pss_bytes),
            },
            oldest: Some(self.oldest.map_or(at, |oldest| oldest.min(at))),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reader::{ProcReader, ReadLimits};
    use crate::{Listed, Processes};
    use fgm_kernfile::Descriptors;
    use fgm_testkit::proc_tree::{FakeProcess, ProcTree};

    /// Otherwise the last scans would be repeated for ever, as if nothing had happened.
    #[test]
    fn a_thread_that_panicked_is_told_of_and_nothing_is_known_any_more() {
        let tree = ProcTree::new().unwrap();
        tree.write(&FakeProcess::new(7, 5)).unwrap();
        let descriptors = Descriptors::new(10);
        let mut reader = ProcReader::open(tree.path(), descriptors, ReadLimits::default()).unwrap();
        let mut processes = Processes::found();
        let mut values = Values::default();
        let now = BootTime::after_boot(Duration::from_secs(1000));
        processes.read(Listed::new(&[7]), &mut reader, now, &mut values);

        let (panic_now, told) = std::sync::mpsc::channel::<()>();
        let worker = Worker::running(move |_| {
            let _ = told.recv();
            panic!("on purpose");
        });
        let mut pss = Pss {
            worker: Some(worker.unwrap()),
            ..Pss::off()
        };
        let mut tick = |pss: &mut Pss| {
            pss.fill(&processes, now, &mut values, &mut Vec::new());
            pss.end_tick();
            values.get(Metric::MemoryPss)
        };
        tick(&mut pss);
        for known in pss.known.values_mut() {
            known.scan = Some((now, SmapsRollup::NOTHING));
        }
        assert_eq!(tick(&mut pss), Some(0));
        assert!(!pss.usage().failed);
        panic_now.send(()).unwrap();
        while !pss.usage().failed {
            tick(&mut pss);
            std::thread::yield_now();
        }
        assert_eq!(tick(&mut pss), None);
        assert_eq!(pss.followed(), 0);
    }
}
