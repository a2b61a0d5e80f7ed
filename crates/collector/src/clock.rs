//! The machine's clocks.

use crate::grid::Now;
use crate::kmsg::LogTime;
use fgm_proc::BootTime;
use rustix::time::{ClockId, Timespec, clock_gettime};
use std::time::Duration;

/// What both clocks of the grid say.
pub(crate) fn now() -> Now {
    Now {
        wall_us: wall_us(),
        boot_us: micros(clock_gettime(ClockId::Boottime)),
    }
}

/// What the clocks say, as the kernel's log needs it.
pub(crate) fn log_time() -> LogTime {
    LogTime {
        wall_us: wall_us(),
        monotonic_us: micros(clock_gettime(ClockId::Monotonic)),
    }
}

/// `CLOCK_REALTIME`, microseconds UTC.
pub(crate) fn wall_us() -> i64 {
    micros(clock_gettime(ClockId::Realtime))
}

/// The boot clock as processes are dated.
pub(crate) fn boot_time(now: Now) -> BootTime {
    BootTime::after_boot(Duration::from_micros(now.boot_us.unsigned_abs()))
}

/// CPU time of this thread.
pub(crate) fn thread_cpu() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::from_micros(micros(time).unsigned_abs())
}

fn micros(time: Timespec) -> i64 {
    time.tv_sec * 1_000_000 + time.tv_nsec / 1000
}
