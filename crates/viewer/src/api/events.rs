//! `/events`: what happened in a range.

use super::json;
use crate::params::Params;
use crate::problem::Problem;
use crate::state::AppState;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use fgm_model::{EventKind, SeriesId};
use fgm_store::reader::EventRow;
use serde::Serialize;
use serde_json::Value;

/// Events in an answer; of more, the newest.
const MOST_EVENTS: usize = 10_000;

#[derive(Serialize)]
struct EventList {
    events: Vec<Item>,
    /// All that were asked for, also those left out.
    matched: usize,
}

/// An event as it is told.
#[derive(Serialize)]
pub(crate) struct Item {
    event_id: String,
    revision: i64,
    kind: String,
    time_ms: i64,
    recorded_at_ms: i64,
    id: Option<SeriesId>,
    name: Option<String>,
    namespace: Option<String>,
    pod: Option<String>,
    container_id: Option<String>,
    node: String,
    detail: Value,
}

/// `GET /api/v1/events`
pub(crate) async fn events(
    State(state): State<AppState>,
    params: Params,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let (start_ms, end_ms) = params.range()?;
    let selection = params.selection()?;
    let kinds = kinds(params.get("kinds"))?;
    json(&state, "events", &params, &headers, move |reader, _| {
        let mut rows = reader.events(start_ms, end_ms)?;
        rows.retain(|event| {
            let kind = kinds.is_empty() || kinds.contains(&event.kind.as_str());
            kind && selection.selects(&event.node, event.instance.as_deref())
        });
        let matched = rows.len();
        let left_out = matched.saturating_sub(MOST_EVENTS);
        let events = rows.iter().skip(left_out).map(Item::of).collect();
        Ok(EventList { events, matched })
    })
    .await
}

fn kinds(text: Option<&str>) -> Result<Vec<&'static str>, Problem> {
    let names = text.into_iter().flat_map(|text| text.split(','));
    names
        .map(|name| {
            let mut known = EventKind::ALL.iter().map(|kind| kind.as_str());
            known.find(|known| *known == name).ok_or_else(|| {
                let known: Vec<_> = EventKind::ALL.iter().map(|kind| kind.as_str()).collect();
                Problem::bad_request(
                    format!("kinds knows {}", known.join(", ")),
                    "name kinds separated by commas",
                )
            })
        })
        .collect()
}

impl Item {
    pub(crate) fn of(event: &EventRow) -> Self {
        let who = event.instance.as_deref();
        Self {
            event_id: event.event_id.clone(),
            revision: event.revision,
            kind: event.kind.clone(),
            time_ms: event.time_ms,
            recorded_at_ms: event.recorded_at_ms,
            id: event.series.clone(),
            name: who.map(|who| who.display_name().to_owned()),
            namespace: who.and_then(|who| who.namespace.clone()),
            pod: who.and_then(|who| who.pod_name.clone()),
            container_id: who.map(|who| who.container_id.clone()),
            node: event.node.to_string(),
            detail: event.detail.clone(),
        }
    }
}
