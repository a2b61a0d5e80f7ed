//! What may happen to the data directory: no space, a file system that turns read-only, a second
//! recorder, and an end by signal.

#![expect(
    clippy::unwrap_used,
    reason = "a failed expectation is how a story fails"
)]

use fgm_stories::fgm::Fgm;
use fgm_stories::guest::Guest;
use fgm_stories::stored::{Stored, assert_orderly, files_below};
use fgm_stories::wait_for;
use fgm_testkit::cgroup_tree::{CgroupTree, Layout};
use rustix::process::Signal;
use std::collections::HashSet;
use std::fs;
use std::path::Path;
use std::process::Command;

const FLAGS: &[&str] = &["--interval", "100ms", "--pss-budget", "off"];

fn start(tree: &CgroupTree, data_dir: &Path) -> Fgm {
    let root = tree.root().to_str().unwrap();
    Fgm::start(data_dir, &[FLAGS, &["--cgroup-root", root]].concat())
}

fn tree_with_a_container() -> CgroupTree {
    let tree = CgroupTree::new();
    tree.make_container(Layout::DockerSystemd, 5_000_001);
    tree
}

fn count(log: &str, part: &str) -> usize {
    log.lines().filter(|line| line.contains(part)).count()
}

/// Waits until rows of that many ticks are on disk.
fn wait_for_ticks(data_dir: &Path, ticks: usize) {
    let mut stored = Stored::open(data_dir);
    wait_for("ticks on disk", || {
        (stored.read().keys().len() >= ticks).then_some(())
    });
}

/// The three chapters of `disk.sh`: a full disk, too little free space by the flag, and a file
/// system that turns read-only.
#[test]
fn a_full_and_a_read_only_disk_are_survived_and_said_once() {
    let Some(guest) = Guest::new() else { return };
    let Some(console) = guest.run(include_str!("disk.sh")) else {
        return;
    };
    let log = |name: &str| {
        let log = guest.read(name).unwrap();
        assert!(!log.contains("panicked"), "{log}");
        log
    };
    let full = log("full.log");
    assert_eq!(count(&full, "rows are lost"), 1, "{full}");
    assert_eq!(
        count(&full, "No space left on device"),
        count(&full, "free space on that file system")
    );
    assert_eq!(count(&full, "recording again"), 1, "{full}");
    assert!(count(&full, "ERROR") <= 2, "said more than once: {full}");

    let guarded = log("guarded.log");
    assert_eq!(count(&guarded, "too little free disk"), 1, "{guarded}");
    assert_eq!(count(&guarded, "enough free disk again"), 1, "{guarded}");

    let read_only = log("read-only.log");
    assert_eq!(count(&read_only, "rows are lost"), 1, "{read_only}");
    assert!(
        read_only.contains("make the file system writable"),
        "{read_only}"
    );
    assert_eq!(count(&read_only, "recording again"), 1, "{read_only}");
    assert!(
        count(&read_only, "ERROR") <= 2,
        "said more than once: {read_only}"
    );

    let refused = log("refused.log");
    assert_eq!(refused.lines().count(), 1, "{refused}");
    assert!(
        refused.starts_with("error: ") && refused.contains("choose another --data-dir"),
        "{refused}"
    );

    for name in ["small", "disk"] {
        let data_dir = guest.folder().join(name);
        assert_orderly(&data_dir);
        let keys = Stored::open(&data_dir).read().keys();
        let unique: HashSet<_> = keys.iter().collect();
        assert_eq!(unique.len(), keys.len(), "a row of {name} is there twice");
        // Rows from before and after each trouble, told by the script.
        let troubles = console.lines().filter_map(|line| {
            line.strip_prefix(name)?
                .strip_prefix(" was in trouble from ")
        });
        let mut judged = 0;
        for trouble in troubles {
            let (begin, end) = trouble.trim().split_once(" to ").unwrap();
            let [begin, end] = [begin, end].map(|second| second.parse::<i64>().unwrap() * 1000);
            assert!(
                keys.iter().any(|key| key.time_ms < begin),
                "nothing before {trouble}"
            );
            assert!(
                keys.iter().any(|key| key.time_ms > end),
                "nothing after {trouble}"
            );
            judged += 1;
        }
        assert_eq!(judged, if name == "small" { 2 } else { 1 }, "{console}");
    }
}

#[test]
fn a_second_recorder_waits_and_then_names_the_first() {
    let tree = tree_with_a_container();
    let folder = tempfile::tempdir().unwrap();
    let first = start(&tree, folder.path());
    first.wait_until_ready();
    let mut second = start(&tree, folder.path());
    let answer = wait_for("the second to listen", || second.get("/readyz"));
    assert_eq!(answer.status, 503);
    assert!(answer.text().contains("lock"), "{}", answer.text());
    assert!(second.runs(), "it did not wait: {}", second.log());

    let status = second.wait();
    assert_eq!(status.code(), Some(1));
    let log = second.log();
    let named = format!("is in use by another recorder (pid {})", first.pid());
    assert_eq!(count(&log, &named), 1, "{log}");
    assert_eq!(count(&log, "error: "), 1, "{log}");
    assert!(log.contains("--data-dir"), "{log}");
    assert_eq!(first.get("/readyz").map(|answer| answer.status), Some(200));
    first.stop();
    assert_orderly(folder.path());
}

/// A roll-out overlaps: the new one is not ready, and goes on when the old one ends.
#[test]
fn a_second_recorder_goes_on_where_the_first_ends() {
    let tree = tree_with_a_container();
    let folder = tempfile::tempdir().unwrap();
    let first = start(&tree, folder.path());
    wait_for_ticks(folder.path(), 3);
    let second = start(&tree, folder.path());
    wait_for("the second to listen", || second.get("/readyz"));
    first.stop();
    second.wait_until_ready();
    second.stop();
    assert_orderly(folder.path());
    let content = Stored::open(folder.path()).read();
    let keys = content.keys();
    let unique: HashSet<_> = keys.iter().collect();
    assert_eq!(unique.len(), keys.len(), "a row is there twice");
    let kinds: Vec<_> = content
        .events()
        .into_iter()
        .map(|event| event.kind)
        .filter(|kind| kind.starts_with("recorder_"))
        .collect();
    let one = ["recorder_started", "recorder_stopped"];
    assert_eq!(kinds, [one, one].concat());
}

#[test]
fn sigterm_drains_and_seals() {
    let tree = tree_with_a_container();
    let folder = tempfile::tempdir().unwrap();
    let fgm = start(&tree, folder.path());
    wait_for_ticks(folder.path(), 5);
    // With the default --seal nothing was sealed yet.
    assert!(files_below(&folder.path().join("metrics")).is_empty());
    let log = fgm.stop();
    assert!(log.contains("stopping"), "{log}");
    assert_orderly(folder.path());
    let content = Stored::open(folder.path()).read();
    assert!(content.keys().len() >= 5);
    let events = content.events();
    assert_eq!(events.last().unwrap().kind, "recorder_stopped");
}

/// What hinders the drain here is a kernel file that does not answer.
#[test]
fn a_second_signal_ends_at_once_and_loses_nothing() {
    let tree = tree_with_a_container();
    let folder = tempfile::tempdir().unwrap();
    let mut fgm = start(&tree, folder.path());
    wait_for_ticks(folder.path(), 5);
    let stuck = tree.make("/aside").directory().to_owned();
    fs::remove_file(stuck.join("memory.stat")).unwrap();
    let made = Command::new("mkfifo")
        .arg(stuck.join("memory.stat"))
        .status();
    assert!(made.unwrap().success());
    let id = format!("{:064x}", 7);
    fs::rename(
        &stuck,
        tree.root().join(format!("system.slice/docker-{id}.scope")),
    )
    .unwrap();
    wait_for("a thread that waits for the file", || {
        waits_for_a_pipe(fgm.pid()).then_some(())
    });

    fgm.signal(Signal::TERM);
    wait_for("the drain", || fgm.log().contains("stopping").then_some(()));
    assert!(fgm.runs());
    let spooled = Stored::open(folder.path()).read().keys();
    fgm.signal(Signal::TERM);
    assert_eq!(fgm.wait().code(), Some(130), "{}", fgm.log());

    fs::remove_dir_all(tree.root().join(format!("system.slice/docker-{id}.scope"))).unwrap();
    let next = start(&tree, folder.path());
    next.wait_until_ready();
    next.stop();
    assert_orderly(folder.path());
    let keys: HashSet<_> = Stored::open(folder.path())
        .read()
        .keys()
        .into_iter()
        .collect();
    assert!(spooled.len() >= 5 && spooled.iter().all(|key| keys.contains(key)));
}

/// Whether a thread of that process has opened a pipe that nobody writes to.
fn waits_for_a_pipe(pid: u32) -> bool {
    fs::read_dir(format!("/proc/{pid}/task"))
        .unwrap()
        .filter_map(|thread| fs::read_to_string(thread.ok()?.path().join("wchan")).ok())
        .any(|place| place.contains("wait_for_partner") || place.contains("fifo_open"))
}
