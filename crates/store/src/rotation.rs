//! When a spool ends: a pure state machine, asked before each tick is appended.
//!
//! "Sealed every `--seal` and whenever `time` enters a new UTC hour", and at a new clock epoch
//! (DATA.md sections 2 and 3).

use crate::layout::hour_of;

/// What to do before a tick is appended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// There is no spool yet: open the first.
    Open,
    /// Append to the open spool.
    Keep,
    /// Close the spool, open a new one, and append to that.
    Rotate(Reason),
}

/// Why a spool ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// The clock was set.
    ClockEpoch,
    /// A new UTC hour began.
    Hour,
    /// The seal interval is over.
    Interval,
}

/// Knows the open spool's first time.
#[derive(Debug, Clone)]
pub struct Rotation {
    seal_interval_ms: i64,
    open: Option<Open>,
}

#[derive(Debug, Clone, Copy)]
struct Open {
    first_ms: i64,
    clock_epoch: i64,
}

impl Rotation {
    /// With no spool open; an interval below a millisecond rotates at every tick.
    #[must_use]
    pub const fn new(seal_interval_ms: i64) -> Self {
        Self {
            seal_interval_ms,
            open: None,
        }
    }

    /// Decides for the tick of `time_ms`; the answer is taken as done.
    pub fn decide(&mut self, time_ms: i64, clock_epoch: i64) -> Decision {
        let decision = match self.open {
            None => Decision::Open,
            Some(open) if open.clock_epoch != clock_epoch => Decision::Rotate(Reason::ClockEpoch),
            Some(open) if hour_of(open.first_ms) != hour_of(time_ms) => {
                Decision::Rotate(Reason::Hour)
            }
            Some(open) if time_ms.saturating_sub(open.first_ms) >= self.seal_interval_ms => {
                Decision::Rotate(Reason::Interval)
            }
            Some(_) => Decision::Keep,
        };
        if decision != Decision::Keep {
            self.open = Some(Open {
                first_ms: time_ms,
                clock_epoch,
            });
        }
        decision
    }

    /// The spool was closed for another reason (an error, the end): the next tick opens one.
    pub fn closed(&mut self) {
        self.open = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::HOUR_MS;
    use proptest::prelude::*;

    #[test]
    fn sealed_every_interval_and_at_every_hour() {
        let mut rotation = Rotation::new(60_000);
        let hour = 500_000 * HOUR_MS;
        assert_eq!(rotation.decide(hour - 30_000, 0), Decision::Open);
        assert_eq!(rotation.decide(hour - 1_000, 0), Decision::Keep);
        assert_eq!(rotation.decide(hour, 0), Decision::Rotate(Reason::Hour));
        assert_eq!(rotation.decide(hour + 59_000, 0), Decision::Keep);
        assert_eq!(
            rotation.decide(hour + 60_000, 0),
            Decision::Rotate(Reason::Interval)
        );
        assert_eq!(
            rotation.decide(hour + 61_000, 1),
            Decision::Rotate(Reason::ClockEpoch)
        );
        rotation.closed();
        assert_eq!(rotation.decide(hour + 62_000, 1), Decision::Open);
    }

    proptest! {
        /// "a spool lies in one hour [h, h+1)", in one clock epoch, and none is older than the
        /// seal interval when a tick is appended.
        #[test]
        fn a_spool_lies_in_one_hour(
            start in 0..10 * HOUR_MS,
            seal_interval_ms in 100..2 * HOUR_MS,
            steps in prop::collection::vec((1..200_000_i64, prop::bool::weighted(0.05), -HOUR_MS..HOUR_MS), 1..200),
        ) {
            let mut rotation = Rotation::new(seal_interval_ms);
            let (mut time_ms, mut clock_epoch) = (start, 0);
            let mut spools: Vec<Vec<(i64, i64)>> = Vec::new();
            for (step, clock_is_set, by) in steps {
                time_ms += step;
                if clock_is_set {
                    time_ms = (time_ms + by).max(0);
                    clock_epoch += 1;
                }
                let decision = rotation.decide(time_ms, clock_epoch);
                prop_assert_eq!(decision == Decision::Open, spools.is_empty());
                if decision != Decision::Keep {
                    spools.push(Vec::new());
                }
                spools.last_mut().unwrap().push((time_ms, clock_epoch));
            }
            for spool in &spools {
                let (first_ms, first_epoch) = spool[0];
                for (time_ms, clock_epoch) in spool {
                    prop_assert_eq!(hour_of(*time_ms), hour_of(first_ms));
                    prop_assert_eq!(*clock_epoch, first_epoch);
                    prop_assert!(time_ms - first_ms < seal_interval_ms);
                }
            }
            // And not more of them than that needs.
            for pair in spools.windows(2) {
                let ((from_ms, from_epoch), (to_ms, to_epoch)) = (pair[0][0], pair[1][0]);
                prop_assert!(
                    from_epoch != to_epoch
                        || hour_of(from_ms) != hour_of(to_ms)
                        || to_ms - from_ms >= seal_interval_ms
                );
            }
        }
    }
}
