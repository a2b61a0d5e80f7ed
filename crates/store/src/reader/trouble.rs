//! Files that cannot be used: left out of every answer, counted, named once.

use super::refusal::{Gone, Refusal};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// Names that are kept; beyond that they are only counted.
const MOST_NAMES: usize = 1000;

/// A file that is left out, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SkippedFile {
    /// The file.
    pub path: PathBuf,
    /// Why it cannot be used.
    pub reason: String,
}

/// What has been found so far.
#[derive(Debug, Default)]
pub(super) struct Trouble {
    known: Mutex<BTreeMap<PathBuf, String>>,
}

impl Trouble {
    /// Notes a file, and says so the first time.
    pub(super) fn tell(&self, path: &Path, reason: &str) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.contains_key(path) || known.len() >= MOST_NAMES {
            return;
        }
        tracing::warn!(path = %path.display(), reason, "file left out of all answers");
        known.insert(path.to_owned(), reason.to_owned());
    }

    /// What was read; nothing of a file that cannot be, which is noted.
    pub(super) fn or_nothing<T: Default>(
        &self,
        path: &Path,
        read: Result<T, Refusal>,
    ) -> Result<T, Gone> {
        match read {
            Ok(read) => Ok(read),
            Err(Refusal::Gone) => Err(Gone),
            Err(Refusal::Damaged(reason) | Refusal::Unreadable(reason)) => {
                self.tell(path, &reason);
                Ok(T::default())
            }
        }
    }

    /// The files that are still there.
    pub(super) fn list(&self) -> Vec<SkippedFile> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|path, _| path.exists());
        known
            .iter()
            .map(|(path, reason)| SkippedFile {
                path: path.clone(),
                reason: reason.clone(),
            })
            .collect()
    }
}
