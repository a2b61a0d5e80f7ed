//! The lab against a cluster with a kubelet and containerd: all nodes behind one origin, and
//! scenarios with a verdict by what the viewers tell.

use fgm_stories::cluster::{Cluster, TOKEN};
use fgm_stories::needs::say;
use fgm_stories::programs;
use std::collections::HashSet;

const LOGS: [&str; 4] = [
    "viewer.log",
    "oom-kill.log",
    "crash-loop.log",
    "interrupted.log",
];

#[test]
fn nodes_are_seen_and_scenarios_judged_through_port_forwards() {
    let Some(cluster) = Cluster::new() else {
        return;
    };
    cluster.put("token", TOKEN);
    cluster.put_program(&programs::fgm_lab());
    cluster.put_program(&programs::fgm_workload());
    cluster.image("fgm-workload");
    let Some(()) = cluster.run(include_str!("cluster_lab.sh"), &LOGS) else {
        return;
    };
    let read = |name: &str| cluster.read(name);

    // The gateway: who has the token sees every node, and nobody else any.
    for name in ["nodes", "nodes-after-rollout", "nodes-after-kill"] {
        let answer = read(name);
        assert!(answer.ends_with("\n200\n"), "{name}: {answer}");
        assert!(answer.contains("\"up\":true"), "{name}: {answer}");
    }
    let meta = read("meta");
    assert!(meta.contains("\"base\":\"/node/"), "{meta}");
    let found = read("found");
    assert!(found.contains("\"name\":\"fgm-viewer\""), "{found}");
    assert!(found.contains("\"failed\":[]"), "{found}");
    for name in ["stranger", "other"] {
        let answer = read(name);
        assert!(answer.ends_with("\n401\n"), "{name}: {answer}");
    }
    assert_eq!(read("viewer.rc"), "0\n", "{}", read("viewer.log"));

    for name in ["oom-kill", "crash-loop"] {
        let log = read(&format!("{name}.log"));
        say(&log);
        assert_eq!(read(&format!("{name}.rc")), "0\n", "{name}:\n{log}");
        assert!(log.contains("in the lab's cluster"), "{log}");
        assert!(log.contains("PASS: "), "{log}");
        // Where to look, as the gateway has it.
        assert!(log.contains("look: http://127.0.0.1:8050/node/"), "{log}");
    }
    // What a container wrote is told after the next one has taken its place; by who follows, once.
    let said = |name: &str| {
        let text = read(name);
        let lines = text.lines().map(str::to_owned);
        let said: Vec<_> = lines
            .filter(|line| line.starts_with("crash-loop/crashing | ") && line.contains("status 42"))
            .collect();
        (said, text)
    };
    let (once, text) = said("logs");
    assert!(!once.is_empty(), "{text}");
    let (followed, text) = said("followed");
    assert!(followed.len() >= 2, "{text}");
    assert_eq!(
        followed.iter().collect::<HashSet<_>>().len(),
        followed.len(),
        "{text}"
    );
    let status = read("status");
    assert!(status.contains("restarts"), "{status}");
    assert!(status.contains("with the viewers of its nodes"), "{status}");

    // Ctrl-C gives the usual status, and everything is taken away.
    assert_eq!(
        read("interrupted.rc"),
        "130\n",
        "{}",
        read("interrupted.log")
    );
    let namespaces = read("namespaces");
    assert!(namespaces.contains("fine-grained-monitor"), "{namespaces}");
    assert!(!namespaces.contains("namespace/fgm-"), "{namespaces}");
}
