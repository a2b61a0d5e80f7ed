//! Columns of a batch as numbers and text, whatever a file made of them.
//!
//! A column that is missing or of another type holds no data: files of another catalogue are
//! read by name.

use arrow::array::{Array, AsArray, Int64Array, RecordBatch, TimestampMillisecondArray};
use arrow::datatypes::{Int32Type, Int64Type, TimestampMillisecondType};

/// An integer column.
pub(super) fn ints(batch: &RecordBatch, name: &str) -> Option<Int64Array> {
    let column = batch.column_by_name(name)?;
    column.as_primitive_opt::<Int64Type>().cloned()
}

/// A time column.
pub(super) fn times(batch: &RecordBatch, name: &str) -> Option<TimestampMillisecondArray> {
    let column = batch.column_by_name(name)?;
    column
        .as_primitive_opt::<TimestampMillisecondType>()
        .cloned()
}

/// The integer of a row.
pub(super) fn int(column: Option<&Int64Array>, row: usize) -> Option<i64> {
    column.filter(|c| c.is_valid(row)).map(|c| c.value(row))
}

/// The text of a row, plain or behind a dictionary.
pub(super) fn text(column: Option<&dyn Array>, row: usize) -> Option<&str> {
    let column = column.filter(|column| column.is_valid(row))?;
    if let Some(plain) = column.as_string_opt::<i32>() {
        return Some(plain.value(row));
    }
    let dictionary = column.as_dictionary_opt::<Int32Type>()?;
    let values = dictionary.values().as_string_opt::<i32>()?;
    let key = dictionary.key(row)?;
    (key < values.len() && values.is_valid(key)).then(|| values.value(key))
}

/// A column by name, for [`text`].
pub(super) fn any<'a>(batch: &'a RecordBatch, name: &str) -> Option<&'a dyn Array> {
    batch.column_by_name(name).map(AsRef::as_ref)
}
