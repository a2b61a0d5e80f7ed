//! `/rank`: containers by one metric, each beside what it was before.

use super::scan::{self, Scope, Span};
use super::{MOST_TOP, json};
use crate::params::Params;
use crate::problem::Problem;
use crate::reduce::quantiles_of;
use crate::state::AppState;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use fgm_store::reader::{Container, RankBy, RankQuery, Ranked, Summary};
use serde::Serialize;

const ROWS: usize = 50;

#[derive(Serialize)]
struct Ranking {
    metric: &'static str,
    unit: &'static str,
    start_ms: i64,
    end_ms: i64,
    /// What it is compared with.
    base: Option<Span>,
    by: &'static str,
    /// `samples`, or over roll-ups `max_60s` or `max_600s`: the highest of each bucket.
    quantiles_of: &'static str,
    /// Containers that have the metric; the rows are the first of them.
    matched: usize,
    rows: Vec<Row>,
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

const BY: [(&str, RankBy); 7] = [
    ("p99", RankBy::P99),
    ("p95", RankBy::P95),
    ("p50", RankBy::P50),
    ("avg", RankBy::Mean),
    ("max", RankBy::Max),
    ("min", RankBy::Min),
    ("last", RankBy::Last),
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
    let by = BY.map(|(word, by)| (word, (word, by)));
    let (word, by) = params.one_of("by", &by)?.unwrap_or(BY[0]);
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
            // Whoever was there in either range, with all its lives.
            let (first, last) = base.unwrap_or(range);
            let both = (range.0.min(first), range.1.max(last));
            let containers = scope.who.containers(reader, both)?;
            let query = RankQuery {
                table: scope.who.table,
                signal: scope.signal,
                start_ms: range.0,
                end_ms: range.1,
                base_ms: base,
                by,
            };
            let ranking = reader.rank(&query, &containers, keep_going)?;
            let ranked = ranking.rows.iter().take(n);
            let rows = ranked.filter_map(|one| Some(row(containers.get(one.series)?, one, by)));
            let info = scope.signal.info();
            Ok(Ranking {
                metric: info.id,
                unit: info.unit.as_str(),
                start_ms: range.0,
                end_ms: range.1,
                base: base.map(|(start_ms, end_ms)| Span { start_ms, end_ms }),
                by: word,
                quantiles_of: quantiles_of(ranking.resolution),
                matched: ranking.rows.len(),
                rows: rows.collect(),
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
    Range((i64, i64)),
}

impl Against {
    fn of(self, (start_ms, end_ms): (i64, i64), interval_ms: i64) -> (i64, i64) {
        match self {
            Self::Range(range) => range,
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
    match text {
        None => Ok(None),
        Some("prev") => Ok(Some(Against::Previous)),
        Some(text) => {
            let range = scan::range(text).ok_or_else(bad)?;
            Ok(Some(Against::Range(range)))
        }
    }
}

impl Numbers {
    fn of(summary: &Summary) -> Self {
        let known = |value: f64| (!value.is_nan()).then_some(value);
        Self {
            last: known(summary.last),
            min: known(summary.min),
            avg: known(summary.mean),
            p50: known(summary.p50),
            p95: known(summary.p95),
            p99: known(summary.p99),
            max: known(summary.max),
        }
    }
}

fn row(who: &Container, ranked: &Ranked, by: RankBy) -> Row {
    Row {
        id: who.id.to_string(),
        namespace: who.identity.namespace.clone(),
        pod: who.identity.pod_name.clone(),
        name: who.identity.display_name().to_owned(),
        now: Numbers::of(&ranked.now),
        before: ranked.before.as_ref().map(Numbers::of),
        change_percent: ranked.change_percent(by),
    }
}
