//! What merged hours and their roll-ups have to be in the end.

use arrow::array::AsArray;
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type};
use fgm_model::schema::column;
use fgm_model::{Resolution, Table};
use fgm_store::DataDir;
use fgm_store::layout::hour_of;
use fgm_store::listing::{FileInfo, Lister, Selection};
use fgm_store::set_rule::Level;
use fgm_stories::stored::RowKey;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fs::File;
use std::path::Path;
use std::sync::Arc;

fn files(dir: &Path, table: Table, resolution: Resolution) -> Vec<Arc<FileInfo>> {
    let listing = Lister::at(DataDir::new(dir), resolution).list(&Selection {
        tables: vec![table],
        range_ms: None,
    });
    let listing = listing.unwrap();
    assert!(listing.skipped.is_empty(), "{:?}", listing.skipped);
    assert!(listing.superseded_files.is_empty());
    listing.files
}

/// The hours of the table `metrics` that are merged.
fn merged_hours(dir: &Path) -> BTreeSet<i64> {
    files(dir, Table::Metrics, Resolution::Raw)
        .iter()
        .filter(|file| file.footer.level == Level::Hour)
        .map(|file| file.hour_ms)
        .collect()
}

/// The rows of those hours that are merged.
pub(crate) fn of_finished_hours(dir: &Path, keys: &HashSet<RowKey>) -> HashSet<RowKey> {
    let hours = merged_hours(dir);
    let is_merged = |key: &&RowKey| hours.contains(&hour_of(key.time_ms));
    keys.iter().filter(is_merged).cloned().collect()
}

/// One file per merged hour of a recorder, and roll-ups that count each row once. Returns how
/// many hours there are.
pub(crate) fn judge(dir: &Path, keys: &HashSet<RowKey>) -> usize {
    let mut hours = 0;
    for table in Table::ALL {
        let mut seen = HashSet::new();
        for file in files(dir, table, Resolution::Raw) {
            if file.footer.level == Level::Hour {
                assert!(
                    seen.insert((file.pod.clone(), file.hour_ms)),
                    "an hour has two files: {file:?}"
                );
                hours += 1;
            }
        }
    }
    let mut expected: BTreeMap<i64, i64> = BTreeMap::new();
    for key in of_finished_hours(dir, keys) {
        *expected.entry(hour_of(key.time_ms)).or_default() += 1;
    }
    for resolution in Resolution::ROLL_UPS {
        let mut counted: BTreeMap<i64, i64> = BTreeMap::new();
        for file in files(dir, Table::Metrics, resolution) {
            *counted.entry(file.hour_ms).or_default() += samples(&file.path);
        }
        assert_eq!(counted, expected, "{resolution:?}");
    }
    hours
}

/// How many rows went into a roll-up.
fn samples(path: &Path) -> i64 {
    let builder = ParquetRecordBatchReaderBuilder::try_new(File::open(path).unwrap()).unwrap();
    let mut samples = 0;
    for batch in builder.build().unwrap() {
        let batch = batch.unwrap();
        assert!(batch.column_by_name(column::TIME).is_some());
        let counts = batch.column_by_name("memory_current__count").unwrap();
        let counts = cast(counts, &DataType::Int64).unwrap();
        samples += counts
            .as_primitive::<Int64Type>()
            .iter()
            .flatten()
            .sum::<i64>();
    }
    samples
}
