//! Names without Kubernetes: what container runtimes leave on the host for those who may read.
//!
//! Only ever read, never required: a file or socket that is not there or may not be read just
//! leaves the container without a name. An ID is unique among runtimes, so each is asked in
//! turn; what does not know it costs one failed open.

mod containerd;
mod docker;
mod storage;
#[cfg(test)]
mod tests;

use crate::clock;
use crate::identity::awaited::Question;
use crate::identity::{Named, Pods};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// State files are a few kilobytes; the list of all of Podman's containers may be longer.
const MOST_BYTES: u64 = 16 << 20;

/// The host whose files are read.
#[derive(Debug, Clone)]
pub(crate) struct Host {
    root: PathBuf,
}

impl Default for Host {
    fn default() -> Self {
        Self {
            root: PathBuf::from("/"),
        }
    }
}

/// Answers what is asked, for ever.
pub(crate) async fn answer(pods: &Pods, host: &Host) {
    loop {
        let (questions, next_us) = pods.questions();
        for question in &questions {
            if let Some(named) = host.name(question) {
                pods.answer(question, named);
            }
        }
        let pause = next_us.map(|next_us| {
            Duration::from_micros((next_us - clock::now().boot_us).max(0).unsigned_abs())
        });
        tokio::select! {
            () = pods.asked() => {}
            () = sleep(pause) => {}
        }
    }
}

async fn sleep(pause: Option<Duration>) {
    match pause {
        Some(pause) => tokio::time::sleep(pause).await,
        None => std::future::pending().await,
    }
}

impl Host {
    #[cfg(test)]
    pub(crate) fn at(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
        }
    }

    /// What the runtime that made the container calls it.
    pub(crate) fn name(&self, question: &Question) -> Option<Named> {
        let id = question.container_id.as_str();
        // It becomes part of paths.
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        if id.is_empty() || id.starts_with('.') || !id.bytes().all(plain) {
            return None;
        }
        docker::name(self, id)
            .or_else(|| storage::name(self, id, &question.cgroup_path))
            .or_else(|| containerd::name(self, id))
    }

    fn path(&self, below_root: &str) -> PathBuf {
        self.root.join(below_root.trim_start_matches('/'))
    }

    fn json(&self, path: &Path) -> Option<serde_json::Value> {
        let mut bytes = Vec::new();
        let file = std::fs::File::open(path).ok()?;
        file.take(MOST_BYTES).read_to_end(&mut bytes).ok()?;
        serde_json::from_slice(&bytes).ok()
    }
}

/// Kubernetes names in a runtime that knows only one: `k8s_<container>_<pod>_<namespace>_<uid>_
/// <attempt>`, as cri-dockerd and CRI-O make them. No part can hold an underscore.
fn kubernetes_name(name: &str) -> Option<Named> {
    let mut parts = name.strip_prefix("k8s_")?.split('_');
    let container_name = parts.next()?.to_owned();
    let pod_name = parts.next()?.to_owned();
    let namespace = parts.next()?.to_owned();
    let pod_uid = parts.next()?.to_owned();
    let restart_count = parts.next().and_then(|attempt| attempt.parse().ok());
    // The sandbox.
    (container_name != "POD").then(|| Named {
        container_name: Some(container_name),
        pod_name: Some(pod_name),
        namespace: Some(namespace),
        pod_uid: Some(pod_uid),
        restart_count,
        ..Named::default()
    })
}

fn text(of: &serde_json::Value, key: &str) -> Option<String> {
    let text = of.get(key)?.as_str()?;
    (!text.is_empty()).then(|| text.to_owned())
}
