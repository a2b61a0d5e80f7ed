//! `fgm-lab cluster`: the lab's own Kubernetes cluster by kind, with FGM on every node.
//!
//! It runs the tools that a person would (kind, kubectl, kustomize, docker or podman), with a
//! kubeconfig of its own, so that no other cluster can be meant. Every command may be given again.

mod down;
pub(crate) mod images;
mod status;
mod tools;
mod up;
mod verify;

use clap::Subcommand;
use std::path::PathBuf;
use tools::{Kind, Kubectl};

/// The cluster's name, as in `kind/cluster.yaml`.
const CLUSTER: &str = "fgm";

/// Where everything of ours is, as in `kind/base/namespace.yaml`.
pub(crate) const NAMESPACE: &str = "fine-grained-monitor";

/// The recorders.
const DAEMON_SET: &str = "daemonset/fgm";

/// Its pods, each of which has a viewer.
pub(crate) const VIEWER_LABELS: &str = "app.kubernetes.io/name=fgm";

/// The bearer token of the viewers.
pub(crate) const TOKEN_SECRET: &str = "fgm-token";

#[derive(Debug, Subcommand)]
pub(crate) enum Cluster {
    /// Make the cluster where it is missing, load the images, apply the manifests
    Up(up::Up),
    /// Delete the cluster
    Down,
    /// Say what runs in it
    Status,
    /// Check what only a real cluster can tell: every node records, policies are enforced
    Verify,
}

impl Cluster {
    pub(crate) fn run(self) -> anyhow::Result<()> {
        match self {
            Self::Up(up) => up.run(),
            Self::Down => down::run(),
            Self::Status => status::run(),
            Self::Verify => verify::run(),
        }
    }
}

/// The cluster's own kubeconfig: the person's is neither read nor written.
fn kubeconfig() -> anyhow::Result<PathBuf> {
    Ok(fgm_service::flags::state_dir()?.join("kubeconfig"))
}

/// The existing cluster.
///
/// # Errors
/// When there is none, or it does not answer.
fn connect() -> anyhow::Result<Kubectl> {
    let kind = Kind::find()?;
    let kubeconfig = kubeconfig()?;
    let kubectl = Kubectl::find(kubeconfig.clone())?;
    kind.must_have_cluster()?;
    kind.export(&kubeconfig)?;
    kubectl.must_answer()?;
    Ok(kubectl)
}

/// A line for the person at the terminal; it does not matter if nobody listens.
fn say(line: &str) {
    use std::io::Write;
    let _ = writeln!(std::io::stdout(), "fgm-lab: {line}");
}
