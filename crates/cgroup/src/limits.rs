//! The limits of a cgroup. They change by a write only, so they are not read at each tick.

use crate::parse::limit::{self, Limit};
use crate::reader::ReadContext;
use fgm_kernfile::{KernelFile, ReadError};
use fgm_model::{Metric, Values};
use rustix::fd::BorrowedFd;

/// Limits as read last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Limits {
    /// CPU time in each period; `None` is unlimited.
    pub cpu_quota_usec: Option<u64>,
    /// The period.
    pub cpu_period_usec: Option<u64>,
    /// Share of contended CPU.
    pub cpu_weight: Option<u64>,
    /// Hard limit.
    pub memory_max: Option<u64>,
    /// Throttle limit.
    pub memory_high: Option<u64>,
    /// Soft protection.
    pub memory_low: Option<u64>,
    /// Hard protection.
    pub memory_min: Option<u64>,
    /// Swap limit.
    pub memory_swap_max: Option<u64>,
    /// Task limit.
    pub pids_max: Option<u64>,
    /// Whether `None` is "unlimited": at least one file was there, and none that is there was
    /// refused or garbled. Without it `None` is "not read".
    pub known: bool,
}

impl Limits {
    /// Sets the limits' columns.
    pub fn set(&self, values: &mut Values) {
        for (metric, value) in [
            (Metric::CpuQuotaUsec, self.cpu_quota_usec),
            (Metric::CpuPeriodUsec, self.cpu_period_usec),
            (Metric::CpuWeight, self.cpu_weight),
            (Metric::MemoryMax, self.memory_max),
            (Metric::MemoryHigh, self.memory_high),
            (Metric::MemoryLow, self.memory_low),
            (Metric::MemoryMin, self.memory_min),
            (Metric::MemorySwapMax, self.memory_swap_max),
            (Metric::PidsMax, self.pids_max),
        ] {
            values.set_u64(metric, value);
        }
    }
}

/// The files that the limits are in.
#[derive(Debug)]
pub(crate) struct LimitFiles {
    cpu_max: KernelFile,
    cpu_weight: KernelFile,
    memory_max: KernelFile,
    memory_high: KernelFile,
    memory_low: KernelFile,
    memory_min: KernelFile,
    memory_swap_max: KernelFile,
    pids_max: KernelFile,
}

impl LimitFiles {
    pub(crate) const fn new() -> Self {
        Self {
            cpu_max: KernelFile::new(c"cpu.max"),
            cpu_weight: KernelFile::new(c"cpu.weight"),
            memory_max: KernelFile::new(c"memory.max"),
            memory_high: KernelFile::new(c"memory.high"),
            memory_low: KernelFile::new(c"memory.low"),
            memory_min: KernelFile::new(c"memory.min"),
            memory_swap_max: KernelFile::new(c"memory.swap.max"),
            pids_max: KernelFile::new(c"pids.max"),
        }
    }

    pub(crate) fn ask_again(&mut self) {
        for file in [
            &mut self.cpu_max,
            &mut self.cpu_weight,
            &mut self.memory_max,
            &mut self.memory_high,
            &mut self.memory_low,
            &mut self.memory_min,
            &mut self.memory_swap_max,
            &mut self.pids_max,
        ] {
            file.ask_again();
        }
    }

    /// All limits anew; `None` when the cgroup ended meanwhile.
    pub(crate) fn read(
        &mut self,
        directory: BorrowedFd<'_>,
        context: &mut ReadContext,
    ) -> Option<Limits> {
        let mut reading = Reading {
            directory,
            context,
            any: false,
            failed: false,
            ended: false,
        };
        let cpu_max = reading.parse(&mut self.cpu_max, limit::cpu_max);
        let mut one = |file| reading.parse(file, limit::limit).and_then(Limit::value);
        let limits = Limits {
            cpu_quota_usec: cpu_max.and_then(|(quota, _)| quota.value()),
            cpu_period_usec: cpu_max.map(|(_, period)| period),
            cpu_weight: one(&mut self.cpu_weight),
            memory_max: one(&mut self.memory_max),
            memory_high: one(&mut self.memory_high),
            memory_low: one(&mut self.memory_low),
            memory_min: one(&mut self.memory_min),
            memory_swap_max: one(&mut self.memory_swap_max),
            pids_max: one(&mut self.pids_max),
            known: false,
        };
        (!reading.ended).then_some(Limits {
            known: reading.any && !reading.failed,
            ..limits
        })
    }
}

struct Reading<'a> {
    directory: BorrowedFd<'a>,
    context: &'a mut ReadContext,
    any: bool,
    failed: bool,
    ended: bool,
}

impl Reading<'_> {
    fn parse<T>(
        &mut self,
        file: &mut KernelFile,
        parse: impl FnOnce(&[u8]) -> Option<T>,
    ) -> Option<T> {
        let ReadContext { buffer, unkept, .. } = &mut *self.context;
        match file.read(self.directory, buffer, unkept) {
            Ok(bytes) => {
                let parsed = parse(bytes);
                self.any = true;
                self.failed |= parsed.is_none();
                parsed
            }
            Err(ReadError::Absent) => None,
            Err(ReadError::Ended) => {
                self.ended = true;
                None
            }
            Err(ReadError::Refused(errno)) => {
                self.context.refusals.count(errno);
                self.failed = true;
                None
            }
        }
    }
}
