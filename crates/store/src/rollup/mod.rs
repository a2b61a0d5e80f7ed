//! Roll-ups of one hour, made from its merged file (DATA.md section 4).
//!
//! One signal after another: its columns are streamed instance by instance, folded into minutes,
//! those merged into the buckets of each resolution, and written. In memory are the time of each step between rows
//! and one signal's buckets, never a whole raw column.

mod border;
mod fold;
mod frame;
mod summary;
#[cfg(test)]
mod tests;

use crate::StoreError;
use crate::footer::{Footer, InstanceRange};
use crate::layout::create_file;
use crate::listing::FileInfo;
use crate::table_file::column::{Column, Values, rows_of};
use crate::table_file::read::{ColumnStream, Run, TableFile};
use crate::table_file::write::{Encodings, GroupWriter, TableWriter};
use arrow::datatypes::{DataType, Field};
use border::Border;
use fgm_model::rollup::{Rule, roll_up_column, roll_up_schema, signals};
use fgm_model::schema::{column, time_type};
use fgm_model::{Resolution, Signal, Table};
use fold::{Fold, Input};
use frame::{Bucket, Buckets, Frame};
use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;

/// A roll-up to be written.
pub(crate) struct Output {
    /// What its rows stand for.
    pub(crate) resolution: Resolution,
    /// Where to write it.
    pub(crate) tmp: PathBuf,
    /// What it says about itself, but for its instances.
    pub(crate) footer: Footer,
}

/// What was written.
pub(crate) struct Written {
    /// Its rows.
    pub(crate) rows: usize,
    /// A checksum per column.
    pub(crate) checksums: Vec<u64>,
    /// The first and the last bucket; `None` without a row.
    pub(crate) span_ms: Option<(i64, i64)>,
}

/// What roll-ups are made from.
pub(crate) struct RollUps<'a> {
    /// The table.
    pub(crate) table: Table,
    /// The hour's file.
    pub(crate) source: &'a FileInfo,
    /// The files of the hour before: its last rows begin the first rates.
    pub(crate) before: &'a [FileInfo],
    /// Asked before each signal.
    pub(crate) stop: &'a dyn Fn() -> bool,
}

impl RollUps<'_> {
    /// Writes roll-ups of several resolutions in one pass.
    pub(crate) fn write(&self, outputs: &[Output]) -> Result<Vec<Written>, StoreError> {
        let file = TableFile::open(&self.source.path)?;
        let border = Border::read(self.before, &self.source.footer.instances)?;
        let frame = Frame::read(&file, self.source, &border)?;
        let buckets: Vec<Buckets> = outputs
            .iter()
            .map(|output| frame.buckets(output.resolution))
            .collect();
        let files = outputs
            .iter()
            .map(|output| create_file(&output.tmp))
            .collect::<Result<Vec<File>, _>>()?;
        let schema = Arc::new(roll_up_schema(self.table));
        let mut writers = outputs
            .iter()
            .zip(&files)
            .map(|(output, file)| {
                let smallest = Encodings::Smallest;
                TableWriter::new(file, &output.tmp, self.table, Arc::clone(&schema), smallest)
            })
            .collect::<Result<Vec<_>, _>>()?;
        let mut groups = writers
            .iter_mut()
            .map(TableWriter::row_group)
            .collect::<Result<Vec<_>, _>>()?;
        for (buckets, group) in buckets.iter().zip(&mut groups) {
            write_coverage(buckets, group)?;
        }
        self.write_identity(&file, &buckets, &mut groups)?;
        for signal in signals(self.table) {
            if (self.stop)() {
                return Err(StoreError::Stopped);
            }
            let minutes = fold_signal(&file, &frame, &border, signal)?;
            for (buckets, group) in buckets.iter().zip(&mut groups) {
                for column in minutes.merged(buckets).columns(signal) {
                    group.write(&column)?;
                }
            }
        }
        for group in groups {
            group.close()?;
        }
        let mut written = Vec::new();
        for (((writer, output), buckets), file) in
            writers.into_iter().zip(outputs).zip(&buckets).zip(&files)
        {
            let footer = Footer {
                instances: instances(&self.source.footer.instances, buckets),
                ..output.footer.clone()
            };
            let checksums = writer.finish(&footer)?;
            file.sync_all()
                .map_err(StoreError::io("sync", &output.tmp))?;
            let starts = || buckets.list.iter().map(|bucket| bucket.start_ms);
            written.push(Written {
                rows: buckets.list.len(),
                checksums,
                span_ms: starts().min().zip(starts().max()),
            });
        }
        Ok(written)
    }

    /// Who a bucket is of: what its last row says.
    fn write_identity(
        &self,
        file: &TableFile,
        buckets: &[Buckets],
        groups: &mut [GroupWriter<'_, '_>],
    ) -> Result<(), StoreError> {
        let fields = std::iter::once(Field::new(column::LIMITS_KNOWN, DataType::Boolean, true))
            .chain(column::IDENTITY_TEXT.map(|name| Field::new(name, DataType::Utf8, true)))
            .chain([Field::new(column::RESTART_COUNT, DataType::Int64, true)]);
        for field in fields {
            if (self.stop)() {
                return Err(StoreError::Stopped);
            }
            for (buckets, group) in buckets.iter().zip(&mut *groups) {
                group.write(&last_of_each(file, &field, buckets)?)?;
            }
        }
        Ok(())
    }
}

/// The bucket's start, the span of its rows, how many there are, and the time that increases
/// were taken over.
fn write_coverage(buckets: &Buckets, group: &mut GroupWriter<'_, '_>) -> Result<(), StoreError> {
    let count = |bucket: &Bucket| i64::try_from(bucket.rows.len()).unwrap_or(i64::MAX);
    type Value<'a> = &'a dyn Fn(&Bucket) -> i64;
    let columns: [(&str, DataType, Value<'_>); 5] = [
        (column::TIME, time_type(), &|bucket| bucket.start_ms),
        (roll_up_column::FIRST_TIME, time_type(), &|bucket| {
            bucket.first_ms
        }),
        (roll_up_column::LAST_TIME, time_type(), &|bucket| {
            bucket.last_ms
        }),
        (roll_up_column::ROWS, DataType::Int64, &count),
        (
            roll_up_column::INCREASE_TIME_US,
            DataType::Int64,
            &|bucket| bucket.gap_us,
        ),
    ];
    for (name, data_type, value) in columns {
        let mut column = Column::new(&Field::new(name, data_type, true), buckets.list.len());
        if let Values::Int(values) = &mut column.values {
            for (to, bucket) in values.iter_mut().zip(&buckets.list) {
                *to = value(bucket);
            }
        }
        column.valid.fill(true);
        group.write(&column)?;
    }
    Ok(())
}

/// What the last row of each bucket says.
fn last_of_each(file: &TableFile, field: &Field, buckets: &Buckets) -> Result<Column, StoreError> {
    let mut column = Column::new(field, buckets.list.len());
    let last = |(to, bucket): (usize, &Bucket)| Run {
        from: bucket.rows.end.saturating_sub(1),
        to,
        rows: 1,
    };
    let runs: Vec<Run> = buckets.list.iter().enumerate().map(last).collect();
    if let Some(mut stream) = file.column(field.name()) {
        stream.scatter(&mut column, &runs)?;
    }
    Ok(column)
}

/// Streams a signal's columns once, and folds them into minutes.
fn fold_signal(
    file: &TableFile,
    frame: &Frame,
    border: &Border,
    signal: Signal,
) -> Result<Fold, StoreError> {
    let rule = Rule::of(signal);
    let metrics = signal.inputs();
    let mut streams: Vec<Option<ColumnStream<'_>>> = metrics
        .iter()
        .map(|metric| file.column(metric.name()))
        .collect();
    let most = frame
        .instances()
        .map(|range| range.len())
        .max()
        .unwrap_or(0);
    let mut inputs: Vec<Column> = metrics
        .iter()
        .map(|metric| Column::new(&Field::new(metric.name(), DataType::Int64, true), most))
        .collect();
    let mut fold = Fold::new(rule, frame.minutes().list.len());
    for (index, rows) in frame.instances().enumerate() {
        for (stream, input) in streams.iter_mut().zip(&mut inputs) {
            if let Some(stream) = stream {
                stream.skip_to(rows.start)?;
                stream.read(input, 0, rows.len())?;
            }
        }
        let input = Input {
            signal,
            interval_ms: frame.interval_ms(),
            columns: &inputs,
            before: border.values(frame.identity(index), &metrics),
            first_row: rows.start,
        };
        fold.add(frame, &input, index);
    }
    Ok(fold)
}

/// Where each instance's buckets lie.
fn instances(raw: &[InstanceRange], buckets: &Buckets) -> Vec<InstanceRange> {
    raw.iter()
        .zip(&buckets.of_instance)
        .map(|(range, of)| {
            let mut starts = buckets.list[of.clone()]
                .iter()
                .map(|bucket| bucket.start_ms);
            InstanceRange {
                container_id: range.container_id.clone(),
                life: range.life.clone(),
                first_row: of.start as u64,
                rows: of.len() as u64,
                first_ms: starts.clone().next().unwrap_or(range.first_ms),
                last_ms: starts.next_back().unwrap_or(range.last_ms),
            }
        })
        .collect()
}

/// The rows of an instance in its file.
fn raw_rows(range: &InstanceRange) -> std::ops::Range<usize> {
    rows_of(range)
}
