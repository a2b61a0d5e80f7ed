//! A fake `/proc`: folders of processes with the files that FGM reads.
//!
//! Files are rewritten in place, so a kept descriptor shows the new content as it does in the
//! real one. Unlike there, a descriptor kept over the removal of its folder still gives what was
//! written last: where a test needs the end of a process to be seen, no descriptors should be
//! kept.

mod machine;

pub use machine::{MEMINFO, VMSTAT};

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// What the files of a process say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FakeProcess {
    /// Its pid.
    pub pid: u32,
    /// Its name, as it stands between the parentheses of `stat`.
    pub name: String,
    /// When it started, in clock ticks after boot.
    pub start_ticks: u64,
    /// Minor page faults.
    pub minor_faults: u64,
    /// Address space.
    pub size_pages: u64,
    /// Resident pages.
    pub resident_pages: u64,
    /// Those of them that belong to files or shared memory.
    pub shared_pages: u64,
    /// Bytes that read calls returned.
    pub rchar: u64,
    /// Bytes passed to write calls.
    pub wchar: u64,
    /// Each thread's id with its voluntary and involuntary context switches; the first is the
    /// main thread, whose id is the pid.
    pub threads: Vec<(u32, u64, u64)>,
}

impl FakeProcess {
    /// A process with one thread that did nothing yet.
    #[must_use]
    pub fn new(pid: u32, start_ticks: u64) -> Self {
        Self {
            pid,
            name: "fake (1) name".to_owned(),
            start_ticks,
            minor_faults: 0,
            size_pages: 100,
            resident_pages: 10,
            shared_pages: 2,
            rchar: 0,
            wchar: 0,
            threads: vec![(pid, 0, 0)],
        }
    }
}

/// The folder; removed when dropped.
#[derive(Debug)]
pub struct ProcTree {
    root: TempDir,
}

impl ProcTree {
    /// An empty one.
    ///
    /// # Errors
    /// No temporary folder can be made.
    pub fn new() -> io::Result<Self> {
        let root = tempfile::tempdir()?;
        Ok(Self { root })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.root.path()
    }

    /// The folder of a process.
    #[must_use]
    pub fn process(&self, pid: u32) -> PathBuf {
        self.root.path().join(pid.to_string())
    }

    /// Makes a process, or lets its files say something else.
    ///
    /// # Errors
    /// A file cannot be written.
    pub fn write(&self, process: &FakeProcess) -> io::Result<()> {
        let folder = self.process(process.pid);
        fs::create_dir_all(folder.join("task"))?;
        fs::write(folder.join("stat"), stat(process))?;
        let (size, resident, shared) = (
            process.size_pages,
            process.resident_pages,
            process.shared_pages,
        );
        fs::write(
            folder.join("statm"),
            format!("{size} {resident} {shared} 1 0 9 0\n"),
        )?;
        fs::write(folder.join("io"), io_of(process))?;
        for entry in fs::read_dir(folder.join("task"))? {
            let entry = entry?;
            let name = entry.file_name();
            let lives = |&(id, _, _): &(u32, u64, u64)| name.to_str() == Some(&id.to_string());
            if !process.threads.iter().any(lives) {
                fs::remove_dir_all(entry.path())?;
            }
        }
        for &(id, voluntary, involuntary) in &process.threads {
            let thread = folder.join("task").join(id.to_string());
            fs::create_dir_all(&thread)?;
            let status = status(process, voluntary, involuntary);
            if id == process.pid {
                fs::write(folder.join("status"), &status)?;
            }
            fs::write(thread.join("status"), &status)?;
        }
        Ok(())
    }

    /// Lets `smaps_rollup` of a process say something.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write_smaps_rollup(&self, pid: u32, rss_kb: u64, pss_kb: u64) -> io::Result<()> {
        let text = format!(
            "55d462bf9000-7fffaa923000 ---p 00000000 00:00 0                          [rollup]\n\
             Rss:            {rss_kb:>8} kB\nPss:            {pss_kb:>8} kB\n\
             Pss_Dirty:             0 kB\nPss_Anon:       {pss_kb:>8} kB\n\
             Pss_File:              0 kB\nPss_Shmem:             0 kB\n\
             Swap:                  0 kB\nSwapPss:               0 kB\nLocked:                0 kB\n"
        );
        fs::write(self.process(pid).join("smaps_rollup"), text)
    }

    /// Removes a process.
    ///
    /// # Errors
    /// The folder cannot be removed.
    pub fn remove(&self, pid: u32) -> io::Result<()> {
        fs::remove_dir_all(self.process(pid))
    }
}

fn stat(process: &FakeProcess) -> String {
    let FakeProcess {
        pid,
        name,
        start_ticks,
        minor_faults,
        size_pages,
        resident_pages,
        threads,
        ..
    } = process;
    let threads = threads.len();
    format!(
        "{pid} ({name}) S 1 {pid} {pid} 0 -1 4194560 {minor_faults} 0 0 0 1 2 0 0 20 0 {threads} \
         0 {start_ticks} {size_pages} {resident_pages} 18446744073709551615 1 1 0 0 0 0 0 0 0\n"
    )
}

fn io_of(process: &FakeProcess) -> String {
    let FakeProcess { rchar, wchar, .. } = process;
    format!(
        "rchar: {rchar}\nwchar: {wchar}\nsyscr: 1\nsyscw: 1\nread_bytes: 0\nwrite_bytes: 0\n\
         cancelled_write_bytes: 0\n"
    )
}

fn status(process: &FakeProcess, voluntary: u64, involuntary: u64) -> String {
    let FakeProcess { pid, threads, .. } = process;
    let threads = threads.len();
    format!(
        "Name:\tfake\nTgid:\t{pid}\nThreads:\t{threads}\nMems_allowed_list:\t0\n\
         voluntary_ctxt_switches:\t{voluntary}\nnonvoluntary_ctxt_switches:\t{involuntary}\n"
    )
}
