//! `/api/v1/nodes`: who is there, and how fresh its data are.

use crate::node::{Node, Nodes, Reach};
use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use serde::Serialize;
use serde_json::Value;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

#[derive(Debug, Serialize)]
pub(crate) struct Answer {
    pub(crate) nodes: Vec<Item>,
}

/// A node, with what its viewer says of itself.
#[derive(Debug, Serialize)]
pub(crate) struct Item {
    /// By which it is reached: `/node/<name>/`.
    pub(crate) name: String,
    /// The gateway runs on it.
    pub(crate) own: bool,
    pub(crate) up: bool,
    /// Why it is not up.
    pub(crate) reason: Option<String>,
    /// As it was recorded.
    pub(crate) node: Option<String>,
    pub(crate) version: Option<String>,
    pub(crate) first_ms: Option<i64>,
    pub(crate) last_ms: Option<i64>,
    /// Of its newest row, by the clock of this gateway.
    pub(crate) age_ms: Option<i64>,
    pub(crate) notice: Option<String>,
}

/// `GET /api/v1/nodes`
pub(crate) async fn list(State(nodes): State<Arc<Nodes>>) -> impl IntoResponse {
    let fresh = [(header::CACHE_CONTROL, "no-cache")];
    (fresh, Json(of(&nodes, &nodes.now()).await))
}

pub(crate) async fn of(nodes: &Nodes, now: &[Node]) -> Answer {
    let answers = nodes
        .ask_all(now, |_| Some("/api/v1/meta".to_owned()))
        .await;
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let now_ms = since.map_or(0, |now| i64::try_from(now.as_millis()).unwrap_or(i64::MAX));
    let items = now.iter().zip(answers).map(|(node, answer)| {
        let answer = answer.unwrap_or_else(|| Err(String::new()));
        let meta = answer.as_ref().ok();
        let text = |key: &str| {
            let value = meta?.get(key)?.as_str()?;
            Some(value.to_owned()).filter(|text| !text.is_empty())
        };
        let number = |key: &str| meta?.get(key).and_then(Value::as_i64);
        let last_ms = number("last_ms");
        Item {
            name: node.name.clone(),
            own: matches!(node.reach, Reach::Own(_)),
            up: meta.is_some(),
            node: text("node"),
            version: text("version"),
            first_ms: number("first_ms"),
            last_ms,
            age_ms: last_ms.map(|last| now_ms.saturating_sub(last).max(0)),
            notice: text("notice"),
            reason: answer.err(),
        }
    });
    Answer {
        nodes: items.collect(),
    }
}
