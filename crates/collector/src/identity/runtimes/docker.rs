//! Docker: `/var/lib/docker/containers/<id>/config.v2.json`, which root may read, else the
//! socket, which the group docker may ask.

use super::{Host, kubernetes_name, text};
use crate::identity::Named;
use serde_json::Value;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

/// Patience with a daemon that may be busy: the thread has other work too.
const PATIENCE: Duration = Duration::from_millis(500);

const MOST_BYTES: u64 = 1 << 20;

pub(super) fn name(host: &Host, id: &str) -> Option<Named> {
    let file = host.path(&format!("var/lib/docker/containers/{id}/config.v2.json"));
    let of_file = host.json(&file).and_then(|config| named(&config));
    of_file.or_else(|| named(&inspect(host, id)?))
}

/// The file and the socket's answer have the same keys.
fn named(config: &Value) -> Option<Named> {
    let name = text(config, "Name")?;
    let name = name.trim_start_matches('/');
    let named = match kubernetes_name(name) {
        Some(named) => named,
        None if name.starts_with("k8s_") => return None,
        None => Named {
            container_name: Some(name.to_owned()),
            restart_count: config.get("RestartCount").and_then(Value::as_i64),
            ..Named::default()
        },
    };
    Some(Named {
        image: config.get("Config").and_then(|of| text(of, "Image")),
        ..named
    })
}

/// `GET /containers/<id>/json`. HTTP/1.0, so that the answer is one piece.
fn inspect(host: &Host, id: &str) -> Option<Value> {
    // Of this length only: a socket is asked for nothing else than a container's ID.
    if id.len() != 64 {
        return None;
    }
    let mut socket = UnixStream::connect(host.path("var/run/docker.sock")).ok()?;
    socket.set_read_timeout(Some(PATIENCE)).ok()?;
    socket.set_write_timeout(Some(PATIENCE)).ok()?;
    write!(
        socket,
        "GET /containers/{id}/json HTTP/1.0\r\nHost: docker\r\n\r\n"
    )
    .ok()?;
    let mut answer = Vec::new();
    socket.take(MOST_BYTES).read_to_end(&mut answer).ok()?;
    let body = answer.windows(4).position(|end| end == b"\r\n\r\n")? + 4;
    let found = answer.split(|byte| *byte == b' ').nth(1) == Some(b"200");
    found.then(|| serde_json::from_slice(answer.get(body..)?).ok())?
}
