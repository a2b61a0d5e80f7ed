//! Handing a column's rows to Parquet's writer.

use super::column::{Column, NULL, Values, Words};
use parquet::column::writer::{ColumnWriter, ColumnWriterImpl};
use parquet::data_type::{ByteArrayType, DataType};
use parquet::errors::ParquetError;
use std::ops::Range;

/// Numbers handed over at a time.
const CHUNK: usize = 8192;

/// Their levels where each is known.
const ALL_KNOWN: [i16; CHUNK] = [1; CHUNK];

/// Equal texts handed over at a time: the same slice serves a long run again and again, where a
/// handle for each of its rows would cost more than the rest of the writing.
const SAME: usize = 256;

impl Column {
    /// Hands rows to a column writer.
    pub(super) fn write(
        &self,
        writer: &mut ColumnWriter<'_>,
        nullable: bool,
        rows: Range<usize>,
    ) -> Result<(), ParquetError> {
        let valid = || nullable.then(|| &self.valid[rows.clone()]);
        match (&self.values, writer) {
            (Values::Int(values), ColumnWriter::Int64ColumnWriter(writer)) => {
                numbers(writer, &values[rows.clone()], valid())
            }
            (Values::Float(values), ColumnWriter::DoubleColumnWriter(writer)) => {
                numbers(writer, &values[rows.clone()], valid())
            }
            (Values::Bool(values), ColumnWriter::BoolColumnWriter(writer)) => {
                numbers(writer, &values[rows.clone()], valid())
            }
            (Values::Text { keys, words }, ColumnWriter::ByteArrayColumnWriter(writer)) => {
                texts(writer, (&keys[rows], words), nullable)
            }
            _ => Err(ParquetError::General(
                "another type than the field's".into(),
            )),
        }
    }
}

/// Numbers or booleans; without `valid` the column may not be null.
fn numbers<T: DataType>(
    writer: &mut ColumnWriterImpl<'_, T>,
    values: &[T::T],
    valid: Option<&[bool]>,
) -> Result<(), ParquetError>
where
    T::T: Copy,
{
    let Some(valid) = valid else {
        return writer.write_batch(values, None, None).map(drop);
    };
    for (values, valid) in values.chunks(CHUNK).zip(valid.chunks(CHUNK)) {
        if valid.contains(&false) {
            let levels: Vec<i16> = valid.iter().map(|valid| i16::from(*valid)).collect();
            let known = values.iter().zip(valid).filter(|(_, valid)| **valid);
            let known: Vec<T::T> = known.map(|(value, _)| *value).collect();
            writer.write_batch(&known, Some(&levels), None)?;
        } else {
            writer.write_batch(values, Some(&ALL_KNOWN[..values.len()]), None)?;
        }
    }
    Ok(())
}

fn texts(
    writer: &mut ColumnWriterImpl<'_, ByteArrayType>,
    (keys, words): (&[u32], &Words),
    nullable: bool,
) -> Result<(), ParquetError> {
    let (null, known) = ([0; SAME], [1; SAME]);
    for run in keys.chunk_by(|a, b| a == b) {
        let text = run.first().filter(|key| **key != NULL);
        let text = text.and_then(|key| words.list.get(*key as usize));
        let same = text.map(|text| vec![text.clone(); run.len().min(SAME)]);
        for part in run.chunks(SAME) {
            let rows = part.len();
            match &same {
                Some(same) => {
                    let levels = nullable.then_some(&known[..rows]);
                    writer.write_batch(&same[..rows], levels, None)?;
                }
                None => {
                    writer.write_batch(&[], Some(&null[..rows]), None)?;
                }
            }
        }
    }
    Ok(())
}
