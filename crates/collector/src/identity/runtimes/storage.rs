//! Podman and CRI-O: the list of containers that their storage library keeps.
//!
//! `overlay-containers/containers.json` (and `volatile-containers.json` of `podman run --rm`)
//! below the storage of root, or of the user in whose slice the container is.

use super::{Host, kubernetes_name, text};
use crate::identity::Named;
use serde_json::Value;
use std::fs;
use std::path::PathBuf;

pub(super) fn name(host: &Host, id: &str, cgroup_path: &str) -> Option<Named> {
    let mut stores = vec![host.path("var/lib/containers/storage")];
    stores.extend(user_of(cgroup_path).and_then(|uid| store_of_user(host, uid)));
    stores.iter().find_map(|store| {
        ["containers.json", "volatile-containers.json"]
            .iter()
            .find_map(|list| {
                let list = host.json(&store.join("overlay-containers").join(list))?;
                let container = list
                    .as_array()?
                    .iter()
                    .find(|container| container.get("id").and_then(Value::as_str) == Some(id))?;
                named(container)
            })
    })
}

fn named(container: &Value) -> Option<Named> {
    // JSON in a text of JSON.
    let metadata: Option<Value> =
        text(container, "metadata").and_then(|metadata| serde_json::from_str(&metadata).ok());
    let name = container.get("names").and_then(|names| names.get(0));
    let name = name
        .and_then(Value::as_str)
        .map(str::to_owned)
        .or_else(|| text(metadata.as_ref()?, "name"))?;
    let named = match kubernetes_name(&name) {
        Some(named) => named,
        None if name.starts_with("k8s_") => return None,
        None => Named {
            container_name: Some(name),
            ..Named::default()
        },
    };
    Some(Named {
        image: metadata.and_then(|metadata| text(&metadata, "image-name")),
        ..named
    })
}

/// `user-<uid>.slice` in the path.
fn user_of(cgroup_path: &str) -> Option<u32> {
    cgroup_path.split('/').find_map(|name| {
        let uid = name.strip_prefix("user-")?.strip_suffix(".slice")?;
        uid.parse().ok()
    })
}

/// Where Podman keeps the containers of that user, by the home in `/etc/passwd`.
fn store_of_user(host: &Host, uid: u32) -> Option<PathBuf> {
    let passwd = fs::read_to_string(host.path("etc/passwd")).ok()?;
    let home = passwd.lines().find_map(|line| {
        let mut fields = line.split(':').skip(2);
        (fields.next()?.parse() == Ok(uid)).then(|| fields.nth(2))?
    })?;
    Some(host.path(home).join(".local/share/containers/storage"))
}
