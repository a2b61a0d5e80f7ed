//! Names that were not known when rows were written.
//!
//! They come from the events table, where a later revision of `started` carries the identity,
//! and from later rows of the same instance, which lie in the next hour when it began shortly
//! before the border.

use super::state::{Hour, State};
use crate::StoreError;
use crate::footer::InstanceRange;
use crate::layout::{DataDir, HOUR_MS, hour_of};
use crate::listing::FileInfo;
use crate::table_file::column::{COMPLETED, Column, NULL, Values, rows_of};
use crate::table_file::read::TableFile;
use arrow::datatypes::{DataType, Field};
use fgm_model::schema::{column, table_schema};
use fgm_model::{EventKind, Table};
use parquet::data_type::ByteArray;
use std::collections::{HashMap, HashSet};

/// A value of one of the completed columns.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Value {
    Text(String),
    Number(i64),
}

/// How much a row is worth as a source of names: a `started` event before others, then the
/// later revision.
type Rank = (bool, i64);

type Key = (String, String);

/// The names of instances, as far as they are known.
#[derive(Debug, Default)]
pub(super) struct Names {
    by_instance: HashMap<Key, HashMap<&'static str, (Rank, Value)>>,
}

impl Names {
    /// Looks for the names of these instances.
    pub(super) fn gather(dir: &DataDir, hour: &Hour, unnamed: &[Key]) -> Result<Self, StoreError> {
        let wanted: HashSet<&Key> = unnamed.iter().collect();
        let mut names = Self::default();
        if wanted.is_empty() {
            return Ok(names);
        }
        for file in &State::events_since(dir, hour)? {
            names.add(file, &wanted)?;
        }
        let next = Hour {
            hour_start_ms: hour_of(hour.hour_start_ms).saturating_add(HOUR_MS),
            ..hour.clone()
        };
        for file in &State::raw_of(dir, &next)? {
            names.add(file, &wanted)?;
        }
        Ok(names)
    }

    /// Takes what a file says of the instances; one without any of them is not read.
    fn add(&mut self, info: &FileInfo, wanted: &HashSet<&Key>) -> Result<(), StoreError> {
        let ranges: Vec<(Key, &InstanceRange)> = info
            .footer
            .instances
            .iter()
            .filter_map(|range| Some(((range.container_id.clone()?, range.life.clone()?), range)))
            .filter(|(key, _)| wanted.contains(key))
            .collect();
        if ranges.is_empty() {
            return Ok(());
        }
        let file = TableFile::open(&info.path)?;
        let read = |name: &str, data_type: DataType| {
            let mut column = Column::new(&Field::new(name, data_type, true), file.rows());
            file.whole(&mut column).map(|()| column)
        };
        let kinds = read(column::KIND, DataType::Utf8)?;
        let revisions = read(column::REVISION, DataType::Int64)?;
        let rank = |row: usize| -> Rank {
            let started = EventKind::Started.as_str();
            let is_started = value_at(&kinds, row) == Some(Value::Text(started.to_owned()));
            let revision = match value_at(&revisions, row) {
                Some(Value::Number(revision)) => revision,
                _ => 0,
            };
            (is_started, revision)
        };
        for name in COMPLETED {
            let schema = table_schema(Table::Metrics);
            let data_type = schema
                .field_with_name(name)
                .map_or(DataType::Utf8, |field| field.data_type().clone());
            let column = read(name, data_type)?;
            for (key, range) in &ranges {
                let rows = rows_of(range);
                for row in rows.start..rows.end.min(file.rows()) {
                    if let Some(value) = value_at(&column, row) {
                        self.offer(key, name, rank(row), value);
                    }
                }
            }
        }
        Ok(())
    }

    /// Of two values the one of the higher rank is kept, of equal ranks the later.
    fn offer(&mut self, key: &Key, name: &'static str, rank: Rank, value: Value) {
        let known = self.by_instance.entry(key.clone()).or_default();
        if known.get(name).is_none_or(|(best, _)| rank >= *best) {
            known.insert(name, (rank, value));
        }
    }

    /// Whether a person would learn a name from this.
    pub(super) fn tell_any(&self) -> bool {
        let telling = [column::POD_NAME, column::CONTAINER_NAME];
        self.by_instance
            .values()
            .any(|known| telling.iter().any(|name| known.contains_key(name)))
    }

    /// Gives the rows that lack a value the known one.
    pub(super) fn fill(&self, column: &mut Column, instances: &[InstanceRange]) {
        for range in instances {
            let (Some(container_id), Some(life)) = (&range.container_id, &range.life) else {
                continue;
            };
            let known = self.by_instance.get(&(container_id.clone(), life.clone()));
            let Some((_, value)) = known.and_then(|known| known.get(column.name.as_str())) else {
                continue;
            };
            let rows = rows_of(range);
            match (&mut column.values, value) {
                (Values::Text { keys, words }, Value::Text(text)) => {
                    for key in keys[rows].iter_mut().filter(|key| **key == NULL) {
                        *key = words.key_of(text);
                    }
                }
                (Values::Int(values), Value::Number(number)) => {
                    for row in rows.filter(|row| !column.valid[*row]) {
                        values[row] = *number;
                    }
                    column.valid[rows_of(range)].fill(true);
                }
                _ => {}
            }
        }
    }
}

fn value_at(column: &Column, row: usize) -> Option<Value> {
    match &column.values {
        Values::Text { keys, words } => {
            let word: Option<&ByteArray> = words.list.get(*keys.get(row)? as usize);
            Some(Value::Text(word?.as_utf8().ok()?.to_owned()))
        }
        Values::Int(values) => {
            let is_known = *column.valid.get(row)?;
            is_known.then(|| values.get(row).copied().map(Value::Number))?
        }
        Values::Float(_) | Values::Bool(_) => None,
    }
}
