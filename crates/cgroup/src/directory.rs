//! Directories of the cgroup tree: opened as places, listed by name.

use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{CWD, Dir, FileType, Mode, OFlags, openat};
use rustix::io::Errno;
use std::ffi::{CStr, CString};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

/// A cgroup's directory, kept open, and what is told of its children.
///
/// The kernel tells discovery by inotify when a directory is made or removed in this one; the
/// reader, which must know the cgroups below, need not ask at each tick.
#[derive(Debug)]
pub(crate) struct Directory {
    place: OwnedFd,
    /// Whether the children may have changed since they were looked at; `None` where nobody is
    /// told, so that they always may have.
    news: Option<AtomicBool>,
}

impl Directory {
    /// One of whose children nobody is told.
    pub(crate) const fn untold(place: OwnedFd) -> Self {
        Self { place, news: None }
    }

    /// One of whose children [`Directory::note_news`] tells, from now on.
    pub(crate) const fn told(place: OwnedFd) -> Self {
        Self {
            place,
            news: Some(AtomicBool::new(true)),
        }
    }

    /// Its children may have changed.
    pub(crate) fn note_news(&self) {
        if let Some(news) = &self.news {
            news.store(true, Ordering::Release);
        }
    }

    /// Whether its children may have changed since the last call.
    pub(crate) fn take_news(&self) -> bool {
        self.news
            .as_ref()
            .is_none_or(|news| news.swap(false, Ordering::AcqRel))
    }
}

impl AsFd for Directory {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.place.as_fd()
    }
}

/// The directory itself, opened only as a place: no permission to read it is needed.
pub(crate) fn open_place(path: &Path) -> Result<OwnedFd, Errno> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    openat(CWD, path, flags, Mode::empty())
}

/// The names of the directories in the one at `path` below `directory` (in itself where empty).
pub(crate) fn subdirectories(
    directory: BorrowedFd<'_>,
    path: &CStr,
) -> Result<Vec<CString>, Errno> {
    let path = if path.is_empty() { c"." } else { path };
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let opened = openat(directory, path, flags, Mode::empty())?;
    let mut names = Vec::new();
    for entry in Dir::new(opened)? {
        let entry = entry?;
        if entry.file_type() == FileType::Directory
            && !matches!(entry.file_name().to_bytes(), b"." | b"..")
        {
            names.push(entry.file_name().to_owned());
        }
    }
    Ok(names)
}

/// The path of `name` in `path`.
pub(crate) fn join(path: &CStr, name: &CStr) -> CString {
    let mut joined = path.to_bytes().to_vec();
    if !joined.is_empty() {
        joined.push(b'/');
    }
    joined.extend_from_slice(name.to_bytes());
    // Neither part holds a zero byte, so this cannot fail; an empty path reads as nothing.
    CString::new(joined).unwrap_or_default()
}
