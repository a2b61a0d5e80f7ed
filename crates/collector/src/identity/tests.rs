use super::*;
use serde_json::json;

const SEAL: Duration = Duration::from_secs(60);

fn pod(uid: &str, container_id: Option<&str>) -> Pod {
    let statuses = container_id.map(|id| {
        json!([{
            "name": "app", "image": "i", "imageID": "", "ready": true, "restartCount": 0,
            "containerID": format!("containerd://{id}"),
        }])
    });
    serde_json::from_value(json!({
        "metadata": { "name": format!("pod-{uid}"), "namespace": "ns", "uid": uid },
        "spec": { "containers": [{
            "name": "app", "image": "i",
            "resources": { "requests": { "cpu": "100m", "memory": "64Mi" } },
        }] },
        "status": { "qosClass": "Burstable", "containerStatuses": statuses },
    }))
    .expect("a Pod object")
}

fn instance(container_id: &str, pod_uid: Option<&str>) -> Instance {
    Instance {
        container_id: container_id.to_owned(),
        life: "0123".to_owned(),
        cgroup_path: format!("/kubepods/{container_id}"),
        pod_uid: pod_uid.map(str::to_owned),
        ..Instance::default()
    }
}

/// "rows recorded before the answer are completed when they are sealed", and `started` gets a
/// new revision, also of an instance that ended before.
#[test]
fn a_name_that_comes_late_is_told_once_and_kept_for_the_seal() {
    let pods = Pods::new(true, SEAL);
    let found = instance("id", Some("uid"));
    assert_eq!(pods.name(&found), None);
    assert_eq!(pods.late("id", "0123"), None);
    assert_eq!(pods.staleness().unnamed, 1);

    let version = pods.version();
    pods.apply(&pod("uid", None));
    assert_ne!(pods.version(), version);
    let told = pods.take_named();
    assert_eq!(told.len(), 1, "its pod, at least");
    assert_eq!(told[0].pod_name.as_deref(), Some("pod-uid"));
    assert_eq!(told[0].container_name, None);
    assert_eq!(pods.staleness().unnamed, 1);
    let named = pods.name(&found).expect("its pod is known");
    assert_eq!(
        named.resources,
        Resources::default(),
        "not those of the whole pod"
    );

    pods.apply(&pod("uid", Some("id")));
    let told = pods.take_named();
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].container_name.as_deref(), Some("app"));
    assert_eq!(pods.take_named(), []);
    assert_eq!(pods.staleness().unnamed, 0);

    pods.delete(&pod("uid", Some("id")));
    pods.forget();
    let late = pods.late("id", "0123").expect("kept for the seal");
    assert_eq!(late.container_name.as_deref(), Some("app"));
    assert_eq!(late.qos_class, Some(fgm_model::QosClass::Burstable));
    assert_eq!(late.cgroup_path, "/kubepods/id");
    assert_eq!(pods.late("id", "another life"), None);
}

#[test]
fn what_is_known_at_birth_waits_for_nothing() {
    let pods = Pods::new(true, SEAL);
    pods.apply(&pod("uid", Some("id")));
    let named = pods.name(&instance("id", Some("uid"))).expect("known");
    assert_eq!(named.resources.cpu_request_millicores, Some(100));
    assert_eq!(pods.staleness().unnamed, 0);
    assert_eq!(pods.take_named(), []);
}

#[test]
fn a_pod_cgroup_bears_the_name_of_its_pod() {
    let pods = Pods::new(true, SEAL);
    let mut found = instance("0123456789", Some("uid"));
    found.life = "0123".to_owned();
    assert_eq!(pods.name(&found), None);
    assert_eq!(pods.questions().0, [], "nothing that a runtime knows of");
    pods.apply(&pod("uid", None));
    let named = pods.name(&found).expect("known");
    assert_eq!(named.container_name, None);
    assert_eq!(named.resources.memory_request_bytes, Some(64 << 20));
    assert_eq!(pods.staleness().unnamed, 0);
}

#[test]
fn a_pod_counts_more_than_a_runtime_which_fills_in() {
    let pods = Pods::new(true, SEAL);
    let found = instance("id", Some("uid"));
    assert_eq!(pods.name(&found), None);
    let question = pods.questions().0.remove(0);
    let by_runtime = Named {
        container_name: Some("of the runtime".to_owned()),
        ..Named::default()
    };
    pods.answer(&question, by_runtime);
    let name = || {
        let named = pods.name(&found).expect("known");
        (named.pod_name.clone(), named.container_name.clone())
    };
    let text = |text: &str| Some(text.to_owned());
    assert_eq!(name(), (None, text("of the runtime")));
    pods.apply(&pod("uid", None));
    assert_eq!(name(), (text("pod-uid"), text("of the runtime")));
    pods.apply(&pod("uid", Some("id")));
    assert_eq!(name(), (text("pod-uid"), text("app")));
    assert_eq!(pods.questions(), (Vec::new(), None), "it is answered");
}

#[test]
fn without_a_source_only_what_has_no_name_is_asked_for() {
    let pods = Pods::new(false, SEAL);
    let mut unit = instance("hash", None);
    unit.container_name = Some("nginx.service".to_owned());
    assert_eq!(pods.name(&unit), None);
    let mut lab = instance("hash", Some("uid"));
    lab.container_name = Some("app".to_owned());
    assert_eq!(pods.name(&lab), None);
    assert_eq!(pods.questions(), (Vec::new(), None));
    assert_eq!(pods.name(&instance("id", None)), None);
    let (questions, next_us) = pods.questions();
    assert_eq!(questions.len(), 1);
    assert!(next_us.is_some(), "a file may be written a moment later");
    assert_eq!(pods.staleness().stale, Duration::ZERO);
}

#[test]
fn a_sandbox_waits_for_no_name() {
    let pods = Pods::new(true, SEAL);
    let found = instance("id", Some("uid"));
    assert_eq!(pods.name(&found), None);
    pods.left_out(&found);
    assert_eq!(pods.staleness().unnamed, 0);
}

#[test]
fn the_last_status_of_a_deleted_pod_counts() {
    let pods = Pods::new(true, SEAL);
    pods.apply(&pod("uid", Some("id")));
    assert_eq!(pods.take_statuses(), []);
    let mut gone = pod("uid", Some("id"));
    let state = json!({ "terminated": {
        "containerID": "containerd://id", "exitCode": 137, "signal": 9, "reason": "OOMKilled",
        "startedAt": "2026-11-23T08:00:04Z", "finishedAt": "2026-11-23T08:10:00Z",
    } });
    let statuses = gone
        .status
        .as_mut()
        .and_then(|of| of.container_statuses.as_mut());
    statuses.expect("one")[0].state = serde_json::from_value(state).expect("a state");
    pods.delete(&gone);
    let mut told = pods.take_statuses();
    assert!(told[0].observed_at_ms > 0);
    told[0].observed_at_ms = 0;
    insta::assert_debug_snapshot!(told);
    assert_eq!(pods.take_statuses(), []);
    assert_eq!(pods.staleness().pods, 0);
}

#[test]
fn what_waits_is_bounded() {
    let pods = Pods::new(true, SEAL);
    for number in 0..3000 {
        assert_eq!(pods.name(&instance(&number.to_string(), Some("uid"))), None);
    }
    assert_eq!(pods.staleness().unnamed, 2048);
    pods.apply(&pod("uid", Some("2999")));
    assert!(pods.late("2999", "0123").is_some());
    assert_eq!(pods.late("0", "0123"), None, "given up");
}

#[test]
fn names_are_stale_from_the_start_until_in_step() {
    let pods = Pods::new(true, SEAL);
    std::thread::sleep(Duration::from_millis(2));
    assert!(pods.staleness().stale > Duration::ZERO);
    pods.keep_only(&HashSet::new());
    assert_eq!(pods.staleness().stale, Duration::ZERO);
    pods.out_of_step();
    std::thread::sleep(Duration::from_millis(2));
    assert!(pods.staleness().stale > Duration::ZERO);
}
