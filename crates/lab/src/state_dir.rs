//! What the lab leaves on this machine for its other commands: which recorder runs, and the runs
//! of scenarios. All below `$XDG_STATE_HOME/fgm`.

use anyhow::Context;
use rustix::process::{Pid, Signal, kill_process};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// The directory of the lab's own state.
///
/// # Errors
/// When neither `XDG_STATE_HOME` nor `HOME` is set.
pub(crate) fn path() -> anyhow::Result<PathBuf> {
    fgm_service::flags::state_dir()
}

/// A running process, which a number alone does not tell: numbers are used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Process {
    pub(crate) pid: u32,
    /// Ticks after boot, from `/proc/<pid>/stat`.
    start_ticks: u64,
}

impl Process {
    /// This process.
    ///
    /// # Errors
    /// When `/proc` does not tell of it.
    pub(crate) fn own() -> anyhow::Result<Self> {
        let pid = std::process::id();
        let start_ticks = start_ticks(pid).context("/proc does not tell of this process")?;
        Ok(Self { pid, start_ticks })
    }

    pub(crate) fn runs(self) -> bool {
        start_ticks(self.pid) == Some(self.start_ticks)
    }

    /// Asks it to end.
    pub(crate) fn terminate(self) {
        let pid = i32::try_from(self.pid).ok().and_then(Pid::from_raw);
        if let Some(pid) = pid
            && self.runs()
        {
            // It may be gone by now.
            let _ = kill_process(pid, Signal::TERM);
        }
    }
}

/// When a process started; `None` when there is none, or only its remains.
fn start_ticks(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name may hold anything, so what is counted begins behind it.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    let state = fields.next()?;
    let start = fields.nth(18)?.parse().ok()?;
    (state != "Z" && state != "X").then_some(start)
}

/// A running `fgm-lab up`, by which other commands find it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct UpFile {
    #[serde(flatten)]
    pub(crate) process: Process,
    /// The page.
    pub(crate) url: String,
    pub(crate) data_dir: PathBuf,
    /// Where it reads Pod objects; `None` when it asks an API server.
    pub(crate) pods_dir: Option<PathBuf>,
    /// The cgroup tree, where it was named.
    pub(crate) cgroup_root: Option<PathBuf>,
}

impl UpFile {
    fn place() -> anyhow::Result<PathBuf> {
        Ok(path()?.join("up.json"))
    }

    /// Tells others of this process.
    ///
    /// # Errors
    /// When the state directory cannot be written to.
    pub(crate) fn publish(&self) -> anyhow::Result<()> {
        write_json(&Self::place()?, self)
    }

    /// The recorder that runs now, if any.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub(crate) fn running() -> anyhow::Result<Option<Self>> {
        let known = read_json::<Self>(&Self::place()?)?;
        Ok(known.filter(|up| up.process.runs()))
    }

    /// Takes back what [`Self::publish`] told, unless another one told since.
    pub(crate) fn withdraw(&self) {
        let Ok(place) = Self::place() else { return };
        if let Ok(Some(now)) = read_json::<Self>(&place)
            && now.process == self.process
        {
            let _ = fs::remove_file(place);
        }
    }
}

/// Replaces a file as a whole.
///
/// # Errors
/// With the path that cannot be written.
pub(crate) fn write_json(path: &Path, value: &impl Serialize) -> anyhow::Result<()> {
    let write = || -> anyhow::Result<()> {
        let folder = path.parent().context("a file without a directory")?;
        fs::create_dir_all(folder)?;
        let new = path.with_extension(format!("{}.new", std::process::id()));
        fs::write(&new, serde_json::to_vec_pretty(value)?)?;
        fs::rename(new, path)?;
        Ok(())
    };
    write().with_context(|| format!("cannot write {}", path.display()))
}

/// Reads a file; `None` when there is none.
///
/// # Errors
/// With the path that cannot be read.
pub(crate) fn read_json<T: DeserializeOwned>(path: &Path) -> anyhow::Result<Option<T>> {
    let bytes = match fs::read(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        bytes => bytes.with_context(|| format!("cannot read {}", path.display()))?,
    };
    let value = serde_json::from_slice(&bytes)
        .with_context(|| format!("cannot understand {}", path.display()))?;
    Ok(Some(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_told_from_another_one_with_its_number() {
        let own = Process::own().expect("this process");
        assert!(own.runs());
        let other = Process {
            start_ticks: own.start_ticks + 1,
            ..own
        };
        assert!(!other.runs());
    }

    #[test]
    fn a_process_that_ended_does_not_run() {
        let mut child = std::process::Command::new("sleep")
            .arg("60")
            .spawn()
            .expect("sleep runs");
        let start_ticks = start_ticks(child.id()).expect("its start");
        let process = Process {
            pid: child.id(),
            start_ticks,
        };
        assert!(process.runs());
        child.kill().expect("killed");
        child.wait().expect("its end");
        assert!(!process.runs());
    }
}
