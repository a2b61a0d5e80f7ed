//! The spool as the reader keeps it: every whole tick decoded once, however often it is asked.

use super::trouble::Trouble;
use crate::StoreError;
use crate::listing::StreamInfo;
use crate::stream::{Columns, SpoolStream, Tail};
use arrow::array::RecordBatch;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// Decoded ticks that are kept between two questions: a minute of 2,000 containers.
const MOST_BYTES: usize = 128 << 20;

/// The ticks of one stream.
#[derive(Debug, Clone)]
pub(super) struct Ticks {
    /// Who wrote them.
    pub(super) info: Arc<StreamInfo>,
    /// A batch per tick, in the order of writing.
    pub(super) batches: Vec<RecordBatch>,
}

#[derive(Debug)]
struct Open {
    stream: SpoolStream,
    batches: Vec<RecordBatch>,
    bytes: usize,
}

/// The streams that are followed.
#[derive(Debug, Default)]
pub(super) struct Streams {
    open: Mutex<HashMap<PathBuf, Open>>,
}

impl Streams {
    /// The ticks of each stream as far as they are written; `None` when a stream is gone.
    pub(super) fn read(
        &self,
        streams: &[Arc<StreamInfo>],
        trouble: &Trouble,
    ) -> Result<Option<Vec<Ticks>>, StoreError> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let mut all = Vec::with_capacity(streams.len());
        for info in streams {
            match follow(&mut open, &info.path) {
                Ok(None) => {}
                Ok(Some((batches, tail))) => {
                    if let Tail::Damaged { reason, .. } = tail {
                        trouble.tell(&info.path, &reason);
                    }
                    all.push(Ticks {
                        info: Arc::clone(info),
                        batches,
                    });
                }
                Err(error) if error.is_not_found() => return Ok(None),
                Err(error) => trouble.tell(&info.path, &error.to_string()),
            }
        }
        drop_beyond(&mut open, streams);
        Ok(Some(all))
    }
}

fn follow(
    open: &mut HashMap<PathBuf, Open>,
    path: &Path,
) -> Result<Option<(Vec<RecordBatch>, Tail)>, StoreError> {
    // An open descriptor outlives the name: whether the stream still counts is asked each time.
    if let Err(error) = path.metadata() {
        open.remove(path);
        return Err(StoreError::io("read", path)(error));
    }
    if !open.contains_key(path) {
        let Some(stream) = SpoolStream::open(path, Columns::All)? else {
            return Ok(None);
        };
        let fresh = Open {
            stream,
            batches: Vec::new(),
            bytes: 0,
        };
        open.insert(path.to_owned(), fresh);
    }
    let Some(known) = open.get_mut(path) else {
        return Ok(None);
    };
    while let Some(batch) = known.stream.next_batch()? {
        known.bytes += batch.get_array_memory_size();
        known.batches.push(batch);
    }
    Ok(Some((known.batches.clone(), known.stream.tail().clone())))
}

/// Lets go of streams of these tables that no longer count, and of the largest beyond the limit.
fn drop_beyond(open: &mut HashMap<PathBuf, Open>, asked: &[Arc<StreamInfo>]) {
    open.retain(|path, _| asked.iter().any(|info| info.path == *path) || path.exists());
    while open.values().map(|one| one.bytes).sum::<usize>() > MOST_BYTES {
        let largest = open.iter().max_by_key(|(_, one)| one.bytes);
        let Some(path) = largest.map(|(path, _)| path.clone()) else {
            return;
        };
        open.remove(&path);
    }
}
