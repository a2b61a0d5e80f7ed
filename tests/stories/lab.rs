//! `fgm-lab up`: one command records and shows, tells where, and ends in order.

#![expect(
    clippy::unwrap_used,
    reason = "a failed expectation is how a story fails"
)]

use fgm_stories::http::{self, Answer};
use fgm_stories::needs::{chromium, node, require_or_skip};
use fgm_stories::stored::{Stored, assert_orderly};
use fgm_stories::{programs, wait_for};
use fgm_testkit::cgroup_tree::{CgroupTree, FakeCgroup, Layout, POD_UID};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

/// A running `fgm-lab up` over a fake tree.
struct Lab {
    child: Child,
    address: SocketAddr,
    output: BufReader<std::process::ChildStdout>,
    /// Everything it said until it told its address.
    greeting: String,
    _tree: CgroupTree,
    containers: Vec<FakeCgroup>,
    folder: tempfile::TempDir,
}

impl Lab {
    fn up(flags: &[&str]) -> Self {
        let tree = CgroupTree::new();
        let containers = (1..=6)
            .map(|number| {
                let id = format!("{number:064x}");
                tree.make_container_of(Layout::DockerSystemd, POD_UID, &id, 5_000_000 + number)
            })
            .collect();
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::new(programs::fgm_lab());
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("FGM_") {
                command.env_remove(name);
            }
        }
        let mut child = command
            .args(["up", "--listen", "127.0.0.1:0", "--pss-budget", "off"])
            .args(["--seal", "2s", "--data-dir"])
            .arg(folder.path())
            .arg("--cgroup-root")
            .arg(tree.root())
            .args(flags)
            .env("XDG_STATE_HOME", folder.path().join("_state_home"))
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut greeting = String::new();
        let address = loop {
            let line = greeting.len();
            assert!(
                output.read_line(&mut greeting).unwrap() > 0,
                "no address: {greeting}"
            );
            let url = greeting[line..].split("http://").nth(1);
            if let Some(url) = url {
                break url.split('/').next().unwrap().parse().unwrap();
            }
        };
        Self {
            child,
            address,
            output,
            greeting,
            _tree: tree,
            containers,
            folder,
        }
    }

    fn get(&self, path: &str) -> Answer {
        let answer = http::get(self.address, path).unwrap();
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        answer
    }

    fn json(&self, path: &str) -> Value {
        serde_json::from_slice(&self.get(path).body).unwrap()
    }

    /// Waits for its end in order.
    fn ends(mut self) -> String {
        let mut said = String::new();
        self.output.read_to_string(&mut said).unwrap();
        let status = self.child.wait().unwrap();
        assert!(status.success(), "{status}: {said}");
        assert_orderly(self.folder.path());
        let content = Stored::open(self.folder.path()).read();
        assert!(content.keys().len() >= self.containers.len());
        assert!(
            content
                .events()
                .iter()
                .any(|event| event.kind == "recorder_stopped")
        );
        said
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn up_for_a_while_tells_its_address_and_ends_by_itself() {
    let lab = Lab::up(&["--for", "5s"]);
    assert!(lab.greeting.contains("recording into"), "{}", lab.greeting);
    let page = lab.get("/").text();
    assert!(
        page.contains("<title>Fine-Grained Monitor</title>"),
        "{page}"
    );
    let said = lab.ends();
    assert!(said.contains("sealed"), "{said}");
}

#[test]
fn up_answers_with_what_it_records_until_it_is_interrupted() {
    let lab = Lab::up(&["--interval", "200ms"]);
    let (_, newest) = two_ticks(lab.address);
    let meta = lab.json("/api/v1/meta");
    assert_eq!(meta["interval_ms"], 200);
    assert!(meta["live_until_ms"].as_i64().unwrap() >= newest, "{meta}");

    let list = lab.json("/api/v1/containers?start=0");
    let list = list["containers"].as_array().unwrap();
    assert_eq!(list.len(), lab.containers.len(), "{list:?}");
    let ids: Vec<_> = list
        .iter()
        .map(|item| item["id"].as_str().unwrap())
        .collect();
    assert!(list[0]["last_ms"].as_i64().unwrap() >= newest);

    let frames = lab.get(&format!(
        "/api/v1/series?metric=memory_current,cpu_throttled_percent&agg=raw&start={}&end={newest}&ids={}",
        meta["first_ms"],
        ids.join(",")
    ));
    let frames = frames.body;
    assert_eq!(&frames[..4], b"FGMF");
    let head = u32::from_le_bytes(frames[8..12].try_into().unwrap());
    let head = &frames[16..16 + usize::try_from(head).unwrap()];
    let head: Value = serde_json::from_slice(head).unwrap();
    assert_eq!(head["metric"], "memory_current", "{head}");
    assert_eq!(
        head["series"].as_array().unwrap().len(),
        ids.len(),
        "{head}"
    );
    // What every fake cgroup says.
    assert_eq!(head["series"][0]["max"], 25_214_976.0, "{head}");

    // What was sealed meanwhile is told without a gap.
    let sealed = |meta: Value| meta["sealed_until_ms"].as_i64();
    wait_for("a segment", || sealed(lab.json("/api/v1/meta")));
    let list = lab.json("/api/v1/containers?start=0");
    let instances = list["containers"][0]["instances"].as_array().unwrap();
    assert_eq!(instances.len(), 1, "{list}");

    let pid = i32::try_from(lab.child.id()).ok().and_then(Pid::from_raw);
    kill_process(pid.unwrap(), Signal::INT).unwrap();
    lab.ends();
}

#[test]
fn the_page_works_in_a_browser() {
    let (Some(chromium), Some(node)) = (chromium(), node()) else {
        return;
    };
    let lab = Lab::up(&[]);
    let stub = lab.get("/").text().contains("FGM_WEB=stub");
    let whole = (!stub).then_some(());
    if require_or_skip(whole, "the page, built as a stub,", "no FGM_WEB=stub").is_none() {
        return;
    }
    // A picture that moves.
    let done = AtomicBool::new(false);
    let output = thread::scope(|scope| {
        scope.spawn(|| {
            let mut round = 0;
            while !done.load(Ordering::Relaxed) {
                move_numbers(&lab.containers, round);
                round += 1;
                thread::sleep(Duration::from_millis(100));
            }
        });
        let ui = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/web/ui");
        wait_for("a quarter of a minute to look at", || {
            let meta = lab.json("/api/v1/meta");
            let span = meta["last_ms"].as_i64()? - meta["first_ms"].as_i64()?;
            (span >= 15_000).then_some(())
        });
        let output = Command::new(node)
            .args(["--test", "e2e/live.test.mjs"])
            .current_dir(ui)
            .env("FGM_CHROMIUM", chromium)
            .env("FGM_URL", format!("http://{}/", lab.address))
            .output();
        done.store(true, Ordering::Relaxed);
        output.unwrap()
    });
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("\n# pass "), "{said}");
}

/// Lets CPU and memory of each container go their own way.
fn move_numbers(containers: &[FakeCgroup], round: u64) {
    for (place, container) in (1..).zip(containers) {
        let phase = (round * place) % 40;
        container.set_key(
            "cpu.stat",
            "user_usec",
            710_080 + 9_000 * place * round + 500 * phase,
        );
        container.set_key("cpu.stat", "nr_periods", 46 + round);
        container.set_key("cpu.stat", "nr_throttled", 41 + round / (1 + place));
        container.write("memory.current", format!("{}\n", (25 + phase) << 20));
    }
}

/// The first two different ticks that the stream of ticks tells.
fn two_ticks(address: SocketAddr) -> (i64, i64) {
    let mut stream = TcpStream::connect(address).unwrap();
    let request = format!("GET /api/v1/tail HTTP/1.0\r\nHost: {address}\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut ticks = Vec::new();
    for line in BufReader::new(stream).lines() {
        let line = line.unwrap();
        let Some(data) = line.strip_prefix("data:") else {
            continue;
        };
        let data: Value = serde_json::from_str(data).unwrap();
        let tick = data["live_until_ms"].as_i64().unwrap();
        if ticks.last() != Some(&tick) {
            ticks.push(tick);
        }
        if let [first, second] = ticks[..] {
            assert!(second > first, "{ticks:?}");
            return (first, second);
        }
    }
    panic!("the stream ended after {ticks:?}");
}
