//! A running `fgm-viewer`, and a recording whose every value is known.

use crate::process::Killable;
use crate::{must, programs, wait_for};
use fgm_store::reader::Reader;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

/// A viewer on a port of its own.
#[derive(Debug)]
pub struct Viewer {
    process: Killable,
    /// Where it answers on this machine.
    pub address: SocketAddr,
    /// What it told a person to open.
    pub link: String,
}

impl Viewer {
    /// Starts it over that data directory, on this machine alone if the flags do not say otherwise.
    #[must_use]
    pub fn start(data_dir: &Path, flags: &[&str]) -> Self {
        let mut command = Command::new(programs::fgm_viewer());
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("FGM_") {
                command.env_remove(name);
            }
        }
        if !flags.contains(&"--listen") {
            command.args(["--listen", "127.0.0.1:0"]);
        }
        command.arg("--data-dir").arg(data_dir).args(flags);
        let process = Killable::start(command);
        let link = wait_for("the viewer to tell its address", || {
            let log = process.log();
            let (_, rest) = log.split_once("url=")?;
            Some(rest.split_whitespace().next()?.to_owned())
        });
        let port = link
            .split(['/', '#'])
            .nth(2)
            .and_then(|host| host.rsplit(':').next());
        let port = must(port.unwrap_or_default().parse(), "the port of a viewer");
        Self {
            process,
            address: SocketAddr::from(([127, 0, 0, 1], port)),
            link,
        }
    }

    /// Below which its page and API lie.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// What it logged so far.
    #[must_use]
    pub fn log(&self) -> String {
        self.process.log()
    }

    /// Its resident memory, bytes.
    #[must_use]
    pub fn resident_bytes(&self) -> u64 {
        let status = format!("/proc/{}/status", self.process.pid());
        let status = must(std::fs::read_to_string(status), "the status of a viewer");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let number = line.and_then(|line| line.split_whitespace().next());
        must(number.unwrap_or_default().parse::<u64>(), "VmRSS") * 1024
    }

    /// Ends it.
    pub fn stop(mut self) {
        self.process.kill();
    }
}

/// Writes the last hour of the known recording and goes on with a tick a second until it is
/// dropped.
#[must_use]
pub fn known_recording(dir: &Path) -> Killable {
    let mut command = Command::new(programs::recording());
    command.arg(dir).args(["1", "--live"]);
    let process = Killable::start(command);
    let mut newest = 0;
    // What is waited for is that it goes on, however long a slow machine takes for the hour.
    while now_ms() - newest > 5_000 {
        newest = wait_for("the recording to go on", || {
            let last = Reader::open(dir).status().ok()?.last_ms?;
            (last > newest).then_some(last)
        });
    }
    process
}

fn now_ms() -> i64 {
    let now = must(SystemTime::now().duration_since(UNIX_EPOCH), "the time");
    i64::try_from(now.as_millis()).unwrap_or(i64::MAX)
}
