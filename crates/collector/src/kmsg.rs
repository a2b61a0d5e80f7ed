//! The kernel's log, read for what it says of OOM kills (`/dev/kmsg`).
//!
//! It names the process that was chosen and those that died with it, which no counter does. In
//! an unprivileged pod it is not readable, and in kind all nodes share it: it only ever adds to
//! what counters of our own cgroups tell. Reading never waits.

mod oom;
mod record;

pub use oom::{Killed, OomRecord};

use oom::Assembler;
use record::Record;
use rustix::fd::OwnedFd;
use rustix::fs::{Mode, OFlags, SeekFrom, open, seek};
use rustix::io::{Errno, read};
use std::path::{Path, PathBuf};

/// Where the kernel shows its log.
pub const PATH: &str = "/dev/kmsg";

/// Lines taken in one go, so that a storm of them holds up no tick.
const MOST_LINES: usize = 1_000;

/// The kernel writes no longer line.
const LINE_BYTES: usize = 8 << 10;

/// Where to begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Begin {
    /// With what is said from now on.
    Now,
    /// With what was said since that time, milliseconds UTC, as far as the kernel keeps it.
    Since(i64),
}

/// What the clocks say at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogTime {
    /// `CLOCK_REALTIME`, microseconds UTC.
    pub wall_us: i64,
    /// `CLOCK_MONOTONIC`, microseconds: like the log's own clock it stands while suspended.
    pub monotonic_us: i64,
}

/// Why the log is not read.
#[derive(Debug, thiserror::Error)]
#[error(
    "cannot read the kernel's log {path}: {errno}; OOM kills are recorded without the victim's \
     name (allow CAP_SYSLOG to have it)"
)]
pub struct KernelLogError {
    path: PathBuf,
    errno: Errno,
}

/// The log, read line by line.
#[derive(Debug)]
pub struct KernelLog {
    log: OwnedFd,
    buffer: Box<[u8]>,
    assembler: Assembler,
    since_ms: i64,
}

impl KernelLog {
    /// Opens the log.
    ///
    /// # Errors
    /// It is not there, or not for us.
    pub fn open(path: &Path, begin: Begin) -> Result<Self, KernelLogError> {
        let failed = |errno| KernelLogError {
            path: path.to_owned(),
            errno,
        };
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let log = open(path, flags, Mode::empty()).map_err(failed)?;
        let (place, since_ms) = match begin {
            Begin::Now => (SeekFrom::End(0), i64::MIN),
            Begin::Since(since_ms) => (SeekFrom::Start(0), since_ms),
        };
        seek(&log, place).map_err(failed)?;
        Ok(Self {
            log,
            buffer: vec![0; LINE_BYTES].into_boxed_slice(),
            assembler: Assembler::default(),
            since_ms,
        })
    }

    /// Takes the lines that wait and tells of each OOM; of one again when more lines of it came.
    pub fn read(&mut self, now: LogTime, tell: &mut impl FnMut(OomRecord)) {
        for _ in 0..MOST_LINES {
            match read(&self.log, &mut *self.buffer) {
                Ok(0) => break,
                Ok(length) => {
                    let line = self.buffer.get(..length).unwrap_or_default();
                    if let Some(record) = Record::parse(line) {
                        let at_ms = wall_ms(record.since_boot_us, now);
                        if at_ms >= self.since_ms {
                            self.assembler.add(&record, at_ms, tell);
                        }
                    }
                }
                // EPIPE: the kernel overwrote what we had not read yet.
                Err(Errno::INTR | Errno::PIPE) => {}
                // EAGAIN: that was all.
                Err(_) => break,
            }
        }
        self.assembler.flush(tell);
    }
}

/// The log's clock is no better than a second after weeks: good enough to find the kill among the
/// seconds of its readings.
const fn wall_ms(since_boot_us: i64, now: LogTime) -> i64 {
    let ago_us = now.monotonic_us.saturating_sub(since_boot_us);
    now.wall_us
        .saturating_sub(if ago_us > 0 { ago_us } else { 0 })
        / 1000
}

#[cfg(test)]
mod tests;
