//! Rows to Arrow IPC messages.
//!
//! Identity texts repeat in every row of every tick, so they are dictionaries whose values go
//! out once and again only for what is new. An instance's keys are looked up once per spool.

use crate::footer::Origin;
use arrow::array::{
    ArrayRef, BooleanArray, DictionaryArray, Int32Array, Int64Array, RecordBatch, StringArray,
    TimestampMillisecondArray,
};
use arrow::buffer::NullBuffer;
use arrow::datatypes::{DataType, Field, Int32Type, Schema, SchemaRef};
use arrow::error::ArrowError;
use arrow::ipc::writer::{DictionaryHandling, IpcWriteOptions, StreamWriter};
use arrow::ipc::{CompressionType, MetadataVersion};
use fgm_model::schema::{column, table_schema};
use fgm_model::{Event, Instance, Metric, Recorder, Table, Tick};
use std::collections::HashMap;
use std::sync::Arc;

const TEXTS: usize = column::IDENTITY_TEXT.len();
const NULL_KEY: i32 = -1;

/// The schema of a table's stream: the table's, with identity texts as dictionaries, and the
/// origin as metadata.
pub(crate) fn stream_schema(table: Table, origin: &Origin) -> Schema {
    let fields: Vec<Field> = table_schema(table)
        .fields()
        .iter()
        .map(|field| {
            if column::IDENTITY_TEXT.contains(&field.name().as_str()) {
                Field::new_dictionary(field.name(), DataType::Int32, DataType::Utf8, true)
            } else {
                field.as_ref().clone()
            }
        })
        .collect();
    Schema::new_with_metadata(
        fields,
        origin.to_pairs().into_iter().collect::<HashMap<_, _>>(),
    )
}

/// Encodes the ticks of one stream.
pub(crate) struct Encoder {
    table: Table,
    recorder: Recorder,
    schema: SchemaRef,
    writer: StreamWriter<Vec<u8>>,
    texts: Vec<Dictionary>,
    /// The keys of each instance seen; the `Arc` kept here keeps its address from being
    /// given to another one.
    instances: HashMap<usize, (Arc<Instance>, [i32; TEXTS])>,
}

impl Encoder {
    pub(crate) fn new(table: Table, origin: &Origin) -> Result<Self, ArrowError> {
        let schema = Arc::new(stream_schema(table, origin));
        Ok(Self {
            table,
            recorder: origin.recorder.clone(),
            writer: new_writer(&schema)?,
            schema,
            texts: vec![Dictionary::default(); TEXTS],
            instances: HashMap::new(),
        })
    }

    /// The messages that are not written yet: the schema first, if nothing was written.
    pub(crate) fn pending(&self) -> &[u8] {
        self.writer.get_ref()
    }

    /// The pending messages are in the file.
    pub(crate) fn written(&mut self) {
        self.writer.get_mut().clear();
    }

    /// The pending messages did not reach the file: what they told of dictionaries must be told
    /// again, in whole. `schema_written` tells whether an earlier tick reached it.
    pub(crate) fn lost(&mut self, schema_written: bool) -> Result<(), ArrowError> {
        self.writer = new_writer(&self.schema)?;
        if schema_written {
            self.writer.get_mut().clear();
        }
        Ok(())
    }

    /// Appends a tick to the pending messages.
    pub(crate) fn tick(&mut self, tick: &Tick) -> Result<(), ArrowError> {
        let rows = tick.rows.len();
        let mut keys = Vec::with_capacity(rows);
        for row in &tick.rows {
            keys.push(self.keys_of(Some(&row.instance)));
        }
        let mut columns: Vec<ArrayRef> = vec![
            times(vec![tick.time_ms; rows]),
            Arc::new(Int64Array::from_iter_values(
                tick.rows.iter().map(|row| row.read_offset_us),
            )),
            Arc::new(Int64Array::from_value(tick.clock_epoch, rows)),
            Arc::new(BooleanArray::from_iter(
                tick.rows.iter().map(|row| Some(row.limits_known)),
            )),
        ];
        self.push_texts(&keys, &mut columns)?;
        columns.push(Arc::new(Int64Array::from_iter(
            tick.rows.iter().map(|row| row.instance.restart_count),
        )));
        let metrics: Vec<Metric> = self.table.metrics().collect();
        let mut values = vec![Vec::with_capacity(rows); metrics.len()];
        let mut known = vec![Vec::with_capacity(rows); metrics.len()];
        for row in &tick.rows {
            for (index, metric) in metrics.iter().enumerate() {
                let value = row.values.get(*metric);
                values[index].push(value.unwrap_or_default());
                known[index].push(value.is_some());
            }
        }
        for (values, known) in values.into_iter().zip(known) {
            let nulls = (!known.iter().all(|known| *known)).then(|| NullBuffer::from(known));
            columns.push(Arc::new(Int64Array::new(values.into(), nulls)));
        }
        self.write(columns)
    }

    /// Appends events to the pending messages.
    pub(crate) fn events(&mut self, events: &[Event]) -> Result<(), ArrowError> {
        let mut keys = Vec::with_capacity(events.len());
        for event in events {
            keys.push(self.keys_of(event.instance.as_ref()));
        }
        let text = |of: &dyn Fn(&Event) -> String| -> ArrayRef {
            Arc::new(StringArray::from_iter_values(events.iter().map(of)))
        };
        let int = |of: &dyn Fn(&Event) -> Option<i64>| -> ArrayRef {
            Arc::new(Int64Array::from_iter(events.iter().map(of)))
        };
        let mut columns: Vec<ArrayRef> = vec![
            times(events.iter().map(|event| event.time_ms).collect()),
            text(&|event| event.event_id.clone()),
            int(&|event| Some(event.revision)),
            text(&|event| event.kind.as_str().to_owned()),
            times(events.iter().map(|event| event.recorded_at_ms).collect()),
            int(&|event| Some(event.clock_epoch)),
        ];
        self.push_texts(&keys, &mut columns)?;
        columns.push(int(&|event| event.instance.as_ref()?.restart_count));
        columns.push(text(&|event| event.detail.to_string()));
        self.write(columns)
    }

    fn write(&mut self, columns: Vec<ArrayRef>) -> Result<(), ArrowError> {
        let batch = RecordBatch::try_new(Arc::clone(&self.schema), columns)?;
        self.writer.write(&batch)
    }

    /// The dictionary keys of an instance, or of the node alone.
    fn keys_of(&mut self, instance: Option<&Arc<Instance>>) -> [i32; TEXTS] {
        let address = instance.map_or(0, |instance| Arc::as_ptr(instance).addr());
        if let Some((_, keys)) = self.instances.get(&address) {
            return *keys;
        }
        let recorder = &self.recorder;
        let mut keys = [NULL_KEY; TEXTS];
        for ((key, name), dictionary) in keys
            .iter_mut()
            .zip(column::IDENTITY_TEXT)
            .zip(&mut self.texts)
        {
            let text = identity_text(recorder, instance.map(Arc::as_ref), name);
            *key = text.map_or(NULL_KEY, |text| dictionary.key_of(text));
        }
        if let Some(instance) = instance {
            self.instances.insert(address, (Arc::clone(instance), keys));
        }
        keys
    }

    fn push_texts(
        &mut self,
        keys: &[[i32; TEXTS]],
        columns: &mut Vec<ArrayRef>,
    ) -> Result<(), ArrowError> {
        for (index, dictionary) in self.texts.iter_mut().enumerate() {
            let keys = Int32Array::from_iter(
                keys.iter()
                    .map(|keys| (keys[index] != NULL_KEY).then_some(keys[index])),
            );
            columns.push(Arc::new(DictionaryArray::<Int32Type>::try_new(
                keys,
                dictionary.values(),
            )?));
        }
        Ok(())
    }
}

fn new_writer(schema: &Schema) -> Result<StreamWriter<Vec<u8>>, ArrowError> {
    // Small tables have more padding than content at the usual 64 bytes.
    let options = IpcWriteOptions::try_new(8, false, MetadataVersion::V5)?
        .try_with_compression(Some(CompressionType::LZ4_FRAME))?
        .with_dictionary_handling(DictionaryHandling::Delta);
    StreamWriter::try_new_with_options(Vec::new(), schema, options)
}

fn times(values: Vec<i64>) -> ArrayRef {
    Arc::new(TimestampMillisecondArray::from(values).with_timezone("UTC"))
}

/// The value of an identity column.
fn identity_text<'a>(
    recorder: &'a Recorder,
    instance: Option<&'a Instance>,
    name: &str,
) -> Option<&'a str> {
    match name {
        column::NODE => return Some(&recorder.node),
        column::BOOT_ID => return Some(&recorder.boot_id),
        _ => {}
    }
    instance_text(instance?, name)
}

/// The value of an identity column that an instance has of its own.
pub(crate) fn instance_text<'a>(instance: &'a Instance, name: &str) -> Option<&'a str> {
    match name {
        column::NAMESPACE => instance.namespace.as_deref(),
        column::POD_NAME => instance.pod_name.as_deref(),
        column::POD_UID => instance.pod_uid.as_deref(),
        column::CONTAINER_NAME => instance.container_name.as_deref(),
        column::CONTAINER_ID => Some(&instance.container_id),
        column::LIFE => Some(&instance.life),
        column::CGROUP_PATH => Some(&instance.cgroup_path),
        column::QOS_CLASS => instance.qos_class.map(fgm_model::QosClass::as_str),
        column::IMAGE => instance.image.as_deref(),
        column::POD_LABELS => instance.pod_labels.as_deref(),
        _ => None,
    }
}

/// The values of one text column, in the order in which they were met.
#[derive(Debug, Clone, Default)]
struct Dictionary {
    keys: HashMap<String, i32>,
    texts: Vec<String>,
    array: Option<ArrayRef>,
}

impl Dictionary {
    fn key_of(&mut self, text: &str) -> i32 {
        if let Some(key) = self.keys.get(text) {
            return *key;
        }
        // A spool lives for a minute: it never meets two thousand million names.
        let key = i32::try_from(self.texts.len()).unwrap_or(NULL_KEY);
        self.keys.insert(text.to_owned(), key);
        self.texts.push(text.to_owned());
        self.array = None;
        key
    }

    /// The same array as long as nothing was added: the writer compares addresses first.
    fn values(&mut self) -> ArrayRef {
        let texts = &self.texts;
        Arc::clone(
            self.array
                .get_or_insert_with(|| Arc::new(StringArray::from_iter_values(texts))),
        )
    }
}
