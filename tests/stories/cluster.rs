//! The recorder in a cluster with a kubelet and containerd: who is who.

#![expect(
    clippy::expect_used,
    reason = "a failed expectation is how a story fails"
)]

use fgm_model::schema::column;
use fgm_stories::needs::{require_or_skip, say, test_bed};
use fgm_stories::programs;
use fgm_stories::stored::Stored;
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
/// name, and no sandbox has a row.
#[test]
fn everybody_is_called_by_name() {
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
    let mut found: BTreeMap<String, Vec<Names>> = BTreeMap::new();
    for row in content.texts(COLUMNS) {
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
            let id = container["containerID"].as_str().expect("an ID");
            let id = id.trim_start_matches("containerd://").to_owned();
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
