//! Each kind of work ends as it should: what a kubelet would see of it.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

fn program() -> Command {
    // Not by env!: a shell between cargo and rustc may drop a variable with a dash in its name.
    Command::new(std::env::var_os("CARGO_BIN_EXE_fgm-workload").unwrap())
}

fn workload(args: &[&str]) -> Child {
    program()
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

/// A server of the todo app and where it listens.
fn server(args: &[&str]) -> (Child, String) {
    let mut child = program()
        .args(args)
        .args(["--listen", "127.0.0.1:0"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let address = lines.find_map(|line| {
        let line = line.unwrap();
        line.split("listening on ").nth(1).map(str::to_owned)
    });
    // What it says later would fill the pipe.
    std::thread::spawn(move || lines.count());
    (child, address.unwrap())
}

fn ask(address: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET {path} HTTP/1.0\r\nHost: {address}\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn the_todo_app_serves_without_what_is_behind_it_and_ends_in_order() {
    let nobody = "postgres://todo@127.0.0.1:1/todo";
    let (backend, address) = server(&["todo-backend", "--database", nobody]);
    assert!(ask(&address, "/healthz").starts_with("HTTP/1.0 200"));
    assert!(ask(&address, "/readyz").starts_with("HTTP/1.0 503"));
    terminate(&backend);
    assert_eq!(end(backend).code(), Some(0));

    // Nobody is at the backend's address any more.
    let gone = format!("http://{address}");
    let (frontend, address) = server(&["todo-frontend", "--backend", &gone]);
    assert!(ask(&address, "/").contains("<title>Todos</title>"));
    let answer = ask(&address, "/api/todos");
    assert!(answer.starts_with("HTTP/1.0 502"), "{answer}");
    assert!(answer.contains("does not answer"), "{answer}");
    terminate(&frontend);
    assert_eq!(end(frontend).code(), Some(0));
}

#[test]
fn senseless_settings_are_refused() {
    for args in [
        ["throttle", "--duty", "1.5"],
        ["throttle", "--cycle", "0s"],
        ["leak", "--rate", "0"],
        ["pressure", "--directory", "/nonexistent"],
        ["pressure", "--working-set", "1KiB"],
        ["todo-backend", "--database", "rubbish"],
        ["todo-frontend", "--backend", "https://a:1"],
        ["todo-load", "--rate", "0"],
        ["todo-load", "--clients", "0"],
        ["todo-load", "--target", "a:1"],
    ] {
        assert_eq!(end(workload(&args)).code(), Some(1), "{args:?}");
    }
}
