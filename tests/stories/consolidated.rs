//! Each consolidated table is a directory that anybody reads by its name: DuckDB, pandas, Polars
//! and Spark (its vectorized reader) find the rows and sums that our own reader finds.

#![expect(
    clippy::unwrap_used,
    reason = "a failed expectation is how a story fails"
)]

use arrow::array::AsArray;
use arrow::datatypes::{DataType, Int64Type};
use fgm_model::catalogue::Kind;
use fgm_model::rollup::{Resolution, roll_ups_of};
use fgm_model::{Signal, Table};
use fgm_store::reader::{Reader, SeriesQuery};
use fgm_stories::generated::generate;
use fgm_stories::needs::{python, sparks};
use fgm_stories::stored::files_below;
use fgm_testkit::generator::Truth;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::basic::Type;
use parquet::file::metadata::RowGroupMetaData;
use parquet::file::reader::FileReader;
use parquet::file::serialized_reader::SerializedFileReader;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// Every directory that a consolidator leaves.
fn tables() -> Vec<&'static str> {
    let raw = Table::ALL.into_iter().map(Table::as_str);
    let roll_ups = Table::ALL.into_iter().flat_map(|table| {
        let of_table = roll_ups_of(table).iter();
        of_table.map(move |resolution| resolution.directory(table))
    });
    raw.chain(roll_ups).collect()
}

#[test]
fn every_consolidated_table_is_read_by_its_name() {
    let (Some(python), Some(sparks)) = (python(), sparks()) else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let data_dir = folder.path().join("data");
    let truth = generate(
        &data_dir,
        &[
            "--scenario",
            "churn",
            "--containers",
            "5",
            "--duration",
            "2h",
            // Often enough for columns of both kinds, long ones and short.
            "--interval",
            "1s",
        ],
    );
    let asked: Vec<(String, Child)> = ["duckdb", "pandas", "polars"]
        .map(|reader| (reader.to_owned(), python.clone()))
        .into_iter()
        .chain(
            sparks
                .into_iter()
                .map(|python| ("spark".to_owned(), python)),
        )
        .map(|(reader, python)| {
            (
                format!("{reader} of {}", python.display()),
                ask(&reader, &python, &data_dir),
            )
        })
        .collect();
    let ours: Vec<_> = tables()
        .into_iter()
        .map(|table| ours(&data_dir, table))
        .collect();
    written_in_every_way(&data_dir);
    told_by_the_truth(&truth, &ours);
    seen_by_our_reader(&data_dir, &ours);
    kept_by_roll_ups(&ours);
    for (reader, child) in asked {
        let answers = answers(&reader, child);
        assert_eq!(answers.len(), ours.len(), "{reader}");
        for (theirs, ours) in answers.iter().zip(&ours) {
            agree(&reader, theirs, ours);
        }
    }
}

/// Others must be able to read each way in which integers are stored.
fn written_in_every_way(data_dir: &Path) {
    let mut ways = BTreeSet::new();
    for path in files_below(&data_dir.join("metrics")) {
        let file = SerializedFileReader::try_from(path.as_path()).unwrap();
        let groups = file.metadata().row_groups().iter();
        let columns = groups.flat_map(RowGroupMetaData::columns);
        for column in columns.filter(|column| column.column_type() == Type::INT64) {
            ways.insert(column.compression().to_string());
            let mut encodings: BTreeSet<_> = column.encodings().map(|of| of.to_string()).collect();
            if encodings.contains("RLE_DICTIONARY") {
                // Its own page is plain, which is not what is looked for.
                encodings.remove("PLAIN");
            }
            ways.extend(encodings);
        }
    }
    for way in [
        "ZSTD",
        "LZ4_RAW",
        "DELTA_BINARY_PACKED",
        "PLAIN",
        "RLE_DICTIONARY",
    ] {
        let is_there = ways.iter().any(|found| found.starts_with(way));
        assert!(is_there, "{way}: {ways:?}");
    }
}

fn ask(reader: &str, python: &Path, data_dir: &Path) -> Child {
    Command::new(python)
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("stories/consolidated.py"))
        .arg(reader)
        .arg(data_dir)
        .args(tables())
        .env("PYSPARK_PYTHON", python)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

fn answers(reader: &str, child: Child) -> Vec<Value> {
    let output = child.wait_with_output().unwrap();
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{reader}: {complaint}");
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// What lies in a table: rows, and for each column the known values and the sum of integers.
#[derive(Debug)]
struct Held {
    table: &'static str,
    rows: i64,
    columns: BTreeMap<String, (i64, Option<i64>)>,
}

impl Held {
    fn of(&self, column: &str) -> (i64, Option<i64>) {
        self.columns[column]
    }
}

fn ours(data_dir: &Path, table: &'static str) -> Held {
    let mut held = Held {
        table,
        rows: 0,
        columns: BTreeMap::new(),
    };
    let files: Vec<PathBuf> = files_below(&data_dir.join(table));
    assert_eq!(files.len(), 2, "a file for each hour: {files:?}");
    for file in files {
        let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(file).unwrap()).unwrap();
        for batch in reader.build().unwrap() {
            let batch = batch.unwrap();
            held.rows += i64::try_from(batch.num_rows()).unwrap();
            for (field, array) in batch.schema().fields().iter().zip(batch.columns()) {
                let known = i64::try_from(array.len() - array.null_count()).unwrap();
                let whole = *field.data_type() == DataType::Int64;
                let entry = held
                    .columns
                    .entry(field.name().clone())
                    .or_insert((0, whole.then_some(0)));
                entry.0 += known;
                if let Some(sum) = &mut entry.1 {
                    *sum += array
                        .as_primitive::<Int64Type>()
                        .iter()
                        .flatten()
                        .sum::<i64>();
                }
            }
        }
    }
    held
}

fn agree(reader: &str, theirs: &Value, ours: &Held) {
    let table = ours.table;
    assert_eq!(theirs["table"], table, "{reader}");
    assert_eq!(theirs["rows"], ours.rows, "{reader}: {table}");
    let pod = fgm_testkit::generator::RECORDER;
    assert_eq!(
        theirs["partitions"],
        json!([["2026-11-23", pod]]),
        "{reader}: {table}"
    );
    let names: Vec<_> = theirs["columns"].as_object().unwrap().keys().collect();
    assert_eq!(
        names.len(),
        ours.columns.len(),
        "{reader}: {table}: {names:?}"
    );
    for (name, (count, sum)) in &ours.columns {
        let theirs = &theirs["columns"][name];
        assert_eq!(theirs[0], *count, "{reader}: {table}.{name}");
        // A column of nulls has no number type everywhere.
        if *count > 0 && sum.is_some() {
            assert_eq!(theirs[1], json!(sum), "{reader}: {table}.{name}");
        }
    }
}

fn told_by_the_truth(truth: &Truth, ours: &[Held]) {
    let rows = [
        truth.rows.metrics,
        truth.rows.pods,
        truth.rows.node,
        truth.rows.events,
    ];
    for (held, rows) in ours.iter().zip(rows) {
        assert_eq!(held.rows.unsigned_abs(), rows, "{}", held.table);
        assert!(rows > 0);
    }
}

/// Our reader shows gauges as they are stored.
fn seen_by_our_reader(data_dir: &Path, ours: &[Held]) {
    let reader = Reader::open(data_dir);
    for (table, held) in Table::ALL.into_iter().zip(ours).take(3) {
        let gauges: Vec<_> = table
            .metrics()
            .filter(|metric| metric.def().kind == Kind::Gauge)
            .collect();
        let query = SeriesQuery {
            table,
            signals: gauges
                .iter()
                .map(|gauge| Signal::from_id(gauge.name()).unwrap())
                .collect(),
            start_ms: 0,
            end_ms: i64::MAX,
            series: None,
        };
        let series = reader.series(&query).unwrap();
        for (place, gauge) in gauges.iter().enumerate() {
            let shown = series.iter().flat_map(|series| &series.values[place]);
            let shown: Vec<_> = shown.copied().filter(|value| !value.is_nan()).collect();
            let (count, sum) = held.of(gauge.name());
            #[expect(clippy::cast_precision_loss, reason = "sums below 2^53")]
            let sum = sum.unwrap() as f64;
            assert_eq!(
                shown.len(),
                usize::try_from(count).unwrap(),
                "{}",
                gauge.name()
            );
            assert_eq!(
                shown.iter().sum::<f64>(),
                sum,
                "{}.{}",
                held.table,
                gauge.name()
            );
        }
    }
}

/// A roll-up counts every value of its raw table, and sums them.
fn kept_by_roll_ups(ours: &[Held]) {
    let mut compared = 0;
    for (table, raw) in Table::ALL.into_iter().zip(ours).take(3) {
        for resolution in Resolution::ROLL_UPS {
            let name = resolution.directory(table);
            let rolled = ours.iter().find(|held| held.table == name).unwrap();
            assert!(rolled.rows > 0 && rolled.rows < raw.rows);
            assert_eq!(rolled.of("rows").1, Some(raw.rows), "{name}");
            for gauge in table
                .metrics()
                .filter(|metric| metric.def().kind == Kind::Gauge)
            {
                let gauge = gauge.name();
                let (count, sum) = raw.of(gauge);
                assert_eq!(
                    rolled.of(&format!("{gauge}__count")).1,
                    Some(count),
                    "{name}.{gauge}"
                );
                if count > 0 {
                    assert_eq!(rolled.of(&format!("{gauge}__sum")).1, sum, "{name}.{gauge}");
                    compared += 1;
                }
            }
        }
    }
    assert!(compared > 100, "{compared}");
}
