//! The recorder that a local run is watched by: the `fgm-lab up` that runs, or one of its own.

use crate::state_dir::UpFile;
use crate::terminal::say;
use anyhow::{Context, bail};
use rustix::process::{Pid, Signal, kill_process};
use std::fs::{self, File};
use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// A predecessor may hold the data directory for half a minute.
const PATIENCE: Duration = Duration::from_secs(90);
const PAGE: &str = "127.0.0.1:8050";

/// A running recorder with its page.
pub(crate) struct Recorder {
    pub(crate) url: String,
    pub(crate) data_dir: PathBuf,
    pub(crate) pods_dir: PathBuf,
    pub(crate) cgroup_root: Option<PathBuf>,
    /// Ours to stop, and its log.
    own: Option<(Child, PathBuf)>,
}

impl Recorder {
    /// The one that runs, or a new one whose log goes into that file.
    ///
    /// # Errors
    /// It does not start, with what it says.
    pub(crate) fn find_or_start(log: &Path, interrupted: &AtomicBool) -> anyhow::Result<Self> {
        if let Some(up) = UpFile::running()? {
            say(&format!("watched by the running fgm-lab up at {}", up.url));
            return Self::of(up, None);
        }
        let file = File::create(log).with_context(|| format!("cannot write {}", log.display()))?;
        let own = std::env::current_exe().context("cannot find this program")?;
        let mut child = Command::new(own)
            .args(["up", "--with-parent", "--listen", free_page()])
            .stdin(Stdio::null())
            .stdout(file.try_clone().context("cannot share the log")?)
            .stderr(file)
            .process_group(0)
            .spawn()
            .context("cannot start fgm-lab up")?;
        let asked = Instant::now();
        loop {
            if let Some(up) = UpFile::running()?.filter(|up| up.process.pid == child.id()) {
                say(&format!("started a recorder: {}", up.url));
                return Self::of(up, Some((child, log.to_owned())));
            }
            let ended = child.try_wait().context("wait for fgm-lab up")?;
            let is_late = asked.elapsed() > PATIENCE || interrupted.load(Ordering::Relaxed);
            if ended.is_some() || is_late {
                let _ = child.kill();
                let _ = child.wait();
                let said = fs::read_to_string(log).unwrap_or_default();
                bail!("fgm-lab up does not start: {}", said.trim());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn of(up: UpFile, own: Option<(Child, PathBuf)>) -> anyhow::Result<Self> {
        let Some(pods_dir) = up.pods_dir else {
            bail!(
                "the running fgm-lab up (process {}) takes names from an API server and not from \
                 a directory: stop it, or start it without --kubeconfig",
                up.process.pid
            );
        };
        Ok(Self {
            url: up.url,
            data_dir: up.data_dir,
            pods_dir,
            cgroup_root: up.cgroup_root,
            own,
        })
    }

    /// Ends it if it is ours.
    ///
    /// # Errors
    /// It ended badly, with what it said.
    pub(crate) fn stop(self) -> anyhow::Result<()> {
        let Some((mut child, log)) = self.own else {
            return Ok(());
        };
        let _ = kill_process(Pid::from_child(&child), Signal::TERM);
        let status = child.wait().context("wait for fgm-lab up")?;
        if !status.success() {
            let said = fs::read_to_string(log).unwrap_or_default();
            bail!("fgm-lab up ended with {status}: {}", said.trim());
        }
        say("the recorder of this run has stopped; fgm-lab up shows what it recorded");
        Ok(())
    }
}

/// The usual address, so that links work again with the next `fgm-lab up`; else any.
fn free_page() -> &'static str {
    match TcpListener::bind(PAGE) {
        Ok(_) => PAGE,
        Err(_) => "127.0.0.1:0",
    }
}
