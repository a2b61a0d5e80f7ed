//! `/export.csv` and `/export.parquet`: the stored samples themselves, a row per container and
//! tick, streamed.

mod csv;
mod parquet;
mod pipe;

use super::scan::{check_cells, ids, interval_ms, retain_by_events, until_newest};
use super::series::signals;
use crate::params::Params;
use crate::problem::Problem;
use crate::state::{AppState, Export};
use axum::body::Body;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use fgm_model::{Signal, Table};
use fgm_store::reader::{Chunk, Container, SeriesQuery};
use futures_util::{StreamExt, stream};
use pipe::Pipe;
use std::io;
use tokio::sync::mpsc;

/// Blocks that wait for a slow client; the reading waits with them.
const BLOCKS_AHEAD: usize = 4;

/// What is asked for.
struct Plan {
    table: Table,
    signals: Vec<Signal>,
    start_ms: i64,
    end_ms: i64,
    containers: Vec<Container>,
}

/// Writes all samples of a plan in one format.
type Write = fn(&Plan, &Export, Pipe) -> io::Result<()>;

/// `GET /api/v1/export.csv`
pub(crate) async fn csv(state: State<AppState>, params: Params) -> Result<Response, Problem> {
    export(
        state,
        params,
        ("csv", "text/csv; charset=utf-8"),
        csv::write,
    )
    .await
}

/// `GET /api/v1/export.parquet`
pub(crate) async fn parquet(state: State<AppState>, params: Params) -> Result<Response, Problem> {
    let kind = ("parquet", "application/vnd.apache.parquet");
    export(state, params, kind, parquet::write).await
}

async fn export(
    State(state): State<AppState>,
    params: Params,
    (ending, media_type): (&str, &str),
    write: Write,
) -> Result<Response, Problem> {
    let plan = plan(&state, &params).await?;
    let turn = state.export()?;
    let name = format!(
        "fgm-{}-{}.{ending}",
        plan.start_ms / 1000,
        plan.end_ms / 1000
    );
    let (blocks, ready) = mpsc::channel(BLOCKS_AHEAD);
    tokio::task::spawn_blocking(move || {
        if let Err(error) = write(&plan, &turn, Pipe::new(blocks.clone())) {
            // The client sees a cut-off answer, not a short one; unless it is gone.
            let _ = blocks.blocking_send(Err(error));
        }
    });
    // Fused: what compresses a body asks once more after its end.
    let body = stream::unfold(ready, async |mut ready| Some((ready.recv().await?, ready))).fuse();
    let headers = [
        (header::CONTENT_TYPE, media_type.to_owned()),
        (
            header::CONTENT_DISPOSITION,
            format!("attachment; filename=\"{name}\""),
        ),
        (header::CACHE_CONTROL, "no-store".to_owned()),
    ];
    Ok((headers, Body::from_stream(body)).into_response())
}

async fn plan(state: &AppState, params: &Params) -> Result<Plan, Problem> {
    let table = params.table()?;
    let signals = signals(params.get("metric"))?;
    let range = params.range()?;
    let selection = params.selection()?;
    let ids = params.get("ids").map(ids).transpose()?;
    state
        .read(move |reader, _| {
            let status = reader.status()?;
            let (start_ms, end_ms) = until_newest(range, &status);
            let mut containers = reader.containers_of(table, start_ms, end_ms)?;
            containers.retain(|one| match &ids {
                Some(ids) => ids.iter().any(|id| one.answers_to(id)),
                None => selection.matches(&one.node, &one.identity),
            });
            if ids.is_none() {
                retain_by_events(reader, &selection, start_ms, end_ms, &mut containers)?;
            }
            let ticks = (end_ms - start_ms) / interval_ms(&status) + 1;
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
        .await
}

/// Whose samples a row belongs to.
struct Owner<'a> {
    container: &'a Container,
    life: &'a str,
}

impl Owner<'_> {
    /// The texts of a row, under the names of [`OWNER_COLUMNS`].
    fn texts(&self) -> [String; OWNER_COLUMNS.len()] {
        let who = &self.container.identity;
        [
            who.namespace.clone().unwrap_or_default(),
            who.pod_name.clone().unwrap_or_default(),
            who.display_name().to_owned(),
            self.container.id.to_string(),
            self.life.to_owned(),
        ]
    }
}

const OWNER_COLUMNS: [&str; 5] = ["namespace", "pod", "container", "series", "life"];

/// Hands over the samples, container by container, until one cannot be written.
fn samples(
    plan: &Plan,
    turn: &Export,
    mut add: impl FnMut(&Owner<'_>, &Chunk<'_>) -> io::Result<()>,
) -> io::Result<()> {
    let query = SeriesQuery {
        table: plan.table,
        signals: plan.signals.clone(),
        start_ms: plan.start_ms,
        end_ms: plan.end_ms,
        series: None,
    };
    let failed = std::cell::Cell::new(None);
    let is_failed = || {
        let error = failed.take();
        let is_failed = error.is_some();
        failed.set(error);
        is_failed
    };
    let go_on = || turn.may_go_on() && !is_failed();
    let done = turn.reader.scan(&query, &plan.containers, &go_on, |chunk| {
        let Some(container) = plan.containers.get(chunk.series) else {
            return;
        };
        if is_failed() {
            return;
        }
        let life = container.instances.get(chunk.instance);
        let life = life.map_or("", |life| life.instance.life.as_str());
        if let Err(error) = add(&Owner { container, life }, &chunk) {
            failed.set(Some(error));
        }
    });
    match failed.take() {
        Some(error) => Err(error),
        None => done.map_err(io::Error::other),
    }
}
