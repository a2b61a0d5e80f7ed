//! Reading a file back before it is published: does it hold what was meant to be written?

use crate::StoreError;
use crate::footer::{parquet_error, read_metadata};
use crate::table_file::write::hash;
use parquet::column::reader::{ColumnReader, ColumnReaderImpl};
use parquet::data_type::{BoolType, ByteArray, ByteArrayType, DataType, DoubleType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::reader::{FileReader, SerializedFileReader};
use std::fs::File;
use std::path::Path;

/// Records decoded at a time.
const CHUNK: usize = 8192;

/// A checksum over a column's values and nulls, in order. It guards against a wrong encoding
/// or a bad disk, not against malice, and costs a nanosecond per value.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Checksum(u64);

const FACTOR: u64 = 0x517c_c1b7_2722_0a95;

impl Checksum {
    pub(crate) const fn add(&mut self, value: u64) {
        self.0 = (self.0.rotate_left(5) ^ value).wrapping_mul(FACTOR);
    }

    pub(crate) const fn add_null(&mut self) {
        self.0 = (self.0.rotate_left(7) ^ 0x6e75_6c6c).wrapping_mul(FACTOR);
    }

    pub(crate) const fn finish(self) -> u64 {
        self.0
    }
}

/// A text as the checksum takes it.
pub(crate) fn text_hash(text: &[u8]) -> u64 {
    let mut checksum = Checksum(text.len() as u64);
    for chunk in text.chunks(8) {
        let mut word = [0; 8];
        word[..chunk.len()].copy_from_slice(chunk);
        checksum.add(u64::from_le_bytes(word));
    }
    checksum.finish()
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
    let file = File::open(path).map_err(StoreError::io("open", path))?;
    let bytes = file.metadata().map_err(StoreError::io("read", path))?.len();
    let metadata = read_metadata(&file, path).map_err(unreadable)?;
    let found = metadata.file_metadata().num_rows();
    if usize::try_from(found) != Ok(rows) {
        return Err(differs(format!("{found} rows in place of {rows}")));
    }
    let reader = SerializedFileReader::new(file).map_err(|e| unreadable(parquet_error(e, path)))?;
    let columns = metadata.file_metadata().schema_descr().columns();
    if columns.len() != checksums.len() {
        return Err(differs(format!("{} columns", columns.len())));
    }
    for (index, (meant, column)) in checksums.iter().zip(columns).enumerate() {
        let found =
            column_checksum(&reader, index).map_err(|e| unreadable(parquet_error(e, path)))?;
        if found != *meant {
            return Err(differs(format!("column {}", column.name())));
        }
    }
    Ok(bytes)
}

/// The checksum of a column over all row groups.
fn column_checksum(reader: &SerializedFileReader<File>, index: usize) -> Result<u64, ParquetError> {
    let mut sum = Checksum::default();
    for row_group in 0..reader.num_row_groups() {
        let row_group = reader.get_row_group(row_group)?;
        match row_group.get_column_reader(index)? {
            ColumnReader::BoolColumnReader(column) => {
                checksum::<BoolType>(&mut sum, column, |value| u64::from(*value))?;
            }
            ColumnReader::Int64ColumnReader(column) => {
                checksum::<Int64Type>(&mut sum, column, |value| hash(*value))?;
            }
            ColumnReader::DoubleColumnReader(column) => {
                checksum::<DoubleType>(&mut sum, column, |value| value.to_bits())?;
            }
            ColumnReader::ByteArrayColumnReader(column) => {
                // Sorted by container: labels come in long runs.
                let mut last = (ByteArray::from(""), text_hash(b""));
                checksum::<ByteArrayType>(&mut sum, column, |value| {
                    if value.data() != last.0.data() {
                        last = (value.clone(), text_hash(value.data()));
                    }
                    last.1
                })?;
            }
            _ => return Err(ParquetError::General("a type that no table has".into())),
        }
    }
    Ok(sum.finish())
}

fn checksum<T: DataType>(
    sum: &mut Checksum,
    mut column: ColumnReaderImpl<T>,
    mut hash: impl FnMut(&T::T) -> u64,
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
        let mut values = values.iter();
        if known == rows {
            values.for_each(|value| sum.add(hash(value)));
            continue;
        }
        for level in &levels {
            match (*level > 0).then(|| values.next()).flatten() {
                Some(value) => sum.add(hash(value)),
                None => sum.add_null(),
            }
        }
    }
}
