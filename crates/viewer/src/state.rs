//! What all requests share: the reader, and how much of it may be used at once.

use crate::answers::Answers;
use crate::notes::{NoteError, Notes};
use crate::problem::Problem;
use crate::tail::Ticker;
use crate::telemetry::{Ongoing, Telemetry};
use fgm_store::DataDir;
use fgm_store::reader::Reader;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

/// Reads at once; more wait their turn.
const MOST_READS: usize = 4;
/// How long a request may wait and read.
const DEADLINE: Duration = Duration::from_secs(20);
/// Downloads at once: each reads for as long as its client takes.
const MOST_EXPORTS: usize = 2;
const EXPORT_DEADLINE: Duration = Duration::from_mins(15);

/// Everything a viewer of one data directory needs; clones share it.
#[derive(Debug, Clone)]
pub struct AppState {
    pub(crate) reader: Arc<Reader>,
    pub(crate) answers: Arc<Answers>,
    pub(crate) ticker: Arc<Ticker>,
    pub(crate) dashboards: Option<Arc<Path>>,
    notes: Arc<Mutex<Notes>>,
    pub(crate) closing: watch::Sender<bool>,
    permits: Arc<Semaphore>,
    export_permits: Arc<Semaphore>,
    pub(crate) telemetry: Arc<Telemetry>,
}

impl AppState {
    /// A viewer of that directory, which may be empty or not there yet.
    #[must_use]
    pub fn new(data_dir: impl Into<PathBuf>) -> Self {
        let data_dir = data_dir.into();
        let notes = Notes::new(DataDir::new(&data_dir).notes());
        let reader = Arc::new(Reader::open(data_dir));
        Self {
            dashboards: None,
            notes: Arc::new(Mutex::new(notes)),
            ticker: Arc::new(Ticker::new(Arc::clone(&reader))),
            reader,
            answers: Arc::default(),
            closing: watch::Sender::new(false),
            permits: Arc::new(Semaphore::new(MOST_READS)),
            export_permits: Arc::new(Semaphore::new(MOST_EXPORTS)),
            telemetry: Arc::default(),
        }
    }

    /// A directory of dashboards, beside those built in.
    #[must_use]
    pub fn with_dashboards(mut self, dir: Option<PathBuf>) -> Self {
        self.dashboards = dir.map(Into::into);
        self
    }

    /// The node that the newest data are of, if there are any. Reads the directory.
    #[must_use]
    pub fn node(&self) -> Option<String> {
        self.reader.status().ok()?.node
    }

    /// Reads or writes notes, one at a time.
    pub(crate) async fn notes<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Notes) -> Result<T, NoteError> + Send + 'static,
    ) -> Result<T, Problem> {
        let notes = Arc::clone(&self.notes);
        let done = tokio::task::spawn_blocking(move || {
            let notes = notes.lock().unwrap_or_else(PoisonError::into_inner);
            work(&notes)
        });
        Ok(done.await.map_err(Problem::internal)??)
    }

    /// Reads on a thread that may block, when its turn comes. `work` asks its second argument
    /// whether somebody still waits for the answer.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Reader, &dyn Fn() -> bool) -> Result<T, Problem> + Send + 'static,
    ) -> Result<T, Problem> {
        let deadline = Instant::now() + DEADLINE;
        let permit = Arc::clone(&self.permits).acquire_owned();
        let Ok(Ok(permit)) = tokio::time::timeout(DEADLINE, permit).await else {
            return Err(Problem::too_busy());
        };
        let waiting = Waiting(Arc::new(AtomicBool::new(true)));
        let asked = Arc::clone(&waiting.0);
        let reader = Arc::clone(&self.reader);
        let ongoing = Ongoing::of(&self.telemetry.reads);
        let done = tokio::task::spawn_blocking(move || {
            let _held = (permit, ongoing);
            work(&reader, &|| {
                asked.load(Ordering::Relaxed) && Instant::now() < deadline
            })
        });
        let result = done.await;
        drop(waiting);
        result.unwrap_or_else(|error| Err(Problem::internal(error)))
    }

    /// A turn for a download, which may hold it for long; none is free for a fourth of an hour at
    /// most.
    pub(crate) fn export(&self) -> Result<Export, Problem> {
        let permit = Arc::clone(&self.export_permits)
            .try_acquire_owned()
            .map_err(|_| Problem::too_busy())?;
        Ok(Export {
            reader: Arc::clone(&self.reader),
            deadline: Instant::now() + EXPORT_DEADLINE,
            _permit: permit,
            _ongoing: Ongoing::of(&self.telemetry.exports),
        })
    }
}

/// A download's turn.
#[derive(Debug)]
pub(crate) struct Export {
    pub(crate) reader: Arc<Reader>,
    deadline: Instant,
    _permit: OwnedSemaphorePermit,
    _ongoing: Ongoing,
}

impl Export {
    /// Whether there is time left.
    pub(crate) fn may_go_on(&self) -> bool {
        Instant::now() < self.deadline
    }
}

/// Somebody waits, until this is dropped: a client that went away drops its request.
struct Waiting(Arc<AtomicBool>);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Relaxed);
    }
}
