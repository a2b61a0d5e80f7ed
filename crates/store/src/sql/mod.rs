//! The data directory as views for DuckDB: tables, signals, events (`crates/store/sql`).
//!
//! What a table holds, which signals there are and how they are computed is said in `model`
//! alone; the text is made from it, so that SQL and the [`crate::reader::Reader`] give the same
//! numbers. A table without a file is an empty view, and a column that no file has is null.

mod expression;

use crate::StoreError;
use crate::footer::key;
use crate::layout::{DataDir, names_in};
use arrow::datatypes::{DataType, Schema};
use expression::{earlier, signal};
use fgm_model::Table;
use fgm_model::rollup::{Resolution, roll_up_schema, roll_ups_of, signals};
use fgm_model::schema::{column, table_schema};
use std::fmt::Write;
use std::path::Path;

const TABLE: &str = include_str!("../../sql/table.sql");
const SIGNALS: &str = include_str!("../../sql/signals.sql");
const EVENTS: &str = include_str!("../../sql/events.sql");

/// Questions with answers, as README shows them: `-- question` lines, each with its SQL.
pub const QUESTIONS: &str = include_str!("../../sql/questions.sql");

/// The text of all views over a data directory, to be run by DuckDB 1.3 or later.
///
/// # Errors
/// When the directory is not there or cannot be listed.
pub fn views(root: &Path) -> Result<String, StoreError> {
    let root = std::path::absolute(root).map_err(StoreError::io("find", root))?;
    std::fs::read_dir(&root).map_err(StoreError::io("list", &root))?;
    let dir = DataDir::new(&root);
    let mut out = format!(
        "-- Fine-Grained Monitor: views over {}, made by {} {}.\n\
         -- Sealed data only: what was recorded in the last minute is not in them yet.\n\n",
        root.display(),
        env!("CARGO_PKG_NAME"),
        env!("CARGO_PKG_VERSION"),
    );
    for table in Table::ALL {
        let schema = table_schema(table);
        let files = files_of(&dir, table, Resolution::Raw)?;
        let view = match table {
            Table::Events => "event_revisions",
            other => other.as_str(),
        };
        push_table(&mut out, view, what(table), &schema, files.as_deref());
        if table != Table::Events {
            push_signals(&mut out, table, files.as_deref());
        }
    }
    out.push_str(EVENTS);
    out.push('\n');
    for table in Table::ALL {
        for resolution in roll_ups_of(table) {
            let files = files_of(&dir, table, *resolution)?;
            let name = resolution.directory(table);
            let what = "a row per container and bucket, made when an hour is closed";
            push_table(
                &mut out,
                name,
                what,
                &roll_up_schema(table),
                files.as_deref(),
            );
        }
    }
    Ok(out)
}

const fn what(table: Table) -> &'static str {
    match table {
        Table::Metrics => "a row per container and tick, as stored",
        Table::Pods => "a row per pod and tick, as stored, with the network",
        Table::Node => "a row for the node and tick, as stored",
        Table::Events => "every revision of every event, as stored; ask the view events",
    }
}

/// The name of the signals' view of a table.
const fn signals_view(table: Table) -> &'static str {
    match table {
        Table::Pods => "pod_signals",
        Table::Node => "node_signals",
        Table::Metrics | Table::Events => "signals",
    }
}

/// The pattern of a table's files as an SQL text, where it has files.
fn files_of(
    dir: &DataDir,
    table: Table,
    resolution: Resolution,
) -> Result<Option<String>, StoreError> {
    let root = dir.table_at(table, resolution);
    for date in names_in(&root)?
        .iter()
        .filter(|name| name.starts_with("dt="))
    {
        let date = root.join(date);
        for pod in names_in(&date)?
            .iter()
            .filter(|name| name.starts_with("pod="))
        {
            let names = names_in(&date.join(pod))?;
            if names.iter().any(|name| name.ends_with(".parquet")) {
                return Ok(Some(pattern(&root)));
            }
        }
    }
    Ok(None)
}

/// A directory's own name holds no pattern and no end of a text.
fn pattern(root: &Path) -> String {
    let mut text = String::from("'");
    for letter in root.to_string_lossy().chars() {
        match letter {
            '[' | '*' | '?' => {
                text.push('[');
                text.push(letter);
                text.push(']');
            }
            '\'' => text.push_str("''"),
            other => text.push(other),
        }
    }
    text.push_str("/dt=*/pod=*/*.parquet'");
    text
}

fn fill(template: &str, places: &[(&str, &str)]) -> String {
    places
        .iter()
        .fold(template.to_owned(), |text, (place, value)| {
            text.replace(&format!("{{{place}}}"), value)
        })
}

fn push_table(out: &mut String, view: &str, what: &str, schema: &Schema, files: Option<&str>) {
    let source = files.map_or_else(String::new, |files| {
        format!(
            "SELECT *, filename FROM read_parquet({files}, hive_partitioning = true, union_by_name = true)\n\
             UNION ALL BY NAME "
        )
    });
    let mut columns: Vec<_> = schema
        .fields()
        .iter()
        .map(|field| {
            let kind = match field.data_type() {
                DataType::Utf8 => "VARCHAR",
                DataType::Boolean => "BOOLEAN",
                DataType::Float64 => "DOUBLE",
                DataType::Timestamp(_, _) => "TIMESTAMPTZ",
                _ => "BIGINT",
            };
            format!("    NULL::{kind} AS {}", field.name())
        })
        .collect();
    for (name, kind) in [("dt", "DATE"), ("pod", "VARCHAR"), ("filename", "VARCHAR")] {
        columns.push(format!("    NULL::{kind} AS {name}"));
    }
    out.push_str(&fill(
        TABLE,
        &[
            ("table", view),
            ("view", view),
            ("what", what),
            ("source", &source),
            ("columns", &columns.join(",\n")),
        ],
    ));
    out.push('\n');
}

fn push_signals(out: &mut String, table: Table, files: Option<&str>) {
    let files = files.map_or_else(
        || "SELECT NULL::VARCHAR AS filename, NULL::BIGINT AS interval_ms WHERE false".to_owned(),
        |files| {
            format!(
                "SELECT file_name AS filename, max(decode(value)::BIGINT) AS interval_ms\n\
                 FROM parquet_kv_metadata({files})\n\
                 WHERE decode(key) = '{}'\nGROUP BY ALL",
                key::INTERVAL_MS
            )
        },
    );
    let (mut lags, mut shown) = (String::new(), String::new());
    for metric in table
        .metrics()
        .filter(|metric| metric.def().kind.is_cumulative())
    {
        let name = metric.name();
        // Writing to a string cannot fail.
        let _ = writeln!(
            lags,
            "        lag({name}) OVER life AS {},",
            earlier(metric)
        );
    }
    for one in signals(table) {
        let _ = writeln!(shown, "    {} AS {},", signal(one), one.id());
    }
    let identity: Vec<_> = column::IDENTITY_TEXT
        .into_iter()
        .chain([column::RESTART_COUNT])
        .map(|name| format!("    {name}"))
        .collect();
    out.push_str(&fill(
        SIGNALS,
        &[
            ("table", table.as_str()),
            ("view", signals_view(table)),
            ("files", &files),
            ("earlier", lags.trim_end().trim_end_matches(',')),
            ("identity", &identity.join(",\n")),
            ("signals", shown.trim_end().trim_end_matches(',')),
        ],
    ));
    out.push('\n');
}

#[cfg(test)]
mod tests;
