//! One column of a table in memory, in the order of the file it will be written to.

use crate::footer::InstanceRange;
use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{DataType, Field};
use fgm_model::schema::column;
use parquet::data_type::ByteArray;
use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

/// The key of a null text.
pub(crate) const NULL: u32 = u32::MAX;

/// Identity that is often known later than the first row: the rows before are completed.
pub(crate) const COMPLETED: [&str; 8] = [
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
    /// `float64`, in roll-ups.
    Float(Vec<f64>),
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
    /// The last dictionary seen, kept so that no other gets its address, and its keys among the
    /// words.
    last: Option<ArrayRef>,
    pub(crate) translated: Vec<u32>,
}

impl Column {
    /// A column without a value.
    pub(crate) fn new(field: &Field, rows: usize) -> Self {
        let (values, valid) = match field.data_type() {
            DataType::Utf8 => (
                Values::Text {
                    keys: vec![NULL; rows],
                    words: Words::default(),
                },
                Vec::new(),
            ),
            DataType::Boolean => (Values::Bool(vec![false; rows]), vec![false; rows]),
            DataType::Float64 => (Values::Float(vec![0.0; rows]), vec![false; rows]),
            _ => (Values::Int(vec![0; rows]), vec![false; rows]),
        };
        Self {
            name: field.name().clone(),
            values,
            valid,
        }
    }

    /// Whether all rows have the same of its values, or none has one.
    pub(crate) fn is_uniform<T: PartialEq>(&self, values: &[T]) -> bool {
        let same = |valid: &bool| self.valid.first() == Some(valid);
        let first = values.first();
        self.valid.iter().all(same)
            && (self.valid.first() != Some(&true) || values.iter().all(|v| Some(v) == first))
    }

    /// Gives the rows of each instance that lack a value the last one that it has.
    pub(crate) fn complete(&mut self, instances: &[InstanceRange]) {
        for range in instances {
            // The node's own events belong to no instance.
            if range.container_id.is_none() {
                continue;
            }
            let rows = rows_of(range);
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
                Values::Float(_) | Values::Bool(_) => {}
            }
        }
    }
}

impl Words {
    pub(crate) fn key_of(&mut self, text: &str) -> u32 {
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
    pub(crate) fn translate(&mut self, values: &ArrayRef) -> Option<()> {
        let texts = values.as_string_opt::<i32>()?;
        if self.last.as_ref().is_some_and(|last| is_same(last, values)) {
            return Some(());
        }
        self.last = Some(Arc::clone(values));
        self.translated.clear();
        for row in 0..texts.len() {
            let key = if texts.is_null(row) {
                NULL
            } else {
                self.key_of(texts.value(row))
            };
            self.translated.push(key);
        }
        Some(())
    }
}

/// Whether both are one array: where its texts lie, and how many.
fn is_same(a: &ArrayRef, b: &ArrayRef) -> bool {
    let place = |array: &ArrayRef| {
        let texts = array.as_string_opt::<i32>()?;
        Some((texts.value_offsets().as_ptr(), texts.len()))
    };
    place(a) == place(b)
}

/// The rows of an instance as indices.
pub(crate) fn rows_of(range: &InstanceRange) -> Range<usize> {
    let index = |row: u64| usize::try_from(row).unwrap_or(usize::MAX);
    index(range.first_row)..index(range.first_row.saturating_add(range.rows))
}
