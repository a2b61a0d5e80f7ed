//! The manifests in a cluster with a kubelet and containerd: who is who, what each program may do,
//! what a new version costs, and what is told of pods that fail.

#![expect(
    clippy::expect_used,
    reason = "a failed expectation is how a story fails"
)]

use fgm_model::schema::column;
use fgm_model::{Metric, Table};
use fgm_stories::cluster::Cluster;
use fgm_stories::generated::generate;
use fgm_stories::needs::say;
use fgm_stories::programs;
use fgm_stories::stored::{
    Content, EventRow, Stored, assert_holds, assert_orderly, files_below, unique,
};
use k8s_openapi::jiff::Timestamp;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

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
    let Some(cluster) = Cluster::new() else {
        return;
    };
    cluster.put("static.yaml", STATIC);
    cluster.put("manifests/30-pods.yaml", include_str!("cluster.yaml"));
    cluster.put("failing.yaml", include_str!("cluster_failing.yaml"));
    cluster.put_program(&programs::fgm());
    let earlier = cluster.folder().join("earlier");
    let flags = ["--scenario", "idle", "--containers", "3", "--segments"];
    let _truth = generate(&earlier, &flags);
    let Some(()) = cluster.run(include_str!("cluster.sh"), &["fgm.log"]) else {
        return;
    };
    let read = |name: &str| cluster.read(name);
    say(&read("fgm.log"));

    assert_eq!(read("warnings.txt"), "", "of the API server");
    insta::assert_snapshot!("privileges", read("privileges.txt"));
    insta::assert_snapshot!("shared_directory", read("shared.txt"));
    let known = |with: &str| {
        let folder = cluster.out(&format!("with{with}"));
        Stored::open(&folder).read().known_columns()
    };
    let all = known("+sys_ptrace,+dac_read_search");
    let of_any = |known: &BTreeSet<(String, String)>| -> BTreeSet<String> {
        known.iter().map(|(_, column)| column.clone()).collect()
    };
    let fewer = ["+sys_ptrace", "+dac_read_search", ""].map(|with| (with, known(with)));
    let lost: BTreeMap<_, Vec<_>> = fewer
        .iter()
        .map(|(with, known)| {
            let lost = of_any(&all).difference(&of_any(known)).cloned().collect();
            (*with, lost)
        })
        .collect();
    insta::assert_debug_snapshot!("unknown_with_fewer_capabilities", lost);

    let mut meant = BTreeMap::new();
    for file in ["pods-before.json", "pods.json"] {
        let pods: Value = serde_json::from_str(&read(file)).expect("pods");
        meant.extend(names(&pods));
    }
    // Root's own are known without the second capability; another user's I/O needs both.
    let of_viewer = |known: &BTreeSet<(String, String)>| {
        known.iter().any(|(id, column)| {
            let name = meant.get(id).and_then(|names| names[3].as_deref());
            name == Some("fgm-viewer") && column == "io_rchar"
        })
    };
    assert!(of_viewer(&all), "the viewer's I/O");
    for (with, known) in &fewer {
        assert!(!of_viewer(known), "the viewer's I/O with {with:?}");
    }
    let content = Stored::open(&cluster.out("data")).read();
    let status = |name: &str| -> Value {
        serde_json::from_str(&read(name)).expect("the pod's status as the API server has it")
    };
    the_oom_kill_is_told(&content, &status("hog.json"));
    every_restart_is_told(&content, &status("crash.json"));
    let before = Stored::open(&cluster.out("before")).read();
    // What is missing afterwards would be the cost of a new version, or of a kill.
    let before = unique(before.keys());
    assert_holds(&unique(content.keys()), &before, "lost");
    let before_kill = Stored::open(&cluster.out("before-kill")).read();
    let before_kill = unique(before_kill.keys());
    assert!(before_kill.len() > before.len());
    assert_holds(&unique(content.keys()), &before_kill, "lost by a kill");
    the_consolidator_is_at_work(&cluster, &earlier);
    assert_orderly(&cluster.out("data"));
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
    assert!(meant.len() >= 12, "{meant:#?}");
}

/// Without being root it has merged an hour that a recorder left, deleted its minutes, and put aside
/// the one that is none: all others' rows are in the file of the hour.
fn the_consolidator_is_at_work(cluster: &Cluster, earlier: &Path) {
    // The file of the hour, and the reason beside what was put aside: of that user, for that group.
    assert_eq!(cluster.read("merged.txt"), "65532:65532 664\n".repeat(2));
    let mut minutes = files_below(&earlier.join("metrics"));
    minutes.sort();
    fs::remove_file(&minutes[0]).expect("the minute that was no file");
    let merged = Stored::open(&cluster.out("merged")).read();
    let meant = unique(Stored::open(earlier).read().keys());
    assert_eq!(unique(merged.keys()), meant);
    assert!(meant.len() > 10_000, "{}", meant.len());
    for table in ["metrics_60s", "metrics_600s"] {
        let made = files_below(&cluster.out("merged").join(table));
        assert_eq!(made.len(), 1, "{table}: {made:?}");
    }
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
    // No other pod has one, and the pod's cgroup outlives its container's.
    let moved_ms = content
        .rows_of(Table::Pods)
        .iter()
        .filter(|row| row.values.get(Metric::MemoryEventsOomKill) > Some(0))
        .map(|row| row.key.time_ms)
        .min()
        .expect("a row of its pod with the kill");
    let told_ms = kills.iter().map(|kill| kill.recorded_at_ms).min();
    let told_ms = told_ms.expect("an OOM kill") - moved_ms;
    assert!(told_ms <= 2 * TICK_MS, "told after {told_ms} ms");

    let with_reason = kills
        .iter()
        .filter(|kill| kill.detail["reason"] == "OOMKilled")
        .min_by_key(|kill| kill.revision)
        .expect("the reason");
    assert_eq!(with_reason.detail["exit_code"], 137, "{with_reason:#?}");
    let fields = hog["metadata"]["managedFields"].as_array().expect("fields");
    let written_ms = fields
        .iter()
        .filter(|field| field["manager"] == "kubelet")
        .filter_map(|field| field["time"].as_str())
        .filter_map(|time| time.parse::<Timestamp>().ok())
        .map(Timestamp::as_millisecond)
        .max()
        .expect("when the status was written");
    let reason_ms = with_reason.recorded_at_ms - written_ms;
    say(&format!(
        "OOM kill recorded {told_ms} ms after the tick in which its pod's counter had moved, its \
         reason {reason_ms} ms after the second in which the API server got it"
    ));
    // Kubernetes tells whole seconds.
    assert!(reason_ms <= 1000 + 2 * TICK_MS, "{reason_ms} ms");
}

const TICK_MS: i64 = 1000;

/// Two restarts so far, each after an exit with code 3.
fn every_restart_is_told(content: &Content, crash: &Value) {
    let last = id_of(&crash["status"]["containerStatuses"][0]["containerID"]);
    let rows = content.texts([column::CONTAINER_ID, column::POD_NAME]);
    let of_crash: BTreeSet<_> = rows
        .into_iter()
        .filter(|[_, pod]| pod.as_deref() == Some("crash"))
        .map(|[id, _]| id)
        .collect();
    let mut restarts: BTreeMap<String, EventRow> = BTreeMap::new();
    for event in content.events() {
        let newer = |known: &EventRow| known.revision < event.revision;
        let is_one = event.kind == "restarted" && of_crash.contains(&event.container_id);
        if is_one && restarts.get(&event.event_id).is_none_or(newer) {
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

/// By container ID, what the API server says.
fn names(pods: &Value) -> BTreeMap<String, Names> {
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
            // One that was started again has rows of both its instances.
            let earlier = &container["lastState"]["terminated"]["containerID"];
            let ids = [&container["containerID"], earlier];
            let labels = metadata.get("labels").map(Value::to_string);
            let names = [
                None,
                text(&metadata["namespace"]),
                text(&metadata["name"]),
                text(&container["name"]),
                text(hash).or_else(|| text(&metadata["uid"])),
                text(&status["qosClass"]),
                text(images[&container["name"].as_str()]),
                labels,
            ];
            for id in ids.into_iter().filter(|id| id.is_string()).map(id_of) {
                let mut names = names.clone();
                names[0] = Some(id.clone());
                meant.insert(id, names);
            }
        }
    }
    meant
}
