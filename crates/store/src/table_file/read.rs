//! Reading a Parquet file column by column, in row order.

use super::column::{Column, NULL, Values, Words};
use crate::StoreError;
use crate::file_bytes::FileBytes;
use crate::footer::parquet_error;
use arrow::array::{AsArray, DictionaryArray};
use arrow::datatypes::{DataType as ArrowType, Field, Fields, Int32Type, Schema};
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder, RowSelection,
};
use parquet::arrow::{ProjectionMask, parquet_to_arrow_schema};
use parquet::column::reader::{ColumnReader, ColumnReaderImpl, get_column_reader};
use parquet::data_type::DataType;
use parquet::errors::ParquetError;
use parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaDataReader};
use parquet::file::serialized_reader::SerializedPageReader;
use std::fs::File;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// An open file.
pub(crate) struct TableFile {
    path: PathBuf,
    file: Arc<File>,
    bytes: u64,
    schema: Schema,
    /// As which it is decoded where texts are asked for: they repeat in thousands of rows, and
    /// are made once each rather than once per row.
    dictionaries: ArrowReaderMetadata,
    rows: usize,
}

impl TableFile {
    /// Opens a file and reads its metadata.
    pub(crate) fn open(path: &Path) -> Result<Self, StoreError> {
        let failed = |error| parquet_error(error, path);
        let file = File::open(path).map_err(StoreError::io("open", path))?;
        let bytes = file.metadata().map_err(StoreError::io("read", path))?.len();
        let metadata = ParquetMetaDataReader::new().parse_and_finish(&file);
        let metadata = Arc::new(metadata.map_err(failed)?);
        let schema = parquet_to_arrow_schema(metadata.file_metadata().schema_descr(), None);
        let schema = schema.map_err(failed)?;
        let rows = usize::try_from(metadata.file_metadata().num_rows())
            .map_err(|_| StoreError::parse(path, "segment", "it has less than no rows"))?;
        let options = ArrowReaderOptions::new().with_schema(Arc::new(with_dictionaries(&schema)));
        let dictionaries = ArrowReaderMetadata::try_new(metadata, options).map_err(failed)?;
        Ok(Self {
            path: path.to_owned(),
            file: Arc::new(file),
            bytes,
            schema,
            dictionaries,
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
        Some(ColumnStream {
            file: self,
            index: self.schema.index_of(name).ok()?,
            next_group: 0,
            reader: None,
            row: 0,
            levels: Vec::new(),
        })
    }

    /// The values of a column in one row group; `None` behind the last.
    pub(crate) fn group(
        &self,
        group: usize,
        index: usize,
    ) -> Option<Result<ColumnReader, ParquetError>> {
        let metadata = self.dictionaries.metadata();
        let group = metadata.row_groups().get(group)?;
        let rows = usize::try_from(group.num_rows()).unwrap_or(0);
        let descriptor = metadata.file_metadata().schema_descr().column(index);
        Some(no_panic(|| {
            let column = group.column(index);
            let bytes = Arc::new(self.in_memory([column].into_iter())?);
            let pages = SerializedPageReader::new(bytes, column, rows, None)?;
            Ok(get_column_reader(descriptor, Box::new(pages)))
        }))
    }

    /// The file with these columns of row groups in memory, each by one read.
    fn in_memory<'m>(
        &self,
        columns: impl Iterator<Item = &'m ColumnChunkMetaData>,
    ) -> Result<FileBytes, ParquetError> {
        let mut bytes = FileBytes::new(Arc::clone(&self.file), self.bytes);
        for column in columns {
            let (start, length) = column.byte_range();
            bytes.keep(start, usize::try_from(length).unwrap_or(usize::MAX))?;
        }
        Ok(bytes)
    }

    /// The texts of these rows (rising, disjoint) of a column, batch by batch.
    pub(crate) fn texts(
        &self,
        index: usize,
        rows: impl Iterator<Item = Range<usize>>,
        mut each: impl FnMut(&DictionaryArray<Int32Type>) -> Result<(), ParquetError>,
    ) -> Result<(), StoreError> {
        let metadata = self.dictionaries.clone();
        let schema = metadata.metadata().file_metadata().schema_descr_ptr();
        let decode = || {
            let groups = metadata.metadata().row_groups().iter();
            let bytes = self.in_memory(groups.map(|group| group.column(index)))?;
            let batches = ParquetRecordBatchReaderBuilder::new_with_metadata(bytes, metadata)
                .with_projection(ProjectionMask::roots(&schema, [index]))
                .with_row_selection(RowSelection::from_consecutive_ranges(rows, self.rows))
                .with_batch_size(BATCH)
                .build()?;
            for batch in batches {
                let batch = batch?;
                let texts = batch.column(0).as_dictionary_opt::<Int32Type>();
                each(texts.ok_or_else(another_type)?)?;
            }
            Ok(())
        };
        no_panic(decode).map_err(|error| self.column_error(index, error))
    }

    fn column_error(&self, index: usize, error: ParquetError) -> StoreError {
        match parquet_error(error, &self.path) {
            StoreError::Parse { reason, .. } => {
                let name = self.schema.field(index).name();
                self.parse_error(format!("column {name}: {reason}"))
            }
            other => other,
        }
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

/// The same with texts as dictionaries.
fn with_dictionaries(schema: &Schema) -> Schema {
    let fields = schema.fields().iter().map(|field| {
        if field.data_type() == &ArrowType::Utf8 {
            let field =
                Field::new_dictionary(field.name(), ArrowType::Int32, ArrowType::Utf8, true);
            Arc::new(field)
        } else {
            Arc::clone(field)
        }
    });
    Schema::new(fields.collect::<Fields>())
}

/// The decoders trust their pages; one that lies must not take the process with it.
fn no_panic<T>(decode: impl FnOnce() -> Result<T, ParquetError>) -> Result<T, ParquetError> {
    catch_unwind(AssertUnwindSafe(decode))
        .unwrap_or_else(|_| Err(ParquetError::General("its pages cannot be decoded".into())))
}

fn another_type() -> ParquetError {
    ParquetError::General("another type than elsewhere".into())
}

/// Rows that follow each other both where they come from and where they go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Run {
    /// The first one's row in the file.
    pub(crate) from: usize,
    /// Its row in the column.
    pub(crate) to: usize,
    /// How many.
    pub(crate) rows: usize,
}

/// Records decoded at a time.
const BATCH: usize = 16_384;

/// A column, read in row order.
pub(crate) struct ColumnStream<'f> {
    file: &'f TableFile,
    index: usize,
    next_group: usize,
    reader: Option<ColumnReader>,
    row: usize,
    levels: Vec<i16>,
}

impl ColumnStream<'_> {
    /// Goes on at a row that is not behind.
    pub(crate) fn skip_to(&mut self, row: usize) -> Result<(), StoreError> {
        while self.row < row {
            let wanted = row - self.row;
            let skipped = self.with_reader(|reader, _| match reader {
                ColumnReader::BoolColumnReader(reader) => reader.skip_records(wanted),
                ColumnReader::Int64ColumnReader(reader) => reader.skip_records(wanted),
                ColumnReader::DoubleColumnReader(reader) => reader.skip_records(wanted),
                _ => Err(another_type()),
            })?;
            self.row += skipped;
        }
        Ok(())
    }

    /// Puts the next `rows` values into the column from its row `at` on.
    pub(crate) fn read(
        &mut self,
        column: &mut Column,
        at: usize,
        rows: usize,
    ) -> Result<(), StoreError> {
        let from = self.row;
        self.scatter(column, &[Run { from, to: at, rows }])
    }

    /// Puts runs into the column, in the order of the file. Runs that touch there are decoded
    /// together: a minute of a container is too few rows to ask for.
    pub(crate) fn scatter(&mut self, column: &mut Column, runs: &[Run]) -> Result<(), StoreError> {
        if let Values::Text { keys, words } = &mut column.values {
            return self.scatter_texts((keys, words), runs);
        }
        let touch = |before: &Run, after: &Run| before.from + before.rows == after.from;
        for runs in runs.chunk_by(touch) {
            self.skip_to(runs.first().map_or(self.row, |run| run.from))?;
            let rows: usize = runs.iter().map(|run| run.rows).sum();
            let mut places = Places { runs, done: 0 };
            let mut left = rows;
            while left > 0 {
                let read = self.decode(column, left.min(BATCH), &mut places)?;
                self.row += read;
                left -= read;
            }
        }
        Ok(())
    }

    fn scatter_texts(
        &mut self,
        (keys, words): (&mut [u32], &mut Words),
        runs: &[Run],
    ) -> Result<(), StoreError> {
        let mut places = Places { runs, done: 0 };
        let rows = runs.iter().map(|run| run.from..run.from + run.rows);
        self.file.texts(self.index, rows, |texts| {
            words.translate(texts.values()).ok_or_else(another_type)?;
            let mut row = 0;
            for place in places.next(texts.len()) {
                for key in &mut keys[place] {
                    let known = texts.key(row).and_then(|key| words.translated.get(key));
                    *key = known.copied().unwrap_or(NULL);
                    row += 1;
                }
            }
            Ok(())
        })?;
        if places.runs.iter().any(|run| run.rows > 0) {
            return Err(self.ends_too_early());
        }
        self.row = runs.last().map_or(self.row, |run| run.from + run.rows);
        Ok(())
    }

    fn ends_too_early(&self) -> StoreError {
        let name = self.file.schema.field(self.index).name();
        self.file
            .parse_error(format!("column {name} ends too early"))
    }

    /// Decodes up to that many rows and puts them where they belong.
    fn decode(
        &mut self,
        column: &mut Column,
        wanted: usize,
        places: &mut Places<'_>,
    ) -> Result<usize, StoreError> {
        let Column { values, valid, .. } = column;
        self.with_reader(|reader, levels| match (reader, &mut *values) {
            (ColumnReader::Int64ColumnReader(reader), Values::Int(values)) => {
                numbers(reader, levels, wanted, places, (values, valid))
            }
            (ColumnReader::DoubleColumnReader(reader), Values::Float(values)) => {
                numbers(reader, levels, wanted, places, (values, valid))
            }
            (ColumnReader::BoolColumnReader(reader), Values::Bool(values)) => {
                numbers(reader, levels, wanted, places, (values, valid))
            }
            _ => Err(another_type()),
        })
    }

    /// Does something with the reader of the row group at hand, or of the next when that is
    /// used up: then it reads nothing.
    fn with_reader(
        &mut self,
        mut act: impl FnMut(&mut ColumnReader, &mut Vec<i16>) -> Result<usize, ParquetError>,
    ) -> Result<usize, StoreError> {
        let (file, index) = (self.file, self.index);
        let failed = |error| file.column_error(index, error);
        loop {
            if let Some(reader) = &mut self.reader {
                self.levels.clear();
                let levels = &mut self.levels;
                match no_panic(|| act(reader, levels)).map_err(failed)? {
                    0 => self.reader = None,
                    done => return Ok(done),
                }
            }
            let Some(next) = file.group(self.next_group, index) else {
                return Err(self.ends_too_early());
            };
            self.reader = Some(next.map_err(failed)?);
            self.next_group += 1;
        }
    }
}

/// Where the next rows go.
struct Places<'r> {
    runs: &'r [Run],
    /// Rows of the first run that are put already.
    done: usize,
}

impl Places<'_> {
    /// The places of the next rows, one range after the other.
    fn next(&mut self, mut rows: usize) -> impl Iterator<Item = Range<usize>> {
        std::iter::from_fn(move || {
            let (run, later) = self.runs.split_first().filter(|_| rows > 0)?;
            let count = rows.min(run.rows - self.done);
            let start = run.to + self.done;
            rows -= count;
            self.done += count;
            if self.done == run.rows {
                (self.runs, self.done) = (later, 0);
            }
            Some(start..start + count)
        })
    }
}

/// Reads numbers or booleans and spreads them over their rows.
fn numbers<T: DataType>(
    reader: &mut ColumnReaderImpl<T>,
    levels: &mut Vec<i16>,
    wanted: usize,
    places: &mut Places<'_>,
    (values, valid): (&mut [T::T], &mut [bool]),
) -> Result<usize, ParquetError>
where
    T::T: Copy,
{
    let mut known = Vec::with_capacity(wanted);
    let (read, count, _) = reader.read_records(wanted, Some(levels), None, &mut known)?;
    let mut known = known.as_slice();
    let mut levels = levels.as_slice();
    for place in places.next(read) {
        let (values, valid) = (&mut values[place.clone()], &mut valid[place]);
        if count == read {
            let (these, later) = known.split_at(values.len());
            values.copy_from_slice(these);
            valid.fill(true);
            known = later;
            continue;
        }
        let (these, later) = levels.split_at(values.len());
        levels = later;
        for ((value, valid), level) in values.iter_mut().zip(valid).zip(these) {
            *valid = *level > 0;
            if *valid && let Some((next, later)) = known.split_first() {
                *value = *next;
                known = later;
            }
        }
    }
    Ok(read)
}
