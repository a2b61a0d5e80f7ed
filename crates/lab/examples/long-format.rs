//! The same rows in the LONG format (one row per metric), for comparison with our own files:
//!
//! ```sh
//! cargo run --release --bin generate-bench-data -- --out bench-data/compare
//! cargo run --release -p fgm-lab --example long-format -- bench-data/compare
//! ```
//!
//! The rows are generated again from the settings in `truth.json`, tick by tick, and written by
//! the crate's own Parquet writer (zstd 1, dictionaries) into a sink that counts bytes: once with
//! the labels of each row as a map, as such tools do it, once with a column for each label.

#![expect(clippy::print_stdout, reason = "it prints its figures")]

use anyhow::{Context, ensure};
use arrow::array::{
    ArrayRef, Float64Array, MapBuilder, RecordBatch, StringArray, StringBuilder,
    TimestampMillisecondArray,
};
use arrow::datatypes::{DataType, Field, Schema};
use fgm_model::schema::time_type;
use fgm_model::{Instance, Metric, Row, Table};
use fgm_testkit::generator::{Batch, Generator, NODE, Settings, TRUTH_FILE, Truth};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

const LABELS: [&str; 8] = [
    "node",
    "namespace",
    "pod",
    "pod_uid",
    "container",
    "container_id",
    "qos",
    "image",
];

fn main() -> anyhow::Result<()> {
    let dir = std::env::args_os()
        .nth(1)
        .context("name a directory of generate-bench-data")?;
    let dir = Path::new(&dir);
    let path = dir.join(TRUTH_FILE);
    let text = std::fs::read_to_string(&path)
        .with_context(|| format!("cannot read {}", path.display()))?;
    let truth: Truth = serde_json::from_str(&text)
        .with_context(|| format!("{} is no truth of this version", path.display()))?;
    let wide = bytes_below(&dir.join(Table::Metrics.as_str()))?;
    let values = truth.rows.metrics * Table::Metrics.metrics().count() as u64;
    println!("{} rows, {values} values", truth.rows.metrics);
    println!(
        "wide: {wide} bytes, {:.3} per value",
        wide as f64 / values as f64
    );
    for labels in [Labels::Map, Labels::Columns] {
        let (rows, long) = write(&truth, labels)?;
        println!(
            "LONG, labels as {labels:?}: {rows} rows, {long} bytes, {:.1} times the wide files",
            long as f64 / wide as f64
        );
    }
    Ok(())
}

/// How a row says whose it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Labels {
    Map,
    Columns,
}

/// Counts what is written.
#[derive(Default)]
struct Sink(u64);

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn write(truth: &Truth, labels: Labels) -> anyhow::Result<(u64, u64)> {
    let mut generator = Generator::new(Settings {
        scenario: truth.scenario,
        seed: truth.seed,
        containers: truth.containers,
        start_ms: truth.start_ms,
        duration_ms: truth.end_ms - truth.start_ms,
        interval_ms: truth.interval_ms,
    });
    let properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(1)?))
        .build();
    let mut batch = Batch::default();
    let mut rows = 0;
    let mut writer: Option<ArrowWriter<Sink>> = None;
    while generator.next_tick(&mut batch).is_some() {
        let long = long(&batch.metrics.rows, batch.metrics.time_ms, labels)?;
        rows += long.num_rows() as u64;
        let writer = match &mut writer {
            Some(writer) => writer,
            None => writer.insert(ArrowWriter::try_new(
                Sink::default(),
                long.schema(),
                Some(properties.clone()),
            )?),
        };
        writer.write(&long)?;
    }
    ensure!(
        generator.into_truth().rows == truth.rows,
        "the rows are not those of the truth"
    );
    let mut writer = writer.context("there is no tick")?;
    writer.finish()?;
    Ok((rows, writer.inner().0))
}

/// A row for each value that is known.
fn long(rows: &[Row], time_ms: i64, labels: Labels) -> anyhow::Result<RecordBatch> {
    let metrics: Vec<Metric> = Table::Metrics.metrics().collect();
    let known: Vec<(&Row, Metric, i64)> = rows
        .iter()
        .flat_map(|row| {
            let values = metrics
                .iter()
                .map(move |metric| (row, *metric, row.values.get(*metric)));
            values.filter_map(|(row, metric, value)| Some((row, metric, value?)))
        })
        .collect();
    let times = TimestampMillisecondArray::from(vec![time_ms; known.len()]).with_timezone("UTC");
    let names = StringArray::from_iter_values(known.iter().map(|(_, metric, _)| metric.name()));
    let values = Float64Array::from_iter_values(known.iter().map(|(_, _, value)| *value as f64));
    let mut columns: Vec<(Field, ArrayRef)> = vec![
        (Field::new("time", time_type(), false), Arc::new(times)),
        (Field::new("metric", DataType::Utf8, false), Arc::new(names)),
        (
            Field::new("value", DataType::Float64, false),
            Arc::new(values),
        ),
    ];
    let owners = known.iter().map(|(row, _, _)| row.instance.as_ref());
    match labels {
        Labels::Map => {
            let mut map = MapBuilder::new(None, StringBuilder::new(), StringBuilder::new());
            for owner in owners {
                for (name, value) in LABELS.into_iter().zip(label_values(owner)) {
                    map.keys().append_value(name);
                    map.values().append_value(value);
                }
                map.append(true)?;
            }
            let map = map.finish();
            let kind = arrow::array::Array::data_type(&map).clone();
            columns.push((Field::new("labels", kind, true), Arc::new(map)));
        }
        Labels::Columns => {
            for (place, name) in LABELS.into_iter().enumerate() {
                let texts = owners.clone().map(|owner| label_values(owner)[place]);
                let texts = StringArray::from_iter_values(texts);
                columns.push((Field::new(name, DataType::Utf8, true), Arc::new(texts)));
            }
        }
    }
    let (fields, arrays): (Vec<_>, Vec<_>) = columns.into_iter().unzip();
    Ok(RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays)?)
}

fn label_values(owner: &Instance) -> [&str; 8] {
    [
        NODE,
        owner.namespace.as_deref().unwrap_or_default(),
        owner.pod_name.as_deref().unwrap_or_default(),
        owner.pod_uid.as_deref().unwrap_or_default(),
        owner.container_name.as_deref().unwrap_or_default(),
        &owner.container_id,
        owner.qos_class.map_or("", fgm_model::QosClass::as_str),
        owner.image.as_deref().unwrap_or_default(),
    ]
}

fn bytes_below(folder: &Path) -> anyhow::Result<u64> {
    let mut bytes = 0;
    let entries =
        std::fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))?;
    for entry in entries {
        let entry = entry?;
        bytes += if entry.file_type()?.is_dir() {
            bytes_below(&entry.path())?
        } else {
            entry.metadata()?.len()
        };
    }
    Ok(bytes)
}
