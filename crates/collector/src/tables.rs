//! The rows of one tick, by table.

use fgm_model::{Table, Tick};

/// What one tick read: a batch whose tables go to one spool.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Tables {
    /// A row per container.
    pub metrics: Tick,
    /// A row per pod.
    pub pods: Tick,
    /// One row.
    pub node: Tick,
}

impl Tables {
    /// Empties the tables for a tick.
    pub fn begin(&mut self, time_ms: i64, clock_epoch: i64) {
        for tick in [&mut self.metrics, &mut self.pods, &mut self.node] {
            tick.time_ms = time_ms;
            tick.clock_epoch = clock_epoch;
            tick.rows.clear();
        }
    }

    /// Each table with its rows.
    #[must_use]
    pub const fn all(&self) -> [(Table, &Tick); 3] {
        [
            (Table::Metrics, &self.metrics),
            (Table::Pods, &self.pods),
            (Table::Node, &self.node),
        ]
    }
}
