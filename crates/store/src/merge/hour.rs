//! Several sorted files become one, column by column.
//!
//! In memory are the order (a few numbers per run) and one column. A late spool that was sealed
//! after the hour was merged is a source like any other, beside the hour's file.

use super::names::Names;
use super::order::Order;
use crate::StoreError;
use crate::footer::{Footer, InstanceRange};
use crate::layout::{create_file, remove_file};
use crate::table_file::column::{COMPLETED, Column, Values, rows_of};
use crate::table_file::read::TableFile;
use crate::table_file::write::{Encodings, TableWriter};
use arrow::datatypes::{Field, Schema};
use fgm_model::Table;
use fgm_model::schema::{column, table_schema};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Files that are open at a time. More are merged in rounds: an hour of one-second spools has
/// 3,600.
pub(super) const MOST_SOURCES: usize = 64;

/// What was written.
#[derive(Debug)]
pub(super) struct Written {
    /// A checksum per column.
    pub(super) checksums: Vec<u64>,
    /// Where the rows went.
    pub(super) order: Order,
    /// Instances whose names are not known.
    pub(super) unnamed: Vec<(String, String)>,
}

/// How to merge.
pub(super) struct Merge<'a> {
    pub(super) table: Table,
    /// Names that rows lack.
    pub(super) names: &'a Names,
    /// Asked before each column.
    pub(super) stop: &'a dyn Fn() -> bool,
}

impl Merge<'_> {
    /// Merges files, earliest first, into the one at `tmp`; what the file says about itself is
    /// completed by what is found.
    pub(super) fn write(
        &self,
        sources: &[PathBuf],
        tmp: &Path,
        footer: &Footer,
    ) -> Result<Written, StoreError> {
        let mut parts = Vec::new();
        let result = self.reduce(sources, tmp, &mut parts).and_then(|files| {
            let last = LastRound { footer };
            self.round(&files, tmp, Some(&last))
        });
        for part in parts {
            // What is left is removed at the next start at the latest.
            let _ = remove_file(&part);
        }
        result
    }

    /// Opens the sources, after merging them in rounds until they are few.
    fn reduce(
        &self,
        sources: &[PathBuf],
        tmp: &Path,
        parts: &mut Vec<PathBuf>,
    ) -> Result<Vec<TableFile>, StoreError> {
        let mut sources = sources.to_vec();
        while sources.len() > MOST_SOURCES {
            let mut merged = Vec::new();
            for few in sources.chunks(MOST_SOURCES) {
                let files: Vec<_> = few
                    .iter()
                    .map(|path| TableFile::open(path))
                    .collect::<Result<_, _>>()?;
                let part = tmp.with_extension(format!("part{}", parts.len()));
                parts.push(part.clone());
                self.round(&files, &part, None)?;
                merged.push(part);
            }
            sources = merged;
        }
        sources.iter().map(|path| TableFile::open(path)).collect()
    }

    fn round(
        &self,
        sources: &[TableFile],
        path: &Path,
        last: Option<&LastRound<'_>>,
    ) -> Result<Written, StoreError> {
        let order = Order::of(sources, self.table)?;
        let schema = Arc::new(merged_schema(self.table, sources));
        let file = create_file(path)?;
        let encodings = match last {
            Some(_) => Encodings::Smallest,
            None => Encodings::ByType,
        };
        let mut writer = TableWriter::new(&file, path, self.table, Arc::clone(&schema), encodings)?;
        let mut known = vec![Known::default(); order.instances.len()];
        for group in &order.groups {
            let ranges: Vec<InstanceRange> = order.instances[group.instances.clone()]
                .iter()
                .map(|range| InstanceRange {
                    first_row: range.first_row - group.first_row as u64,
                    ..range.clone()
                })
                .collect();
            let mut row_group = writer.row_group()?;
            for field in schema.fields() {
                if (self.stop)() {
                    return Err(StoreError::Stopped);
                }
                let mut column = Column::new(field, group.rows);
                for (source, runs) in sources.iter().zip(&group.runs) {
                    if let Some(mut stream) = source.column(field.name()) {
                        stream.scatter(&mut column, runs)?;
                    }
                }
                if last.is_some() && COMPLETED.contains(&field.name().as_str()) {
                    column.complete(&ranges);
                    self.names.fill(&mut column, &ranges);
                    for (known, range) in known[group.instances.clone()].iter_mut().zip(&ranges) {
                        known.note(&column, range);
                    }
                }
                row_group.write(&column)?;
            }
            row_group.close()?;
        }
        let unnamed = unnamed(self.table, &order.instances, &known);
        let mut footer = last.map_or_else(Footer::default, |last| last.footer.clone());
        footer.instances.clone_from(&order.instances);
        footer.hour.unnamed.clone_from(&unnamed);
        let checksums = writer.finish(&footer)?;
        file.sync_all().map_err(StoreError::io("sync", path))?;
        Ok(Written {
            checksums,
            order,
            unnamed,
        })
    }
}

/// What only the last round does: names, encodings, and what the file says about itself.
struct LastRound<'a> {
    footer: &'a Footer,
}

/// The table's columns, then those that only a source of another version has.
fn merged_schema(table: Table, sources: &[TableFile]) -> Schema {
    let mut fields: Vec<Arc<Field>> = table_schema(table).fields().iter().cloned().collect();
    for source in sources {
        for field in source.schema().fields() {
            if fields.iter().all(|known| known.name() != field.name()) {
                fields.push(Arc::new(field.as_ref().clone().with_nullable(true)));
            }
        }
    }
    Schema::new(fields)
}

/// Which names an instance has.
#[derive(Debug, Default, Clone, Copy)]
struct Known {
    pod_uid: bool,
    pod_name: bool,
    container_name: bool,
}

impl Known {
    fn note(&mut self, column: &Column, range: &InstanceRange) {
        let is_known = |row: usize| match &column.values {
            Values::Text { keys, .. } => keys[row] != crate::table_file::column::NULL,
            _ => false,
        };
        let last = rows_of(range).last().is_some_and(is_known);
        match column.name.as_str() {
            column::POD_UID => self.pod_uid = last,
            column::POD_NAME => self.pod_name = last,
            column::CONTAINER_NAME => self.container_name = last,
            _ => {}
        }
    }

    /// Whether a person would miss its name.
    const fn lacks_a_name(self, table: Table) -> bool {
        let pod_lacks_one = self.pod_uid && !self.pod_name;
        match table {
            Table::Metrics => pod_lacks_one || !self.container_name,
            Table::Pods | Table::Events => pod_lacks_one,
            Table::Node => false,
        }
    }
}

fn unnamed(table: Table, instances: &[InstanceRange], known: &[Known]) -> Vec<(String, String)> {
    instances
        .iter()
        .zip(known)
        .filter(|(_, known)| known.lacks_a_name(table))
        .filter_map(|(range, _)| Some((range.container_id.clone()?, range.life.clone()?)))
        .collect()
}
