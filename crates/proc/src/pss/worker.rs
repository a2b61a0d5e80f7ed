//! The thread that scans: it asks the planner what to do, does it, and measures what it cost.
//!
//! It holds the lock only to swap messages, never over a scan.

use super::planner::{Planner, PlannerConfig, Step};
use super::{Message, Report};
use crate::clock::{BootTime, thread_cpu_time};
use crate::process::ProcessKey;
use crate::reader::open_process;
use crate::smaps_rollup::{SmapsRollup, SmapsRollupLayout};
use crate::stat;
use fgm_kernfile::{Buffer, Descriptors, KernelFile, ReadError};
use rustix::fd::{AsFd, OwnedFd};
use rustix::io::Errno;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

/// It recurses nowhere and keeps nothing large on its stack.
const STACK_BYTES: usize = 256 << 10;
/// Waits are at least this long: a wake-up costs CPU time too.
const SHORTEST_WAIT: Duration = Duration::from_millis(2);
const IDLE_WAIT: Duration = Duration::from_secs(3600);

/// The running thread.
#[derive(Debug)]
pub(super) struct Worker {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
pub(super) struct Shared {
    mailbox: Mutex<Mailbox>,
    arrived: Condvar,
}

#[derive(Debug, Default)]
struct Mailbox {
    messages: Vec<Message>,
    reports: Vec<Report>,
    cpu: Duration,
    stop: bool,
}

impl Worker {
    pub(super) fn start(root: OwnedFd, config: PlannerConfig) -> io::Result<Self> {
        Self::running(move |shared| run(shared, root, config))
    }

    /// A thread that runs `body`.
    pub(super) fn running(body: impl FnOnce(&Shared) + Send + 'static) -> io::Result<Self> {
        let shared = Arc::<Shared>::default();
        let for_thread = Arc::clone(&shared);
        let thread = Builder::new()
            .name("fgm-pss".to_owned())
            .stack_size(STACK_BYTES)
            .spawn(move || body(&for_thread))?;
        Ok(Self {
            shared,
            thread: Some(thread),
        })
    }

    /// Whether the thread ended although nobody asked it to: it panicked.
    pub(super) fn has_failed(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// Hands over and empties `messages`, appends what was found to `reports`, and tells the
    /// thread's CPU time.
    pub(super) fn exchange(
        &self,
        messages: &mut Vec<Message>,
        reports: &mut Vec<Report>,
    ) -> Duration {
        let mut mailbox = self.shared.lock();
        hand_over(messages, &mut mailbox.messages);
        hand_over(&mut mailbox.reports, reports);
        let wake = !mailbox.messages.is_empty();
        let cpu = mailbox.cpu;
        drop(mailbox);
        if wake {
            self.shared.arrived.notify_one();
        }
        cpu
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.shared.lock().stop = true;
        self.shared.arrived.notify_one();
        if let Some(thread) = self.thread.take() {
            // Whether it panicked was to be asked before.
            let _ = thread.join();
        }
    }
}

impl Shared {
    /// What a mailbox holds is whole at every moment, whoever let go of it.
    fn lock(&self) -> MutexGuard<'_, Mailbox> {
        self.mailbox.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Moves all; in the usual case by swapping, so that nothing is allocated.
fn hand_over<T>(from: &mut Vec<T>, to: &mut Vec<T>) {
    if to.is_empty() {
        std::mem::swap(from, to);
    } else {
        to.append(from);
    }
}

fn run(shared: &Shared, root: OwnedFd, config: PlannerConfig) {
    let mut planner = Planner::new(config, BootTime::now());
    let mut scanner = Scanner::new(root);
    let (mut messages, mut reports) = (Vec::new(), Vec::new());
    let mut wait = Duration::ZERO;
    let mut charged = thread_cpu_time();
    loop {
        let mut mailbox = shared.lock();
        hand_over(&mut reports, &mut mailbox.reports);
        mailbox.cpu = charged;
        if !mailbox.stop && mailbox.messages.is_empty() && !wait.is_zero() {
            mailbox = shared
                .arrived
                .wait_timeout(mailbox, wait)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        if mailbox.stop {
            return;
        }
        hand_over(&mut mailbox.messages, &mut messages);
        drop(mailbox);

        let now = BootTime::now();
        for message in messages.drain(..) {
            match message {
                Message::Observe(key, footprint) => planner.observe(key, footprint, now),
                Message::Forget(key) => planner.forget(key),
            }
        }
        wait = match planner.next(now) {
            Step::Scan(key) => {
                let begun = thread_cpu_time();
                let outcome = scanner.scan(key);
                let ended = thread_cpu_time();
                let at = BootTime::now();
                planner.scanned(key, outcome.is_ok(), ended.saturating_sub(begun), at);
                charged = charged.saturating_add(ended.saturating_sub(begun));
                reports.push(match outcome {
                    Ok(parts) => Report::Scanned(key, at, parts),
                    Err(Failed(errno)) => Report::Failed(errno),
                });
                Duration::ZERO
            }
            Step::Wait(wait) => wait.max(SHORTEST_WAIT),
            Step::Idle => IDLE_WAIT,
        };
        let skipped = planner.drain_skipped();
        reports.extend(skipped.map(|(key, cost)| Report::Skipped(key, cost)));
        // What the thread did beside the scan is part of the budget as well.
        let spent = thread_cpu_time();
        planner.spend(spent.saturating_sub(charged), now);
        charged = spent;
    }
}

/// Why there is no number: the errno, unless the process just is not there any more.
struct Failed(Option<Errno>);

impl From<ReadError> for Failed {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Absent | ReadError::Ended => Self(None),
            ReadError::Refused(errno) => Self(Some(errno)),
        }
    }
}

struct Scanner {
    root: OwnedFd,
    buffer: Buffer,
    layout: SmapsRollupLayout,
    not_kept: Descriptors,
}

impl Scanner {
    fn new(root: OwnedFd) -> Self {
        Self {
            root,
            buffer: Buffer::default(),
            layout: SmapsRollupLayout::default(),
            not_kept: Descriptors::new(0),
        }
    }

    fn scan(&mut self, key: ProcessKey) -> Result<SmapsRollup, Failed> {
        let process = open_process(&self.root, key.pid).map_err(ReadError::from)?;
        let (buffer, not_kept) = (&mut self.buffer, &self.not_kept);
        // Through this directory only one process is reached: is it the right one?
        let bytes = KernelFile::new(c"stat").read(process.as_fd(), buffer, not_kept)?;
        if stat::parse(bytes).is_none_or(|stat| stat.start_ticks != key.start_ticks) {
            return Err(Failed(None));
        }
        // Opened for each scan: one kept over an exec would speak of the memory before it.
        let bytes = KernelFile::new(c"smaps_rollup").read(process.as_fd(), buffer, not_kept)?;
        self.layout.parse(bytes).ok_or(Failed(None))
    }
}
