//! Seeded chance: the same seed gives the same numbers on every machine and in every version.

use rand_core::{Rng, SeedableRng};
use rand_xorshift::XorShiftRng;

/// A source of random numbers.
#[derive(Debug, Clone)]
pub(super) struct Random(XorShiftRng);

impl Random {
    /// The source that belongs to a seed and a number of the thing that it is for, so that one
    /// thing's chance does not depend on how often others asked.
    pub(super) fn of(seed: u64, number: u64) -> Self {
        let mixed = (seed ^ number.wrapping_mul(0x9e37_79b9_7f4a_7c15)).wrapping_add(number);
        Self(XorShiftRng::seed_from_u64(mixed))
    }

    /// 0 <= x < 1.
    pub(super) fn unit(&mut self) -> f64 {
        (self.0.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// low <= x < high.
    pub(super) fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.unit()
    }

    /// The same with every order of magnitude as likely as another; both are above 0.
    pub(super) fn log_between(&mut self, low: f64, high: f64) -> f64 {
        (low.ln() + (high.ln() - low.ln()) * self.unit()).exp()
    }

    /// A whole number, both ends included.
    pub(super) fn whole(&mut self, low: i64, high: i64) -> i64 {
        let span = (high - low).max(0).unsigned_abs() + 1;
        low + (self.0.next_u64() % span).cast_signed()
    }

    /// True with that probability.
    pub(super) fn chance(&mut self, probability: f64) -> bool {
        self.unit() < probability
    }

    /// Near-normal with mean 0 and deviation 1: the sum of four uniform numbers.
    pub(super) fn normal(&mut self) -> f64 {
        let bits = self.0.next_u64();
        let sum: u64 = (0..4).map(|part| bits >> (16 * part) & 0xffff).sum();
        // Four uniform numbers below 65536 have the mean 131070 and the deviation 37837.
        (sum as f64 - 131_070.0) / 37_837.0
    }

    /// The time until the next of events that come `per_second` on average, in microseconds.
    pub(super) fn wait_us(&mut self, per_second: f64) -> i64 {
        let seconds = -(1.0 - self.unit()).ln() / per_second.max(1e-9);
        (seconds.min(1e9) * 1e6) as i64
    }

    /// One of them; the list has at least one.
    pub(super) fn pick<'a, T>(&mut self, list: &'a [T]) -> &'a T {
        let last = list.len().saturating_sub(1);
        &list[self.whole(0, last.cast_signed() as i64).unsigned_abs() as usize]
    }

    /// Hex digits, as in an id.
    pub(super) fn hex(&mut self, digits: usize) -> String {
        (0..digits)
            .map(|_| char::from(b"0123456789abcdef"[(self.0.next_u32() & 15) as usize]))
            .collect()
    }

    /// Letters and digits as in the suffix of a pod's name.
    pub(super) fn suffix(&mut self, length: usize) -> String {
        (0..length)
            .map(|_| char::from(*self.pick(b"bcdfghjklmnpqrstvwxz2456789")))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_numbers() {
        let of = |seed, number| Random::of(seed, number).hex(16);
        assert_eq!(of(1, 2), of(1, 2));
        assert_ne!(of(1, 2), of(2, 1));
        // A change here changes every generated data set.
        assert_eq!(of(1, 2), "122129bf3311f99e");
    }

    #[test]
    fn normal_is_near_normal() {
        let mut random = Random::of(7, 0);
        let list: Vec<f64> = (0..10_000).map(|_| random.normal()).collect();
        let mean = list.iter().sum::<f64>() / 10_000.0;
        let square = list.iter().map(|x| x * x).sum::<f64>() / 10_000.0;
        assert!(mean.abs() < 0.05, "{mean}");
        assert!((square - 1.0).abs() < 0.05, "{square}");
    }

    #[test]
    fn numbers_stay_within_their_bounds() {
        let mut random = Random::of(3, 0);
        for _ in 0..1000 {
            assert!((2..=4).contains(&random.whole(2, 4)));
            assert!((10.0..1000.0).contains(&random.log_between(10.0, 1000.0)));
        }
    }
}
