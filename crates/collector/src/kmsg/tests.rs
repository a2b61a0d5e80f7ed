use super::oom::{Assembler, Line};
use super::record::Record;
use super::*;
use proptest::prelude::*;

const LIMIT: &str = "memory: usage 32768kB, limit 32760kB, failcnt 17";
const CHOSEN: &str = "oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=/,mems_allowed=0,\
    oom_memcg=/kubepods.slice/pod1,task_memcg=/kubepods.slice/pod1/a,task=hog,pid=42,uid=1000";
const KILLED: &str = "Memory cgroup out of memory: Killed process 42 (hog) total-vm:105176kB, \
    anon-rss:31232kB, file-rss:640kB, shmem-rss:4kB, UID:1000 pgtables:104kB oom_score_adj:0";
const GROUP: &str =
    "Tasks in /kubepods.slice/pod1/a are going to be killed due to memory.oom.group set";

fn line(sequence: u64, text: &str) -> Vec<u8> {
    format!("6,{sequence},5000000,-;{text}\n SUBSYSTEM=x\n").into_bytes()
}

fn assemble(texts: &[&str]) -> Vec<OomRecord> {
    let mut assembler = Assembler::default();
    let mut told = Vec::new();
    for (sequence, text) in (100..).zip(texts) {
        let bytes = line(sequence, text);
        let record = Record::parse(&bytes).expect("a record");
        assembler.add(&record, 7, &mut |record| told.push(record));
    }
    assembler.flush(&mut |record| told.push(record));
    told
}

#[test]
fn the_lines_of_an_oom_are_one_record() {
    let told = assemble(&[
        "something else",
        LIMIT,
        "swap: usage 0kB, limit 9007199254740988kB, failcnt 0",
        CHOSEN,
        KILLED,
        "oom_reaper: reaped process 42",
    ]);
    insta::assert_debug_snapshot!(told);
}

#[test]
fn a_group_dies_together() {
    let other = KILLED.replace("42 (hog)", "43 (sh)");
    let told = assemble(&[CHOSEN, KILLED, GROUP, KILLED, &other, &other]);
    assert_eq!(told.len(), 1);
    assert!(told[0].group_kill);
    assert_eq!(told[0].processes_killed, 2);
    assert_eq!(told[0].sequence, 100);
}

#[test]
fn a_second_oom_is_a_second_record() {
    let other = CHOSEN.replace("pid=42", "pid=43");
    let told = assemble(&[CHOSEN, KILLED, &other]);
    let pids: Vec<_> = told.iter().map(|record| record.victim.pid).collect();
    assert_eq!(pids, [42, 43]);
    let told = assemble(&[LIMIT, CHOSEN, KILLED, &other]);
    let limits: Vec<_> = told.iter().map(|record| record.limit_bytes).collect();
    assert_eq!(limits, [Some(32_760 << 10), None], "each has its own");
}

#[test]
fn a_node_without_memory_names_no_cgroup() {
    let text = "oom-kill:constraint=CONSTRAINT_NONE,nodemask=(null),cpuset=x,mems_allowed=0,\
        global_oom,task_memcg=/a,task=hog,pid=7,uid=0";
    let Some(Line::Chosen {
        oom_cgroup,
        task_cgroup,
        ..
    }) = Line::parse(text.as_bytes())
    else {
        panic!("a line");
    };
    assert_eq!((oom_cgroup, task_cgroup.as_str()), (None, "/a"));
}

/// A process may call itself anything.
#[test]
fn a_name_does_not_break_the_line() {
    let text = CHOSEN.replace("task=hog", "task=x,pid=1,uid=2");
    let Some(Line::Chosen { victim, .. }) = Line::parse(text.as_bytes()) else {
        panic!("a line");
    };
    assert_eq!((victim.pid, victim.name.as_str()), (42, "x,pid=1,uid=2"));
    let text = KILLED.replace("(hog)", "(a) (b)");
    let Some(Line::Killed(killed)) = Line::parse(text.as_bytes()) else {
        panic!("a line");
    };
    assert_eq!((killed.pid, killed.name.as_str()), (42, "a) (b"));
}

/// The log shows a backslash, which systemd's names are full of, as `\x5c`.
#[test]
fn escapes_are_undone() {
    let text = CHOSEN.replace("pod1/a", r"my\x5cx2dapp.slice");
    let Some(Line::Chosen { task_cgroup, .. }) = Line::parse(text.as_bytes()) else {
        panic!("a line");
    };
    assert_eq!(task_cgroup, r"/kubepods.slice/my\x2dapp.slice");
}

/// A program may write the same words into the log, but not as the kernel.
#[test]
fn only_the_kernel_is_believed() {
    let bytes = format!("12,5,5000000,-;{CHOSEN}\n").into_bytes();
    assert_eq!(Record::parse(&bytes), None);
}

#[test]
fn a_time_before_now_is_as_long_ago_as_the_log_says() {
    let now = LogTime {
        wall_us: 1_000_000_000,
        monotonic_us: 60_000_000,
    };
    assert_eq!(wall_ms(50_000_000, now), 990_000);
    assert_eq!(wall_ms(61_000_000, now), 1_000_000, "never in the future");
}

#[test]
fn a_log_that_is_not_there_says_so() {
    let error =
        KernelLog::open(Path::new("/nonexistent/kmsg"), Begin::Now).expect_err("nothing there");
    assert!(error.to_string().contains("/nonexistent/kmsg"), "{error}");
}

#[test]
fn a_log_is_read_from_its_beginning_or_its_end() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("kmsg");
    // A plain file gives all lines at once, as one record: enough to see where reading begins.
    std::fs::write(&path, line(1, CHOSEN)).expect("write");
    let now = LogTime {
        wall_us: 10_000_000,
        monotonic_us: 6_000_000,
    };
    let told = |begin| {
        let mut told = Vec::new();
        let mut log = KernelLog::open(&path, begin).expect("open");
        log.read(now, &mut |record| told.push(record));
        told
    };
    assert_eq!(told(Begin::Now), []);
    assert_eq!(told(Begin::Since(9_001)), []);
    assert_eq!(told(Begin::Since(9_000)).len(), 1);
}

proptest! {
    #[test]
    fn no_line_breaks_the_parser(bytes in prop::collection::vec(prop::num::u8::ANY, 0..300)) {
        let _ = Record::parse(&bytes);
        let _ = Line::parse(&bytes);
    }

    #[test]
    fn no_cut_breaks_the_parser(
        which in 0..4_usize,
        from in 0..250_usize,
        length in 0..250_usize,
        put in prop::collection::vec(prop::num::u8::ANY, 0..4),
    ) {
        let mut bytes = line(1, [CHOSEN, KILLED, GROUP, LIMIT][which]);
        let from = from.min(bytes.len());
        let to = (from + length).min(bytes.len());
        bytes.splice(from..to, put);
        if let Some(record) = Record::parse(&bytes) {
            let _ = Line::parse(record.text);
        }
    }

    #[test]
    fn what_the_kernel_writes_is_read(
        path in "(/[a-z0-9._-]{1,20}){1,6}",
        name in "[ -\\[\\]-~]{1,15}",
        pid in 1..i64::from(i32::MAX),
        uid in 0..i64::from(u32::MAX),
    ) {
        let text = format!(
            "oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=c,mems_allowed=0-3,\
             oom_memcg={path},task_memcg={path}/x,task={name},pid={pid},uid={uid}"
        );
        let expected = Line::Chosen {
            oom_cgroup: Some(path.clone()),
            task_cgroup: format!("{path}/x"),
            victim: Killed { pid, name: name.clone(), uid: Some(uid), ..Killed::default() },
        };
        prop_assert_eq!(Line::parse(text.as_bytes()), Some(expected));
        let text = format!(
            "Memory cgroup out of memory: Killed process {pid} ({name}) total-vm:8kB, \
             anon-rss:4kB, file-rss:0kB, shmem-rss:0kB, UID:{uid} pgtables:4kB oom_score_adj:0"
        );
        let Some(Line::Killed(killed)) = Line::parse(text.as_bytes()) else {
            return Err(TestCaseError::fail("not read"));
        };
        prop_assert_eq!((killed.pid, killed.name, killed.uid), (pid, name, Some(uid)));
        prop_assert_eq!(killed.anon_rss_bytes, Some(4096));
    }
}
