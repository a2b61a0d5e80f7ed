//! The open spool: every tick is in the file before the next one is read.
//!
//! An append is one `write` that ends at a message border, so a kill tears at most the tick in
//! flight. A refused write (full or read-only disk) is cut off again, and the stream stays
//! readable; the next append tries anew.

use crate::StoreError;
use crate::encode::Encoder;
use crate::footer::Origin;
use crate::layout::{DataDir, HOUR_MS, create_file, hour_of, make_directory, names_in};
use fgm_model::{Event, Recorder, Table, Tick};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use ulid::Ulid;

/// An open spool: the ticks of up to a seal interval, all of one hour and one clock epoch.
pub struct Spool {
    dir: DataDir,
    ulid: Ulid,
    origin: Origin,
    hour_ms: Option<i64>,
    streams: [Option<Stream<File>>; Table::ALL.len()],
    rows: u64,
}

/// What a spool held when it was closed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClosedSpool {
    /// The spool.
    pub ulid: Ulid,
    /// The start of its hour; `None` when nothing was appended.
    pub hour_ms: Option<i64>,
    /// Rows and events in it.
    pub rows: u64,
    /// Bytes of its streams.
    pub bytes: u64,
}

impl Spool {
    /// Opens a new spool; a stream's file is made by its first append.
    ///
    /// # Errors
    /// When its directory cannot be made.
    pub fn create(
        dir: &DataDir,
        recorder: &Recorder,
        interval_ms: i64,
    ) -> Result<Self, StoreError> {
        let ulid = Ulid::generate();
        make_directory(&dir.spool_root())?;
        make_directory(&dir.spool(ulid))?;
        Ok(Self {
            dir: dir.clone(),
            ulid,
            origin: Origin::new(recorder.clone(), interval_ms),
            hour_ms: None,
            streams: [const { None }; Table::ALL.len()],
            rows: 0,
        })
    }

    /// Its ULID.
    #[must_use]
    pub fn ulid(&self) -> Ulid {
        self.ulid
    }

    /// Appends a tick of a table and returns the bytes it took; an empty tick takes none.
    ///
    /// # Errors
    /// [`StoreError::OutsideHour`] when a new spool must be opened first; otherwise what the
    /// system refused, in which case the stream holds what it held before.
    pub fn append_tick(&mut self, table: Table, tick: &Tick) -> Result<u64, StoreError> {
        self.append(table, &[tick.time_ms], tick.rows.len(), |encoder| {
            encoder.tick(tick)
        })
    }

    /// Appends events and returns the bytes they took. Their hour is that of `recorded_at`.
    ///
    /// # Errors
    /// As [`Spool::append_tick`].
    pub fn append_events(&mut self, events: &[Event]) -> Result<u64, StoreError> {
        let recorded: Vec<_> = events.iter().map(|event| event.recorded_at_ms).collect();
        self.append(Table::Events, &recorded, events.len(), |encoder| {
            encoder.events(events)
        })
    }

    fn append(
        &mut self,
        table: Table,
        times_ms: &[i64],
        rows: usize,
        encode: impl FnOnce(&mut Encoder) -> Result<(), arrow::error::ArrowError>,
    ) -> Result<u64, StoreError> {
        let (Some(&first_ms), 1..) = (times_ms.first(), rows) else {
            return Ok(0);
        };
        let hour_ms = self.hour_ms.unwrap_or_else(|| hour_of(first_ms));
        if let Some(&time_ms) = times_ms.iter().find(|time| hour_of(**time) != hour_ms) {
            return Err(StoreError::OutsideHour { time_ms, hour_ms });
        }
        let slot = &mut self.streams[table as usize];
        let stream = match slot {
            Some(stream) => stream,
            None => slot.insert(Stream::create(
                self.dir.stream(self.ulid, table),
                table,
                &self.origin,
            )?),
        };
        let bytes = stream.append(encode)?;
        self.hour_ms = Some(hour_ms);
        self.rows += rows as u64;
        Ok(bytes)
    }

    /// Whether a time may be appended.
    #[must_use]
    pub fn accepts(&self, time_ms: i64) -> bool {
        self.hour_ms
            .is_none_or(|hour_ms| (hour_ms..hour_ms.saturating_add(HOUR_MS)).contains(&time_ms))
    }

    /// Closes the streams, which are then ready to be sealed.
    ///
    /// # Errors
    /// When a refused write cannot be cut off: the torn tail is cut when the spool is sealed.
    pub fn close(self) -> Result<ClosedSpool, StoreError> {
        let mut bytes = 0;
        for mut stream in self.streams.into_iter().flatten() {
            stream.cut()?;
            bytes += stream.end;
        }
        Ok(ClosedSpool {
            ulid: self.ulid,
            hour_ms: self.hour_ms,
            rows: self.rows,
            bytes,
        })
    }
}

/// Makes durable what was appended to a spool so far, and the names of its files. It takes
/// milliseconds of waiting, so it is for another thread than the one that appends.
///
/// # Errors
/// The first file that could not be made durable; the others were tried.
pub fn sync(dir: &DataDir, ulid: Ulid) -> Result<(), StoreError> {
    let spool = dir.spool(ulid);
    let streams = names_in(&spool)?.into_iter().map(|name| spool.join(name));
    let mut result = Ok(());
    for path in streams.chain([spool.clone(), dir.spool_root()]) {
        let synced = File::open(&path)
            .and_then(|file| file.sync_data())
            .map_err(StoreError::io("sync", &path));
        result = result.and(synced);
    }
    result
}

/// The part of a file that appending needs, so that tests can refuse it.
trait Sink {
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;
    fn set_len(&self, length: u64) -> io::Result<()>;
}

impl Sink for File {
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        FileExt::write_all_at(self, bytes, offset)
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        Self::set_len(self, length)
    }
}

struct Stream<F> {
    file: F,
    path: PathBuf,
    encoder: Encoder,
    /// Where the last whole message ends.
    end: u64,
    /// Whether a refused write may have left bytes behind `end`.
    torn: bool,
}

impl Stream<File> {
    fn create(path: PathBuf, table: Table, origin: &Origin) -> Result<Self, StoreError> {
        let file = create_file(&path)?;
        Self::over(file, path, table, origin)
    }
}

impl<F: Sink> Stream<F> {
    fn over(file: F, path: PathBuf, table: Table, origin: &Origin) -> Result<Self, StoreError> {
        Ok(Self {
            encoder: Encoder::new(table, origin)
                .map_err(|error| StoreError::encode(&path, error))?,
            file,
            path,
            end: 0,
            torn: false,
        })
    }

    fn append(
        &mut self,
        encode: impl FnOnce(&mut Encoder) -> Result<(), arrow::error::ArrowError>,
    ) -> Result<u64, StoreError> {
        self.cut()?;
        if let Err(error) = encode(&mut self.encoder) {
            self.forget_pending()?;
            return Err(StoreError::encode(&self.path, error));
        }
        let pending = self.encoder.pending();
        let bytes = pending.len() as u64;
        match self.file.write_all_at(pending, self.end) {
            Ok(()) => {
                self.encoder.written();
                self.end += bytes;
                Ok(bytes)
            }
            Err(error) => {
                self.torn = true;
                self.forget_pending()?;
                // A second refusal is not worth a second message: the next append cuts first.
                let _ = self.cut();
                Err(StoreError::io("write", &self.path)(error))
            }
        }
    }

    fn forget_pending(&mut self) -> Result<(), StoreError> {
        self.encoder
            .lost(self.end > 0)
            .map_err(|error| StoreError::encode(&self.path, error))
    }

    /// Cuts off what a refused write left.
    fn cut(&mut self) -> Result<(), StoreError> {
        if self.torn {
            self.file
                .set_len(self.end)
                .map_err(StoreError::io("truncate", &self.path))?;
            self.torn = false;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
