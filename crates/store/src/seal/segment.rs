//! Writing a Parquet file column group by column group (DATA.md section 1).
//!
//! The spool is read again for each group, so that memory is bounded by rows x group and not
//! by rows x columns; the writer itself streams one column at a time.

use crate::StoreError;
use crate::footer::{Footer, parquet_error};
use crate::seal::Source;
use crate::seal::columns::{Column, Group, NULL, Values, read};
use crate::seal::verify::{Checksum, text_hash};
use crate::stream::Tail;
use arrow::datatypes::{DataType, Schema};
use fgm_model::Table;
use fgm_model::schema::{column, table_schema};
use parquet::arrow::ArrowSchemaConverter;
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::data_type::{BoolType, ByteArrayType, DataType as ParquetType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::metadata::SortingColumn;
use parquet::file::properties::{
    EnabledStatistics, WriterProperties, WriterPropertiesPtr, WriterVersion,
};
use parquet::file::writer::{
    SerializedColumnWriter, SerializedFileWriter, SerializedRowGroupWriter,
};
use parquet::schema::types::ColumnPath;
use std::fs::File;
use std::io::{Seek, SeekFrom};
use std::path::Path;
use std::sync::Arc;

/// Columns read from the spool at a time.
const GROUP: usize = 12;
/// Rows handed to the column writer at a time.
const CHUNK: usize = 8192;
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

/// How writing went.
pub(crate) enum Written {
    /// All rows; a checksum per column of what was meant to be written.
    Whole(Vec<u64>),
    /// A column is damaged after so many ticks: start again with these alone.
    Shorter {
        /// Whole ticks.
        ticks: usize,
        /// What follows them.
        tail: Tail,
    },
}

/// Writes the file of a stream from its beginning.
pub(crate) fn write(file: &File, path: &Path, source: &Source) -> Result<Written, StoreError> {
    let mut output = file;
    output
        .seek(SeekFrom::Start(0))
        .and_then(|_| file.set_len(0))
        .map_err(StoreError::io("truncate", path))?;
    let failed = |error| write_error(error, path);
    let schema = table_schema(source.table);
    let parquet_schema = ArrowSchemaConverter::new()
        .schema_root("fgm")
        .convert(&schema)
        .map_err(failed)?;
    let mut writer = SerializedFileWriter::new(
        file,
        parquet_schema.root_schema_ptr(),
        properties(source.table, &schema),
    )
    .map_err(failed)?;
    let mut row_group = writer.next_row_group().map_err(failed)?;
    let mut checksums = Vec::with_capacity(schema.fields().len());
    for fields in schema.fields().chunks(GROUP) {
        let fields: Vec<_> = fields.iter().map(AsRef::as_ref).collect();
        let columns = match read(&source.path, &source.order, &fields)? {
            Group::Whole(columns) => columns,
            Group::Shorter { ticks, tail } => return Ok(Written::Shorter { ticks, tail }),
        };
        for (column, field) in columns.into_iter().zip(&fields) {
            let checksum = write_column(&mut row_group, &column, field.is_nullable());
            checksums.push(checksum.map_err(failed)?);
        }
    }
    row_group.close().map_err(failed)?;
    let footer = Footer {
        instances: source.order.instances.clone(),
        ..source.footer.clone()
    };
    for pair in footer
        .to_key_values()
        .map_err(|error| StoreError::encode(path, error))?
    {
        writer.append_key_value_metadata(pair);
    }
    writer.close().map_err(failed)?;
    Ok(Written::Whole(checksums))
}

/// Compression, encodings, statistics and the declared order.
fn properties(table: Table, schema: &Schema) -> WriterPropertiesPtr {
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
    let mut properties = WriterProperties::builder()
        .set_writer_version(WriterVersion::PARQUET_1_0)
        .set_created_by(concat!("fgm version ", env!("CARGO_PKG_VERSION")).to_owned())
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_dictionary_enabled(false)
        .set_statistics_enabled(EnabledStatistics::None)
        .set_data_page_row_count_limit(PAGE_ROWS)
        .set_max_row_group_row_count(None)
        .set_sorting_columns(Some(sorting));
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
        if KEY_COLUMNS.contains(&field.name().as_str()) {
            properties = properties.set_column_statistics_enabled(path, EnabledStatistics::Page);
        }
    }
    Arc::new(properties.build())
}

/// A text that repeats; an event's id and detail are its own.
fn is_label(table: Table, name: &str) -> bool {
    table != Table::Events || ![column::EVENT_ID, column::DETAIL].contains(&name)
}

fn write_error(error: ParquetError, path: &Path) -> StoreError {
    match parquet_error(error, path) {
        StoreError::Io { source, .. } => StoreError::io("write", path)(source),
        other => StoreError::encode(path, other),
    }
}

fn write_column(
    row_group: &mut SerializedRowGroupWriter<'_, &File>,
    column: &Column,
    nullable: bool,
) -> Result<u64, ParquetError> {
    let writer = row_group
        .next_column()?
        .ok_or_else(|| ParquetError::General("fewer columns than fields".into()))?;
    let mut output = Output {
        writer,
        nullable,
        levels: Vec::with_capacity(CHUNK),
        checksum: Checksum::default(),
    };
    match &column.values {
        Values::Int(values) => {
            for (values, valid) in values.chunks(CHUNK).zip(column.valid.chunks(CHUNK)) {
                let known: Vec<i64> = output.known(values, valid, |value| (*value, hash(*value)));
                output.write::<Int64Type>(&known)?;
            }
        }
        Values::Bool(values) => {
            for (values, valid) in values.chunks(CHUNK).zip(column.valid.chunks(CHUNK)) {
                let known: Vec<bool> =
                    output.known(values, valid, |value| (*value, u64::from(*value)));
                output.write::<BoolType>(&known)?;
            }
        }
        Values::Text { keys, words } => {
            let hashes: Vec<u64> = words
                .list
                .iter()
                .map(|word| text_hash(word.data()))
                .collect();
            for keys in keys.chunks(CHUNK) {
                let valid: Vec<bool> = keys.iter().map(|key| *key != NULL).collect();
                let known = output.known(keys, &valid, |key| {
                    let key = *key as usize;
                    (words.list[key].clone(), hashes[key])
                });
                output.write::<ByteArrayType>(&known)?;
            }
        }
    }
    let checksum = output.checksum.finish();
    output.writer.close()?;
    Ok(checksum)
}

/// An integer as the checksum takes it.
pub(crate) const fn hash(value: i64) -> u64 {
    value.cast_unsigned()
}

struct Output<'a> {
    writer: SerializedColumnWriter<'a>,
    nullable: bool,
    levels: Vec<i16>,
    checksum: Checksum,
}

impl Output<'_> {
    /// The values that are there; notes the levels, and the checksum of all.
    fn known<S, T>(&mut self, values: &[S], valid: &[bool], of: impl Fn(&S) -> (T, u64)) -> Vec<T> {
        self.levels.clear();
        let mut known = Vec::with_capacity(values.len());
        for (value, valid) in values.iter().zip(valid) {
            // A column that may not be null has a value in every row of a stream.
            if *valid || !self.nullable {
                let (value, hash) = of(value);
                self.checksum.add(hash);
                known.push(value);
                self.levels.push(1);
            } else {
                self.checksum.add_null();
                self.levels.push(0);
            }
        }
        known
    }

    fn write<T: ParquetType>(&mut self, known: &[T::T]) -> Result<(), ParquetError> {
        let levels = self.nullable.then_some(self.levels.as_slice());
        self.writer.typed::<T>().write_batch(known, levels, None)?;
        Ok(())
    }
}
