//! The recorder in a cluster with a kubelet and containerd: who is who, and what happened to it.

#![expect(
    clippy::expect_used,
    reason = "a failed expectation is how a story fails"
)]

use fgm_model::schema::column;
use fgm_stories::needs::{require_or_skip, say, test_bed};
use fgm_stories::programs;
use fgm_stories::stored::{Content, EventRow, Stored};
use k8s_openapi::jiff::Timestamp;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

/// A static pod, as a person puts it into the kubelet's folder.
const STATIC: &str = r#"
apiVersion: v1
kind: Pod
metadata: {name: static, namespace: kube-system, labels: {component: static}}
spec:
  containers:
  - {name: main, image: "localhost/busy:1", imagePullPolicy: Never, command: [/bin/sh, -c, "sleep 3600"]}
"#;

const COLUMNS: [&str; 8] = [
    column::CONTAINER_ID,
    column::NAMESPACE,
    column::POD_NAME,
    column::CONTAINER_NAME,
    column::POD_UID,
    column::QOS_CLASS,
    column::IMAGE,
    column::POD_LABELS,
];

type Names = [Option<String>; 8];

/// DaemonSet, static pod, init container, one pod of each class: every row of each bears its
/// name, and no sandbox has a row. An OOM kill is one event, which tells the status's reason as
/// soon as the API server has it; a crash loop is a restart for each, with how it came to that.
#[test]
fn everybody_is_called_by_name_and_what_fails_is_told() {
    let Some(bed) = test_bed() else { return };
    let folder = tempfile::tempdir().expect("temporary directory");
    let path = folder.path();
    lay_out(&bed, path);
    let output = Command::new(bed.join("cluster"))
        .arg(path)
        .args(["--timeout", "560"])
        .output()
        .expect("the test bed runs");
    let console = String::from_utf8_lossy(&output.stdout);
    if output.status.code() == Some(125) {
        let reason = String::from_utf8_lossy(&output.stderr).into_owned();
        let what = format!("a cluster ({} {})", reason.trim(), console.trim());
        require_or_skip(
            None::<()>,
            &what,
            "FGM_TESTBED, after its setup --root-image",
        );
        return;
    }
    let read = |name: &str| fs::read_to_string(path.join("out").join(name)).unwrap_or_default();
    assert!(
        output.status.success(),
        "{console}\n{}\n{}",
        read("cluster/state.txt"),
        read("fgm.log")
    );
    say(&read("fgm.log"));

    let pods: Value = serde_json::from_str(&read("pods.json")).expect("pods");
    let meant = meant(&pods);
    let content = Stored::open(&path.join("out/data")).read();
    let status = |name: &str| -> Value {
        serde_json::from_str(&read(name)).expect("the pod's status as the API server has it")
    };
    the_oom_kill_is_told(&content, &status("hog.json"));
    every_restart_is_told(&content, &status("crash.json"));
    let mut found: BTreeMap<String, Vec<Names>> = BTreeMap::new();
    for row in content.texts(COLUMNS) {
        if row[1].as_deref() == Some("failing") {
            continue;
        }
        let id = row[0].clone().expect("an ID");
        let rows = found.entry(id).or_default();
        if !rows.contains(&row) {
            rows.push(row);
        }
    }
    assert_eq!(
        meant.keys().collect::<Vec<_>>(),
        found.keys().collect::<Vec<_>>(),
        "containers, and no sandbox"
    );
    for (id, names) in &meant {
        assert_eq!(found[id], std::slice::from_ref(names), "every row of it");
    }
    let classes: Vec<_> = meant
        .values()
        .filter_map(|names| names[5].as_deref())
        .collect();
    for class in ["Guaranteed", "Burstable", "BestEffort"] {
        assert!(classes.contains(&class), "{classes:?}");
    }
    assert_eq!(meant.len(), 7, "{meant:#?}");
}

/// Exactly one event, of the kernel's own kill: recorded within two ticks of the counter's move;
/// and again with the reason, once the API server has it.
fn the_oom_kill_is_told(content: &Content, hog: &Value) {
    let id = id_of(&hog["status"]["containerStatuses"][0]["containerID"]);
    let kills: Vec<EventRow> = content
        .events()
        .into_iter()
        .filter(|event| event.kind == "oom_kill")
        .collect();
    let first = kills.first().expect("an OOM kill");
    for kill in &kills {
        assert_eq!(kill.event_id, first.event_id, "one event: {kills:#?}");
        assert_eq!(kill.container_id.as_ref(), Some(&id), "{kills:#?}");
    }
    // The counter moved between the last row without the kill and this moment.
    let moved_ms = content
        .rows()
        .iter()
        .filter(|row| *row.key.container_id == *id)
        .map(|row| row.key.time_ms)
        .next_back()
        .expect("rows of it");
    let told_ms = kills.iter().map(|kill| kill.recorded_at_ms).min();
    let told_ms = told_ms.expect("an OOM kill") - moved_ms;
    assert!(
        told_ms <= 3 * TICK_MS,
        "told {told_ms} ms after its last row"
    );

    let with_reason = kills
        .iter()
        .filter(|kill| kill.detail["reason"] == "OOMKilled")
        .min_by_key(|kill| kill.revision)
        .expect("the reason");
    assert_eq!(with_reason.detail["exit_code"], 137, "{with_reason:#?}");
    let fields = hog["metadata"]["managedFields"].as_array().expect("fields");
    let written_ms = fields
        .iter()
        .filter(|field| field["subresource"] == "status")
        .filter_map(|field| field["time"].as_str())
        .filter_map(|time| time.parse::<Timestamp>().ok())
        .map(Timestamp::as_millisecond)
        .max()
        .expect("when the status was written");
    let reason_ms = with_reason.recorded_at_ms - written_ms;
    say(&format!(
        "OOM kill recorded {told_ms} ms after the last row before it, its reason {reason_ms} ms \
         after the second in which the API server got it"
    ));
    // Kubernetes tells whole seconds.
    assert!(reason_ms <= 1000 + 2 * TICK_MS, "{reason_ms} ms");
}

const TICK_MS: i64 = 1000;

/// Two restarts so far, each after an exit with code 3.
fn every_restart_is_told(content: &Content, crash: &Value) {
    let last = id_of(&crash["status"]["containerStatuses"][0]["containerID"]);
    let mut restarts: BTreeMap<String, EventRow> = BTreeMap::new();
    for event in content.events() {
        let newer = |known: &EventRow| known.revision < event.revision;
        if event.kind == "restarted" && restarts.get(&event.event_id).is_none_or(newer) {
            restarts.insert(event.event_id.clone(), event);
        }
    }
    let mut restarts: Vec<_> = restarts.into_values().collect();
    restarts.sort_by_key(|event| event.time_ms);
    let [first, second] = &restarts[..] else {
        panic!("two restarts: {restarts:#?}");
    };
    for (event, count) in [(first, 1), (second, 2)] {
        assert_eq!(event.detail["exit_code"], 3, "{event:#?}");
        assert_eq!(event.detail["reason"], "Error", "{event:#?}");
        assert_eq!(event.detail["restart_count"], count, "{event:#?}");
    }
    assert_eq!(second.container_id.as_ref(), Some(&last));
    let before = second.detail["previous_container_id"].as_str();
    assert_eq!(before, first.container_id.as_deref());
}

/// A container ID without its runtime.
fn id_of(text: &Value) -> String {
    let text = text.as_str().expect("an ID");
    text.trim_start_matches("containerd://").to_owned()
}

/// Image, manifests and script.
fn lay_out(bed: &Path, path: &Path) {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let manifests = path.join("manifests");
    for folder in ["manifests", "images"] {
        fs::create_dir(path.join(folder)).expect("made");
    }
    let namespace = "apiVersion: v1\nkind: Namespace\nmetadata: {name: fine-grained-monitor}\n";
    fs::write(manifests.join("00-namespace.yaml"), namespace).expect("written");
    for (from, to) in [
        ("../kind/base/rbac.yaml", "manifests/10-rbac.yaml"),
        ("stories/cluster.yaml", "manifests/20-pods.yaml"),
        ("stories/cluster_failing.yaml", "failing.yaml"),
        ("stories/cluster.sh", "run.sh"),
    ] {
        fs::copy(here.join(from), path.join(to)).expect("copied");
    }
    fs::write(path.join("static.yaml"), STATIC).expect("written");
    // Without its symbols: the guest's disk and memory are small.
    let stripped = path.join("fgm");
    let strip = Command::new("strip")
        .arg("-o")
        .arg(&stripped)
        .arg(programs::fgm())
        .status();
    assert!(strip.expect("strip runs").success());
    let image = Command::new(bed.join("mkimage"))
        .arg(path.join("images/fgm.tar"))
        .args(["localhost/fgm:test", "/usr/bin/fgm", "--libs"])
        .arg(format!("{}=/usr/bin/fgm", stripped.display()))
        .status();
    assert!(image.expect("mkimage runs").success());
}

/// By container ID, what the API server says.
fn meant(pods: &Value) -> BTreeMap<String, Names> {
    let mut meant = BTreeMap::new();
    for pod in pods["items"].as_array().expect("a list") {
        let (metadata, status) = (&pod["metadata"], &pod["status"]);
        let text = |value: &Value| value.as_str().map(str::to_owned);
        // The cgroup of a static pod is named by the kubelet, not by the API server.
        let hash = &metadata["annotations"]["kubernetes.io/config.hash"];
        let specified = ["initContainers", "containers"]
            .into_iter()
            .filter_map(|kind| pod["spec"][kind].as_array())
            .flatten();
        let images: BTreeMap<_, _> = specified
            .map(|container| (container["name"].as_str(), &container["image"]))
            .collect();
        let containers = ["initContainerStatuses", "containerStatuses"]
            .into_iter()
            .filter_map(|kind| status[kind].as_array())
            .flatten();
        for container in containers {
            let id = id_of(&container["containerID"]);
            let labels = metadata.get("labels").map(Value::to_string);
            let names = [
                Some(id.clone()),
                text(&metadata["namespace"]),
                text(&metadata["name"]),
                text(&container["name"]),
                text(hash).or_else(|| text(&metadata["uid"])),
                text(&status["qosClass"]),
                text(images[&container["name"].as_str()]),
                labels,
            ];
            meant.insert(id, names);
        }
    }
    meant
}
