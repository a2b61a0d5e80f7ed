//! A machine whose container tools are stand-ins that note what they are asked for.

use crate::{must, needs, programs};
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Every stand-in: notes its words and its input, and behaves as the files of the folder `say`:
/// NAME.fail is what it says when it fails at words that contain the first line of that file.
const STAND_IN: &str = r#"#!/bin/sh
tool=${0##*/}
printf '%s %s\n' "$tool" "$*" >> "$FGM_STAND_IN/calls"
case "$*" in
    *"-f -"*) cat >> "$FGM_STAND_IN/applied"; printf "\n---\n" >> "$FGM_STAND_IN/applied" ;;
esac
if [ -e "$FGM_STAND_IN/$tool.fail" ]; then
    { read -r words; read -r complaint; } < "$FGM_STAND_IN/$tool.fail"
    case "$*" in *"$words"*) echo "$complaint" >&2; exit 3 ;; esac
fi
case "$tool $*" in
    "kind get clusters") [ ! -e "$FGM_STAND_IN/cluster" ] || cat "$FGM_STAND_IN/cluster" ;;
    "kind create cluster"*) echo fgm > "$FGM_STAND_IN/cluster" ;;
    "kind delete cluster"*) rm "$FGM_STAND_IN/cluster" ;;
    *" get secret "*) [ ! -e "$FGM_STAND_IN/secret" ] || cat "$FGM_STAND_IN/secret" ;;
    *" get nodes -o json") cat "$FGM_STAND_IN/nodes.json" ;;
    *" get pods -l "*) cat "$FGM_STAND_IN/pods.json" ;;
    *" label --dry-run=server "*) echo 'Warning: existing pods violate the new PodSecurity enforce level' >&2 ;;
esac
"#;

/// The beginning of every kubectl command on the lab's cluster, in [`Machine::calls`].
const OURS: &str =
    "--kubeconfig TEMP/state/fgm/kubeconfig --context kind-fgm -n fine-grained-monitor";

/// A machine with stand-ins on the path, and images of every program.
#[derive(Debug)]
pub struct Machine {
    folder: tempfile::TempDir,
}

impl Machine {
    /// With these tools of `docker`, `podman`, `kind` and `kubectl`. Without a kustomize there is
    /// nothing to apply, and `None`.
    #[must_use]
    pub fn new(tools: &[&str]) -> Option<Self> {
        needs::manifests("kind")?;
        let machine = Self {
            folder: must(tempfile::tempdir(), "temporary directory"),
        };
        for folder in ["bin", "images"] {
            must(fs::create_dir(machine.path(folder)), folder);
        }
        for tool in tools {
            machine.install(tool, STAND_IN);
        }
        // What is real: the archiver, the shell and its tools, kustomize.
        for tool in ["tar", "sh", "cat", "rm"] {
            let link = machine.path("bin").join(tool);
            must(symlink(on_path(tool), link), tool);
        }
        let kustomize = needs::variable("FGM_KUSTOMIZE").map(PathBuf::from);
        let kustomize = kustomize.unwrap_or_else(|| on_path("kustomize"));
        let recording = format!(
            "#!/bin/sh\necho \"kustomize $1\" >> \"$FGM_STAND_IN/calls\"\nexec {} \"$@\"\n",
            kustomize.display()
        );
        machine.install("kustomize", &recording);
        for name in ["fgm", "fgm-viewer", "fgm-consolidator"] {
            machine.make_image(name, "abc");
        }
        Some(machine)
    }

    /// A file of this machine.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes such a file.
    pub fn write(&self, name: &str, text: &str) {
        must(fs::write(self.path(name), text), name);
    }

    /// Reads such a file; empty when there is none.
    #[must_use]
    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    /// Lets a tool fail with that complaint when it is asked for these words.
    pub fn break_down(&self, tool: &str, words: &str, complaint: &str) {
        self.write(&format!("{tool}.fail"), &format!("{words}\n{complaint}\n"));
    }

    fn install(&self, tool: &str, script: &str) {
        let path = self.path("bin").join(tool);
        must(fs::write(&path, script), tool);
        must(
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)),
            tool,
        );
    }

    fn make_image(&self, name: &str, tag: &str) {
        let manifest = format!(r#"[{{"RepoTags":["localhost/{name}:{tag}"]}}]"#);
        self.write("manifest.json", &manifest);
        let made = Command::new("tar")
            .arg("-cf")
            .arg(self.path("images").join(format!("{name}.tar")))
            .arg("-C")
            .arg(self.folder.path())
            .arg("./manifest.json")
            .status();
        assert!(must(made, "tar").success());
    }

    /// Lets a command run on this machine, with its stand-ins and nothing else on the path, or
    /// `beside` these.
    pub fn surround(&self, command: &mut Command, beside: Option<&str>) {
        let mut path = self.path("bin").into_os_string();
        if let Some(others) = beside {
            path.push(":");
            path.push(others);
        }
        command
            .env("PATH", path)
            .env("XDG_STATE_HOME", self.path("state"))
            .env("FGM_STAND_IN", self.folder.path())
            .env_remove("KIND_EXPERIMENTAL_PROVIDER");
    }

    /// Runs `fgm-lab cluster` with these images, and the manifests of the sources.
    #[must_use]
    pub fn lab(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(programs::fgm_lab());
        command.arg("cluster").args(arguments);
        if arguments == ["up"] {
            command.arg("--images").arg(self.path("images"));
            command.arg("--manifests").arg(kind());
        }
        self.surround(&mut command, None);
        must(command.output(), "run fgm-lab")
    }

    /// What was called since the last time, without what differs from machine to machine.
    #[must_use]
    pub fn calls(&self) -> Vec<String> {
        let calls = self.read("calls");
        let _ = fs::remove_file(self.path("calls"));
        let folder = self.folder.path().display().to_string();
        let kind = kind().display().to_string();
        calls
            .lines()
            .map(|line| {
                let line = line.replace(&folder, "TEMP").replace(&kind, "KIND");
                line.replace(OURS, "OURS")
            })
            .collect()
    }

    /// The YAML that was applied since the last time.
    #[must_use]
    pub fn applied(&self) -> String {
        let text = self.read("applied");
        let _ = fs::remove_file(self.path("applied"));
        text
    }
}

/// The one line in which a command said why it failed.
#[must_use]
pub fn reason(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let text = String::from_utf8_lossy(&output.stderr);
    let last = text.lines().last().unwrap_or_default().to_owned();
    assert!(last.starts_with("error: "), "{text}");
    last
}

/// The manifests of the sources.
fn kind() -> PathBuf {
    let kind = Path::new(env!("CARGO_MANIFEST_DIR")).join("../kind");
    must(kind.canonicalize(), "kind/")
}

fn on_path(tool: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path)
        .map(|folder| folder.join(tool))
        .find(|file| file.is_file());
    found.unwrap_or_else(|| panic!("no {tool} on the path"))
}
