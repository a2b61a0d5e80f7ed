//! Writing a Parquet file column by column.
//!
//! The writer streams: what bounds the memory is the one column that the caller holds.

use super::column::{Column, Values};
use super::encode::{Encoded, best};
use super::verify::{Checksum, text_hash};
use crate::StoreError;
use crate::footer::{Footer, parquet_error};
use arrow::datatypes::{DataType, Field, Schema};
use fgm_model::Table;
use fgm_model::schema::column;
use parquet::arrow::ArrowSchemaConverter;
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::metadata::SortingColumn;
use parquet::file::properties::{
    EnabledStatistics, WriterProperties, WriterPropertiesBuilder, WriterPropertiesPtr,
    WriterVersion,
};
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::types::{ColumnPath, SchemaDescriptor};
use std::fs::File;
use std::io::{Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// "pages of 3,600-20,000 rows".
const PAGE_ROWS: usize = 20_000;

/// Columns by whose statistics files and pages are found.
const KEY_COLUMNS: [&str; 8] = [
    column::TIME,
    column::CLOCK_EPOCH,
    column::CONTAINER_ID,
    column::LIFE,
    column::NAMESPACE,
    column::POD_NAME,
    column::RECORDED_AT,
    column::KIND,
];

/// How columns are encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encodings {
    /// By their type: cheap, for a minute's segment.
    ByType,
    /// Each as it becomes smallest: for what is kept.
    Smallest,
}

/// A file being written.
pub(crate) struct TableWriter<'f> {
    writer: SerializedFileWriter<&'f File>,
    path: PathBuf,
    schema: Arc<Schema>,
    table: Table,
    encodings: Encodings,
    checksums: Vec<Checksum>,
}

impl<'f> TableWriter<'f> {
    /// Begins the file anew.
    pub(crate) fn new(
        file: &'f File,
        path: &Path,
        table: Table,
        schema: Arc<Schema>,
        encodings: Encodings,
    ) -> Result<Self, StoreError> {
        let mut output = file;
        output
            .seek(SeekFrom::Start(0))
            .and_then(|_| file.set_len(0))
            .map_err(StoreError::io("truncate", path))?;
        let failed = |error| write_error(error, path);
        let parquet_schema = ArrowSchemaConverter::new()
            .schema_root("fgm")
            .convert(&schema)
            .map_err(failed)?;
        let writer = SerializedFileWriter::new(
            file,
            parquet_schema.root_schema_ptr(),
            file_properties(table, &schema),
        )
        .map_err(failed)?;
        Ok(Self {
            writer,
            path: path.to_owned(),
            checksums: vec![Checksum::default(); schema.fields().len()],
            schema,
            table,
            encodings,
        })
    }

    /// Begins a row group, whose columns come in the order of the schema.
    pub(crate) fn row_group(&mut self) -> Result<GroupWriter<'_, 'f>, StoreError> {
        let columns = self.writer.schema_descr().clone();
        let group = self
            .writer
            .next_row_group()
            .map_err(|error| write_error(error, &self.path))?;
        Ok(GroupWriter {
            group,
            columns,
            path: &self.path,
            schema: &self.schema,
            table: self.table,
            encodings: self.encodings,
            checksums: self.checksums.iter_mut(),
            next: 0,
        })
    }

    /// Ends the file; a checksum per column of what was meant to be written.
    pub(crate) fn finish(mut self, footer: &Footer) -> Result<Vec<u64>, StoreError> {
        let pairs = footer.to_key_values();
        for pair in pairs.map_err(|error| StoreError::encode(&self.path, error))? {
            self.writer.append_key_value_metadata(pair);
        }
        let path = self.path;
        self.writer
            .close()
            .map_err(|error| write_error(error, &path))?;
        Ok(self.checksums.into_iter().map(Checksum::finish).collect())
    }
}

/// A row group being written.
pub(crate) struct GroupWriter<'w, 'f> {
    group: SerializedRowGroupWriter<'w, &'f File>,
    columns: SchemaDescriptor,
    path: &'w Path,
    schema: &'w Schema,
    table: Table,
    encodings: Encodings,
    checksums: std::slice::IterMut<'w, Checksum>,
    next: usize,
}

impl GroupWriter<'_, '_> {
    /// Writes the next column.
    pub(crate) fn write(&mut self, column: &Column) -> Result<(), StoreError> {
        let path = self.path;
        self.try_write(column)
            .map_err(|error| write_error(error, path))
    }

    fn try_write(&mut self, column: &Column) -> Result<(), ParquetError> {
        let more = || ParquetError::General("more columns than fields".into());
        let field = self.schema.fields().get(self.next).ok_or_else(more)?;
        let checksum = self.checksums.next().ok_or_else(more)?;
        *checksum = column.checksum(*checksum, field.is_nullable());
        if self.encodings == Encodings::Smallest {
            let descriptor = self.columns.column(self.next);
            let Encoded { bytes, close } = best(column, field, self.table, &descriptor)?;
            self.group.append_column(&bytes, close)?;
        } else {
            let writer = self.group.next_column()?;
            let mut writer = writer.ok_or_else(more)?;
            let rows = 0..column.rows();
            column.write(writer.untyped(), field.is_nullable(), rows)?;
            writer.close()?;
        }
        self.next += 1;
        Ok(())
    }

    /// Ends the row group.
    pub(crate) fn close(self) -> Result<(), StoreError> {
        self.group
            .close()
            .map_err(|error| write_error(error, self.path))?;
        Ok(())
    }
}

/// Compression, page size and version, for files and single columns alike.
pub(super) fn base_properties() -> WriterPropertiesBuilder {
    WriterProperties::builder()
        .set_writer_version(WriterVersion::PARQUET_1_0)
        .set_created_by(concat!("fgm version ", env!("CARGO_PKG_VERSION")).to_owned())
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_dictionary_enabled(false)
        .set_statistics_enabled(EnabledStatistics::None)
        .set_data_page_row_count_limit(PAGE_ROWS)
        .set_max_row_group_row_count(None)
}

/// Encodings by type, statistics and the declared order.
fn file_properties(table: Table, schema: &Schema) -> WriterPropertiesPtr {
    let position = |name: &str| {
        let index = schema.index_of(name).ok();
        index.and_then(|index| i32::try_from(index).ok())
    };
    let sorting = [column::CONTAINER_ID, column::LIFE, column::TIME]
        .into_iter()
        .filter_map(position)
        .map(|column_idx| SortingColumn {
            column_idx,
            descending: false,
            nulls_first: true,
        })
        .collect();
    let mut properties = base_properties().set_sorting_columns(Some(sorting));
    for field in schema.fields() {
        let path = ColumnPath::from(field.name().as_str());
        properties = match field.data_type() {
            DataType::Int64 | DataType::Timestamp(_, _) => {
                properties.set_column_encoding(path.clone(), Encoding::DELTA_BINARY_PACKED)
            }
            DataType::Utf8 if is_label(table, field.name()) => {
                properties.set_column_dictionary_enabled(path.clone(), true)
            }
            _ => properties,
        };
        if is_key(field) {
            properties = properties.set_column_statistics_enabled(path, EnabledStatistics::Page);
        }
    }
    Arc::new(properties.build())
}

/// Whether files and pages are found by this column.
pub(super) fn is_key(field: &Field) -> bool {
    KEY_COLUMNS.contains(&field.name().as_str())
}

/// A text that repeats; an event's id and detail are its own.
pub(super) fn is_label(table: Table, name: &str) -> bool {
    table != Table::Events || ![column::EVENT_ID, column::DETAIL].contains(&name)
}

fn write_error(error: ParquetError, path: &Path) -> StoreError {
    match parquet_error(error, path) {
        StoreError::Io { source, .. } => StoreError::io("write", path)(source),
        other => StoreError::encode(path, other),
    }
}

/// An integer as the checksum takes it.
pub(crate) const fn hash(value: i64) -> u64 {
    value.cast_unsigned()
}

impl Column {
    /// How many rows it has.
    pub(crate) fn rows(&self) -> usize {
        match &self.values {
            Values::Text { keys, .. } => keys.len(),
            _ => self.valid.len(),
        }
    }

    /// Whether a row has a value. A column that may not be null has one in every row.
    fn is_known(&self, row: usize, nullable: bool) -> bool {
        !nullable
            || match &self.values {
                Values::Text { keys, .. } => keys[row] != super::column::NULL,
                _ => self.valid[row],
            }
    }

    /// Goes on with a checksum over all rows.
    fn checksum(&self, mut checksum: Checksum, nullable: bool) -> Checksum {
        let words: Vec<u64> = match &self.values {
            Values::Text { words, .. } => {
                let texts = words.list.iter();
                texts.map(|word| text_hash(word.data())).collect()
            }
            _ => Vec::new(),
        };
        let all_known = !nullable || !self.valid.contains(&false);
        match &self.values {
            Values::Int(values) if all_known => checksum.add_all(values, |value| hash(*value)),
            Values::Float(values) if all_known => checksum.add_all(values, |value| value.to_bits()),
            Values::Int(values) => self.add_to(&mut checksum, nullable, |row| hash(values[row])),
            Values::Float(values) => {
                self.add_to(&mut checksum, nullable, |row| values[row].to_bits());
            }
            Values::Bool(values) => {
                self.add_to(&mut checksum, nullable, |row| u64::from(values[row]));
            }
            Values::Text { keys, .. } => self.add_to(&mut checksum, nullable, |row| {
                words.get(keys[row] as usize).copied().unwrap_or(0)
            }),
        }
        checksum
    }

    fn add_to(&self, checksum: &mut Checksum, nullable: bool, hash_at: impl Fn(usize) -> u64) {
        for row in 0..self.rows() {
            if self.is_known(row, nullable) {
                checksum.add(hash_at(row));
            } else {
                checksum.add_null();
            }
        }
    }
}
