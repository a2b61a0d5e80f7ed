//! The clock of processes: time since boot, suspend included, which is the one that
//! `/proc/<pid>/stat` gives start times in.

use rustix::time::{ClockId, clock_gettime};
use std::time::Duration;

/// A moment on CLOCK_BOOTTIME.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct BootTime(Duration);

impl BootTime {
    /// This moment.
    #[must_use]
    pub fn now() -> Self {
        Self(read_clock(ClockId::Boottime))
    }

    /// The moment that long after boot.
    #[must_use]
    pub const fn after_boot(elapsed: Duration) -> Self {
        Self(elapsed)
    }

    /// How long after boot this is.
    #[must_use]
    pub const fn since_boot(self) -> Duration {
        self.0
    }

    /// How long after `earlier` this is; zero if it is not after it.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }

    /// The moment that much later.
    #[must_use]
    pub const fn plus(self, elapsed: Duration) -> Self {
        Self(self.0.saturating_add(elapsed))
    }

    /// The moment that much earlier, at most the boot.
    #[must_use]
    pub const fn minus(self, elapsed: Duration) -> Self {
        Self(self.0.saturating_sub(elapsed))
    }

    /// The clock tick that this moment lies in, counted from boot as start times are.
    pub(crate) fn in_ticks(self, tick: Duration) -> u64 {
        let ticks = self.0.as_nanos() / tick.as_nanos().max(1);
        u64::try_from(ticks).unwrap_or(u64::MAX)
    }
}

/// CPU time used by the calling thread.
pub(crate) fn thread_cpu_time() -> Duration {
    read_clock(ClockId::ThreadCPUTime)
}

fn read_clock(clock: ClockId) -> Duration {
    let time = clock_gettime(clock);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    Duration::from_secs(seconds).saturating_add(Duration::from_nanos(
        u64::try_from(time.tv_nsec).unwrap_or(0),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_never_leave_their_range() {
        let early = BootTime::after_boot(Duration::from_secs(1));
        let late = early.plus(Duration::MAX);
        assert_eq!(early.since(late), Duration::ZERO);
        assert_eq!(early.minus(Duration::from_secs(2)), BootTime::default());
        assert_eq!(late.since_boot(), Duration::MAX);
        assert!(BootTime::now() <= BootTime::now());
        let tick = Duration::from_millis(10);
        assert_eq!(early.in_ticks(tick), 100);
        assert_eq!(late.in_ticks(Duration::ZERO), u64::MAX);
    }
}
