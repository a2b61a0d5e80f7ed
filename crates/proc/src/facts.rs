//! Facts that are read once, or by the recorder about itself: the boot's id, the size of a page,
//! our own memory. Cold: opened, read and closed.

use crate::statm;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// A fact could not be had.
#[derive(Debug, thiserror::Error)]
pub enum FactError {
    /// The file could not be read.
    #[error("cannot read {path}: {error}; is proc mounted there?")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the kernel said.
        error: io::Error,
    },
    /// The file does not hold what it should.
    #[error("{path} does not hold {expected}; is proc mounted there?")]
    Content {
        /// The file.
        path: PathBuf,
        /// What it should hold.
        expected: &'static str,
    },
}

/// Memory of the calling process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OwnMemory {
    /// Resident memory in bytes.
    pub rss_bytes: u64,
    /// The part of it that belongs to no file: heap and stacks.
    pub anon_bytes: u64,
}

/// The id of this boot, 36 characters.
///
/// # Errors
/// The file is missing or holds something else.
pub fn boot_id(proc_root: &Path) -> Result<String, FactError> {
    let path = proc_root.join("sys/kernel/random/boot_id");
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) => return Err(FactError::Read { path, error }),
    };
    let id = text.trim();
    let valid = id.len() == 36
        && id
            .bytes()
            .all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
    if !valid {
        let expected = "the id of a boot";
        return Err(FactError::Content { path, expected });
    }
    Ok(id.to_owned())
}

/// The size of a page of memory.
#[must_use]
pub fn page_bytes() -> u64 {
    rustix::param::page_size() as u64
}

/// The memory of the calling process.
///
/// # Errors
/// `self/statm` is missing or holds something else.
pub fn own_memory(proc_root: &Path) -> Result<OwnMemory, FactError> {
    let path = proc_root.join("self/statm");
    let bytes = match fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) => return Err(FactError::Read { path, error }),
    };
    let Some(statm) = statm::parse(&bytes) else {
        let expected = "memory in pages";
        return Err(FactError::Content { path, expected });
    };
    let anon_pages = statm.resident_pages.saturating_sub(statm.shared_pages);
    Ok(OwnMemory {
        rss_bytes: statm.resident_pages.saturating_mul(page_bytes()),
        anon_bytes: anon_pages.saturating_mul(page_bytes()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine() {
        let proc_root = Path::new("/proc");
        assert_eq!(boot_id(proc_root).unwrap().len(), 36);
        let own = own_memory(proc_root).unwrap();
        assert!(own.anon_bytes > 0 && own.anon_bytes <= own.rss_bytes);
        assert!(page_bytes().is_power_of_two());
    }

    #[test]
    fn what_is_not_there_is_said_with_its_path() {
        let folder = tempfile::tempdir().unwrap();
        let error = boot_id(folder.path()).unwrap_err().to_string();
        assert!(error.contains("sys/kernel/random/boot_id"), "{error}");
        fs::create_dir_all(folder.path().join("sys/kernel/random")).unwrap();
        fs::write(folder.path().join("sys/kernel/random/boot_id"), "rubbish\n").unwrap();
        let error = boot_id(folder.path()).unwrap_err();
        assert!(matches!(error, FactError::Content { .. }), "{error}");
        assert!(own_memory(folder.path()).is_err());
    }
}
