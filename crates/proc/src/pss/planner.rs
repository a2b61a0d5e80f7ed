//! Which process is scanned next, and when: a pure state machine, its clock and costs injected.
//!
//! - Nothing is scanned before the [`Bucket`] holds its predicted cost, and the measured cost is
//!   taken out: over any time the CPU spent is at most budget x time + capacity.
//! - A process is due again after an interval ~ sqrt(cost / rate of change): the times that give
//!   the freshest sums for the budget. They are scaled so that all scans together just use it,
//!   with a floor of 1 s, or of 60 s if nothing changed (what others share may have).
//! - The one that has been due for the longest comes first and is waited for, so that none
//!   starves. New processes come first by a head start of [`HEAD_START`].
//! - One predicted above [`PlannerConfig::largest`] is left out and reported once.

use super::bucket::Bucket;
use crate::clock::BootTime;
use crate::process::ProcessKey;
use crate::processes::Footprint;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::time::Duration;

/// How far before others a process is queued that was never scanned.
const HEAD_START: Duration = Duration::from_secs(10);
/// The shortest interval of a process that changes.
const CHANGED_FLOOR: Duration = Duration::from_secs(1);
/// The shortest interval of a process that does not.
const UNCHANGED_FLOOR: Duration = Duration::from_secs(60);
/// Longest pause after failures.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// Pages per second that every process is taken to change at least, so that no interval is
/// endless.
const LEAST_RATE: f64 = 1.0;
/// Weight of the newest figure in the averages of costs and rates.
const NEWEST: f64 = 0.5;
/// A scan before anything was measured: opening, and a page shared by two (the dearest kind).
const BASE_COST: Duration = Duration::from_micros(80);
const NANOS_PER_PAGE: u64 = 110;

/// What bounds the planner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PlannerConfig {
    pub(crate) budget_per_second: Duration,
    pub(crate) capacity: Duration,
    /// Reads predicted to cost more are left out; `None` if they were asked for.
    pub(crate) largest: Option<Duration>,
}

/// What to do now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// Scan this one, then call [`Planner::scanned`].
    Scan(ProcessKey),
    /// Nothing for that long, unless something is observed.
    Wait(Duration),
    /// Nothing until something is observed.
    Idle,
}

/// The planner.
#[derive(Debug)]
pub(crate) struct Planner {
    config: PlannerConfig,
    bucket: Bucket,
    plans: HashMap<ProcessKey, Plan>,
    /// By due time; an entry whose time is not that of its plan is out of date.
    queue: BinaryHeap<Reverse<(BootTime, ProcessKey)>>,
    /// Sum of the plans' weights.
    weights: f64,
    skipped: Vec<(ProcessKey, Duration)>,
}

#[derive(Debug)]
struct Plan {
    footprint: Footprint,
    observed_at: BootTime,
    /// Pages per second.
    rate: f64,
    changed: bool,
    scanned: Option<Scanned>,
    failures: u32,
    /// `None` while it is left out.
    due: Option<BootTime>,
    /// sqrt(cost x rate of change), as it is in the sum.
    weight: f64,
    skip_reported: bool,
}

#[derive(Debug)]
struct Scanned {
    at: BootTime,
    cost_seconds: f64,
    resident_pages: u64,
}

impl Planner {
    pub(crate) fn new(config: PlannerConfig, now: BootTime) -> Self {
        Self {
            config,
            bucket: Bucket::new(config.budget_per_second, config.capacity, now),
            plans: HashMap::new(),
            queue: BinaryHeap::new(),
            weights: 0.0,
            skipped: Vec::new(),
        }
    }

    /// A process is there, or its footprint is not what it was.
    pub(crate) fn observe(&mut self, key: ProcessKey, footprint: Footprint, now: BootTime) {
        let plan = self.plans.entry(key).or_insert_with(|| Plan {
            footprint,
            observed_at: now,
            rate: LEAST_RATE,
            changed: true,
            scanned: None,
            failures: 0,
            due: None,
            weight: 0.0,
            skip_reported: false,
        });
        let elapsed = now.since(plan.observed_at).as_secs_f64();
        if elapsed > 0.0 {
            let resident = footprint
                .resident_pages
                .abs_diff(plan.footprint.resident_pages);
            let shared = footprint.shared_pages.abs_diff(plan.footprint.shared_pages);
            let rate = (resident.max(shared) as f64 / elapsed).max(LEAST_RATE);
            plan.rate += NEWEST * (rate - plan.rate);
            plan.observed_at = now;
        }
        plan.footprint = footprint;
        plan.changed = true;
        self.schedule(key, now);
    }

    /// A process is no longer of interest.
    pub(crate) fn forget(&mut self, key: ProcessKey) {
        if let Some(plan) = self.plans.remove(&key) {
            self.weights -= plan.weight;
        }
        if self.plans.is_empty() {
            self.weights = 0.0;
            self.queue.clear();
        }
    }

    /// What to do now.
    pub(crate) fn next(&mut self, now: BootTime) -> Step {
        while let Some(&Reverse((due, key))) = self.queue.peek() {
            let plan = self
                .plans
                .get_mut(&key)
                .filter(|plan| plan.due == Some(due));
            let Some(plan) = plan else {
                self.queue.pop();
                continue;
            };
            if due > now {
                return Step::Wait(due.since(now));
            }
            let wait = self.bucket.wait_for(plan.predicted_cost(), now);
            if wait > Duration::ZERO {
                return Step::Wait(wait);
            }
            plan.due = None;
            self.queue.pop();
            return Step::Scan(key);
        }
        Step::Idle
    }

    /// The scan that [`Step::Scan`] asked for was made at that measured cost.
    pub(crate) fn scanned(
        &mut self,
        key: ProcessKey,
        succeeded: bool,
        cost: Duration,
        now: BootTime,
    ) {
        self.bucket.spend(cost, now);
        let Some(plan) = self.plans.get_mut(&key) else {
            return;
        };
        if succeeded {
            let newest = cost.as_secs_f64();
            let before = plan
                .scanned
                .as_ref()
                .map_or(newest, |scan| scan.cost_seconds);
            plan.scanned = Some(Scanned {
                at: now,
                cost_seconds: before + NEWEST * (newest - before),
                resident_pages: plan.footprint.resident_pages,
            });
            plan.changed = false;
            plan.failures = 0;
            self.schedule(key, now);
        } else {
            plan.failures = plan.failures.saturating_add(1);
            let pause = Duration::from_secs(1 << plan.failures.min(6)).min(LONGEST_PAUSE);
            self.enqueue(key, now.plus(pause));
        }
    }

    /// CPU time that the thread spent beside the scans.
    pub(crate) fn spend(&mut self, cost: Duration, now: BootTime) {
        self.bucket.spend(cost, now);
    }

    /// Processes left out since the last call, with their predicted cost.
    pub(crate) fn drain_skipped(&mut self) -> impl Iterator<Item = (ProcessKey, Duration)> {
        self.skipped.drain(..)
    }

    fn schedule(&mut self, key: ProcessKey, now: BootTime) {
        let Some(plan) = self.plans.get_mut(&key) else {
            return;
        };
        let cost = plan.predicted_cost();
        let too_large = self.config.largest.is_some_and(|largest| cost > largest);
        let weight = if too_large {
            0.0
        } else {
            (cost.as_secs_f64() * plan.rate).sqrt()
        };
        self.weights = (self.weights + weight - plan.weight).max(0.0);
        plan.weight = weight;
        if too_large {
            plan.due = None;
            if !plan.skip_reported {
                plan.skip_reported = true;
                self.skipped.push((key, cost));
            }
            return;
        }
        // A pause after failures goes on.
        if plan.failures > 0 && plan.due.is_some() {
            return;
        }
        let due = match &plan.scanned {
            None => now.minus(HEAD_START),
            Some(scan) => {
                let seconds =
                    (cost.as_secs_f64() / plan.rate).sqrt() * self.weights / self.bucket.rate();
                let interval = Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX);
                let floor = if plan.changed {
                    CHANGED_FLOOR
                } else {
                    UNCHANGED_FLOOR
                };
                scan.at.plus(interval.max(floor))
            }
        };
        // Never later than promised before.
        if plan.due.is_none_or(|promised| due < promised) {
            self.enqueue(key, due);
        }
    }

    fn enqueue(&mut self, key: ProcessKey, due: BootTime) {
        if let Some(plan) = self.plans.get_mut(&key) {
            plan.due = Some(due);
            self.queue.push(Reverse((due, key)));
        }
        if self.queue.len() > 64 + 4 * self.plans.len() {
            let plans = &self.plans;
            self.queue.retain(|Reverse((due, key))| {
                plans.get(key).is_some_and(|plan| plan.due == Some(*due))
            });
        }
    }
}

impl Plan {
    fn predicted_cost(&self) -> Duration {
        match &self.scanned {
            None => BASE_COST.saturating_add(Duration::from_nanos(
                NANOS_PER_PAGE.saturating_mul(self.footprint.resident_pages),
            )),
            Some(scan) => {
                let grown =
                    self.footprint.resident_pages.max(1) as f64 / scan.resident_pages.max(1) as f64;
                let seconds = scan.cost_seconds * grown.max(1.0);
                Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)
            }
        }
    }
}

#[cfg(test)]
#[path = "planner_tests.rs"]
mod tests;
