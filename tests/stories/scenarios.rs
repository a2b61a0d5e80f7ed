//! `fgm-lab scenario`: experiments on this machine and on a kernel where limits hold.

use fgm_stories::guest::Guest;
use fgm_stories::needs::say;
use fgm_stories::programs;

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
