//! Names from a real API server: the watch, what it survives, and what it must not read.
//!
//! Pods are made by hand and their status written as a kubelet would; the recorder's identity
//! runs in this process and is asked as the tick thread asks it.

#![expect(
    clippy::expect_used,
    reason = "a failed expectation is how a story fails"
)]

use clap::Parser;
use fgm_collector::config::Config;
use fgm_collector::health::Health;
use fgm_collector::identity::{Identity, Named};
use fgm_model::Instance;
use fgm_stories::api_server::{ApiServer, Line, Wire};
use fgm_stories::fgm::metric;
use fgm_stories::needs::say;
use fgm_stories::wait_for;
use futures_util::{StreamExt, stream};
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::serde_json::{Value, from_value, json};
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;

const NODE: &str = "node-1";

#[derive(Parser)]
struct Cli {
    #[command(flatten)]
    config: Config,
}

/// Identity as `fgm` runs it.
struct Names {
    identity: Identity,
    health: Health,
}

impl Names {
    fn start(kubeconfig: &Path) -> Self {
        let health = Health::new(Duration::from_secs(1));
        let file = kubeconfig.to_str().expect("UTF-8");
        let cli = Cli::parse_from(["fgm", "--kubeconfig", file]);
        let identity = Identity::start(&cli.config, NODE, &health).expect("starts");
        Self { identity, health }
    }

    fn pods(&self) -> usize {
        self.identity.pods().staleness().pods
    }

    fn in_step(&self) -> bool {
        self.identity.pods().staleness().stale == Duration::ZERO
    }

    fn wait_in_step(&self) {
        wait_for("names in step", || self.in_step().then_some(()));
    }

    fn name(&self, uid: &str, container_id: &str) -> Option<Arc<Named>> {
        self.identity.pods().name(&Instance {
            container_id: container_id.to_owned(),
            life: "life".to_owned(),
            pod_uid: Some(uid.to_owned()),
            ..Instance::default()
        })
    }

    fn metric(&self, name: &str) -> f64 {
        metric(&self.health.metrics_text(), name).unwrap_or_default()
    }

    fn errors(&self, trouble: &str) -> f64 {
        self.metric(&format!(
            "fgm_identity_errors_total{{trouble=\"{trouble}\"}}"
        ))
    }
}

/// The administrator, who makes pods and plays the kubelet.
struct Admin {
    runtime: Runtime,
    api: Api<Pod>,
}

impl Admin {
    fn of(server: &ApiServer) -> Self {
        let runtime = Runtime::new().expect("a runtime");
        let api = runtime.block_on(async {
            let kubeconfig = Kubeconfig::read_from(server.kubeconfig("admin")).expect("there");
            let options = KubeConfigOptions::default();
            let config = kube::Config::from_custom_kubeconfig(kubeconfig, &options).await;
            let client = Client::try_from(config.expect("usable")).expect("a client");
            Api::namespaced(client, "default")
        });
        Self { runtime, api }
    }

    /// Makes a pod of one container and gives its UID.
    fn make(&self, name: &str, node: &str) -> String {
        self.runtime.block_on(make(&self.api, name, node, 1))
    }

    fn make_many(&self, names: impl Iterator<Item = String>, node: &str, containers: usize) {
        let made = stream::iter(names)
            .map(|name| async move { make(&self.api, &name, node, containers).await })
            .buffer_unordered(16);
        self.runtime.block_on(made.count());
    }

    fn status(&self, name: &str, status: &Value) {
        self.runtime.block_on(set_status(&self.api, name, status));
    }

    fn delete(&self, name: &str) {
        let at_once = DeleteParams::default().grace_period(0);
        let deleted = self.runtime.block_on(self.api.delete(name, &at_once));
        deleted.expect("deleted");
    }
}

async fn make(api: &Api<Pod>, name: &str, node: &str, containers: usize) -> String {
    let containers: Vec<_> = (0..containers)
        .map(|number| {
            json!({
                "name": format!("app-{number}"), "image": "localhost/busy:1",
                "resources": { "requests": { "cpu": "10m" } },
            })
        })
        .collect();
    let pod: Pod = from_value(json!({
        "metadata": { "name": name, "labels": { "app": name } },
        "spec": { "nodeName": node, "containers": containers },
    }))
    .expect("a Pod object");
    let made = api
        .create(&PostParams::default(), &pod)
        .await
        .expect("made");
    made.metadata.uid.expect("a UID")
}

async fn set_status(api: &Api<Pod>, name: &str, status: &Value) {
    let patch = Patch::Merge(json!({ "status": status }));
    let set = api
        .patch_status(name, &PatchParams::default(), &patch)
        .await;
    set.expect("set");
}

fn running(ids: &[String]) -> Value {
    let statuses: Vec<_> = ids
        .iter()
        .enumerate()
        .map(|(number, id)| {
            json!({
                "name": format!("app-{number}"), "image": "localhost/busy:1", "imageID": "", "ready": true,
                "restartCount": 0, "containerID": format!("containerd://{id}"),
                "state": { "running": { "startedAt": "2026-11-23T08:00:00Z" } },
            })
        })
        .collect();
    json!({ "phase": "Running", "qosClass": "Burstable", "containerStatuses": statuses })
}

fn running_one(id: &str) -> Value {
    running(&[id.to_owned()])
}

fn container(named: Option<Arc<Named>>) -> Option<String> {
    named?.container_name.clone()
}

#[test]
fn names_are_watched_and_other_nodes_are_not() {
    let Some(server) = ApiServer::start() else {
        return;
    };
    let admin = Admin::of(&server);
    admin.make_many((0..2000).map(|n| format!("other-{n}")), "node-2", 1);
    admin.make_many((0..3).map(|n| format!("own-{n}")), NODE, 1);
    let names = Names::start(&server.kubeconfig("viewer"));
    names.wait_in_step();
    assert_eq!(names.pods(), 3, "of 2,003");

    let uid = admin.make("web", NODE);
    wait_for("the pod", || (names.pods() == 4).then_some(()));
    let named = names.name(&uid, "aa01").expect("its pod is known");
    assert_eq!(named.pod_name.as_deref(), Some("web"));
    assert_eq!(named.container_name, None, "no status has told that ID");
    admin.status("web", &running_one("aa01"));
    let named = wait_for("the container", || {
        names
            .name(&uid, "aa01")
            .filter(|named| named.container_name.is_some())
    });
    assert_eq!(named.container_name.as_deref(), Some("app-0"));
    assert_eq!(named.namespace.as_deref(), Some("default"));
    assert_eq!(named.pod_labels.as_deref(), Some(r#"{"app":"web"}"#));
    assert_eq!(named.resources.cpu_request_millicores, Some(10));
    let late = names.identity.pods().take_named();
    assert_eq!(
        late.last()
            .and_then(|named| named.container_name.as_deref()),
        Some("app-0")
    );

    // It is killed and started again: a new ID of the same container.
    admin.status(
        "web",
        &json!({ "containerStatuses": [{
        "name": "app-0", "image": "localhost/busy:1", "imageID": "", "ready": true,
        "restartCount": 1, "containerID": "containerd://aa02",
        "state": { "running": { "startedAt": "2026-11-23T08:01:00Z" } },
        "lastState": { "terminated": {
            "containerID": "containerd://aa01", "exitCode": 137, "signal": 9, "reason": "OOMKilled",
            "startedAt": "2026-11-23T08:00:00Z", "finishedAt": "2026-11-23T08:00:59Z",
        } },
    }] }),
    );
    let restarted = wait_for("the restart", || {
        names
            .name(&uid, "aa02")
            .filter(|named| named.container_name.is_some())
    });
    assert_eq!(restarted.restart_count, Some(1));
    assert_eq!(
        container(names.name(&uid, "aa01")),
        Some("app-0".to_owned())
    );
    let [ended] = &names.identity.pods().take_statuses()[..] else {
        panic!("one end is told");
    };
    assert_eq!(
        (ended.container_id.as_str(), ended.exit_code),
        ("aa01", 137)
    );
    assert_eq!(ended.reason.as_deref(), Some("OOMKilled"));
    assert_eq!(ended.finished_at_ms.map(|ms| ms % 60_000), Some(59_000));

    admin.delete("web");
    wait_for("the deletion", || (names.pods() == 3).then_some(()));
    assert!(names.in_step());
    assert_eq!(names.metric("fgm_identity_relists_total"), 1.0);
}

#[test]
fn a_server_that_is_away_is_waited_for_and_what_was_missed_is_made_up() {
    let Some(server) = ApiServer::start() else {
        return;
    };
    let admin = Admin::of(&server);
    let kept = admin.make("kept", NODE);
    admin.status("kept", &running_one("bb01"));
    admin.make("deleted", NODE);

    let address = server.address();
    let wire = Wire::to(address, Line::Cut);
    let names = Names::start(&wire.kubeconfig(&server.kubeconfig("viewer"), address));
    wait_for("a failure", || {
        (names.errors("unreachable") >= 1.0).then_some(())
    });
    assert!(!names.in_step());
    assert_eq!(
        names.name(&kept, "bb01"),
        None,
        "recording goes on with the ID"
    );
    let notice = names.health.notice().expect("a person is told");
    assert!(notice.contains("does not answer"), "{notice}");

    // A server that accepts and does not answer, for a while.
    wire.set(Line::Slow);
    std::thread::sleep(Duration::from_secs(1));
    wire.set(Line::Open);
    names.wait_in_step();
    assert_eq!(names.pods(), 2);
    assert_eq!(names.health.notice(), None);
    let late = names.identity.pods().take_named();
    assert_eq!(late.len(), 1, "asked for before, named now");

    wire.set(Line::Cut);
    wait_for("the cut", || (!names.in_step()).then_some(()));
    admin.delete("deleted");
    let made = admin.make("made", NODE);
    admin.status("made", &running_one("bb02"));
    assert_eq!(
        container(names.name(&kept, "bb01")),
        Some("app-0".to_owned()),
        "still known"
    );
    assert_eq!(names.name(&made, "bb02"), None);
    wire.set(Line::Open);
    names.wait_in_step();
    assert_eq!(names.pods(), 2);
    assert_eq!(
        container(names.name(&made, "bb02")),
        Some("app-0".to_owned())
    );
    assert!(names.metric("fgm_identity_relists_total") >= 2.0);
}

/// "410 Gone": of several servers, one that started later does not remember what was seen last.
#[test]
fn an_expired_version_leads_to_a_new_list() {
    let Some(server) = ApiServer::start() else {
        return;
    };
    let admin = Admin::of(&server);
    admin.make("one", NODE);
    admin.make("two", NODE);
    let address = server.address();
    let wire = Wire::to(address, Line::Open);
    let names = Names::start(&wire.kubeconfig(&server.kubeconfig("viewer"), address));
    names.wait_in_step();
    assert_eq!(names.pods(), 2);
    // Versions go on, of which this watch learns nothing, and the next server starts from there.
    admin.make("elsewhere", "node-2");
    let made = server.kubectl(&["create", "configmap", "something"], "");
    assert!(made.contains("created"), "{made}");
    let other = server.start_another();
    wire.lead_to(other);
    server.end_first(other);
    wait_for("the refusal", || {
        (names.errors("expired") >= 1.0).then_some(())
    });
    names.wait_in_step();
    assert_eq!(names.pods(), 2);
    Admin::of(&server).delete("two");
    wait_for("the deletion", || (names.pods() == 1).then_some(()));
    assert_eq!(names.health.notice(), None);
    say(&format!(
        "410 Gone {} times, unreachable {} times, {} lists",
        names.errors("expired"),
        names.errors("unreachable"),
        names.metric("fgm_identity_relists_total")
    ));
}

#[test]
fn without_the_role_one_clear_message_and_with_it_names() {
    let Some(server) = ApiServer::start() else {
        return;
    };
    let admin = Admin::of(&server);
    admin.make("web", NODE);
    let names = Names::start(&server.kubeconfig("nobody"));
    wait_for("the refusal", || {
        (names.errors("forbidden") >= 1.0).then_some(())
    });
    let notice = names.health.notice().expect("a person is told");
    for part in [
        "forbids",
        "get, list and watch pods",
        "kind/base/rbac.yaml",
        "recording goes on",
    ] {
        assert!(notice.contains(part), "{part}: {notice}");
    }
    assert_eq!(names.pods(), 0);

    let rbac = Path::new(env!("CARGO_MANIFEST_DIR")).join("../kind/base/rbac.yaml");
    server.kubectl(&["create", "namespace", "fine-grained-monitor"], "");
    let applied = server.kubectl(&["apply", "-f", rbac.to_str().expect("UTF-8")], "");
    assert_eq!(applied.matches("created").count(), 3, "{applied}");
    let account = "--as=system:serviceaccount:fine-grained-monitor:fgm";
    for (verb, what, part, answer) in [
        ("watch", "pods", "", "yes"),
        ("delete", "pods", "", "no"),
        ("get", "pods", "log", "no"),
        ("list", "secrets", "", "no"),
        ("list", "nodes", "", "no"),
    ] {
        let part = format!("--subresource={part}");
        let said = server.kubectl(&["auth", "can-i", verb, what, &part, account, "-A"], "");
        let last = said.lines().last().unwrap_or_default().to_owned();
        assert_eq!(last, answer, "{verb} {what}: {said}");
    }
    let names = Names::start(&server.account("fine-grained-monitor", "fgm"));
    names.wait_in_step();
    assert_eq!(names.pods(), 1);
}

#[test]
fn a_renewed_token_is_taken() {
    let Some(server) = ApiServer::start() else {
        return;
    };
    Admin::of(&server).make("web", NODE);
    let viewer = std::fs::read_to_string(server.kubeconfig("viewer")).expect("there");
    let token = viewer
        .lines()
        .find_map(|line| line.split_once("token:"))
        .map(|(_, token)| token.trim().trim_matches('"').to_owned())
        .expect("a token");
    let token_file = server.kubeconfig("viewer").with_extension("token");
    std::fs::write(&token_file, "expired").expect("written");
    let rotating = viewer
        .lines()
        .map(|line| match line.split_once("token:") {
            Some((before, _)) => format!("{before}tokenFile: {}", token_file.display()),
            None => line.to_owned(),
        })
        .collect::<Vec<_>>()
        .join("\n");
    let path = server.kubeconfig("rotating");
    std::fs::write(&path, rotating).expect("written");
    let names = Names::start(&path);
    wait_for("the refusal", || {
        (names.errors("unauthorized") >= 1.0).then_some(())
    });
    std::fs::write(&token_file, token).expect("written");
    names.wait_in_step();
    assert_eq!(names.pods(), 1);
}

/// 500 containers in 10 s; the figure is printed, the bound is one that only a fault exceeds.
#[test]
fn five_hundred_births_in_ten_seconds_are_named_at_once() {
    let Some(server) = ApiServer::start() else {
        return;
    };
    let admin = Admin::of(&server);
    let names = Names::start(&server.kubeconfig("viewer"));
    names.wait_in_step();
    let pods: Vec<String> = (0..50).map(|n| format!("burst-{n}")).collect();
    admin.make_many(pods.iter().cloned(), NODE, 10);
    wait_for("the pods", || (names.pods() == 50).then_some(()));
    let mut unnamed: HashMap<String, Instant> = HashMap::new();
    let mut latencies: Vec<Duration> = Vec::new();
    let began = Instant::now();
    let mut look = |unnamed: &mut HashMap<String, Instant>| {
        unnamed.retain(|id, known| {
            let waits = names.name("another", id).is_none();
            if !waits {
                latencies.push(known.elapsed());
            }
            waits
        });
    };
    for (number, pod) in (0_u32..).zip(&pods) {
        let ids: Vec<String> = (0..10).map(|n| format!("cc{number:02}{n}")).collect();
        admin.status(pod, &running(&ids));
        // The API server knows them from here on at the latest.
        let known = Instant::now();
        unnamed.extend(ids.into_iter().map(|id| (id, known)));
        while began.elapsed() < Duration::from_millis(200) * (number + 1) {
            look(&mut unnamed);
            std::thread::sleep(Duration::from_millis(1));
        }
    }
    wait_for("all names", || {
        look(&mut unnamed);
        unnamed.is_empty().then_some(())
    });
    latencies.sort_unstable();
    assert_eq!(latencies.len(), 500);
    say(&format!(
        "500 containers born in {:.1?}: named after {:.1?} (median), {:.1?} (p99), {:.1?} (worst)",
        began.elapsed(),
        latencies[250],
        latencies[495],
        latencies[499]
    ));
    assert!(
        latencies[499] < Duration::from_secs(30),
        "{:?}",
        latencies[499]
    );
}

/// What identity costs at 250 containers, in a process that does nothing else:
/// `cargo test --release -p fgm-stories --test api_server -- --ignored --nocapture figures`.
#[test]
#[ignore = "measures for a minute; run it alone"]
fn figures() {
    if let Some(kubeconfig) = std::env::var_os("FIGURES_KUBECONFIG") {
        measure(&PathBuf::from(kubeconfig));
        return;
    }
    let Some(server) = ApiServer::start() else {
        return;
    };
    let admin = Admin::of(&server);
    let pods: Vec<String> = (0..50).map(|n| format!("pod-{n}")).collect();
    admin.make_many(pods.iter().cloned(), NODE, 5);
    let ids = |number: usize| {
        (0..5)
            .map(|n| format!("dd{number:02}{n}"))
            .collect::<Vec<_>>()
    };
    for (number, pod) in pods.iter().enumerate() {
        admin.status(pod, &running(&ids(number)));
    }
    let own = std::env::current_exe().expect("this program");
    let mut child = std::process::Command::new(own)
        .args(["--ignored", "--exact", "--nocapture", "figures"])
        .env("FIGURES_KUBECONFIG", server.kubeconfig("viewer"))
        .spawn()
        .expect("started");
    // A status changes each second, as on a node that is busy with restarts.
    for second in 0.. {
        if child.try_wait().expect("asked").is_some() {
            break;
        }
        let number = second % pods.len();
        let mut status = running(&ids(number));
        status["containerStatuses"][0]["ready"] = json!(second / pods.len() % 2 == 1);
        admin.status(&pods[number], &status);
        std::thread::sleep(Duration::from_secs(1));
    }
    assert!(child.wait().expect("ended").success());
}

fn measure(kubeconfig: &Path) {
    let memory = || {
        let status = std::fs::read_to_string("/proc/self/status").expect("there");
        let of = |name: &str| -> i64 {
            let line = status
                .lines()
                .find(|line| line.starts_with(name))
                .expect("a line");
            line.split_whitespace()
                .nth(1)
                .expect("a number")
                .parse()
                .expect("a number")
        };
        (of("RssAnon:"), of("RssFile:"))
    };
    let before = memory();
    let names = Names::start(kubeconfig);
    names.wait_in_step();
    assert_eq!(names.pods(), 50);
    let listed = memory();
    std::thread::sleep(Duration::from_secs(11));
    let cpu = names.metric("fgm_identity_cpu_seconds_total");
    std::thread::sleep(Duration::from_secs(60));
    let spent = names.metric("fgm_identity_cpu_seconds_total") - cpu;
    let after = memory();
    say(&format!(
        "identity of 250 containers: {:.4} % of a core with a change each second, first list {:.1} ms; \
         anonymous memory {} kB (after the list {} kB), pages of code {} kB",
        spent / 60.0 * 100.0,
        cpu * 1000.0,
        after.0 - before.0,
        listed.0 - before.0,
        after.1 - before.1,
    ));
}
