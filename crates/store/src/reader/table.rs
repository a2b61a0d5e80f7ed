//! Rows with their texts, by the Arrow reader: identities and events. Numbers of many rows go
//! the shorter way of `cursor`.

use super::columns::{text, times};
use super::lives::Lives;
use super::pages::Pages;
use super::refusal::{Gone, Refusal};
use super::source::{Source, Span};
use super::trouble::Trouble;
use arrow::array::RecordBatch;
use fgm_model::schema::column;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder, RowSelection,
};
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};

const BATCH_ROWS: usize = 65_536;

/// The rows of `ranges` (rising, disjoint; `None` for all) with those of the columns that the
/// file has. A file that cannot be read has none.
pub(super) fn rows(
    source: &Source,
    names: &[&str],
    ranges: Option<&[Range<usize>]>,
    trouble: &Trouble,
) -> Result<Vec<RecordBatch>, Gone> {
    let read = guarded(|| {
        let places: Vec<_> = names
            .iter()
            .filter_map(|name| source.schema.place(name))
            .collect();
        // Texts are dictionaries, which are read whole anyway.
        let all = 0..source.rows;
        let pages = Pages::of_rows(source, &places, std::slice::from_ref(&all))?;
        let selection = ranges.map(|ranges| {
            RowSelection::from_consecutive_ranges(ranges.iter().cloned(), source.rows)
        });
        batches(pages, names, selection).map_err(Refusal::Damaged)
    });
    trouble.or_nothing(&source.path, read)
}

/// Runs a decoder: they trust their pages, and one that lies must not take the process with it.
pub(super) fn guarded<T>(decode: impl FnOnce() -> Result<T, Refusal>) -> Result<T, Refusal> {
    catch_unwind(AssertUnwindSafe(decode))
        .unwrap_or_else(|_| Err(Refusal::Damaged("its pages cannot be decoded".into())))
}

/// The adjacent rows of one instance each, for a file whose footer does not tell.
pub(super) fn runs(pages: Pages, lives: &Lives) -> Result<Vec<Span>, String> {
    let mut runs: Vec<Span> = Vec::new();
    let mut next = 0;
    let names = [column::CONTAINER_ID, column::LIFE, column::TIME];
    for batch in batches(pages, &names, None)? {
        let Some(times) = times(&batch, column::TIME) else {
            return Err("it has no column time of milliseconds".into());
        };
        let ids = batch
            .column_by_name(column::CONTAINER_ID)
            .map(AsRef::as_ref);
        let of = batch.column_by_name(column::LIFE).map(AsRef::as_ref);
        for row in 0..batch.num_rows() {
            let life = lives.number(
                text(ids, row).unwrap_or_default(),
                text(of, row).unwrap_or_default(),
            );
            let time_ms = times.value(row);
            match runs.last_mut() {
                Some(run) if run.life == life => {
                    run.rows += 1;
                    run.first_ms = run.first_ms.min(time_ms);
                    run.last_ms = run.last_ms.max(time_ms);
                }
                _ => runs.push(Span {
                    life,
                    first_row: next,
                    rows: 1,
                    first_ms: time_ms,
                    last_ms: time_ms,
                }),
            }
            next += 1;
        }
    }
    Ok(runs)
}

fn batches(
    pages: Pages,
    names: &[&str],
    selection: Option<RowSelection>,
) -> Result<Vec<RecordBatch>, String> {
    // The Arrow schema that some writers embed is not needed, and one more thing to be wrong.
    let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
    let text = |error: parquet::errors::ParquetError| error.to_string();
    let metadata = ArrowReaderMetadata::load(&pages, options).map_err(text)?;
    let mask = ProjectionMask::columns(metadata.parquet_schema(), names.iter().copied());
    let mut reader = ParquetRecordBatchReaderBuilder::new_with_metadata(pages, metadata)
        .with_projection(mask)
        .with_batch_size(BATCH_ROWS);
    if let Some(selection) = selection {
        reader = reader.with_row_selection(selection);
    }
    let batches: Result<Vec<_>, _> = reader.build().map_err(text)?.collect();
    batches.map_err(|error| error.to_string())
}
