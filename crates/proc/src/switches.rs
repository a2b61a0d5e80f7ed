//! Context switches of one process: those of all its threads.
//!
//! A status file speaks of one thread and is dear (about 20 us with its opening), so the threads
//! of a process are gone through at most every [`PERIOD`], under two budgets. The sums therefore
//! move in steps of up to that length. The files are opened for each read: a descriptor kept for
//! one read in ten seconds would cost more memory than it saves time.
//!
//! A thread that ends takes what it did since its last reading with it, and a thread that is
//! given the id of an ended one of the same process may be taken for it: then the total lacks
//! what it did before it was first read.

use crate::accumulate::FirstSight;
use crate::clock::BootTime;
use crate::process::Turn;
use crate::reader::{ProcReader, open_directory};
use crate::status::{self, ContextSwitches};
use fgm_kernfile::{KernelFile, ReadError, only_u64};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{Mode, OFlags, RawDir, openat};
use rustix::io::Errno;
use std::ffi::CStr;
use std::io::Write;
use std::mem::MaybeUninit;
use std::time::Duration;

/// The threads of a process are read this often.
pub(crate) const PERIOD: Duration = Duration::from_secs(10);

/// A sweep over the threads may take as long as the period that it is for: a reading is out of
/// date after twice that, and a sweep that is not through by then begins anew.
pub(crate) const STALE: Duration = Duration::from_secs(20);

/// The threads of one process.
#[derive(Debug, Default)]
pub(crate) struct Switches {
    /// When the last sweep over all threads began that came to its end.
    complete_at: Option<BootTime>,
    /// When the sweep in progress began.
    sweep_at: Option<BootTime>,
    /// Sorted by id.
    threads: Vec<Thread>,
}

#[derive(Debug)]
struct Thread {
    id: u32,
    before: Option<ContextSwitches>,
    first_sight: FirstSight,
    read: bool,
}

impl Switches {
    /// How long ago all threads were read; `None` before that.
    pub(crate) fn age(&self, now: BootTime) -> Option<Duration> {
        self.complete_at.map(|at| now.since(at))
    }

    /// Whether a sweep is due or in progress, and the budgets are not spent.
    pub(crate) fn may_read(&self, thread_count: u64, reader: &ProcReader, turn: &Turn<'_>) -> bool {
        let due = self.sweep_at.is_some() || self.age(turn.now).is_none_or(|age| age >= PERIOD);
        due && turn.threads_left > 0 && reader.threads_left > 0 && thread_count <= turn.most_threads
    }

    /// Goes on with the sweep over the threads as far as the budgets reach.
    pub(crate) fn read(
        &mut self,
        process: BorrowedFd<'_>,
        main_thread: u32,
        thread_count: u64,
        first_sight: FirstSight,
        reader: &mut ProcReader,
        turn: &mut Turn<'_>,
    ) {
        self.sweep_at = self.sweep_at.filter(|&at| turn.now.since(at) <= STALE);
        if self.sweep_at.is_none() {
            if let Err(errno) = list(process, main_thread, thread_count, &mut reader.thread_ids) {
                count_refusal(errno, reader);
                return;
            }
            self.follow(&reader.thread_ids, first_sight);
            self.sweep_at = Some(turn.now);
        }
        for thread in self.threads.iter_mut().filter(|thread| !thread.read) {
            if turn.threads_left == 0 || reader.threads_left == 0 {
                return;
            }
            turn.threads_left -= 1;
            reader.threads_left -= 1;
            match read_thread(process, main_thread, thread.id, reader) {
                Ok(Some(now)) => thread.add(now, turn),
                // It ended: normal.
                Ok(None) => {}
                // Another try in the next tick.
                Err(Refused) => return,
            }
            thread.read = true;
        }
        self.complete_at = self.sweep_at.take();
    }

    fn follow(&mut self, ids: &[u32], first_sight: FirstSight) {
        self.threads
            .retain(|thread| ids.binary_search(&thread.id).is_ok());
        let known = self.threads.len();
        // After the first sweep a thread that is not known yet began since.
        let first_sight = match self.complete_at {
            Some(_) => FirstSight::Whole,
            None => first_sight,
        };
        for &id in ids {
            let is_known = self.threads[..known].binary_search_by_key(&id, |thread| thread.id);
            if is_known.is_err() {
                self.threads.push(Thread {
                    id,
                    before: None,
                    first_sight,
                    read: false,
                });
            }
        }
        self.threads.sort_unstable_by_key(|thread| thread.id);
        for thread in &mut self.threads {
            thread.read = false;
        }
    }
}

impl Thread {
    fn add(&mut self, now: ContextSwitches, turn: &mut Turn<'_>) {
        let (before, first) = (self.before, self.first_sight);
        let totals = &mut turn.totals;
        totals
            .voluntary
            .add(before.map(|it| it.voluntary), now.voluntary, first);
        totals
            .involuntary
            .add(before.map(|it| it.involuntary), now.involuntary, first);
        self.before = Some(now);
    }
}

/// The thread's file could not be read; it is counted.
struct Refused;

fn read_thread(
    process: BorrowedFd<'_>,
    main_thread: u32,
    id: u32,
    reader: &mut ProcReader,
) -> Result<Option<ContextSwitches>, Refused> {
    let mut file = KernelFile::new(c"status");
    let read = if id == main_thread {
        file.read(process, &mut reader.buffer, &reader.not_kept)
    } else {
        match open_thread(process, id) {
            Ok(thread) => file.read(thread.as_fd(), &mut reader.buffer, &reader.not_kept),
            Err(errno) => Err(errno.into()),
        }
    };
    match read {
        Ok(bytes) => match status::parse(bytes) {
            Some(switches) => Ok(Some(switches)),
            None => {
                reader.refusals.count_unparsable();
                Err(Refused)
            }
        },
        Err(ReadError::Absent | ReadError::Ended) => Ok(None),
        Err(ReadError::Refused(errno)) => {
            reader.refusals.count(errno);
            Err(Refused)
        }
    }
}

fn open_thread(process: BorrowedFd<'_>, id: u32) -> Result<OwnedFd, Errno> {
    let mut path = [0_u8; 32];
    // The longest is "task/4294967295": it fits, and leaves a zero behind it.
    let _ = write!(&mut path[..], "task/{id}");
    let path = CStr::from_bytes_until_nul(&path).map_err(|_| Errno::INVAL)?;
    open_directory(process, path)
}

/// The ids of the threads, sorted.
fn list(
    process: BorrowedFd<'_>,
    main_thread: u32,
    thread_count: u64,
    ids: &mut Vec<u32>,
) -> Result<(), Errno> {
    ids.clear();
    if thread_count <= 1 {
        ids.push(main_thread);
        return Ok(());
    }
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let directory = openat(process, c"task", flags, Mode::empty())?;
    let mut entries = [MaybeUninit::uninit(); 4096];
    let mut entries = RawDir::new(directory, &mut entries);
    while let Some(entry) = entries.next() {
        let id = only_u64(entry?.file_name().to_bytes());
        ids.extend(id.and_then(|id| u32::try_from(id).ok()));
    }
    ids.sort_unstable();
    ids.dedup();
    Ok(())
}

fn count_refusal(errno: Errno, reader: &mut ProcReader) {
    if let ReadError::Refused(errno) = ReadError::from(errno) {
        reader.refusals.count(errno);
    }
}
