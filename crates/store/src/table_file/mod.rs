//! A table's Parquet file: columns in memory, written one at a time, read back before the file
//! gets its name (DATA.md section 1).
//!
//! Shared by the seal, the merge and roll-ups, which differ in where their columns come from.
//! A file is made in steps of which each can be the last one before a kill: written below `_tmp`
//! and synced, read back and compared, renamed, its directory synced. Nobody ever sees half a
//! file.

pub(crate) mod column;
mod encode;
pub(crate) mod read;
mod records;
pub(crate) mod verify;
pub(crate) mod write;

use crate::StoreError;
use crate::layout::{DataDir, make_directory, sync_directory};
use fgm_model::{Resolution, Table};
use std::fs;
use std::path::{Path, PathBuf};

/// A point at which a kill may happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// The file lies complete below `_tmp`.
    Written,
    /// It was read back and compared.
    Verified,
    /// It has its name; its directory may not be durable.
    Renamed,
    /// It is durable; what it was made of still lies there.
    Published,
    /// What it was made of, or one of those files, is gone.
    Removed,
}

/// Told of each step; an error stops the work as a kill would.
pub(crate) type Watch<'a> = &'a mut dyn FnMut(Step) -> Result<(), StoreError>;

/// A verified file that waits for its name.
pub(crate) struct Finished<'a> {
    /// Where it was written.
    pub(crate) tmp: &'a Path,
    /// Its table and resolution.
    pub(crate) place: (Table, Resolution),
    /// A time of its hour: which date it belongs to.
    pub(crate) hour_ms: i64,
    /// The name of its `pod=` directory.
    pub(crate) pod: &'a str,
    /// Its name.
    pub(crate) name: crate::layout::FileName,
}

impl Finished<'_> {
    /// Gives the file its name, durably.
    pub(crate) fn publish(&self, dir: &DataDir, watch: Watch<'_>) -> Result<PathBuf, StoreError> {
        let (table, resolution) = self.place;
        let partition = dir.partition_at(table, resolution, self.hour_ms, self.pod)?;
        make_partition(dir, &dir.table_at(table, resolution), &partition)?;
        let path = partition.join(self.name.format()?);
        fs::rename(self.tmp, &path).map_err(StoreError::io("publish", &path))?;
        watch(Step::Renamed)?;
        sync_directory(&partition)?;
        watch(Step::Published)?;
        Ok(path)
    }
}

/// Makes `<table>/dt=/pod=`, with durable names.
fn make_partition(dir: &DataDir, table: &Path, partition: &Path) -> Result<(), StoreError> {
    if partition.is_dir() {
        return Ok(());
    }
    let date = partition.parent().unwrap_or(table);
    for (path, parent) in [(table, dir.root()), (date, table), (partition, date)] {
        make_directory(path)?;
        sync_directory(parent)?;
    }
    Ok(())
}
