//! Ticks that are late or missing: a recorder on a busy node.

use super::random::Random;
use super::truth::Gap;

/// Seconds between interruptions on average.
const GAP_EVERY_S: f64 = 5400.0;
const LATE_EVERY_S: f64 = 1200.0;

/// What is next.
#[derive(Debug)]
pub(super) struct Interruptions {
    random: Random,
    interval_ms: i64,
    gap: Option<Gap>,
    late_ms: Option<i64>,
}

/// How the tick of an instant goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tick {
    /// There is none, and this is the last instant of such.
    Missed(Option<Gap>),
    /// It begins so many microseconds late.
    Late(i64),
    /// As it should.
    OnTime,
}

impl Interruptions {
    /// None before `start_ms`, and the first gap within its first hour.
    pub(super) fn new(mut random: Random, start_ms: i64, interval_ms: i64) -> Self {
        let first_ms = start_ms + random.whole(600_000, 3_000_000);
        let mut one = Self {
            interval_ms,
            gap: None,
            late_ms: Some(start_ms + random.whole(60_000, 1_200_000)),
            random,
        };
        one.gap = Some(one.gap_at(first_ms));
        one
    }

    /// A node that is never interrupted.
    pub(super) const fn never(random: Random, interval_ms: i64) -> Self {
        Self {
            random,
            interval_ms,
            gap: None,
            late_ms: None,
        }
    }

    fn gap_at(&mut self, at_ms: i64) -> Gap {
        // Long enough that no rate reaches over it.
        let missed = self.random.whole(4, 30);
        let from_ms = at_ms.div_euclid(self.interval_ms) * self.interval_ms;
        Gap {
            from_ms,
            to_ms: from_ms + (missed - 1) * self.interval_ms,
            missed,
        }
    }

    /// Instants are asked for in order.
    pub(super) fn tick(&mut self, time_ms: i64) -> Tick {
        if let Some(gap) = self.gap
            && time_ms >= gap.from_ms
        {
            if time_ms < gap.to_ms {
                return Tick::Missed(None);
            }
            let next_ms = gap.to_ms + 60_000 + self.random.wait_us(1.0 / GAP_EVERY_S) / 1000;
            self.gap = Some(self.gap_at(next_ms));
            return Tick::Missed(Some(gap));
        }
        if let Some(late_ms) = self.late_ms
            && time_ms >= late_ms
        {
            self.late_ms = Some(time_ms + self.random.wait_us(1.0 / LATE_EVERY_S) / 1000);
            let most_us = self.interval_ms * 900;
            return Tick::Late(self.random.whole(most_us / 3, most_us));
        }
        Tick::OnTime
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_instant_of_a_gap_is_missed_and_no_other() {
        let mut interruptions = Interruptions::new(Random::of(4, 4), 0, 1000);
        let (mut missed, mut told, mut gaps, mut late) = (0, 0, 0, 0);
        for second in 0..86_400 {
            match interruptions.tick(second * 1000) {
                Tick::Missed(gap) => {
                    missed += 1;
                    if let Some(gap) = gap {
                        assert_eq!(gap.to_ms, second * 1000);
                        assert_eq!(missed, gap.missed);
                        assert_eq!(gap.to_ms - gap.from_ms, (gap.missed - 1) * 1000);
                        assert!(gaps > 0 || second < 3600, "the first hour has one");
                        told += missed;
                        missed = 0;
                        gaps += 1;
                    }
                }
                Tick::Late(late_us) => {
                    late += 1;
                    assert!(late_us < 1_000_000);
                }
                Tick::OnTime => assert_eq!(missed, 0),
            }
        }
        assert!(gaps > 5 && late > 20 && told > 20, "{gaps} {late} {told}");
    }
}
