//! Merging files into one: what comes out, and what becomes of what cannot be read.

mod model;
mod story;

use super::*;
use crate::fixture::{Bed, Cell, HOUR, any_ticks, cells, file_rows};
use crate::footer::Footer;
use crate::layout::FileName;
use crate::layout::HOUR_MS;
use crate::listing::FileInfo;
use crate::listing::{Lister, Selection};
use crate::set_rule::Level;
use arrow::array::{Int64Array, RecordBatch};
use arrow::datatypes::{DataType, Field, Schema};
use fgm_model::Table;
use fgm_model::schema::{column, table_schema};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::{ArrowReaderOptions, ParquetRecordBatchReaderBuilder};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::fs::File;
use std::sync::Arc;
use ulid::Ulid;

/// A row by column name, without nulls: files of other versions have other columns.
type Named = BTreeMap<String, Cell>;

fn the_hour(table: Table) -> Hour {
    Hour {
        table,
        recorder: "fgm-7xk2p".into(),
        hour_start_ms: HOUR,
    }
}

fn run(bed: &Bed, table: Table) -> HourReport {
    consolidate(&bed.dir, &the_hour(table), &|| false).unwrap()
}

fn named_rows(path: &Path) -> Vec<Named> {
    let file = File::open(path).unwrap();
    let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
    let reader = ParquetRecordBatchReaderBuilder::try_new_with_options(file, options).unwrap();
    let mut rows = Vec::new();
    for batch in reader.build().unwrap() {
        let batch = batch.unwrap();
        let names: Vec<_> = batch
            .schema()
            .fields()
            .iter()
            .map(|field| field.name().clone())
            .collect();
        rows.extend(cells(&batch).into_iter().map(|row| {
            let pairs = names.iter().cloned().zip(row);
            pairs.filter(|(_, cell)| *cell != Cell::Null).collect()
        }));
    }
    rows
}

/// Writes a segment again as another version would have: without some columns, with another.
fn as_another_version(path: &Path, dropped: usize, has_more: bool) {
    let file = File::open(path).unwrap();
    let builder = ParquetRecordBatchReaderBuilder::try_new(file).unwrap();
    let pairs = builder
        .metadata()
        .file_metadata()
        .key_value_metadata()
        .cloned();
    let batches: Vec<RecordBatch> = builder.build().unwrap().map(Result::unwrap).collect();
    let batch = arrow::compute::concat_batches(&batches[0].schema(), &batches).unwrap();
    let keep = |name: &str| {
        let metric = fgm_model::Metric::from_name(name);
        metric.is_none_or(|metric| dropped == 0 || metric.index() % dropped != 0)
    };
    let (mut fields, mut columns) = (Vec::new(), Vec::new());
    for (field, array) in batch.schema().fields().iter().zip(batch.columns()) {
        if keep(field.name()) {
            fields.push(Arc::clone(field));
            columns.push(Arc::clone(array));
        }
    }
    if has_more {
        fields.push(Arc::new(Field::new(
            "memory_of_tomorrow",
            DataType::Int64,
            true,
        )));
        let numbers = (0..).take(batch.num_rows());
        columns.push(Arc::new(Int64Array::from_iter_values(numbers)));
    }
    let schema = Arc::new(Schema::new(fields));
    let batch = RecordBatch::try_new(Arc::clone(&schema), columns).unwrap();
    let mut writer = ArrowWriter::try_new(File::create(path).unwrap(), schema, None).unwrap();
    writer.write(&batch).unwrap();
    for pair in pairs.into_iter().flatten() {
        if pair.key.starts_with("fgm.") {
            writer.append_key_value_metadata(pair);
        }
    }
    writer.close().unwrap();
}

fn text(row: &Named, name: &str) -> Option<String> {
    match row.get(name) {
        Some(Cell::Text(text)) => Some(text.clone()),
        _ => None,
    }
}

/// sort(concat(segments)): of one key the later file's row, and what an instance's rows do not
/// know taken from its last row that does.
fn naive(files: &[Vec<Named>]) -> Vec<Named> {
    let mut by_key: BTreeMap<_, Named> = BTreeMap::new();
    for row in files.iter().flatten() {
        let key = (
            text(row, column::CONTAINER_ID),
            text(row, column::LIFE),
            row[column::TIME].clone(),
            row.get(column::CLOCK_EPOCH).cloned(),
        );
        by_key.insert(key, row.clone());
    }
    let mut rows: Vec<Named> = by_key.into_values().collect();
    let instance = |row: &Named| (text(row, column::CONTAINER_ID), text(row, column::LIFE));
    for index in (0..rows.len()).rev() {
        for name in crate::table_file::column::COMPLETED {
            let of = instance(&rows[index]);
            let last = rows
                .iter()
                .filter(|row| instance(row) == of)
                .filter_map(|row| row.get(name).cloned())
                .next_back();
            if let (None, Some(last)) = (rows[index].get(name), last) {
                rows[index].insert(name.into(), last);
            }
        }
    }
    rows
}

fn segments(bed: &Bed) -> Vec<Arc<FileInfo>> {
    let mut files: Vec<_> = bed.list().files;
    files.retain(|file| file.table == Table::Metrics);
    files.sort_by_key(|file| file.footer.spools.first().copied());
    files
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// "Catalogue changes merge by name with nulls", "rows sorted by (container_id, life,
    /// time)": merge(segments) == sort(concat(segments)), whatever version wrote them, also
    /// when they overlap.
    #[test]
    fn a_merge_is_the_sorted_concatenation(
        spools in prop::collection::vec((any_ticks(6), 0..4_usize, any::<bool>()), 1..5),
    ) {
        let bed = Bed::new();
        for (ticks, dropped, has_more) in &spools {
            let known: Vec<_> = segments(&bed).iter().map(|file| file.path.clone()).collect();
            bed.segment(ticks);
            for file in segments(&bed) {
                if !known.contains(&file.path) {
                    as_another_version(&file.path, *dropped, *has_more);
                }
            }
        }
        let sources = segments(&bed);
        let expected = naive(&sources.iter().map(|file| named_rows(&file.path)).collect::<Vec<_>>());
        let report = run(&bed, Table::Metrics);
        if sources.is_empty() {
            prop_assert_eq!(report, HourReport::default());
            return Ok(());
        }
        let made = report.merged.unwrap();
        prop_assert_eq!(named_rows(&made.path), expected);
        prop_assert_eq!(report.unlinked, sources.len());
        let after = segments(&bed);
        prop_assert_eq!(after.len(), 1);
        let footer = &after[0].footer;
        prop_assert_eq!(footer.level, Level::Hour);
        let mut spools: Vec<_> = sources.iter().flat_map(|file| file.footer.spools.clone()).collect();
        spools.sort_unstable();
        prop_assert_eq!(&footer.spools, &spools);
        // "the table instance -> row range": every row, under its own instance.
        let rows = named_rows(&after[0].path);
        let mut next = 0;
        for range in &footer.instances {
            prop_assert_eq!(range.first_row, next);
            next += range.rows;
            for row in &rows[crate::table_file::column::rows_of(range)] {
                prop_assert_eq!(&text(row, column::CONTAINER_ID), &range.container_id);
                prop_assert_eq!(&text(row, column::LIFE), &range.life);
            }
        }
        prop_assert_eq!(next, made.rows);
    }
}

/// More spools than files may be open at a time are merged in rounds, to the same end.
#[test]
fn an_hour_of_many_spools_is_merged_in_rounds() {
    let bed = Bed::new();
    let instances = [1, 2].map(crate::fixture::instance);
    let spools = i64::try_from(hour::MOST_SOURCES).unwrap() + 3;
    for number in 0..spools {
        let rows: Vec<_> = instances
            .iter()
            .map(|instance| (instance, number))
            .collect();
        bed.segment(&[crate::fixture::tick_of(HOUR + number * 1000, 0, &rows)]);
    }
    let expected = bed.visible(Table::Metrics);
    let report = run(&bed, Table::Metrics);
    assert_eq!(report.sources, usize::try_from(spools).unwrap());
    assert_eq!(
        file_rows(&report.merged.unwrap().path).len(),
        expected.len()
    );
    assert_eq!(bed.visible(Table::Metrics), expected);
    let left = names_in(&bed.dir.tmp(Role::Consolidator)).unwrap();
    assert!(left.is_empty(), "{left:?}");
}

/// A segment without a row counts like any other: its spool is in the list.
#[test]
fn an_empty_file_is_merged_too() {
    let bed = Bed::new();
    let a = crate::fixture::instance(1);
    bed.segment(&[crate::fixture::tick_of(HOUR, 0, &[(&a, 1)])]);
    let full = segments(&bed)[0].clone();
    let schema = Arc::new(table_schema(Table::Metrics));
    let ulid = Ulid::generate();
    let name = FileName { ulid, ..full.name };
    let path = full.path.with_file_name(name.to_string());
    let mut writer = ArrowWriter::try_new(File::create(path).unwrap(), schema, None).unwrap();
    let footer = Footer {
        spools: vec![ulid],
        instances: Vec::new(),
        ..full.footer.clone()
    };
    for pair in footer.to_key_values().unwrap() {
        writer.append_key_value_metadata(pair);
    }
    writer.close().unwrap();
    let report = run(&bed, Table::Metrics);
    assert_eq!((report.sources, report.merged.unwrap().rows), (2, 1));
    assert!(segments(&bed)[0].footer.spools.contains(&ulid));
    let quiet = run(&bed, Table::Metrics);
    assert_eq!(quiet, HourReport::default(), "nothing is left to do");
}

fn roll_up_files(bed: &Bed, resolution: Resolution) -> Vec<Arc<FileInfo>> {
    Lister::at(bed.dir.clone(), resolution)
        .list(&Selection::all())
        .unwrap()
        .files
}

fn next_hour() -> i64 {
    HOUR + HOUR_MS
}
