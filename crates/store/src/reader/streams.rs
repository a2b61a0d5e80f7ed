//! The spool as the reader keeps it: every whole tick decoded once, however often it is asked.

use super::columns;
use super::lives::{Life, Lives};
use super::refusal::Gone;
use super::trouble::Trouble;
use crate::StoreError;
use crate::footer::Origin;
use crate::stream::{Columns, SpoolStream, Tail};
use arrow::array::{RecordBatch, TimestampMillisecondArray};
use fgm_model::schema::column;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use ulid::Ulid;

/// Decoded ticks that are kept between two questions: a minute of 2,000 containers.
const MOST_BYTES: usize = 128 << 20;

/// A listed stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Listed {
    pub(super) ulid: Ulid,
    pub(super) path: PathBuf,
}

/// The ticks of one stream.
#[derive(Debug, Clone)]
pub(super) struct Ticks {
    /// Its spool.
    pub(super) ulid: Ulid,
    /// Who wrote them.
    pub(super) origin: Arc<Origin>,
    /// In the order of writing.
    pub(super) batches: Vec<Arc<Tick>>,
}

/// One append: a tick's rows, or some events.
#[derive(Debug)]
pub(super) struct Tick {
    pub(super) rows: RecordBatch,
    pub(super) times: TimestampMillisecondArray,
    /// Whose row each is.
    pub(super) lives: Vec<Life>,
}

#[derive(Debug)]
struct Open {
    stream: SpoolStream,
    origin: Arc<Origin>,
    batches: Vec<Arc<Tick>>,
    bytes: usize,
}

/// The streams that are followed.
#[derive(Debug, Default)]
pub(super) struct Streams {
    open: Mutex<HashMap<PathBuf, Open>>,
}

impl Streams {
    /// The ticks of the streams that count, as far as they are written.
    pub(super) fn read(
        &self,
        streams: &[Listed],
        counts: impl Fn(Ulid, &Origin) -> bool,
        lives: &Lives,
        trouble: &Trouble,
    ) -> Result<Vec<Ticks>, Gone> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let mut all = Vec::with_capacity(streams.len());
        for listed in streams {
            match follow(&mut open, listed, &counts, lives) {
                Ok(None) => {}
                Ok(Some((ticks, tail))) => {
                    if let Tail::Damaged { reason, .. } = tail {
                        trouble.tell(&listed.path, &reason);
                    }
                    all.push(ticks);
                }
                Err(error) if error.is_not_found() => return Err(Gone),
                Err(error) => trouble.tell(&listed.path, &error.to_string()),
            }
        }
        drop_beyond(&mut open, streams);
        Ok(all)
    }
}

fn follow(
    open: &mut HashMap<PathBuf, Open>,
    listed: &Listed,
    counts: &impl Fn(Ulid, &Origin) -> bool,
    lives: &Lives,
) -> Result<Option<(Ticks, Tail)>, StoreError> {
    let path = &listed.path;
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
            origin: Arc::new(stream.origin().clone()),
            stream,
            batches: Vec::new(),
            bytes: 0,
        };
        open.insert(path.clone(), fresh);
    }
    let Some(known) = open.get_mut(path) else {
        return Ok(None);
    };
    if !counts(listed.ulid, &known.origin) {
        return Ok(None);
    }
    while let Some(batch) = known.stream.next_batch()? {
        known.bytes += batch.get_array_memory_size();
        // Rows without times cannot be shown.
        known.batches.extend(tick(batch, lives).map(Arc::new));
    }
    let ticks = Ticks {
        ulid: listed.ulid,
        origin: Arc::clone(&known.origin),
        batches: known.batches.clone(),
    };
    Ok(Some((ticks, known.stream.tail().clone())))
}

fn tick(rows: RecordBatch, lives: &Lives) -> Option<Tick> {
    let times = columns::times(&rows, column::TIME)?;
    let ids = rows.column_by_name(column::CONTAINER_ID).map(AsRef::as_ref);
    let of = rows.column_by_name(column::LIFE).map(AsRef::as_ref);
    let life = |row| {
        lives.number(
            columns::text(ids, row).unwrap_or_default(),
            columns::text(of, row).unwrap_or_default(),
        )
    };
    Some(Tick {
        lives: (0..rows.num_rows()).map(life).collect(),
        times,
        rows,
    })
}

/// Lets go of streams of these tables that no longer count, and of the largest beyond the limit.
fn drop_beyond(open: &mut HashMap<PathBuf, Open>, asked: &[Listed]) {
    open.retain(|path: &PathBuf, _| is_asked(asked, path) || path.exists());
    while open.values().map(|one| one.bytes).sum::<usize>() > MOST_BYTES {
        let largest = open.iter().max_by_key(|(_, one)| one.bytes);
        let Some(path) = largest.map(|(path, _)| path.clone()) else {
            return;
        };
        open.remove(&path);
    }
}

fn is_asked(asked: &[Listed], path: &Path) -> bool {
    asked.iter().any(|listed| listed.path == path)
}
