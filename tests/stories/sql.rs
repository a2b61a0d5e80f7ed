//! The views of `fgm-lab sql` in the real DuckDB: they give the numbers of our own reader, and
//! the questions that README shows have the answers that are true.

#![expect(
    clippy::unwrap_used,
    reason = "a failed expectation is how a story fails"
)]

use fgm_model::rollup::signals;
use fgm_model::{Signal, Table};
use fgm_store::reader::{Reader, SeriesQuery};
use fgm_store::sql::QUESTIONS;
use fgm_stories::generated::generate;
use fgm_stories::needs::python;
use fgm_stories::programs::fgm_lab;
use fgm_testkit::generator::{Series, Trouble, Truth};
use serde_json::{Value, json};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const TABLES: [(Table, &str); 3] = [
    (Table::Metrics, "signals"),
    (Table::Pods, "pod_signals"),
    (Table::Node, "node_signals"),
];

fn views(data_dir: &Path) -> String {
    let output = Command::new(fgm_lab())
        .arg("sql")
        .arg(data_dir)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// The rows of each query, as JSON objects.
fn ask(python: &Path, data_dir: &Path, queries: &[String]) -> Vec<Vec<Value>> {
    let mut child = Command::new(python)
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("stories/sql.py"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let asked = json!({ "views": views(data_dir), "queries": queries });
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(asked.to_string().as_bytes()).unwrap();
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{complaint}");
    let text = String::from_utf8(output.stdout).unwrap();
    let answers: Vec<_> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(answers.len(), queries.len(), "{complaint}");
    answers
}

/// The count and the sum of every column of a view of signals.
fn sums(table: Table, view: &str) -> String {
    let columns: Vec<_> = signals(table)
        .map(Signal::id)
        .map(|id| format!("[count({id}), coalesce(fsum({id}), 0)]::DOUBLE[] AS {id}"))
        .collect();
    format!("SELECT {} FROM {view}", columns.join(", "))
}

#[test]
fn views_give_the_numbers_of_our_reader() {
    let Some(python) = python() else { return };
    let folder = tempfile::tempdir().unwrap();
    // Lives that come and go, gaps and late ticks; segments and hours.
    let (hours, segments) = (
        folder.path().join("hours"),
        folder.path().join("it's [segments]"),
    );
    let flags = [
        "--scenario",
        "churn",
        "--containers",
        "6",
        "--interval",
        "5s",
        "--seed",
        "4",
    ];
    let truth = generate(&hours, &flags);
    assert!(!truth.gaps.is_empty() && !truth.late_ticks.is_empty());
    let same = generate(&segments, &[&flags[..], &["--segments"]].concat());
    assert!(same == truth);
    for data_dir in [hours, segments] {
        let queries = TABLES.map(|(table, view)| sums(table, view));
        let answers = ask(&python, &data_dir, &queries);
        for ((table, view), answer) in TABLES.into_iter().zip(answers) {
            compare(&data_dir, table, view, &answer[0]);
        }
    }
}

fn compare(data_dir: &Path, table: Table, view: &str, answer: &Value) {
    let asked: Vec<_> = signals(table).collect();
    let query = SeriesQuery {
        table,
        signals: asked.clone(),
        start_ms: 0,
        end_ms: i64::MAX,
        series: None,
    };
    let series = Reader::open(data_dir).series(&query).unwrap();
    let mut with_data = 0;
    for (place, signal) in asked.into_iter().enumerate() {
        let shown = series.iter().flat_map(|series| &series.values[place]);
        let shown: Vec<f64> = shown.copied().filter(|value| !value.is_nan()).collect();
        let theirs: Vec<f64> = serde_json::from_value(answer[signal.id()].clone()).unwrap();
        let sum: f64 = shown.iter().sum();
        let near = (theirs[1] - sum).abs() <= 1e-9 * sum.abs().max(1.0);
        #[expect(clippy::cast_precision_loss, reason = "a few thousand")]
        let count = shown.len() as f64;
        assert!(
            theirs[0] == count && near,
            "{view}.{}: {theirs:?}, ours {count} {sum}",
            signal.id()
        );
        with_data += usize::from(count > 0.0);
    }
    assert!(with_data > 60, "{view}: {with_data} signals have data");
}

#[test]
fn a_directory_without_data_has_the_same_views() {
    let Some(python) = python() else { return };
    let folder = tempfile::tempdir().unwrap();
    let names = ["signals", "pods", "events", "metrics_60s", "node_600s"];
    let queries = names.map(|name| format!("SELECT count(*) AS rows FROM {name}"));
    for answer in ask(&python, folder.path(), &queries) {
        assert_eq!(answer[0]["rows"], 0);
    }
}

/// `-- question` and its SQL.
fn questions() -> Vec<(String, String)> {
    let mut list: Vec<(String, String)> = Vec::new();
    for line in QUESTIONS.lines() {
        if let Some(title) = line.strip_prefix("-- ") {
            list.push((title.to_owned(), String::new()));
        } else if let Some((_, sql)) = list.last_mut() {
            sql.push_str(line);
            sql.push('\n');
        }
    }
    list
}

fn named<'a>(truth: &'a Truth, row: &Value) -> &'a Series {
    let found = truth.series.iter().find(|series| {
        row["container_name"] == series.container_name.as_str()
            && (row["pod_name"].is_null() || row["pod_name"] == series.pod_name.as_str())
    });
    found.unwrap_or_else(|| panic!("no such container: {row}"))
}

fn number(row: &Value, name: &str) -> f64 {
    row[name]
        .as_f64()
        .unwrap_or_else(|| panic!("{name} of {row}"))
}

fn generated(scenario: &str, seed: &str) -> (tempfile::TempDir, PathBuf, Truth) {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("data");
    let flags = [
        "--scenario",
        scenario,
        "--containers",
        "12",
        "--interval",
        "5s",
        "--seed",
        seed,
    ];
    let truth = generate(&out, &flags);
    (folder, out, truth)
}

#[test]
fn the_questions_have_true_answers() {
    let Some(python) = python() else { return };
    let questions = questions();
    assert_eq!(questions.len(), 5, "{questions:?}");
    let queries: Vec<_> = questions.iter().map(|(_, sql)| sql.clone()).collect();

    let (_folder, data_dir, truth) = generated("throttle", "2");
    let answers = ask(&python, &data_dir, &queries);
    throttled_most(&truth, &answers[0]);
    busiest_second(&data_dir, &answers[4]);

    let (_folder, data_dir, truth) = generated("leak", "2");
    let answers = ask(&python, &data_dir, &queries);
    before_the_kill(&truth, &answers[1]);
    restarts(&truth, &answers[2]);
    growing(&truth, &answers[3]);
}

#[expect(clippy::cast_precision_loss, reason = "microseconds of an hour")]
fn throttled_most(truth: &Truth, answer: &[Value]) {
    let lost = |series: &Series| {
        let lives = series.instances.iter().map(|life| life.throttled_usec);
        lives.sum::<i64>() as f64 / 1e6
    };
    let mut ranked: Vec<_> = truth
        .series
        .iter()
        .filter(|series| lost(series) > 0.0)
        .collect();
    ranked.sort_by(|a, b| lost(b).total_cmp(&lost(a)));
    assert!(
        ranked.len() >= 6 && answer.len() == ranked.len().min(10),
        "{answer:?}"
    );
    for (row, series) in answer.iter().zip(ranked) {
        assert_eq!(row["pod_name"], series.pod_name.as_str());
        let (theirs, ours) = (number(row, "seconds_lost"), lost(series));
        assert!(
            (theirs - ours).abs() <= 0.06 + 0.01 * ours,
            "{theirs} of {ours}"
        );
    }
}

fn before_the_kill(truth: &Truth, answer: &[Value]) {
    let kills = truth.series.iter().flat_map(|series| {
        series
            .oom_kills
            .iter()
            .map(move |kill| (kill.at_us, series))
    });
    let (_, series) = kills.max_by_key(|(at_us, _)| *at_us).unwrap();
    assert!(answer.len() >= 3, "{answer:?}");
    for row in answer {
        assert_eq!(row["container_name"], series.container_name.as_str());
    }
    let last = answer.last().unwrap();
    assert!(
        // A row each 5 s, and one second after the kill is asked for.
        (-5.0..=1.0).contains(&number(last, "seconds_from_event")),
        "{last}"
    );
    assert!(number(last, "percent_of_limit") > 90.0, "{last}");
    assert!(number(&answer[0], "seconds_from_event") < -10.0);
}

fn restarts(truth: &Truth, answer: &[Value]) {
    let mut again: Vec<_> = truth
        .series
        .iter()
        .map(|series| series.instances.iter().filter(|life| life.rows > 0).count())
        .filter(|lives| *lives > 1)
        .map(|lives| lives - 1)
        .collect();
    again.sort_unstable_by(|a, b| b.cmp(a));
    again.truncate(10);
    assert!(!again.is_empty());
    let theirs: Vec<_> = answer
        .iter()
        .map(|row| row["restarts"].as_u64().unwrap())
        .collect();
    assert_eq!(
        theirs,
        again.iter().map(|count| *count as u64).collect::<Vec<_>>()
    );
    for row in answer {
        let series = named(truth, row);
        assert_eq!(row["oom_kills"], series.oom_kills.len());
    }
}

fn growing(truth: &Truth, answer: &[Value]) {
    let leaks = truth
        .series
        .iter()
        .filter(|series| series.trouble == Trouble::Leaks)
        .count();
    assert!(
        !answer.is_empty() && answer.len() <= leaks * 3,
        "{answer:?}"
    );
    for row in answer {
        let series = named(truth, row);
        assert_eq!(series.trouble, Trouble::Leaks, "{row}");
        let truth = series.leak_bytes_per_s * 3600.0 / 1_048_576.0;
        let off = (number(row, "mib_per_hour") - truth).abs() / truth;
        assert!(off < 0.25, "{row}: {truth} MiB per hour");
    }
}

/// As our own reader finds it.
fn busiest_second(data_dir: &Path, answer: &[Value]) {
    let query = SeriesQuery {
        table: Table::Node,
        signals: ["cpu_user_usec", "cpu_system_usec"]
            .map(|id| Signal::from_id(id).unwrap())
            .to_vec(),
        start_ms: 0,
        end_ms: i64::MAX,
        series: None,
    };
    let node = &Reader::open(data_dir).series(&query).unwrap()[0];
    let used = node.values[0]
        .iter()
        .zip(&node.values[1])
        .map(|(user, system)| user + system);
    let (_, of_node) = node
        .times_ms
        .iter()
        .zip(used)
        .filter(|(_, used)| !used.is_nan())
        .max_by(|a, b| a.1.total_cmp(&b.1))
        .unwrap();
    assert_eq!(answer.len(), 5);
    let top: f64 = answer.iter().map(|row| number(row, "millicores")).sum();
    assert!(
        top <= of_node / 1000.0 * 1.01 + 5.0 && top > of_node / 4000.0,
        "{top} of {of_node}"
    );
}
