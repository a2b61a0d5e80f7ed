//! Rows out of Parquet files: only the columns and row ranges that a question needs.

use super::columns;
use super::trouble::Trouble;
use crate::StoreError;
use crate::footer::{InstanceRange, parquet_error};
use crate::listing::FileInfo;
use arrow::array::RecordBatch;
use fgm_model::schema::column;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder, RowSelection,
};
use parquet::file::metadata::PageIndexPolicy;
use std::collections::{HashMap, VecDeque};
use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::MetadataExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// Footers that are kept, about 100 kB each.
const MOST_FOOTERS: usize = 256;
const BATCH_ROWS: usize = 65_536;

/// A file that was deleted, or replaced, since it was listed: list again.
#[derive(Debug)]
pub(super) struct Gone;

/// The files whose footers are known.
#[derive(Debug, Default)]
pub(super) struct Files {
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    footers: HashMap<PathBuf, (Id, ArrowReaderMetadata)>,
    order: VecDeque<PathBuf>,
}

/// Tells a file from another of the same name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Id {
    inode: u64,
    bytes: u64,
    modified: (i64, i64),
}

enum Stop {
    Gone,
    Bad(String),
}

impl Files {
    /// The rows of `ranges` (sorted, disjoint; `None` for all) with those of the columns that
    /// the file has. A file that cannot be read has none.
    pub(super) fn read(
        &self,
        info: &FileInfo,
        names: &[&str],
        ranges: Option<&[Range<usize>]>,
        trouble: &Trouble,
    ) -> Result<Vec<RecordBatch>, Gone> {
        // The decoders trust their pages; one that lies must not take the process with it.
        let rows = catch_unwind(AssertUnwindSafe(|| self.rows(info, names, ranges)));
        match rows.unwrap_or_else(|_| Err(Stop::Bad("its pages cannot be decoded".into()))) {
            Ok(batches) => Ok(batches),
            Err(Stop::Gone) => Err(Gone),
            Err(Stop::Bad(reason)) => {
                trouble.tell(&info.path, &reason);
                Ok(Vec::new())
            }
        }
    }

    fn rows(
        &self,
        info: &FileInfo,
        names: &[&str],
        ranges: Option<&[Range<usize>]>,
    ) -> Result<Vec<RecordBatch>, Stop> {
        let (file, metadata) = self.open(info)?;
        let bad = |error| Stop::Bad(parquet_error(error, &info.path).to_string());
        let mask = ProjectionMask::columns(metadata.parquet_schema(), names.iter().copied());
        let mut reader = ParquetRecordBatchReaderBuilder::new_with_metadata(file, metadata)
            .with_projection(mask)
            .with_batch_size(BATCH_ROWS);
        if let Some(ranges) = ranges {
            let rows = usize::try_from(info.rows).unwrap_or(usize::MAX);
            reader = reader.with_row_selection(RowSelection::from_consecutive_ranges(
                ranges.iter().cloned(),
                rows,
            ));
        }
        let batches: Result<Vec<_>, _> = reader.build().map_err(bad)?.collect();
        batches.map_err(|error| Stop::Bad(error.to_string()))
    }

    fn open(&self, info: &FileInfo) -> Result<(File, ArrowReaderMetadata), Stop> {
        let refused = |error| {
            let error = StoreError::io("read", &info.path)(error);
            if error.is_not_found() {
                Stop::Gone
            } else {
                Stop::Bad(error.to_string())
            }
        };
        let file = File::open(&info.path).map_err(refused)?;
        let on_disk = file.metadata().map_err(refused)?;
        let id = Id {
            inode: on_disk.ino(),
            bytes: on_disk.len(),
            modified: (on_disk.mtime(), on_disk.mtime_nsec()),
        };
        if id.bytes != info.bytes {
            return Err(Stop::Gone);
        }
        if let Some((known, metadata)) = self.lock().footers.get(&info.path)
            && *known == id
        {
            return Ok((file, metadata.clone()));
        }
        let options = ArrowReaderOptions::new()
            .with_skip_arrow_metadata(true)
            .with_offset_index_policy(PageIndexPolicy::Optional);
        let metadata = ArrowReaderMetadata::load(&file, options)
            .map_err(|error| Stop::Bad(parquet_error(error, &info.path).to_string()))?;
        self.lock().keep(&info.path, id, metadata.clone());
        Ok((file, metadata))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where each instance's rows lie: as the footer tells, else as the rows do.
    pub(super) fn instances(
        &self,
        info: &FileInfo,
        trouble: &Trouble,
    ) -> Result<Arc<[InstanceRange]>, Gone> {
        if is_whole(&info.footer.instances, info.rows) {
            return Ok(info.footer.instances.clone().into());
        }
        let names = [column::CONTAINER_ID, column::LIFE, column::TIME];
        let batches = self.read(info, &names, None, trouble)?;
        Ok(runs(&batches).into())
    }
}

impl Known {
    fn keep(&mut self, path: &Path, id: Id, metadata: ArrowReaderMetadata) {
        let known = self.footers.insert(path.to_owned(), (id, metadata));
        if known.is_none() {
            self.order.push_back(path.to_owned());
        }
        while self.order.len() > MOST_FOOTERS {
            if let Some(oldest) = self.order.pop_front() {
                self.footers.remove(&oldest);
            }
        }
    }
}

/// Whether the list names every row of the file once, in order.
fn is_whole(instances: &[InstanceRange], rows: u64) -> bool {
    let end = instances.iter().try_fold(0_u64, |next, range| {
        (range.first_row == next).then(|| next.saturating_add(range.rows))
    });
    end == Some(rows)
}

/// The adjacent rows of one instance, for a file whose footer does not tell.
fn runs(batches: &[RecordBatch]) -> Vec<InstanceRange> {
    let mut runs: Vec<InstanceRange> = Vec::new();
    let mut next = 0_u64;
    for batch in batches {
        let Some(times) = columns::times(batch, column::TIME) else {
            return Vec::new();
        };
        let ids = columns::any(batch, column::CONTAINER_ID);
        let lives = columns::any(batch, column::LIFE);
        for row in 0..batch.num_rows() {
            let (id, life) = (columns::text(ids, row), columns::text(lives, row));
            let time_ms = times.value(row);
            match runs.last_mut() {
                Some(run) if run.container_id.as_deref() == id && run.life.as_deref() == life => {
                    run.rows += 1;
                    run.first_ms = run.first_ms.min(time_ms);
                    run.last_ms = run.last_ms.max(time_ms);
                }
                _ => runs.push(InstanceRange {
                    container_id: id.map(str::to_owned),
                    life: life.map(str::to_owned),
                    first_row: next,
                    rows: 1,
                    first_ms: time_ms,
                    last_ms: time_ms,
                }),
            }
            next += 1;
        }
    }
    runs
}
