//! Against a real kernel: run in a guest that has cgroup v2, PSI and every controller, as root.
//! The runner is any program that starts a test binary in such a guest, for example:
//!
//! ```text
//! CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUNNER="../shared/testbed/uml-run --" \
//!     cargo test -p fgm-cgroup --test real_kernel -- --ignored
//! ```
//!
//! Each test has a cgroup of its own below the root, so they may run side by side. Where one
//! waits for the kernel, it waits on the inotify descriptor, and for an event, not for a time.

#![expect(
    clippy::expect_used,
    reason = "a failed expectation is how a test fails, in its helpers too"
)]

use fgm_cgroup::{
    CgroupId, CgroupReader, Change, Discovery, Found, Mount, Outcome, ProcCommands, Processes,
    ReadContext, Scope,
};
use fgm_kernfile::Descriptors;
use fgm_model::{Metric, Values};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

const ROOT: &str = "/sys/fs/cgroup";
/// Longer than anything takes in a slow guest: reached only when an event never comes.
const NEVER: Timespec = Timespec {
    tv_sec: 60,
    tv_nsec: 0,
};

/// A cgroup of this test's own, with discovery looking at it and its children.
struct Ground {
    path: PathBuf,
    discovery: Discovery,
    context: ReadContext,
}

impl Ground {
    fn new(name: &str) -> Self {
        let path = Path::new(ROOT).join(name);
        fs::create_dir(&path).expect("a cgroup below the root");
        for controller in ["+cpu", "+memory", "+io", "+pids"] {
            fs::write(path.join("cgroup.subtree_control"), controller).expect("controller");
        }
        let descriptors = Descriptors::new(4096);
        let discovery = Discovery::start(
            &Mount::find(Path::new("/proc"), Some(&path)).expect("mount"),
            Scope::Containers,
            Box::new(ProcCommands::new(PathBuf::from("/proc"))),
            descriptors.clone(),
            &mut Vec::new(),
        )
        .expect("start");
        Self {
            path,
            discovery,
            context: ReadContext::new(descriptors),
        }
    }

    fn container(&self, number: usize) -> PathBuf {
        let path = self.path.join(format!("docker-{number:064x}.scope"));
        fs::create_dir(&path).expect("make container");
        path
    }

    /// Waits until what `wanted` looks for was told; gives all that was told up to it.
    fn wait_for(&mut self, wanted: impl Fn(&Change) -> bool) -> Vec<Change> {
        let mut changes = Vec::new();
        loop {
            self.discovery.poll(&mut changes);
            if changes.iter().any(&wanted) {
                return changes;
            }
            let inotify = self.discovery.as_fd().expect("inotify");
            let mut fds = [PollFd::new(&inotify, PollFlags::IN)];
            let ready = poll(&mut fds, Some(&NEVER)).expect("poll");
            assert!(ready > 0, "the kernel never told; told so far: {changes:?}");
        }
    }

    fn born(&mut self) -> (CgroupId, Found) {
        let changes = self.wait_for(|change| matches!(change, Change::Born { .. }));
        let born = changes.into_iter().find_map(|change| match change {
            Change::Born { id, found } => Some((id, *found)),
            _ => None,
        });
        born.expect("waited for")
    }

    fn read(&mut self, reader: &mut CgroupReader) -> (Outcome, Values) {
        let mut values = Values::default();
        let outcome = reader.read(&mut values, &mut self.context);
        (outcome, values)
    }
}

impl Drop for Ground {
    fn drop(&mut self) {
        // Left behind when a test failed; then its containers may stand below.
        let _ = fs::remove_dir(&self.path);
    }
}

/// Starts a program inside the cgroup.
fn run_in(cgroup: &Path, program: &[&str]) -> Child {
    Command::new("sh")
        .arg("-c")
        .arg("echo $$ > \"$0/cgroup.procs\"; exec \"$@\"")
        .arg(cgroup)
        .args(program)
        .stdout(Stdio::null())
        .spawn()
        .expect("start")
}

/// The number behind a key, read the plainest way.
fn by_hand(cgroup: &Path, file: &str, key: &str) -> i64 {
    let text = fs::read_to_string(cgroup.join(file)).expect("read");
    let words: Vec<&str> = text.split_ascii_whitespace().collect();
    let at = words.iter().position(|word| *word == key).expect("key");
    words[at + 1].parse().expect("number")
}

fn total_by_hand(cgroup: &Path, file: &str, line: &str) -> i64 {
    let text = fs::read_to_string(cgroup.join(file)).expect("read");
    let line = text.lines().find(|text| text.starts_with(line));
    let (_, total) = line.expect("line").rsplit_once('=').expect("total");
    total.parse().expect("number")
}

#[test]
#[ignore = "needs a guest with a real cgroup v2 tree: see the module's documentation"]
fn the_life_of_a_container_that_is_killed_for_memory() {
    let mut ground = Ground::new("oom");
    let container = ground.container(1);
    let (id, found) = ground.born();
    assert_eq!(found.container_id, Some(format!("{:064x}", 1)));
    let mut reader = ground.discovery.reader(id).expect("reader");
    // The first read, at birth: it also makes the kernel tell of memory.events.
    assert_eq!(ground.read(&mut reader).0, Outcome::Alive);
    assert_eq!(reader.read_limits(&mut ground.context), Outcome::Alive);
    assert!(reader.limits().known);
    assert_eq!(reader.limits().memory_max, None);

    fs::write(container.join("memory.max"), "32M").expect("limit");
    ground.wait_for(|change| *change == Change::LimitsWritten { id });
    assert_eq!(reader.read_limits(&mut ground.context), Outcome::Alive);
    assert_eq!(reader.limits().memory_max, Some(32 << 20));

    let mut hog = run_in(&container, &["hog", "mem", "100", "1"]);
    ground.wait_for(|change| *change == Change::MemoryEvents { id });
    let status = hog.wait().expect("wait");
    assert!(!status.success(), "killed");
    let changes = ground.wait_for(|change| *change == Change::Unpopulated { id });
    assert!(!changes.contains(&Change::Ended { id }));

    // The last read, before the cgroup goes.
    let (outcome, last) = ground.read(&mut reader);
    assert_eq!(outcome, Outcome::Alive);
    assert_eq!(last.get(Metric::MemoryEventsOomKill), Some(1));
    assert!(last.get(Metric::MemoryEventsMax).expect("max") > 0);
    assert_eq!(last.get(Metric::MemoryPeak), Some(32 << 20));
    assert_eq!(last.get(Metric::ProcessCount), Some(0));

    fs::remove_dir(&container).expect("remove");
    ground.wait_for(|change| *change == Change::Ended { id });
    let (outcome, after) = ground.read(&mut reader);
    assert_eq!(outcome, Outcome::Ended);
    assert_eq!(after.get(Metric::MemoryEventsOomKill), None);
    assert_eq!(reader.read_limits(&mut ground.context), Outcome::Ended);
    assert_eq!(reader.limits().memory_max, Some(32 << 20));
}

#[test]
#[ignore = "needs a guest with a real cgroup v2 tree: see the module's documentation"]
fn values_equal_the_files_read_by_hand() {
    let mut ground = Ground::new("values");
    let container = ground.container(2);
    let (id, _) = ground.born();
    fs::write(container.join("cpu.max"), "20000 100000").expect("limit");
    let mut reader = ground.discovery.reader(id).expect("reader");
    let disk = std::env::var("FGM_TEST_DISK").unwrap_or_else(|_| "/dev/ubda".to_owned());
    for program in [
        &["hog", "cpu", "1"][..],
        &["hog", "mem", "20", "1"],
        &["hog", "write", &disk, "4"],
    ] {
        assert!(run_in(&container, program).wait().expect("wait").success());
    }
    // All is still now, so a reading in between cannot differ.
    assert_eq!(reader.read_limits(&mut ground.context), Outcome::Alive);
    let (outcome, values) = ground.read(&mut reader);
    assert_eq!(outcome, Outcome::Alive);
    let hand = |file, key| by_hand(&container, file, key);
    for (metric, expected) in [
        (Metric::CpuUserUsec, hand("cpu.stat", "user_usec")),
        (Metric::CpuSystemUsec, hand("cpu.stat", "system_usec")),
        (Metric::CpuNrPeriods, hand("cpu.stat", "nr_periods")),
        (Metric::CpuNrThrottled, hand("cpu.stat", "nr_throttled")),
        (Metric::CpuThrottledUsec, hand("cpu.stat", "throttled_usec")),
        (Metric::CpuQuotaUsec, 20_000),
        (Metric::CpuPeriodUsec, 100_000),
        (Metric::MemoryAnon, hand("memory.stat", "anon")),
        (Metric::MemoryPgfault, hand("memory.stat", "pgfault")),
        (
            Metric::CpuPsiSomeUsec,
            total_by_hand(&container, "cpu.pressure", "some"),
        ),
        (
            Metric::IoPsiFullUsec,
            total_by_hand(&container, "io.pressure", "full"),
        ),
    ] {
        assert_eq!(values.get(metric), Some(expected), "{}", metric.name());
    }
    assert!(values.get(Metric::CpuNrThrottled).expect("known") > 0);
    assert!(values.get(Metric::MemoryPgfault).expect("known") > 20 * 256);
    assert!(values.get(Metric::IoWriteBytes).expect("known") >= 4 << 20);
    assert!(values.get(Metric::MemoryPeak).expect("known") >= 20 << 20);
    fs::remove_dir(&container).expect("remove");
}

#[test]
#[ignore = "needs a guest with a real cgroup v2 tree: see the module's documentation"]
fn processes_below_the_boundary_are_its_own() {
    let mut ground = Ground::new("below");
    let container = ground.container(3);
    let (id, _) = ground.born();
    let mut reader = ground.discovery.reader(id).expect("reader");
    assert_eq!(ground.read(&mut reader).0, Outcome::Alive);
    assert_eq!(reader.pids(), [0; 0]);

    // As crun does it, and a threaded cgroup, whose list the kernel refuses to give.
    let inner = container.join("container");
    fs::create_dir(&inner).expect("inner");
    let mut sleeper = run_in(&inner, &["sleep", "1000"]);
    // The shell moves itself there before it becomes the sleeper.
    let procs = || fs::read_to_string(inner.join("cgroup.procs")).expect("procs");
    while procs().is_empty() {
        std::thread::yield_now();
    }
    let threads = inner.join("threads");
    fs::create_dir(&threads).expect("threaded");
    fs::write(threads.join("cgroup.type"), "threaded").expect("threaded");
    // As before each tick: discovery hears of what was made below, and the reader asks it.
    ground.discovery.poll(&mut Vec::new());
    let (outcome, values) = ground.read(&mut reader);
    assert_eq!(outcome, Outcome::Alive);
    assert_eq!(reader.pids(), [sleeper.id()]);
    assert_eq!(values.get(Metric::ProcessCount), Some(1));
    assert_eq!(ground.context.refusals.total(), 0);
    // Cgroups below a boundary are not watched: the ground and the container are.
    assert_eq!(ground.discovery.watch_count(), 2);

    sleeper.kill().expect("kill");
    sleeper.wait().expect("wait");
    ground.wait_for(|change| *change == Change::Unpopulated { id });
    for directory in [&threads, &inner] {
        fs::remove_dir(directory).expect("remove");
    }
    let (outcome, values) = ground.read(&mut reader);
    assert_eq!(outcome, Outcome::Alive);
    assert_eq!(values.get(Metric::ProcessCount), Some(0));
    fs::remove_dir(&container).expect("remove");
}

#[test]
#[ignore = "needs a guest with a real cgroup v2 tree: see the module's documentation"]
fn beyond_the_cap_a_removed_cgroup_has_ended() {
    let mut ground = Ground::new("cap");
    ground.context = ReadContext::new(Descriptors::new(0));
    let container = ground.container(4);
    let (id, _) = ground.born();
    let mut reader = ground.discovery.reader(id).expect("reader");
    assert_eq!(ground.read(&mut reader).0, Outcome::Alive);
    fs::remove_dir(&container).expect("remove");
    let (outcome, values) = ground.read(&mut reader);
    assert_eq!(outcome, Outcome::Ended);
    assert_eq!(values.get(Metric::MemoryCurrent), None);
}

#[test]
#[ignore = "needs a guest with a real cgroup v2 tree: see the module's documentation"]
fn the_machine_itself() {
    let mut context = ReadContext::new(Descriptors::new(100));
    let mut reader = CgroupReader::open(Path::new(ROOT), Processes::LeftOut).expect("open");
    let mut values = Values::default();
    assert_eq!(reader.read_limits(&mut context), Outcome::Alive);
    assert_eq!(reader.read(&mut values, &mut context), Outcome::Alive);
    assert!(values.get(Metric::CpuUserUsec).is_some());
    assert!(values.get(Metric::MemoryAnon).is_some());
    assert_eq!(values.get(Metric::MemoryCurrent), None);
    assert_eq!(context.refusals.total(), 0);
}

/// Descriptors of this process that are below the ground's cgroup, or inotify's.
fn descriptors_of(ground: &Ground) -> usize {
    let listed = fs::read_dir("/proc/self/fd").expect("list");
    let below = |entry: &fs::DirEntry| {
        fs::read_link(entry.path()).is_ok_and(|target| target.starts_with(&ground.path))
    };
    listed
        .filter(|entry| entry.as_ref().is_ok_and(below))
        .count()
}

/// Watches that the kernel holds for the ground's inotify.
fn kernel_watches(ground: &Ground) -> usize {
    use std::os::fd::AsRawFd;
    let fd = ground.discovery.as_fd().expect("inotify").as_raw_fd();
    let info = fs::read_to_string(format!("/proc/self/fdinfo/{fd}")).expect("fdinfo");
    info.lines()
        .filter(|line| line.starts_with("inotify wd:"))
        .count()
}

#[test]
#[ignore = "needs a guest with a real cgroup v2 tree: see the module's documentation"]
fn two_hundred_lives_leave_nothing_behind() {
    let mut ground = Ground::new("lives");
    let (files, watches) = (descriptors_of(&ground), kernel_watches(&ground));
    assert_eq!(watches, 1, "the ground itself");
    let (mut born, mut ended, mut read) = (0, 0, 0);
    for round in 0..10 {
        let containers: Vec<PathBuf> = (0..20)
            .map(|number| ground.container(100 + round * 20 + number))
            .collect();
        let mut changes = Vec::new();
        ground.discovery.poll(&mut changes);
        let mut readers = Vec::new();
        for change in changes.drain(..) {
            if let Change::Born { id, .. } = change {
                born += 1;
                readers.push(ground.discovery.reader(id).expect("reader"));
            }
        }
        for reader in &mut readers {
            let (outcome, values) = ground.read(reader);
            assert_eq!(outcome, Outcome::Alive);
            read += usize::from(values.get(Metric::MemoryCurrent).is_some());
        }
        assert_eq!(kernel_watches(&ground), 21);
        for container in containers {
            fs::remove_dir(container).expect("remove");
        }
        if round % 2 == 0 {
            ground.discovery.poll(&mut changes);
        } else {
            ground.discovery.sweep(&mut changes);
        }
        let is_end = |change: &&Change| matches!(change, Change::Ended { .. });
        ended += changes.iter().filter(is_end).count();
        for reader in &mut readers {
            assert_eq!(ground.read(reader).0, Outcome::Ended);
        }
    }
    assert_eq!((born, read, ended), (200, 200, 200));
    assert_eq!(descriptors_of(&ground), files);
    assert_eq!(kernel_watches(&ground), watches);
    assert_eq!(ground.discovery.watch_count(), watches);
    assert_eq!(ground.context.descriptors.kept(), 0);
}
