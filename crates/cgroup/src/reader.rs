//! One cgroup's files to one row's numbers.
//!
//! A steady read makes one `pread` for each file and allocates nothing. Rates,
//! `cpu_usage_millicores` and what comes from `/proc` are others' business.

use crate::directory::{Directory, open_place};
use crate::limits::{LimitFiles, Limits};
use crate::parse::flat::Layouts;
use crate::parse::{io_stat, limit, psi};
use crate::processes::{ListRead, ProcessList};
use fgm_kernfile::{Buffer, Descriptors, KernelFile, ReadError, Refusals};
use fgm_model::{Metric, Values};
use rustix::fd::{AsFd, BorrowedFd};
use rustix::fs::{AtFlags, statat};
use rustix::io::Errno;
use std::path::Path;
use std::sync::Arc;

/// What all readers of a thread share.
#[derive(Debug)]
pub struct ReadContext {
    /// The buffer that every file is read into.
    pub buffer: Buffer,
    /// The cap on kept descriptors.
    pub descriptors: Descriptors,
    /// For files that are read too rarely to be worth a kept descriptor.
    pub(crate) unkept: Descriptors,
    /// What was learned of the files' layout.
    pub layouts: Layouts,
    /// Reads that the kernel refused, by errno.
    pub refusals: Refusals,
}

impl ReadContext {
    /// Nothing learned yet.
    #[must_use]
    pub fn new(descriptors: Descriptors) -> Self {
        Self {
            buffer: Buffer::default(),
            descriptors,
            unkept: Descriptors::new(0),
            layouts: Layouts::default(),
            refusals: Refusals::default(),
        }
    }
}

/// Whether the processes of a cgroup are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Processes {
    /// Those of the cgroup and of all below it.
    Listed,
    /// Not: in a pod and in the root they are those of others, which have rows themselves.
    LeftOut,
}

/// Whether there is more to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Outcome {
    /// The cgroup was there to the end of the read.
    Alive,
    /// It was removed before or during the read; what was read before is in the values.
    Ended,
}

/// The files of one cgroup.
#[derive(Debug)]
pub struct CgroupReader {
    directory: Arc<Directory>,
    cpu_stat: KernelFile,
    /// `cpu.stat` had the lines of the cpu controller when it was read last.
    has_quota: bool,
    pressures: [(KernelFile, Metric, Metric); 3],
    memory_stat: KernelFile,
    memory_events: KernelFile,
    io_stat: KernelFile,
    numbers: [(KernelFile, Metric); 6],
    processes: Option<ProcessList>,
    limit_files: LimitFiles,
    limits: Limits,
}

impl CgroupReader {
    /// A reader of the cgroup whose directory is opened; nothing is read yet.
    pub(crate) fn new(directory: Arc<Directory>, processes: Processes) -> Self {
        Self {
            directory,
            cpu_stat: KernelFile::new(c"cpu.stat"),
            has_quota: false,
            pressures: [
                pressure(
                    c"cpu.pressure",
                    Metric::CpuPsiSomeUsec,
                    Metric::CpuPsiFullUsec,
                ),
                pressure(
                    c"memory.pressure",
                    Metric::MemoryPsiSomeUsec,
                    Metric::MemoryPsiFullUsec,
                ),
                pressure(c"io.pressure", Metric::IoPsiSomeUsec, Metric::IoPsiFullUsec),
            ],
            memory_stat: KernelFile::new(c"memory.stat"),
            memory_events: KernelFile::new(c"memory.events"),
            io_stat: KernelFile::new(c"io.stat"),
            numbers: [
                number(c"memory.current", Metric::MemoryCurrent),
                number(c"memory.peak", Metric::MemoryPeak),
                number(c"memory.swap.current", Metric::MemorySwapCurrent),
                number(c"memory.zswap.current", Metric::MemoryZswapCurrent),
                number(c"pids.current", Metric::PidsCurrent),
                number(c"pids.peak", Metric::PidsPeak),
            ],
            processes: match processes {
                Processes::Listed => Some(ProcessList::new()),
                Processes::LeftOut => None,
            },
            limit_files: LimitFiles::new(),
            limits: Limits::default(),
        }
    }

    /// A reader of the cgroup at that path of the file system.
    ///
    /// # Errors
    /// The errno of opening the directory.
    pub fn open(path: &Path, processes: Processes) -> Result<Self, Errno> {
        let directory = Directory::untold(open_place(path)?);
        Ok(Self::new(Arc::new(directory), processes))
    }

    /// Reads everything but the limits into `values`, the limits as read last included. Only
    /// the metrics of this crate are set, each to a number or to "unknown".
    pub fn read(&mut self, values: &mut Values, context: &mut ReadContext) -> Outcome {
        let directory = self.directory.as_fd();
        let mut pass = Pass {
            directory,
            context,
            ended: false,
            newly_absent: false,
        };
        // First, so that "no process" says of the counters that they are the last ones.
        let count = match &mut self.processes {
            Some(list) => match list.read(&self.directory, pass.context) {
                ListRead::Count(count) => count,
                ListRead::Ended => {
                    pass.ended = true;
                    None
                }
            },
            None => None,
        };
        values.set_u64(Metric::ProcessCount, count);
        let cpu_stat = usize::from(self.has_quota);
        pass.read(&mut self.cpu_stat, |bytes, layouts| {
            let layout = &mut layouts.cpu_stat[cpu_stat];
            match bytes {
                Some(bytes) => layout.parse(bytes, values),
                None => layout.unknown(values),
            }
        });
        self.has_quota = values.get(Metric::CpuNrPeriods).is_some();
        pass.read(&mut self.memory_events, |bytes, layouts| match bytes {
            Some(bytes) => layouts.memory_events.parse(bytes, values),
            None => layouts.memory_events.unknown(values),
        });
        pass.read(&mut self.memory_stat, |bytes, layouts| match bytes {
            Some(bytes) => layouts.memory_stat.parse(bytes, values),
            None => layouts.memory_stat.unknown(values),
        });
        for (file, metric) in &mut self.numbers {
            pass.read(file, |bytes, _| {
                values.set_u64(*metric, bytes.and_then(limit::number));
            });
        }
        for (file, some, full) in &mut self.pressures {
            pass.read(file, |bytes, _| {
                let totals = bytes.map(psi::totals).unwrap_or_default();
                values.set_u64(*some, totals.some_usec);
                values.set_u64(*full, totals.full_usec);
            });
        }
        pass.read(&mut self.io_stat, |bytes, _| {
            let sums = bytes.map(io_stat::sums).unwrap_or_default();
            values.set_u64(Metric::IoReadBytes, sums.read_bytes);
            values.set_u64(Metric::IoWriteBytes, sums.write_bytes);
            values.set_u64(Metric::IoDiscardBytes, sums.discard_bytes);
            values.set_u64(Metric::IoReadOps, sums.read_ops);
            values.set_u64(Metric::IoWriteOps, sums.write_ops);
        });
        self.limits.set(values);
        pass.outcome()
    }

    /// Reads the limits; [`CgroupReader::limits`] then gives them, and each later read. When
    /// the cgroup has ended they stay as they were.
    pub fn read_limits(&mut self, context: &mut ReadContext) -> Outcome {
        match self.limit_files.read(self.directory.as_fd(), context) {
            Some(limits) if limits.known || is_there(self.directory.as_fd()) => {
                self.limits = limits;
                Outcome::Alive
            }
            _ => Outcome::Ended,
        }
    }

    /// The limits as read last.
    #[must_use]
    pub const fn limits(&self) -> &Limits {
        &self.limits
    }

    /// The processes of the last read, in ascending order: those that our PID namespace shows.
    #[must_use]
    pub fn pids(&self) -> &[u32] {
        self.processes.as_ref().map_or(&[], ProcessList::pids)
    }

    /// Looks again, at the next read, for files that were absent (a controller may have been
    /// enabled since). For once a minute.
    pub fn ask_again(&mut self) {
        for file in [
            &mut self.cpu_stat,
            &mut self.memory_stat,
            &mut self.memory_events,
            &mut self.io_stat,
        ] {
            file.ask_again();
        }
        for (file, ..) in &mut self.pressures {
            file.ask_again();
        }
        for (file, _) in &mut self.numbers {
            file.ask_again();
        }
        if let Some(processes) = &mut self.processes {
            processes.ask_again();
        }
        self.limit_files.ask_again();
    }
}

const fn pressure(
    name: &'static std::ffi::CStr,
    some: Metric,
    full: Metric,
) -> (KernelFile, Metric, Metric) {
    (KernelFile::new(name), some, full)
}

const fn number(name: &'static std::ffi::CStr, metric: Metric) -> (KernelFile, Metric) {
    (KernelFile::new(name), metric)
}

/// One reading of all files.
struct Pass<'a> {
    directory: BorrowedFd<'a>,
    context: &'a mut ReadContext,
    ended: bool,
    newly_absent: bool,
}

impl Pass<'_> {
    /// Hands over what the file says, or `None`.
    fn read(&mut self, file: &mut KernelFile, take: impl FnOnce(Option<&[u8]>, &mut Layouts)) {
        let context = &mut *self.context;
        if self.ended {
            return take(None, &mut context.layouts);
        }
        let was_absent = file.is_absent();
        match file.read(self.directory, &mut context.buffer, &context.descriptors) {
            Ok(bytes) => take(Some(bytes), &mut context.layouts),
            Err(error) => {
                match error {
                    ReadError::Absent => self.newly_absent |= !was_absent,
                    ReadError::Ended => self.ended = true,
                    ReadError::Refused(errno) => context.refusals.count(errno),
                }
                take(None, &mut context.layouts);
            }
        }
    }

    fn outcome(&self) -> Outcome {
        // Opened for this read, a file of a removed cgroup is missing like one that the kernel
        // lacks: the directory tells which.
        if self.ended || (self.newly_absent && !is_there(self.directory)) {
            Outcome::Ended
        } else {
            Outcome::Alive
        }
    }
}

/// Whether the cgroup still is: every one has this file.
fn is_there(directory: BorrowedFd<'_>) -> bool {
    statat(directory, c"cgroup.procs", AtFlags::SYMLINK_NOFOLLOW).err() != Some(Errno::NOENT)
}

#[cfg(test)]
mod tests;
