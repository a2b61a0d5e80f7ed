//! A container of a pod on this machine: started in a cgroup of its own, and again after its end
//! as the kubelet would.

use super::cgroups::{Cgroup, Slice};
use super::program::Program;
use anyhow::Context;
use fgm_collector::identity::Resources;
use std::fs::File;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// A cgroup is removed that long after its end, as a runtime takes about as long.
pub(crate) const LINGER: Duration = Duration::from_millis(200);
const PERIOD_USEC: i64 = 100_000;
/// The kubelet's: the second restart waits, and each later one twice as long.
const FIRST_BACK_OFF: Duration = Duration::from_secs(10);
const LONGEST_BACK_OFF: Duration = Duration::from_secs(300);

/// When a container is started again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RestartPolicy {
    Always,
    OnFailure,
    Never,
}

/// What does not change over restarts.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) name: String,
    pub(crate) image: String,
    pub(crate) program: Program,
    pub(crate) resources: Resources,
    pub(crate) restart: RestartPolicy,
    /// The pod's cgroup.
    pub(crate) parent: PathBuf,
    /// The working directory.
    pub(crate) folder: PathBuf,
    /// Where its output goes.
    pub(crate) log: PathBuf,
}

/// How an instance ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ended {
    pub(crate) container_id: String,
    pub(crate) exit_code: i32,
    pub(crate) signal: Option<i32>,
    pub(crate) reason: &'static str,
    pub(crate) started_ms: i64,
    pub(crate) finished_ms: i64,
}

#[derive(Debug)]
pub(crate) enum State {
    /// To be started then.
    Waiting(Instant),
    Running(Instance),
    /// Not to be started again.
    Done,
}

#[derive(Debug)]
pub(crate) struct Instance {
    child: Child,
    cgroup: Cgroup,
    pub(crate) container_id: String,
    pub(crate) started_ms: i64,
}

impl Instance {
    /// Kills all of it, as a crash does.
    pub(crate) fn kill(&self) {
        self.cgroup.kill();
    }
}

/// A container over its restarts.
#[derive(Debug)]
pub(crate) struct Container {
    pub(crate) plan: Plan,
    pub(crate) restarts: u32,
    pub(crate) state: State,
    pub(crate) last: Option<Ended>,
    /// Cgroups of instances that ended, to be removed.
    leaving: Vec<(Instant, Cgroup)>,
}

impl Container {
    pub(crate) fn new(plan: Plan) -> Self {
        Self {
            plan,
            restarts: 0,
            state: State::Waiting(Instant::now()),
            last: None,
            leaving: Vec::new(),
        }
    }

    /// Does what is due; whether its status changed.
    ///
    /// # Errors
    /// When it cannot be started.
    pub(crate) fn step(&mut self, slice: &Slice) -> anyhow::Result<bool> {
        self.leaving.retain(|(since, cgroup)| {
            since.elapsed() < LINGER || !cgroup.is_empty() || cgroup.remove().is_err()
        });
        match &mut self.state {
            // What is left of its predecessor goes first: two servers on the same data would not do.
            State::Waiting(due)
                if Instant::now() >= *due
                    && self.leaving.iter().all(|(_, cgroup)| cgroup.is_empty()) =>
            {
                if self.last.is_some() {
                    self.restarts += 1;
                }
                let started = self.plan.start(slice, self.restarts);
                let started = started.with_context(|| format!("container {}", self.plan.name));
                self.state = State::Running(started?);
                Ok(true)
            }
            State::Running(instance) => {
                let Some(status) = instance.child.try_wait().context("wait for a container")?
                else {
                    return Ok(false);
                };
                let ended = instance.ended(status);
                // The kernel has told the recorder of the end already; what is left goes now.
                instance.cgroup.kill();
                self.leaving.push((Instant::now(), instance.cgroup.clone()));
                self.state = self.after(&ended);
                self.last = Some(ended);
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    /// Whether it has ended for good and its cgroups are removed.
    pub(crate) fn is_gone(&self) -> bool {
        matches!(self.state, State::Done) && self.leaving.is_empty()
    }

    fn after(&self, ended: &Ended) -> State {
        let again = match self.plan.restart {
            RestartPolicy::Always => true,
            RestartPolicy::OnFailure => ended.exit_code != 0,
            RestartPolicy::Never => false,
        };
        if again {
            State::Waiting(Instant::now() + back_off(self.restarts))
        } else {
            State::Done
        }
    }
}

/// How long the restart after that many waits.
fn back_off(restarts: u32) -> Duration {
    match restarts.checked_sub(1) {
        None => Duration::ZERO,
        Some(doublings) => FIRST_BACK_OFF
            .saturating_mul(2_u32.saturating_pow(doublings))
            .min(LONGEST_BACK_OFF),
    }
}

impl Plan {
    fn start(&self, slice: &Slice, restarts: u32) -> anyhow::Result<Instance> {
        let cgroup = Cgroup::make(&self.parent.join(format!("{}-{restarts}", self.name)))?;
        set_limits(&cgroup, &self.resources)?;
        let container_id = slice.container_id(&cgroup)?;
        let log = File::options().create(true).append(true).open(&self.log);
        let log = log.with_context(|| format!("cannot write {}", self.log.display()))?;
        // It enters its cgroup before it becomes the program, so that no memory of it is
        // charged elsewhere.
        let own = std::env::current_exe().context("cannot find this program")?;
        let child = Command::new(own)
            .arg("enter-cgroup")
            .arg(cgroup.path())
            .arg("--")
            .arg(&self.program.path)
            .args(&self.program.arguments)
            .env_clear()
            .envs(&self.program.environment)
            .current_dir(&self.folder)
            .stdin(Stdio::null())
            .stdout(log.try_clone().context("cannot share the log")?)
            .stderr(log)
            // Ctrl-C at the terminal is for this program alone.
            .process_group(0)
            .spawn()
            .context("cannot start this program again")?;
        Ok(Instance {
            child,
            cgroup,
            container_id,
            started_ms: super::now_ms(),
        })
    }
}

/// Becomes that program in that cgroup; returns only if that fails.
pub(crate) fn enter(cgroup: &Path, program: &[String]) -> anyhow::Error {
    let Some((name, arguments)) = program.split_first() else {
        return anyhow::anyhow!("no program to become");
    };
    let procs = cgroup.join("cgroup.procs");
    if let Err(error) = std::fs::write(&procs, "0") {
        return anyhow::Error::new(error).context(format!("cannot enter {}", cgroup.display()));
    }
    let error = Command::new(name).args(arguments).exec();
    anyhow::Error::new(error).context(format!("cannot become {name}"))
}

/// Sets what a kubelet sets, as far as this tree has the controllers.
///
/// # Errors
/// The kernel does not take a limit.
pub(crate) fn set_limits(cgroup: &Cgroup, resources: &Resources) -> anyhow::Result<()> {
    if cgroup.has("cpu.max") {
        if let Some(millicores) = resources.cpu_limit_millicores {
            let quota = (millicores * PERIOD_USEC / 1000).max(1000);
            cgroup.set("cpu.max", &format!("{quota} {PERIOD_USEC}"))?;
        }
        let millicores = resources.cpu_request_millicores.unwrap_or(0);
        cgroup.set("cpu.weight", &weight(millicores).to_string())?;
    }
    if cgroup.has("memory.max")
        && let Some(bytes) = resources.memory_limit_bytes
    {
        cgroup.set("memory.max", &bytes.to_string())?;
        // Without that a container would swap where it is to be killed.
        if cgroup.has("memory.swap.max") {
            cgroup.set("memory.swap.max", "0")?;
        }
    }
    Ok(())
}

/// `cpu.weight` of a request, as the kubelet makes it of shares.
fn weight(millicores: i64) -> i64 {
    let shares = (millicores * 1024 / 1000).clamp(2, 262_144);
    1 + (shares - 2) * 9999 / 262_142
}

impl Instance {
    fn ended(&self, status: ExitStatus) -> Ended {
        let signal = status.signal();
        let exit_code = status.code().or(signal.map(|number| 128 + number));
        let exit_code = exit_code.unwrap_or(-1);
        let reason = match exit_code {
            0 => "Completed",
            137 if self.cgroup.oom_kills() > 0 => "OOMKilled",
            _ => "Error",
        };
        Ended {
            container_id: self.container_id.clone(),
            exit_code,
            signal,
            reason,
            started_ms: self.started_ms,
            finished_ms: super::now_ms(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn restarts_wait_as_the_kubelets_do() {
        let seconds: Vec<_> = (0..8).map(|n| back_off(n).as_secs()).collect();
        assert_eq!(seconds, [0, 10, 20, 40, 80, 160, 300, 300]);
        assert_eq!(back_off(u32::MAX), LONGEST_BACK_OFF);
    }

    #[test]
    fn a_request_weighs_as_the_kubelets_does() {
        assert_eq!([0, 100, 1000, 1_000_000].map(weight), [1, 4, 39, 10_000]);
    }
}
