//! `fgm-lab cluster`, with stand-ins for the tools that it runs: which it calls, in which order,
//! with what, and what a person is told when one of them fails.

#![expect(
    clippy::unwrap_used,
    reason = "a failed expectation is how a story fails"
)]

use fgm_stories::machine::{Machine, reason};
use serde_json::Value;
use std::fs;

fn succeeds(machine: &Machine, arguments: &[&str]) -> String {
    let output = machine.lab(arguments);
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

fn applied_by(machine: &Machine) -> Vec<Value> {
    let all: Vec<Value> = serde_saphyr::from_multiple(&machine.applied()).unwrap();
    all.into_iter().filter(|one| !one.is_null()).collect()
}

/// What it says when it fails, in one line.
fn refuses(machine: &Machine, arguments: &[&str]) -> String {
    reason(&machine.lab(arguments))
}

const APPLY: &str =
    "kubectl OURS apply --server-side --force-conflicts --field-manager=fgm-lab -f -";

/// From nothing to a cluster, again without making it again, and away.
#[test]
fn a_cluster_comes_stays_and_goes() {
    let Some(machine) = Machine::new(&["docker", "kind", "kubectl"]) else {
        return;
    };
    let said = succeeds(&machine, &["up"]);
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
    let applied = applied_by(&machine);
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
    succeeds(&machine, &["up"]);
    let mut meant: Vec<String> = begin.map(str::to_owned).to_vec();
    let export = "kind export kubeconfig --name fgm --kubeconfig TEMP/state/fgm/kubeconfig";
    meant.push(export.to_owned());
    meant.extend(deploy);
    meant.extend([APPLY, rollout].map(str::to_owned));
    assert_eq!(machine.calls(), meant);
    assert!(
        applied_by(&machine)
            .iter()
            .all(|one| one["kind"] != "Secret"),
        "the token is kept"
    );

    succeeds(&machine, &["status"]);
    succeeds(&machine, &["down"]);
    let gone = succeeds(&machine, &["down"]);
    assert!(gone.contains("there is no cluster"), "{gone}");
    let status = refuses(&machine, &["status"]);
    assert!(status.contains("fgm-lab cluster up"), "{status}");
}

#[test]
fn podman_does_as_well() {
    let Some(machine) = Machine::new(&["podman", "kind", "kubectl"]) else {
        return;
    };
    let said = succeeds(&machine, &["up"]);
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
        let said = refuses(&machine, &["up"]);
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
        machine.break_down(tool, words, complaint);
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
    let said = refuses(&machine, &["up"]);
    assert!(
        said.contains("localhost/fgm-viewer") && said.contains("kind/images.sh"),
        "{said}"
    );
    machine.write("images/fgm-viewer.tar", "rubbish");
    let said = refuses(&machine, &["up"]);
    assert!(said.contains("fgm-viewer.tar is no archive"), "{said}");
    fs::remove_dir_all(machine.path("images")).unwrap();
    let said = refuses(&machine, &["up"]);
    assert!(said.contains("kind/images.sh"), "{said}");
    assert!(machine.calls().iter().all(|call| !call.starts_with("kind")));
}

/// Low limits of inotify are told with the command that raises them, whatever this machine has.
#[test]
fn low_limits_are_told() {
    let Some(machine) = Machine::new(&["docker", "kind", "kubectl"]) else {
        return;
    };
    let said = succeeds(&machine, &["up"]);
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
    let timeout = "Error from server: error trying to reach service: i/o timeout";
    machine.break_down("kubectl", "healthz", timeout);
    let said = succeeds(&machine, &["verify"]);
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
