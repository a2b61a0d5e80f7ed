//! `/api/v1/find` over all nodes: a pod's name is known, its node is not.

use crate::node::Nodes;
use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use fgm_service::problem::Problem;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::sync::Arc;

const MOST_FOUND: usize = 50;
/// Characters.
const LONGEST_TEXT: usize = 1000;

#[derive(Deserialize)]
pub(crate) struct Asked {
    #[serde(default)]
    q: String,
}

#[derive(Serialize)]
struct Found {
    /// As a viewer tells them, each with the name of its node here as `at`.
    containers: Vec<Map<String, Value>>,
    matched: u64,
    /// Nodes that could not say.
    failed: Vec<Failed>,
}

#[derive(Serialize)]
struct Failed {
    node: String,
    reason: String,
}

/// `GET /api/v1/find`
pub(crate) async fn find(
    State(nodes): State<Arc<Nodes>>,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Result<Response, Problem> {
    let Query(asked) = asked.map_err(|rejection| {
        Problem::bad_request(
            rejection.body_text(),
            "ask for find?q=TEXT, percent-encoded",
        )
    })?;
    if asked.q.chars().count() > LONGEST_TEXT {
        return Err(Problem::bad_request("q is too long", "search for less"));
    }
    let path = format!("/api/v1/find?q={}", encode(&asked.q));
    let now = nodes.now();
    let answers = nodes.ask_all(&now, |_| Some(path.clone())).await;
    let mut found = Found {
        containers: Vec::new(),
        matched: 0,
        failed: Vec::new(),
    };
    let mut lists = Vec::new();
    for (node, answer) in now.iter().zip(answers) {
        match answer {
            Some(Ok(answer)) => {
                found.matched += answer.get("matched").and_then(Value::as_u64).unwrap_or(0);
                lists.push(hits(&node.name, answer).into_iter());
            }
            Some(Err(reason)) => found.failed.push(Failed {
                node: node.name.clone(),
                reason,
            }),
            None => {}
        }
    }
    // Each node's best, then each node's second: how well they fit is not comparable.
    while found.containers.len() < MOST_FOUND {
        let next: Vec<_> = lists.iter_mut().filter_map(Iterator::next).collect();
        if next.is_empty() {
            break;
        }
        found.containers.extend(next);
    }
    found.containers.truncate(MOST_FOUND);
    let fresh = [(header::CACHE_CONTROL, "no-cache")];
    Ok((fresh, Json(found)).into_response())
}

fn hits(at: &str, mut answer: Value) -> Vec<Map<String, Value>> {
    let Some(Value::Array(list)) = answer.get_mut("containers").map(Value::take) else {
        return Vec::new();
    };
    list.into_iter()
        .filter_map(|hit| match hit {
            Value::Object(mut hit) => {
                hit.insert("at".to_owned(), at.into());
                Some(hit)
            }
            _ => None,
        })
        .collect()
}

/// Everything but letters and digits, as a query needs it.
fn encode(text: &str) -> String {
    use std::fmt::Write;
    text.bytes().fold(String::new(), |mut out, byte| {
        if byte.is_ascii_alphanumeric() {
            out.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(out, "%{byte:02X}");
        }
        out
    })
}
