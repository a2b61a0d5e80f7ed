//! What each part of a tick costs.

use crate::clock;
use crate::health::{Health, Part};
use std::sync::Arc;
use std::time::Duration;

/// Gives each part of a tick its CPU time.
pub(crate) struct PartClock {
    health: Arc<Health>,
    since: Duration,
}

impl PartClock {
    pub(crate) fn start(health: &Arc<Health>) -> Self {
        Self {
            health: Arc::clone(health),
            since: clock::thread_cpu(),
        }
    }

    pub(crate) fn end(&mut self, part: Part) {
        let now = clock::thread_cpu();
        self.health
            .add_tick_cpu(part, now.saturating_sub(self.since));
        self.since = now;
    }
}
