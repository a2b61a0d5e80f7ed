//! What is stored as a whole, and how fresh it is.

use super::trouble::SkippedFile;
use super::window::clamp;
use super::{ReadError, Reader};
use crate::layout::{hour_of, names_in};
use crate::state::{self, Recording};
use fgm_model::{Resolution, Table};
use std::hash::{DefaultHasher, Hash, Hasher};

/// The state of a data directory.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Status {
    /// The first stored row of `metrics`, milliseconds UTC; `None` while there is none.
    pub first_ms: Option<i64>,
    /// The last one.
    pub last_ms: Option<i64>,
    /// Up to here nothing changes any more but by consolidation and deletion.
    pub sealed_until_ms: Option<i64>,
    /// The newest spooled row; `None` when nothing is in the spool.
    pub live_until_ms: Option<i64>,
    /// Changes whenever published files do.
    pub generation: String,
    /// The tick interval of the newest rows.
    pub interval_ms: Option<i64>,
    /// The node of the newest rows.
    pub node: Option<String>,
    /// Who recorded the newest rows.
    pub recorder: Option<String>,
    /// Bytes of published files and spool streams.
    pub bytes: u64,
    /// Published files.
    pub files: u64,
    /// Files that cannot be used, as far as they were met.
    pub skipped: Vec<SkippedFile>,
    /// Why less is recorded than a person might expect, as the recorder says.
    pub notice: Option<String>,
}

impl Reader {
    /// What is stored.
    ///
    /// # Errors
    /// When the data directory cannot be listed.
    pub fn status(&self) -> Result<Status, ReadError> {
        let memory = self.memory();
        let summary = {
            let mut catalog = self.catalog();
            catalog.refresh_all()?;
            catalog.summary()
        };
        let newest = clamp(summary.span.map_or(0, |(_, last)| last));
        let raw = (Table::Metrics, Resolution::Raw);
        let window = self.window(&memory, raw, (hour_of(newest), newest))?;
        let files = window.hours.iter().flat_map(|hour| &hour.raw);
        let newest = files.max_by_key(|file| file.name.end_ms);
        let mut origin = newest.and_then(|file| file.origin.clone());
        let mut status = Status::default();
        for ticks in &window.ticks {
            for time_ms in ticks.batches.iter().flat_map(|tick| tick.times.values()) {
                // For now the first spooled row; see below.
                let first = status.sealed_until_ms.unwrap_or(i64::MAX);
                status.sealed_until_ms = Some(first.min(*time_ms));
                if status.live_until_ms.is_none_or(|newest| newest < *time_ms) {
                    status.live_until_ms = Some(*time_ms);
                    origin = Some(ticks.origin.as_ref().clone());
                }
            }
            let path = self.dir.stream(ticks.ulid, Table::Metrics);
            status.bytes += path.metadata().map_or(0, |m| m.len());
        }
        if let Some(origin) = origin {
            status.interval_ms = Some(origin.interval_ms);
            status.node = Some(origin.recorder.node);
            status.recorder = Some(origin.recorder.recorder);
        }
        let first_spooled = status.sealed_until_ms;
        let (first, last) = (
            summary.span.map(|(first, _)| first),
            summary.span.map(|(_, last)| last),
        );
        status.sealed_until_ms = first_spooled
            .map(|time_ms| time_ms.saturating_sub(1))
            .or(last)
            .filter(|_| last.is_some());
        status.first_ms = first.into_iter().chain(first_spooled).min();
        status.last_ms = last.into_iter().chain(status.live_until_ms).max();
        status.generation = summary.generation;
        status.bytes += summary.bytes;
        status.files = summary.files;
        status.skipped = self.trouble.list();
        // A recorder that tells nothing, or not yet, has no notice.
        let recording = state::read::<Recording>(&self.dir, state::RECORDING);
        status.notice = recording
            .ok()
            .flatten()
            .and_then(|recording| recording.notice);
        Ok(status)
    }

    /// A number that differs whenever an answer may: cheap enough to be asked ten times a
    /// second.
    ///
    /// # Errors
    /// When the data directory cannot be listed.
    pub fn pulse(&self) -> Result<u64, ReadError> {
        let mut hash = DefaultHasher::new();
        for spool in names_in(&self.dir.spool_root())? {
            for table in Table::ALL {
                let path = self.dir.spool_root().join(&spool).join(table.as_str());
                let length = path.with_extension("arrows").metadata().map(|m| m.len());
                length.unwrap_or_default().hash(&mut hash);
            }
            spool.hash(&mut hash);
        }
        let mut catalog = self.catalog();
        catalog.refresh_all()?;
        catalog.summary().generation.hash(&mut hash);
        Ok(hash.finish())
    }
}
