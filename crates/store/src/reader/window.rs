//! One consistent look at the files and streams of a span of time.

use super::error::ReadError;
use super::files::Gone;
use super::streams::Ticks;
use super::{Reader, columns};
use crate::layout::{HOUR_MS, hour_of};
use crate::listing::{FileInfo, Lister, Listing, Selection};
use fgm_model::Table;
use fgm_model::schema::column;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Looks at a span until nothing goes away meanwhile: a recorder publishes a few times a minute.
const MOST_ATTEMPTS: usize = 50;

/// Instances in remembered footers, some 200 bytes each.
const MOST_INSTANCES: usize = 200_000;

/// Times that a directory name can carry: the years 0 to 9999.
const EARLIEST_MS: i64 = -62_167_219_200_000;
const LATEST_MS: i64 = 253_402_300_799_999;

/// What counts in the span.
#[derive(Debug)]
pub(super) struct Window {
    /// Files whose rows may lie in the span, oldest first.
    pub(super) files: Vec<Arc<FileInfo>>,
    /// The spool.
    pub(super) ticks: Vec<Ticks>,
}

/// A range as calendars have it.
pub(super) fn clamp(time_ms: i64) -> i64 {
    time_ms.clamp(EARLIEST_MS, LATEST_MS)
}

impl Reader {
    /// Answers from one consistent look, and looks again when a file goes away under it.
    pub(super) fn with_window<T>(
        &self,
        table: Table,
        span: (i64, i64),
        mut answer: impl FnMut(&Window) -> Result<T, Gone>,
    ) -> Result<T, ReadError> {
        for _ in 0..MOST_ATTEMPTS {
            let listing = self.list(table, span)?;
            let Some(ticks) = self.streams.read(&listing.streams, &self.trouble)? else {
                continue;
            };
            let mut files = listing.files;
            files.retain(|file| file.name.start_ms <= span.1 && span.0 <= file.name.end_ms);
            files.sort_by(|a, b| a.name.cmp(&b.name).then_with(|| a.path.cmp(&b.path)));
            if let Ok(done) = answer(&Window { files, ticks }) {
                return Ok(done);
            }
        }
        Err(ReadError::Unsettled)
    }

    fn list(&self, table: Table, span: (i64, i64)) -> Result<Listing, ReadError> {
        let mut lister = self.lister();
        let listing = lister.list(&Selection {
            tables: vec![table],
            range_ms: Some(span),
        })?;
        let listed = listing.files.iter().chain(&listing.superseded_files);
        if listed
            .map(|file| file.footer.instances.len())
            .sum::<usize>()
            > MOST_INSTANCES
        {
            *lister = Lister::new(self.dir.clone());
        }
        drop(lister);
        for skipped in &listing.skipped {
            self.trouble.tell(&skipped.path, &skipped.error.to_string());
        }
        Ok(listing)
    }

    /// The hours of a table that hold rows of the span, in order, as spans of their own.
    pub(super) fn hours(
        &self,
        table: Table,
        span: (i64, i64),
    ) -> Result<Vec<(i64, i64)>, ReadError> {
        // The spool first: what is sealed meanwhile is then among the files.
        let mut hours = self.with_window(table, (span.1, span.1), |window| {
            let times = window.ticks.iter().flat_map(|ticks| &ticks.batches);
            Ok(times
                .filter_map(|batch| columns::times(batch, column::TIME))
                .filter_map(|times| times.values().first().copied())
                .map(hour_of)
                .collect::<BTreeSet<_>>())
        })?;
        let mut stored = self.stored();
        stored.refresh()?;
        hours.extend(stored.hours(table));
        drop(stored);
        Ok(hours
            .into_iter()
            .map(|hour| (hour.max(span.0), (hour + HOUR_MS - 1).min(span.1)))
            .filter(|(from, to)| from <= to)
            .collect())
    }
}
