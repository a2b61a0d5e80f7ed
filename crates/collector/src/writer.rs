//! The writer thread: every batch goes to the spool at once, and a closed spool to the keeper.
//!
//! The tick thread never touches the disk; it hands batches over a short queue. A disk that
//! stalls fills the queue, then the tick thread waits and the grid shows missed ticks. A disk
//! that refuses (full, read-only) costs the rows of that tick, which are counted.

use crate::health::Health;
use crate::keeper::ToKeeper;
use crate::report::Repeated;
use crate::tables::Tables;
use fgm_model::{Event, Recorder, Table, Tick};
use fgm_store::rotation::{Decision, Rotation};
use fgm_store::state::{self, Clock};
use fgm_store::{DataDir, Spool, StoreError};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender};

/// What one tick hands to the writer.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    pub(crate) tables: Tables,
    pub(crate) events: Vec<Event>,
}

/// What the writer needs to know of the recording.
pub(crate) struct Writer {
    pub(crate) dir: DataDir,
    pub(crate) recorder: Recorder,
    pub(crate) interval_ms: i64,
    /// The clock epoch that is known on disk.
    pub(crate) clock_epoch: i64,
    pub(crate) rotation: Rotation,
    pub(crate) spool: Option<Spool>,
    pub(crate) health: Arc<Health>,
    pub(crate) keeper: Sender<ToKeeper>,
    /// Set by the keeper while the file system has too little free space.
    pub(crate) no_space: Arc<AtomicBool>,
    pub(crate) trouble: Repeated,
}

impl Writer {
    /// Writes batches until the sending side is gone, then closes the spool.
    ///
    /// Batches go back by `used`, so that their memory serves the next tick.
    pub(crate) fn run(mut self, batches: &Receiver<Batch>, used: &Sender<Batch>) {
        for batch in batches {
            self.write(&batch);
            // The tick thread may be gone already: then nobody needs the memory.
            let _ = used.send(batch);
        }
        self.close_spool();
    }

    fn write(&mut self, batch: &Batch) {
        if self.no_space.load(Ordering::Relaxed) {
            self.lost(
                rows_of(batch),
                "the file system has less free space than --min-free-disk",
            );
            return;
        }
        let mut left = rows_of(batch);
        match self.try_write(batch, &mut left) {
            Ok(()) => {
                if let Some(rows) = self.trouble.over() {
                    tracing::info!(rows_lost = rows, "recording again");
                }
                self.health.set_recording(true);
            }
            Err(error) => self.lost(left, &error.to_string()),
        }
    }

    /// `left` counts down the rows that are not in the spool yet.
    fn try_write(&mut self, batch: &Batch, left: &mut u64) -> Result<(), StoreError> {
        let Tick {
            time_ms,
            clock_epoch,
            ..
        } = batch.tables.metrics;
        if let Decision::Rotate(_) = self.rotation.decide(time_ms, clock_epoch) {
            self.close_spool();
        }
        if clock_epoch != self.clock_epoch {
            state::write(&self.dir, state::CLOCK, &Clock { clock_epoch })?;
            self.clock_epoch = clock_epoch;
        }
        let spool = match &mut self.spool {
            Some(spool) => spool,
            None => {
                let spool = Spool::create(&self.dir, &self.recorder, self.interval_ms)?;
                let _ = self.keeper.send(ToKeeper::Opened(spool.ulid()));
                self.spool.insert(spool)
            }
        };
        // The events first: a counter that moved is not stored before what it tells, so that a
        // kill in between tells it again instead of never.
        if !batch.events.is_empty() {
            let bytes = spool.append_events(&batch.events)?;
            let rows = u64::try_from(batch.events.len()).unwrap_or(u64::MAX);
            self.health.spool_bytes.inc_by(bytes);
            self.health.add_rows(Table::Events.as_str(), rows);
        }
        for (table, tick) in batch.tables.all() {
            let bytes = spool.append_tick(table, tick)?;
            let rows = count(tick);
            *left -= rows;
            self.health.spool_bytes.inc_by(bytes);
            self.health.add_rows(table.as_str(), rows);
        }
        Ok(())
    }

    fn lost(&mut self, rows: u64, reason: &str) {
        self.health.rows_lost.inc_by(rows);
        self.health.set_recording(false);
        if self.trouble.again(rows) {
            tracing::error!("rows are lost: {reason}");
        }
    }

    fn close_spool(&mut self) {
        let Some(spool) = self.spool.take() else {
            return;
        };
        let ulid = spool.ulid();
        // What was appended lies in the file all the same; sealing reads it from there.
        if let Err(error) = spool.close()
            && !self.trouble.lasts()
        {
            tracing::error!("{error}");
        }
        let _ = self.keeper.send(ToKeeper::Closed(ulid));
    }
}

fn count(tick: &Tick) -> u64 {
    u64::try_from(tick.rows.len()).unwrap_or(u64::MAX)
}

fn rows_of(batch: &Batch) -> u64 {
    batch.tables.all().map(|(_, tick)| count(tick)).iter().sum()
}
