//! inotify, as discovery needs it: watches on directories, events copied out.

use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::inotify::{self, CreateFlags, ReadFlags, WatchFlags};
use rustix::io::Errno;
use std::mem::MaybeUninit;
use std::path::Path;

/// Events taken in one go, so that a storm of them cannot hold up the owner's tick; the rest
/// stays queued in the kernel.
const MOST_EVENTS: usize = 4096;

/// What the kernel told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Told {
    /// A directory under that name was made, removed or moved.
    Entry { watch: i32, name: String },
    /// A file under that name was written or changed.
    File { watch: i32, name: String },
    /// The watch and its directory are gone.
    Gone { watch: i32 },
    /// Events were lost.
    Overflow,
}

#[derive(Debug)]
pub(crate) struct Watcher {
    inotify: OwnedFd,
}

impl Watcher {
    pub(crate) fn new() -> Result<Self, Errno> {
        let inotify = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
        Ok(Self { inotify })
    }

    pub(crate) fn as_fd(&self) -> BorrowedFd<'_> {
        self.inotify.as_fd()
    }

    /// Watches a directory; one that is watched already keeps its watch.
    pub(crate) fn watch(&self, directory: &Path) -> Result<i32, Errno> {
        let flags = WatchFlags::CREATE
            | WatchFlags::DELETE
            | WatchFlags::MOVE
            | WatchFlags::MODIFY
            | WatchFlags::DELETE_SELF
            | WatchFlags::ONLYDIR
            | WatchFlags::DONT_FOLLOW
            | WatchFlags::EXCL_UNLINK;
        inotify::add_watch(&self.inotify, directory, flags)
    }

    /// Takes a watch away. The kernel does so itself for a removed directory of most file
    /// systems, but not of every one that is a cgroup's.
    pub(crate) fn release(&self, watch: i32) {
        // EINVAL: it is gone already.
        let _ = inotify::remove_watch(&self.inotify, watch);
    }

    /// Adds the queued events to `told`.
    pub(crate) fn read(&self, told: &mut Vec<Told>) {
        let mut buffer = [MaybeUninit::<u8>::uninit(); 16 << 10];
        let mut reader = inotify::Reader::new(&self.inotify, &mut buffer);
        let mut read = 0;
        while read < MOST_EVENTS || !reader.is_buffer_empty() {
            read += 1;
            match reader.next() {
                Ok(event) => told.extend(translate(&event)),
                Err(Errno::INTR) => {}
                // EAGAIN: that was all. Anything else is made up for by the next sweep.
                Err(_) => break,
            }
        }
    }
}

fn translate(event: &inotify::Event<'_>) -> Option<Told> {
    let flags = event.events();
    let watch = event.wd();
    if flags.contains(ReadFlags::QUEUE_OVERFLOW) {
        return Some(Told::Overflow);
    }
    if flags.intersects(ReadFlags::IGNORED | ReadFlags::DELETE_SELF | ReadFlags::UNMOUNT) {
        return Some(Told::Gone { watch });
    }
    let name = event.file_name()?.to_str().ok()?.to_owned();
    if flags.contains(ReadFlags::ISDIR) {
        Some(Told::Entry { watch, name })
    } else if flags.contains(ReadFlags::MODIFY) {
        Some(Told::File { watch, name })
    } else {
        None
    }
}
