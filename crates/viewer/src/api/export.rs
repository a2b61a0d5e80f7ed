//! `/export.csv`: the stored samples themselves, a row per container and tick, streamed.

use super::scan::{check_cells, ids, retain_by_events};
use super::series::signals;
use crate::params::Params;
use crate::problem::Problem;
use crate::state::AppState;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, SecondsFormat};
use fgm_model::{Signal, Table};
use fgm_store::reader::{Chunk, Container, Reader, SeriesQuery};
use futures_util::{StreamExt, stream};
use std::fmt::Write as _;
use tokio::sync::mpsc;

/// Bytes that are sent at once.
const BLOCK_BYTES: usize = 64 << 10;
/// Blocks that wait for a slow client; the reading waits with them.
const BLOCKS_AHEAD: usize = 4;

struct Plan {
    table: Table,
    signals: Vec<Signal>,
    start_ms: i64,
    end_ms: i64,
    containers: Vec<Container>,
}

/// `GET /api/v1/export.csv`
pub(crate) async fn csv(
    State(state): State<AppState>,
    params: Params,
) -> Result<Response, Problem> {
    let table = params.table()?;
    let signals = signals(params.get("metric"))?;
    let (start_ms, end_ms) = params.range()?;
    let selection = params.selection()?;
    let ids = params.get("ids").map(ids).transpose()?;
    let plan = state
        .read(move |reader, _| {
            let status = reader.status()?;
            let (start_ms, end_ms) = super::scan::until_newest((start_ms, end_ms), &status);
            let mut containers = reader.containers_of(table, start_ms, end_ms)?;
            containers.retain(|one| match &ids {
                Some(ids) => ids.iter().any(|id| one.answers_to(id)),
                None => selection.matches(&one.node, &one.identity),
            });
            if ids.is_none() {
                retain_by_events(reader, &selection, start_ms, end_ms, &mut containers)?;
            }
            let ticks = (end_ms - start_ms) / super::scan::interval_ms(&status) + 1;
            let ticks = usize::try_from(ticks).unwrap_or(usize::MAX);
            let rows = ticks.saturating_mul(containers.len());
            check_cells(rows.saturating_mul(signals.len()))?;
            Ok(Plan {
                table,
                signals,
                start_ms,
                end_ms,
                containers,
            })
        })
        .await?;
    let name = format!("fgm-{}-{}.csv", plan.start_ms / 1000, plan.end_ms / 1000);
    let (blocks, ready) = mpsc::channel::<Result<Bytes, std::io::Error>>(BLOCKS_AHEAD);
    tokio::spawn(async move {
        let failed = blocks.clone();
        let done = state
            .read(move |reader, keep_going| {
                write(reader, &plan, keep_going, |block| {
                    blocks.blocking_send(Ok(block)).is_ok()
                })
            })
            .await;
        if let Err(problem) = done {
            // The client sees a cut-off answer, not a short one.
            let error = std::io::Error::other(format!("{problem:?}"));
            drop(failed.send(Err(error)).await);
        }
    });
    // Fused: what compresses a body asks once more after its end.
    let body = stream::unfold(ready, async |mut ready| Some((ready.recv().await?, ready))).fuse();
    let headers = [
        (header::CONTENT_TYPE, "text/csv; charset=utf-8".to_owned()),
        (
            header::CONTENT_DISPOSITION,
            format!("attachment; filename=\"{name}\""),
        ),
        (header::CACHE_CONTROL, "no-store".to_owned()),
    ];
    Ok((headers, Body::from_stream(body)).into_response())
}

/// Hands the text to `send`, block by block, until it says no.
fn write(
    reader: &Reader,
    plan: &Plan,
    keep_going: &dyn Fn() -> bool,
    send: impl Fn(Bytes) -> bool,
) -> Result<(), Problem> {
    let mut text = String::from("time,time_ms,namespace,pod,container,series,life");
    for signal in &plan.signals {
        text.push(',');
        text.push_str(signal.info().id);
    }
    text.push_str("\r\n");
    let query = SeriesQuery {
        table: plan.table,
        signals: plan.signals.clone(),
        start_ms: plan.start_ms,
        end_ms: plan.end_ms,
        series: None,
    };
    let wanted = std::cell::Cell::new(true);
    let go_on = || wanted.get() && keep_going();
    reader.scan(&query, &plan.containers, &go_on, |chunk| {
        let Some(who) = plan.containers.get(chunk.series) else {
            return;
        };
        rows(&mut text, who, &chunk);
        if text.len() >= BLOCK_BYTES && !send(Bytes::from(std::mem::take(&mut text))) {
            wanted.set(false);
        }
    })?;
    send(Bytes::from(text));
    Ok(())
}

fn rows(text: &mut String, who: &Container, chunk: &Chunk<'_>) {
    let name = &who.identity;
    let life = who.instances.get(chunk.instance);
    let mut whose = String::new();
    for part in [
        name.namespace.as_deref().unwrap_or_default(),
        name.pod_name.as_deref().unwrap_or_default(),
        name.display_name(),
        &who.id.to_string(),
        life.map_or("", |life| &life.instance.life),
    ] {
        whose.push(',');
        field(&mut whose, part);
    }
    for (row, time_ms) in chunk.times_ms.iter().enumerate() {
        let time = DateTime::from_timestamp_millis(*time_ms).unwrap_or_default();
        text.push_str(&time.to_rfc3339_opts(SecondsFormat::Millis, true));
        // Writing to a string cannot fail.
        let _ = write!(text, ",{time_ms}{whose}");
        for values in chunk.values {
            text.push(',');
            if let Some(value) = values.get(row).filter(|value| !value.is_nan()) {
                let _ = write!(text, "{value}");
            }
        }
        text.push_str("\r\n");
    }
}

/// RFC 4180; and no text that a spreadsheet would take for a formula.
fn field(text: &mut String, value: &str) {
    let formula = value.starts_with(['=', '+', '-', '@', '\t', '\r']);
    if formula || value.contains(['"', ',', '\n', '\r']) {
        text.push('"');
        if formula {
            text.push('\'');
        }
        text.push_str(&value.replace('"', "\"\""));
        text.push('"');
    } else {
        text.push_str(value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_names_stay_text() {
        let of = |value| {
            let mut text = String::new();
            field(&mut text, value);
            text
        };
        assert_eq!(of("shop"), "shop");
        assert_eq!(of("a,\"b\""), "\"a,\"\"b\"\"\"");
        assert_eq!(of("=cmd()"), "\"'=cmd()\"");
        assert_eq!(of("a\r\nb"), "\"a\r\nb\"");
    }
}
