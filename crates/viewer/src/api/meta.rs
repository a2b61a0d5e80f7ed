//! `/meta` and `/metrics`: what there is to ask for.

use super::{MOST_CELLS, MOST_PX, MOST_TOP, json};
use crate::params::Params;
use crate::problem::Problem;
use crate::state::AppState;
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use fgm_model::Signal;
use fgm_model::schema::FORMAT_VERSION;
use fgm_model::signal::SignalInfo;
use serde::Serialize;

/// Set by a gateway.
const BASE: HeaderName = HeaderName::from_static("x-fgm-base");

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
    /// Below which path of a gateway this is seen; the gateway then lies two folders up.
    base: Option<String>,
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
    let base = base(&headers);
    let params = params.with(BASE.as_str(), base.as_deref().unwrap_or_default());
    json(&state, "meta", &params, &headers, move |reader, _| {
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
            base,
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

/// What a gateway says of itself. Anybody may say so: it is a path and no more.
fn base(headers: &HeaderMap) -> Option<String> {
    let base = headers.get(BASE)?.to_str().ok()?;
    let plain = |c: u8| c.is_ascii_alphanumeric() || b"/-._".contains(&c);
    let is_folder = base.starts_with('/') && base.ends_with('/') && !base.starts_with("//");
    (is_folder && base.len() <= 300 && base.bytes().all(plain)).then(|| base.to_owned())
}

#[derive(Serialize)]
struct Catalogue {
    metrics: Vec<Item>,
    groups: &'static [Group],
}

/// Metrics that add up to a whole: a panel of its own, stacked, for one container.
#[derive(Debug, Serialize)]
pub(super) struct Group {
    id: &'static str,
    title: &'static str,
    unit: &'static str,
    help: &'static str,
    /// From the bottom of the stack to its top.
    parts: &'static [&'static str],
    /// What the whole is drawn against.
    limit: Option<&'static str>,
}

const GROUPS: [Group; 2] = [
    Group {
        id: "memory_breakdown",
        title: "Memory by kind",
        unit: "bytes",
        help: "What fills the memory of one container.",
        // Shared memory is counted in the page cache too, sockets are not.
        parts: &["memory_anon", "memory_file", "memory_kernel", "memory_sock"],
        limit: Some("memory_max"),
    },
    Group {
        id: "cpu_breakdown",
        title: "CPU by mode",
        unit: "usec_per_s",
        help: "CPU time of one container in user mode and in the kernel.",
        parts: &["cpu_user_usec", "cpu_system_usec"],
        limit: None,
    },
];

/// The group of that id.
pub(super) fn group(id: &str) -> Option<&'static Group> {
    GROUPS.iter().find(|group| group.id == id)
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
    (
        headers,
        Json(Catalogue {
            metrics,
            groups: &GROUPS,
        }),
    )
}
