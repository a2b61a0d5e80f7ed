//! `/find`: a container by anything a person remembers of it, over everything stored.

use super::json;
use crate::params::Params;
use crate::problem::Problem;
use crate::sel::fit;
use crate::state::AppState;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use fgm_model::{QosClass, Table};
use serde::Serialize;

const MOST_FOUND: usize = 50;

#[derive(Serialize)]
struct Found {
    containers: Vec<Item>,
    /// All that fit; those above are the best.
    matched: usize,
}

#[derive(Serialize)]
struct Item {
    id: String,
    node: String,
    namespace: Option<String>,
    pod: Option<String>,
    name: String,
    qos: Option<&'static str>,
    image: Option<String>,
    first_ms: i64,
    last_ms: i64,
}

/// `GET /api/v1/find`
pub(crate) async fn find(
    State(state): State<AppState>,
    params: Params,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let text = params.get("q").unwrap_or_default().to_owned();
    json(&state, "find", &params, &headers, move |reader, _| {
        let status = reader.status()?;
        let (Some(first), Some(last)) = (status.first_ms, status.last_ms) else {
            return Ok(Found {
                containers: Vec::new(),
                matched: 0,
            });
        };
        let all = reader.containers_of(Table::Metrics, first, last)?;
        let mut fits: Vec<_> = all
            .into_iter()
            .filter_map(|one| {
                let score = fit(&text, &one.id.to_string(), &one.node, &one.identity)?;
                Some((score, one))
            })
            .collect();
        let matched = fits.len();
        // Of equals, who was there last is more likely meant.
        fits.sort_by(|(a, one), (b, other)| b.cmp(a).then(other.last_ms.cmp(&one.last_ms)));
        fits.truncate(MOST_FOUND);
        let containers = fits.into_iter().map(|(_, one)| Item {
            id: one.id.to_string(),
            node: one.node.to_string(),
            namespace: one.identity.namespace.clone(),
            pod: one.identity.pod_name.clone(),
            name: one.identity.display_name().to_owned(),
            qos: one.identity.qos_class.map(QosClass::as_str),
            image: one.identity.image.clone(),
            first_ms: one.first_ms,
            last_ms: one.last_ms,
        });
        Ok(Found {
            containers: containers.collect(),
            matched,
        })
    })
    .await
}
