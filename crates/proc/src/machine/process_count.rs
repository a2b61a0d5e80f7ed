//! How many processes there are, for the price of one `stat`.
//!
//! The kernel gives `/proc` a link for each process beside those that a directory has anyway: two
//! of its own and one for each directory in it. Listing `/proc` instead costs 1 us for each
//! process. The directories that are no processes come with modules only, so they are counted
//! once a minute.

use crate::clock::BootTime;
use crate::reader::ProcReader;
use fgm_kernfile::only_u64;
use rustix::fd::{AsFd, BorrowedFd};
use rustix::fs::{AtFlags, FileType, Mode, OFlags, RawDir, openat, statat};
use rustix::io::Errno;
use std::mem::MaybeUninit;
use std::time::Duration;

const COUNT_AGAIN: Duration = Duration::from_secs(60);

#[derive(Debug, Default)]
pub(super) struct ProcessCount {
    /// Links of the directory that are no processes, and when they were counted; `None` for a
    /// mount that gives no such numbers.
    others: Option<(Option<u64>, BootTime)>,
}

impl ProcessCount {
    pub(super) fn read(&mut self, reader: &mut ProcReader, now: BootTime) -> Option<u64> {
        let root = reader.root.as_fd();
        let fresh = |at: &BootTime| now.since(*at) < COUNT_AGAIN;
        let others = match self.others {
            Some((others, at)) if fresh(&at) => others,
            _ => {
                let others = count_others(root).unwrap_or_else(|errno| {
                    reader.refusals.count(errno);
                    None
                });
                self.others = Some((others, now));
                others
            }
        };
        let stat = statat(root, c"", AtFlags::EMPTY_PATH).ok()?;
        // The C type differs from machine to machine; all of them fit here.
        let links = u64::try_from(i128::from(stat.st_nlink)).ok()?;
        links.checked_sub(others?)
    }

    pub(super) const fn ask_again(&mut self) {
        self.others = None;
    }
}

/// `None` where entries are not told to be directories.
fn count_others(root: BorrowedFd<'_>) -> Result<Option<u64>, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let directory = openat(root, c".", flags, Mode::empty())?;
    let mut entries = [MaybeUninit::uninit(); 4096];
    let mut entries = RawDir::new(directory, &mut entries);
    let mut others = 2;
    while let Some(entry) = entries.next() {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        let is_other = only_u64(name).is_none() && name != b"." && name != b"..";
        match entry.file_type() {
            FileType::Directory if is_other => others += 1,
            FileType::Unknown => return Ok(None),
            _ => {}
        }
    }
    Ok(Some(others))
}
