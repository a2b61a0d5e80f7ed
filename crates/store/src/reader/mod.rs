//! Answers from what is stored: which containers there were, their series, what happened.
//!
//! A question is answered from sealed files and from the spool alike, so what was recorded a
//! moment ago is in the answer. The range is read hour by hour (no file spans two), oldest
//! first, and each hour from one consistent listing. Within an hour the rows of an instance are
//! brought into the order of their key, and every value is made by [`Signal::eval`].
//!
//! A file that cannot be read is left out, counted and named once; it never fails an answer.

mod columns;
mod containers;
mod error;
mod events;
mod files;
mod identity;
mod index;
mod rows;
mod scan;
mod series;
mod status;
mod stored;
mod streams;
#[cfg(test)]
mod tests;
mod trouble;
mod window;

pub use containers::{Container, InstanceSpan};
pub use error::ReadError;
pub use events::EventRow;
pub use scan::Chunk;
pub use series::SeriesData;
pub use status::Status;
pub use trouble::SkippedFile;

use crate::layout::DataDir;
use crate::listing::Lister;
use fgm_model::{SeriesId, Signal, Table};
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What series are asked for.
#[derive(Debug, Clone)]
pub struct SeriesQuery {
    /// Of which table.
    pub table: Table,
    /// Which signals, in the order of the answer.
    pub signals: Vec<Signal>,
    /// The first millisecond.
    pub start_ms: i64,
    /// The last millisecond, inclusive.
    pub end_ms: i64,
    /// Only these series; an instance's id from before its name was known counts too.
    pub series: Option<Vec<SeriesId>>,
}

/// Reads one data directory, for any number of threads.
#[derive(Debug)]
pub struct Reader {
    dir: DataDir,
    lister: Mutex<Lister>,
    stored: Mutex<stored::Stored>,
    streams: streams::Streams,
    files: files::Files,
    book: identity::Book,
    trouble: trouble::Trouble,
}

impl Reader {
    /// A reader of that directory, which may be empty or not there yet.
    #[must_use]
    pub fn open(path: impl Into<PathBuf>) -> Self {
        let dir = DataDir::new(path);
        Self {
            lister: Mutex::new(Lister::new(dir.clone())),
            stored: Mutex::new(stored::Stored::new(dir.clone())),
            streams: streams::Streams::default(),
            files: files::Files::default(),
            book: identity::Book::default(),
            trouble: trouble::Trouble::default(),
            dir,
        }
    }

    fn lister(&self) -> MutexGuard<'_, Lister> {
        self.lister.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn stored(&self) -> MutexGuard<'_, stored::Stored> {
        self.stored.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
