//! One file: a Parquet file or a spool stream.

use super::tally::{InstanceReport, Tally};
use crate::StoreError;
use crate::footer::{Footer, HourNotes, Origin, parquet_error, read_metadata};
use crate::layout::{DataDir, HOUR_MS, hour_of};
use crate::listing::{FileInfo, Lister, Listing, Selection};
use crate::set_rule::Level;
use crate::stream::{Columns, SpoolStream, Tail};
use arrow::datatypes::Schema;
use fgm_model::Table;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::file::metadata::{ParquetMetaData, RowGroupMetaData};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use ulid::Ulid;

/// What kind of file it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Format {
    /// A Parquet file.
    Parquet {
        /// The program that wrote it.
        created_by: String,
        /// Its row groups.
        row_groups: usize,
    },
    /// A spool stream.
    Stream {
        /// What follows the last whole tick.
        tail: Tail,
    },
}

/// Whether the set rule counts a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SetState {
    /// Its rows are read from it.
    Counts,
    /// Its rows are read from these instead.
    SupersededBy(Vec<PathBuf>),
    /// It does not lie in a data directory, or is being written.
    NotListed,
}

/// One column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnReport {
    /// Its name.
    pub name: String,
    /// Its type.
    pub data_type: String,
    /// How its values are encoded; not told for a stream.
    pub encoding: String,
    /// Its size in the file; not told for a stream.
    pub bytes: Option<u64>,
    /// Rows without a value.
    pub nulls: u64,
}

/// What is in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileReport {
    /// Its path.
    pub path: PathBuf,
    /// Its size.
    pub bytes: u64,
    /// What kind of file it is.
    pub format: Format,
    /// Who wrote it; `None` for a file of another origin.
    pub origin: Option<Origin>,
    /// How far its rows have come.
    pub level: Level,
    /// Raised when a file is rebuilt.
    pub generation: u64,
    /// The spools whose rows it holds.
    pub spools: Vec<Ulid>,
    /// Whether it counts.
    pub state: SetState,
    /// Its rows.
    pub rows: u64,
    /// First and last `time`.
    pub range_ms: Option<(i64, i64)>,
    /// Rows of each kind, for events.
    pub kinds: BTreeMap<String, u64>,
    /// Its instances.
    pub instances: Vec<InstanceReport>,
    /// Its columns.
    pub columns: Vec<ColumnReport>,
}

/// Reads a Parquet file or a spool stream.
///
/// # Errors
/// Says what is wrong with a file that is neither.
pub fn inspect_file(path: &Path) -> Result<FileReport, StoreError> {
    let mut file = File::open(path).map_err(StoreError::io("open", path))?;
    let metadata = file.metadata().map_err(StoreError::io("read", path))?;
    if !metadata.is_file() {
        return Err(StoreError::parse(path, "file", "it is not a regular file"));
    }
    let mut magic = Vec::new();
    file.by_ref()
        .take(4)
        .read_to_end(&mut magic)
        .map_err(StoreError::io("read", path))?;
    match magic.as_slice() {
        b"PAR1" => inspect_parquet(&file, path, metadata.len()),
        [0xff, 0xff, 0xff, 0xff] => inspect_stream(path, metadata.len()),
        [] => Err(StoreError::parse(path, "file", "it is empty")),
        _ => Err(StoreError::parse(
            path,
            "file",
            "it is neither Parquet (which begins with PAR1) nor a spool stream (.arrows)",
        )),
    }
}

fn inspect_parquet(file: &File, path: &Path, bytes: u64) -> Result<FileReport, StoreError> {
    let metadata = read_metadata(file, path)?;
    let footer = Footer::of_file(&metadata, path)?;
    let failed = |error| parquet_error(error, path);
    let input = file.try_clone().map_err(StoreError::io("open", path))?;
    let builder = ParquetRecordBatchReaderBuilder::try_new(input).map_err(failed)?;
    let schema = builder.schema().clone();
    let mut tally = Tally::default();
    for batch in builder.with_batch_size(8192).build().map_err(failed)? {
        tally.add(&batch.map_err(|error| StoreError::parse(path, "segment", error))?);
    }
    let described = metadata.file_metadata();
    let format = Format::Parquet {
        created_by: described.created_by().unwrap_or("unknown").to_owned(),
        row_groups: metadata.num_row_groups(),
    };
    let mut columns = columns_of(&schema, &tally);
    for column in &mut columns {
        let (stored, encodings) = chunks_of(&metadata, &column.name);
        column.bytes = Some(stored);
        column.encoding = encodings;
    }
    let origin = footer.origin.clone();
    let state = state_of(path, |listing| find_file(listing, path, &footer.spools));
    Ok(report(path, bytes, format, origin, columns, &mut tally).with(footer, state))
}

fn inspect_stream(path: &Path, bytes: u64) -> Result<FileReport, StoreError> {
    let Some(mut stream) = SpoolStream::open(path, Columns::All)? else {
        let reason = "it ends before its schema does: the recorder was killed at its first tick";
        return Err(StoreError::parse(path, "spool stream", reason));
    };
    let mut tally = Tally::default();
    while let Some(batch) = stream.next_batch()? {
        tally.add(&batch);
    }
    let format = Format::Stream {
        tail: stream.tail().clone(),
    };
    let columns = columns_of(stream.schema(), &tally);
    let footer = Footer {
        origin: Some(stream.origin().clone()),
        level: Level::Spool,
        generation: 0,
        spools: ulid_of_stream(path).into_iter().collect(),
        instances: Vec::new(),
        hour: HourNotes::default(),
    };
    let state = state_of(path, |listing| find_stream(listing, path, &footer.spools));
    let origin = footer.origin.clone();
    Ok(report(path, bytes, format, origin, columns, &mut tally).with(footer, state))
}

fn report(
    path: &Path,
    bytes: u64,
    format: Format,
    origin: Option<Origin>,
    columns: Vec<ColumnReport>,
    tally: &mut Tally,
) -> FileReport {
    // Events come when they come: only ticks can be missing.
    let interval_ms = origin
        .as_ref()
        .map(|origin| origin.interval_ms)
        .filter(|_| tally.kinds.is_empty());
    FileReport {
        path: path.to_owned(),
        bytes,
        format,
        origin,
        level: Level::Segment,
        generation: 0,
        spools: Vec::new(),
        state: SetState::NotListed,
        rows: tally.rows,
        range_ms: tally.range_ms,
        kinds: std::mem::take(&mut tally.kinds),
        instances: tally.instances(interval_ms),
        columns,
    }
}

impl FileReport {
    fn with(self, footer: Footer, state: SetState) -> Self {
        Self {
            level: footer.level,
            generation: footer.generation,
            spools: footer.spools,
            state,
            ..self
        }
    }
}

fn columns_of(schema: &Schema, tally: &Tally) -> Vec<ColumnReport> {
    schema
        .fields()
        .iter()
        .map(|field| ColumnReport {
            name: field.name().clone(),
            data_type: field.data_type().to_string(),
            encoding: String::new(),
            bytes: None,
            nulls: tally.nulls.get(field.name()).copied().unwrap_or_default(),
        })
        .collect()
}

/// The size and the encodings of a column's chunks; nested columns are added up.
fn chunks_of(metadata: &ParquetMetaData, name: &str) -> (u64, String) {
    let mut bytes = 0;
    let mut encodings: Vec<String> = Vec::new();
    let chunks = metadata
        .row_groups()
        .iter()
        .flat_map(RowGroupMetaData::columns);
    for chunk in chunks.filter(|chunk| {
        chunk
            .column_path()
            .parts()
            .first()
            .is_some_and(|p| p == name)
    }) {
        bytes += u64::try_from(chunk.compressed_size()).unwrap_or_default();
        for encoding in chunk.encodings() {
            let encoding = encoding.to_string();
            // RLE is how every column stores which rows are null.
            if encoding != "RLE" && !encodings.contains(&encoding) {
                encodings.push(encoding);
            }
        }
    }
    if encodings
        .iter()
        .any(|encoding| encoding == "RLE_DICTIONARY")
    {
        // The dictionary itself is plain.
        encodings.retain(|encoding| encoding != "PLAIN");
    }
    (bytes, encodings.join("+"))
}

/// The data directory that a file lies in, by the names above it.
fn data_dir_of(path: &Path) -> Option<(DataDir, Table)> {
    let path = std::path::absolute(path).ok()?;
    let name = |depth: usize| path.ancestors().nth(depth)?.file_name()?.to_str();
    if name(2) == Some("_spool") {
        let table = Table::from_name(name(0)?.strip_suffix(".arrows")?)?;
        return Some((DataDir::new(path.ancestors().nth(3)?), table));
    }
    let is_partition = name(1)?.starts_with("pod=") && name(2)?.starts_with("dt=");
    let table = Table::from_name(name(3)?).filter(|_| is_partition)?;
    Some((DataDir::new(path.ancestors().nth(4)?), table))
}

fn ulid_of_stream(path: &Path) -> Option<Ulid> {
    let directory = path.parent()?.file_name()?.to_str()?;
    crate::layout::parse_ulid(directory)
}

/// Asks the listing that the file lies in; one that cannot be listed is told elsewhere.
fn state_of(path: &Path, find: impl Fn(&Listing) -> SetState) -> SetState {
    let Some((dir, table)) = data_dir_of(path) else {
        return SetState::NotListed;
    };
    let range_ms = path
        .file_name()
        .and_then(|name| name.to_str()?.parse::<crate::layout::FileName>().ok())
        .map(|name| (hour_of(name.start_ms), hour_of(name.start_ms) + HOUR_MS - 1));
    let selection = Selection {
        tables: vec![table],
        range_ms,
    };
    Lister::new(dir)
        .list(&selection)
        .map_or(SetState::NotListed, |listing| find(&listing))
}

fn find_file(listing: &Listing, path: &Path, spools: &[Ulid]) -> SetState {
    let same = |file: &FileInfo| is_same(&file.path, path);
    if listing.files.iter().any(|file| same(file)) {
        SetState::Counts
    } else if listing.superseded_files.iter().any(|file| same(file)) {
        SetState::SupersededBy(holders(listing, spools))
    } else {
        SetState::NotListed
    }
}

fn find_stream(listing: &Listing, path: &Path, spools: &[Ulid]) -> SetState {
    if listing
        .streams
        .iter()
        .any(|stream| is_same(&stream.path, path))
    {
        SetState::Counts
    } else if listing
        .superseded_streams
        .iter()
        .any(|stream| is_same(&stream.path, path))
    {
        SetState::SupersededBy(holders(listing, spools))
    } else {
        SetState::NotListed
    }
}

fn holders(listing: &Listing, spools: &[Ulid]) -> Vec<PathBuf> {
    let holds = |file: &FileInfo| {
        spools
            .iter()
            .all(|spool| file.footer.spools.contains(spool))
    };
    let holders = listing.files.iter().filter(|file| holds(file));
    holders.map(|file| file.path.clone()).collect()
}

fn is_same(a: &Path, b: &Path) -> bool {
    std::path::absolute(b).is_ok_and(|b| a == b)
}
