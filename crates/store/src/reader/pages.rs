//! Bytes of a file: only the pages that a question needs, few reads for many of them.

use super::catalog::FileId;
use super::refusal::Refusal;
use super::source::{Group, Source};
use crate::StoreError;
use crate::file_bytes::{FileBytes, Stretch};
use bytes::Bytes;
use parquet::errors::ParquetError;
use parquet::file::page_index::index_reader::decode_offset_index;
use parquet::file::page_index::offset_index::PageLocation;
use parquet::file::reader::{ChunkReader, Length};
use std::collections::HashMap;
use std::fs::File;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

/// A column of a row group up to this size is read whole: a second read would cost more.
const SMALL_CHUNK: usize = 64 << 10;

/// Two pieces of a file closer than this are read as one.
const SMALL_GAP: u64 = 16 << 10;

/// An open file, with the pages that a question needs in memory.
#[derive(Debug)]
pub(super) struct Pages {
    bytes: FileBytes,
    /// By row group and column, where not the whole column is in memory.
    locations: HashMap<(usize, usize), Vec<PageLocation>>,
}

impl Pages {
    /// Opens a file as it was listed.
    pub(super) fn open(path: &Path, id: FileId) -> Result<Self, Refusal> {
        let refused = |error| Refusal::of(StoreError::io("read", path)(error));
        let file = File::open(path).map_err(refused)?;
        if FileId::of(&file.metadata().map_err(refused)?) != id {
            return Err(Refusal::Gone);
        }
        Ok(Self {
            bytes: FileBytes::new(Arc::new(file), id.bytes),
            locations: HashMap::new(),
        })
    }

    /// Opens a file and reads what these rows (rising, disjoint) of these columns take.
    pub(super) fn of_rows(
        source: &Source,
        columns: &[usize],
        rows: &[Range<usize>],
    ) -> Result<Self, Refusal> {
        let mut pages = Self::open(&source.path, source.id)?;
        let mut wanted = Vec::new();
        for (number, group) in source.groups.iter().enumerate() {
            let rows = within(group, rows);
            if rows.is_empty() {
                continue;
            }
            for column in columns {
                pages
                    .plan((number, *column), group, &rows, &mut wanted)
                    .map_err(|error| Refusal::Damaged(error.to_string()))?;
            }
        }
        pages
            .fetch(wanted)
            .map_err(|error| Refusal::of(crate::footer::parquet_error(error, &source.path)))?;
        Ok(pages)
    }

    /// The pages of a column, unless all of them are in memory.
    pub(super) fn locations(&self, group: usize, column: usize) -> Option<Vec<PageLocation>> {
        self.locations.get(&(group, column)).cloned()
    }

    fn plan(
        &mut self,
        key: (usize, usize),
        group: &Group,
        rows: &[Range<usize>],
        wanted: &mut Vec<Range<u64>>,
    ) -> Result<(), ParquetError> {
        let Some(chunk) = group.chunk(key.1) else {
            return Ok(());
        };
        let all = chunk.start..chunk.start.saturating_add(chunk.bytes as u64);
        let count: usize = rows.iter().map(ExactSizeIterator::len).sum();
        let index = chunk
            .index
            .filter(|_| chunk.bytes > SMALL_CHUNK && count.saturating_mul(4) < group.rows);
        let Some((at, length)) = index else {
            wanted.push(all);
            return Ok(());
        };
        let locations = decode_offset_index(&self.get_bytes(at, length)?)?
            .page_locations()
            .clone();
        let first = |location: &PageLocation| {
            usize::try_from(location.first_row_index).unwrap_or(usize::MAX)
        };
        // A dictionary lies before the pages.
        if let Some(page) = locations.first() {
            wanted.push(chunk.start..u64::try_from(page.offset).unwrap_or(chunk.start));
        }
        let mut rows = rows.iter().peekable();
        for (place, page) in locations.iter().enumerate() {
            let end = locations.get(place + 1).map_or(group.rows, first);
            while rows.next_if(|rows| rows.end <= first(page)).is_some() {}
            if rows.peek().is_some_and(|rows| rows.start < end) {
                let start = u64::try_from(page.offset).unwrap_or_default();
                let bytes = u64::try_from(page.compressed_page_size).unwrap_or_default();
                wanted.push(start..start.saturating_add(bytes));
            }
        }
        self.locations.insert(key, locations);
        Ok(())
    }

    fn fetch(&mut self, mut wanted: Vec<Range<u64>>) -> Result<(), ParquetError> {
        wanted.sort_unstable_by_key(|piece| piece.start);
        let mut merged: Vec<Range<u64>> = Vec::new();
        for piece in wanted.into_iter().filter(|piece| !piece.is_empty()) {
            match merged.last_mut() {
                Some(last) if piece.start <= last.end.saturating_add(SMALL_GAP) => {
                    last.end = last.end.max(piece.end);
                }
                _ => merged.push(piece),
            }
        }
        for piece in merged {
            let length = usize::try_from(piece.end - piece.start).unwrap_or(usize::MAX);
            self.bytes.keep(piece.start, length)?;
        }
        Ok(())
    }
}

/// The rows that lie in a group, counted from its first.
pub(super) fn within(group: &Group, rows: &[Range<usize>]) -> Vec<Range<usize>> {
    let all = group.first_row..group.first_row.saturating_add(group.rows);
    let cut = rows
        .iter()
        .map(|rows| rows.start.max(all.start)..rows.end.min(all.end));
    cut.filter(|rows| rows.start < rows.end)
        .map(|rows| rows.start - all.start..rows.end - all.start)
        .collect()
}

impl Length for Pages {
    fn len(&self) -> u64 {
        self.bytes.len()
    }
}

impl ChunkReader for Pages {
    type T = Stretch;

    fn get_read(&self, start: u64) -> Result<Self::T, ParquetError> {
        self.bytes.get_read(start)
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes, ParquetError> {
        self.bytes.get_bytes(start, length)
    }
}
