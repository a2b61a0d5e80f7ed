//! The todo app on this machine, over the real PostgreSQL: it is used, disrupted, and loses nothing.

#![expect(
    clippy::unwrap_used,
    reason = "a failed expectation is how a story fails"
)]

use fgm_stories::http::{self, Answer};
use fgm_stories::process::Killable;
use fgm_stories::{needs, programs, wait_for};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// A run of the scenario, with a recorder and a state directory of its own.
struct Run {
    process: Killable,
    name: String,
    /// Of the page.
    address: SocketAddr,
    folder: tempfile::TempDir,
}

impl Run {
    fn start(duration: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut command = lab(folder.path());
        command.args(["scenario", "run", "todo-app", "--local", "--keep"]);
        let process = Killable::start({
            command.args(["--duration", duration]);
            command
        });
        let record = wait_for("a run", || record(folder.path()));
        let notes = record["notes"].as_array().unwrap();
        let at = notes.iter().find_map(|note| {
            let note = note.as_str()?;
            note.strip_prefix("Service todo-frontend is at ")
        });
        Self {
            address: at.unwrap().parse().unwrap(),
            name: record["run"].as_str().unwrap().to_owned(),
            process,
            folder,
        }
    }

    fn record(&self) -> Value {
        record(self.folder.path()).unwrap()
    }

    fn disrupt(&self, kind: &str, flags: &[&str]) -> Output {
        let mut command = lab(self.folder.path());
        command.args(["disrupt", &self.name, kind]).args(flags);
        command.output().unwrap()
    }

    fn disrupts(&self, kind: &str, flags: &[&str]) -> String {
        let output = self.disrupt(kind, flags);
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{output:?}\n{}", self.told());
        said
    }

    fn told(&self) -> String {
        format!(
            "{}\n{}",
            self.process.lines().join("\n"),
            self.process.log()
        )
    }

    fn ask(&self, method: &str, path: &str, json: Option<&Value>) -> Answer {
        http::ask(self.address, method, path, json).unwrap()
    }

    /// How often the containers of that name were restarted.
    fn restarts(&self, container: &str) -> u64 {
        let pods = fs::read_dir(self.folder.path().join("fgm/pods")).unwrap();
        let mut restarts = Vec::new();
        let pods = pods.flatten().map(|entry| entry.path());
        // Others are being written.
        for path in pods.filter(|path| path.extension().is_some_and(|end| end == "json")) {
            let text = fs::read(path).unwrap();
            let pod: Value = serde_json::from_slice(&text).unwrap();
            let statuses = pod["status"]["containerStatuses"].as_array().unwrap();
            let of = statuses.iter().filter(|status| status["name"] == container);
            restarts.extend(of.map(|status| status["restartCount"].as_u64().unwrap()));
        }
        assert!(!restarts.is_empty(), "no container {container}");
        restarts.iter().sum()
    }

    /// The page of the recorder that watches it.
    fn viewer(&self, path: &str) -> Value {
        let record = self.record();
        let url = record["url"].as_str().unwrap();
        let address = url.split('/').nth(2).unwrap().parse().unwrap();
        let answer = http::get(address, path).unwrap();
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        json_of(&answer)
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        // A story that fails leaves nothing either.
        let _ = lab(self.folder.path())
            .args(["scenario", "stop", "--all"])
            .output();
    }
}

fn lab(state: &Path) -> Command {
    let mut command = Command::new(programs::fgm_lab());
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("FGM_") {
            command.env_remove(name);
        }
    }
    command
        .env("XDG_STATE_HOME", state)
        .env("FGM_DATA_DIR", state.join("data"));
    command
}

/// The record of the only run, once all of it is made.
fn record(state: &Path) -> Option<Value> {
    let runs = fs::read_dir(state.join("fgm/runs")).ok()?;
    let folder = runs.flatten().next()?.path();
    serde_json::from_slice(&fs::read(folder.join("run.json")).ok()?).ok()
}

/// Shared memory that nobody uses any more, as a database leaves it that did not end in order.
fn abandoned_memory() -> Vec<String> {
    let list = fs::read_to_string("/proc/sysvipc/shm").unwrap();
    let mut columns = list.lines().map(|line| {
        let columns: Vec<_> = line.split_whitespace().map(str::to_owned).collect();
        columns
    });
    let names = columns.next().unwrap();
    let at = |name: &str| names.iter().position(|one| one == name).unwrap();
    let (id, users) = (at("shmid"), at("nattch"));
    let abandoned = columns.filter(|columns| columns[users] == "0");
    abandoned.map(|columns| columns[id].clone()).collect()
}

fn json_of(answer: &Answer) -> Value {
    serde_json::from_slice(&answer.body).unwrap_or_else(|_| panic!("{}", answer.text()))
}

/// Writes todos until it is told to stop; those that were confirmed, by their id.
fn write(address: SocketAddr, client: usize, stop: &AtomicBool, confirmed: &Mutex<Vec<Value>>) {
    for number in 0.. {
        if stop.load(Ordering::Relaxed) {
            return;
        }
        let new = json!({"text": format!("client {client}, todo {number}")});
        // Without an answer it may be there or not.
        if let Ok(answer) = http::ask(address, "POST", "/api/todos", Some(&new))
            && answer.status == 201
        {
            let mut confirmed = confirmed.lock().unwrap_or_else(PoisonError::into_inner);
            confirmed.push(json_of(&answer));
        }
    }
}

#[test]
fn nothing_confirmed_is_lost_whatever_is_done_to_it() {
    if needs::postgres().is_none() {
        return;
    }
    let before = abandoned_memory();
    let mut run = Run::start("45s");
    let made = wait_for("the database", || {
        let new = json!({"text": " Buy milk "});
        let answer = http::ask(run.address, "POST", "/api/todos", Some(&new)).ok()?;
        (answer.status == 201).then(|| json_of(&answer))
    });

    // Created, read, changed, deleted; and what is wrong is refused.
    let page = run.ask("GET", "/", None);
    assert!(page.text().contains("<title>Todos</title>"));
    let path = format!("/api/todos/{}", made["id"]);
    let milk = json!({"id": made["id"], "text": "Buy milk", "done": false});
    assert_eq!(made, milk);
    assert_eq!(json_of(&run.ask("GET", &path, None)), milk);
    let done = json!({"done": true});
    let changed = run.ask("PATCH", &path, Some(&done));
    assert_eq!(json_of(&changed)["done"], true);
    let list = json_of(&run.ask("GET", "/api/todos", None));
    assert!(
        list.as_array().unwrap().contains(&json_of(&changed)),
        "{list}"
    );
    let list = run.ask("GET", "/api/todos?text=Buy", None);
    assert_eq!(json_of(&list), json!([json_of(&changed)]));
    assert_eq!(run.ask("DELETE", &path, None).status, 204);
    for (method, path, json, status) in [
        ("GET", path.as_str(), None, 404),
        ("DELETE", &path, None, 404),
        ("PATCH", &path, Some(&done), 404),
        ("PATCH", &path, Some(&milk), 400),
        ("POST", "/api/todos", Some(&json!({"text": "  "})), 400),
        (
            "POST",
            "/api/todos",
            Some(&json!({"text": "x".repeat(501)})),
            400,
        ),
        ("POST", "/api/todos", Some(&json!({"text": "a\0b"})), 400),
        ("GET", "/api/todos/x", None, 400),
        ("GET", "/api/todos?text=%00", None, 400),
    ] {
        let answer = run.ask(method, path, json);
        assert_eq!(answer.status, status, "{method} {path}: {}", answer.text());
    }

    // The database is killed while many write.
    let (stop, confirmed) = (AtomicBool::new(false), Mutex::new(Vec::new()));
    let count = || confirmed.lock().unwrap().len();
    let more = |than: usize| {
        let what = format!("more than {than} confirmed writes");
        wait_for(&what, || (count() >= than + 20).then_some(()));
    };
    thread::scope(|scope| {
        for client in 0..4 {
            let (stop, confirmed, address) = (&stop, &confirmed, run.address);
            scope.spawn(move || write(address, client, stop, confirmed));
        }
        more(0);
        let said = run.disrupts("kill-database", &[]);
        assert!(said.contains("todo-db-0/postgres was killed"), "{said}");
        wait_for("its restart", || {
            (run.restarts("postgres") > 0).then_some(())
        });
        more(count());
        stop.store(true, Ordering::Relaxed);
    });
    let confirmed = confirmed.into_inner().unwrap();
    for todo in &confirmed {
        let path = format!("/api/todos/{}", todo["id"]);
        let answer = run.ask("GET", &path, None);
        assert_eq!(answer.status, 200, "{todo} is lost: {}", answer.text());
        assert_eq!(json_of(&answer), *todo);
    }
    needs::say(&format!("{} confirmed writes, none lost", confirmed.len()));

    // From this machine to the page, from there to the API, and from there to the database: three
    // ways, each there and back.
    run.disrupts("slow-network", &["--for", "1h", "--delay", "50ms"]);
    let asked = Instant::now();
    assert_eq!(run.ask("GET", "/api/todos", None).status, 200);
    let took = asked.elapsed();
    assert!(took >= Duration::from_millis(300), "{took:?}");
    let said = run.disrupts("slow-network", &["--for", "0s"]);
    assert!(said.contains("fast again"), "{said}");

    run.disrupts("cpu-hog", &["--for", "1h"]);
    let twice = run.disrupt("cpu-hog", &[]);
    assert!(!twice.status.success(), "{twice:?}");
    wait_for("the hog to be recorded", || {
        let list = run.viewer("/api/v1/containers?start=0");
        let mut all = list["containers"].as_array()?.iter();
        all.find(|one| one.to_string().contains("cpu-hog"))
            .map(|_| ())
    });
    let notes = run.viewer("/api/v1/notes");
    let notes = notes["notes"].to_string();
    for what in ["was killed", "is slow, 50ms each way", "a CPU hog"] {
        assert!(notes.contains(&format!("{}: ", run.name)), "{notes}");
        assert!(notes.contains(what), "{notes}");
    }

    // Its clients miss nothing either, which is part of the verdict.
    wait_for("the verdict", || {
        (!run.record()["verdict"].is_null()).then_some(())
    });
    assert_eq!(run.restarts("load"), 0, "{}", run.told());
    let pid = i32::try_from(run.process.pid()).unwrap();
    kill_process(Pid::from_raw(pid).unwrap(), Signal::INT).unwrap();
    let status = run.process.wait();
    needs::say(&run.process.lines().join("\n"));
    assert!(status.success(), "{}", run.told());

    // Nothing is left, and nothing can be done to it any more.
    let record = run.record();
    let place = &record["place"]["local"];
    for made in ["cgroup", "volumes"] {
        let path = PathBuf::from(place[made].as_str().unwrap());
        assert!(!path.exists(), "left: {}", path.display());
    }
    let pods = fs::read_dir(run.folder.path().join("fgm/pods")).unwrap();
    assert_eq!(pods.count(), 0);
    assert_eq!(abandoned_memory(), before);
    let refused = run.disrupt("kill-database", &[]);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(1), "{said}");
    assert!(said.contains("does not run any more"), "{said}");
}
