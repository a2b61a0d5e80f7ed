//! Reading a file back before it is published: does it hold what was meant to be written?

use crate::StoreError;
use crate::footer::parquet_error;
use crate::table_file::read::TableFile;
use crate::table_file::write::hash;
use arrow::array::{Array, AsArray};
use arrow::datatypes::DataType as ArrowType;
use parquet::column::reader::{ColumnReader, ColumnReaderImpl};
use parquet::data_type::{BoolType, DataType, DoubleType, Int64Type};
use parquet::errors::ParquetError;
use std::fs;
use std::path::Path;

/// Records decoded at a time.
const CHUNK: usize = 8192;

/// A checksum over a column's values and nulls, in order. It guards against a wrong encoding
/// or a bad disk, not against malice, and costs a nanosecond per value: in turn it is taken
/// into one of four, which need not wait for each other.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Checksum {
    lanes: [u64; 4],
    count: u64,
}

const FACTOR: u64 = 0x517c_c1b7_2722_0a95;

impl Checksum {
    pub(crate) const fn add(&mut self, value: u64) {
        let lane = &mut self.lanes[(self.count % 4) as usize];
        *lane = mix(*lane, value);
        self.count += 1;
    }

    /// Adds many: the four then stay in registers.
    pub(crate) fn add_all<T>(&mut self, values: &[T], hash: impl Fn(&T) -> u64) {
        let begun = (4 - self.count % 4) % 4;
        let (begun, rest) = values.split_at(values.len().min(begun as usize));
        begun.iter().for_each(|value| self.add(hash(value)));
        let whole = rest.chunks_exact(4);
        let left = whole.remainder();
        let mut lanes = self.lanes;
        for four in whole {
            for (lane, value) in lanes.iter_mut().zip(four) {
                *lane = mix(*lane, hash(value));
            }
        }
        self.lanes = lanes;
        self.count += (rest.len() - left.len()) as u64;
        left.iter().for_each(|value| self.add(hash(value)));
    }

    pub(crate) const fn add_null(&mut self) {
        self.add(NULL_VALUE);
        // A null is no value that happens to be the same.
        self.count += 1;
    }

    pub(crate) fn finish(self) -> u64 {
        let lanes = self.lanes.into_iter();
        lanes.chain([self.count]).fold(0, mix)
    }
}

const NULL_VALUE: u64 = 0x9e37_79b9_7f4a_7c15;

const fn mix(sum: u64, value: u64) -> u64 {
    (sum.rotate_left(5) ^ value).wrapping_mul(FACTOR)
}

/// A text as the checksum takes it.
pub(crate) fn text_hash(text: &[u8]) -> u64 {
    text.chunks(8).fold(text.len() as u64, |sum, chunk| {
        let mut word = [0; 8];
        word[..chunk.len()].copy_from_slice(chunk);
        mix(sum, u64::from_le_bytes(word))
    })
}

/// Compares a file with what was meant to be written, and returns its size.
pub(crate) fn verify(path: &Path, rows: usize, checksums: &[u64]) -> Result<u64, StoreError> {
    let differs = |what: String| StoreError::Verify {
        path: path.to_owned(),
        what,
    };
    // A file that cannot be read back is one that differs; only a refusal is passed on.
    let unreadable = |error| match error {
        StoreError::Parse { reason, .. } => differs(reason),
        other => other,
    };
    let metadata = fs::metadata(path).map_err(StoreError::io("read", path))?;
    let file = TableFile::open(path).map_err(unreadable)?;
    if file.rows() != rows {
        return Err(differs(format!("{} rows in place of {rows}", file.rows())));
    }
    let columns = file.schema().fields();
    if columns.len() != checksums.len() {
        return Err(differs(format!("{} columns", columns.len())));
    }
    for (index, (meant, column)) in checksums.iter().zip(columns).enumerate() {
        let found = match column.data_type() {
            ArrowType::Utf8 => text_checksum(&file, index),
            _ => column_checksum(&file, index).map_err(|error| parquet_error(error, path)),
        };
        let found = found.map_err(unreadable)?;
        if found != *meant {
            return Err(differs(format!("column {}", column.name())));
        }
    }
    Ok(metadata.len())
}

fn text_checksum(file: &TableFile, index: usize) -> Result<u64, StoreError> {
    let mut sum = Checksum::default();
    let all = std::iter::once(0..file.rows());
    file.texts(index, all, |texts| {
        let words = texts.values().as_string::<i32>();
        let hashes: Vec<u64> = (0..words.len())
            .map(|word| text_hash(words.value(word).as_bytes()))
            .collect();
        for row in 0..texts.len() {
            match texts.key(row) {
                Some(key) => sum.add(hashes[key]),
                None => sum.add_null(),
            }
        }
        Ok(())
    })?;
    Ok(sum.finish())
}

/// The checksum of a column over all row groups.
fn column_checksum(file: &TableFile, index: usize) -> Result<u64, ParquetError> {
    let mut sum = Checksum::default();
    for reader in (0..).map_while(|group| file.group(group, index)) {
        match reader? {
            ColumnReader::BoolColumnReader(column) => {
                checksum::<BoolType>(&mut sum, column, |value| u64::from(*value))?;
            }
            ColumnReader::Int64ColumnReader(column) => {
                checksum::<Int64Type>(&mut sum, column, |value| hash(*value))?;
            }
            ColumnReader::DoubleColumnReader(column) => {
                checksum::<DoubleType>(&mut sum, column, |value| value.to_bits())?;
            }
            _ => return Err(ParquetError::General("a type that no table has".into())),
        }
    }
    Ok(sum.finish())
}

fn checksum<T: DataType>(
    sum: &mut Checksum,
    mut column: ColumnReaderImpl<T>,
    hash: impl Fn(&T::T) -> u64,
) -> Result<(), ParquetError> {
    let (mut levels, mut values) = (Vec::new(), Vec::new());
    loop {
        levels.clear();
        values.clear();
        let (rows, known, _) = column.read_records(CHUNK, Some(&mut levels), None, &mut values)?;
        if rows == 0 {
            return Ok(());
        }
        // A column that may not be null has no levels.
        if known == rows {
            sum.add_all(&values, &hash);
            continue;
        }
        let mut values = values.iter();
        for level in &levels {
            match (*level > 0).then(|| values.next()).flatten() {
                Some(value) => sum.add(hash(value)),
                None => sum.add_null(),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn many_at_once_are_as_one_by_one(parts in prop::collection::vec(prop::collection::vec(any::<u64>(), 0..9), 0..9)) {
            let (mut together, mut single) = (Checksum::default(), Checksum::default());
            for part in &parts {
                together.add_all(part, |value| *value);
                part.iter().for_each(|value| single.add(*value));
                single.add_null();
                together.add_null();
            }
            prop_assert_eq!(together.finish(), single.finish());
        }
    }
}
