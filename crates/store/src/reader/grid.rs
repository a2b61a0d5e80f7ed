//! Buckets of equal length on multiples of it since the epoch: panning does not shimmer, and two
//! windows share a grid.

use fgm_model::Resolution;

/// Steps that are offered, milliseconds.
pub const LADDER_MS: [i64; 12] = [
    1000, 2000, 5000, 10_000, 15_000, 30_000, 60_000, 120_000, 300_000, 600_000, 1_800_000,
    3_600_000,
];

/// Buckets of equal length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grid {
    /// The start of bucket 0, milliseconds UTC.
    pub start_ms: i64,
    /// The length of a bucket.
    pub step_ms: i64,
    /// How many there are.
    pub buckets: usize,
}

impl Grid {
    /// The buckets of that length (at least a millisecond) that cover a range (inclusive).
    #[must_use]
    pub fn covering(start_ms: i64, end_ms: i64, step_ms: i64) -> Self {
        let step_ms = step_ms.max(1);
        let first = start_ms.div_euclid(step_ms);
        let count = end_ms
            .div_euclid(step_ms)
            .saturating_sub(first)
            .saturating_add(1);
        Self {
            start_ms: first.saturating_mul(step_ms),
            step_ms,
            buckets: usize::try_from(count).unwrap_or(0),
        }
    }

    /// A single bucket for the whole range (inclusive).
    #[must_use]
    pub fn whole(start_ms: i64, end_ms: i64) -> Self {
        let step_ms = end_ms.saturating_sub(start_ms).saturating_add(1);
        Self {
            start_ms,
            step_ms: step_ms.max(1),
            buckets: usize::from(step_ms > 0),
        }
    }

    /// The smallest step of the ladder that shows a range (inclusive) in at most `most` buckets,
    /// and is not shorter than the tick interval.
    #[must_use]
    pub fn step_for(start_ms: i64, end_ms: i64, interval_ms: i64, most: i64) -> i64 {
        let (interval_ms, most) = (interval_ms.max(1), most.max(1));
        let span = end_ms.saturating_sub(start_ms).saturating_add(1);
        let fits = |step: &i64| *step >= interval_ms && span / step <= most;
        LADDER_MS.into_iter().find(fits).unwrap_or_else(|| {
            let longest = LADDER_MS[LADDER_MS.len() - 1].max(interval_ms);
            longest.saturating_mul(span / longest / most + 1)
        })
    }

    /// The last millisecond of the last bucket.
    #[must_use]
    pub fn end_ms(&self) -> i64 {
        let buckets = i64::try_from(self.buckets).unwrap_or(i64::MAX);
        self.start_ms
            .saturating_add(self.step_ms.saturating_mul(buckets))
            .saturating_sub(1)
    }

    /// The bucket that a time lies in.
    #[must_use]
    pub fn bucket(&self, time_ms: i64) -> Option<usize> {
        let bucket = time_ms
            .checked_sub(self.start_ms)?
            .div_euclid(self.step_ms.max(1));
        usize::try_from(bucket)
            .ok()
            .filter(|bucket| *bucket < self.buckets)
    }

    /// The first millisecond behind a bucket.
    pub(super) fn end_of(&self, bucket: usize) -> i64 {
        let behind = i64::try_from(bucket).unwrap_or(i64::MAX).saturating_add(1);
        self.start_ms
            .saturating_add(self.step_ms.saturating_mul(behind))
    }

    /// The coarsest rows whose buckets fill these without a rest.
    #[must_use]
    pub fn resolution(&self) -> Resolution {
        let fits = |resolution: &&Resolution| {
            let bucket_ms = resolution.bucket_ms().unwrap_or(1);
            self.step_ms % bucket_ms == 0 && self.start_ms.rem_euclid(bucket_ms) == 0
        };
        let coarsest = Resolution::ROLL_UPS.iter().rev().find(fits);
        coarsest.copied().unwrap_or(Resolution::Raw)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const T: i64 = 1_795_420_800_000;

    #[test]
    fn the_step_is_the_smallest_of_the_ladder_that_fits() {
        let step = |seconds: i64, most| Grid::step_for(T, T + seconds * 1000 - 1, 1000, most);
        assert_eq!(step(900, 1000), 1000);
        assert_eq!(step(3600, 1000), 5000);
        assert_eq!(step(86_400, 1000), 120_000);
        assert_eq!(step(7 * 86_400, 1000), 1_800_000);
        assert_eq!(step(365 * 86_400, 1000), 9 * 3_600_000);
        assert_eq!(Grid::step_for(T, T + 59_999, 10_000, 1000), 10_000);
    }

    #[test]
    fn the_level_follows_the_step() {
        let level = |step_ms| Grid::covering(T, T + 7_200_000, step_ms).resolution();
        assert_eq!(level(30_000), Resolution::Raw);
        assert_eq!(level(90_000), Resolution::Raw);
        assert_eq!([60_000, 300_000].map(level), [Resolution::S60; 2]);
        assert_eq!(
            [600_000, 1_800_000, 9 * 3_600_000].map(level),
            [Resolution::S600; 3]
        );
        assert_eq!(Grid::whole(T, T + 59_999).resolution(), Resolution::S60);
        assert_eq!(Grid::whole(T + 1, T + 60_000).resolution(), Resolution::Raw);
    }

    proptest! {
        #[test]
        fn any_range_is_covered(
            start in -253_402_300_799_999_i64..253_402_300_799_999,
            span in 0_i64..253_402_300_799_999,
            interval in 100_i64..60_000,
            most in 1_i64..4096,
        ) {
            let end = start + span;
            let step = Grid::step_for(start, end, interval, most);
            let grid = Grid::covering(start, end, step);
            prop_assert!(grid.start_ms <= start && grid.end_ms() >= end);
            prop_assert!(grid.buckets <= usize::try_from(most).unwrap() + 2);
            prop_assert_eq!(grid.bucket(start), Some(0));
            prop_assert_eq!(grid.bucket(end), Some(grid.buckets - 1));
            prop_assert_eq!(grid.bucket(grid.end_ms() + 1), None);
        }
    }
}
