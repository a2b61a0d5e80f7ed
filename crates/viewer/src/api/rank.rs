//! `/rank`: containers by one metric, each beside what it was before.

use super::scan::{self, Scope};
use super::{MOST_TOP, json};
use crate::params::Params;
use crate::problem::Problem;
use crate::reduce::{Agg, Grid, Reducer};
use crate::state::AppState;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use fgm_store::reader::{Container, Reader};
use serde::Serialize;
use std::collections::HashMap;

const ROWS: usize = 50;

#[derive(Serialize)]
struct Ranking {
    metric: &'static str,
    unit: &'static str,
    start_ms: i64,
    end_ms: i64,
    /// What it is compared with.
    base: Option<Base>,
    by: &'static str,
    /// Containers that have the metric; the rows are the first of them.
    matched: usize,
    rows: Vec<Row>,
}

#[derive(Serialize)]
struct Base {
    start_ms: i64,
    end_ms: i64,
}

#[derive(Serialize)]
struct Row {
    id: String,
    namespace: Option<String>,
    pod: Option<String>,
    name: String,
    #[serde(flatten)]
    now: Numbers,
    /// The same of the base; null when it was not there, or without a base.
    before: Option<Numbers>,
    /// By how many percent the ranked number changed; null when the base is 0 or missing.
    change_percent: Option<f64>,
}

#[derive(Debug, Clone, Copy, Serialize)]
struct Numbers {
    last: Option<f64>,
    min: Option<f64>,
    avg: Option<f64>,
    p50: Option<f64>,
    p95: Option<f64>,
    p99: Option<f64>,
    max: Option<f64>,
}

type Pick = fn(&Numbers) -> Option<f64>;

const BY: [(&str, Pick); 7] = [
    ("p99", |n| n.p99),
    ("p95", |n| n.p95),
    ("p50", |n| n.p50),
    ("avg", |n| n.avg),
    ("max", |n| n.max),
    ("min", |n| n.min),
    ("last", |n| n.last),
];

/// `GET /api/v1/rank`
pub(crate) async fn rank(
    State(state): State<AppState>,
    params: Params,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let scope = Scope::of(&params)?;
    let range = params.range()?;
    let n = params.number("n", &(1..=MOST_TOP))?.unwrap_or(ROWS);
    let by = BY.map(|(word, pick)| (word, (word, pick)));
    let (by, pick) = params.one_of("by", &by)?.unwrap_or(BY[0]);
    let base = base(params.get("base"))?;
    json(
        &state,
        "rank",
        &params,
        &headers,
        move |reader, keep_going| {
            let status = reader.status()?;
            let range = scan::until_newest(range, &status);
            let base = base.map(|base| base.of(range, scan::interval_ms(&status)));
            let now = numbers(reader, &scope, range, keep_going)?;
            let mut before = HashMap::new();
            if let Some(base) = base {
                let then = numbers(reader, &scope, base, keep_going)?;
                before.extend(then.into_iter().map(|(who, numbers)| (who.id, numbers)));
            }
            let mut rows: Vec<_> = now
                .into_iter()
                .map(|(who, now)| row(&who, now, before.get(&who.id).copied(), pick))
                .collect();
            let matched = rows.len();
            rows.sort_by(|a, b| {
                let (a, b) = (pick(&a.now), pick(&b.now));
                b.partial_cmp(&a).unwrap_or(std::cmp::Ordering::Equal)
            });
            rows.truncate(n);
            let info = scope.signal.info();
            Ok(Ranking {
                metric: info.id,
                unit: info.unit.as_str(),
                start_ms: range.0,
                end_ms: range.1,
                base: base.map(|(start_ms, end_ms)| Base { start_ms, end_ms }),
                by,
                matched,
                rows,
            })
        },
    )
    .await
}

/// What to compare with.
#[derive(Debug, Clone, Copy)]
enum Against {
    /// The same length of time just before.
    Previous,
    Range(i64, i64),
}

impl Against {
    fn of(self, (start_ms, end_ms): (i64, i64), interval_ms: i64) -> (i64, i64) {
        match self {
            Self::Range(start_ms, end_ms) => (start_ms, end_ms),
            Self::Previous => {
                // Both ends count: as many samples as the range has.
                let span = end_ms.saturating_sub(start_ms).saturating_add(interval_ms);
                ((start_ms - span).max(0), (start_ms - 1).max(0))
            }
        }
    }
}

fn base(text: Option<&str>) -> Result<Option<Against>, Problem> {
    let bad = || {
        Problem::bad_request(
            "base is neither prev nor two times a..b",
            "write base=prev, or base=<start ms>..<end ms>",
        )
    };
    let time = |text: &str| {
        text.parse::<u32>()
            .map(i64::from)
            .ok()
            .or_else(|| text.parse().ok())
    };
    match text {
        None => Ok(None),
        Some("prev") => Ok(Some(Against::Previous)),
        Some(text) => {
            let (a, b) = text.split_once("..").ok_or_else(bad)?;
            let (a, b): (i64, i64) = (time(a).ok_or_else(bad)?, time(b).ok_or_else(bad)?);
            let sensible = 0 <= a && a <= b && b <= *crate::params::TIMES.end();
            sensible
                .then_some(Some(Against::Range(a, b)))
                .ok_or_else(bad)
        }
    }
}

fn numbers(
    reader: &Reader,
    scope: &Scope,
    (start_ms, end_ms): (i64, i64),
    keep_going: &dyn Fn() -> bool,
) -> Result<Vec<(Container, Numbers)>, Problem> {
    let grid = Grid::whole(start_ms, end_ms);
    let all = scope.reduce(reader, grid, Agg::MinMax, keep_going)?;
    Ok(all
        .into_iter()
        .filter_map(|(who, reducer)| Some((who, of(reducer)?)))
        .collect())
}

fn of(mut reducer: Reducer) -> Option<Numbers> {
    let (p50, p95) = (reducer.quantile(0.5), reducer.quantile(0.95));
    let (_, summary) = reducer.finish()?;
    Some(Numbers {
        last: summary.last,
        min: summary.min,
        avg: summary.avg,
        p50,
        p95,
        p99: summary.p99,
        max: summary.max,
    })
}

fn row(who: &Container, now: Numbers, before: Option<Numbers>, pick: Pick) -> Row {
    let ratio = |now: f64, then: f64| (then != 0.0).then(|| (now / then - 1.0) * 100.0);
    Row {
        id: who.id.to_string(),
        namespace: who.identity.namespace.clone(),
        pod: who.identity.pod_name.clone(),
        name: who.identity.display_name().to_owned(),
        now,
        before,
        change_percent: pick(&now)
            .zip(before.as_ref().and_then(pick))
            .and_then(|(now, then)| ratio(now, then)),
    }
}
