//! One kernel file: opened once and kept, or opened for each read beyond the cap.

use crate::buffer::Buffer;
use crate::descriptors::{Descriptors, Place};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{Mode, OFlags, openat};
use rustix::io::Errno;
use std::borrow::Cow;
use std::ffi::{CStr, CString};

/// Why a read gave nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// This kernel (or this cgroup) has no such file: a normal state, not asked for again
    /// until [`KernelFile::ask_again`].
    #[error("the kernel has no such file")]
    Absent,
    /// What the file was about has ended (ENODEV, ESRCH): a normal event.
    #[error("it ended")]
    Ended,
    /// The kernel refused.
    #[error("the kernel refused: {0}")]
    Refused(Errno),
}

/// A file below a directory that the caller keeps open.
#[derive(Debug)]
pub struct KernelFile {
    name: Cow<'static, CStr>,
    state: State,
}

#[derive(Debug)]
enum State {
    Unopened,
    Kept { fd: OwnedFd, _place: Place },
    Absent,
}

impl KernelFile {
    /// The file of that name; it is opened at the first read.
    #[must_use]
    pub const fn new(name: &'static CStr) -> Self {
        Self {
            name: Cow::Borrowed(name),
            state: State::Unopened,
        }
    }

    /// The file at that path below the directory: one in a subdirectory that is not kept open
    /// itself.
    #[must_use]
    pub const fn at_path(path: CString) -> Self {
        Self {
            name: Cow::Owned(path),
            state: State::Unopened,
        }
    }

    /// The whole of a file that the kernel writes in one piece (all but lists).
    ///
    /// # Errors
    /// See [`ReadError`]; after any error the descriptor is given up.
    pub fn read<'buffer>(
        &mut self,
        directory: BorrowedFd<'_>,
        buffer: &'buffer mut Buffer,
        descriptors: &Descriptors,
    ) -> Result<&'buffer [u8], ReadError> {
        self.read_by(|| Ok(directory), descriptors, |fd| buffer.read_whole(fd))
    }

    /// The same where the directory is not kept open: it is asked for only if the file must be
    /// opened.
    ///
    /// # Errors
    /// See [`ReadError`]; that the directory cannot be had counts as the file's own error.
    pub fn read_opening<'buffer, 'directory>(
        &mut self,
        directory: impl FnOnce() -> Result<BorrowedFd<'directory>, Errno>,
        buffer: &'buffer mut Buffer,
        descriptors: &Descriptors,
    ) -> Result<&'buffer [u8], ReadError> {
        self.read_by(directory, descriptors, |fd| buffer.read_whole(fd))
    }

    /// The whole of a list of lines such as `cgroup.procs`, each shorter than 384 bytes.
    ///
    /// # Errors
    /// See [`ReadError`]; after any error the descriptor is given up.
    pub fn read_list<'buffer>(
        &mut self,
        directory: BorrowedFd<'_>,
        buffer: &'buffer mut Buffer,
        descriptors: &Descriptors,
    ) -> Result<&'buffer [u8], ReadError> {
        self.read_by(|| Ok(directory), descriptors, |fd| buffer.read_list(fd))
    }

    /// The same where the directory is asked for only if the file must be opened.
    ///
    /// # Errors
    /// See [`ReadError`]; that the directory cannot be had counts as the file's own error.
    pub fn read_list_opening<'buffer, 'directory>(
        &mut self,
        directory: impl FnOnce() -> Result<BorrowedFd<'directory>, Errno>,
        buffer: &'buffer mut Buffer,
        descriptors: &Descriptors,
    ) -> Result<&'buffer [u8], ReadError> {
        self.read_by(directory, descriptors, |fd| buffer.read_list(fd))
    }

    /// Whether the file was absent and is not asked for: the next read makes no system call.
    #[must_use]
    pub const fn is_absent(&self) -> bool {
        matches!(self.state, State::Absent)
    }

    /// Whether its descriptor is kept: the next read needs no directory.
    #[must_use]
    pub const fn is_kept(&self) -> bool {
        matches!(self.state, State::Kept { .. })
    }

    /// Looks again for a file that was absent (a controller may have been enabled since).
    pub fn ask_again(&mut self) {
        if matches!(self.state, State::Absent) {
            self.state = State::Unopened;
        }
    }

    /// Gives up the descriptor; the next read opens the file anew.
    pub fn close(&mut self) {
        if matches!(self.state, State::Kept { .. }) {
            self.state = State::Unopened;
        }
    }

    fn read_by<'directory, T>(
        &mut self,
        directory: impl FnOnce() -> Result<BorrowedFd<'directory>, Errno>,
        descriptors: &Descriptors,
        read: impl FnOnce(BorrowedFd<'_>) -> Result<T, Errno>,
    ) -> Result<T, ReadError> {
        let result = match &self.state {
            State::Absent => return Err(ReadError::Absent),
            State::Kept { fd, .. } => read(fd.as_fd()),
            State::Unopened => {
                directory().and_then(|directory| self.open_and_read(directory, descriptors, read))
            }
        };
        result.map_err(|errno| {
            let error = ReadError::from(errno);
            self.state = if error == ReadError::Absent {
                State::Absent
            } else {
                State::Unopened
            };
            error
        })
    }

    fn open_and_read<T>(
        &mut self,
        directory: BorrowedFd<'_>,
        descriptors: &Descriptors,
        read: impl FnOnce(BorrowedFd<'_>) -> Result<T, Errno>,
    ) -> Result<T, Errno> {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOCTTY;
        let fd = openat(directory, self.name.as_ref(), flags, Mode::empty())?;
        let answer = read(fd.as_fd())?;
        if let Some(place) = descriptors.take() {
            self.state = State::Kept { fd, _place: place };
        }
        Ok(answer)
    }
}

impl From<Errno> for ReadError {
    fn from(errno: Errno) -> Self {
        match errno {
            // EOPNOTSUPP: pressure files of a kernel that was started with psi=0.
            Errno::NOENT | Errno::OPNOTSUPP => Self::Absent,
            Errno::NODEV | Errno::SRCH => Self::Ended,
            errno => Self::Refused(errno),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{self, File};

    fn folder() -> (tempfile::TempDir, File) {
        let folder = tempfile::tempdir().expect("temporary directory");
        let opened = File::open(folder.path()).expect("open directory");
        (folder, opened)
    }

    #[test]
    fn a_kept_file_shows_later_content() {
        let (folder, directory) = folder();
        let descriptors = Descriptors::new(1);
        let mut buffer = Buffer::default();
        let mut file = KernelFile::new(c"a");
        for content in ["1\n", "22\n", "3\n"] {
            fs::write(folder.path().join("a"), content).expect("write");
            let read = file.read(directory.as_fd(), &mut buffer, &descriptors);
            assert_eq!(read, Ok(content.as_bytes()));
            assert_eq!(descriptors.kept(), 1);
        }
        file.close();
        assert_eq!(descriptors.kept(), 0);
    }

    #[test]
    fn beyond_the_cap_nothing_is_kept() {
        let (folder, directory) = folder();
        fs::write(folder.path().join("a"), "1").expect("write");
        let descriptors = Descriptors::new(0);
        let mut buffer = Buffer::default();
        let mut file = KernelFile::new(c"a");
        for _ in 0..3 {
            let read = file.read(directory.as_fd(), &mut buffer, &descriptors);
            assert_eq!(read, Ok(b"1".as_slice()));
        }
        assert_eq!(descriptors.kept(), 0);
    }

    #[test]
    fn an_absent_file_is_not_asked_for_until_told() {
        let (folder, directory) = folder();
        let descriptors = Descriptors::new(1);
        let mut buffer = Buffer::default();
        let mut file = KernelFile::new(c"a");
        let mut read = |file: &mut KernelFile| {
            file.read(directory.as_fd(), &mut buffer, &descriptors)
                .map(<[u8]>::to_vec)
        };
        assert!(!file.is_absent());
        assert_eq!(read(&mut file), Err(ReadError::Absent));
        assert!(file.is_absent());
        fs::write(folder.path().join("a"), "1").expect("write");
        assert_eq!(read(&mut file), Err(ReadError::Absent));
        file.ask_again();
        assert_eq!(read(&mut file), Ok(b"1".to_vec()));
    }

    #[test]
    fn a_file_in_a_subdirectory() {
        let (folder, directory) = folder();
        fs::create_dir(folder.path().join("below")).expect("subdirectory");
        fs::write(folder.path().join("below/a"), "7").expect("write");
        let mut file = KernelFile::at_path(c"below/a".to_owned());
        let mut buffer = Buffer::default();
        let read = file.read(directory.as_fd(), &mut buffer, &Descriptors::new(1));
        assert_eq!(read, Ok(b"7".as_slice()));
    }

    #[test]
    fn the_directory_is_asked_for_only_to_open() {
        let (folder, directory) = folder();
        fs::write(folder.path().join("a"), "1").expect("write");
        let descriptors = Descriptors::new(1);
        let mut buffer = Buffer::default();
        let mut file = KernelFile::new(c"a");
        for asked in [true, false, false] {
            assert_eq!(file.is_kept(), !asked);
            let mut was_asked = false;
            let place = || {
                was_asked = true;
                Ok(directory.as_fd())
            };
            let read = file.read_opening(place, &mut buffer, &descriptors);
            assert_eq!(read, Ok(b"1".as_slice()));
            assert_eq!(was_asked, asked);
        }
        file.close();
        let read = file.read_opening(|| Err(Errno::SRCH), &mut buffer, &descriptors);
        assert_eq!(read, Err(ReadError::Ended));
    }

    #[test]
    fn a_refused_read_is_tried_again() {
        let (folder, directory) = folder();
        fs::create_dir(folder.path().join("a")).expect("directory in the place of a file");
        let descriptors = Descriptors::new(1);
        let mut buffer = Buffer::default();
        let mut file = KernelFile::new(c"a");
        for _ in 0..2 {
            let read = file.read(directory.as_fd(), &mut buffer, &descriptors);
            assert_eq!(read, Err(ReadError::Refused(Errno::ISDIR)));
        }
        assert_eq!(descriptors.kept(), 0);
    }
}
