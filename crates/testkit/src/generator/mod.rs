//! Synthetic recordings with known truth: what a node's recorder would have written, tick by
//! tick, and beside it what really happened.
//!
//! Seeded: the same [`Settings`] give the same rows on every machine. Numbers move as a kernel's
//! do (counters count, the parts of `memory.stat` add up, a quota throttles, a limit reclaims and
//! then kills), and they are integrated over the real time between two reads, so that what
//! happens off the grid is there to be found: a spike of 200 ms shows in the counters alone, the
//! last row of a killed container lies before its tick.
//!
//! Nothing here knows of files: a [`Generator`] hands out [`Batch`]es, whoever wants them on disk
//! appends them to a spool as the recorder does.
//!
//! The physics of one container are in `cpu`, `memory` and `work`, drawn from a `profile`; `pod`
//! and `fleet` give it a name and a fate, `node` lets time pass.

mod container;
mod cpu;
mod fleet;
mod group;
mod happenings;
mod interruptions;
mod load;
mod memory;
mod node;
mod pod;
mod profile;
mod random;
mod scenario;
mod truth;
mod work;

#[cfg(test)]
mod tests;

pub use fleet::{NODE, RECORDER};
pub use node::Generator;
pub use profile::{Class, Trouble};
pub use scenario::Scenario;
pub use truth::{
    End, Gap, Life, OomKill, Period, Rows, Series, Spell, SpikeTruth, TRUTH_FILE, Truth,
};

use fgm_model::{Event, Tick};

/// What to generate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// The mix of containers and troubles.
    pub scenario: Scenario,
    /// Any number; the same one gives the same rows.
    pub seed: u64,
    /// Containers that run at a time, those between two lives counted.
    pub containers: usize,
    /// The first instant, a multiple of the interval, milliseconds UTC.
    pub start_ms: i64,
    /// How long, milliseconds.
    pub duration_ms: i64,
    /// From one instant to the next, milliseconds, above 0.
    pub interval_ms: i64,
}

/// What one tick hands to the writer.
#[derive(Debug, Default)]
pub struct Batch {
    /// Rows of the table `metrics`.
    pub metrics: Tick,
    /// Rows of the table `pods`.
    pub pods: Tick,
    /// The row of the table `node`.
    pub node: Tick,
    /// What happened since the last tick.
    pub events: Vec<Event>,
}
