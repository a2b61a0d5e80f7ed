//! `/meta` and `/metrics`: what there is to ask for.

use super::{MOST_CELLS, MOST_PX, MOST_TOP, json};
use crate::params::Params;
use crate::problem::Problem;
use crate::state::AppState;
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use fgm_model::Signal;
use fgm_model::schema::FORMAT_VERSION;
use fgm_model::signal::SignalInfo;
use serde::Serialize;

#[derive(Serialize)]
struct Meta {
    node: String,
    recorder: Option<String>,
    version: &'static str,
    schema: u32,
    first_ms: Option<i64>,
    last_ms: Option<i64>,
    interval_ms: i64,
    sealed_until_ms: Option<i64>,
    live_until_ms: Option<i64>,
    generation: String,
    notice: Option<String>,
    files: u64,
    bytes: u64,
    skipped: Vec<Skipped>,
    limits: Limits,
}

#[derive(Serialize)]
struct Skipped {
    file: String,
    reason: String,
}

#[derive(Serialize)]
struct Limits {
    px: i64,
    top: usize,
    cells: usize,
}

/// `GET /api/v1/meta`
pub(crate) async fn meta(
    State(state): State<AppState>,
    params: Params,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    json(&state, "meta", &params, &headers, move |reader| {
        let status = reader.status()?;
        // The name alone: a path of the machine is nobody's business.
        let name = |path: &std::path::Path| {
            let name = path.file_name().unwrap_or_default();
            name.to_string_lossy().into_owned()
        };
        Ok(Meta {
            node: status.node.unwrap_or_default(),
            recorder: status.recorder,
            version: env!("CARGO_PKG_VERSION"),
            schema: FORMAT_VERSION,
            first_ms: status.first_ms,
            last_ms: status.last_ms,
            interval_ms: status.interval_ms.unwrap_or(1000),
            sealed_until_ms: status.sealed_until_ms,
            live_until_ms: status.live_until_ms,
            generation: status.generation,
            notice: status.notice,
            files: status.files,
            bytes: status.bytes,
            skipped: status
                .skipped
                .into_iter()
                .map(|skipped| Skipped {
                    file: name(&skipped.path),
                    reason: skipped.reason,
                })
                .collect(),
            limits: Limits {
                px: MOST_PX,
                top: MOST_TOP,
                cells: MOST_CELLS,
            },
        })
    })
    .await
}

#[derive(Serialize)]
struct Catalogue {
    metrics: Vec<Item>,
}

/// Kind, unit and category by the names that frames use too.
#[derive(Serialize)]
struct Item {
    id: &'static str,
    title: &'static str,
    category: &'static str,
    kind: &'static str,
    unit: &'static str,
    help: &'static str,
    limit: Option<&'static str>,
    derived: bool,
}

impl From<SignalInfo> for Item {
    fn from(info: SignalInfo) -> Self {
        Self {
            id: info.id,
            title: info.title,
            category: info.category.as_str(),
            kind: info.kind.as_str(),
            unit: info.unit.as_str(),
            help: info.help,
            limit: info.limit,
            derived: info.derived,
        }
    }
}

/// `GET /api/v1/metrics`
pub(crate) async fn metrics() -> impl IntoResponse {
    let metrics = Signal::all().map(|signal| signal.info().into()).collect();
    let headers = [(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"))];
    (headers, Json(Catalogue { metrics }))
}
