//! Numbers of a column, row range by row range, straight from its pages.

use super::pages::{Pages, within};
use super::source::Source;
use parquet::basic::{ConvertedType, Type};
use parquet::column::page::PageReader;
use parquet::column::reader::ColumnReaderImpl;
use parquet::data_type::{DataType, DoubleType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::serialized_reader::SerializedPageReader;
use std::ops::Range;
use std::sync::Arc;

/// Values of consecutive rows.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Values<T> {
    /// A value per row; of a row without one, any.
    pub(super) values: Vec<T>,
    /// Which rows have one; `None` when all have.
    pub(super) valid: Option<Vec<bool>>,
}

impl<T: Copy + Default> Values<T> {
    pub(super) fn clear(&mut self) {
        self.values.clear();
        self.valid = None;
    }

    /// Some rows.
    pub(super) fn slice(&self, rows: Range<usize>) -> Slice<'_, T> {
        Slice {
            values: self.values.get(rows.clone()).unwrap_or_default(),
            valid: self
                .valid
                .as_ref()
                .map(|valid| valid.get(rows).unwrap_or_default()),
        }
    }

    /// Adds rows.
    pub(super) fn extend(&mut self, rows: Slice<'_, T>) {
        let before = self.values.len();
        self.values.extend_from_slice(rows.values);
        if let Some(valid) = rows.valid {
            self.nulls(before).extend_from_slice(valid);
        } else if let Some(known) = &mut self.valid {
            known.resize(self.values.len(), true);
        }
    }

    /// Adds rows without a value.
    pub(super) fn extend_nulls(&mut self, count: usize) {
        let before = self.values.len();
        self.values.resize(before + count, T::default());
        self.nulls(before).resize(before + count, false);
    }

    fn nulls(&mut self, before: usize) -> &mut Vec<bool> {
        self.valid.get_or_insert_with(|| vec![true; before])
    }

    /// Spreads the last values over the rows that have one.
    fn spread(&mut self, before: usize, levels: &[i16], present: i16) {
        let mut next = self.values.len();
        if next == before + levels.len() {
            if let Some(valid) = &mut self.valid {
                valid.resize(next, true);
            }
            return;
        }
        self.values.resize(before + levels.len(), T::default());
        for (row, level) in levels.iter().enumerate().rev() {
            if *level == present && next > before {
                next -= 1;
                self.values.swap(before + row, next);
            }
        }
        let valid = levels.iter().map(|level| *level == present);
        self.nulls(before).extend(valid);
    }
}

/// Values of some rows.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Slice<'a, T> {
    pub(super) values: &'a [T],
    pub(super) valid: Option<&'a [bool]>,
}

impl<'a, T: Copy> Slice<'a, T> {
    /// The values of these rows, if each has one.
    pub(super) fn known(&self, rows: &Range<usize>) -> Option<&'a [T]> {
        match self.valid {
            None => self.values.get(rows.clone()),
            Some(_) => None,
        }
    }

    /// The value of a row.
    pub(super) fn get(&self, row: usize) -> Option<T> {
        let is_valid = self
            .valid
            .is_none_or(|valid| valid.get(row).copied().unwrap_or(false));
        self.values.get(row).copied().filter(|_| is_valid)
    }
}

/// Reads a column forwards; backwards too, but then from the group's start again.
pub(super) struct Cursor<'a, T: DataType> {
    source: &'a Source,
    pages: &'a Arc<Pages>,
    column: usize,
    /// The group and the row in it where the reader stands.
    at: (usize, usize),
    reader: Option<ColumnReaderImpl<T>>,
    levels: Vec<i16>,
}

/// The place of a time column in milliseconds.
pub(super) fn time_place(source: &Source, name: &str) -> Option<usize> {
    let place = source.schema.place(name)?;
    let column = source.schema.column(place);
    (column.converted_type() == ConvertedType::TIMESTAMP_MILLIS).then_some(place)
}

/// The place of an integer column.
pub(super) fn int_place(source: &Source, name: &str) -> Option<usize> {
    let place = source.schema.place(name)?;
    let column = source.schema.column(place);
    let plain = [ConvertedType::NONE, ConvertedType::INT_64];
    (column.physical_type() == Type::INT64 && plain.contains(&column.converted_type()))
        .then_some(place)
}

impl<'a, T: DataType> Cursor<'a, T>
where
    T::T: Copy + Default,
{
    /// A cursor over a column of that type.
    pub(super) fn new(source: &'a Source, pages: &'a Arc<Pages>, column: usize) -> Self {
        Self {
            source,
            pages,
            column,
            at: (0, 0),
            reader: None,
            levels: Vec::new(),
        }
    }

    /// Adds the values of these rows.
    pub(super) fn read(
        &mut self,
        rows: &Range<usize>,
        into: &mut Values<T::T>,
    ) -> Result<(), ParquetError> {
        for (number, group) in self.source.groups.iter().enumerate() {
            for rows in within(group, std::slice::from_ref(rows)) {
                self.read_in_group(number, &rows, into)?;
            }
        }
        Ok(())
    }

    fn read_in_group(
        &mut self,
        group: usize,
        rows: &Range<usize>,
        into: &mut Values<T::T>,
    ) -> Result<(), ParquetError> {
        let short = || ParquetError::EOF("a column has fewer rows than its file".into());
        let mut reader = match self.reader.take() {
            Some(reader) if self.at.0 == group && self.at.1 <= rows.start => reader,
            _ => {
                self.at = (group, 0);
                self.open(group)?
            }
        };
        let skip = rows.start - self.at.1;
        if reader.skip_records(skip)? != skip {
            return Err(short());
        }
        let before = into.values.len();
        let present = self.source.schema.column(self.column).max_def_level();
        self.levels.clear();
        into.values.reserve(rows.len());
        let (count, ..) =
            reader.read_records(rows.len(), Some(&mut self.levels), None, &mut into.values)?;
        if count != rows.len() {
            return Err(short());
        }
        if present > 0 {
            into.spread(before, &self.levels, present);
        } else if let Some(valid) = &mut into.valid {
            valid.resize(before + count, true);
        }
        self.at.1 = rows.end;
        self.reader = Some(reader);
        Ok(())
    }

    fn open(&self, number: usize) -> Result<ColumnReaderImpl<T>, ParquetError> {
        let missing = || ParquetError::General("a row group lacks a column".into());
        let group = self.source.groups.get(number).ok_or_else(missing)?;
        let chunk = group.chunk(self.column).ok_or_else(missing)?;
        let column = self.source.schema.column(self.column);
        if T::get_physical_type() != column.physical_type() {
            return Err(ParquetError::General("a column has another type".into()));
        }
        let pages: Box<dyn PageReader> = Box::new(SerializedPageReader::new(
            Arc::clone(self.pages),
            &chunk.metadata(Arc::clone(&column))?,
            group.rows,
            self.pages.locations(number, self.column),
        )?);
        Ok(ColumnReaderImpl::new(column, pages))
    }
}

/// The values of these rows as floating-point numbers, NaN = none; `None` when the file has no
/// such column of numbers.
pub(super) fn floats(
    source: &Source,
    pages: &Arc<Pages>,
    place: Option<usize>,
    rows: &[Range<usize>],
) -> Result<Option<Vec<f64>>, ParquetError> {
    let Some(place) = place else {
        return Ok(None);
    };
    Ok(match source.schema.column(place).physical_type() {
        Type::INT64 => {
            let read = all::<Int64Type>(source, pages, place, rows)?;
            Some(numbers(&read, to_float))
        }
        Type::DOUBLE => {
            let read = all::<DoubleType>(source, pages, place, rows)?;
            Some(numbers(&read, |value| value))
        }
        _ => None,
    })
}

/// The values of these rows.
pub(super) fn all<T: DataType>(
    source: &Source,
    pages: &Arc<Pages>,
    place: usize,
    rows: &[Range<usize>],
) -> Result<Values<T::T>, ParquetError>
where
    T::T: Copy + Default,
{
    let mut values = Values::default();
    let mut cursor = Cursor::<T>::new(source, pages, place);
    for rows in rows {
        cursor.read(rows, &mut values)?;
    }
    Ok(values)
}

fn numbers<T: Copy>(read: &Values<T>, number: impl Fn(T) -> f64) -> Vec<f64> {
    let values = read.values.iter().map(|value| number(*value));
    match &read.valid {
        None => values.collect(),
        Some(valid) => {
            let pairs = values.zip(valid);
            pairs
                .map(|(value, valid)| if *valid { value } else { f64::NAN })
                .collect()
        }
    }
}

/// A stored integer as it is shown.
#[expect(clippy::cast_precision_loss, reason = "display needs 53 bits at most")]
pub(super) const fn to_float(value: i64) -> f64 {
    value as f64
}
