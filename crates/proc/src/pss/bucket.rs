//! A token bucket of CPU time.

use crate::clock::BootTime;
use std::time::Duration;

/// Fills at a steady rate up to its capacity. What was measured is taken out afterwards, so it
/// may go into debt; nothing is spent until the debt is paid.
#[derive(Debug)]
pub(crate) struct Bucket {
    per_second: f64,
    capacity_seconds: f64,
    level_seconds: f64,
    at: BootTime,
}

impl Bucket {
    /// A full one.
    pub(crate) fn new(per_second: Duration, capacity: Duration, now: BootTime) -> Self {
        let capacity_seconds = capacity.as_secs_f64();
        Self {
            per_second: per_second.as_secs_f64(),
            capacity_seconds,
            level_seconds: capacity_seconds,
            at: now,
        }
    }

    /// CPU seconds allowed per second.
    pub(crate) const fn rate(&self) -> f64 {
        self.per_second
    }

    /// How long from now until `amount` is there: zero if it is. An amount beyond the capacity
    /// is there when the bucket is full.
    pub(crate) fn wait_for(&mut self, amount: Duration, now: BootTime) -> Duration {
        self.fill(now);
        let missing = amount.as_secs_f64().min(self.capacity_seconds) - self.level_seconds;
        if missing <= 0.0 {
            return Duration::ZERO;
        }
        // Rounded up to the next nanosecond, else the last wait might never end.
        Duration::try_from_secs_f64(missing / self.per_second).map_or(Duration::MAX, |wait| {
            wait.saturating_add(Duration::from_nanos(1))
        })
    }

    /// Takes out what was spent.
    pub(crate) fn spend(&mut self, spent: Duration, now: BootTime) {
        self.fill(now);
        self.level_seconds -= spent.as_secs_f64();
    }

    fn fill(&mut self, now: BootTime) {
        let elapsed = now.since(self.at).as_secs_f64();
        self.level_seconds =
            (self.level_seconds + elapsed * self.per_second).min(self.capacity_seconds);
        self.at = self.at.max(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> BootTime {
        BootTime::after_boot(Duration::from_millis(millis))
    }

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn it_fills_to_its_capacity_and_goes_into_debt() {
        let mut bucket = Bucket::new(MS * 5, MS * 150, at(0));
        assert_eq!(bucket.wait_for(MS * 150, at(0)), Duration::ZERO);
        bucket.spend(MS * 160, at(0));
        // 10 ms of debt and 5 ms to have, at 5 ms per second.
        let wait = bucket.wait_for(MS * 5, at(0));
        assert_eq!(wait.as_millis(), 3000);
        assert_eq!(bucket.wait_for(MS * 5, at(0).plus(wait)), Duration::ZERO);
        // Full again, and no fuller; a clock that went back changes nothing.
        assert_eq!(
            bucket.wait_for(Duration::MAX, at(1_000_000)),
            Duration::ZERO
        );
        bucket.spend(MS * 150, at(0));
        assert!(bucket.wait_for(MS, at(0)) > Duration::ZERO);
    }
}
