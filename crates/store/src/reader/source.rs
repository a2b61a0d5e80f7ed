//! What the reader keeps of a Parquet file: where its columns and the rows of its instances lie.
//!
//! Some ten kilobytes in the place of the library's footer, so that the files of weeks stay
//! known.

use super::catalog::{Entry, FileId};
use super::lives::{Life, Lives};
use super::pages::Pages;
use super::refusal::Refusal;
use super::table;
use crate::footer::{Footer, InstanceRange, Origin, parquet_error};
use crate::layout::FileName;
use crate::listing::member;
use crate::set_rule::Member;
use fgm_model::schema::column;
use parquet::basic::Compression;
use parquet::file::metadata::{
    ColumnChunkMetaData, ParquetMetaData, ParquetMetaDataReader, RowGroupMetaData,
};
use parquet::file::statistics::Statistics;
use parquet::schema::types::{ColumnDescPtr, SchemaDescPtr};
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

/// A readable file.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) path: PathBuf,
    pub(super) id: FileId,
    pub(super) name: FileName,
    pub(super) rows: usize,
    /// Who wrote it; `None` for a file of another origin.
    pub(super) origin: Option<Origin>,
    /// As the set rule sees it.
    pub(super) member: Member,
    /// The clock epoch of every row, where it is one and the statistics tell.
    pub(super) clock_epoch: Option<i64>,
    /// Adjacent rows of one instance, in row order.
    pub(super) spans: Vec<Span>,
    pub(super) schema: Arc<Schema>,
    pub(super) groups: Vec<Group>,
}

/// Adjacent rows of one instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) life: Life,
    pub(super) first_row: usize,
    pub(super) rows: usize,
    pub(super) first_ms: i64,
    pub(super) last_ms: i64,
}

/// The columns of a file; most files share one.
#[derive(Debug)]
pub(super) struct Schema {
    descr: SchemaDescPtr,
    places: HashMap<String, usize>,
}

/// A row group.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) first_row: usize,
    pub(super) rows: usize,
    chunks: Vec<Chunk>,
}

/// Where a column of a row group lies.
#[derive(Debug, Clone, Copy)]
pub(super) struct Chunk {
    pub(super) start: u64,
    pub(super) bytes: usize,
    /// Where its offset index lies, if it has one.
    pub(super) index: Option<(u64, usize)>,
    dictionary: Option<i64>,
    data: i64,
    values: i64,
    compression: Compression,
}

impl Schema {
    fn new(descr: SchemaDescPtr) -> Self {
        let columns = descr.columns().iter().enumerate();
        let places = columns
            // Nested columns are not ours.
            .filter(|(_, column)| column.max_rep_level() == 0 && column.path().parts().len() == 1)
            .map(|(place, column)| (column.name().to_owned(), place))
            .collect();
        Self { descr, places }
    }

    /// The place of a column.
    pub(super) fn place(&self, name: &str) -> Option<usize> {
        self.places.get(name).copied()
    }

    pub(super) fn column(&self, place: usize) -> ColumnDescPtr {
        self.descr.column(place)
    }
}

impl Group {
    pub(super) fn chunk(&self, column: usize) -> Option<Chunk> {
        self.chunks.get(column).copied()
    }
}

impl Chunk {
    fn of(chunk: &ColumnChunkMetaData) -> Self {
        let (start, bytes) = chunk.byte_range();
        let size = |bytes: u64| usize::try_from(bytes).unwrap_or(usize::MAX);
        Self {
            start,
            bytes: size(bytes),
            index: chunk
                .offset_index_range()
                .map(|range| (range.start, size(range.end.saturating_sub(range.start)))),
            dictionary: chunk.dictionary_page_offset(),
            data: chunk.data_page_offset(),
            values: chunk.num_values(),
            compression: chunk.compression(),
        }
    }

    /// The chunk as the library's page reader takes it.
    pub(super) fn metadata(
        &self,
        column: ColumnDescPtr,
    ) -> Result<ColumnChunkMetaData, parquet::errors::ParquetError> {
        ColumnChunkMetaData::builder(column)
            .set_compression(self.compression)
            .set_num_values(self.values)
            .set_total_compressed_size(i64::try_from(self.bytes).unwrap_or(i64::MAX))
            .set_data_page_offset(self.data)
            .set_dictionary_page_offset(self.dictionary)
            .build()
    }
}

impl Source {
    /// Reads the footer of a listed file.
    pub(super) fn load(entry: &Entry, lives: &Lives, schemas: &Schemas) -> Result<Self, Refusal> {
        let pages = Pages::open(&entry.path, entry.id)?;
        let metadata = ParquetMetaDataReader::new()
            .parse_and_finish(&pages)
            .map_err(|error| Refusal::of(parquet_error(error, &entry.path)))?;
        let footer = Footer::of_file(&metadata, &entry.path).map_err(Refusal::of)?;
        let rows = size(metadata.file_metadata().num_rows());
        let spans = if is_whole(&footer.instances, rows) {
            footer
                .instances
                .iter()
                .map(|range| span(range, lives))
                .collect()
        } else {
            table::runs(pages, lives).map_err(Refusal::Damaged)?
        };
        let mut first_row: usize = 0;
        let mut groups = Vec::new();
        for group in metadata.row_groups() {
            let rows = size(group.num_rows());
            groups.push(Group {
                first_row,
                rows,
                chunks: group.columns().iter().map(Chunk::of).collect(),
            });
            first_row = first_row.saturating_add(rows);
        }
        Ok(Self {
            path: entry.path.clone(),
            id: entry.id,
            name: entry.name,
            rows,
            member: member(&entry.name, &footer),
            origin: footer.origin,
            clock_epoch: one_clock_epoch(&metadata),
            spans,
            schema: schemas.share(metadata.file_metadata().schema_descr_ptr()),
            groups,
        })
    }

    /// The tick interval, as the file says.
    pub(super) fn interval_ms(&self) -> i64 {
        self.origin
            .as_ref()
            .map_or(1000, |origin| origin.interval_ms)
    }

    /// The memory that it takes, about.
    pub(super) fn bytes(&self) -> usize {
        let chunks: usize = self.groups.iter().map(|group| group.chunks.len()).sum();
        1000 + self.spans.len() * size_of::<Span>()
            + chunks * size_of::<Chunk>()
            + self.member.spools.len() * 40
    }
}

/// Schemas that are kept once each.
#[derive(Debug, Default)]
pub(super) struct Schemas(std::sync::Mutex<Vec<Arc<Schema>>>);

impl Schemas {
    /// Versions of the catalogue in one data directory, times its tables.
    const MOST: usize = 32;

    fn share(&self, descr: SchemaDescPtr) -> Arc<Schema> {
        let mut known = self
            .0
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(schema) = known.iter().find(|schema| *schema.descr == *descr) {
            return Arc::clone(schema);
        }
        let schema = Arc::new(Schema::new(descr));
        if known.len() < Self::MOST {
            known.push(Arc::clone(&schema));
        }
        schema
    }
}

fn size(count: i64) -> usize {
    usize::try_from(count).unwrap_or_default()
}

fn span(range: &InstanceRange, lives: &Lives) -> Span {
    let count = |rows| usize::try_from(rows).unwrap_or_default();
    Span {
        life: lives.number(
            range.container_id.as_deref().unwrap_or_default(),
            range.life.as_deref().unwrap_or_default(),
        ),
        first_row: count(range.first_row),
        rows: count(range.rows),
        first_ms: range.first_ms,
        last_ms: range.last_ms,
    }
}

/// Whether the list names every row of the file once, in order.
fn is_whole(instances: &[InstanceRange], rows: usize) -> bool {
    let end = instances.iter().try_fold(0_u64, |next, range| {
        (range.first_row == next).then(|| next.saturating_add(range.rows))
    });
    end.is_some_and(|end| usize::try_from(end) == Ok(rows))
}

fn one_clock_epoch(metadata: &ParquetMetaData) -> Option<i64> {
    let schema = metadata.file_metadata().schema_descr();
    let mut columns = schema.columns().iter();
    let place = columns.position(|c| c.name() == column::CLOCK_EPOCH)?;
    let of_group = |group: &RowGroupMetaData| match group.column(place).statistics()? {
        Statistics::Int64(known) => {
            let (least, most) = (known.min_opt()?, known.max_opt()?);
            (least == most && known.null_count_opt() == Some(0)).then_some(*least)
        }
        _ => None,
    };
    let mut epochs = metadata.row_groups().iter().map(of_group);
    let first = epochs.next()??;
    epochs.all(|epoch| epoch == Some(first)).then_some(first)
}
