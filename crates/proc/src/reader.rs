//! What the reading of all containers shares: the proc mount, one buffer, the cap on kept
//! descriptors, the budgets of a tick and the count of refusals.

use crate::clock::BootTime;
use crate::facts::page_bytes;
use crate::io::IoLayout;
use fgm_kernfile::{Buffer, Descriptors, Refusals};
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{Mode, OFlags, openat};
use rustix::io::Errno;
use rustix::path::DecInt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The thread budgets refill at most for this long, so that a long pause is not followed by a
/// long tick.
const LONGEST_REFILL: Duration = Duration::from_secs(10);

/// How much one tick may read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReadLimits {
    /// Processes read per container and tick (10 to 15 us each, beyond the cap on kept
    /// descriptors 35 us); the others keep their last values and have their turn in the next
    /// ticks.
    pub processes_per_tick: usize,
    /// Thread status files read per container and second (about 20 us each).
    pub threads_per_second: u32,
    /// Thread status files read per second over all containers.
    pub all_threads_per_second: u32,
}

impl Default for ReadLimits {
    /// One container costs about 0.8 ms in a tick at most and 0.7 ms/s more for context
    /// switches; these cost at most 8 ms/s over all containers.
    fn default() -> Self {
        Self {
            processes_per_tick: 64,
            threads_per_second: 32,
            all_threads_per_second: 400,
        }
    }
}

/// The proc mount cannot be opened.
#[derive(Debug, thiserror::Error)]
#[error("cannot open {path}: {errno}; is proc mounted there?")]
pub struct OpenError {
    /// Where proc should be mounted.
    pub path: PathBuf,
    /// What the kernel said.
    pub errno: Errno,
}

/// Reads processes for [`Processes`](crate::Processes); one for the whole recorder.
#[derive(Debug)]
pub struct ProcReader {
    pub(crate) root: OwnedFd,
    pub(crate) buffer: Buffer,
    pub(crate) descriptors: Descriptors,
    pub(crate) limits: ReadLimits,
    pub(crate) threads_left: u32,
    pub(crate) refusals: Refusals,
    pub(crate) io_layout: IoLayout,
    pub(crate) page_bytes: u64,
    pub(crate) tick_length: Duration,
    /// For files that are read too seldom to be kept.
    pub(crate) not_kept: Descriptors,
    /// The threads of the process at hand.
    pub(crate) thread_ids: Vec<u32>,
    tick_at: Option<BootTime>,
}

impl ProcReader {
    /// Opens the proc mount.
    ///
    /// # Errors
    /// It cannot be opened.
    pub fn open(
        proc_root: &Path,
        descriptors: Descriptors,
        limits: ReadLimits,
    ) -> Result<Self, OpenError> {
        Ok(Self {
            root: open_root(proc_root)?,
            buffer: Buffer::default(),
            descriptors,
            limits,
            threads_left: limits.all_threads_per_second,
            refusals: Refusals::default(),
            io_layout: IoLayout::default(),
            page_bytes: page_bytes(),
            tick_length: clock_tick_length(),
            not_kept: Descriptors::new(0),
            thread_ids: Vec::new(),
            tick_at: None,
        })
    }

    /// Begins a tick: refills the budget that all containers share. To be called once per tick,
    /// before its containers are read; a read between ticks takes from the same budget.
    pub fn start_tick(&mut self, now: BootTime) {
        let elapsed = self
            .tick_at
            .map_or(Duration::from_secs(1), |at| now.since(at));
        self.threads_left = allowance(self.limits.all_threads_per_second, elapsed);
        self.tick_at = Some(now);
    }

    /// The refused reads since the start.
    #[must_use]
    pub const fn refusals(&self) -> &Refusals {
        &self.refusals
    }
}

/// How many reads a rate allows in a tick of that length: at least one.
pub(crate) fn allowance(per_second: u32, elapsed: Duration) -> u32 {
    let millis = elapsed.min(LONGEST_REFILL).as_millis();
    let reads = u128::from(per_second).saturating_mul(millis).div_ceil(1000);
    u32::try_from(reads).unwrap_or(u32::MAX).max(1)
}

/// The unit of start times.
pub(crate) fn clock_tick_length() -> Duration {
    let per_second = u32::try_from(rustix::param::clock_ticks_per_second()).unwrap_or(100);
    Duration::from_secs(1) / per_second.max(1)
}

pub(crate) fn open_root(path: &Path) -> Result<OwnedFd, OpenError> {
    open_directory(rustix::fs::CWD, path).map_err(|errno| OpenError {
        path: path.to_owned(),
        errno,
    })
}

pub(crate) fn open_process(root: impl AsFd, pid: u32) -> Result<OwnedFd, Errno> {
    open_directory(root, DecInt::new(pid))
}

pub(crate) fn open_directory(
    at: impl AsFd,
    path: impl rustix::path::Arg,
) -> Result<OwnedFd, Errno> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    openat(at, path, flags, Mode::empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn budgets_follow_the_length_of_a_tick() {
        assert_eq!(allowance(32, Duration::from_secs(1)), 32);
        assert_eq!(allowance(32, Duration::from_millis(100)), 4);
        assert_eq!(allowance(32, Duration::ZERO), 1);
        assert_eq!(allowance(32, Duration::from_secs(3600)), 320);
        assert_eq!(allowance(u32::MAX, Duration::from_secs(5)), u32::MAX);
    }

    #[test]
    fn a_missing_mount_is_said_with_its_path() {
        let error = ProcReader::open(
            Path::new("/nonexistent/proc"),
            Descriptors::new(1),
            ReadLimits::default(),
        )
        .unwrap_err();
        assert!(error.to_string().contains("/nonexistent/proc"));
    }
}
