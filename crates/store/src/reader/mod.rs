//! Answers from what is stored: which containers there were, their series, what happened.
//!
//! A question is answered from sealed files, roll-ups and the spool alike, so what was recorded
//! a moment ago is in the answer. The way of a question:
//!
//! 1. `catalog` knows the directories by name and reads again only what changed; `window` makes
//!    one consistent look of it, applies the set rule and chooses roll-up or raw rows.
//! 2. `source` keeps of each footer where columns and instances lie; `pages` and `cursor` read
//!    the pages of the asked rows of the asked columns, `feed` a block of instances at a time.
//! 3. `merge` brings the rows of an instance into the order of their key, `eval` makes values
//!    as [`Signal::eval`] defines them, `scan` hands them on and `tally` adds them up.
//!
//! A file that cannot be read is left out, counted and named once; it never fails an answer.

mod buckets;
mod catalog;
mod columns;
mod containers;
mod cursor;
mod error;
mod eval;
mod events;
mod feed;
mod filter;
mod grid;
mod identity;
mod inputs;
mod lives;
mod memory;
mod merge;
mod pages;
mod present;
mod quantile;
mod rank;
mod refusal;
mod rolled;
mod scan;
mod series;
mod source;
mod spooled;
mod status;
mod streams;
mod table;
mod tally;
#[cfg(test)]
mod tests;
mod trouble;
mod window;

pub use buckets::{BucketQuery, BucketSeries};
pub use containers::{Container, InstanceSpan};
pub use error::ReadError;
pub use events::EventRow;
pub use filter::Filter;
pub use grid::{Grid, LADDER_MS};
pub use rank::{RankBy, RankQuery, Ranked, Ranking};
pub use scan::Chunk;
pub use series::SeriesData;
pub use status::Status;
pub use tally::{Buckets, Keep, Percentiles, Summary};
pub use trouble::SkippedFile;

use crate::layout::DataDir;
use fgm_model::{SeriesId, Signal, Table};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

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
    catalog: Mutex<catalog::Catalog>,
    memory: RwLock<Arc<memory::Memory>>,
    trouble: trouble::Trouble,
}

impl Reader {
    /// A reader of that directory, which may be empty or not there yet.
    #[must_use]
    pub fn open(path: impl Into<PathBuf>) -> Self {
        let dir = DataDir::new(path);
        Self {
            catalog: Mutex::new(catalog::Catalog::new(dir.clone())),
            memory: RwLock::default(),
            trouble: trouble::Trouble::default(),
            dir,
        }
    }

    fn catalog(&self) -> MutexGuard<'_, catalog::Catalog> {
        self.catalog.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is remembered; a question keeps to one memory from its beginning to its end.
    fn memory(&self) -> Arc<memory::Memory> {
        let known = self.memory.read().unwrap_or_else(PoisonError::into_inner);
        if known.lives.len() <= memory::MOST_LIVES {
            return Arc::clone(&known);
        }
        drop(known);
        let mut known = self.memory.write().unwrap_or_else(PoisonError::into_inner);
        *known = Arc::default();
        Arc::clone(&known)
    }
}
