//! `/heatmap`: every container a row of cells.

use super::scan::{self, Scope};
use super::{MOST_PX, MOST_TOP, frames};
use crate::fgmf::{self, FrameHead, FrameSeries, Shape, Summary};
use crate::params::Params;
use crate::problem::Problem;
use crate::reduce::{Agg, summary};
use crate::state::AppState;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use fgm_store::reader::{Buckets, Container, Percentiles};
use std::cmp::Ordering;

/// Rows in an answer unless asked otherwise.
const ROWS: usize = 500;

/// The order of the rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sort {
    Max,
    Avg,
    P95,
    P99,
    Name,
}

const SORT: [(&str, Sort); 5] = [
    ("p99", Sort::P99),
    ("p95", Sort::P95),
    ("max", Sort::Max),
    ("avg", Sort::Avg),
    ("name", Sort::Name),
];

const STAT: [(&str, Agg); 2] = [("max", Agg::MinMax), ("avg", Agg::Avg)];

/// `GET /api/v1/heatmap`
pub(crate) async fn heatmap(
    State(state): State<AppState>,
    params: Params,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let scope = Scope::of(&params)?;
    let range = params.range()?;
    let px = params.number("px", &(1..=MOST_PX))?.unwrap_or(512);
    let top = params.number("top", &(1..=MOST_TOP))?.unwrap_or(ROWS);
    let stat = params.one_of("stat", &STAT)?.unwrap_or(Agg::MinMax);
    let sort = SORT.map(|(word, sort)| (word, (word, sort)));
    let (by, sort) = params.one_of("sort", &sort)?.unwrap_or(("p99", Sort::P99));
    frames(
        &state,
        "heatmap",
        &params,
        &headers,
        range.1,
        move |reader, status, keep_going| {
            let (start_ms, end_ms) = scan::until_newest(range, status);
            // A cell is worth looking at only when it is some pixels wide.
            let interval_ms = scan::interval_ms(status);
            let grid = stat.grid((start_ms, end_ms), interval_ms, px);
            let asked = (grid, stat.resolution(grid, interval_ms));
            let percentiles = match sort {
                Sort::P95 => Percentiles::All,
                _ => Percentiles::P99,
            };
            let keep = stat.keep(percentiles);
            let (level, rows) = scope.buckets(reader, asked, keep, keep_going)?;
            let mut rows: Vec<_> = rows
                .into_iter()
                .map(|row| of_row(row, stat, sort))
                .collect();
            let matched = rows.len();
            rows.sort_by(|a, b| order(sort, a, b));
            rows.truncate(top);
            let series: Vec<_> = rows.into_iter().map(|row| row.series).collect();
            let agg = if stat == Agg::Avg { "avg" } else { "max" };
            let head = FrameHead::new(scope.signal, status, (grid, level), matched, (agg, by));
            Ok(fgmf::encode_heat(&head, series))
        },
    )
    .await
}

struct HeatRow {
    key: Option<f64>,
    name: String,
    series: FrameSeries,
}

fn of_row((container, buckets): (Container, Buckets), stat: Agg, sort: Sort) -> HeatRow {
    let p95 = buckets.summary.map(|summary| summary.p95);
    let summary = summary(&buckets);
    let name = |s: &Option<String>| s.clone().unwrap_or_default();
    let who = &container.identity;
    HeatRow {
        key: key(sort, p95, &summary),
        name: format!(
            "{}/{}/{}",
            name(&who.namespace),
            name(&who.pod_name),
            who.display_name()
        ),
        series: FrameSeries {
            id: container.id.to_string(),
            // The upper plane: what a cell hides least.
            shape: match stat.shape(buckets) {
                Shape::Envelope { max, .. } => Shape::Display(max),
                other => other,
            },
            breaks: Vec::new(),
            summary,
        },
    }
}

fn key(sort: Sort, p95: Option<f64>, summary: &Summary) -> Option<f64> {
    match sort {
        Sort::Max => summary.max,
        Sort::Avg => summary.avg,
        Sort::P95 => p95,
        Sort::P99 => summary.p99,
        Sort::Name => None,
    }
}

/// The largest first, then by name so that equal rows stay where they are.
fn order(sort: Sort, a: &HeatRow, b: &HeatRow) -> Ordering {
    let by_key = match sort {
        Sort::Name => Ordering::Equal,
        _ => b.key.partial_cmp(&a.key).unwrap_or(Ordering::Equal),
    };
    by_key.then_with(|| a.name.cmp(&b.name))
}
