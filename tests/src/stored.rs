//! The rows that lie in a data directory, read from sealed files and spool streams alike.

use crate::must;
use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type, TimestampMillisecondType};
use fgm_model::schema::column;
use fgm_model::{Table, Values};
use fgm_store::listing::{Lister, Listing, Selection};
use fgm_store::stream::{Columns, SpoolStream};
use fgm_store::{DataDir, StoreError};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What no two rows share.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RowKey {
    /// The container's ID.
    pub container_id: Arc<str>,
    /// The life of that ID.
    pub life: Arc<str>,
    /// Raised at each clock step.
    pub clock_epoch: i64,
    /// The tick, milliseconds UTC.
    pub time_ms: i64,
}

/// A row of any table but `events`.
#[derive(Debug, Clone)]
pub struct Row {
    /// Its key.
    pub key: RowKey,
    /// When it was really read, microseconds UTC.
    pub read_us: i64,
    /// Whether a null limit means "unlimited".
    pub limits_known: bool,
    /// Its metrics.
    pub values: Values,
}

/// A row of the table `events`.
#[derive(Debug, Clone)]
pub struct EventRow {
    /// Its stable id.
    pub event_id: String,
    /// Its revision.
    pub revision: i64,
    /// What happened.
    pub kind: String,
    /// When, milliseconds UTC.
    pub time_ms: i64,
    /// When this revision was recorded, milliseconds UTC.
    pub recorded_at_ms: i64,
    /// Whose event it is; `None` for the node's.
    pub container_id: Option<String>,
    /// A JSON object.
    pub detail: serde_json::Value,
}

/// A data directory that is read again and again; a sealed file is read once.
#[derive(Debug)]
pub struct Stored {
    lister: Lister,
    sealed: HashMap<PathBuf, Vec<RecordBatch>>,
}

impl Stored {
    /// The rows of that directory.
    #[must_use]
    pub fn open(data_dir: &Path) -> Self {
        Self {
            lister: Lister::new(DataDir::new(data_dir)),
            sealed: HashMap::new(),
        }
    }

    /// What counts of both tables now, at one moment.
    ///
    /// # Panics
    /// When anything that counts cannot be read whole.
    pub fn read(&mut self) -> Content {
        // A file gone at open means: list again.
        for _ in 0..1000 {
            let listing = must(self.lister.list(&Selection::all()), "list");
            assert!(listing.skipped.is_empty(), "{:?}", listing.skipped);
            if let Some(content) = self.content(&listing) {
                return content;
            }
        }
        panic!("the directory changes under every listing");
    }

    fn content(&mut self, listing: &Listing) -> Option<Content> {
        let mut content = Content::default();
        for file in &listing.files {
            let batches = match self.sealed.get(&file.path) {
                Some(batches) => batches.clone(),
                None => {
                    let batches = read_file(&file.path)?;
                    self.sealed.insert(file.path.clone(), batches.clone());
                    batches
                }
            };
            content.add(file.table, batches);
        }
        content.superseded_files = listing.superseded_files.len();
        for stream in &listing.streams {
            content.add(stream.table, read_stream(&stream.path)?);
            content.streams += 1;
        }
        Some(content)
    }
}

/// Every row of a sealed file; `None` when it is gone.
fn read_file(path: &Path) -> Option<Vec<RecordBatch>> {
    let what = path.display().to_string();
    let file = match File::open(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return None,
        file => must(file, &what),
    };
    let builder = must(ParquetRecordBatchReaderBuilder::try_new(file), &what);
    let reader = must(builder.build(), &what);
    Some(reader.map(|batch| must(batch, &what)).collect())
}

/// Every whole tick of a stream; `None` when it is gone.
fn read_stream(path: &Path) -> Option<Vec<RecordBatch>> {
    let what = path.display().to_string();
    let stream = match SpoolStream::open(path, Columns::All) {
        Err(error) if StoreError::is_not_found(&error) => return None,
        stream => must(stream, &what),
    };
    let mut batches = Vec::new();
    if let Some(mut stream) = stream {
        while let Some(batch) = must(stream.next_batch(), &what) {
            batches.push(batch);
        }
    }
    Some(batches)
}

/// What was read at one moment.
#[derive(Debug, Default)]
pub struct Content {
    tables: HashMap<Table, Vec<RecordBatch>>,
    streams: usize,
    superseded_files: usize,
}

impl Content {
    fn add(&mut self, table: Table, batches: Vec<RecordBatch>) {
        self.tables.entry(table).or_default().extend(batches);
    }

    fn batches(&self, table: Table) -> &[RecordBatch] {
        self.tables.get(&table).map_or(&[], Vec::as_slice)
    }

    /// How many spool streams hold rows that no file holds.
    #[must_use]
    pub fn streams(&self) -> usize {
        self.streams
    }

    /// How many files there were whose rows others hold.
    #[must_use]
    pub fn superseded_files(&self) -> usize {
        self.superseded_files
    }

    /// The keys of the table `metrics`; a row that lies there twice is given twice.
    #[must_use]
    pub fn keys(&self) -> Vec<RowKey> {
        self.keys_of(Table::Metrics)
    }

    fn keys_of(&self, table: Table) -> Vec<RowKey> {
        let mut known = HashMap::new();
        let mut keys = Vec::new();
        for batch in self.batches(table) {
            let batch = Batch(batch);
            let (ids, lives) = (batch.text(column::CONTAINER_ID), batch.text(column::LIFE));
            let (epochs, times) = (batch.numbers(column::CLOCK_EPOCH), batch.times());
            for row in 0..batch.0.num_rows() {
                let mut shared = |array: &ArrayRef| -> Arc<str> {
                    let text = array.as_string::<i32>().value(row);
                    let shared = known.entry(text.to_owned());
                    Arc::clone(shared.or_insert_with(|| Arc::from(text)))
                };
                keys.push(RowKey {
                    container_id: shared(&ids),
                    life: shared(&lives),
                    clock_epoch: epochs.as_primitive::<Int64Type>().value(row),
                    time_ms: times.as_primitive::<TimestampMillisecondType>().value(row),
                });
            }
        }
        keys
    }

    /// The columns of the table `metrics` that have a value in any row of a container.
    #[must_use]
    pub fn known_columns(&self) -> BTreeSet<(String, String)> {
        let mut known = BTreeSet::new();
        for batch in self.batches(Table::Metrics) {
            let ids = Batch(batch).text(column::CONTAINER_ID);
            let ids = ids.as_string::<i32>();
            for (field, values) in batch.schema_ref().fields().iter().zip(batch.columns()) {
                for row in (0..batch.num_rows()).filter(|&row| values.is_valid(row)) {
                    known.insert((ids.value(row).to_owned(), field.name().clone()));
                }
            }
        }
        known
    }

    /// These text columns of each row of the table `metrics`.
    #[must_use]
    pub fn texts<const N: usize>(&self, columns: [&str; N]) -> Vec<[Option<String>; N]> {
        let mut rows = Vec::new();
        for batch in self.batches(Table::Metrics) {
            let texts = columns.map(|name| Batch(batch).text(name));
            rows.extend((0..batch.num_rows()).map(|row| {
                texts.each_ref().map(|array| {
                    let array = array.as_string::<i32>();
                    array.is_valid(row).then(|| array.value(row).to_owned())
                })
            }));
        }
        rows
    }

    /// The rows of the table `metrics`, in the order of their keys.
    #[must_use]
    pub fn rows(&self) -> Vec<Row> {
        self.rows_of(Table::Metrics)
    }

    /// The rows of any table but `events`, in the order of their keys.
    #[must_use]
    pub fn rows_of(&self, table: Table) -> Vec<Row> {
        let mut keys = self.keys_of(table).into_iter();
        let mut rows = Vec::new();
        for batch in self.batches(table) {
            let batch = Batch(batch);
            let offsets = batch.numbers(column::READ_OFFSET_US);
            let limits_known = batch.column(column::LIMITS_KNOWN);
            let metrics: Vec<_> = table
                .metrics()
                .map(|metric| (metric, batch.numbers(metric.name())))
                .collect();
            for (row, key) in (0..batch.0.num_rows()).zip(keys.by_ref()) {
                let mut values = Values::default();
                for (metric, array) in &metrics {
                    values.set(*metric, number(array, row));
                }
                rows.push(Row {
                    read_us: key.time_ms * 1000 + number(&offsets, row).unwrap_or(0),
                    limits_known: limits_known.as_boolean().value(row),
                    values,
                    key,
                });
            }
        }
        rows.sort_by(|a, b| a.key.cmp(&b.key));
        rows
    }

    /// The rows of the table `events`, in the order of their time.
    #[must_use]
    pub fn events(&self) -> Vec<EventRow> {
        let mut events = Vec::new();
        for batch in self.batches(Table::Events) {
            let batch = Batch(batch);
            let texts = [
                column::EVENT_ID,
                column::KIND,
                column::CONTAINER_ID,
                column::DETAIL,
            ]
            .map(|name| batch.text(name));
            let revisions = batch.numbers(column::REVISION);
            let times = [batch.times(), batch.column(column::RECORDED_AT)];
            for row in 0..batch.0.num_rows() {
                let [time_ms, recorded_at_ms] = times
                    .each_ref()
                    .map(|array| array.as_primitive::<TimestampMillisecondType>().value(row));
                let [id, kind, container_id, detail] = texts.each_ref().map(|array| {
                    let array = array.as_string::<i32>();
                    array.is_valid(row).then(|| array.value(row).to_owned())
                });
                events.push(EventRow {
                    event_id: id.unwrap_or_default(),
                    revision: number(&revisions, row).unwrap_or(-1),
                    kind: kind.unwrap_or_default(),
                    time_ms,
                    recorded_at_ms,
                    container_id,
                    detail: must(
                        serde_json::from_str(&detail.unwrap_or_default()),
                        "an event's detail",
                    ),
                });
            }
        }
        events.sort_by_key(|event| event.time_ms);
        events
    }
}

/// The columns of a batch by name, whatever their encoding.
struct Batch<'a>(&'a RecordBatch);

impl Batch<'_> {
    fn column(&self, name: &str) -> ArrayRef {
        match self.0.column_by_name(name) {
            Some(array) => Arc::clone(array),
            None => panic!("there is no column {name}"),
        }
    }

    fn text(&self, name: &str) -> ArrayRef {
        must(cast(&self.column(name), &DataType::Utf8), name)
    }

    fn numbers(&self, name: &str) -> ArrayRef {
        must(cast(&self.column(name), &DataType::Int64), name)
    }

    fn times(&self) -> ArrayRef {
        self.column(column::TIME)
    }
}

fn number(array: &ArrayRef, row: usize) -> Option<i64> {
    let array = array.as_primitive::<Int64Type>();
    array.is_valid(row).then(|| array.value(row))
}

/// The files below a folder of the data directory, nothing when it is not there.
#[must_use]
pub fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let Ok(entries) = fs::read_dir(folder) else {
        return files;
    };
    for entry in entries {
        let path = must(entry, "list").path();
        if path.is_dir() {
            files.extend(files_below(&path));
        } else {
            files.push(path);
        }
    }
    files.sort();
    files
}

/// The keys as a set.
///
/// # Panics
/// A key is there twice.
#[must_use]
pub fn unique(keys: Vec<RowKey>) -> HashSet<RowKey> {
    let count = keys.len();
    let set: HashSet<_> = keys.into_iter().collect();
    assert_eq!(set.len(), count, "a row is there twice");
    set
}

/// Asserts that all of `part` is there.
///
/// # Panics
/// Something is missing.
pub fn assert_holds(all: &HashSet<RowKey>, part: &HashSet<RowKey>, what: &str) {
    let missing: BTreeSet<_> = part.difference(all).collect();
    assert!(missing.is_empty(), "{what}: {missing:?}");
}

/// Fails unless a data directory is as an orderly end leaves it: no spool, nothing unfinished,
/// nothing in quarantine.
pub fn assert_orderly(data_dir: &Path) {
    for name in ["_spool", "_tmp", "_quarantine"] {
        let left = files_below(&data_dir.join(name));
        assert!(left.is_empty(), "left over: {left:?}");
    }
}
