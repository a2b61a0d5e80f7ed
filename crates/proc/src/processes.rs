//! The processes of one container.
//!
//! **Gauges** (`memory_rss`, `thread_count`) are sums over the listed processes. A process whose
//! turn did not come in this tick takes part with its last values; `process_read_count` tells how
//! many were read.
//!
//! **Accumulated** (`io_rchar`, `io_wchar`, `context_switches_*`) are totals of each process's
//! non-negative increases, keyed by pid and start time: they never fall. What a process had when
//! it was first read counts whole if it began under our eyes: it started no earlier than the
//! moment at which it was last known not to be in the container, which is
//! - the previous read of the container,
//! - for the first read of a container that was seen born ([`Processes::born`]) a moment before
//!   its birth, since a runtime starts the process before it makes the cgroup,
//! - for the first read after a restart of the recorder ([`Processes::resume`]) the last stored
//!   row.
//!
//! Otherwise (the container was found running, or an old process was moved into it) what it has
//! is the baseline. The end of a process takes with it what it did since its last read.
//!
//! **Null** is a sum for which any listed process did not give its number: not read yet, refused,
//! outside our pid namespace (listed as 0), hidden. A process that ended between list and read
//! is none of these; it just takes no part any more. Context switches are also null while some
//! thread's reading is older than 20 s, that is, where the budget does not cover all threads once
//! in 10 s.

use crate::accumulate::{Total, Totals};
use crate::clock::BootTime;
use crate::process::{Presence, Process, ProcessKey, Turn};
use crate::reader::{ProcReader, allowance};
use crate::switches::{PERIOD, STALE};
use fgm_model::{Metric, Values};
use std::time::Duration;

/// How long before its cgroup was seen a container's first process may have started.
const BIRTH_SLACK: Duration = Duration::from_secs(10);

/// The processes of a container as its `cgroup.procs` files list them.
#[derive(Debug, Clone, Copy)]
pub struct Listed<'pids> {
    pids: &'pids [u32],
    outside: u64,
    complete: bool,
}

impl<'pids> Listed<'pids> {
    /// All of them, in any order; doubles count once, each 0 is a process outside our pid
    /// namespace.
    #[must_use]
    pub const fn new(pids: &'pids [u32]) -> Self {
        Self {
            pids,
            outside: 0,
            complete: true,
        }
    }

    /// And so many more outside our pid namespace.
    #[must_use]
    pub const fn with_outside(mut self, outside: u64) -> Self {
        self.outside = outside;
        self
    }

    /// The list is not known to be whole: no sum can be told, `process_count` neither.
    #[must_use]
    pub const fn incomplete(mut self) -> Self {
        self.complete = false;
        self
    }
}

/// Reads the processes of one container; dropped with it, together with all descriptors.
#[derive(Debug)]
pub struct Processes {
    /// The list as it was given last, to see at once that nothing changed.
    listed: Vec<u32>,
    sorted: Vec<u32>,
    /// Lines of the list that say 0.
    zeros: u64,
    outside: u64,
    complete: bool,
    /// Sorted by pid.
    processes: Vec<Process>,
    spare: Vec<Process>,
    totals: Totals,
    /// Before the first read: when the processes were not there yet.
    absent_at: Option<BootTime>,
    read_at: Option<BootTime>,
    round: u32,
    /// Where the next round goes on.
    next_pid: u32,
    ever_read: bool,
}

/// The memory of a process as far as it is cheap to read: what tells that its proportional set
/// may have changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Footprint {
    pub(crate) size_pages: u64,
    pub(crate) resident_pages: u64,
    pub(crate) shared_pages: u64,
    pub(crate) faults: u64,
}

impl Processes {
    /// Those of a container whose cgroup was seen being made, at that moment.
    #[must_use]
    pub fn born(at: BootTime) -> Self {
        Self::new(Some(at.minus(BIRTH_SLACK)))
    }

    /// Those of a container that was found running.
    #[must_use]
    pub fn found() -> Self {
        Self::new(None)
    }

    fn new(absent_at: Option<BootTime>) -> Self {
        Self {
            listed: Vec::new(),
            sorted: Vec::new(),
            zeros: 0,
            outside: 0,
            complete: true,
            processes: Vec::new(),
            spare: Vec::new(),
            totals: Totals::default(),
            absent_at,
            read_at: None,
            round: 0,
            next_pid: 0,
            ever_read: false,
        }
    }

    /// Goes on from the values of the instance's last stored row after a restart of the
    /// recorder. Of a total that is null there the last value that is not null should be given,
    /// else it begins at 0 again. `stored_at` is when that row was read, if that was in this
    /// boot.
    pub fn resume(&mut self, stored: &Values, stored_at: Option<BootTime>) {
        self.totals = Totals {
            rchar: Total::resume(stored.get(Metric::IoRchar)),
            wchar: Total::resume(stored.get(Metric::IoWchar)),
            voluntary: Total::resume(stored.get(Metric::ContextSwitchesVoluntary)),
            involuntary: Total::resume(stored.get(Metric::ContextSwitchesInvoluntary)),
        };
        self.absent_at = stored_at;
    }

    /// Reads what this tick's budget allows of the listed processes and sets the values made of
    /// them.
    pub fn read(
        &mut self,
        listed: Listed<'_>,
        reader: &mut ProcReader,
        now: BootTime,
        values: &mut Values,
    ) {
        let read_before = self.read_at;
        self.follow(listed.pids, read_before.or(self.absent_at));
        self.outside = listed.outside.saturating_add(self.zeros);
        self.complete = listed.complete;
        self.read_at = Some(now);
        self.round = self.round.wrapping_add(1);
        let elapsed = read_before.map_or(Duration::from_secs(1), |at| now.since(at));
        self.read_by_turns(reader, now, elapsed);
        self.fill(reader, now, elapsed, values);
    }

    /// The number of processes that are kept track of.
    #[must_use]
    pub fn len(&self) -> usize {
        self.processes.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.processes.is_empty()
    }

    /// The memory of each process, `None` for one that is not known.
    pub(crate) fn footprints(&self) -> impl Iterator<Item = Option<(ProcessKey, Footprint)>> {
        let not_listed = (!self.lists_all()).then_some(None);
        let listed = self
            .processes
            .iter()
            .filter_map(|process| match self.part_of(process) {
                Part::None => None,
                Part::Unknown => Some(None),
                Part::Known => Some(footprint(process)),
            });
        not_listed.into_iter().chain(listed)
    }

    /// Whether every process of the container has a pid that can be asked for.
    const fn lists_all(&self) -> bool {
        self.complete && self.outside == 0
    }

    fn follow(&mut self, pids: &[u32], absent_at: Option<BootTime>) {
        if self.listed == pids && self.read_at.is_some() {
            return;
        }
        self.listed.clear();
        self.listed.extend_from_slice(pids);
        self.sorted.clear();
        self.sorted.extend(pids.iter().filter(|&&pid| pid != 0));
        self.zeros = (pids.len() - self.sorted.len()) as u64;
        self.sorted.sort_unstable();
        self.sorted.dedup();

        self.spare.reserve_exact(self.sorted.len());
        let mut before = self.processes.drain(..).peekable();
        for &pid in &self.sorted {
            while before.next_if(|process| process.pid < pid).is_some() {}
            let process = before
                .next_if(|process| process.pid == pid)
                .unwrap_or_else(|| Process::new(pid, absent_at));
            self.spare.push(process);
        }
        drop(before);
        std::mem::swap(&mut self.processes, &mut self.spare);
    }

    fn read_by_turns(&mut self, reader: &mut ProcReader, now: BootTime, elapsed: Duration) {
        let limits = reader.limits;
        let most_threads = u64::from(limits.threads_per_second).saturating_mul(PERIOD.as_secs());
        let threads = self.processes.iter().filter_map(|process| process.stat);
        let threads = threads.fold(0_u64, |sum, stat| sum.saturating_add(stat.threads));
        let mut turn = Turn {
            now,
            round: self.round,
            // Threads that cannot all be read in time are not read at all.
            threads_left: if threads > most_threads {
                0
            } else {
                allowance(limits.threads_per_second, elapsed)
            },
            most_threads,
            totals: &mut self.totals,
        };
        let count = self.processes.len();
        let mut left = limits.processes_per_tick.max(1);
        if count > left {
            // New ones first, but a storm of them leaves a quarter for the others.
            let for_others = left / 4;
            for process in &mut self.processes {
                if left == for_others {
                    break;
                }
                if process.presence() != Presence::Live {
                    process.read(reader, &mut turn);
                    left -= 1;
                }
            }
        }
        let first = self
            .processes
            .partition_point(|process| process.pid < self.next_pid);
        for index in (first..count).chain(0..first) {
            let process = &mut self.processes[index];
            if process.round == self.round {
                continue;
            }
            if left == 0 {
                self.next_pid = process.pid;
                break;
            }
            process.read(reader, &mut turn);
            left -= 1;
        }
        self.ever_read |= self
            .processes
            .iter()
            .any(|process| process.presence() == Presence::Live);
    }

    fn fill(&self, reader: &ProcReader, now: BootTime, elapsed: Duration, values: &mut Values) {
        let mut sums = Sums::default();
        if !self.lists_all() {
            sums.know_nothing();
        }
        let stale = STALE.max(elapsed.saturating_mul(2));
        let mut read_count = 0;
        for process in &self.processes {
            match self.part_of(process) {
                Part::None => continue,
                Part::Unknown => sums.know_nothing(),
                Part::Known => sums.add(process, now, stale),
            }
            if process.round == self.round && process.stat.is_some() {
                read_count += 1;
            }
        }
        let resident_bytes = sums
            .resident_pages
            .and_then(|pages| pages.checked_mul(reader.page_bytes));
        let totals = &self.totals;
        let when = |known: bool, total: Total| known.then_some(total.get());
        let process_count = (self.processes.len() as u64).saturating_add(self.outside);
        for (metric, value) in [
            (Metric::MemoryRss, resident_bytes),
            (Metric::ProcessCount, self.complete.then_some(process_count)),
            (Metric::ProcessReadCount, Some(read_count)),
            (Metric::ThreadCount, sums.threads),
            (Metric::IoRchar, when(sums.io, totals.rchar)),
            (Metric::IoWchar, when(sums.io, totals.wchar)),
            (
                Metric::ContextSwitchesVoluntary,
                when(sums.switches, totals.voluntary),
            ),
            (
                Metric::ContextSwitchesInvoluntary,
                when(sums.switches, totals.involuntary),
            ),
        ] {
            values.set_u64(metric, value);
        }
    }

    fn part_of(&self, process: &Process) -> Part {
        match process.presence() {
            Presence::Live => Part::Known,
            Presence::Unread | Presence::Hidden => Part::Unknown,
            // Where nothing ever could be read it may as well be hidden from us.
            Presence::Ended if self.ever_read => Part::None,
            Presence::Ended => Part::Unknown,
        }
    }
}

/// What a process gives to the sums.
enum Part {
    None,
    Unknown,
    Known,
}

fn footprint(process: &Process) -> Option<(ProcessKey, Footprint)> {
    let (key, stat, statm) = (process.key()?, process.stat?, process.statm?);
    let footprint = Footprint {
        size_pages: statm.size_pages,
        resident_pages: statm.resident_pages,
        shared_pages: statm.shared_pages,
        faults: stat.minor_faults.saturating_add(stat.major_faults),
    };
    Some((key, footprint))
}

/// Sums that are known only if every process is.
struct Sums {
    resident_pages: Option<u64>,
    threads: Option<u64>,
    io: bool,
    switches: bool,
}

impl Default for Sums {
    fn default() -> Self {
        Self {
            resident_pages: Some(0),
            threads: Some(0),
            io: true,
            switches: true,
        }
    }
}

impl Sums {
    const fn know_nothing(&mut self) {
        *self = Self {
            resident_pages: None,
            threads: None,
            io: false,
            switches: false,
        };
    }

    fn add(&mut self, process: &Process, now: BootTime, stale: Duration) {
        let resident = process.statm.map(|statm| statm.resident_pages);
        self.resident_pages = sum(self.resident_pages, resident);
        self.threads = sum(self.threads, process.stat.map(|stat| stat.threads));
        self.io &= process.io.is_some();
        self.switches &= process.switches.age(now).is_some_and(|age| age <= stale);
    }
}

fn sum(left: Option<u64>, right: Option<u64>) -> Option<u64> {
    left?.checked_add(right?)
}
