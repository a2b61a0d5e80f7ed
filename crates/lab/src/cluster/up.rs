//! `fgm-lab cluster up`: from nothing, or from whatever is there, to recorders on every node.

use super::images::{Archive, archives};
use super::tools::{Kind, Kubectl, render};
use super::{CLUSTER, DAEMON_SET, TOKEN_SECRET, kubeconfig, say};
use anyhow::{Context, bail};
use clap::Args;
use serde_json::json;
use std::fmt::Write;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

/// What a cluster of three nodes in containers needs of this machine's inotify; kind's own
/// advice. Beyond it pods fail with "too many open files".
const INOTIFY: [(&str, u64); 2] = [
    ("fs.inotify.max_user_instances", 512),
    ("fs.inotify.max_user_watches", 524_288),
];

/// Flags of `fgm-lab cluster up`.
#[derive(Debug, Args)]
pub(crate) struct Up {
    /// The folder with the images' archives, as kind/images.sh makes them
    #[arg(long, value_name = "DIR", default_value = "target/images")]
    images: PathBuf,

    /// The folder with cluster.yaml, base and overlays
    #[arg(long, value_name = "DIR", default_value = "kind")]
    manifests: PathBuf,

    /// Which of the overlays to apply: kind, or minimal for one without consolidator
    #[arg(long, value_name = "NAME", default_value = "kind")]
    overlay: String,
}

impl Up {
    pub(crate) fn run(self) -> anyhow::Result<()> {
        // Whatever can be found wrong before anything is made.
        let overlay = self.manifests.join("overlays").join(&self.overlay);
        if !overlay.is_dir() {
            bail!(
                "there is no {}: name the folder kind of the sources by --manifests",
                overlay.display()
            );
        }
        let archives = archives(&self.images)?;
        let manifests = self.manifests_with(&archives)?;
        for line in missing_inotify() {
            say(&line);
        }
        let kind = Kind::find()?;
        let kubeconfig = kubeconfig()?;
        let kubectl = Kubectl::find(kubeconfig.clone())?;
        if let Some(folder) = kubeconfig.parent() {
            fs::create_dir_all(folder)
                .with_context(|| format!("cannot make {}", folder.display()))?;
        }

        if kind.has_cluster()? {
            say(&format!("the cluster {CLUSTER:?} is there"));
            kind.export(&kubeconfig)?;
        } else {
            let engine = kind.engine();
            say(&format!(
                "making the cluster {CLUSTER:?} in {engine}: a few minutes the first time"
            ));
            kind.create(&self.manifests.join("cluster.yaml"), &kubeconfig)?;
        }
        kubectl.must_answer()?;
        for archive in &archives {
            archive.load(&kind)?;
        }
        say("applying the manifests");
        let namespace = self.manifests.join("base/namespace.yaml");
        let namespace = fs::read_to_string(&namespace)
            .with_context(|| format!("cannot read {}", namespace.display()))?;
        kubectl.apply(&namespace)?;
        ensure_token(&kubectl)?;
        kubectl.apply(&manifests)?;
        say("waiting for a recorder on every node");
        kubectl
            .show(&["rollout", "status", DAEMON_SET, "--timeout=300s"])
            .with_context(|| {
                // What a person would look at first.
                let _ = kubectl.show(&["get", "pods", "-o", "wide"]);
                format!(
                    "not every node records; see `{} describe pods`",
                    kubectl.typed()
                )
            })?;
        say(
            "every node records. What runs: fgm-lab cluster status; how well: fgm-lab cluster verify",
        );
        say("all nodes in the browser: fgm-lab viewer, or nix run .#viewer");
        Ok(())
    }

    /// The overlay as rendered, with the tags of those images.
    fn manifests_with(&self, archives: &[Archive]) -> anyhow::Result<String> {
        // kustomize takes no file from outside its root, and writes nothing itself.
        let folder = tempfile::tempdir().context("cannot make a temporary directory")?;
        copy(&self.manifests, &folder.path().join("kind"))?;
        let mut text = format!("resources: [kind/overlays/{}]\nimages:\n", self.overlay);
        for Archive { name, tag, .. } in archives {
            let _ = writeln!(text, "  - {{name: {name:?}, newTag: {tag:?}}}");
        }
        fs::write(folder.path().join("kustomization.yaml"), text)
            .context("cannot write a temporary file")?;
        let manifests = render(folder.path())?;
        let images = manifests
            .lines()
            .filter_map(|line| line.trim_start_matches([' ', '-']).strip_prefix("image: "));
        for image in images {
            let there = |one: &Archive| format!("{}:{}", one.name, one.tag) == image;
            if !archives.iter().any(there) {
                bail!(
                    "{} has no archive of {image}: make it anew by kind/images.sh {0}",
                    self.images.display()
                );
            }
        }
        Ok(manifests)
    }
}

fn copy(from: &Path, to: &Path) -> anyhow::Result<()> {
    let work = || -> std::io::Result<Vec<PathBuf>> {
        fs::create_dir(to)?;
        let mut folders = Vec::new();
        for entry in fs::read_dir(from)? {
            let path = entry?.path();
            let Some(name) = path.file_name() else {
                continue;
            };
            if path.is_dir() {
                folders.push(path);
            } else {
                // Not by fs::copy: sources in a Nix store may be read only, copies may not.
                fs::write(to.join(name), fs::read(&path)?)?;
            }
        }
        Ok(folders)
    };
    let folders = work().with_context(|| format!("cannot copy {}", from.display()))?;
    for folder in folders {
        if let Some(name) = folder.file_name() {
            copy(&folder, &to.join(name))?;
        }
    }
    Ok(())
}

/// The viewers' token: made once, and kept whenever there is one.
fn ensure_token(kubectl: &Kubectl) -> anyhow::Result<()> {
    let found = kubectl.ask(&[
        "get",
        "secret",
        TOKEN_SECRET,
        "--ignore-not-found",
        "-o",
        "name",
    ])?;
    if !found.trim().is_empty() {
        return Ok(());
    }
    let mut bytes = [0; 32];
    fs::File::open("/dev/urandom")
        .and_then(|mut file| file.read_exact(&mut bytes))
        .context("cannot read /dev/urandom")?;
    let token = bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    });
    let secret = json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": { "name": TOKEN_SECRET },
        "stringData": { "token": token },
    });
    // By standard input: arguments can be read by everybody on this machine.
    kubectl.apply(&secret.to_string())?;
    say(&format!(
        "made the secret {TOKEN_SECRET}, the token of the viewers"
    ));
    Ok(())
}

/// A line for each limit that is too low.
fn missing_inotify() -> Vec<String> {
    let low = INOTIFY.iter().filter_map(|(name, wanted)| {
        let path = format!("/proc/sys/{}", name.replace('.', "/"));
        let limit: u64 = fs::read_to_string(path).ok()?.trim().parse().ok()?;
        let line = format!(
            "{name} is {limit}: pods may fail with \"too many open files\"; raise it by \
             sudo sysctl {name}={wanted}"
        );
        (limit < *wanted).then_some(line)
    });
    low.collect()
}
