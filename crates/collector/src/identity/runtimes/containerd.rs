//! containerd: the bundle of a running container,
//! `/run/containerd/io.containerd.runtime.v2.task/<namespace>/<id>/config.json`.

use super::{Host, text};
use crate::identity::Named;
use serde_json::Value;
use std::fs;

pub(super) fn name(host: &Host, id: &str) -> Option<Named> {
    let namespaces = host.path("run/containerd/io.containerd.runtime.v2.task");
    for namespace in fs::read_dir(namespaces).ok()?.flatten() {
        if let Some(config) = host.json(&namespace.path().join(id).join("config.json")) {
            return named(&config, id);
        }
    }
    None
}

/// The annotations that CRI and nerdctl leave there; `ctr` leaves none, and its ID is a name.
fn named(config: &Value, id: &str) -> Option<Named> {
    let annotation = |key: &str| text(config.get("annotations")?, key);
    if annotation("io.kubernetes.cri.container-type").as_deref() == Some("sandbox") {
        return None;
    }
    let given = annotation("nerdctl/name").or_else(|| (!is_hash(id)).then(|| id.to_owned()));
    let named = Named {
        container_name: annotation("io.kubernetes.cri.container-name").or(given),
        pod_name: annotation("io.kubernetes.cri.sandbox-name"),
        namespace: annotation("io.kubernetes.cri.sandbox-namespace"),
        pod_uid: annotation("io.kubernetes.cri.sandbox-uid"),
        image: annotation("io.kubernetes.cri.image-name"),
        ..Named::default()
    };
    named.container_name.is_some().then_some(named)
}

fn is_hash(id: &str) -> bool {
    id.len() == 64 && id.bytes().all(|byte| byte.is_ascii_hexdigit())
}
