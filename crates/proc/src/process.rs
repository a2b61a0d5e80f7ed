//! One process: its kept files and what they said last.

use crate::accumulate::{FirstSight, Totals};
use crate::clock::BootTime;
use crate::io::Io;
use crate::reader::{ProcReader, open_process};
use crate::stat::{self, Stat};
use crate::statm::{self, Statm};
use crate::switches::Switches;
use fgm_kernfile::{KernelFile, ReadError};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::io::Errno;
use std::time::Duration;

/// What names a process for as long as the machine runs: a pid alone is used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ProcessKey {
    /// The process id in our pid namespace.
    pub pid: u32,
    /// When it started, in clock ticks after boot.
    pub start_ticks: u64,
}

/// The process is not there (any more).
struct Gone;

/// What the processes of one container share in one tick.
pub(crate) struct Turn<'container> {
    pub(crate) now: BootTime,
    /// Changes with each tick.
    pub(crate) round: u32,
    /// Thread status files that may still be read.
    pub(crate) threads_left: u32,
    /// A process of more threads than this is not begun with: it would never be covered.
    pub(crate) most_threads: u64,
    pub(crate) totals: &'container mut Totals,
}

/// How a listed process was found at the last read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Presence {
    /// Its turn has not come yet, or its `stat` was refused.
    Unread,
    /// It was read.
    Live,
    /// It was listed but not there: it ended in between, a normal event.
    Ended,
    /// It is listed again and still not there: the kernel hides it from us (`hidepid`).
    Hidden,
}

/// A process of a container.
#[derive(Debug)]
pub(crate) struct Process {
    pub(crate) pid: u32,
    /// When it was known not to be in the container yet; `None` if it may always have been.
    absent_at: Option<BootTime>,
    start_ticks: Option<u64>,
    first_sight: FirstSight,
    /// Kept only where files are opened in it again and again.
    directory: Option<OwnedFd>,
    stat_file: KernelFile,
    statm_file: KernelFile,
    io_file: KernelFile,
    pub(crate) stat: Option<Stat>,
    pub(crate) statm: Option<Statm>,
    pub(crate) io: Option<Io>,
    io_before: Option<Io>,
    /// This kernel has no `io` file; asked once.
    io_lacking: bool,
    missed: u8,
    /// The tick of the last read, and its time: a pid that was given to another process since
    /// then began under our eyes.
    pub(crate) round: u32,
    read_at: Option<BootTime>,
    pub(crate) switches: Switches,
}

impl Process {
    pub(crate) fn new(pid: u32, absent_at: Option<BootTime>) -> Self {
        Self {
            pid,
            absent_at,
            start_ticks: None,
            first_sight: FirstSight::Baseline,
            directory: None,
            stat_file: KernelFile::new(c"stat"),
            statm_file: KernelFile::new(c"statm"),
            io_file: KernelFile::new(c"io"),
            stat: None,
            statm: None,
            io: None,
            io_before: None,
            io_lacking: false,
            missed: 0,
            round: 0,
            read_at: None,
            switches: Switches::default(),
        }
    }

    pub(crate) const fn presence(&self) -> Presence {
        match (self.missed, self.start_ticks) {
            (0, Some(_)) => Presence::Live,
            (0, None) => Presence::Unread,
            (1, _) => Presence::Ended,
            _ => Presence::Hidden,
        }
    }

    pub(crate) fn key(&self) -> Option<ProcessKey> {
        let pid = self.pid;
        self.start_ticks
            .map(|start_ticks| ProcessKey { pid, start_ticks })
    }

    /// Reads its files.
    pub(crate) fn read(&mut self, reader: &mut ProcReader, turn: &mut Turn<'_>) {
        self.round = turn.round;
        let known = self.start_ticks.is_some();
        let mut outcome = self.read_files(reader, turn);
        if outcome.is_err() {
            self.forget();
            if known {
                // It is listed all the same: the pid may have gone to another process.
                outcome = self.read_files(reader, turn);
            }
        }
        match outcome {
            Ok(()) => self.missed = 0,
            Err(Gone) => self.missed = self.missed.saturating_add(1),
        }
        self.read_at = Some(turn.now);
    }

    /// Begins anew with its pid, which may go to another process.
    fn forget(&mut self) {
        let absent_at = match self.start_ticks {
            Some(_) => self.read_at,
            None => self.absent_at,
        };
        *self = Self {
            missed: self.missed,
            round: self.round,
            ..Self::new(self.pid, absent_at)
        };
    }

    fn read_files(&mut self, reader: &mut ProcReader, turn: &mut Turn<'_>) -> Result<(), Gone> {
        let mut place = Place {
            pid: self.pid,
            opened: self.directory.take(),
        };
        self.read_in(&mut place, reader, turn)?;
        // Of use where a file is not kept although it might be: one that is refused each time.
        let needed = !(self.stat_file.is_kept()
            && self.statm_file.is_kept()
            && (self.io_lacking || self.io_file.is_kept()));
        if needed && reader.descriptors.kept() < reader.descriptors.most() {
            self.directory = place.opened;
        }
        Ok(())
    }

    fn read_in(
        &mut self,
        place: &mut Place,
        reader: &mut ProcReader,
        turn: &mut Turn<'_>,
    ) -> Result<(), Gone> {
        (self.statm, self.io) = (None, None);
        // `stat` first: it tells whether this still is the process that it was.
        self.stat = take(&mut self.stat_file, place, reader, stat::parse)?;
        let Some(stat) = self.stat else {
            return Ok(());
        };
        self.identify(stat.start_ticks, reader.tick_length);
        self.statm = take(&mut self.statm_file, place, reader, statm::parse)?;
        self.read_io(place, reader, turn)?;
        if !self.switches.may_read(stat.threads, reader, turn) {
            return Ok(());
        }
        let (main_thread, first_sight) = (self.pid, self.first_sight);
        match place.open(reader.root.as_fd()) {
            Ok(directory) => self.switches.read(
                directory,
                main_thread,
                stat.threads,
                first_sight,
                reader,
                turn,
            ),
            Err(Errno::NOENT | Errno::SRCH) => return Err(Gone),
            Err(errno) => reader.refusals.count(errno),
        }
        Ok(())
    }

    fn identify(&mut self, start_ticks: u64, tick: Duration) {
        if self.start_ticks == Some(start_ticks) {
            return;
        }
        if self.start_ticks.is_some() {
            self.absent_at = self.read_at;
            self.io_before = None;
            self.switches = Switches::default();
        }
        self.start_ticks = Some(start_ticks);
        self.first_sight = match self.absent_at {
            // In the same clock tick: what had begun before would have been listed before.
            Some(absent_at) if start_ticks >= absent_at.in_ticks(tick) => FirstSight::Whole,
            _ => FirstSight::Baseline,
        };
    }

    fn read_io(
        &mut self,
        place: &mut Place,
        reader: &mut ProcReader,
        turn: &mut Turn<'_>,
    ) -> Result<(), Gone> {
        if self.io_lacking {
            return Ok(());
        }
        let ProcReader {
            root,
            buffer,
            descriptors,
            refusals,
            io_layout,
            ..
        } = reader;
        let (root, here) = (root.as_fd(), &mut *place);
        let read = self
            .io_file
            .read_opening(move || here.open(root), buffer, descriptors);
        match read {
            Ok(bytes) => match io_layout.parse(bytes) {
                Some(now) => {
                    let before = self.io_before;
                    let first = self.first_sight;
                    turn.totals
                        .rchar
                        .add(before.map(|io| io.rchar), now.rchar, first);
                    turn.totals
                        .wchar
                        .add(before.map(|io| io.wchar), now.wchar, first);
                    self.io_before = Some(now);
                    self.io = Some(now);
                }
                None => refusals.count_unparsable(),
            },
            Err(ReadError::Ended) => return Err(Gone),
            Err(ReadError::Absent) => {
                // The process ended since `stat`, or this kernel keeps no such account.
                take(&mut self.stat_file, place, reader, stat::parse)?;
                self.io_lacking = true;
            }
            Err(ReadError::Refused(errno)) => refusals.count(errno),
        }
        Ok(())
    }
}

/// The directory of a process, opened when a file in it is to be opened.
struct Place {
    pid: u32,
    opened: Option<OwnedFd>,
}

impl Place {
    fn open(&mut self, root: BorrowedFd<'_>) -> Result<BorrowedFd<'_>, Errno> {
        let directory = match &mut self.opened {
            Some(directory) => directory,
            none => none.insert(open_process(root, self.pid)?),
        };
        Ok((*directory).as_fd())
    }
}

/// What a file says; `None` where it was refused or is not what it should be.
fn take<T>(
    file: &mut KernelFile,
    place: &mut Place,
    reader: &mut ProcReader,
    parse: impl FnOnce(&[u8]) -> Option<T>,
) -> Result<Option<T>, Gone> {
    let root = reader.root.as_fd();
    let read = file.read_opening(
        move || place.open(root),
        &mut reader.buffer,
        &reader.descriptors,
    );
    match read {
        Ok(bytes) => {
            let parsed = parse(bytes);
            if parsed.is_none() {
                reader.refusals.count_unparsable();
            }
            Ok(parsed)
        }
        Err(ReadError::Absent | ReadError::Ended) => Err(Gone),
        Err(ReadError::Refused(errno)) => {
            reader.refusals.count(errno);
            Ok(None)
        }
    }
}
