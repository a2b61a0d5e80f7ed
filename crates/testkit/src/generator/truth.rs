//! What is true of generated data, written beside them (`truth.json`): nobody has to find it out.

use super::profile::{Class, Trouble};
use super::scenario::Scenario;
use serde::{Deserialize, Serialize};

/// The name of the file in a data directory.
pub const TRUTH_FILE: &str = "truth.json";

/// Everything that is known of a data set. Times are UTC; `_us` where they lie off the grid.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Truth {
    /// Raised when a field changes its meaning.
    pub version: u32,
    /// The mix.
    pub scenario: Scenario,
    /// The seed: the same settings give the same rows.
    pub seed: u64,
    /// Containers that run at a time.
    pub containers: usize,
    /// The node's name.
    pub node: String,
    /// The partition `pod=`.
    pub recorder: String,
    /// The kernel's boot ID.
    pub boot_id: String,
    /// The first instant.
    pub start_ms: i64,
    /// The first instant after the data.
    pub end_ms: i64,
    /// From one instant to the next.
    pub interval_ms: i64,
    /// Rows of each table.
    pub rows: Rows,
    /// Instants without a reading.
    pub gaps: Vec<Gap>,
    /// Ticks that began late.
    pub late_ticks: Vec<i64>,
    /// Every container, as a person names it.
    pub series: Vec<Series>,
}

/// Rows of each table; of events, rows and revisions.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rows {
    /// `metrics`.
    pub metrics: u64,
    /// `pods`.
    pub pods: u64,
    /// `node`.
    pub node: u64,
    /// `events`.
    pub events: u64,
}

/// Missed instants: the first and the last of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gap {
    /// The first instant without a reading.
    pub from_ms: i64,
    /// The last one.
    pub to_ms: i64,
    /// How many.
    pub missed: i64,
}

/// One container over its restarts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Series {
    /// The series id, as in the viewer's address.
    pub id: String,
    /// The pod's namespace.
    pub namespace: String,
    /// The pod's name.
    pub pod_name: String,
    /// The pod's UID.
    pub pod_uid: String,
    /// The container's name.
    pub container_name: String,
    /// How busy.
    pub class: Class,
    /// What goes wrong.
    pub trouble: Trouble,
    /// Limits and requests, where there are some.
    pub cpu_limit_millicores: Option<i64>,
    /// `memory.max`.
    pub memory_limit: Option<i64>,
    /// Pulse trains of the CPU.
    pub periods: Vec<Period>,
    /// Bytes that leak each second, 0 for none.
    pub leak_bytes_per_s: f64,
    /// CPU spikes, between the ticks.
    pub cpu_spikes: Vec<SpikeTruth>,
    /// Memory spikes, seen in `memory_peak` alone.
    pub memory_spikes: Vec<SpikeTruth>,
    /// Visits of the OOM killer.
    pub oom_kills: Vec<OomKill>,
    /// Spells of throttling by the definition in `fgm_model::throttling`.
    pub throttling: Vec<Spell>,
    /// Its lives.
    pub instances: Vec<Life>,
}

/// A pulse train.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Period {
    /// From one start to the next.
    pub period_ms: f64,
    /// The share of the time within a pulse.
    pub duty: f64,
    /// What is wanted more during a pulse; a quota may give less.
    pub millicores: f64,
}

/// A pulse that came once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpikeTruth {
    /// When it began.
    pub start_us: i64,
    /// How long it lasted.
    pub width_us: i64,
    /// Millicores, or bytes.
    pub size: i64,
}

/// A visit of the OOM killer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OomKill {
    /// When.
    pub at_us: i64,
    /// Of whom.
    pub container_id: String,
    /// How many processes it took.
    pub processes_killed: i64,
    /// Whether the container lived on.
    pub survived: bool,
}

/// A spell of throttling.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spell {
    /// The end of its first throttled second.
    pub start_ms: i64,
    /// The end of its last one.
    pub end_ms: i64,
}

/// How a life ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// It was there at the end of the data.
    Running,
    /// Its work was done.
    Completed,
    /// It ended with an error.
    Crashed,
    /// The OOM killer took it.
    OomKilled,
    /// A new pod took its place.
    RolledOut,
}

/// One life of a container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Life {
    /// The runtime's ID.
    pub container_id: String,
    /// The life of that ID.
    pub life: String,
    /// Restarts before it.
    pub restart_count: i64,
    /// When it was born; `None` when that was before the data.
    pub born_us: Option<i64>,
    /// When it ended; `None` for one that runs on.
    pub ended_us: Option<i64>,
    /// How.
    pub end: End,
    /// Its rows in `metrics`.
    pub rows: u64,
    /// Its CPU time as the last row has it.
    pub cpu_usec: i64,
    /// `cpu_nr_periods` of the last row.
    pub nr_periods: i64,
    /// `cpu_nr_throttled` of the last row.
    pub nr_throttled: i64,
    /// `cpu_throttled_usec` of the last row.
    pub throttled_usec: i64,
    /// The highest `memory_peak`.
    pub memory_peak: i64,
}
