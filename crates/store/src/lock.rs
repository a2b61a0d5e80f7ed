//! One recorder and one consolidator per data directory (DATA.md section 1).
//!
//! A lock is an exclusive flock: it goes with the process, however that ends. The file holds
//! the owner's pid for the message, and its modification time tells when it was last held.

use crate::StoreError;
use crate::layout::{DataDir, Role, create_file};
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

/// How long a new process waits for the old one: a roll-out overlaps.
pub const WAIT: Duration = Duration::from_secs(30);

/// How long after it last held its lock a consolidator is still expected back.
pub const CONSOLIDATOR_GRACE: Duration = Duration::from_mins(15);

const POLL: Duration = Duration::from_millis(100);

/// A held lock; dropping it lets go.
#[derive(Debug)]
pub struct Lock {
    file: File,
}

/// Why a lock could not be had.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another process holds it.
    #[error("{} is in use by another {role}{}: stop that one, or choose another --data-dir", dir.display(), Holder(*pid))]
    Held {
        /// The data directory.
        dir: PathBuf,
        /// Whose lock.
        role: &'static str,
        /// The holder, as it wrote itself down; from within a container that is its own number.
        pid: Option<u32>,
    },
    /// The lock file could not be used.
    #[error(transparent)]
    Store(#[from] StoreError),
}

struct Holder(Option<u32>);

impl std::fmt::Display for Holder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            Some(pid) => write!(f, " (pid {pid})"),
            None => Ok(()),
        }
    }
}

impl Lock {
    /// Takes the lock, waiting up to `wait` for another holder to go.
    ///
    /// # Errors
    /// [`LockError::Held`] names the holder.
    pub fn acquire(dir: &DataDir, role: Role, wait: Duration) -> Result<Self, LockError> {
        let path = dir.lock_file(role);
        let file = open(&path)?;
        let begin = Instant::now();
        while !try_lock(&file, FlockOperation::NonBlockingLockExclusive, &path)? {
            if begin.elapsed() >= wait {
                return Err(LockError::Held {
                    dir: dir.root().to_owned(),
                    role: role.as_str(),
                    pid: read_pid(&path),
                });
            }
            thread::sleep(POLL.min(wait));
        }
        let pid = format!("{}\n", std::process::id());
        file.set_len(0)
            .and_then(|()| file.write_all_at(pid.as_bytes(), 0))
            .map_err(StoreError::io("write", &path))?;
        Ok(Self { file })
    }

    /// Marks the lock as still held, for those who ask when it was last.
    ///
    /// # Errors
    /// Returns what the system refused.
    pub fn touch(&self) -> io::Result<()> {
        self.file.set_modified(SystemTime::now())
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Best effort: without it the grace period counts from when the lock was taken.
        let _ = self.touch();
    }
}

/// Whether a recorder holds its lock now.
///
/// # Errors
/// When the lock file cannot be asked.
pub fn recorder_is_running(dir: &DataDir) -> Result<bool, StoreError> {
    let path = dir.lock_file(Role::Recorder);
    match File::open(&path) {
        Ok(file) => Ok(!try_lock(
            &file,
            FlockOperation::NonBlockingLockShared,
            &path,
        )?),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(StoreError::io("open", &path)(error)),
    }
}

/// Whether a consolidator holds its lock, or held it in the last 15 minutes before `now`.
///
/// While it does, deleting is its business.
///
/// # Errors
/// When the lock file cannot be asked.
pub fn consolidator_is_active(dir: &DataDir, now: SystemTime) -> Result<bool, StoreError> {
    let path = dir.lock_file(Role::Consolidator);
    let file = match File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(StoreError::io("open", &path)(error)),
    };
    if !try_lock(&file, FlockOperation::NonBlockingLockShared, &path)? {
        // Noted here too, so that a consolidator killed after days of work has its grace.
        let _ = OpenOptions::new()
            .write(true)
            .open(&path)
            .and_then(|file| file.set_modified(now));
        return Ok(true);
    }
    let modified = file
        .metadata()
        .and_then(|metadata| metadata.modified())
        .map_err(StoreError::io("read", &path))?;
    // A time to come is a clock that was set back: a consolidator was here.
    Ok(now
        .duration_since(modified)
        .map_or(true, |age| age < CONSOLIDATOR_GRACE))
}

/// The lock file is never removed: a second file of that name would be a second lock.
fn open(path: &Path) -> Result<File, StoreError> {
    match OpenOptions::new().read(true).write(true).open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => create_file(path),
        result => result.map_err(StoreError::io("open", path)),
    }
}

fn try_lock(file: &File, operation: FlockOperation, path: &Path) -> Result<bool, StoreError> {
    match flock(file, operation) {
        Ok(()) => Ok(true),
        Err(Errno::WOULDBLOCK | Errno::INTR) => Ok(false),
        Err(errno) => Err(StoreError::io("lock", path)(errno.into())),
    }
}

fn read_pid(path: &Path) -> Option<u32> {
    let mut text = String::new();
    File::open(path)
        .ok()?
        .take(32)
        .read_to_string(&mut text)
        .ok()?;
    text.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data_dir() -> (tempfile::TempDir, DataDir) {
        let temp = tempfile::tempdir().unwrap();
        let dir = DataDir::create(temp.path().join("data")).unwrap();
        (temp, dir)
    }

    #[test]
    fn one_recorder_and_one_consolidator_per_data_directory() {
        let (_temp, dir) = data_dir();
        let recorder = Lock::acquire(&dir, Role::Recorder, Duration::ZERO).unwrap();
        let _consolidator = Lock::acquire(&dir, Role::Consolidator, Duration::ZERO).unwrap();
        let refused = Lock::acquire(&dir, Role::Recorder, Duration::ZERO).unwrap_err();
        let message = refused.to_string();
        assert!(
            message.contains(&format!(
                "in use by another recorder (pid {})",
                std::process::id()
            )),
            "{message}"
        );
        drop(recorder);
        Lock::acquire(&dir, Role::Recorder, Duration::ZERO).unwrap();
    }

    #[test]
    fn a_running_recorder_is_seen() {
        let (_temp, dir) = data_dir();
        assert!(!recorder_is_running(&dir).unwrap());
        let lock = Lock::acquire(&dir, Role::Recorder, Duration::ZERO).unwrap();
        assert!(recorder_is_running(&dir).unwrap());
        drop(lock);
        assert!(!recorder_is_running(&dir).unwrap());
    }

    #[test]
    fn a_second_one_waits_for_the_first_to_go() {
        let (_temp, dir) = data_dir();
        let first = Lock::acquire(&dir, Role::Recorder, Duration::ZERO).unwrap();
        let second = {
            let dir = dir.clone();
            thread::spawn(move || Lock::acquire(&dir, Role::Recorder, WAIT).is_ok())
        };
        thread::sleep(POLL);
        drop(first);
        assert!(second.join().unwrap());
    }

    #[test]
    fn a_consolidator_is_expected_back_for_fifteen_minutes() {
        let (_temp, dir) = data_dir();
        let now = SystemTime::now();
        assert!(!consolidator_is_active(&dir, now).unwrap());
        let lock = Lock::acquire(&dir, Role::Consolidator, Duration::ZERO).unwrap();
        assert!(consolidator_is_active(&dir, now + Duration::from_hours(9)).unwrap());
        drop(lock);
        let now = SystemTime::now();
        assert!(consolidator_is_active(&dir, now + Duration::from_mins(14)).unwrap());
        assert!(!consolidator_is_active(&dir, now + Duration::from_mins(16)).unwrap());
    }
}
