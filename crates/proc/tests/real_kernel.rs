//! Runs in a guest with a kernel of its own:
//!
//! ```text
//! CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUNNER="../shared/testbed/uml-run --" \
//!     cargo test -p fgm-proc --test real_kernel -- --ignored
//! ```

#![expect(clippy::unwrap_used, reason = "a test ends where it fails")]

use fgm_kernfile::Descriptors;
use fgm_model::{Metric, Values};
use fgm_proc::{BootTime, Listed, ProcReader, Processes, Pss, PssConfig, ReadLimits};
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(60);
const MIB: i64 = 1 << 20;

/// A process group that is ended when dropped.
struct Group(Child);

impl Group {
    /// Starts it and waits until it has said so many lines.
    fn start(program: &str, arguments: &[&str], lines: usize) -> Self {
        let mut child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .process_group(0)
            .spawn()
            .unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let said = output.lines().take(lines).count();
        assert_eq!(said, lines, "{program} ended early");
        Self(child)
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let group = rustix::process::Pid::from_child(&self.0);
        let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        let _ = self.0.wait();
    }
}

fn children_of(pid: u32) -> Vec<u32> {
    let text = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
    text.split_whitespace()
        .map(|pid| pid.parse().unwrap())
        .collect()
}

/// Ticks until every process was scanned.
fn pss_of(pids: &[u32]) -> Values {
    let descriptors = Descriptors::new(100);
    let mut reader =
        ProcReader::open(Path::new("/proc"), descriptors, ReadLimits::default()).unwrap();
    let mut processes = Processes::found();
    // The guest's page faults and clocks are slow: what is tested is the sum, not the budget.
    let config = PssConfig {
        largest: None,
        ..PssConfig::default()
    };
    let mut pss = Pss::start(Path::new("/proc"), config).unwrap();
    let mut values = Values::default();
    let begun = Instant::now();
    loop {
        let now = BootTime::now();
        reader.start_tick(now);
        processes.read(Listed::new(pids), &mut reader, now, &mut values);
        pss.fill(&processes, now, &mut values, &mut Vec::new());
        pss.end_tick();
        if values.get(Metric::MemoryPss).is_some() {
            return values;
        }
        assert!(begun.elapsed() < PATIENCE, "{pids:?} were not all scanned");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// The sum of a line of `smaps_rollup` in bytes, read by hand.
fn by_hand(pids: &[u32], key: &str) -> i64 {
    let of = |pid: &u32| {
        let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap();
        let line = text.lines().find(|line| line.starts_with(key)).unwrap();
        let kilobytes: i64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
        kilobytes * 1024
    };
    pids.iter().map(of).sum()
}

fn assert_near(ours: Option<i64>, by_hand: i64) {
    let ours = ours.unwrap();
    // A page or two may be touched between the two reads, and kilobytes are cut.
    assert!(
        (ours - by_hand).abs() <= 64 << 10,
        "{ours} against {by_hand}"
    );
}

#[test]
#[ignore = "runs in the guest: see the head of this file"]
fn pss_of_memory_that_a_fork_shares() {
    // A shell with 24 MiB that forks: both have them, neither has written since. (What runs
    // behind a shell is given /dev/null to read from, so the child waits at a copy of its input.)
    let script = "x=$(head -c 25165824 /dev/zero | tr '\\0' a); echo made; exec 3<&0
        (echo child; read line <&3) & echo forked; read line; echo $x | wc -c";
    let shell = Group::start("sh", &["-c", script], 3);
    let parent = shell.0.id();
    let children = children_of(parent);
    assert_eq!(children.len(), 1);
    let pids = [parent, children[0]];
    let values = pss_of(&pids);
    for (metric, key) in [
        (Metric::MemoryPss, "Pss:"),
        (Metric::MemoryPssAnon, "Pss_Anon:"),
        (Metric::MemoryPssFile, "Pss_File:"),
        (Metric::MemoryPssShmem, "Pss_Shmem:"),
    ] {
        assert_near(values.get(metric), by_hand(&pids, key));
    }
    let rss = values.get(Metric::MemoryRss).unwrap();
    assert_near(Some(rss), by_hand(&pids, "Rss:"));
    let pss = values.get(Metric::MemoryPss).unwrap();
    assert!(rss >= 48 * MIB, "the child does not share: {rss}");
    assert!((24 * MIB..rss - 20 * MIB).contains(&pss), "{pss} of {rss}");
    // One of the two alone has half.
    let half = pss_of(&pids[..1]).get(Metric::MemoryPss).unwrap();
    assert!((12 * MIB..20 * MIB).contains(&half), "{half}");
}

#[test]
#[ignore = "runs in the guest: see the head of this file"]
fn pss_of_private_memory() {
    let hog = Group::start("hog", &["mem", "32", "100"], 1);
    let pids = [hog.0.id()];
    let values = pss_of(&pids);
    assert_near(values.get(Metric::MemoryPss), by_hand(&pids, "Pss:"));
    assert_near(
        values.get(Metric::MemoryPssAnon),
        by_hand(&pids, "Pss_Anon:"),
    );
    let anon = values.get(Metric::MemoryPssAnon).unwrap();
    assert!((32 * MIB..34 * MIB).contains(&anon), "{anon}");
}
