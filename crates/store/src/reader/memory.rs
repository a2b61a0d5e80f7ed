//! What the reader remembers between questions; each part is bounded.

use super::catalog::Entry;
use super::events::EventCache;
use super::identity::Book;
use super::lives::Lives;
use super::refusal::{Gone, Refusal};
use super::source::{Schemas, Source};
use super::streams::Streams;
use super::table::guarded;
use super::trouble::Trouble;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Footers that are kept: two months of a busy node.
const MOST_BYTES: usize = 48 << 20;

/// Instances that are remembered, about a kilobyte each; beyond, all is learnt anew.
pub(super) const MOST_LIVES: usize = 200_000;

/// Everything that names instances by their numbers.
#[derive(Debug, Default)]
pub(super) struct Memory {
    pub(super) lives: Lives,
    pub(super) book: Book,
    pub(super) files: Files,
    pub(super) streams: Streams,
    pub(super) events: EventCache,
}

/// The files whose footers are known.
#[derive(Debug, Default)]
pub(super) struct Files {
    schemas: Schemas,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    files: HashMap<PathBuf, Footer>,
    bytes: usize,
    /// Counts questions, to tell who was asked for last.
    now: u64,
}

#[derive(Debug)]
struct Footer {
    entry: Arc<Entry>,
    asked: u64,
    /// Why it cannot be used, when it cannot.
    source: Result<Arc<Source>, String>,
}

impl Files {
    /// What is known of a listed file; `None` when it cannot be used, which is noted.
    pub(super) fn get(
        &self,
        entry: &Arc<Entry>,
        lives: &Lives,
        trouble: &Trouble,
    ) -> Result<Option<Arc<Source>>, Gone> {
        if let Some(known) = self.lock().find(entry) {
            return Ok(known);
        }
        let source = match guarded(|| Source::load(entry, lives, &self.schemas)) {
            Ok(source) => Ok(Arc::new(source)),
            Err(Refusal::Gone) => return Err(Gone),
            Err(Refusal::Unreadable(reason)) => {
                trouble.tell(&entry.path, &reason);
                return Ok(None);
            }
            Err(Refusal::Damaged(reason)) => {
                trouble.tell(&entry.path, &reason);
                Err(reason)
            }
        };
        let found = source.as_ref().ok().cloned();
        self.lock().keep(entry, source);
        Ok(found)
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn find(&mut self, entry: &Entry) -> Option<Option<Arc<Source>>> {
        self.now += 1;
        let known = self.files.get_mut(&entry.path)?;
        known.asked = self.now;
        (known.entry.id == entry.id).then(|| known.source.as_ref().ok().cloned())
    }

    fn keep(&mut self, entry: &Arc<Entry>, source: Result<Arc<Source>, String>) {
        self.remove(&entry.path);
        let footer = Footer {
            entry: Arc::clone(entry),
            asked: self.now,
            source,
        };
        self.bytes += footer.bytes();
        self.files.insert(entry.path.clone(), footer);
        while self.bytes > MOST_BYTES {
            let oldest = self.files.iter().min_by_key(|(_, footer)| footer.asked);
            let Some(path) = oldest.map(|(path, _)| path.clone()) else {
                return;
            };
            self.remove(&path);
        }
    }

    fn remove(&mut self, path: &Path) {
        if let Some(old) = self.files.remove(path) {
            self.bytes = self.bytes.saturating_sub(old.bytes());
        }
    }
}

impl Footer {
    fn bytes(&self) -> usize {
        match &self.source {
            Ok(source) => source.bytes(),
            Err(reason) => 500 + reason.len(),
        }
    }
}
