//! Disk, calls and processes of one container.

use super::memory::PAGE;
use super::profile::{Class, Profile};
use super::random::Random;
use fgm_model::{Metric, Values};

/// Beyond so many threads the collector does not read each one's switches.
const MOST_THREADS_READ: i64 = 1000;
/// Beyond so many processes the collector reads a part of them in each tick.
const MOST_PROCESSES_READ: i64 = 256;

/// The running totals of one life.
#[derive(Debug, Clone, Default)]
pub(super) struct Work {
    unflushed: f64,
    read_bytes: i64,
    write_bytes: i64,
    read_ops: i64,
    write_ops: i64,
    psi_some_usec: i64,
    psi_full_usec: i64,
    rchar: i64,
    wchar: i64,
    voluntary: i64,
    involuntary: i64,
    tasks: i64,
    peak_tasks: i64,
    processes: i64,
}

impl Work {
    /// Lets the time pass and returns the bytes that went through the page cache.
    pub(super) fn step(
        &mut self,
        random: &mut Random,
        profile: &Profile,
        seconds: f64,
        used_usec: i64,
    ) -> i64 {
        let (writes, reads) = profile.disk;
        let mut read = 0;
        let mut written = 0;
        if writes > 0.0 && (profile.activity >= 0.8 || used_usec > 0) {
            let wanted = writes * seconds * random.between(0.2, 1.8);
            written = wanted as i64;
            self.unflushed += wanted;
            self.wchar += written + random.whole(0, 2000);
        }
        if self.unflushed > 0.0 && random.chance(seconds / profile.flush_s) {
            let pages = (self.unflushed / PAGE as f64).ceil() as i64;
            self.write_bytes += pages * PAGE;
            self.write_ops += (pages / 32).max(1) + random.whole(0, 3);
            self.unflushed = 0.0;
            let waits = (pages * random.whole(5, 30)).min((seconds * 5e5) as i64);
            self.psi_some_usec += waits;
            self.psi_full_usec += waits * 7 / 10;
        }
        if reads > 0.0 && random.chance(0.3 * profile.activity) {
            let pages = (reads * seconds * random.between(0.5, 6.0) / PAGE as f64) as i64;
            read = pages * PAGE;
            self.read_bytes += read;
            self.read_ops += pages.min(1) + pages / 16;
        }
        if used_usec > 0 {
            let per_ms = used_usec as f64 / 1000.0;
            self.rchar += read + (per_ms * random.between(200.0, 2000.0)) as i64;
            self.voluntary += (per_ms * random.between(0.5, 4.0)) as i64 + 1;
            self.involuntary += (per_ms * random.between(0.0, 0.4)) as i64;
        }
        let moves = profile.class != Class::Idle && random.chance(0.06 * profile.activity);
        if self.processes == 0 || moves {
            let more = if profile.processes > 8 {
                random.whole(-2, 2)
            } else {
                0
            };
            self.processes = (profile.processes + more).max(1);
            let threads = self.processes * profile.threads;
            self.tasks = threads + if moves { random.whole(0, 2) } else { 0 };
            self.peak_tasks = self.peak_tasks.max(self.tasks);
        }
        read + written
    }

    /// Fills in what `io.stat`, `pids.*` and `/proc` say.
    pub(super) fn write(&self, values: &mut Values) {
        let readable = self.tasks <= MOST_THREADS_READ;
        for (metric, value) in [
            (Metric::IoReadBytes, Some(self.read_bytes)),
            (Metric::IoWriteBytes, Some(self.write_bytes)),
            (Metric::IoDiscardBytes, Some(0)),
            (Metric::IoReadOps, Some(self.read_ops)),
            (Metric::IoWriteOps, Some(self.write_ops)),
            (Metric::IoPsiSomeUsec, Some(self.psi_some_usec)),
            (Metric::IoPsiFullUsec, Some(self.psi_full_usec)),
            (Metric::IoRchar, Some(self.rchar)),
            (Metric::IoWchar, Some(self.wchar)),
            (Metric::PidsCurrent, Some(self.tasks)),
            (Metric::PidsPeak, Some(self.peak_tasks)),
            (Metric::ProcessCount, Some(self.processes)),
            (
                Metric::ProcessReadCount,
                Some(self.processes.min(MOST_PROCESSES_READ)),
            ),
            (Metric::ThreadCount, Some(self.tasks)),
            (
                Metric::ContextSwitchesVoluntary,
                readable.then_some(self.voluntary),
            ),
            (
                Metric::ContextSwitchesInvoluntary,
                readable.then_some(self.involuntary),
            ),
        ] {
            values.set(metric, value);
        }
    }

    /// Processes now.
    pub(super) const fn processes(&self) -> i64 {
        self.processes
    }
}
