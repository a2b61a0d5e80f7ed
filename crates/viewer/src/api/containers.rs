//! `/containers`: who was there in a range.

use super::json;
use super::scan::retain_by_events;
use crate::params::Params;
use crate::problem::Problem;
use crate::state::AppState;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use fgm_model::{EventKind, QosClass};
use fgm_store::reader::{Container, EventRow};
use serde::Serialize;
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};

#[derive(Serialize)]
struct ContainerList {
    containers: Vec<Item>,
    /// Selected.
    matched: usize,
    /// Before the selection.
    total: usize,
    /// Containers of each namespace and class, before the selection.
    namespaces: BTreeMap<String, usize>,
    qos: BTreeMap<&'static str, usize>,
}

#[derive(Serialize)]
struct Item {
    id: String,
    namespace: Option<String>,
    pod: Option<String>,
    container: Option<String>,
    name: String,
    node: String,
    qos: Option<&'static str>,
    image: Option<String>,
    labels: Option<Value>,
    cgroup_path: Option<String>,
    first_ms: i64,
    last_ms: i64,
    restarts: i64,
    oom_kills: usize,
    instances: Vec<Life>,
}

#[derive(Serialize)]
struct Life {
    container_id: String,
    life: String,
    first_ms: i64,
    last_ms: i64,
}

/// `GET /api/v1/containers`
pub(crate) async fn containers(
    State(state): State<AppState>,
    params: Params,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let (start_ms, end_ms) = params.range()?;
    let (table, selection) = (params.table()?, params.selection()?);
    json(&state, "containers", &params, &headers, move |reader, _| {
        let all = reader.containers_of(table, start_ms, end_ms)?;
        let kills = oom_kills(&reader.events(start_ms, end_ms)?);
        let mut list = ContainerList {
            containers: Vec::new(),
            matched: 0,
            total: all.len(),
            namespaces: BTreeMap::new(),
            qos: BTreeMap::new(),
        };
        let mut chosen = all.clone();
        chosen.retain(|one| selection.matches(&one.node, &one.identity));
        retain_by_events(reader, &selection, start_ms, end_ms, &mut chosen)?;
        for container in &all {
            let who = &container.identity;
            if let Some(namespace) = &who.namespace {
                *list.namespaces.entry(namespace.clone()).or_default() += 1;
            }
            if let Some(class) = who.qos_class {
                *list.qos.entry(class.as_str()).or_default() += 1;
            }
        }
        list.containers
            .extend(chosen.iter().map(|container| item(container, &kills)));
        list.matched = list.containers.len();
        Ok(list)
    })
    .await
}

/// Kills per instance.
fn oom_kills(events: &[EventRow]) -> HashMap<(String, String), usize> {
    let mut kills = HashMap::new();
    let of_kind = events
        .iter()
        .filter(|e| e.kind == EventKind::OomKill.as_str());
    for who in of_kind.filter_map(|event| event.instance.as_ref()) {
        *kills
            .entry((who.container_id.clone(), who.life.clone()))
            .or_default() += 1;
    }
    kills
}

fn item(container: &Container, kills: &HashMap<(String, String), usize>) -> Item {
    let who = &container.identity;
    let lives = i64::try_from(container.instances.len()).unwrap_or(i64::MAX);
    Item {
        id: container.id.to_string(),
        namespace: who.namespace.clone(),
        pod: who.pod_name.clone(),
        container: who.container_name.clone(),
        name: who.display_name().to_owned(),
        node: container.node.to_string(),
        qos: who.qos_class.map(QosClass::as_str),
        image: who.image.clone(),
        labels: who
            .pod_labels
            .as_deref()
            .and_then(|json| serde_json::from_str(json).ok()),
        cgroup_path: Some(who.cgroup_path.clone()).filter(|path| !path.is_empty()),
        first_ms: container.first_ms,
        last_ms: container.last_ms,
        // Kubernetes' count may lag behind what was seen, or be missing.
        restarts: who.restart_count.unwrap_or(0).max(lives - 1),
        oom_kills: container
            .instances
            .iter()
            .filter_map(|life| {
                let who = &life.instance;
                kills.get(&(who.container_id.clone(), who.life.clone()))
            })
            .sum(),
        instances: container
            .instances
            .iter()
            .map(|life| Life {
                container_id: life.instance.container_id.clone(),
                life: life.instance.life.clone(),
                first_ms: life.first_ms,
                last_ms: life.last_ms,
            })
            .collect(),
    }
}
