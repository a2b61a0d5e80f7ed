//! Samples as Parquet. What is held is the row group that is being written.

use super::pipe::Pipe;
use super::{OWNER_COLUMNS, Owner, Plan, samples};
use crate::state::Export;
use arrow::array::{ArrayRef, Float64Array, StringDictionaryBuilder, TimestampMillisecondArray};
use arrow::datatypes::{DataType, Field, Int32Type, Schema, SchemaRef, TimeUnit};
use arrow::record_batch::RecordBatch;
use fgm_store::reader::Chunk;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;
use std::io;
use std::sync::Arc;

/// Rows that are handed to the writer at once.
const BATCH_ROWS: usize = 8192;
const GROUP_ROWS: usize = 64 << 10;
const UTC: &str = "UTC";

pub(super) fn write(plan: &Plan, turn: &Export, to: Pipe) -> io::Result<()> {
    let mut batch = Batch::new(plan);
    let level = ZstdLevel::try_new(3).map_err(io::Error::other)?;
    let properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(level))
        .set_max_row_group_row_count(Some(GROUP_ROWS))
        .build();
    let mut writer = ArrowWriter::try_new(to, Arc::clone(&batch.schema), Some(properties))?;
    samples(plan, turn, |owner, chunk| {
        batch.add(owner, chunk)?;
        if batch.times_ms.len() >= BATCH_ROWS {
            writer.write(&batch.take()?)?;
        }
        Ok(())
    })?;
    writer.write(&batch.take()?)?;
    io::Write::flush(&mut writer.into_inner()?)
}

/// Rows that are not written yet.
struct Batch {
    schema: SchemaRef,
    times_ms: Vec<i64>,
    owners: Vec<StringDictionaryBuilder<Int32Type>>,
    values: Vec<Vec<Option<f64>>>,
}

impl Batch {
    fn new(plan: &Plan) -> Self {
        let time = DataType::Timestamp(TimeUnit::Millisecond, Some(UTC.into()));
        let mut fields = vec![Field::new("time", time, false)];
        let texts = OWNER_COLUMNS.iter();
        fields.extend(
            texts.map(|name| Field::new_dictionary(*name, DataType::Int32, DataType::Utf8, false)),
        );
        fields.extend(plan.signals.iter().map(|signal| {
            let info = signal.info();
            let unit = [("unit".to_owned(), info.unit.as_str().to_owned())];
            Field::new(info.id, DataType::Float64, true).with_metadata(unit)
        }));
        Self {
            schema: Arc::new(Schema::new(fields)),
            times_ms: Vec::new(),
            owners: OWNER_COLUMNS.map(|_| StringDictionaryBuilder::new()).into(),
            values: vec![Vec::new(); plan.signals.len()],
        }
    }

    fn add(&mut self, owner: &Owner<'_>, chunk: &Chunk<'_>) -> io::Result<()> {
        let rows = chunk.times_ms.len();
        self.times_ms.extend(chunk.times_ms);
        for (column, text) in self.owners.iter_mut().zip(owner.texts()) {
            column.append_n(text, rows).map_err(io::Error::other)?;
        }
        for (column, values) in self.values.iter_mut().zip(chunk.values) {
            column.extend(
                values
                    .iter()
                    .map(|value| Some(*value).filter(|v| !v.is_nan())),
            );
        }
        Ok(())
    }

    fn take(&mut self) -> io::Result<RecordBatch> {
        let times_ms = std::mem::take(&mut self.times_ms);
        let times = TimestampMillisecondArray::from(times_ms).with_timezone(UTC);
        let mut columns: Vec<ArrayRef> = vec![Arc::new(times)];
        let owners = self.owners.iter_mut();
        columns.extend(owners.map(|column| Arc::new(column.finish()) as ArrayRef));
        for values in &mut self.values {
            columns.push(Arc::new(Float64Array::from(std::mem::take(values))));
        }
        RecordBatch::try_new(Arc::clone(&self.schema), columns).map_err(io::Error::other)
    }
}
