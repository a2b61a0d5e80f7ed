//! What is on disk is for everybody: DuckDB, pandas, pyarrow and Polars take the table by its
//! folder's name and find the same numbers as our own reader, also while `fgm` records.

#![expect(
    clippy::unwrap_used,
    reason = "a failed expectation is how a story fails"
)]

use fgm_model::catalogue::Kind;
use fgm_model::{Metric, Signal, Table};
use fgm_store::layout::FileName;
use fgm_store::reader::{Reader, SeriesQuery};
use fgm_stories::fgm::Fgm;
use fgm_stories::needs::python;
use fgm_stories::stored::{Row, Stored, assert_orderly, files_below};
use fgm_stories::wait_for;
use fgm_testkit::cgroup_tree::{CgroupTree, FakeCgroup, Layout, POD_UID};
use serde_json::Value;
use std::collections::{BTreeMap, HashSet};
use std::path::Path;
use std::process::Command;

const FLAGS: &[&str] = &[
    "--interval",
    "100ms",
    "--seal",
    "1s",
    "--pss-budget",
    "off",
    "--pod-name",
    "story",
];

/// Rounds of all readers while `fgm` records.
const LIVE_ROUNDS: usize = 3;

#[test]
fn other_readers_find_the_same_numbers_also_while_recording() {
    let Some(python) = python() else { return };
    let tree = CgroupTree::new();
    let containers: Vec<_> = (1..=4).map(|number| container(&tree, number)).collect();
    // A number that is known of one and not of another, and one that is known of none.
    containers[0].remove_file("memory.peak");
    for container in &containers {
        container.remove_file("memory.zswap.current");
    }
    let folder = tempfile::tempdir().unwrap();
    let table = folder.path().join("metrics");
    let root = tree.root().to_str().unwrap();
    let fgm = Fgm::start(folder.path(), &[FLAGS, &["--cgroup-root", root]].concat());

    let mut asked = Vec::new();
    for round in 0..LIVE_ROUNDS {
        let files = wait_for("one more segment", || {
            move_numbers(&containers, round);
            let files = files_below(&table);
            (files.len() > 2 * round + 1).then_some(files)
        });
        let until_ms = newest(&files);
        asked.push((until_ms, ask(&python, &table, until_ms)));
    }
    fgm.stop();
    assert_orderly(folder.path());
    let until_ms = newest(&files_below(&table));
    asked.push((until_ms, ask(&python, &table, until_ms)));

    let rows = Stored::open(folder.path()).read().rows();
    let mut sizes = HashSet::new();
    for (until_ms, answers) in asked {
        let within: Vec<_> = rows
            .iter()
            .filter(|row| row.key.time_ms <= until_ms)
            .collect();
        sizes.insert(within.len());
        for answer in answers {
            compare(&answer, &within);
        }
    }
    assert_eq!(
        sizes.len(),
        LIVE_ROUNDS + 1,
        "nothing was recorded meanwhile"
    );
    compare_with_our_reader(folder.path(), &rows);
}

fn container(tree: &CgroupTree, number: u32) -> FakeCgroup {
    let id = format!("{number:064x}");
    tree.make_container_of(Layout::DockerSystemd, POD_UID, &id, 5_000_000 + number)
}

/// Lets the containers' numbers differ from one another and from what they were.
fn move_numbers(containers: &[FakeCgroup], round: usize) {
    for (place, container) in containers.iter().enumerate() {
        let step = u64::try_from(10 * round + place).unwrap();
        container.write("memory.current", format!("{}\n", 1_000_003 * (step + 1)));
        container.set_key("cpu.stat", "user_usec", 710_080 + 4099 * step);
    }
}

/// The last time in the newest file.
fn newest(files: &[std::path::PathBuf]) -> i64 {
    let end = |path: &std::path::PathBuf| {
        let name = path.file_name()?.to_str()?;
        name.parse::<FileName>().ok().map(|name| name.end_ms)
    };
    files.iter().filter_map(end).max().unwrap()
}

/// What each reader says of the rows up to that time.
fn ask(python: &Path, table: &Path, until_ms: i64) -> Vec<Value> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("stories/readers.py");
    let output = Command::new(python)
        .arg(script)
        .arg(table)
        .arg(until_ms.to_string())
        .output()
        .unwrap();
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{complaint}");
    let answers: Vec<Value> = String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(answers.len(), 4, "{complaint}");
    answers
}

fn compare(answer: &Value, rows: &[&Row]) {
    let reader = &answer["reader"];
    assert_eq!(answer["rows"], rows.len(), "{reader}");
    assert_eq!(
        answer["keys"],
        rows.len(),
        "{reader}: rows that are there twice"
    );
    for partition in answer["partitions"].as_array().unwrap() {
        assert_eq!(partition[1], "story", "{reader}");
    }
    let mut unlike = BTreeMap::new();
    for metric in Table::Metrics.metrics() {
        let values: Vec<_> = rows
            .iter()
            .filter_map(|row| row.values.get(metric))
            .collect();
        let ours = match values.len() {
            // A column of nulls has no number type everywhere.
            0 => continue,
            count => serde_json::json!([count, values.iter().sum::<i64>()]),
        };
        let theirs = &answer["columns"][metric.name()];
        if *theirs != ours {
            unlike.insert(metric.name(), (theirs.clone(), ours));
        }
    }
    assert!(unlike.is_empty(), "{reader}: theirs and ours: {unlike:?}");
}

/// Our reader shows gauges as they are stored.
fn compare_with_our_reader(data_dir: &Path, rows: &[Row]) {
    let gauges: Vec<_> = Table::Metrics
        .metrics()
        .filter(|metric| metric.def().kind == Kind::Gauge)
        .collect();
    let query = SeriesQuery {
        table: Table::Metrics,
        signals: gauges
            .iter()
            .map(|gauge| Signal::from_id(gauge.name()).unwrap())
            .collect(),
        start_ms: 0,
        end_ms: i64::MAX,
        series: None,
    };
    let series = Reader::open(data_dir).series(&query).unwrap();
    for (place, gauge) in gauges.iter().enumerate() {
        let shown = series.iter().flat_map(|series| &series.values[place]);
        let shown: Vec<_> = shown.copied().filter(|value| !value.is_nan()).collect();
        let stored: Vec<_> = rows
            .iter()
            .filter_map(|row| row.values.get(*gauge))
            .collect();
        assert_eq!(shown.len(), stored.len(), "{}", gauge.name());
        #[expect(clippy::cast_precision_loss, reason = "sums far below 2^53")]
        let sum = stored.iter().sum::<i64>() as f64;
        assert_eq!(shown.iter().sum::<f64>(), sum, "{}", gauge.name());
    }
    assert!(
        rows.iter()
            .all(|row| row.values.get(Metric::MemoryZswapCurrent).is_none())
    );
}
