use super::*;
use crate::identity::{Named, Source};
use fgm_model::Instance;
use prometheus_client::registry::Registry;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Instant;

/// Far longer than inotify takes: reached only when what is waited for never comes.
const NEVER: Duration = Duration::from_secs(60);

fn pod(uid: &str, app: &str, restarts: i64) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": { "name": format!("pod-{uid}"), "namespace": "lab", "uid": uid, "labels": { "app": app } },
        "spec": { "containers": [{ "name": "app", "image": "fgm-workload" }] },
        "status": { "containerStatuses": [{
            "name": "app", "image": "fgm-workload", "imageID": "", "ready": true,
            "restartCount": restarts, "containerID": format!("fgm-lab://{uid}-{restarts}"),
            "state": { "running": { "startedAt": "2026-11-23T08:00:00Z" } },
        }] },
    })
}

struct Bed {
    dir: tempfile::TempDir,
    pods: Pods,
    metrics: IdentityMetrics,
}

impl Bed {
    fn new() -> Self {
        Self {
            dir: tempfile::tempdir().expect("a directory"),
            pods: Pods::new(true, Duration::ZERO),
            metrics: IdentityMetrics::new(&mut Registry::default()),
        }
    }

    fn folder(&self) -> PathBuf {
        self.dir.path().join("pods")
    }

    fn write(&self, uid: &str, content: &[u8]) {
        let hidden = self.folder().join(format!(".{uid}.tmp"));
        fs::write(&hidden, content).expect("written");
        fs::rename(hidden, self.folder().join(format!("{uid}.json"))).expect("renamed");
    }

    fn name(&self, uid: &str, restarts: i64) -> Option<Arc<Named>> {
        self.pods.name(&Instance {
            container_id: format!("{uid}-{restarts}"),
            life: "life".to_owned(),
            pod_uid: Some(uid.to_owned()),
            ..Instance::default()
        })
    }

    /// Waits, with the directory being followed, until that holds.
    async fn until(&self, what: &str, holds: impl Fn() -> bool) {
        let began = Instant::now();
        while !holds() {
            assert!(began.elapsed() < NEVER, "never: {what}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

fn run(bed: &Bed, story: impl Future<Output = ()>) {
    let folder = bed.folder();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.expect("a runtime").block_on(async {
        tokio::select! {
            () = follow(&folder, &bed.pods, &bed.metrics) => {}
            () = story => {}
        }
    });
}

#[test]
fn files_come_are_replaced_and_go() {
    let bed = Bed::new();
    run(&bed, async {
        bed.until("out of step", || bed.metrics.notice().is_some())
            .await;
        assert!(bed.pods.staleness().has_source);
        fs::create_dir(bed.folder()).expect("made");
        bed.until("in step", || bed.metrics.notice().is_none())
            .await;
        assert_eq!(bed.pods.staleness().stale, Duration::ZERO);

        bed.write("one", pod("one", "web", 0).to_string().as_bytes());
        bed.write("two", pod("two", "db", 0).to_string().as_bytes());
        bed.until("two pods", || bed.pods.staleness().pods == 2)
            .await;
        let named = bed.name("one", 0).expect("known");
        assert_eq!(named.pod_labels.as_deref(), Some(r#"{"app":"web"}"#));

        bed.write("one", pod("one", "web", 1).to_string().as_bytes());
        let restarted = || {
            bed.name("one", 1)
                .is_some_and(|named| named.container_name.is_some())
        };
        bed.until("restarted", restarted).await;

        fs::remove_file(bed.folder().join("one.json")).expect("removed");
        bed.until("one is gone", || bed.pods.staleness().pods == 1)
            .await;
        assert!(
            bed.name("one", 1).is_some(),
            "its last rows may not be sealed"
        );
    });
}

#[test]
fn a_file_that_is_no_pod_leaves_the_rest_alone() {
    let bed = Bed::new();
    fs::create_dir(bed.folder()).expect("made");
    bed.write("one", pod("one", "web", 0).to_string().as_bytes());
    run(&bed, async {
        bed.until("one pod", || bed.pods.staleness().pods == 1)
            .await;
        bed.write("one", b"{ \"metadata\": ");
        bed.write("none", b"{}");
        fs::write(bed.folder().join("readme.txt"), b"not looked at").expect("written");
        bed.write("two", pod("two", "db", 0).to_string().as_bytes());
        bed.until("two pods", || bed.pods.staleness().pods == 2)
            .await;
        assert!(bed.name("one", 0).is_some(), "what was last known holds");
    });
    let error = read(
        &bed.folder().join("none.json"),
        &fs::metadata(bed.folder().join("none.json")).expect("there"),
    );
    let error = error.expect_err("no pod").to_string();
    assert!(
        error.contains("metadata.uid or metadata.name is missing"),
        "{error}"
    );
    assert!(error.contains("kubectl get pod -o json"), "{error}");
}

#[test]
fn a_directory_that_is_made_anew_is_followed() {
    let bed = Bed::new();
    fs::create_dir(bed.folder()).expect("made");
    bed.write("one", pod("one", "web", 0).to_string().as_bytes());
    let mut looked = Looked::default();
    looked
        .look(&bed.folder(), &bed.pods, &bed.metrics)
        .expect("there");
    assert_eq!(bed.pods.staleness().pods, 1);
    fs::remove_dir_all(bed.folder()).expect("removed");
    let error = looked.look(&bed.folder(), &bed.pods, &bed.metrics);
    assert!(error.expect_err("gone").to_string().contains("cannot list"));
    fs::create_dir(bed.folder()).expect("made");
    looked
        .look(&bed.folder(), &bed.pods, &bed.metrics)
        .expect("there");
    assert_eq!(bed.pods.staleness().pods, 0);
}

#[test]
fn flags_choose_the_source() {
    use clap::Parser;
    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        config: crate::config::Config,
    }
    let of = |arguments: &[&str]| {
        let cli = Cli::parse_from([&["fgm"], arguments].concat());
        Source::of(&cli.config)
    };
    assert_eq!(of(&[]), Source::None);
    assert_eq!(of(&["--kubeconfig", "k"]), Source::Kubeconfig("k".into()));
    assert_eq!(
        of(&["--kubeconfig", "k", "--pods-dir", "d"]),
        Source::Directory("d".into())
    );
}
