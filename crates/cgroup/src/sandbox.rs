//! Whether a container is its pod's sandbox: only its process can tell.
//!
//! A pod's sandbox holds the namespaces while containers come and go. Its cgroup is named like
//! any container's, its only process is `pause`, and it is the first that was made in the pod
//! (a container may run `pause` as well, to keep room on a node). A cgroup that has just been
//! made holds no process, or the runtime that is about to become one: then it is too early to
//! say, the cgroup counts as a container, and it is taken back when it turns out otherwise.
//!
//! Where `/proc` is not the host's, processes have no names; then sandboxes are shown.

use std::fs;
use std::io::ErrorKind;
use std::path::PathBuf;

/// What a sandbox runs: `pause` in Kubernetes, `catatonit` in Podman's pods.
const SANDBOX_COMMANDS: &[&str] = &["pause", "catatonit"];

/// A runtime on the way to becoming the container's first process (`runc:[2:INIT]`).
const STARTING: &[&str] = &["runc", "crun", "youki", "conmon", "containerd-shim", "exe"];

/// A sandbox has one process; more than this need not be looked at.
const ENOUGH_PROCESSES: usize = 8;

/// What the processes of a cgroup say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing yet: there is none, or it is still the runtime.
    Unknown,
    /// The only process is what sandboxes run.
    OnlyPause,
    /// Something else runs.
    Container,
}

/// The command name of a process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// `/proc/<pid>/comm`.
    Named(String),
    /// The process has ended.
    Ended,
    /// It cannot be read.
    Unreadable,
}

/// Gives the command names of processes.
pub trait Commands {
    /// The command of a process of our PID namespace.
    fn command(&mut self, pid: u32) -> Command;
}

/// Commands from `/proc`.
#[derive(Debug, Clone)]
pub struct ProcCommands {
    proc_root: PathBuf,
}

impl ProcCommands {
    /// Reads below that mount of `/proc`.
    #[must_use]
    pub const fn new(proc_root: PathBuf) -> Self {
        Self { proc_root }
    }
}

impl Commands for ProcCommands {
    fn command(&mut self, pid: u32) -> Command {
        match fs::read(self.proc_root.join(pid.to_string()).join("comm")) {
            Ok(name) => Command::Named(String::from_utf8_lossy(&name).trim_end().to_owned()),
            Err(error) if error.kind() == ErrorKind::NotFound => Command::Ended,
            // ESRCH: it ended between opening and reading.
            Err(error) if error.raw_os_error() == Some(rustix::io::Errno::SRCH.raw_os_error()) => {
                Command::Ended
            }
            Err(_) => Command::Unreadable,
        }
    }
}

/// What the processes say; `foreign` is the number of those in other PID namespaces.
pub fn judge(pids: &[u32], foreign: u64, commands: &mut dyn Commands) -> Verdict {
    if foreign > 0 || pids.len() > ENOUGH_PROCESSES {
        return Verdict::Container;
    }
    let mut verdict = Verdict::Unknown;
    for pid in pids {
        match commands.command(*pid) {
            Command::Unreadable => return Verdict::Container,
            Command::Ended => {}
            Command::Named(name) if SANDBOX_COMMANDS.contains(&name.as_str()) => {
                if pids.len() == 1 {
                    verdict = Verdict::OnlyPause;
                }
            }
            Command::Named(name) if STARTING.iter().any(|start| name.starts_with(start)) => {}
            Command::Named(_) => return Verdict::Container,
        }
    }
    verdict
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    struct Fake(HashMap<u32, Command>);

    impl Commands for Fake {
        fn command(&mut self, pid: u32) -> Command {
            self.0.get(&pid).cloned().unwrap_or(Command::Ended)
        }
    }

    fn verdict(commands: &[&str]) -> Verdict {
        let pids: Vec<u32> = (1..).take(commands.len()).collect();
        let named = commands
            .iter()
            .map(|name| Command::Named((*name).to_owned()));
        judge(
            &pids,
            0,
            &mut Fake(pids.iter().copied().zip(named).collect()),
        )
    }

    #[test]
    fn verdicts() {
        assert_eq!(verdict(&[]), Verdict::Unknown);
        assert_eq!(verdict(&["runc:[2:INIT]"]), Verdict::Unknown);
        assert_eq!(verdict(&["crun", "pause"]), Verdict::Unknown);
        assert_eq!(verdict(&["pause"]), Verdict::OnlyPause);
        assert_eq!(verdict(&["catatonit"]), Verdict::OnlyPause);
        assert_eq!(verdict(&["catatonit", "app"]), Verdict::Container);
        assert_eq!(verdict(&["nginx", "nginx"]), Verdict::Container);
    }

    #[test]
    fn a_process_that_ended_says_nothing() {
        assert_eq!(judge(&[7], 0, &mut Fake(HashMap::new())), Verdict::Unknown);
    }

    #[test]
    fn where_names_cannot_be_read_it_is_shown() {
        let unreadable = HashMap::from([(7, Command::Unreadable)]);
        assert_eq!(judge(&[7], 0, &mut Fake(unreadable)), Verdict::Container);
        assert_eq!(judge(&[], 1, &mut Fake(HashMap::new())), Verdict::Container);
    }

    #[test]
    fn names_come_from_proc() {
        let tree = fgm_testkit::cgroup_tree::CgroupTree::new();
        tree.set_command(12, "pause");
        let mut commands = ProcCommands::new(tree.proc_root());
        assert_eq!(commands.command(12), Command::Named("pause".to_owned()));
        assert_eq!(commands.command(13), Command::Ended);
    }
}
