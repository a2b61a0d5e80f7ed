//! Real children of this test: what they write is seen, and nothing of them is left behind.

#![expect(clippy::unwrap_used, reason = "a test ends where it fails")]

use fgm_kernfile::Descriptors;
use fgm_model::{Metric, Values};
use fgm_proc::{BootTime, Listed, ProcReader, Processes, Pss, PssConfig, ReadLimits};
use std::fs;
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const PROC: &str = "/proc";
/// Where something must happen sooner or later, a test waits no longer.
const PATIENCE: Duration = Duration::from_secs(60);

/// A `cat` that is ended when dropped: it writes what it is given.
struct Cat(Child);

impl Cat {
    fn new() -> Self {
        let mut command = Command::new("cat");
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut cat = Self(command.spawn().unwrap());
        // After an answer its exec is over.
        cat.pass(1);
        cat
    }

    fn pid(&self) -> u32 {
        self.0.id()
    }

    /// Lets it write so many bytes. The last one alone: when that has come, the kernel has
    /// counted the others.
    fn pass(&mut self, count: usize) {
        for count in [count - 1, 1] {
            let mut bytes = vec![b'x'; count];
            self.0.stdin.as_mut().unwrap().write_all(&bytes).unwrap();
            self.0
                .stdout
                .as_mut()
                .unwrap()
                .read_exact(&mut bytes)
                .unwrap();
        }
    }
}

impl Drop for Cat {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

struct Recorder {
    reader: ProcReader,
    descriptors: Descriptors,
    processes: Processes,
    values: Values,
}

impl Recorder {
    fn new(processes: Processes) -> Self {
        let descriptors = Descriptors::new(1000);
        let limits = ReadLimits::default();
        let reader = ProcReader::open(Path::new(PROC), descriptors.clone(), limits).unwrap();
        Self {
            reader,
            descriptors,
            processes,
            values: Values::default(),
        }
    }

    fn tick(&mut self, pids: &[u32]) {
        let now = BootTime::now();
        self.reader.start_tick(now);
        self.processes
            .read(Listed::new(pids), &mut self.reader, now, &mut self.values);
    }

    fn get(&self, metric: Metric) -> Option<i64> {
        self.values.get(metric)
    }
}

#[test]
fn what_children_write_is_seen_and_stays_when_they_end() {
    let mut recorder = Recorder::new(Processes::found());
    let mut old = Cat::new();
    recorder.tick(&[old.pid()]);
    assert_eq!(recorder.get(Metric::IoWchar), Some(0));
    old.pass(30_001);
    recorder.tick(&[old.pid()]);
    let first = recorder.get(Metric::IoWchar).unwrap();
    assert!((30_000..=30_001).contains(&first), "{first}");

    let mut young = Cat::new();
    young.pass(40_000);
    let begun = Instant::now();
    let mut passed = 40_001;
    while voluntary_switches(young.pid()) == 0 {
        assert!(begun.elapsed() < PATIENCE, "it never waited");
        young.pass(1);
        passed += 1;
    }
    let switches = voluntary_switches(young.pid());
    recorder.tick(&[old.pid(), young.pid()]);
    let second = recorder.get(Metric::IoWchar).unwrap();
    // It began under our eyes: all that it ever wrote counts.
    let written = second - first;
    assert!((passed - 1..=passed + 1).contains(&written), "{written}");
    assert_eq!(recorder.get(Metric::ThreadCount), Some(2));
    assert!(recorder.get(Metric::MemoryRss).unwrap() > 0);
    assert!(recorder.get(Metric::ContextSwitchesVoluntary).unwrap() >= switches);

    // Both end, one unnoticed by the list.
    let pids = [old.pid(), young.pid()];
    drop(old);
    recorder.tick(&pids);
    assert_eq!(recorder.get(Metric::ProcessReadCount), Some(1));
    drop(young);
    recorder.tick(&[]);
    assert_eq!(recorder.get(Metric::MemoryRss), Some(0));
    assert!(recorder.get(Metric::IoWchar).unwrap() >= second);
    assert_eq!(recorder.reader.refusals().iter().count(), 0);
}

/// Our descriptors that lead to files of processes with these pids.
fn descriptors_of(pids: &[u32]) -> usize {
    let leads_there = |target: &Path| {
        let target = target.to_string_lossy();
        pids.iter()
            .any(|pid| target.starts_with(&format!("/proc/{pid}/")))
    };
    fs::read_dir("/proc/self/fd")
        .unwrap()
        .filter_map(|entry| fs::read_link(entry.ok()?.path()).ok())
        .filter(|target| leads_there(target))
        .count()
}

#[test]
fn nothing_is_left_of_children_that_come_and_go() {
    let mut recorder = Recorder::new(Processes::found());
    let mut pss = Pss::start(Path::new(PROC), PssConfig::default()).unwrap();
    let mut all = Vec::new();
    for _ in 0..10 {
        let children: Vec<Cat> = (0..5).map(|_| Cat::new()).collect();
        let pids: Vec<u32> = children.iter().map(Cat::pid).collect();
        for _ in 0..2 {
            recorder.tick(&pids);
            pss.fill(
                &recorder.processes,
                BootTime::now(),
                &mut recorder.values,
                &mut Vec::new(),
            );
            pss.end_tick();
        }
        assert_eq!(recorder.descriptors.kept(), 15);
        assert!(descriptors_of(&pids) >= 15, "nothing was looked at");
        all.extend(pids);
    }
    for _ in 0..3 {
        recorder.tick(&[]);
        pss.end_tick();
    }
    assert_eq!(recorder.descriptors.kept(), 0);
    assert_eq!(pss.followed(), 0);
    drop(pss);
    assert_eq!(descriptors_of(&all), 0);
}

#[test]
fn pss_of_children_agrees_with_the_kernel() {
    let mut recorder = Recorder::new(Processes::found());
    let children = [Cat::new(), Cat::new()];
    let pids = [children[0].pid(), children[1].pid()];
    let mut pss = Pss::start(Path::new(PROC), PssConfig::default()).unwrap();
    let begun = Instant::now();
    loop {
        recorder.tick(&pids);
        pss.fill(
            &recorder.processes,
            BootTime::now(),
            &mut recorder.values,
            &mut Vec::new(),
        );
        pss.end_tick();
        if recorder.get(Metric::MemoryPss).is_some() {
            break;
        }
        assert!(begun.elapsed() < PATIENCE, "no scan was made");
        std::thread::sleep(Duration::from_millis(2));
    }
    // Private memory of a process that waits stays as it is.
    let by_hand: i64 = pids
        .iter()
        .map(|&pid| kilobytes(pid, "Pss_Anon:") * 1024)
        .sum();
    assert_eq!(recorder.get(Metric::MemoryPssAnon), Some(by_hand));
    let part = |metric| recorder.get(metric).unwrap();
    let pss_bytes = part(Metric::MemoryPss);
    assert!(pss_bytes > by_hand && pss_bytes <= part(Metric::MemoryRss));
    // Each number is cut to whole kilobytes.
    let parts = by_hand + part(Metric::MemoryPssFile) + part(Metric::MemoryPssShmem);
    assert!((pss_bytes - parts).abs() <= 2 * 3 * 1024);
    assert!(part(Metric::MemoryPssAgeMs) >= 0);
    assert_eq!(pss.usage().scans, 2);
    assert!(pss.usage().cpu > Duration::ZERO);
}

fn voluntary_switches(pid: u32) -> i64 {
    number(pid, "status", "voluntary_ctxt_switches:")
}

fn kilobytes(pid: u32, key: &str) -> i64 {
    number(pid, "smaps_rollup", key)
}

fn number(pid: u32, file: &str, key: &str) -> i64 {
    let text = fs::read_to_string(format!("/proc/{pid}/{file}")).unwrap();
    let line = text.lines().find(|line| line.starts_with(key)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[test]
fn without_a_budget_every_column_of_the_pss_is_null() {
    let mut recorder = Recorder::new(Processes::found());
    let child = Cat::new();
    let no_budget = PssConfig {
        budget_per_second: Duration::ZERO,
        ..PssConfig::default()
    };
    for mut pss in [Pss::off(), Pss::start(Path::new(PROC), no_budget).unwrap()] {
        recorder.tick(&[child.pid()]);
        pss.fill(
            &recorder.processes,
            BootTime::now(),
            &mut recorder.values,
            &mut Vec::new(),
        );
        pss.end_tick();
        for metric in [
            Metric::MemoryPss,
            Metric::MemoryPssAnon,
            Metric::MemorySwapPss,
            Metric::MemoryPssAgeMs,
        ] {
            assert_eq!(recorder.get(metric), None);
        }
        assert_eq!(pss.followed(), 0);
    }
}
