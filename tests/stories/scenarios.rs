//! `fgm-lab scenario`: experiments on this machine and on a kernel where limits hold.

use fgm_stories::api_server::ApiServer;
use fgm_stories::guest::Guest;
use fgm_stories::needs::say;
use fgm_stories::process::Killable;
use fgm_stories::{programs, wait_for};
use std::path::Path;
use std::process::Command;

const SCRIPT: &str = include_str!("scenarios.sh");
const NAMES: [&str; 7] = [
    "oom-kill",
    "memory-leak",
    "cpu-throttle",
    "memory-pressure",
    "crash-loop",
    "sigpipe-crash",
    "noisy-neighbour",
];

#[test]
fn every_scenario_passes_on_a_real_kernel() {
    let Some(guest) = Guest::new() else { return };
    guest.put(&programs::fgm_lab());
    guest.put(&programs::fgm_workload());
    let Some(_) = guest.run(SCRIPT) else { return };
    let read = |name: &str| guest.read(name).unwrap_or_default();
    for name in NAMES {
        let log = read(&format!("{name}.log"));
        say(&log);
        assert_eq!(read(&format!("{name}.rc")), "0\n", "{name}:\n{log}");
        assert!(log.contains("PASS: "), "{log}");
        assert!(!log.contains("limits are not set"), "{log}");
    }
    let unlimited = read("unlimited.log");
    assert_eq!(read("unlimited.rc"), "0\n", "{unlimited}");
    let note = "limits are not set here: cpu 200m of crash-loop/crashing, memory 64Mi of \
                crash-loop/crashing; the cgroup v2 tree at /sys/fs/cgroup has no controller for cpu and memory";
    assert!(unlimited.contains(note), "{unlimited}");
    assert!(
        read("interrupted.log").contains("interrupted"),
        "{}",
        read("interrupted.log")
    );
    let status = read("status");
    assert!(status.contains("cannot understand"), "{status}");
    for (state, number) in [("passed", 8), ("stopped", 2)] {
        let found = status
            .lines()
            .filter(|line| line.starts_with(state))
            .count();
        assert_eq!(found, number, "{status}");
    }

    // What is expected of an OOM kill does not hold for a leak, and the table says so.
    let other = read("other.log");
    assert_eq!(read("other.rc"), "1\n", "{other}");
    let row = other
        .lines()
        .find(|line| line.contains("main-killed"))
        .unwrap();
    assert!(
        row.starts_with("FAIL") && row.contains("no rows recorded"),
        "{other}"
    );
    let row = other
        .lines()
        .find(|line| line.contains("beyond-its-limit"))
        .unwrap();
    assert!(row.starts_with("PASS"), "{other}");
    assert!(other.contains("FAIL: 2 of 5 hold"), "{other}");
}

/// No kubelet runs them there; but each object is what the server takes, and what stands in a
/// Secret of `deploy.yaml` is not what a run has.
#[test]
fn a_real_api_server_takes_every_object() {
    let Some(server) = ApiServer::start() else {
        return;
    };
    let said = server.kubectl(&["create", "namespace", "dry"], "");
    assert!(said.contains("created"), "{said}");
    let folders = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios");
    let mut taken = 0;
    for folder in std::fs::read_dir(folders).unwrap() {
        let text = std::fs::read_to_string(folder.unwrap().path().join("deploy.yaml")).unwrap();
        let apply = [
            "-n",
            "dry",
            "apply",
            "--dry-run=server",
            "--validate=true",
            "-f",
            "-",
        ];
        let said = server.kubectl(&apply, &text);
        let objects = text.matches("\nkind: ").count() + usize::from(text.starts_with("kind: "));
        let created = said
            .lines()
            .filter(|line| line.ends_with("created (server dry run)"));
        assert_eq!(created.count(), objects, "{said}");
        taken += objects;
    }
    say(&format!("{taken} objects of scenarios are taken"));
    assert!(taken > 15);

    let folder = tempfile::tempdir().unwrap();
    let context = server.kubectl(&["config", "current-context"], "");
    let mut command = Command::new(programs::fgm_lab());
    command
        .args(["scenario", "run", "todo-app", "--context", context.trim()])
        .arg("--data-dir")
        .arg(folder.path())
        .env("KUBECONFIG", server.kubeconfig("admin"))
        .env("XDG_STATE_HOME", folder.path());
    let mut run = Killable::start(command);
    // The last one that is made.
    wait_for("the deployments", || {
        let list = server.kubectl(&["get", "deployments", "-A", "-o", "name"], "");
        list.contains("todo-load").then_some(())
    });
    let secret = "-o=jsonpath={.items[*].data.password}";
    let secret = server.kubectl(&["get", "secrets", "-A", secret], "");
    // 32 letters in base64, and not "manual".
    assert_eq!(secret.trim().len(), 44, "{secret}");
    run.kill();
}
