//! The best encoding of a column: the smallest, unless a little more is read much faster.
//!
//! "DELTA_BINARY_PACKED for integers, dictionary for labels, floats plain or dictionary; the
//! hourly merge takes per column what is smallest of these" (DATA.md section 1). Which that is
//! depends on the numbers, so it is tried: on the whole of a short column, on samples from all
//! over a long one. Packed differences are mostly noise, which zstd makes little smaller than LZ4
//! does, and decodes at a fraction of its speed: half of a query. Of a short column, as a week
//! has hundreds, the making of a zstd decoder costs more than all the rest: its numbers are LZ4.

use super::column::{Column, Values};
use super::write::{base_properties, is_key, is_label};
use arrow::datatypes::Field;
use bytes::Bytes;
use fgm_model::Table;
use parquet::basic::{Compression, Encoding};
use parquet::column::writer::{ColumnCloseResult, get_column_writer};
use parquet::errors::ParquetError;
use parquet::file::properties::{EnabledStatistics, WriterPropertiesPtr};
use parquet::file::writer::{SerializedPageWriter, TrackedWrite};
use parquet::schema::types::ColumnDescPtr;
use std::ops::Range;
use std::sync::Arc;

/// Rows of one sample at most: about the rows of one container in an hour.
const SAMPLE_ROWS: usize = 4096;
/// Samples of a column.
const SAMPLES: usize = 10;
/// The part of a column that its samples are at most: four trials then cost half an encoding.
const SAMPLED_PART: usize = 8;

/// What nearly every look at a container asks for: its speed is worth more bytes.
const ASKED_MOST: &str = "memory_current";

/// A column as it lies in a file.
pub(super) struct Encoded {
    pub(super) bytes: Bytes,
    pub(super) close: ColumnCloseResult,
}

/// An encoding that every reader knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Delta,
    Plain,
    /// What does not fit the dictionary is written by the other.
    Dictionary(Encoding),
}

/// How pages are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Codec {
    Zstd,
    /// Not as small, and read much faster.
    Lz4,
}

/// A way to store a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Candidate(Form, Codec);

impl Candidate {
    fn properties(self, field: &Field) -> WriterPropertiesPtr {
        let Self(form, codec) = self;
        let (dictionary, encoding) = match form {
            Form::Delta => (false, Encoding::DELTA_BINARY_PACKED),
            Form::Plain => (false, Encoding::PLAIN),
            Form::Dictionary(rest) => (true, rest),
        };
        let statistics = if is_key(field) {
            EnabledStatistics::Page
        } else {
            EnabledStatistics::None
        };
        let mut properties = base_properties()
            .set_dictionary_enabled(dictionary)
            .set_encoding(encoding)
            .set_statistics_enabled(statistics);
        if codec == Codec::Lz4 {
            properties = properties.set_compression(Compression::LZ4_RAW);
        }
        Arc::new(properties.build())
    }

    /// What so many bytes cost, against as many of the others.
    fn cost(self, bytes: usize, field: &Field) -> usize {
        match self.1 {
            Codec::Lz4 if field.name() == ASKED_MOST => bytes * 2,
            Codec::Lz4 => bytes * 4,
            Codec::Zstd => bytes * 5,
        }
    }
}

/// Whether a column is tried whole: one of a ten-minute roll-up, or of a node's own table.
const fn is_short(rows: usize) -> bool {
    rows <= SAMPLE_ROWS
}

/// In which ways a column may be stored; more than one are tried.
fn candidates(column: &Column, field: &Field, table: Table) -> Vec<Candidate> {
    let is_short = is_short(column.rows());
    let codec = if is_short { Codec::Lz4 } else { Codec::Zstd };
    let (delta, plain) = (Form::Delta, Form::Plain);
    let repeated = Form::Dictionary(Encoding::PLAIN);
    match &column.values {
        Values::Int(values) if column.is_uniform(values) => vec![Candidate(delta, Codec::Lz4)],
        Values::Float(values) if column.is_uniform(values) => vec![Candidate(repeated, codec)],
        Values::Int(_) => {
            let mut ways = vec![
                Candidate(delta, Codec::Lz4),
                Candidate(Form::Dictionary(Encoding::DELTA_BINARY_PACKED), codec),
                Candidate(plain, codec),
            ];
            if !is_short {
                ways.insert(0, Candidate(delta, Codec::Zstd));
            }
            ways
        }
        Values::Float(_) => vec![Candidate(plain, codec), Candidate(repeated, codec)],
        Values::Text { .. } if is_label(table, field.name()) => {
            vec![Candidate(repeated, Codec::Zstd)]
        }
        Values::Text { .. } => vec![Candidate(plain, Codec::Zstd)],
        Values::Bool(_) => vec![Candidate(plain, codec)],
    }
}

/// Encodes a column as it costs least.
pub(super) fn best(
    column: &Column,
    field: &Field,
    table: Table,
    descriptor: &ColumnDescPtr,
) -> Result<Encoded, ParquetError> {
    let rows = column.rows();
    let candidates = candidates(column, field, table);
    let encode = |candidate: Candidate, ranges: &[Range<usize>]| {
        encode(
            column,
            field,
            descriptor,
            candidate.properties(field),
            ranges,
        )
    };
    let all = 0..rows;
    let whole = std::slice::from_ref(&all);
    if let [only] = candidates.as_slice() {
        return encode(*only, whole);
    }
    let sample_rows = SAMPLE_ROWS.min(rows / (SAMPLES * SAMPLED_PART));
    let samples: Vec<Range<usize>> = (0..SAMPLES)
        .map(|sample| sample * (rows - sample_rows) / (SAMPLES - 1))
        .map(|start| start..start + sample_rows)
        .collect();
    let mut best: Option<(Candidate, Encoded)> = None;
    let is_short = is_short(rows);
    for candidate in &candidates {
        let ranges = if is_short { whole } else { &samples };
        let encoded = encode(*candidate, ranges)?;
        let cost =
            |candidate: Candidate, encoded: &Encoded| candidate.cost(encoded.bytes.len(), field);
        let is_better = best
            .as_ref()
            .is_none_or(|(of, best)| cost(*candidate, &encoded) < cost(*of, best));
        if is_better {
            best = Some((*candidate, encoded));
        }
    }
    match best {
        Some((_, encoded)) if is_short => Ok(encoded),
        Some((candidate, _)) => encode(candidate, whole),
        None => Err(ParquetError::General("no encoding for this type".into())),
    }
}

fn encode(
    column: &Column,
    field: &Field,
    descriptor: &ColumnDescPtr,
    properties: WriterPropertiesPtr,
    ranges: &[Range<usize>],
) -> Result<Encoded, ParquetError> {
    let mut sink = TrackedWrite::new(Vec::new());
    let pages = Box::new(SerializedPageWriter::new(&mut sink));
    let mut writer = get_column_writer(Arc::clone(descriptor), properties, pages);
    for rows in ranges {
        column.write(&mut writer, field.is_nullable(), rows.clone())?;
    }
    let close = writer.close()?;
    Ok(Encoded {
        bytes: sink.into_inner()?.into(),
        close,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::datatypes::{DataType, Schema};
    use parquet::arrow::ArrowSchemaConverter;

    fn compression(name: &str, rows: usize, value: impl Fn(u64) -> u64) -> Compression {
        let field = Field::new(name, DataType::Int64, true);
        let schema = Schema::new(vec![field.clone()]);
        let schema = ArrowSchemaConverter::new().convert(&schema).unwrap();
        let mut column = Column::new(&field, rows);
        column.valid.fill(true);
        if let Values::Int(values) = &mut column.values {
            for (row, to) in (0..).zip(values) {
                *to = value(row).cast_signed();
            }
        }
        let encoded = best(&column, &field, Table::Metrics, &schema.column(0)).unwrap();
        encoded.close.metadata.compression()
    }

    const LONG: usize = 100_000;

    #[test]
    fn a_short_column_needs_no_zstd() {
        let pages = |row| (noise(row) % 7) << 12;
        for rows in [0, 1, SAMPLE_ROWS] {
            let found = compression("memory_anon", rows, pages);
            assert_eq!(found, Compression::LZ4_RAW, "{rows}");
        }
    }

    #[test]
    fn what_never_changes_needs_no_trial() {
        assert_eq!(
            compression("memory_anon", LONG, |_| 4096),
            Compression::LZ4_RAW
        );
        let field = Field::new("nothing", DataType::Int64, true);
        let mut column = Column::new(&field, 3);
        assert!(column.is_uniform(&[0; 3]));
        column.valid[1] = true;
        assert!(!column.is_uniform(&[0; 3]));
    }

    fn noise(row: u64) -> u64 {
        let mixed = (row + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        (mixed ^ (mixed >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 44
    }

    #[test]
    fn what_zstd_makes_hardly_smaller_is_read_fast() {
        assert_eq!(compression("io_rchar", LONG, noise), Compression::LZ4_RAW);
        // Whole pages that come and go: the bits are few, and never where LZ4 would see them.
        let pages = |row| (noise(row) % 7 + noise(row / 9) % 900) << 12;
        let zstd = compression("memory_anon", LONG, pages);
        assert!(matches!(zstd, Compression::ZSTD(_)), "{zstd}");
        assert_eq!(compression(ASKED_MOST, LONG, pages), Compression::LZ4_RAW);
    }
}
