//! The tools that do the work, and what is said when one is missing or fails.

use super::{CLUSTER, NAMESPACE};
use anyhow::{Context, bail};
use std::ffi::OsStr;
use std::fmt;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// How to get each program.
const SOURCES: [(&str, &str); 5] = [
    (
        "kind",
        "https://kind.sigs.k8s.io/docs/user/quick-start/#installation",
    ),
    ("kubectl", "https://kubernetes.io/docs/tasks/tools/"),
    ("tar", "the package tar"),
    ("docker", "https://docs.docker.com/engine/install/"),
    ("podman", "https://podman.io/docs/installation"),
];

fn source(program: &str) -> &'static str {
    let known = SOURCES.iter().find(|(name, _)| *name == program);
    known.map_or("install it", |(_, source)| source)
}

/// Why a program did not do what it was asked for.
#[derive(Debug)]
pub(super) enum Failure {
    /// It is not on the path.
    Missing(String),
    /// It could not be started or talked to.
    Start(String, std::io::Error),
    /// It ended with a complaint, or one that the person has already seen.
    Ended {
        call: String,
        status: String,
        said: String,
    },
}

impl std::error::Error for Failure {}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(program) => {
                write!(f, "{program} is not installed: {}", source(program))
            }
            Self::Start(call, error) => write!(f, "cannot run {call}: {error}"),
            Self::Ended { call, status, said } if said.is_empty() => {
                write!(f, "{call} failed ({status})")
            }
            Self::Ended { call, status, said } => write!(f, "{call} failed ({status}): {said}"),
        }
    }
}

/// Runs it; what it says goes to the terminal as it comes.
pub(super) fn show(command: &mut Command) -> Result<(), Failure> {
    let done = command
        .stdin(Stdio::null())
        .status()
        .map_err(|error| failed(command, error))?;
    ended(command, done, String::new())
}

/// Runs it with that input, and gives what it wrote.
pub(super) fn ask(command: &mut Command, input: &str) -> Result<String, Failure> {
    Ok(answer(command, input)?.0)
}

/// Standard output and standard error.
fn answer(command: &mut Command, input: &str) -> Result<(String, String), Failure> {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| failed(command, error))?;
    if let Some(mut stdin) = child.stdin.take() {
        // A program that ends without reading says itself why.
        let _ = stdin.write_all(input.as_bytes());
    }
    let output = child
        .wait_with_output()
        .map_err(|error| failed(command, error))?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    // The last line is the reason; before it come hints and traces.
    let reason = said.lines().rfind(|line| !line.trim().is_empty());
    ended(
        command,
        output.status,
        reason.unwrap_or_default().to_owned(),
    )?;
    Ok((String::from_utf8_lossy(&output.stdout).into_owned(), said))
}

fn call(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words
        .map(OsStr::to_string_lossy)
        .collect::<Vec<_>>()
        .join(" ")
}

fn failed(command: &Command, error: std::io::Error) -> Failure {
    if error.kind() == ErrorKind::NotFound {
        return Failure::Missing(command.get_program().to_string_lossy().into_owned());
    }
    Failure::Start(call(command), error)
}

fn ended(command: &Command, status: std::process::ExitStatus, said: String) -> Result<(), Failure> {
    if status.success() {
        return Ok(());
    }
    Err(Failure::Ended {
        call: call(command),
        status: status.to_string(),
        said,
    })
}

/// kind, on the container engine that answers.
pub(super) struct Kind {
    engine: &'static str,
}

impl Kind {
    /// # Errors
    /// When neither docker nor podman answers, or kind is missing.
    pub(super) fn find() -> anyhow::Result<Self> {
        let chosen = std::env::var("KIND_EXPERIMENTAL_PROVIDER").ok();
        let engines: &[&'static str] = match chosen.as_deref() {
            Some("podman") => &["podman"],
            Some("docker") => &["docker"],
            _ => &["docker", "podman"],
        };
        let mut reasons = Vec::new();
        for &engine in engines {
            match ask(Command::new(engine).arg("info"), "") {
                Ok(_) => {
                    let kind = Self { engine };
                    ask(&mut kind.command(&["version"]), "")?;
                    return Ok(kind);
                }
                Err(failure) => reasons.push(failure),
            }
        }
        reasons.retain(|reason| !matches!(reason, Failure::Missing(_)));
        if reasons.is_empty() {
            bail!(
                "no container engine: install docker ({}) or podman ({})",
                source("docker"),
                source("podman")
            );
        }
        let reasons: Vec<_> = reasons.iter().map(ToString::to_string).collect();
        bail!(
            "no container engine answers: {}; start it, and see that you may use it",
            reasons.join("; ")
        );
    }

    pub(super) fn engine(&self) -> &'static str {
        self.engine
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("kind");
        command.args(arguments);
        if self.engine == "podman" {
            command.env("KIND_EXPERIMENTAL_PROVIDER", "podman");
        }
        command
    }

    pub(super) fn has_cluster(&self) -> anyhow::Result<bool> {
        let clusters = ask(&mut self.command(&["get", "clusters"]), "")?;
        Ok(clusters.lines().any(|line| line.trim() == CLUSTER))
    }

    /// # Errors
    /// It is not there, and what makes it.
    pub(super) fn must_have_cluster(&self) -> anyhow::Result<()> {
        if !self.has_cluster()? {
            bail!("there is no cluster {CLUSTER:?}: make it by `fgm-lab cluster up`");
        }
        Ok(())
    }

    pub(super) fn create(&self, config: &Path, kubeconfig: &Path) -> anyhow::Result<()> {
        let arguments = ["create", "cluster", "--name", CLUSTER, "--wait", "180s"];
        let mut command = self.command(&arguments);
        command.arg("--config").arg(config);
        command.arg("--kubeconfig").arg(kubeconfig);
        show(&mut command).context("the cluster could not be made; kind says above why")
    }

    pub(super) fn export(&self, kubeconfig: &Path) -> anyhow::Result<()> {
        let mut command = self.command(&["export", "kubeconfig", "--name", CLUSTER]);
        ask(command.arg("--kubeconfig").arg(kubeconfig), "")?;
        Ok(())
    }

    pub(super) fn load(&self, archive: &Path) -> anyhow::Result<()> {
        let mut command = self.command(&["load", "image-archive", "--name", CLUSTER]);
        show(command.arg(archive)).context("an image could not be loaded into the nodes")
    }

    pub(super) fn delete(&self, kubeconfig: &Path) -> anyhow::Result<()> {
        let mut command = self.command(&["delete", "cluster", "--name", CLUSTER]);
        show(command.arg("--kubeconfig").arg(kubeconfig)).context("the cluster is still there")
    }
}

/// kubectl, on our cluster and no other.
pub(super) struct Kubectl {
    kubeconfig: PathBuf,
}

impl Kubectl {
    /// # Errors
    /// When kubectl is missing.
    pub(super) fn find(kubeconfig: PathBuf) -> Result<Self, Failure> {
        ask(Command::new("kubectl").args(["version", "--client"]), "")?;
        Ok(Self { kubeconfig })
    }

    /// The beginning of every command, as a person would type it.
    pub(super) fn typed(&self) -> String {
        let file = self.kubeconfig.display();
        format!("kubectl --kubeconfig {file} --context kind-{CLUSTER} -n {NAMESPACE}")
    }

    pub(super) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("kubectl");
        command.arg("--kubeconfig").arg(&self.kubeconfig);
        command.args(["--context", &format!("kind-{CLUSTER}"), "-n", NAMESPACE]);
        command.args(arguments);
        command
    }

    pub(super) fn show(&self, arguments: &[&str]) -> Result<(), Failure> {
        show(&mut self.command(arguments))
    }

    pub(super) fn ask(&self, arguments: &[&str]) -> Result<String, Failure> {
        ask(&mut self.command(arguments), "")
    }

    /// What it said beside its answer.
    pub(super) fn warnings(&self, arguments: &[&str]) -> Result<String, Failure> {
        Ok(answer(&mut self.command(arguments), "")?.1)
    }

    pub(super) fn ask_json(&self, arguments: &[&str]) -> anyhow::Result<serde_json::Value> {
        let text = ask(self.command(arguments).args(["-o", "json"]), "")?;
        serde_json::from_str(&text).context("kubectl did not answer in JSON")
    }

    /// Server-side, so that what others set is kept, and applying again changes nothing.
    pub(super) fn apply(&self, manifests: &str) -> Result<String, Failure> {
        let arguments = [
            "apply",
            "--server-side",
            "--force-conflicts",
            "--field-manager=fgm-lab",
            "-f",
            "-",
        ];
        ask(&mut self.command(&arguments), manifests)
    }

    /// # Errors
    /// When the API server does not answer: what is left of an interrupted `up`.
    pub(super) fn must_answer(&self) -> anyhow::Result<()> {
        let ready = ["get", "--raw", "/readyz", "--request-timeout=20s"];
        self.ask(&ready).with_context(|| {
            format!(
                "the cluster {CLUSTER:?} is there but does not answer; start its containers, or                  begin anew by `fgm-lab cluster down`"
            )
        })?;
        Ok(())
    }
}

/// The manifests below that folder, with kustomize 5: its own program, or what kubectl holds.
pub(super) fn render(folder: &Path) -> anyhow::Result<String> {
    match ask(Command::new("kustomize").arg("build").arg(folder), "") {
        Err(Failure::Missing(_)) => Ok(ask(
            Command::new("kubectl").arg("kustomize").arg(folder),
            "",
        )?),
        rendered => Ok(rendered?),
    }
}
