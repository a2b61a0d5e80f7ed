//! A running `fgm`.

use crate::http::{self, Answer};
use crate::{must, programs, wait_for};
use rustix::process::{Pid, Signal, kill_process};
use std::fs::{self, File};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use tempfile::TempDir;

/// A process of `fgm`; dropping it kills it.
#[derive(Debug)]
pub struct Fgm {
    child: Child,
    address: SocketAddr,
    log: PathBuf,
    /// Where the log lies.
    _folder: TempDir,
}

impl Fgm {
    /// Starts `fgm` over that data directory with these flags, on an address of its own.
    #[must_use]
    pub fn start(data_dir: &Path, flags: &[&str]) -> Self {
        let folder = must(tempfile::tempdir(), "temporary directory");
        let log = folder.path().join("log");
        let address = own_address();
        let child = command(data_dir)
            .arg("--listen")
            .arg(address.to_string())
            .args(flags)
            .stdout(Stdio::null())
            .stderr(must(File::create(&log), "log"))
            .spawn();
        Self {
            child: must(child, "start fgm"),
            address,
            log,
            _folder: folder,
        }
    }

    /// Its process.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it said so far.
    #[must_use]
    pub fn log(&self) -> String {
        must(fs::read_to_string(&self.log), "log")
    }

    /// Its answer; `None` while it does not listen.
    #[must_use]
    pub fn get(&self, path: &str) -> Option<Answer> {
        http::get(self.address, path).ok()
    }

    /// A number of its `/metrics`; `None` while it does not listen or say.
    #[must_use]
    pub fn metric(&self, name: &str) -> Option<f64> {
        metric(&self.get("/metrics")?.text(), name)
    }

    /// Waits until it is ready.
    pub fn wait_until_ready(&self) {
        wait_for("fgm to be ready", || {
            self.get("/readyz").filter(|answer| answer.status == 200)
        });
    }

    /// Whether it still runs.
    #[must_use]
    pub fn runs(&mut self) -> bool {
        must(self.child.try_wait(), "ask for fgm").is_none()
    }

    /// Ends it as a power cut of the process would.
    pub fn kill(&mut self) {
        must(self.child.kill(), "kill fgm");
        must(self.child.wait(), "wait for fgm");
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        let Some(pid) = pid else {
            panic!("a process without a number");
        };
        must(kill_process(pid, signal), "signal fgm");
    }

    /// Waits for its end.
    pub fn wait(&mut self) -> ExitStatus {
        wait_for("fgm to end", || must(self.child.try_wait(), "ask for fgm"))
    }

    /// Asks it to stop, waits until it has drained, and gives what it said.
    pub fn stop(mut self) -> String {
        self.signal(Signal::TERM);
        let status = self.wait();
        let log = self.log();
        assert!(status.success(), "fgm ended with {status}:\n{log}");
        log
    }
}

impl Drop for Fgm {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// `fgm` over that data directory, with nothing of the caller's own settings.
#[must_use]
pub fn command(data_dir: &Path) -> Command {
    let mut command = Command::new(programs::fgm());
    without_own_settings(&mut command);
    command.arg("--data-dir").arg(data_dir);
    command
}

/// Takes the caller's own settings away from a program.
pub fn without_own_settings(command: &mut Command) {
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("FGM_") {
            command.env_remove(name);
        }
    }
    command.env_remove("RUST_LOG");
}

/// A sample of that name (with its labels, if any) in the OpenMetrics text.
#[must_use]
pub fn metric(text: &str, name: &str) -> Option<f64> {
    text.lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))
        .and_then(|value| value.trim().parse().ok())
}

/// A loopback address that no other story uses.
#[must_use]
pub fn own_address() -> SocketAddr {
    static PORT: AtomicU16 = AtomicU16::new(20_000);
    let [_, a, b, c] = std::process::id().to_be_bytes();
    let ip = Ipv4Addr::new(127, 64 | (a & 63), b, c.max(1));
    SocketAddr::new(IpAddr::V4(ip), PORT.fetch_add(1, Ordering::Relaxed))
}
