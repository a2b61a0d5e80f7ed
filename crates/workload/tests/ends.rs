//! Each kind of work ends as it should: what a kubelet would see of it.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

fn workload(args: &[&str]) -> Child {
    // Not by env!: a shell between cargo and rustc may drop a variable with a dash in its name.
    let program = std::env::var_os("CARGO_BIN_EXE_fgm-workload").unwrap();
    Command::new(program)
        .args(args)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

fn end(mut child: Child) -> ExitStatus {
    let until = Instant::now() + Duration::from_secs(60);
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status;
        }
        if Instant::now() > until {
            child.kill().unwrap();
            child.wait().unwrap();
            panic!("it does not end");
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn resident_bytes(child: &Child) -> u64 {
    let statm = std::fs::read_to_string(format!("/proc/{}/statm", child.id())).unwrap();
    let pages: u64 = statm.split(' ').nth(1).unwrap().parse().unwrap();
    pages * 4096
}

fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let until = Instant::now() + Duration::from_secs(60);
    while !holds() {
        assert!(Instant::now() < until, "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn terminate(child: &Child) {
    let pid = rustix::process::Pid::from_child(child);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
}

#[test]
fn a_crash_has_its_status() {
    let child = workload(&["crash", "--after", "10ms", "--exit-code", "42"]);
    assert_eq!(end(child).code(), Some(42));
}

#[test]
fn a_client_dies_of_sigpipe_when_its_server_goes_away() {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("s");
    let socket = socket.to_str().unwrap();
    // The client first: it waits for its server.
    let client = workload(&["sigpipe-client", "--socket", socket]);
    let server = workload(&["sigpipe-server", "--socket", socket, "--serve-for", "300ms"]);
    assert_eq!(end(client).code(), Some(141));
    terminate(&server);
    assert_eq!(end(server).code(), Some(143));
}

#[test]
fn without_a_server_the_client_says_so() {
    let client = workload(&[
        "sigpipe-client",
        "--socket",
        "/nonexistent/s",
        "--wait",
        "10ms",
    ]);
    assert_eq!(end(client).code(), Some(1));
}

#[test]
fn a_leak_grows_to_its_ceiling_and_holds_it() {
    let child = workload(&["leak", "--rate", "1GiB", "--ceiling", "64MiB"]);
    wait_until("64 MiB are resident", || resident_bytes(&child) >= 64 << 20);
    std::thread::sleep(Duration::from_millis(300));
    assert!(resident_bytes(&child) < 80 << 20);
    terminate(&child);
    assert_eq!(end(child).code(), Some(143));
}

#[test]
fn a_burst_comes_after_the_base() {
    let child = workload(&[
        "oom", "--base", "8MiB", "--after", "500ms", "--burst", "64MiB",
    ]);
    wait_until("the base is resident", || resident_bytes(&child) >= 8 << 20);
    wait_until("the burst is resident", || {
        resident_bytes(&child) >= 72 << 20
    });
    terminate(&child);
    assert_eq!(end(child).code(), Some(143));
}

/// User and system time so far, in the hundredths of a second of `/proc/<pid>/stat`.
fn cpu_ticks(child: &Child) -> u32 {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", child.id())).unwrap();
    let after_name = stat.rsplit(')').next().unwrap();
    let fields: Vec<&str> = after_name.split_whitespace().collect();
    fields[11].parse::<u32>().unwrap() + fields[12].parse::<u32>().unwrap()
}

#[test]
fn cpu_time_is_used_in_the_busy_part_of_a_cycle_only() {
    let start = Instant::now();
    let child = workload(&["throttle", "--duty", "0.2", "--cycle", "500ms"]);
    let mut used = 0;
    wait_until("it uses CPU time", || {
        used = cpu_ticks(&child);
        used >= 60
    });
    // A busy machine gives less, never more than the busy parts and the start of a cycle.
    let due = start.elapsed().as_secs_f64() * 100.0 * 0.2 + 20.0;
    assert!(f64::from(used) <= due, "{used} of {due}");
    terminate(&child);
    assert_eq!(end(child).code(), Some(143));
}

#[test]
fn files_are_read_over_and_over_and_leave_nothing() {
    // Not the system's, which may be a tmpfs.
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let path = directory.path().to_str().unwrap();
    let child = workload(&["pressure", "--working-set", "4MiB", "--directory", path]);
    let read = |child: &Child| {
        let io = std::fs::read_to_string(format!("/proc/{}/io", child.id())).unwrap();
        let line = io.lines().next().unwrap();
        line.trim_start_matches("rchar: ").parse::<u64>().unwrap()
    };
    wait_until("the set is read several times", || read(&child) > 20 << 20);
    terminate(&child);
    assert_eq!(end(child).code(), Some(143));
    assert_eq!(directory.path().read_dir().unwrap().count(), 0);
}

#[test]
fn senseless_settings_are_refused() {
    for args in [
        ["throttle", "--duty", "1.5"],
        ["throttle", "--cycle", "0s"],
        ["leak", "--rate", "0"],
        ["pressure", "--directory", "/nonexistent"],
        ["pressure", "--working-set", "1KiB"],
    ] {
        assert_eq!(end(workload(&args)).code(), Some(1), "{args:?}");
    }
}
