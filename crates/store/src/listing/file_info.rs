//! What a published file says of itself: its name, its footer and its statistics.

use crate::StoreError;
use crate::footer::{Footer, read_metadata};
use crate::layout::{FileName, HOUR_MS, hour_of};
use chrono::{NaiveDate, NaiveTime};
use fgm_model::schema::column;
use fgm_model::{Resolution, Table};
use parquet::file::metadata::{ParquetMetaData, RowGroupMetaData};
use parquet::file::statistics::Statistics;
use std::fs::File;
use std::path::{Path, PathBuf};

/// A published file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileInfo {
    /// Its path.
    pub path: PathBuf,
    /// Its table.
    pub table: Table,
    /// What its rows stand for.
    pub resolution: Resolution,
    /// The date of its `dt=` directory.
    pub date: NaiveDate,
    /// The name of its `pod=` directory.
    pub pod: String,
    /// What its name says.
    pub name: FileName,
    /// Its size.
    pub bytes: u64,
    /// Its rows.
    pub rows: u64,
    /// The start of its hour: of its rows' `time`, for events of `recorded_at`.
    pub hour_ms: i64,
    /// The highest clock epoch of its rows, where it says so.
    pub clock_epoch: Option<i64>,
    /// What it says about itself.
    pub footer: Footer,
}

impl FileInfo {
    /// Reads the footer of the file of that name in a partition.
    ///
    /// # Errors
    /// Tells what the system refused from a file that does not parse, and from a newer format.
    pub fn read(
        path: &Path,
        (table, resolution): (Table, Resolution),
        date: NaiveDate,
        pod: &str,
        name: FileName,
    ) -> Result<Self, StoreError> {
        let file = File::open(path).map_err(StoreError::io("open", path))?;
        let bytes = file.metadata().map_err(StoreError::io("read", path))?.len();
        let metadata = read_metadata(&file, path)?;
        let midnight = date.and_time(NaiveTime::MIN).and_utc().timestamp_millis();
        let first_ms = match table {
            // An event is named by when it happened and lies by when it was recorded.
            Table::Events => column_bound(&metadata, column::RECORDED_AT, Bound::Lowest)
                .unwrap_or_else(|| hour_of(name.end_ms).clamp(midnight, midnight + 23 * HOUR_MS)),
            Table::Metrics | Table::Pods | Table::Node => name.start_ms,
        };
        Ok(Self {
            path: path.to_owned(),
            table,
            resolution,
            date,
            pod: pod.to_owned(),
            name,
            bytes,
            rows: u64::try_from(metadata.file_metadata().num_rows()).unwrap_or_default(),
            hour_ms: hour_of(first_ms),
            clock_epoch: column_bound(&metadata, column::CLOCK_EPOCH, Bound::Highest),
            footer: Footer::of_file(&metadata, path)?,
        })
    }
}

/// Which end of a column's values.
#[derive(Debug, Clone, Copy)]
enum Bound {
    Lowest,
    Highest,
}

/// The lowest or highest value of an integer column, where the statistics tell it.
fn column_bound(metadata: &ParquetMetaData, name: &str, bound: Bound) -> Option<i64> {
    let schema = metadata.file_metadata().schema_descr();
    let index = schema.columns().iter().position(|c| c.name() == name)?;
    let of = |group: &RowGroupMetaData| match (group.column(index).statistics(), bound) {
        (Some(Statistics::Int64(values)), Bound::Lowest) => values.min_opt().copied(),
        (Some(Statistics::Int64(values)), Bound::Highest) => values.max_opt().copied(),
        _ => None,
    };
    let bounds = metadata.row_groups().iter().filter_map(of);
    match bound {
        Bound::Lowest => bounds.min(),
        Bound::Highest => bounds.max(),
    }
}
