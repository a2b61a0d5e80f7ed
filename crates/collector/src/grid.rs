//! When to read: the pure state machine of the tick (DATA.md section 2, "time" and "Clock steps").
//!
//! Ticks lie on the multiples of the interval in UTC, so that rows of all nodes fall together and
//! nothing drifts. The wall clock may be set at any moment; the boot clock tells how much time
//! really went by. Nothing here reads a clock.

use std::time::Duration;

/// A clock that was set back by no more than this is waited for.
const WAIT_AT_MOST_US: i64 = 5_000_000;

/// What both clocks say at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    /// `CLOCK_REALTIME`, microseconds UTC.
    pub wall_us: i64,
    /// `CLOCK_BOOTTIME`, microseconds: runs through suspension and is never set.
    pub boot_us: i64,
}

/// The grid of one recording.
#[derive(Debug, Clone)]
pub struct Grid {
    interval_us: i64,
    clock_epoch: i64,
    last: Option<Last>,
    waiting_for_clock: bool,
}

#[derive(Debug, Clone, Copy)]
struct Last {
    time_us: i64,
    /// Both clocks at the tick; `None` for a time that an earlier recorder wrote.
    at: Option<Now>,
}

/// What to do now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Sleep that long and ask again.
    Wait(Duration),
    /// Read everything.
    Tick(Tick),
}

/// One tick.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tick {
    /// The grid instant, milliseconds UTC.
    pub time_ms: i64,
    /// Raised at each clock step.
    pub clock_epoch: i64,
    /// How long after its grid instant the tick begins.
    pub late_us: i64,
    /// Grid instants since the last tick that have no reading.
    pub missed: i64,
    /// By how much the wall clock was set just before this tick, if it was.
    pub clock_step_us: Option<i64>,
}

impl Grid {
    /// A grid that goes on after `last_time_ms`, the newest time on disk.
    #[must_use]
    pub fn new(interval: Duration, clock_epoch: i64, last_time_ms: Option<i64>) -> Self {
        Self {
            interval_us: i64::try_from(interval.as_micros())
                .unwrap_or(i64::MAX)
                .max(1),
            clock_epoch,
            last: last_time_ms.map(|time_ms| Last {
                time_us: time_ms * 1000,
                at: None,
            }),
            waiting_for_clock: false,
        }
    }

    /// The grid instant after the last tick, milliseconds UTC: the earliest time that a further
    /// row may carry.
    #[must_use]
    pub fn next_time_ms(&self) -> Option<i64> {
        self.last
            .map(|last| (self.floor(last.time_us) + self.interval_us) / 1000)
    }

    /// What to do at this moment.
    pub fn step(&mut self, now: Now) -> Step {
        let time_us = self.floor(now.wall_us);
        // The very first tick waits for the grid, as one after a restart does.
        let last = *self.last.get_or_insert(Last { time_us, at: None });
        let set_by_us = last.at.map_or(0, |at| {
            (now.wall_us - at.wall_us) - (now.boot_us - at.boot_us)
        });
        let behind_us = last.time_us - now.wall_us;
        if behind_us > WAIT_AT_MOST_US || set_by_us < -WAIT_AT_MOST_US {
            // Set back too far to wait for. (Where the step hides in a long pause, wall time
            // went on all the same and the boot clock tells.)
            let by_us = if last.at.is_some() {
                set_by_us
            } else {
                -behind_us
            };
            return self.tick(now, time_us, 0, Some(by_us));
        }
        if time_us <= last.time_us {
            self.waiting_for_clock |= set_by_us <= -self.interval_us;
            let until_us = self.floor(last.time_us) + self.interval_us;
            return Step::Wait(Duration::from_micros(
                (until_us - now.wall_us).unsigned_abs(),
            ));
        }
        if set_by_us >= self.interval_us {
            return self.tick(now, time_us, 0, Some(set_by_us));
        }
        let missed = match last.at {
            // The instants while no recorder ran are not its misses.
            None => 0,
            Some(at) if self.waiting_for_clock => (now.boot_us - at.boot_us) / self.interval_us - 1,
            Some(_) => (time_us - last.time_us) / self.interval_us - 1,
        };
        self.tick(now, time_us, missed.max(0), None)
    }

    fn tick(&mut self, now: Now, time_us: i64, missed: i64, clock_step_us: Option<i64>) -> Step {
        if clock_step_us.is_some() {
            self.clock_epoch += 1;
        }
        self.last = Some(Last {
            time_us,
            at: Some(now),
        });
        self.waiting_for_clock = false;
        Step::Tick(Tick {
            time_ms: time_us / 1000,
            clock_epoch: self.clock_epoch,
            late_us: now.wall_us - time_us,
            missed,
            clock_step_us,
        })
    }

    const fn floor(&self, wall_us: i64) -> i64 {
        wall_us - wall_us.rem_euclid(self.interval_us)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SECOND_US: i64 = 1_000_000;
    const START_US: i64 = 1_790_000_000 * SECOND_US;

    fn at(wall_us: i64, boot_us: i64) -> Now {
        Now {
            wall_us: START_US + wall_us,
            boot_us,
        }
    }

    fn grid() -> Grid {
        Grid::new(Duration::from_secs(1), 0, None)
    }

    /// A grid whose first tick may come at once.
    fn begun() -> Grid {
        let mut grid = grid();
        grid.step(at(-1_000_000, -1_000_000));
        grid
    }

    fn ticked(step: Step) -> Tick {
        match step {
            Step::Tick(tick) => tick,
            Step::Wait(_) => panic!("a tick was expected"),
        }
    }

    #[test]
    fn the_first_tick_waits_for_the_grid_and_carries_its_instant() {
        let mut grid = grid();
        assert_eq!(
            grid.step(at(400_000, 0)),
            Step::Wait(Duration::from_micros(600_000))
        );
        let tick = ticked(grid.step(at(1_300_000, 900_000)));
        assert_eq!(tick.time_ms, START_US / 1000 + 1000);
        assert_eq!((tick.late_us, tick.missed), (300_000, 0));
    }

    #[test]
    fn the_wait_ends_on_the_grid() {
        let mut grid = begun();
        grid.step(at(400_000, 0));
        assert_eq!(
            grid.step(at(450_000, 50_000)),
            Step::Wait(Duration::from_micros(550_000))
        );
    }

    #[test]
    fn skipped_instants_are_missed() {
        let mut grid = begun();
        grid.step(at(0, 0));
        assert_eq!(ticked(grid.step(at(3_200_000, 3_200_000))).missed, 2);
        assert_eq!(ticked(grid.step(at(4_900_000, 4_900_000))).missed, 0);
    }

    #[test]
    fn clock_steps_back_by_at_most_5_s_are_waited_for_and_counted_as_missed() {
        let mut grid = begun();
        grid.step(at(10 * SECOND_US, 0));
        // One second later the clock shows 4 s less than it did.
        assert_eq!(
            grid.step(at(6 * SECOND_US, SECOND_US)),
            Step::Wait(Duration::from_secs(5))
        );
        let tick = ticked(grid.step(at(11 * SECOND_US, 6 * SECOND_US)));
        assert_eq!(
            (tick.missed, tick.clock_epoch, tick.clock_step_us),
            (5, 0, None)
        );
    }

    #[test]
    fn clock_steps_back_beyond_5_s_go_on_in_a_new_epoch() {
        let mut grid = begun();
        grid.step(at(100 * SECOND_US, 0));
        let tick = ticked(grid.step(at(50 * SECOND_US, SECOND_US)));
        assert_eq!(
            (tick.clock_epoch, tick.clock_step_us),
            (1, Some(-51 * SECOND_US))
        );
        assert_eq!(tick.time_ms, (START_US + 50 * SECOND_US) / 1000);
    }

    #[test]
    fn clock_steps_forward_beyond_the_grid_go_on_in_a_new_epoch() {
        let mut grid = begun();
        grid.step(at(0, 0));
        let tick = ticked(grid.step(at(61 * SECOND_US, SECOND_US)));
        assert_eq!(
            (tick.clock_epoch, tick.clock_step_us, tick.missed),
            (1, Some(60 * SECOND_US), 0)
        );
    }

    #[test]
    fn suspension_is_missed_ticks_and_no_clock_step() {
        let mut grid = begun();
        grid.step(at(0, 0));
        let tick = ticked(grid.step(at(3600 * SECOND_US, 3600 * SECOND_US)));
        assert_eq!((tick.missed, tick.clock_step_us), (3599, None));
    }

    #[test]
    fn after_a_restart_the_first_tick_is_later_than_the_last_written_time() {
        let restarted = |last_us: i64| {
            let last_ms = (START_US + last_us) / 1000;
            Grid::new(Duration::from_secs(1), 3, Some(last_ms)).step(at(500_000, 0))
        };
        assert_eq!(restarted(0), Step::Wait(Duration::from_micros(500_000)));
        assert_eq!(
            restarted(2 * SECOND_US),
            Step::Wait(Duration::from_micros(2_500_000))
        );
        let tick = ticked(restarted(-10 * SECOND_US));
        assert_eq!((tick.missed, tick.clock_epoch), (0, 3));
        let tick = ticked(restarted(60 * SECOND_US));
        assert_eq!(
            (tick.clock_epoch, tick.clock_step_us),
            (4, Some(-59_500_000))
        );
    }

    #[derive(Debug, Clone)]
    enum Happening {
        Pass(i64),
        SetClock(i64),
    }

    fn happening() -> impl Strategy<Value = Happening> {
        prop_oneof![
            4 => (0..4_000_000_i64).prop_map(Happening::Pass),
            1 => (0..400_000_000_i64).prop_map(Happening::Pass),
            1 => (-20_000_000..20_000_000_i64).prop_map(Happening::SetClock),
        ]
    }

    proptest! {
        /// The key of a row is (.., clock_epoch, time): whatever the clocks do, no two ticks share
        /// it, times rise within an epoch, and every tick lies on the grid at or before its start.
        #[test]
        fn no_two_ticks_share_time_and_epoch(
            interval_ms in prop_oneof![Just(100_u64), Just(1000), Just(7000), 100..60_000_u64],
            happenings in proptest::collection::vec(happening(), 1..200),
        ) {
            let mut grid = Grid::new(Duration::from_millis(interval_ms), 0, None);
            let mut now = at(0, 0);
            let mut last: Option<Tick> = None;
            for happening in happenings {
                match happening {
                    Happening::Pass(us) => {
                        now.wall_us += us;
                        now.boot_us += us;
                    }
                    Happening::SetClock(us) => now.wall_us += us,
                }
                match grid.step(now) {
                    Step::Wait(wait) => {
                        prop_assert!(wait <= Duration::from_millis(interval_ms) + Duration::from_secs(5));
                    }
                    Step::Tick(tick) => {
                        prop_assert_eq!(tick.time_ms.rem_euclid(interval_ms as i64), 0);
                        prop_assert!(tick.late_us >= 0 && tick.late_us < interval_ms as i64 * 1000);
                        prop_assert_eq!(tick.time_ms * 1000 + tick.late_us, now.wall_us);
                        prop_assert!(tick.missed >= 0);
                        if let Some(last) = last {
                            if tick.clock_epoch == last.clock_epoch {
                                prop_assert!(tick.time_ms > last.time_ms);
                            } else {
                                prop_assert_eq!(tick.clock_epoch, last.clock_epoch + 1);
                                prop_assert!(tick.clock_step_us.is_some());
                            }
                        }
                        last = Some(tick);
                    }
                }
            }
        }

        /// With a clock that is never set, ticks and missed instants together are the grid.
        #[test]
        fn nothing_is_hidden(passes in proptest::collection::vec(0..5_000_000_i64, 1..100)) {
            let mut grid = begun();
            let mut now = at(0, 0);
            let first = ticked(grid.step(now)).time_ms;
            let (mut counted, mut newest) = (1, first);
            for us in passes {
                now.wall_us += us;
                now.boot_us += us;
                if let Step::Tick(tick) = grid.step(now) {
                    counted += 1 + tick.missed;
                    newest = tick.time_ms;
                }
            }
            prop_assert_eq!(counted, (newest - first) / 1000 + 1);
        }
    }
}
