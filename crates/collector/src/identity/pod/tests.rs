use super::*;
use serde_json::{Value, json};

fn pod(json: &str) -> Pod {
    serde_json::from_str(json).expect("a Pod object")
}

fn every_role() -> PodInfo {
    PodInfo::of(&pod(include_str!("fixtures/every-role.json"))).expect("is kept")
}

/// Init, sidecar, regular and ephemeral containers, as a server of 1.33 and later gives them.
#[test]
fn every_role_of_a_container() {
    insta::assert_debug_snapshot!(every_role());
}

/// The cgroup of a static pod has the kubelet's hash in its name, not the mirror pod's UID.
#[test]
fn a_static_pod() {
    let info = PodInfo::of(&pod(include_str!("fixtures/static.json")));
    insta::assert_debug_snapshot!(info.expect("is kept"));
}

#[test]
fn restarts_of_the_instance_before_the_latest_are_one_less() {
    let counts: Vec<_> = every_role()
        .containers
        .iter()
        .flat_map(|container| &container.terminations)
        .map(|ended| {
            let id = ended.container_id.clone();
            (id.chars().last(), ended.restart_count)
        })
        .collect();
    // `log` waits to be restarted: the one that ended is the latest.
    assert_eq!(counts, [(Some('1'), 0), (Some('3'), 2), (Some('5'), 1)]);
}

fn with_resources(spec: Value) -> Resources {
    let pod = json!({
        "metadata": { "name": "p", "uid": "u" },
        "spec": spec,
    });
    let pod: Pod = serde_json::from_value(pod).expect("a Pod object");
    PodInfo::of(&pod).expect("is kept").named.resources
}

#[test]
fn what_a_pod_requests_is_what_the_scheduler_reckons_with() {
    let cpu = |cpu: &str| json!({ "requests": { "cpu": cpu }, "limits": { "cpu": cpu } });
    let spec = json!({
        "initContainers": [
            { "name": "first", "resources": cpu("1") },
            { "name": "sidecar", "restartPolicy": "Always", "resources": cpu("200m") },
            { "name": "second", "resources": cpu("900m") },
        ],
        "containers": [
            { "name": "a", "resources": cpu("300m") },
            { "name": "b", "resources": cpu("400m") },
        ],
    });
    let resources = with_resources(spec);
    // The second init container runs beside the sidecar: 1100m; a, b and the sidecar need 900m.
    assert_eq!(resources.cpu_request_millicores, Some(1100));
    assert_eq!(resources.cpu_limit_millicores, Some(1100));
    assert_eq!(resources.memory_request_bytes, None);

    let spec = json!({
        "containers": [{ "name": "a", "resources": cpu("1") }, { "name": "b" }],
    });
    let resources = with_resources(spec);
    assert_eq!(resources.cpu_request_millicores, Some(1000));
    assert_eq!(resources.cpu_limit_millicores, None, "b has no limit");

    let spec = json!({
        "resources": { "requests": { "cpu": "3" } },
        "containers": [{ "name": "a", "resources": cpu("1") }],
    });
    assert_eq!(with_resources(spec).cpu_request_millicores, Some(3000));
}

#[test]
fn what_is_no_pod_is_not_kept() {
    for metadata in [
        json!({}),
        json!({ "name": "p" }),
        json!({ "uid": "u", "name": "" }),
    ] {
        let pod = serde_json::from_value(json!({ "metadata": metadata })).expect("parses");
        assert_eq!(PodInfo::of(&pod), None);
    }
}

#[test]
fn labels_are_bounded() {
    let labels: BTreeMap<_, _> = (0..5000)
        .map(|number| (format!("label-{number:05}"), "v".repeat(63)))
        .collect();
    let json = labels_json(&labels).expect("some");
    assert!(json.len() <= MOST_LABEL_BYTES, "{}", json.len());
    let kept: BTreeMap<String, String> = serde_json::from_str(&json).expect("JSON");
    assert!(kept.len() > 100 && kept.contains_key("label-00000"));
}
