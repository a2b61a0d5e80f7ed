//! What one read of one instance gave, and what one tick hands on.

use crate::catalogue::Metric;
use crate::identity::Instance;
use std::sync::Arc;

/// The values of one row: a number for each metric, or "the kernel did not say".
///
/// A flat array and a mask, so that a steady tick allocates nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Values {
    values: [i64; Metric::COUNT],
    known: u128,
}

impl Default for Values {
    fn default() -> Self {
        Self {
            values: [0; Metric::COUNT],
            known: 0,
        }
    }
}

impl Values {
    /// The value, or `None` where the kernel did not say.
    #[inline]
    #[must_use]
    pub const fn get(&self, metric: Metric) -> Option<i64> {
        if self.known & (1 << metric.index()) == 0 {
            None
        } else {
            Some(self.values[metric.index()])
        }
    }

    /// Sets or clears a value.
    #[inline]
    pub const fn set(&mut self, metric: Metric, value: Option<i64>) {
        let bit = 1 << metric.index();
        match value {
            Some(value) => {
                self.values[metric.index()] = value;
                self.known |= bit;
            }
            None => {
                self.values[metric.index()] = 0;
                self.known &= !bit;
            }
        }
    }

    /// Sets a value read as an unsigned kernel number; one beyond `i64::MAX` is unknown.
    #[inline]
    pub fn set_u64(&mut self, metric: Metric, value: Option<u64>) {
        self.set(metric, value.and_then(|value| i64::try_from(value).ok()));
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    /// Whether nothing is known.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.known == 0
    }

    /// Takes from `earlier` what is not known here: of several reads the latest wins.
    pub fn fill_from(&mut self, earlier: &Self) {
        for metric in Metric::ALL {
            if self.get(metric).is_none() {
                self.set(metric, earlier.get(metric));
            }
        }
    }
}

/// A row of the `metrics` table, but for what all rows of a tick share.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// Whose row it is.
    pub instance: Arc<Instance>,
    /// The real time of the read minus the tick's `time`, in microseconds; negative for a
    /// read between ticks.
    pub read_offset_us: i64,
    /// Whether a null limit means "unlimited" (`true`) or "not read" (`false`).
    pub limits_known: bool,
    /// The numbers.
    pub values: Values,
}

/// All rows of one tick.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Tick {
    /// The grid instant, milliseconds UTC.
    pub time_ms: i64,
    /// Raised by one at each clock step, so that times may repeat without doubles.
    pub clock_epoch: i64,
    /// A row per instance.
    pub rows: Vec<Row>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_is_not_zero() {
        let mut values = Values::default();
        assert_eq!(values.get(Metric::MemoryCurrent), None);
        values.set(Metric::MemoryCurrent, Some(0));
        assert_eq!(values.get(Metric::MemoryCurrent), Some(0));
        values.set(Metric::MemoryCurrent, None);
        assert!(values.is_empty());
    }

    #[test]
    fn a_number_beyond_i64_is_unknown() {
        let mut values = Values::default();
        values.set_u64(Metric::MemoryMax, Some(u64::MAX));
        assert_eq!(values.get(Metric::MemoryMax), None);
    }

    #[test]
    fn the_latest_read_wins_and_the_earlier_fills() {
        let mut earlier = Values::default();
        earlier.set(Metric::MemoryCurrent, Some(1));
        earlier.set(Metric::MemoryPeak, Some(2));
        let mut later = Values::default();
        later.set(Metric::MemoryCurrent, Some(3));
        later.fill_from(&earlier);
        assert_eq!(later.get(Metric::MemoryCurrent), Some(3));
        assert_eq!(later.get(Metric::MemoryPeak), Some(2));
    }
}
