//! The `detail` of each kind of fact: JSON of a stable shape, which readers of years to come
//! parse. Every key is always there; what is not known is null.

use serde::{Deserialize, Serialize};

/// Of `started`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Started {
    /// Its birth was seen; otherwise it ran before the recorder did.
    pub born: bool,
}

/// How a container's main process ended, as the pod's status tells.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Termination {
    /// Such as `OOMKilled`, `Error` or `Completed`.
    pub reason: Option<String>,
    /// The exit code; 128 + signal where a signal ended it.
    pub exit_code: Option<i64>,
    /// The signal, where the runtime tells.
    pub signal: Option<i64>,
    /// When it started, milliseconds UTC.
    pub started_at_ms: Option<i64>,
    /// When it ended, milliseconds UTC.
    pub finished_at_ms: Option<i64>,
}

/// Of `ended`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Ended {
    /// It ended while no recorder ran; `time` is then the last moment that is known of it.
    pub away: bool,
    /// How its main process ended.
    #[serde(flatten)]
    pub how: Termination,
}

/// Of `restarted`, whose instance is the new one.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Restarted {
    /// The instance before it in the same series.
    pub previous_container_id: String,
    /// The life of that.
    pub previous_life: String,
    /// Restarts so far, as Kubernetes counts them.
    pub restart_count: Option<i64>,
    /// How the one before ended.
    #[serde(flatten)]
    pub previous: Termination,
}

/// Of `limit_changed`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct LimitChanged {
    /// One for each limit that changed.
    pub changes: Vec<LimitChange>,
}

/// One limit before and after; null is unlimited.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct LimitChange {
    /// The metric's name.
    pub limit: String,
    /// What it was.
    pub before: Option<i64>,
    /// What it is.
    pub after: Option<i64>,
}

/// Of `throttling_started`: the sums over the 60 s by which it is known.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ThrottlingStarted {
    /// The share of periods that were throttled.
    pub throttled_percent: Option<f64>,
    /// Scheduling periods.
    pub nr_periods: i64,
    /// Throttled ones.
    pub nr_throttled: i64,
    /// CPU time lost.
    pub throttled_usec: i64,
}

/// Of `throttling_ended`: the sums from its first to its last throttled second, null when it
/// began before the recorder did.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ThrottlingEnded {
    /// The `time` of its `throttling_started`.
    pub started_at_ms: i64,
    /// The share of periods that were throttled.
    pub throttled_percent: Option<f64>,
    /// Scheduling periods.
    pub nr_periods: Option<i64>,
    /// Throttled ones.
    pub nr_throttled: Option<i64>,
    /// CPU time lost.
    pub throttled_usec: Option<i64>,
}

/// Whose lack of memory it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// The container's own limit was hit.
    Container,
    /// Its pod's limit was hit.
    Pod,
    /// A limit above the pods was hit, or the node had no memory left.
    Node,
}

/// Who told of an OOM kill. Only the first three make a fact, the others add to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// The `oom_kill` counter of the container.
    Container,
    /// The `oom_kill` counter of its pod.
    Pod,
    /// The pod's status.
    Status,
    /// The kernel's log.
    Kernel,
    /// The node's counter.
    Node,
}

/// The process that the kernel chose.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Victim {
    /// Its number in the initial PID namespace.
    pub pid: i64,
    /// Its name (`comm`).
    pub name: String,
    /// Its user.
    pub uid: Option<i64>,
    /// Its anonymous memory, resident.
    pub anon_rss_bytes: Option<i64>,
    /// Its file-backed memory, resident.
    pub file_rss_bytes: Option<i64>,
    /// Its shared memory, resident.
    pub shmem_rss_bytes: Option<i64>,
}

/// Of `oom_kill`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct OomKill {
    /// The kernel's count of killed processes before it: the ordinal of the event.
    pub oom_kill_before: i64,
    /// Whose lack of memory it was.
    pub scope: Option<Scope>,
    /// The limit that was hit, where it is the container's or the pod's.
    pub limit_bytes: Option<i64>,
    /// The cgroup whose limit was hit, as the kernel names it.
    pub oom_cgroup: Option<String>,
    /// The process that the kernel chose.
    pub victim: Option<Victim>,
    /// Processes that died by it.
    pub processes_killed: Option<i64>,
    /// Whether `memory.oom.group` had all killed.
    pub group_kill: Option<bool>,
    /// Processes of the container that lived on.
    pub survivors: Option<i64>,
    /// The working set at the last reading before.
    pub working_set_bytes: Option<i64>,
    /// The highest memory use of the container's life.
    pub memory_peak_bytes: Option<i64>,
    /// How fast the working set rose over the last 10 s.
    pub allocation_bytes_per_s: Option<i64>,
    /// Memory pressure, some, over the last 10 s.
    pub memory_psi_some_percent: Option<f64>,
    /// Memory pressure, full, over the last 10 s.
    pub memory_psi_full_percent: Option<f64>,
    /// Processes that the whole node lost to OOM kills around that moment.
    pub node_processes_killed: Option<i64>,
    /// How the container's main process ended.
    #[serde(flatten)]
    pub how: Termination,
    /// Who told of it.
    pub sources: Vec<Source>,
}
