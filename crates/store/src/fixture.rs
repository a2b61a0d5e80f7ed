//! What the tests of this crate share: a data directory, small ticks, and files as plain rows.

use crate::footer::Footer;
use crate::layout::{DataDir, FileName, HOUR_MS};
use crate::listing::{Lister, Listing, Selection};
use crate::seal::text_at;
use crate::set_rule::Level;
use crate::stream::{Columns, SpoolStream};
use crate::{Spool, seal};
use arrow::array::{Array, AsArray, RecordBatch};
use arrow::compute::concat_batches;
use arrow::datatypes::{DataType, Int64Type, TimestampMillisecondType};
use fgm_model::schema::{column, table_schema};
use fgm_model::{Event, Instance, Metric, Recorder, Row, Table, Tick, Values};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use ulid::Ulid;

/// The start of some hour: 2027-01-15T08:00:00Z.
pub(crate) const HOUR: i64 = 500_000 * HOUR_MS;

pub(crate) fn recorder() -> Recorder {
    Recorder {
        node: "node-1".into(),
        boot_id: "0a1b2c3d-0000-4000-8000-000000000001".into(),
        recorder: "fgm-7xk2p".into(),
    }
}

pub(crate) fn instance(number: u32) -> Arc<Instance> {
    Arc::new(Instance {
        container_id: format!("{number:064x}"),
        life: format!("{:016x}", number * 7),
        cgroup_path: format!("/kubepods.slice/pod{number}/{number:064x}"),
        pod_uid: Some(format!("00000000-0000-4000-8000-{number:012}")),
        ..Instance::default()
    })
}

/// A tick of one number per instance.
pub(crate) fn tick_of(time_ms: i64, clock_epoch: i64, rows: &[(&Arc<Instance>, i64)]) -> Tick {
    let rows = rows
        .iter()
        .map(|(instance, value)| {
            let mut values = Values::default();
            values.set(Metric::MemoryCurrent, Some(*value));
            Row {
                instance: Arc::clone(instance),
                read_offset_us: 1234,
                limits_known: true,
                values,
            }
        })
        .collect();
    Tick {
        time_ms,
        clock_epoch,
        rows,
    }
}

pub(crate) fn event(time_ms: i64, recorded_at_ms: i64, instance: Option<&Arc<Instance>>) -> Event {
    Event {
        event_id: format!("{time_ms:032x}"),
        revision: 0,
        kind: fgm_model::EventKind::Started,
        time_ms,
        recorded_at_ms,
        clock_epoch: 0,
        instance: instance.cloned(),
        detail: serde_json::json!({ "first_seen": true }),
    }
}

/// A data directory that goes with the test.
pub(crate) struct Bed {
    _temp: tempfile::TempDir,
    pub(crate) dir: DataDir,
}

impl Bed {
    pub(crate) fn new() -> Self {
        let temp = tempfile::tempdir().unwrap();
        let dir = DataDir::create(temp.path().join("data")).unwrap();
        Self { _temp: temp, dir }
    }

    /// A closed spool with these ticks.
    pub(crate) fn spool(&self, ticks: &[Tick]) -> Ulid {
        let mut spool = Spool::create(&self.dir, &recorder(), 1000).unwrap();
        for tick in ticks {
            spool.append_tick(Table::Metrics, tick).unwrap();
        }
        spool.close().unwrap().ulid
    }

    /// The same, sealed.
    pub(crate) fn segment(&self, ticks: &[Tick]) -> Ulid {
        let ulid = self.spool(ticks);
        seal(&self.dir, ulid).unwrap();
        ulid
    }

    pub(crate) fn list(&self) -> Listing {
        Lister::new(self.dir.clone())
            .list(&Selection::all())
            .unwrap()
    }

    /// The rows of a table that a reader sees now, sorted.
    pub(crate) fn visible(&self, table: Table) -> Vec<Vec<Cell>> {
        let listing = self.list();
        let mut rows = Vec::new();
        for file in listing.files.iter().filter(|file| file.table == table) {
            rows.extend(file_rows(&file.path));
        }
        for stream in listing
            .streams
            .iter()
            .filter(|stream| stream.table == table)
        {
            rows.extend(stream_rows(&stream.path));
        }
        rows.sort();
        rows
    }

    /// What a consolidator does: one hour file of everything of the table that counts, whose
    /// sources stay.
    pub(crate) fn merge(&self, table: Table, generation: u64) -> Option<std::path::PathBuf> {
        let listing = self.list();
        let mut spools = Vec::new();
        let mut batches = Vec::new();
        for file in listing.files.iter().filter(|file| file.table == table) {
            spools.extend(file.footer.spools.iter().copied());
            batches.extend(file_batches(&file.path));
        }
        for stream in listing
            .streams
            .iter()
            .filter(|stream| stream.table == table)
        {
            spools.push(stream.ulid);
            batches.extend(stream_batches(&stream.path));
        }
        if batches.is_empty() {
            return None;
        }
        let schema = Arc::new(table_schema(table));
        let batches: Vec<_> = batches.iter().map(|batch| plain(batch, table)).collect();
        let all = concat_batches(&schema, &batches).unwrap();
        let times: Vec<i64> = cells(&all).iter().map(|row| row[0].int()).collect();
        let footer = Footer {
            origin: Some(crate::footer::Origin::new(recorder(), 1000)),
            level: Level::Hour,
            generation,
            spools,
            instances: Vec::new(),
            hour: crate::footer::HourNotes::default(),
        };
        let name = FileName {
            start_ms: *times.iter().min().unwrap(),
            end_ms: *times.iter().max().unwrap(),
            ulid: Ulid::generate(),
        };
        let partition = self
            .dir
            .partition(table, name.start_ms, "fgm-7xk2p")
            .unwrap();
        std::fs::create_dir_all(&partition).unwrap();
        let path = partition.join(name.to_string());
        let mut writer = ArrowWriter::try_new(File::create(&path).unwrap(), schema, None).unwrap();
        writer.write(&all).unwrap();
        for pair in footer.to_key_values().unwrap() {
            writer.append_key_value_metadata(pair);
        }
        writer.close().unwrap();
        Some(path)
    }
}

/// A value of any column.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Cell {
    Null,
    Int(i64),
    Bool(bool),
    Text(String),
}

impl Cell {
    pub(crate) fn int(&self) -> i64 {
        match self {
            Self::Int(value) => *value,
            other => panic!("{other:?} is not an integer"),
        }
    }

    fn text(value: Option<&str>) -> Self {
        value.map_or(Self::Null, |value| Self::Text(value.to_owned()))
    }
}

pub(crate) fn column_index(table: Table, name: &str) -> usize {
    table_schema(table).index_of(name).unwrap()
}

fn file_batches(path: &Path) -> Vec<RecordBatch> {
    ParquetRecordBatchReaderBuilder::try_new(File::open(path).unwrap())
        .unwrap()
        .build()
        .unwrap()
        .map(Result::unwrap)
        .collect()
}

pub(crate) fn file_rows(path: &Path) -> Vec<Vec<Cell>> {
    file_batches(path).iter().flat_map(cells).collect()
}

pub(crate) fn stream_batches(path: &Path) -> Vec<RecordBatch> {
    let mut batches = Vec::new();
    if let Some(mut stream) = SpoolStream::open(path, Columns::All).unwrap() {
        while let Some(batch) = stream.next_batch().unwrap() {
            batches.push(batch);
        }
    }
    batches
}

pub(crate) fn stream_rows(path: &Path) -> Vec<Vec<Cell>> {
    stream_batches(path).iter().flat_map(cells).collect()
}

fn plain(batch: &RecordBatch, table: Table) -> RecordBatch {
    let columns = batch
        .columns()
        .iter()
        .map(|column| match column.data_type() {
            DataType::Dictionary(_, _) => {
                let texts: Vec<_> = (0..column.len())
                    .map(|row| text_at(column, row).unwrap())
                    .collect();
                Arc::new(arrow::array::StringArray::from(texts))
            }
            _ => Arc::clone(column),
        })
        .collect();
    RecordBatch::try_new(Arc::new(table_schema(table)), columns).unwrap()
}

pub(crate) fn cells(batch: &RecordBatch) -> Vec<Vec<Cell>> {
    let cell = |column: &arrow::array::ArrayRef, row: usize| {
        if column.is_null(row) {
            return Cell::Null;
        }
        match column.data_type() {
            DataType::Int64 => Cell::Int(column.as_primitive::<Int64Type>().value(row)),
            DataType::Boolean => Cell::Bool(column.as_boolean().value(row)),
            DataType::Timestamp(_, _) => {
                Cell::Int(column.as_primitive::<TimestampMillisecondType>().value(row))
            }
            _ => Cell::text(text_at(column, row).unwrap()),
        }
    };
    (0..batch.num_rows())
        .map(|row| {
            batch
                .columns()
                .iter()
                .map(|column| cell(column, row))
                .collect()
        })
        .collect()
}

/// The rows of ticks as a stream should hold them, in the order of arrival.
pub(crate) fn rows_of(ticks: &[Tick], table: Table) -> Vec<Vec<Cell>> {
    let int = |value: Option<i64>| value.map_or(Cell::Null, Cell::Int);
    let recorder = recorder();
    let mut rows = Vec::new();
    for tick in ticks {
        for row in &tick.rows {
            let of = &row.instance;
            let cell = |name: &str| match name {
                column::TIME => Cell::Int(tick.time_ms),
                column::READ_OFFSET_US => Cell::Int(row.read_offset_us),
                column::CLOCK_EPOCH => Cell::Int(tick.clock_epoch),
                column::LIMITS_KNOWN => Cell::Bool(row.limits_known),
                column::NODE => Cell::Text(recorder.node.clone()),
                column::BOOT_ID => Cell::Text(recorder.boot_id.clone()),
                column::NAMESPACE => Cell::text(of.namespace.as_deref()),
                column::POD_NAME => Cell::text(of.pod_name.as_deref()),
                column::POD_UID => Cell::text(of.pod_uid.as_deref()),
                column::CONTAINER_NAME => Cell::text(of.container_name.as_deref()),
                column::CONTAINER_ID => Cell::Text(of.container_id.clone()),
                column::LIFE => Cell::Text(of.life.clone()),
                column::CGROUP_PATH => Cell::Text(of.cgroup_path.clone()),
                column::QOS_CLASS => Cell::text(of.qos_class.map(fgm_model::QosClass::as_str)),
                column::IMAGE => Cell::text(of.image.as_deref()),
                column::POD_LABELS => Cell::text(of.pod_labels.as_deref()),
                column::RESTART_COUNT => int(of.restart_count),
                metric => int(row.values.get(Metric::from_name(metric).unwrap())),
            };
            let schema = table_schema(table);
            rows.push(
                schema
                    .fields()
                    .iter()
                    .map(|field| cell(field.name()))
                    .collect(),
            );
        }
    }
    rows
}

/// Ticks of a few instances within one hour: values that are null now and then, names that
/// arrive late, reads that come twice.
pub(crate) fn any_ticks(most: usize) -> impl proptest::strategy::Strategy<Value = Vec<Tick>> {
    use proptest::prelude::*;
    let row = (
        0..5_u32,
        prop::bool::weighted(0.5),
        prop::collection::vec(prop::option::of(any::<i64>()), 4),
        any::<i64>(),
        any::<bool>(),
    );
    let tick = (0..3_i64, prop::collection::vec(row, 0..6));
    prop::collection::vec(tick, 0..most).prop_map(|ticks| {
        let mut time_ms = HOUR;
        ticks
            .into_iter()
            .map(|(step, rows)| {
                time_ms += step * 1000;
                let rows = rows
                    .into_iter()
                    .map(|(number, named, values, offset, known)| {
                        let mut instance = Instance::clone(&instance(number));
                        if named {
                            instance.pod_name = Some(format!("pod-{number}"));
                            instance.restart_count = Some(i64::from(number));
                            instance.qos_class = Some(fgm_model::QosClass::Burstable);
                        }
                        let mut row = Row {
                            instance: Arc::new(instance),
                            read_offset_us: offset,
                            limits_known: known,
                            values: Values::default(),
                        };
                        for (index, value) in values.into_iter().enumerate() {
                            row.values.set(Metric::ALL[index * 20], value);
                        }
                        row
                    });
                Tick {
                    time_ms,
                    clock_epoch: 0,
                    rows: rows.collect(),
                }
            })
            .collect()
    })
}
