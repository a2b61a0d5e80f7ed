//! Stories of one container's processes, told by a fake `/proc`.

#![expect(clippy::unwrap_used, reason = "a test ends where it fails")]

use fgm_kernfile::Descriptors;
use fgm_model::{Metric, Values};
use fgm_proc::{BootTime, Listed, ProcReader, Processes, ReadLimits};
use fgm_testkit::proc_tree::{FakeProcess, ProcTree};
use std::time::Duration;

const PAGE: i64 = 4096;

/// A container, its processes and the clock.
struct Story {
    tree: ProcTree,
    reader: ProcReader,
    descriptors: Descriptors,
    processes: Processes,
    seconds: u64,
    values: Values,
}

impl Story {
    fn new(processes: Processes, limits: ReadLimits, kept: usize) -> Self {
        let tree = ProcTree::new().unwrap();
        let descriptors = Descriptors::new(kept);
        let reader = ProcReader::open(tree.path(), descriptors.clone(), limits).unwrap();
        Self {
            tree,
            reader,
            descriptors,
            processes,
            seconds: 1000,
            values: Values::default(),
        }
    }

    fn found() -> Self {
        Self::new(Processes::found(), ReadLimits::default(), 1000)
    }

    fn tick(&mut self, pids: &[u32]) {
        self.seconds += 1;
        let now = BootTime::after_boot(Duration::from_secs(self.seconds));
        self.reader.start_tick(now);
        self.processes
            .read(Listed::new(pids), &mut self.reader, now, &mut self.values);
    }

    fn get(&self, metric: Metric) -> Option<i64> {
        self.values.get(metric)
    }

    fn write(&self, process: &FakeProcess) {
        self.tree.write(process).unwrap();
    }

    /// A process that began after the last tick.
    fn young(&self, pid: u32) -> FakeProcess {
        FakeProcess::new(pid, self.seconds * 100 + 50)
    }
}

#[test]
fn sums_over_the_processes() {
    let mut story = Story::found();
    story.tick(&[]);
    assert_eq!(story.get(Metric::ProcessCount), Some(0));
    assert_eq!(story.get(Metric::MemoryRss), Some(0));
    assert_eq!(story.get(Metric::IoRchar), Some(0));
    for pid in [3, 7] {
        let mut process = FakeProcess::new(pid, 1);
        process.resident_pages = u64::from(pid);
        process.threads = (0..pid).map(|thread| (pid + thread, 0, 0)).collect();
        story.write(&process);
    }
    // As the kernel may list them: in no order, one of them twice.
    story.tick(&[7, 3, 7]);
    assert_eq!(story.get(Metric::ProcessCount), Some(2));
    assert_eq!(story.get(Metric::ProcessReadCount), Some(2));
    assert_eq!(story.get(Metric::MemoryRss), Some(10 * PAGE));
    assert_eq!(story.get(Metric::ThreadCount), Some(10));
}

#[test]
fn what_a_process_had_counts_if_it_began_under_our_eyes() {
    let mut old = FakeProcess::new(1, 5);
    old.rchar = 1_000_000;
    let mut story = Story::found();
    story.write(&old);
    story.tick(&[1]);
    assert_eq!(story.get(Metric::IoRchar), Some(0));
    // A new one counts whole, an old one that is moved in does not.
    let mut young = story.young(2);
    young.rchar = 30;
    let moved = FakeProcess {
        pid: 3,
        ..old.clone()
    };
    old.rchar += 7;
    story.write(&old);
    story.write(&young);
    story.write(&FakeProcess {
        threads: vec![(3, 0, 0)],
        ..moved
    });
    story.tick(&[1, 2, 3]);
    assert_eq!(story.get(Metric::IoRchar), Some(37));

    // In a container that was seen born the first ones count, if they are as young as it.
    let born = Processes::born(BootTime::after_boot(Duration::from_millis(1_000_900)));
    let mut story = Story::new(born, ReadLimits::default(), 1000);
    story.write(&FakeProcess {
        rchar: 5,
        ..FakeProcess::new(1, 100_080)
    });
    story.write(&FakeProcess {
        rchar: 100,
        ..FakeProcess::new(2, 50_000)
    });
    story.tick(&[1, 2]);
    assert_eq!(story.get(Metric::IoRchar), Some(5));
}

#[test]
fn the_sum_goes_on_after_a_restart() {
    let mut story = Story::found();
    let mut stored = Values::default();
    stored.set(Metric::IoRchar, Some(500));
    stored.set(Metric::ContextSwitchesVoluntary, Some(70));
    let stored_at = BootTime::after_boot(Duration::from_secs(990));
    story.processes.resume(&stored, Some(stored_at));
    // One ran while we did not, one began in that time.
    story.write(&FakeProcess {
        rchar: 9000,
        ..FakeProcess::new(1, 5)
    });
    story.write(&FakeProcess {
        rchar: 20,
        threads: vec![(2, 3, 0)],
        ..FakeProcess::new(2, 99_500)
    });
    story.tick(&[1, 2]);
    assert_eq!(story.get(Metric::IoRchar), Some(520));
    assert_eq!(story.get(Metric::ContextSwitchesVoluntary), Some(73));
}

#[test]
fn no_partial_sums() {
    let mut story = Story::found();
    story.write(&FakeProcess::new(1, 5));
    story.write(&FakeProcess::new(2, 5));
    story.tick(&[1, 2]);
    assert_eq!(story.get(Metric::MemoryRss), Some(20 * PAGE));

    // Listed as 0: outside our pid namespace.
    story.tick(&[1, 2, 0, 0]);
    assert_eq!(story.get(Metric::ProcessCount), Some(4));
    assert_eq!(story.get(Metric::ProcessReadCount), Some(2));
    for metric in [
        Metric::MemoryRss,
        Metric::ThreadCount,
        Metric::IoRchar,
        Metric::ContextSwitchesVoluntary,
    ] {
        assert_eq!(story.get(metric), None, "{}", metric.name());
    }
    let now = BootTime::after_boot(Duration::from_secs(story.seconds));
    for (listed, count) in [
        (Listed::new(&[1, 2]).with_outside(3), Some(5)),
        (Listed::new(&[1, 2]).incomplete(), None),
    ] {
        story
            .processes
            .read(listed, &mut story.reader, now, &mut story.values);
        assert_eq!(story.get(Metric::ProcessCount), count);
        assert_eq!(story.get(Metric::MemoryRss), None);
        assert_eq!(story.get(Metric::IoRchar), None);
    }
    story.tick(&[1, 2]);
    assert_eq!(story.get(Metric::MemoryRss), Some(20 * PAGE));

    // Garbage in one file: its field is unknown, the others are not.
    std::fs::write(story.tree.process(2).join("io"), "rchar: 5\nwch").unwrap();
    story.tick(&[1, 2]);
    assert_eq!(story.get(Metric::IoRchar), None);
    assert_eq!(story.get(Metric::MemoryRss), Some(20 * PAGE));
    assert_eq!(story.reader.refusals().unparsable(), 1);
    story.write(&FakeProcess {
        rchar: 11,
        ..FakeProcess::new(2, 5)
    });
    story.tick(&[1, 2]);
    assert_eq!(story.get(Metric::IoRchar), Some(11));
}

#[test]
fn a_refused_file_is_counted_and_makes_its_sum_unknown() {
    let mut story = Story::found();
    for pid in [1, 2] {
        story.write(&FakeProcess::new(pid, 5));
    }
    // A folder in the place of the file: the one refusal that root meets too.
    std::fs::remove_file(story.tree.process(2).join("io")).unwrap();
    std::fs::create_dir(story.tree.process(2).join("io")).unwrap();
    story.tick(&[1, 2]);
    assert_eq!(story.get(Metric::IoRchar), None);
    assert_eq!(story.get(Metric::IoWchar), None);
    assert_eq!(story.get(Metric::MemoryRss), Some(20 * PAGE));
    let refused: Vec<_> = story.reader.refusals().iter().collect();
    assert_eq!(refused, [(rustix::io::Errno::ISDIR, 1)]);
}

#[test]
fn a_kernel_without_io_accounting() {
    let mut story = Story::found();
    story.write(&FakeProcess::new(1, 5));
    std::fs::remove_file(story.tree.process(1).join("io")).unwrap();
    for _ in 0..3 {
        story.tick(&[1]);
        assert_eq!(story.get(Metric::IoRchar), None);
        assert_eq!(story.get(Metric::MemoryRss), Some(10 * PAGE));
    }
    assert_eq!(story.reader.refusals().iter().count(), 0);
}

#[test]
fn an_end_between_list_and_read_is_normal_and_a_hidden_process_is_unknown() {
    let mut story = Story::new(Processes::found(), ReadLimits::default(), 0);
    // Nothing was ever read here: it may as well be hidden.
    story.tick(&[1]);
    assert_eq!(story.get(Metric::MemoryRss), None);

    story.write(&FakeProcess::new(1, 5));
    let mut young = story.young(2);
    young.rchar = 40;
    story.write(&young);
    story.tick(&[1, 2]);
    assert_eq!(story.get(Metric::IoRchar), Some(40));
    // What was read stays.
    story.tree.remove(2).unwrap();
    story.tick(&[1, 2]);
    assert_eq!(story.get(Metric::MemoryRss), Some(10 * PAGE));
    assert_eq!(story.get(Metric::IoRchar), Some(40));
    assert_eq!(story.get(Metric::ProcessReadCount), Some(1));
    // Still listed: it did not end.
    story.tick(&[1, 2]);
    assert_eq!(story.get(Metric::MemoryRss), None);
    // Another process with that pid.
    let mut another = story.young(2);
    another.rchar = 5;
    story.write(&another);
    story.tick(&[1, 2]);
    assert_eq!(story.get(Metric::IoRchar), Some(45));
    assert_eq!(story.get(Metric::MemoryRss), Some(20 * PAGE));
}

#[test]
fn a_large_container_is_read_in_turns() {
    let limits = ReadLimits {
        processes_per_tick: 8,
        ..ReadLimits::default()
    };
    let mut story = Story::new(Processes::found(), limits, 1000);
    let pids: Vec<u32> = (1..=20).collect();
    for &pid in &pids {
        story.write(&FakeProcess::new(pid, 5));
    }
    let mut unknown = 0;
    loop {
        story.tick(&pids);
        assert_eq!(story.get(Metric::ProcessReadCount), Some(8));
        if story.get(Metric::MemoryRss).is_some() {
            break;
        }
        unknown += 1;
    }
    assert!((2..=3).contains(&unknown), "{unknown}");
    // Two rounds later each was read again.
    for &pid in &pids {
        story.write(&FakeProcess {
            resident_pages: 11,
            rchar: 1,
            ..FakeProcess::new(pid, 5)
        });
    }
    for _ in 0..3 {
        story.tick(&pids);
        assert!(story.get(Metric::MemoryRss).unwrap() > 200 * PAGE);
    }
    assert_eq!(story.get(Metric::MemoryRss), Some(220 * PAGE));
    assert_eq!(story.get(Metric::IoRchar), Some(20));
}

#[test]
fn a_pid_used_again_while_it_waits_for_its_turn_counts_whole() {
    let limits = ReadLimits {
        processes_per_tick: 1,
        ..ReadLimits::default()
    };
    let mut story = Story::new(Processes::found(), limits, 1000);
    for pid in 1..=4 {
        story.write(&FakeProcess::new(pid, 5));
    }
    // Each was read once; the first is next.
    for _ in 0..4 {
        story.tick(&[1, 2, 3, 4]);
    }
    assert_eq!(story.get(Metric::IoRchar), Some(0));
    let mut another = story.young(4);
    another.rchar = 70;
    story.write(&another);
    for _ in 0..4 {
        story.tick(&[1, 2, 3, 4]);
    }
    assert_eq!(story.get(Metric::IoRchar), Some(70));
}

#[test]
fn context_switches_of_all_threads() {
    let mut story = Story::found();
    let mut process = FakeProcess::new(10, 5);
    process.threads = vec![(10, 100, 50), (11, 100, 50), (12, 100, 50)];
    story.write(&process);
    story.tick(&[10]);
    assert_eq!(story.get(Metric::ContextSwitchesVoluntary), Some(0));
    // One thread ends, another begins, the others work on.
    process.threads = vec![(10, 101, 50), (12, 102, 57), (13, 1000, 0)];
    story.write(&process);
    for _ in 0..9 {
        story.tick(&[10]);
        assert_eq!(story.get(Metric::ContextSwitchesVoluntary), Some(0));
    }
    story.tick(&[10]);
    assert_eq!(story.get(Metric::ContextSwitchesVoluntary), Some(1003));
    assert_eq!(story.get(Metric::ContextSwitchesInvoluntary), Some(7));
}

#[test]
fn context_switches_beyond_the_budget_are_unknown() {
    let limits = ReadLimits {
        threads_per_second: 4,
        ..ReadLimits::default()
    };
    let mut story = Story::new(Processes::found(), limits, 1000);
    let threads = |count: u32| (10..10 + count).map(|id| (id, 5, 5)).collect::<Vec<_>>();
    // Four in each second: 40 threads take ten seconds.
    let mut process = FakeProcess {
        threads: threads(40),
        ..FakeProcess::new(10, 5)
    };
    story.write(&process);
    for _ in 0..9 {
        story.tick(&[10]);
        assert_eq!(story.get(Metric::ContextSwitchesVoluntary), None);
    }
    for _ in 0..40 {
        story.tick(&[10]);
        assert_eq!(story.get(Metric::ContextSwitchesVoluntary), Some(0));
    }
    process.threads = threads(41);
    story.write(&process);
    for _ in 0..30 {
        story.tick(&[10]);
    }
    assert_eq!(story.get(Metric::ContextSwitchesVoluntary), None);
    assert_eq!(story.get(Metric::ThreadCount), Some(41));
    process.threads = threads(3);
    story.write(&process);
    for _ in 0..2 {
        story.tick(&[10]);
    }
    assert_eq!(story.get(Metric::ContextSwitchesVoluntary), Some(0));
}

#[test]
fn the_shared_budget_of_threads_reaches_every_container_in_turn() {
    let limits = ReadLimits {
        all_threads_per_second: 2,
        ..ReadLimits::default()
    };
    let mut story = Story::found();
    let mut reader = ProcReader::open(story.tree.path(), Descriptors::new(100), limits).unwrap();
    let mut containers: Vec<_> = (1..=10_u32).map(|pid| (pid, Processes::found())).collect();
    for &(pid, _) in &containers {
        story.write(&FakeProcess::new(pid, 5));
    }
    for _ in 0..5 {
        story.seconds += 1;
        let now = BootTime::after_boot(Duration::from_secs(story.seconds));
        reader.start_tick(now);
        let mut known = 0;
        for (pid, processes) in &mut containers {
            processes.read(Listed::new(&[*pid]), &mut reader, now, &mut story.values);
            known += usize::from(story.values.get(Metric::ContextSwitchesVoluntary).is_some());
        }
        let ticks = usize::try_from(story.seconds - 1000).unwrap();
        assert_eq!(known, 2 * ticks);
    }
}

#[test]
fn no_descriptor_is_left_behind() {
    let mut story = Story::found();
    for generation in 0..50_u32 {
        let pids: Vec<u32> = (1..=20).map(|pid| pid * 100 + generation % 7).collect();
        for &pid in &pids {
            story.write(&story.young(pid));
        }
        story.tick(&pids);
        assert_eq!(story.descriptors.kept(), 3 * pids.len());
        assert_eq!(story.processes.len(), pids.len());
    }
    story.tick(&[]);
    assert_eq!(story.descriptors.kept(), 0);
    story.tick(&[100]);
    assert!(story.descriptors.kept() > 0);
    story.processes = Processes::found();
    assert_eq!(story.descriptors.kept(), 0);
}
