//! The smallest encoding of a column.
//!
//! "DELTA_BINARY_PACKED for integers, dictionary for labels, floats plain or dictionary; the
//! hourly merge takes per column what is smallest of these" (DATA.md section 1). Which that is
//! depends on the numbers, so it is tried: on the whole of a short column, on samples from all
//! over a long one.

use super::column::{Column, Values};
use super::write::{base_properties, is_key, is_label};
use arrow::datatypes::Field;
use bytes::Bytes;
use fgm_model::Table;
use parquet::basic::Encoding;
use parquet::column::writer::{ColumnCloseResult, get_column_writer};
use parquet::errors::ParquetError;
use parquet::file::properties::{EnabledStatistics, WriterPropertiesPtr};
use parquet::file::writer::{SerializedPageWriter, TrackedWrite};
use parquet::schema::types::ColumnDescPtr;
use std::ops::Range;
use std::sync::Arc;

/// Rows of one sample: about the rows of one container in an hour.
const SAMPLE_ROWS: usize = 4096;
/// Samples of a column.
const SAMPLES: usize = 10;

/// A column as it lies in a file.
pub(super) struct Encoded {
    pub(super) bytes: Bytes,
    pub(super) close: ColumnCloseResult,
}

/// An encoding that every reader knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Candidate {
    Delta,
    Plain,
    /// What does not fit the dictionary is written by the other.
    Dictionary(Encoding),
}

impl Candidate {
    fn properties(self, field: &Field) -> WriterPropertiesPtr {
        let (dictionary, encoding) = match self {
            Self::Delta => (false, Encoding::DELTA_BINARY_PACKED),
            Self::Plain => (false, Encoding::PLAIN),
            Self::Dictionary(rest) => (true, rest),
        };
        let statistics = if is_key(field) {
            EnabledStatistics::Page
        } else {
            EnabledStatistics::None
        };
        let properties = base_properties()
            .set_dictionary_enabled(dictionary)
            .set_encoding(encoding)
            .set_statistics_enabled(statistics);
        Arc::new(properties.build())
    }
}

/// Encodes a column as it becomes smallest.
pub(super) fn smallest(
    column: &Column,
    field: &Field,
    table: Table,
    descriptor: &ColumnDescPtr,
) -> Result<Encoded, ParquetError> {
    let candidates: &[Candidate] = match &column.values {
        Values::Int(_) => &[
            Candidate::Delta,
            Candidate::Dictionary(Encoding::DELTA_BINARY_PACKED),
            Candidate::Plain,
        ],
        Values::Float(_) => &[Candidate::Plain, Candidate::Dictionary(Encoding::PLAIN)],
        Values::Text { .. } if is_label(table, field.name()) => {
            &[Candidate::Dictionary(Encoding::PLAIN)]
        }
        Values::Bool(_) | Values::Text { .. } => &[Candidate::Plain],
    };
    let encode = |candidate: Candidate, ranges: &[Range<usize>]| {
        encode(
            column,
            field,
            descriptor,
            candidate.properties(field),
            ranges,
        )
    };
    let rows = column.rows();
    let all = 0..rows;
    let whole = std::slice::from_ref(&all);
    if let [only] = candidates {
        return encode(*only, whole);
    }
    let is_short = rows <= SAMPLES * SAMPLE_ROWS;
    let samples: Vec<Range<usize>> = (0..SAMPLES)
        .map(|sample| sample * (rows.saturating_sub(SAMPLE_ROWS)) / (SAMPLES - 1))
        .map(|start| start..start + SAMPLE_ROWS)
        .collect();
    let mut best: Option<(Candidate, Encoded)> = None;
    for candidate in candidates {
        let ranges = if is_short { whole } else { &samples };
        let encoded = encode(*candidate, ranges)?;
        let is_smaller = best
            .as_ref()
            .is_none_or(|(_, best)| encoded.bytes.len() < best.bytes.len());
        if is_smaller {
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
