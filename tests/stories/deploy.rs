//! `fgm-lab cluster`, with stand-ins for the tools that it runs: which it calls, in which order,
//! with what, and what a person is told when one of them fails.

#![expect(
    clippy::unwrap_used,
    reason = "a failed expectation is how a story fails"
)]

use fgm_stories::{needs, programs};
use serde_json::Value;
use std::fs;
use std::os::unix::fs::PermissionsExt;
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

/// A machine with stand-ins on the path, and images of every program.
struct Machine {
    folder: tempfile::TempDir,
}

impl Machine {
    /// Without a kustomize there is nothing to apply.
    fn new(tools: &[&str]) -> Option<Self> {
        needs::manifests("kind")?;
        let machine = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        fs::create_dir(machine.path("bin")).unwrap();
        fs::create_dir(machine.path("images")).unwrap();
        for tool in tools {
            machine.install(tool, STAND_IN);
        }
        // What is real: the archiver, the shell and its tools, kustomize.
        for tool in ["tar", "sh", "cat", "rm"] {
            let found = on_path(tool).unwrap();
            std::os::unix::fs::symlink(found, machine.path("bin").join(tool)).unwrap();
        }
        let kustomize = needs::variable("FGM_KUSTOMIZE").map(PathBuf::from);
        let kustomize = kustomize.or_else(|| on_path("kustomize")).unwrap();
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

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    fn install(&self, tool: &str, script: &str) {
        let path = self.path("bin").join(tool);
        fs::write(&path, script).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
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
        assert!(made.unwrap().success());
    }

    fn lab(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(programs::fgm_lab());
        command.arg("cluster").args(arguments);
        if arguments == ["up"] {
            let kind = Path::new(env!("CARGO_MANIFEST_DIR")).join("../kind");
            command.arg("--images").arg(self.path("images"));
            command.arg("--manifests").arg(kind.canonicalize().unwrap());
        }
        command
            .env("PATH", self.path("bin"))
            .env("XDG_STATE_HOME", self.path("state"))
            .env("FGM_STAND_IN", self.folder.path())
            .env_remove("KIND_EXPERIMENTAL_PROVIDER")
            .output()
            .unwrap()
    }

    fn succeeds(&self, arguments: &[&str]) -> String {
        let output = self.lab(arguments);
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// What it says when it fails, in one line.
    fn refuses(&self, arguments: &[&str]) -> String {
        let output = self.lab(arguments);
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        let text = String::from_utf8(output.stderr).unwrap();
        let last = text.lines().last().unwrap_or_default().to_owned();
        assert!(last.starts_with("error: "), "{text}");
        last
    }

    /// What was called since the last time, without what differs from machine to machine.
    fn calls(&self) -> Vec<String> {
        let calls = self.read("calls");
        let _ = fs::remove_file(self.path("calls"));
        let folder = self.folder.path().display().to_string();
        let kind = Path::new(env!("CARGO_MANIFEST_DIR")).join("../kind");
        let kind = kind.canonicalize().unwrap().display().to_string();
        let ours =
            "--kubeconfig TEMP/state/fgm/kubeconfig --context kind-fgm -n fine-grained-monitor";
        calls
            .lines()
            .map(|line| {
                let line = line.replace(&folder, "TEMP").replace(&kind, "KIND");
                line.replace(ours, "OURS")
            })
            .collect()
    }

    fn applied(&self) -> Vec<Value> {
        let text = self.read("applied");
        let _ = fs::remove_file(self.path("applied"));
        let all: Vec<Value> = serde_saphyr::from_multiple(&text).unwrap();
        all.into_iter().filter(|one| !one.is_null()).collect()
    }
}

fn on_path(tool: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|folder| folder.join(tool))
        .find(|file| file.is_file())
}

const APPLY: &str =
    "kubectl OURS apply --server-side --force-conflicts --field-manager=fgm-lab -f -";

/// From nothing to a cluster, again without making it again, and away.
#[test]
fn a_cluster_comes_stays_and_goes() {
    let Some(machine) = Machine::new(&["docker", "kind", "kubectl"]) else {
        return;
    };
    let said = machine.succeeds(&["up"]);
    let load = |name| format!("kind load image-archive --name fgm TEMP/images/{name}.tar");
    let deploy = [
        "kubectl OURS get --raw /readyz --request-timeout=20s".to_owned(),
        load("fgm-consolidator"),
        load("fgm-viewer"),
        load("fgm"),
        APPLY.to_owned(),
        "kubectl OURS get secret fgm-token --ignore-not-found -o name".to_owned(),
    ];
    let begin = [
        "kustomize build",
        "docker info",
        "kind version",
        "kubectl version --client",
        "kind get clusters",
    ];
    let rollout = "kubectl OURS rollout status daemonset/fgm --timeout=300s";
    let create = "kind create cluster --name fgm --wait 180s --config KIND/cluster.yaml \
                  --kubeconfig TEMP/state/fgm/kubeconfig";
    let mut meant: Vec<String> = begin.map(str::to_owned).to_vec();
    meant.push(create.to_owned());
    meant.extend(deploy.clone());
    meant.extend([APPLY, APPLY, rollout].map(str::to_owned));
    assert_eq!(machine.calls(), meant);
    assert!(said.contains("fgm-lab cluster status"), "{said}");

    // The namespace first, for the secret to be in, which pods then find there.
    let applied = machine.applied();
    assert_eq!(applied[0]["kind"], "Namespace");
    assert_eq!(applied[1]["kind"], "Secret");
    let token = applied[1]["stringData"]["token"].as_str().unwrap();
    assert!(token.len() == 64 && token.bytes().all(|byte| byte.is_ascii_hexdigit()));
    assert!(!said.contains(token) && !machine.read("calls").contains(token));
    let pods = applied
        .iter()
        .find(|one| one["kind"] == "DaemonSet")
        .unwrap();
    let containers = pods["spec"]["template"]["spec"]["containers"].as_array();
    for container in containers.unwrap() {
        let name = container["name"].as_str().unwrap();
        assert_eq!(container["image"], format!("localhost/{name}:abc"));
    }

    machine.write("secret", "secret/fgm-token\n");
    machine.succeeds(&["up"]);
    let mut meant: Vec<String> = begin.map(str::to_owned).to_vec();
    let export = "kind export kubeconfig --name fgm --kubeconfig TEMP/state/fgm/kubeconfig";
    meant.push(export.to_owned());
    meant.extend(deploy);
    meant.extend([APPLY, rollout].map(str::to_owned));
    assert_eq!(machine.calls(), meant);
    let kinds: Vec<_> = machine.applied();
    assert!(
        kinds.iter().all(|one| one["kind"] != "Secret"),
        "the token is kept"
    );

    machine.succeeds(&["status"]);
    machine.succeeds(&["down"]);
    let gone = machine.succeeds(&["down"]);
    assert!(gone.contains("there is no cluster"), "{gone}");
    let status = machine.refuses(&["status"]);
    assert!(status.contains("fgm-lab cluster up"), "{status}");
}

#[test]
fn podman_does_as_well() {
    let Some(machine) = Machine::new(&["podman", "kind", "kubectl"]) else {
        return;
    };
    let said = machine.succeeds(&["up"]);
    assert!(said.contains("in podman"), "{said}");
    assert!(machine.calls().contains(&"podman info".to_owned()));
}

/// Each tool that is missing is named, with where to get it.
#[test]
fn what_is_missing_is_named() {
    for (tools, wanted) in [
        (
            &["kind", "kubectl"][..],
            &["docker", "podman", "https://"][..],
        ),
        (
            &["docker", "kubectl"],
            &["kind is not installed", "https://"],
        ),
        (
            &["docker", "kind"],
            &["kubectl is not installed", "https://"],
        ),
    ] {
        let Some(machine) = Machine::new(tools) else {
            return;
        };
        let said = machine.refuses(&["up"]);
        for text in wanted {
            assert!(said.contains(text), "{said}");
        }
    }
}

/// What fails is told with its own words, and nothing after it is done.
#[test]
fn what_fails_is_told_and_ends_it() {
    for (tool, words, complaint, wanted) in [
        (
            "docker",
            "info",
            "permission denied",
            "no container engine answers",
        ),
        (
            "kind",
            "create",
            "port 6443 is taken",
            "the cluster could not be made",
        ),
        (
            "kind",
            "load",
            "no space left",
            "an image could not be loaded",
        ),
        (
            "kubectl",
            "/readyz",
            "connection refused",
            "fgm-lab cluster down",
        ),
        (
            "kubectl",
            "apply",
            "denied the request",
            "denied the request",
        ),
        ("kubectl", "rollout", "timed out", "not every node records"),
    ] {
        let Some(machine) = Machine::new(&["docker", "kind", "kubectl"]) else {
            return;
        };
        machine.write(&format!("{tool}.fail"), &format!("{words}\n{complaint}\n"));
        let output = machine.lab(&["up"]);
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.contains(wanted) && said.contains(complaint), "{said}");
        let calls = machine.calls();
        let failed = calls.iter().position(|call| call.contains(words)).unwrap();
        let after = &calls[failed + 1..];
        // After a roll-out that does not end, the pods are shown.
        let meant = usize::from(words == "rollout");
        assert_eq!(after.len(), meant, "{after:?}");
    }
}

/// Wrong input is refused before anything is made.
#[test]
fn nothing_is_made_for_wrong_images() {
    let Some(machine) = Machine::new(&["docker", "kind", "kubectl"]) else {
        return;
    };
    fs::remove_file(machine.path("images/fgm-viewer.tar")).unwrap();
    let said = machine.refuses(&["up"]);
    assert!(
        said.contains("localhost/fgm-viewer") && said.contains("kind/images.sh"),
        "{said}"
    );
    machine.write("images/fgm-viewer.tar", "rubbish");
    let said = machine.refuses(&["up"]);
    assert!(said.contains("fgm-viewer.tar is no archive"), "{said}");
    fs::remove_dir_all(machine.path("images")).unwrap();
    let said = machine.refuses(&["up"]);
    assert!(said.contains("kind/images.sh"), "{said}");
    assert!(machine.calls().iter().all(|call| !call.starts_with("kind")));
}

/// Low limits of inotify are told with the command that raises them, whatever this machine has.
#[test]
fn low_limits_are_told() {
    let Some(machine) = Machine::new(&["docker", "kind", "kubectl"]) else {
        return;
    };
    let said = machine.succeeds(&["up"]);
    let limit = fs::read_to_string("/proc/sys/fs/inotify/max_user_instances").unwrap();
    let low = limit.trim().parse::<u64>().unwrap() < 512;
    let told = said.contains("sudo sysctl fs.inotify.max_user_instances=512");
    assert_eq!(told, low, "{limit}{said}");
}

const NODES: &str = r#"{"items": [
    {"metadata": {"name": "one", "labels": {"node-role.kubernetes.io/control-plane": ""}}},
    {"metadata": {"name": "two", "labels": {}}}]}"#;

fn pods(ready: bool) -> String {
    let pod = |name: &str, ready: bool| {
        format!(
            r#"{{"metadata": {{"name": "fgm-{name}"}}, "spec": {{"nodeName": "{name}"}},
                "status": {{"containerStatuses": [{{"name": "fgm", "ready": {ready}}}]}}}}"#
        )
    };
    format!(
        r#"{{"items": [{}, {}]}}"#,
        pod("one", true),
        pod("two", ready)
    )
}

/// Nodes, admission and policies are judged one by one.
#[test]
fn a_cluster_is_verified() {
    let Some(machine) = Machine::new(&["docker", "kind", "kubectl"]) else {
        return;
    };
    machine.write("cluster", "fgm\n");
    machine.write("nodes.json", NODES);
    machine.write("pods.json", &pods(true));
    let timeout = "healthz\nError from server: error trying to reach service: i/o timeout\n";
    machine.write("kubectl.fail", timeout);
    let said = machine.succeeds(&["verify"]);
    assert_eq!(said.matches("ok ").count(), 4, "{said}");

    machine.write("pods.json", &pods(false));
    fs::remove_file(machine.path("kubectl.fail")).unwrap();
    let output = machine.lab(&["verify"]);
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains("FAILED  two has no recorder"), "{said}");
    assert!(
        said.contains("FAILED  NetworkPolicies are not enforced"),
        "{said}"
    );
}
