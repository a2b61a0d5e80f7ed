//! The PSS of a container over its scans, told by a fake `/proc`.

#![expect(clippy::unwrap_used, reason = "a test ends where it fails")]

use fgm_kernfile::Descriptors;
use fgm_model::{Metric, Values};
use fgm_proc::{BootTime, Listed, ProcReader, Processes, Pss, PssConfig, PssSkipped, ReadLimits};
use fgm_testkit::proc_tree::{FakeProcess, ProcTree};
use std::time::{Duration, Instant};

/// Where something must happen sooner or later, a test waits no longer.
const PATIENCE: Duration = Duration::from_secs(60);

struct Story {
    tree: ProcTree,
    reader: ProcReader,
    processes: Processes,
    pss: Pss,
    values: Values,
    skipped: Vec<PssSkipped>,
}

impl Story {
    fn new() -> Self {
        let tree = ProcTree::new().unwrap();
        let descriptors = Descriptors::new(100);
        let reader = ProcReader::open(tree.path(), descriptors, ReadLimits::default()).unwrap();
        let pss = Pss::start(tree.path(), PssConfig::default()).unwrap();
        Self {
            tree,
            reader,
            processes: Processes::found(),
            pss,
            values: Values::default(),
            skipped: Vec::new(),
        }
    }

    fn tick(&mut self, pids: &[u32]) -> Option<i64> {
        let now = BootTime::now();
        self.reader.start_tick(now);
        self.processes
            .read(Listed::new(pids), &mut self.reader, now, &mut self.values);
        self.pss
            .fill(&self.processes, now, &mut self.values, &mut self.skipped);
        self.pss.end_tick();
        self.values.get(Metric::MemoryPss)
    }

    fn tick_until(&mut self, pids: &[u32], mut done: impl FnMut(&Self) -> bool) {
        let begun = Instant::now();
        while !done(self) {
            assert!(begun.elapsed() < PATIENCE, "it never came");
            self.tick(pids);
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    fn pss_kb(&self) -> Option<i64> {
        self.values.get(Metric::MemoryPss).map(|bytes| bytes / 1024)
    }
}

#[test]
fn null_until_each_was_scanned_then_the_sum_over_those_that_live() {
    let mut story = Story::new();
    for pid in [1, 2, 3] {
        story.tree.write(&FakeProcess::new(pid, 5)).unwrap();
    }
    story.tree.write_smaps_rollup(1, 40, 10).unwrap();
    story.tree.write_smaps_rollup(2, 40, 20).unwrap();
    story.tick_until(&[1, 2], |story| story.pss_kb() == Some(30));
    // The third has no answer to give.
    story.tick_until(&[1, 2, 3], |story| story.pss.usage().failed_scans > 0);
    assert_eq!(story.tick(&[1, 2, 3]), None);
    assert_eq!(story.values.get(Metric::MemoryPssAgeMs), None);
    // One goes: its part goes at once.
    story.tick(&[2]);
    assert_eq!(story.pss_kb(), Some(20));
    // What did not change is not scanned again.
    story.tree.write_smaps_rollup(2, 40, 99).unwrap();
    let scans = story.pss.usage().scans;
    let age = |story: &Story| story.values.get(Metric::MemoryPssAgeMs).unwrap();
    story.tick_until(&[2], |story| age(story) > 1200);
    assert_eq!(story.pss_kb(), Some(20));
    assert_eq!(story.pss.usage().scans, scans);
    // What did is, and its age begins anew.
    let begun = Instant::now();
    let changed = FakeProcess {
        minor_faults: 1,
        ..FakeProcess::new(2, 5)
    };
    story.tree.write(&changed).unwrap();
    story.tick_until(&[2], |story| story.pss_kb() == Some(99));
    assert!(u128::from(age(&story).unsigned_abs()) <= begun.elapsed().as_millis());
    // A process of another start is another one.
    story.tree.write(&FakeProcess::new(2, 6)).unwrap();
    assert_eq!(story.tick(&[2]), None);
    // An empty container has nothing.
    assert_eq!(story.tick(&[]), Some(0));
}

#[test]
fn without_an_address_space_there_is_nothing_to_scan() {
    let mut story = Story::new();
    let zombie = FakeProcess {
        size_pages: 0,
        resident_pages: 0,
        shared_pages: 0,
        ..FakeProcess::new(1, 5)
    };
    story.tree.write(&zombie).unwrap();
    assert_eq!(story.tick(&[1]), Some(0));
    assert_eq!(story.values.get(Metric::MemoryPssAgeMs), Some(0));
    assert_eq!(story.pss.followed(), 0);
}

#[test]
fn a_large_process_stays_null_and_is_told_once() {
    let mut story = Story::new();
    let large = FakeProcess {
        resident_pages: 8 << 18,
        ..FakeProcess::new(1, 5)
    };
    story.tree.write(&large).unwrap();
    story.tree.write_smaps_rollup(1, 8 << 20, 8 << 20).unwrap();
    story.tick_until(&[1], |story| !story.skipped.is_empty());
    for faults in 1..5 {
        let large = FakeProcess {
            minor_faults: faults,
            ..large.clone()
        };
        story.tree.write(&large).unwrap();
        assert_eq!(story.tick(&[1]), None);
    }
    assert_eq!(story.skipped.len(), 1);
    let skipped = story.skipped[0];
    assert_eq!(skipped.key.pid, 1);
    assert_eq!(skipped.resident_bytes, 8 << 30);
    assert!(skipped.predicted_cost > Duration::from_millis(50));
    assert_eq!(story.pss.usage().skipped, 1);
    assert_eq!(story.pss.usage().scans, 0);
}

#[test]
fn one_that_cannot_be_read_makes_the_sum_null() {
    let mut story = Story::new();
    story.tree.write(&FakeProcess::new(1, 5)).unwrap();
    story.tree.write_smaps_rollup(1, 40, 10).unwrap();
    story.tick_until(&[1], |story| story.pss_kb() == Some(10));
    assert_eq!(story.tick(&[1, 0]), None);
    // A folder in the place of the file: the one refusal that root meets too.
    story.tree.write(&FakeProcess::new(2, 5)).unwrap();
    std::fs::create_dir(story.tree.process(2).join("smaps_rollup")).unwrap();
    story.tick_until(&[1, 2], |story| story.pss.refusals().iter().count() > 0);
    assert_eq!(story.tick(&[1, 2]), None);
    assert_eq!(
        story.pss.refusals().iter().next().map(|(errno, _)| errno),
        Some(rustix::io::Errno::ISDIR)
    );
}

#[test]
fn it_stops_when_dropped() {
    for _ in 0..20 {
        let mut story = Story::new();
        story.tree.write(&FakeProcess::new(1, 5)).unwrap();
        story.tick(&[1]);
        // Drop joins the thread: that this test ends is what it shows.
        drop(story);
    }
}
