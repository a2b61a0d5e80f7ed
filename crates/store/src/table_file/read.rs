//! Reading a Parquet file column by column, in row order.

use super::column::{Column, NULL, Values, Words};
use crate::StoreError;
use crate::footer::parquet_error;
use arrow::datatypes::Schema;
use parquet::arrow::parquet_to_arrow_schema;
use parquet::column::reader::{ColumnReader, ColumnReaderImpl};
use parquet::data_type::{ByteArray, DataType};
use parquet::errors::ParquetError;
use parquet::file::reader::{FileReader, SerializedFileReader};
use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

/// An open file.
pub(crate) struct TableFile {
    path: PathBuf,
    reader: SerializedFileReader<File>,
    schema: Schema,
    rows: usize,
}

impl TableFile {
    /// Opens a file and reads its metadata.
    pub(crate) fn open(path: &Path) -> Result<Self, StoreError> {
        let failed = |error| parquet_error(error, path);
        let file = File::open(path).map_err(StoreError::io("open", path))?;
        let reader = SerializedFileReader::new(file).map_err(failed)?;
        let metadata = reader.metadata().file_metadata();
        let schema = parquet_to_arrow_schema(metadata.schema_descr(), None).map_err(failed)?;
        let rows = usize::try_from(metadata.num_rows())
            .map_err(|_| StoreError::parse(path, "segment", "it has less than no rows"))?;
        Ok(Self {
            path: path.to_owned(),
            reader,
            schema,
            rows,
        })
    }

    /// Where it lies.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Its rows.
    pub(crate) const fn rows(&self) -> usize {
        self.rows
    }

    /// Its columns.
    pub(crate) const fn schema(&self) -> &Schema {
        &self.schema
    }

    /// A column from its first row on; `None` when the file does not have it.
    pub(crate) fn column(&self, name: &str) -> Option<ColumnStream<'_>> {
        let descriptor = self.reader.metadata().file_metadata().schema_descr();
        let index = descriptor.columns().iter().position(|c| c.name() == name)?;
        Some(ColumnStream {
            file: self,
            index,
            next_group: 0,
            reader: None,
            row: 0,
            levels: Vec::new(),
            texts: Vec::new(),
        })
    }

    /// A whole column in memory.
    pub(crate) fn whole(&self, column: &mut Column) -> Result<(), StoreError> {
        let name = column.name.clone();
        match self.column(&name) {
            Some(mut stream) => stream.read(column, 0, self.rows),
            None => Ok(()),
        }
    }

    fn parse_error(&self, reason: String) -> StoreError {
        StoreError::parse(&self.path, "segment", reason)
    }
}

/// A column, read in row order.
pub(crate) struct ColumnStream<'f> {
    file: &'f TableFile,
    index: usize,
    next_group: usize,
    reader: Option<ColumnReader>,
    row: usize,
    levels: Vec<i16>,
    texts: Vec<ByteArray>,
}

impl ColumnStream<'_> {
    /// Goes on at a row that is not behind.
    pub(crate) fn skip_to(&mut self, row: usize) -> Result<(), StoreError> {
        while self.row < row {
            let wanted = row - self.row;
            let skipped = self.with_reader(|reader, _, _| match reader {
                ColumnReader::BoolColumnReader(reader) => reader.skip_records(wanted),
                ColumnReader::Int64ColumnReader(reader) => reader.skip_records(wanted),
                ColumnReader::DoubleColumnReader(reader) => reader.skip_records(wanted),
                ColumnReader::ByteArrayColumnReader(reader) => reader.skip_records(wanted),
                _ => Err(ParquetError::General("a type that no table has".into())),
            })?;
            self.row += skipped;
        }
        Ok(())
    }

    /// Puts the next `rows` values into the column from its row `at` on.
    pub(crate) fn read(
        &mut self,
        column: &mut Column,
        mut at: usize,
        rows: usize,
    ) -> Result<(), StoreError> {
        let end = at + rows;
        while at < end {
            let Column { values, valid, .. } = column;
            let read = self.with_reader(|reader, levels, texts| {
                let wanted = end - at;
                match (reader, &mut *values) {
                    (ColumnReader::Int64ColumnReader(reader), Values::Int(values)) => {
                        numbers(reader, levels, &mut values[at..end], &mut valid[at..end])
                    }
                    (ColumnReader::DoubleColumnReader(reader), Values::Float(values)) => {
                        numbers(reader, levels, &mut values[at..end], &mut valid[at..end])
                    }
                    (ColumnReader::BoolColumnReader(reader), Values::Bool(values)) => {
                        numbers(reader, levels, &mut values[at..end], &mut valid[at..end])
                    }
                    (ColumnReader::ByteArrayColumnReader(reader), Values::Text { keys, words }) => {
                        texts.clear();
                        let (read, known, _) =
                            reader.read_records(wanted, Some(levels), None, texts)?;
                        put_texts(
                            &mut keys[at..at + read],
                            words,
                            levels,
                            known == read,
                            texts,
                        )?;
                        Ok(read)
                    }
                    _ => Err(ParquetError::General("another type than elsewhere".into())),
                }
            })?;
            at += read;
            self.row += read;
        }
        Ok(())
    }

    /// Does something with the reader of the row group at hand, or of the next when that is
    /// used up: then it reads nothing.
    fn with_reader(
        &mut self,
        mut act: impl FnMut(
            &mut ColumnReader,
            &mut Vec<i16>,
            &mut Vec<ByteArray>,
        ) -> Result<usize, ParquetError>,
    ) -> Result<usize, StoreError> {
        let file = self.file;
        let name = || {
            let columns = file.reader.metadata().file_metadata().schema_descr();
            columns.column(self.index).name().to_owned()
        };
        let failed = |error: ParquetError| match parquet_error(error, &file.path) {
            StoreError::Parse { reason, .. } => {
                file.parse_error(format!("column {}: {reason}", name()))
            }
            other => other,
        };
        loop {
            if let Some(reader) = &mut self.reader {
                self.levels.clear();
                // The decoders trust their pages; one that lies must not take the process with
                // it.
                let (levels, texts) = (&mut self.levels, &mut self.texts);
                let result = catch_unwind(AssertUnwindSafe(|| act(reader, levels, texts)))
                    .unwrap_or_else(|_| {
                        Err(ParquetError::General("its pages cannot be decoded".into()))
                    });
                match result.map_err(failed)? {
                    0 => self.reader = None,
                    done => return Ok(done),
                }
            }
            if self.next_group >= file.reader.num_row_groups() {
                return Err(file.parse_error(format!("column {} ends too early", name())));
            }
            let next = file
                .reader
                .get_row_group(self.next_group)
                .and_then(|group| group.get_column_reader(self.index));
            self.reader = Some(next.map_err(failed)?);
            self.next_group += 1;
        }
    }
}

/// Reads numbers or booleans and spreads them over their rows.
fn numbers<T: DataType>(
    reader: &mut ColumnReaderImpl<T>,
    levels: &mut Vec<i16>,
    values: &mut [T::T],
    valid: &mut [bool],
) -> Result<usize, ParquetError>
where
    T::T: Copy,
{
    let mut known = Vec::with_capacity(values.len());
    let (read, count, _) = reader.read_records(values.len(), Some(levels), None, &mut known)?;
    if count == read {
        values[..read].copy_from_slice(&known);
        valid[..read].fill(true);
        return Ok(read);
    }
    let mut known = known.into_iter();
    for ((value, valid), level) in values.iter_mut().zip(valid).zip(&*levels) {
        *valid = *level > 0;
        if *valid && let Some(next) = known.next() {
            *value = next;
        }
    }
    Ok(read)
}

/// Spreads texts over their rows, looking each run of equal ones up once.
fn put_texts(
    keys: &mut [u32],
    words: &mut Words,
    levels: &[i16],
    all_known: bool,
    texts: &[ByteArray],
) -> Result<(), ParquetError> {
    let mut last: Option<(&ByteArray, u32)> = None;
    let mut texts = texts.iter();
    for (row, key) in keys.iter_mut().enumerate() {
        if !all_known && levels.get(row).is_none_or(|level| *level == 0) {
            *key = NULL;
            continue;
        }
        let Some(text) = texts.next() else {
            return Err(ParquetError::General("fewer values than levels".into()));
        };
        *key = match last {
            Some((same, key)) if same.data() == text.data() => key,
            _ => words.key_of(text.as_utf8()?),
        };
        last = Some((text, *key));
    }
    Ok(())
}
