//! The machine as a whole: what `/proc` says of it, in the columns of a container.
//!
//! | file | columns |
//! |---|---|
//! | `stat` | CPU time; the CPUs as the quota, since they are the machine's limit |
//! | `meminfo` | memory and swap with their totals as limits |
//! | `vmstat` | faults, reclaim, OOM kills |
//! | `pressure/*` | the totals of pressure |
//! | `loadavg` | load and threads |
//! | `1/net/dev` | the interfaces that lead out of the machine |
//! | the directory itself | processes: the kernel counts them in its links |
//!
//! The files are the same in every pid namespace; only the network's is not.

pub mod cpu;
pub mod load;
pub mod memory;
mod process_count;

use crate::clock::BootTime;
use crate::net_dev::{self, Traffic};
use crate::network::NODE_FILES;
use crate::reader::ProcReader;
use fgm_kernfile::{KernelFile, ReadError, pressure_totals};
use fgm_model::{Metric, Values};
use memory::MemoryFiles;
use process_count::ProcessCount;
use rustix::fd::AsFd;
use std::time::Duration;

/// The period in which the CPUs are expressed as a quota: that of the kernel's default.
const QUOTA_PERIOD_USEC: u64 = 100_000;

/// Reads the machine's files; one for the whole recorder.
#[derive(Debug)]
pub struct MachineReader {
    stat: KernelFile,
    meminfo: KernelFile,
    vmstat: KernelFile,
    pressures: [(KernelFile, Metric, Metric); 3],
    loadavg: KernelFile,
    network: [KernelFile; 2],
    process_count: ProcessCount,
    memory: MemoryFiles,
}

impl Default for MachineReader {
    fn default() -> Self {
        Self {
            stat: KernelFile::new(c"stat"),
            meminfo: KernelFile::new(c"meminfo"),
            vmstat: KernelFile::new(c"vmstat"),
            pressures: [
                (
                    KernelFile::new(c"pressure/cpu"),
                    Metric::CpuPsiSomeUsec,
                    Metric::CpuPsiFullUsec,
                ),
                (
                    KernelFile::new(c"pressure/memory"),
                    Metric::MemoryPsiSomeUsec,
                    Metric::MemoryPsiFullUsec,
                ),
                (
                    KernelFile::new(c"pressure/io"),
                    Metric::IoPsiSomeUsec,
                    Metric::IoPsiFullUsec,
                ),
            ],
            loadavg: KernelFile::new(c"loadavg"),
            network: NODE_FILES.map(KernelFile::new),
            process_count: ProcessCount::default(),
            memory: MemoryFiles::default(),
        }
    }
}

impl MachineReader {
    /// Sets every column that `/proc` has of the machine, each to a number or to unknown.
    pub fn read(&mut self, reader: &mut ProcReader, now: BootTime, values: &mut Values) {
        let tick = reader.tick_length;
        let cpu = take(&mut self.stat, Whole, reader, cpu::parse);
        set_cpu(cpu, tick, values);

        let memory = &mut self.memory;
        // A file that cannot be read says nothing: so do no bytes.
        let mut meminfo = |bytes: &[u8]| memory.meminfo(bytes, values);
        if take(&mut self.meminfo, Whole, reader, |bytes| {
            meminfo(bytes);
            Some(())
        })
        .is_none()
        {
            meminfo(b"");
        }
        let mut vmstat = |bytes: &[u8]| memory.vmstat(bytes, values);
        if take(&mut self.vmstat, Lines, reader, |bytes| {
            vmstat(bytes);
            Some(())
        })
        .is_none()
        {
            vmstat(b"");
        }

        for (file, some, full) in &mut self.pressures {
            let totals = take(file, Whole, reader, |bytes| Some(pressure_totals(bytes)));
            let totals = totals.unwrap_or_default();
            values.set_u64(*some, totals.some_usec);
            values.set_u64(*full, totals.full_usec);
        }

        let load = take(&mut self.loadavg, Whole, reader, load::parse);
        values.set_u64(Metric::Load1Milli, load.map(|load| load.one_minute_milli));
        values.set_u64(Metric::ThreadCount, load.map(|load| load.threads));
        let process_count = self.process_count.read(reader, now);
        values.set_u64(Metric::ProcessCount, process_count);

        let of_node = |bytes: &[u8]| net_dev::parse(bytes, net_dev::is_of_node);
        let traffic = self
            .network
            .iter_mut()
            .find_map(|file| take(file, Lines, reader, of_node));
        Traffic::set(traffic, values);
    }

    /// Looks again, at the next read, for files that were absent. For once a minute.
    pub fn ask_again(&mut self) {
        let pressures = self.pressures.iter_mut().map(|(file, ..)| file);
        let files = [
            &mut self.stat,
            &mut self.meminfo,
            &mut self.vmstat,
            &mut self.loadavg,
        ];
        for file in files.into_iter().chain(pressures).chain(&mut self.network) {
            file.ask_again();
        }
        self.process_count.ask_again();
    }
}

fn set_cpu(times: Option<cpu::CpuTimes>, tick: Duration, values: &mut Values) {
    let tick_usec = u64::try_from(tick.as_micros()).unwrap_or(u64::MAX);
    let usec = |ticks: u64| ticks.checked_mul(tick_usec);
    let cpus = times.map(|times| times.cpus).filter(|cpus| *cpus > 0);
    for (metric, value) in [
        (
            Metric::CpuUserUsec,
            times.and_then(|times| usec(times.user_ticks)),
        ),
        (
            Metric::CpuSystemUsec,
            times.and_then(|times| usec(times.system_ticks)),
        ),
        (
            Metric::CpuStealUsec,
            times.and_then(|times| usec(times.steal_ticks)),
        ),
        (
            Metric::CpuQuotaUsec,
            cpus.and_then(|cpus| cpus.checked_mul(QUOTA_PERIOD_USEC)),
        ),
        (Metric::CpuPeriodUsec, cpus.map(|_| QUOTA_PERIOD_USEC)),
    ] {
        values.set_u64(metric, value);
    }
}

/// How the kernel hands a file out.
enum Pieces {
    /// In one piece.
    Whole,
    /// A page of lines at a time.
    Lines,
}
use Pieces::{Lines, Whole};

/// What a file says; `None` where it is not there, was refused or is not what it should be.
fn take<T>(
    file: &mut KernelFile,
    pieces: Pieces,
    reader: &mut ProcReader,
    parse: impl FnOnce(&[u8]) -> Option<T>,
) -> Option<T> {
    let ProcReader {
        root,
        buffer,
        descriptors,
        refusals,
        ..
    } = reader;
    let read = match pieces {
        Whole => file.read(root.as_fd(), buffer, descriptors),
        Lines => file.read_list(root.as_fd(), buffer, descriptors),
    };
    match read {
        Ok(bytes) => {
            let parsed = parse(bytes);
            if parsed.is_none() {
                refusals.count_unparsable();
            }
            parsed
        }
        Err(ReadError::Absent | ReadError::Ended) => None,
        Err(ReadError::Refused(errno)) => {
            refusals.count(errno);
            None
        }
    }
}
