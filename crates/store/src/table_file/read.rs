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
use std::ops::Range;
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
        at: usize,
        rows: usize,
    ) -> Result<(), StoreError> {
        let from = self.row;
        self.scatter(column, &[Run { from, to: at, rows }])
    }

    /// Puts runs into the column, in the order of the file. Runs that touch there are decoded
    /// together: a minute of a container is too few rows to ask for.
    pub(crate) fn scatter(&mut self, column: &mut Column, runs: &[Run]) -> Result<(), StoreError> {
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

    /// Decodes up to that many rows and puts them where they belong.
    fn decode(
        &mut self,
        column: &mut Column,
        wanted: usize,
        places: &mut Places<'_>,
    ) -> Result<usize, StoreError> {
        let Column { values, valid, .. } = column;
        self.with_reader(|reader, levels, texts| match (reader, &mut *values) {
            (ColumnReader::Int64ColumnReader(reader), Values::Int(values)) => {
                numbers(reader, levels, wanted, places, (values, valid))
            }
            (ColumnReader::DoubleColumnReader(reader), Values::Float(values)) => {
                numbers(reader, levels, wanted, places, (values, valid))
            }
            (ColumnReader::BoolColumnReader(reader), Values::Bool(values)) => {
                numbers(reader, levels, wanted, places, (values, valid))
            }
            (ColumnReader::ByteArrayColumnReader(reader), Values::Text { keys, words }) => {
                texts.clear();
                let (read, known, _) = reader.read_records(wanted, Some(levels), None, texts)?;
                let levels = (known < read).then_some(levels.as_slice());
                put_texts(keys, words, levels, texts, places.next(read))?;
                Ok(read)
            }
            _ => Err(ParquetError::General("another type than elsewhere".into())),
        })
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

/// Spreads texts over their rows, looking each run of equal ones up once. Without levels all are
/// known.
fn put_texts(
    keys: &mut [u32],
    words: &mut Words,
    levels: Option<&[i16]>,
    texts: &[ByteArray],
    places: impl Iterator<Item = Range<usize>>,
) -> Result<(), ParquetError> {
    let mut last: Option<(&ByteArray, u32)> = None;
    let mut texts = texts.iter();
    for (row, place) in places.flatten().enumerate() {
        if levels.is_some_and(|levels| levels.get(row).is_none_or(|level| *level == 0)) {
            keys[place] = NULL;
            continue;
        }
        let Some(text) = texts.next() else {
            return Err(ParquetError::General("fewer values than levels".into()));
        };
        let key = match last {
            Some((same, key)) if same.data() == text.data() => key,
            _ => words.key_of(text.as_utf8()?),
        };
        keys[place] = key;
        last = Some((text, key));
    }
    Ok(())
}
