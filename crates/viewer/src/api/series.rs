//! `/series`: values of many containers, reduced to what a screen can show.

use super::scan::{check_cells, ids, retain_by_events};
use super::{MOST_PX, MOST_TOP, frames};
use crate::fgmf::{self, FrameHead, FrameSeries, Summary};
use crate::params::Params;
use crate::problem::Problem;
use crate::reduce::{Agg, Breaks, Grid, Reducer};
use crate::sel::Selection;
use crate::state::AppState;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use fgm_model::{SeriesId, Signal, Table};
use fgm_store::reader::{Container, Reader, SeriesQuery, Status};
use std::cmp::Ordering;

/// Metrics in a request, at most.
const MOST_METRICS: usize = 32;

/// What decides which series are sent when there are more than asked for.
#[derive(Debug, Clone, Copy)]
enum By {
    P99,
    Max,
    Avg,
    Min,
    Last,
    Name,
}

const BY: [(&str, By); 6] = [
    ("p99", By::P99),
    ("max", By::Max),
    ("avg", By::Avg),
    ("min", By::Min),
    ("last", By::Last),
    ("name", By::Name),
];

const AGG: [(&str, Agg); 3] = [
    ("minmax", Agg::MinMax),
    ("avg", Agg::Avg),
    ("raw", Agg::Raw),
];

#[derive(Debug)]
struct Asked {
    table: Table,
    signals: Vec<Signal>,
    start_ms: i64,
    end_ms: i64,
    px: i64,
    selection: Selection,
    ids: Option<Vec<SeriesId>>,
    top: usize,
    by: (&'static str, By),
    agg: (&'static str, Agg),
}

impl Asked {
    fn of(params: &Params) -> Result<Self, Problem> {
        let (start_ms, end_ms) = params.range()?;
        let pair = |words: &[(&'static str, By)]| {
            let by = words.iter().map(|(word, by)| (*word, (*word, *by)));
            params.one_of("by", &by.collect::<Vec<_>>())
        };
        let agg = AGG.map(|(word, agg)| (word, (word, agg)));
        Ok(Self {
            table: params.table()?,
            signals: signals(params.get("metric"))?,
            start_ms,
            end_ms,
            px: params.number("px", &(1..=MOST_PX))?.unwrap_or(1024),
            selection: params.selection()?,
            ids: params.get("ids").map(ids).transpose()?,
            top: params.number("top", &(1..=MOST_TOP))?.unwrap_or(250),
            by: pair(&BY)?.unwrap_or(BY[0]),
            agg: params.one_of("agg", &agg)?.unwrap_or(AGG[0]),
        })
    }

    fn wants(&self, container: &Container) -> bool {
        match &self.ids {
            Some(ids) => ids.iter().any(|id| container.answers_to(id)),
            None => self.selection.matches(&container.node, &container.identity),
        }
    }
}

/// Metrics separated by commas.
pub(super) fn signals(text: Option<&str>) -> Result<Vec<Signal>, Problem> {
    let names: Vec<_> = text.into_iter().flat_map(|text| text.split(',')).collect();
    if names.is_empty() || names.len() > MOST_METRICS {
        return Err(Problem::bad_request(
            format!("metric names 1 to {MOST_METRICS} metrics, separated by commas"),
            "GET metrics lists them",
        ));
    }
    let known = |name: &&str| {
        Signal::from_id(name)
            .ok_or_else(|| Problem::bad_request("no such metric", "GET metrics lists them"))
    };
    names.iter().map(known).collect()
}

/// `GET /api/v1/series`
pub(crate) async fn series(
    State(state): State<AppState>,
    params: Params,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let asked = Asked::of(&params)?;
    let end_ms = asked.end_ms;
    frames(
        &state,
        "series",
        &params,
        &headers,
        end_ms,
        move |reader, status, keep_going| of_metrics(reader, &asked, status, keep_going),
    )
    .await
}

/// One frame per metric, one after the other.
fn of_metrics(
    reader: &Reader,
    asked: &Asked,
    status: &Status,
    keep_going: &dyn Fn() -> bool,
) -> Result<Vec<u8>, Problem> {
    let interval_ms = status.interval_ms.unwrap_or(1000).clamp(1, 60_000);
    // Beyond the newest row there is nothing; without an end the grid ends there.
    let newest = status
        .last_ms
        .unwrap_or(asked.start_ms)
        .saturating_add(interval_ms);
    let end_ms = asked.end_ms.min(newest.max(asked.start_ms));
    let grid = Grid::of(asked.start_ms, end_ms, interval_ms, asked.px, asked.agg.1);
    check_cells(grid.n.saturating_mul(asked.signals.len()))?;

    let mut containers = reader.containers_of(asked.table, grid.t0, grid.end_ms())?;
    containers.retain(|container| asked.wants(container));
    if asked.ids.is_none() {
        retain_by_events(
            reader,
            &asked.selection,
            grid.t0,
            grid.end_ms(),
            &mut containers,
        )?;
    }
    let columns = containers.len().saturating_mul(asked.signals.len());
    check_cells(grid.n.saturating_mul(columns))?;

    let mut reducers: Vec<Vec<Option<Reducer>>> =
        vec![vec![None; containers.len()]; asked.signals.len()];
    let mut breaks = vec![Breaks::default(); containers.len()];
    let query = SeriesQuery {
        table: asked.table,
        signals: asked.signals.clone(),
        start_ms: grid.t0,
        end_ms: grid.end_ms(),
        series: None,
    };
    reader.scan(&query, &containers, keep_going, |chunk| {
        let first = chunk.times_ms.first().copied();
        if let (Some(breaks), Some(first)) = (breaks.get_mut(chunk.series), first) {
            breaks.add(chunk.instance, chunk.clock_epoch, first);
        }
        for (of_signal, values) in reducers.iter_mut().zip(chunk.values) {
            if let Some(slot) = of_signal.get_mut(chunk.series) {
                slot.get_or_insert_with(|| Reducer::new(grid, asked.agg.1))
                    .add(chunk.times_ms, values);
            }
        }
    })?;

    let breaks: Vec<_> = breaks.iter().map(|breaks| breaks.slots(grid)).collect();
    let mut bytes = Vec::new();
    for (signal, of_signal) in asked.signals.iter().zip(reducers) {
        let mut series: Vec<FrameSeries> = containers
            .iter()
            .zip(of_signal)
            .zip(&breaks)
            .filter_map(|((container, reducer), breaks)| {
                let (shape, summary) = reducer?.finish()?;
                Some(FrameSeries {
                    id: container.id.to_string(),
                    shape,
                    breaks: breaks.clone(),
                    summary,
                })
            })
            .collect();
        let matched = series.len();
        rank(&mut series, asked.by.1);
        series.truncate(asked.top);
        let words = (asked.agg.0, asked.by.0);
        let head = FrameHead::new(*signal, status, grid, matched, words);
        bytes.extend(fgmf::encode(&head, &series));
    }
    Ok(bytes)
}

/// The largest first; by name, as they are.
fn rank(series: &mut [FrameSeries], by: By) {
    let of: fn(&Summary) -> Option<f64> = match by {
        By::P99 => |summary| summary.p99,
        By::Max => |summary| summary.max,
        By::Avg => |summary| summary.avg,
        By::Min => |summary| summary.min,
        By::Last => |summary| summary.last,
        By::Name => return,
    };
    series.sort_by(|a, b| {
        let (a, b) = (of(&a.summary), of(&b.summary));
        b.partial_cmp(&a).unwrap_or(Ordering::Equal)
    });
}
