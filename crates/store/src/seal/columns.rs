//! A few columns of a spool, in the order of the file: what bounds the memory of a seal.

use crate::StoreError;
use crate::footer::InstanceRange;
use crate::seal::order::{DROPPED, Order};
use crate::stream::{Columns, SpoolStream, Tail};
use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{DataType, Field, Int32Type, Int64Type, TimestampMillisecondType};
use fgm_model::schema::column;
use parquet::data_type::ByteArray;
use std::collections::HashMap;
use std::path::Path;

/// The key of a null text.
pub(crate) const NULL: u32 = u32::MAX;

/// Identity that is often known later than the first row: the rows before are completed.
const COMPLETED: [&str; 8] = [
    column::NAMESPACE,
    column::POD_NAME,
    column::POD_UID,
    column::CONTAINER_NAME,
    column::QOS_CLASS,
    column::IMAGE,
    column::POD_LABELS,
    column::RESTART_COUNT,
];

/// The values of one column.
pub(crate) enum Values {
    /// `int64` and timestamps.
    Int(Vec<i64>),
    /// Booleans.
    Bool(Vec<bool>),
    /// Texts, each told once.
    Text {
        /// For each row the text's index, or [`NULL`].
        keys: Vec<u32>,
        /// The texts.
        words: Words,
    },
}

/// One column in the order of the file.
pub(crate) struct Column {
    pub(crate) name: String,
    pub(crate) values: Values,
    /// Whether each row has a value; texts tell it by their key.
    pub(crate) valid: Vec<bool>,
}

/// Distinct texts.
#[derive(Default)]
pub(crate) struct Words {
    pub(crate) list: Vec<ByteArray>,
    index: HashMap<String, u32>,
    /// The last dictionary seen, by address and length, and its keys among the words.
    last: (usize, usize),
    translated: Vec<u32>,
}

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
pub(crate) fn read(path: &Path, order: &Order, fields: &[&Field]) -> Result<Group, StoreError> {
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
    fn new(field: &Field, rows: usize) -> Self {
        let (values, valid) = match field.data_type() {
            DataType::Utf8 => (
                Values::Text {
                    keys: vec![NULL; rows],
                    words: Words::default(),
                },
                Vec::new(),
            ),
            DataType::Boolean => (Values::Bool(vec![false; rows]), vec![false; rows]),
            _ => (Values::Int(vec![0; rows]), vec![false; rows]),
        };
        Self {
            name: field.name().clone(),
            values,
            valid,
        }
    }

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

    /// Gives the rows of each instance that lack a value the last one that it has.
    fn complete(&mut self, instances: &[InstanceRange]) {
        for range in instances {
            // The node's own events belong to no instance.
            if range.container_id.is_none() {
                continue;
            }
            let Some(rows) = usize::try_from(range.first_row)
                .ok()
                .zip(usize::try_from(range.rows).ok())
                .map(|(first, rows)| first..first + rows)
            else {
                continue;
            };
            match &mut self.values {
                Values::Text { keys, .. } => {
                    let keys = &mut keys[rows];
                    if let Some(last) = keys.iter().rfind(|key| **key != NULL).copied() {
                        for key in keys.iter_mut().filter(|key| **key == NULL) {
                            *key = last;
                        }
                    }
                }
                Values::Int(values) => {
                    if let Some(last) = rows.clone().rfind(|row| self.valid[*row]) {
                        let last = values[last];
                        for row in rows {
                            if !self.valid[row] {
                                values[row] = last;
                                self.valid[row] = true;
                            }
                        }
                    }
                }
                Values::Bool(_) => {}
            }
        }
    }
}

impl Words {
    fn key_of(&mut self, text: &str) -> u32 {
        if let Some(key) = self.index.get(text) {
            return *key;
        }
        // There are at most as many texts as rows, which are counted in u32.
        let key = u32::try_from(self.list.len()).unwrap_or(NULL);
        self.list.push(ByteArray::from(text));
        self.index.insert(text.to_owned(), key);
        key
    }

    /// Looks up a dictionary's values, unless they are those of the last time.
    fn translate(&mut self, values: &ArrayRef) -> Option<()> {
        let texts = values.as_string_opt::<i32>()?;
        let identity = (texts.value_offsets().as_ptr().addr(), texts.len());
        if self.last == identity {
            return Some(());
        }
        self.translated.clear();
        for row in 0..texts.len() {
            let key = if texts.is_null(row) {
                NULL
            } else {
                self.key_of(texts.value(row))
            };
            self.translated.push(key);
        }
        self.last = identity;
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
