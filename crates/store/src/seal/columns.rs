//! A few columns of a spool, in the order of the file: what bounds the memory of a seal.

use crate::StoreError;
use crate::seal::late::Late;
use crate::seal::order::{DROPPED, Order};
use crate::stream::{Columns, SpoolStream, Tail};
use crate::table_file::column::{COMPLETED, Column, NULL, Values};
use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{DataType, Field, Int32Type, Int64Type, TimestampMillisecondType};
use std::path::Path;

/// What [`read`] gave.
pub(crate) enum Group {
    /// The columns.
    Whole(Vec<Column>),
    /// One of them is damaged after so many ticks.
    Shorter {
        /// Whole ticks.
        ticks: usize,
        /// What follows them.
        tail: Tail,
    },
}

/// Reads the columns of these fields. One that the stream does not have is all null.
pub(crate) fn read(
    path: &Path,
    order: &Order,
    late: &Late,
    fields: &[&Field],
) -> Result<Group, StoreError> {
    let mut columns: Vec<Column> = fields
        .iter()
        .map(|field| Column::new(field, order.rows()))
        .collect();
    let names: Vec<&str> = fields.iter().map(|field| field.name().as_str()).collect();
    let shrunk = || StoreError::parse(path, "spool stream", "it shrank");
    let mut stream = SpoolStream::open(path, Columns::Named(&names))?.ok_or_else(shrunk)?;
    let mut first_row = 0;
    for tick in 0..order.ticks {
        let Some(batch) = stream.next_batch()? else {
            return Ok(Group::Shorter {
                ticks: tick,
                tail: damage_after(&stream),
            });
        };
        let place = order
            .place
            .get(first_row..first_row + batch.num_rows())
            .ok_or_else(shrunk)?;
        first_row += place.len();
        for column in &mut columns {
            if let Some(array) = batch.column_by_name(&column.name) {
                column.scatter(array, place).ok_or_else(|| {
                    let reason = format!("column {} has another type", column.name);
                    StoreError::parse(path, "spool stream", reason)
                })?;
            }
        }
    }
    for column in &mut columns {
        if COMPLETED.contains(&column.name.as_str()) {
            column.complete(&order.instances);
            late.fill(column, &order.instances);
        }
    }
    Ok(Group::Whole(columns))
}

/// The key columns could be read further, so what follows is no torn tail.
fn damage_after(stream: &SpoolStream) -> Tail {
    match stream.tail() {
        Tail::Damaged { .. } => stream.tail().clone(),
        Tail::Clean | Tail::Torn { .. } => Tail::Damaged {
            at: stream.offset(),
            bytes: 0,
            reason: "it ends earlier than when it was read before".to_owned(),
        },
    }
}

impl Column {
    /// Puts a batch's values in their places; `None` when they are of another type.
    fn scatter(&mut self, array: &ArrayRef, place: &[u32]) -> Option<()> {
        let places = || {
            place
                .iter()
                .enumerate()
                .filter(|(_, place)| **place != DROPPED)
                .map(|(row, place)| (row, *place as usize))
        };
        match &mut self.values {
            Values::Int(values) => {
                let source: &[i64] = match array.data_type() {
                    DataType::Int64 => array.as_primitive_opt::<Int64Type>()?.values(),
                    _ => array
                        .as_primitive_opt::<TimestampMillisecondType>()?
                        .values(),
                };
                for (row, place) in places() {
                    if array.is_valid(row) {
                        values[place] = source[row];
                        self.valid[place] = true;
                    }
                }
            }
            // No stream has such a column.
            Values::Float(_) => return None,
            Values::Bool(values) => {
                let source = array.as_boolean_opt()?;
                for (row, place) in places() {
                    if source.is_valid(row) {
                        values[place] = source.value(row);
                        self.valid[place] = true;
                    }
                }
            }
            Values::Text { keys, words } => {
                if let Some(dictionary) = array.as_dictionary_opt::<Int32Type>() {
                    words.translate(dictionary.values())?;
                    for (row, place) in places() {
                        if let Some(key) = dictionary.key(row) {
                            keys[place] = *words.translated.get(key)?;
                        }
                    }
                } else {
                    for (row, place) in places() {
                        keys[place] = match text_at(array, row)? {
                            Some(text) => words.key_of(text),
                            None => NULL,
                        };
                    }
                }
            }
        }
        Some(())
    }
}

/// A row's text, whether the column is a dictionary or not; `None` when it is no text column.
pub(crate) fn text_at(array: &ArrayRef, row: usize) -> Option<Option<&str>> {
    if let Some(dictionary) = array.as_dictionary_opt::<Int32Type>() {
        let texts = dictionary.values().as_string_opt::<i32>()?;
        let key = dictionary.key(row).filter(|key| texts.is_valid(*key));
        return Some(key.map(|key| texts.value(key)));
    }
    let texts = array.as_string_opt::<i32>()?;
    Some(texts.is_valid(row).then(|| texts.value(row)))
}
