//! Where a cluster's viewers run, as its API server tells.

use futures_util::StreamExt;
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{Config, Event, watcher};
use std::collections::BTreeMap;

/// A node's viewer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ViewerPod {
    /// The node's name.
    pub node: String,
    /// The pod's name.
    pub name: String,
    /// Why it does not answer yet, or any more.
    pub trouble: Option<String>,
}

/// Tells of the viewers among the pods with these labels, and again when they change; for ever.
/// While the API server is away the last ones are as good as known.
pub async fn follow(pods: Api<Pod>, labels: &str, mut tell: impl FnMut(Vec<ViewerPod>)) {
    let selected = Config::default().labels(labels);
    let mut events = watcher(pods, selected).default_backoff().boxed();
    let mut known = BTreeMap::new();
    let mut listed = BTreeMap::new();
    let mut is_away = false;
    while let Some(event) = events.next().await {
        match event {
            Ok(Event::Init) => listed = BTreeMap::new(),
            Ok(Event::InitApply(pod)) => {
                listed.insert(pod.metadata.name.clone(), pod);
                continue;
            }
            Ok(Event::InitDone) => known = std::mem::take(&mut listed),
            Ok(Event::Apply(pod)) => {
                known.insert(pod.metadata.name.clone(), pod);
            }
            Ok(Event::Delete(pod)) => {
                known.remove(&pod.metadata.name);
            }
            Err(error) => {
                if !std::mem::replace(&mut is_away, true) {
                    let why = fgm_service::explain(&error.into());
                    tracing::warn!("the nodes are those known before: {why}");
                }
                continue;
            }
        }
        is_away = false;
        tell(by_node(known.values()));
    }
}

/// The viewers among these pods, one for each node: while a new version takes the place of the old
/// there may be two.
pub fn by_node<'a>(pods: impl Iterator<Item = &'a Pod>) -> Vec<ViewerPod> {
    let mut best: BTreeMap<String, (_, ViewerPod)> = BTreeMap::new();
    for pod in pods {
        // One without a node is not placed yet.
        let Some(node) = pod.spec.as_ref().and_then(|spec| spec.node_name.clone()) else {
            continue;
        };
        let trouble = trouble(pod);
        let rank = (
            pod.metadata.deletion_timestamp.is_none(),
            trouble.is_none(),
            pod.metadata.creation_timestamp.as_ref().map(|time| time.0),
        );
        let viewer = ViewerPod {
            node: node.clone(),
            name: pod.metadata.name.clone().unwrap_or_default(),
            trouble,
        };
        match best.get(&node) {
            Some((other, _)) if *other >= rank => {}
            _ => {
                best.insert(node, (rank, viewer));
            }
        }
    }
    best.into_values().map(|(_, viewer)| viewer).collect()
}

fn trouble(pod: &Pod) -> Option<String> {
    let status = pod.status.as_ref();
    let phase = status.and_then(|status| status.phase.as_deref());
    if phase == Some("Running") {
        return None;
    }
    let containers = status.and_then(|status| status.container_statuses.as_ref());
    let waiting = containers.into_iter().flatten().find_map(|container| {
        let state = container.state.as_ref()?.waiting.as_ref()?;
        state.reason.as_deref()
    });
    let name = pod.metadata.name.as_deref().unwrap_or_default();
    let phase = phase.unwrap_or("Unknown");
    Some(match waiting {
        Some(reason) => format!("pod {name} is {phase} ({reason})"),
        None => format!("pod {name} is {phase}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn pod(name: &str, node: Option<&str>, phase: &str, created: &str, deleted: bool) -> Pod {
        serde_json::from_value(json!({
            "metadata": {
                "name": name,
                "creationTimestamp": created,
                "deletionTimestamp": deleted.then_some("2026-01-02T00:00:00Z"),
            },
            "spec": {"nodeName": node, "containers": []},
            "status": {"phase": phase, "containerStatuses": [{
                "name": "fgm", "image": "", "imageID": "", "ready": false, "restartCount": 0,
                "state": {"waiting": {"reason": "ImagePullBackOff"}},
            }]},
        }))
        .unwrap()
    }

    #[test]
    fn each_node_has_the_viewer_that_answers() {
        let (early, late) = ("2026-01-01T00:00:00Z", "2026-01-01T00:01:00Z");
        let pods = [
            pod("old", Some("a"), "Running", early, true),
            pod("new", Some("a"), "Pending", late, false),
            pod("first", Some("b"), "Running", early, false),
            pod("second", Some("b"), "Running", late, false),
            pod("nowhere", None, "Pending", early, false),
        ];
        let viewers = by_node(pods.iter());
        let seen: Vec<_> = viewers
            .iter()
            .map(|viewer| {
                let trouble = viewer.trouble.as_deref();
                (viewer.node.as_str(), viewer.name.as_str(), trouble)
            })
            .collect();
        assert_eq!(
            seen,
            [
                ("a", "new", Some("pod new is Pending (ImagePullBackOff)")),
                ("b", "second", None),
            ]
        );
    }
}
