//! `/series`: values of many containers, reduced to what a screen can show.

use super::scan::{check_cells, ids, interval_ms, retain_by_events, until_newest};
use super::{MOST_PX, MOST_TOP, frames};
use crate::fgmf::{self, FrameHead, FrameSeries, Summary};
use crate::params::Params;
use crate::problem::Problem;
use crate::reduce::{Agg, summary};
use crate::sel::Selection;
use crate::state::AppState;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use fgm_model::{SeriesId, Signal, Table};
use fgm_store::reader::{BucketQuery, BucketSeries, Container, Percentiles, Reader, Status};
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
    let agg = asked.agg.1;
    let interval_ms = interval_ms(status);
    let range = until_newest((asked.start_ms, asked.end_ms), status);
    let grid = agg.grid(range, interval_ms, asked.px);
    let resolution = agg.resolution(grid, interval_ms);
    check_cells(grid.buckets.saturating_mul(asked.signals.len()))?;

    let mut containers = reader.containers_of(asked.table, grid.start_ms, grid.end_ms())?;
    containers.retain(|container| asked.wants(container));
    if asked.ids.is_none() {
        retain_by_events(
            reader,
            &asked.selection,
            grid.start_ms,
            grid.end_ms(),
            &mut containers,
        )?;
    }
    let columns = containers.len().saturating_mul(asked.signals.len());
    check_cells(grid.buckets.saturating_mul(columns))?;

    let query = BucketQuery {
        table: asked.table,
        signals: asked.signals.clone(),
        grid,
        resolution,
        keep: agg.keep(Percentiles::P99),
    };
    let mut all = reader.buckets(&query, &containers, keep_going)?;
    let level = BucketSeries::level(&all, resolution);
    let breaks: Vec<Vec<usize>> = all
        .iter()
        .map(|series| {
            let times = series.breaks_ms.iter();
            let mut slots: Vec<_> = times.filter_map(|time_ms| grid.bucket(*time_ms)).collect();
            slots.dedup();
            slots
        })
        .collect();
    let mut bytes = Vec::new();
    for (at, signal) in asked.signals.iter().enumerate() {
        let mut series: Vec<FrameSeries> = containers
            .iter()
            .zip(&mut all)
            .zip(&breaks)
            .filter_map(|((container, series), breaks)| {
                let buckets = series.signals.get_mut(at)?.take()?;
                Some(FrameSeries {
                    id: container.id.to_string(),
                    summary: summary(&buckets),
                    shape: agg.shape(buckets),
                    breaks: breaks.clone(),
                })
            })
            .collect();
        let matched = series.len();
        rank(&mut series, asked.by.1);
        series.truncate(asked.top);
        let words = (asked.agg.0, asked.by.0);
        let head = FrameHead::new(*signal, status, (grid, level), matched, words);
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
