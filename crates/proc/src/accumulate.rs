//! Accumulated counters: a container's running total over processes that come and go.
//!
//! A total takes each process's non-negative increase between two reads, so it never falls when
//! a process exits. What a process did between its last read and its end is not in it: the
//! kernel forgets that number with the process.

/// What the first read of a process (or thread) adds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FirstSight {
    /// All that it has: it began under our eyes.
    Whole,
    /// Nothing, what it has is the baseline: it ran before we looked.
    Baseline,
}

/// A total that never falls.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Total(u64);

impl Total {
    /// Goes on from a value stored earlier.
    pub(crate) fn resume(stored: Option<i64>) -> Self {
        Self(
            stored
                .and_then(|value| u64::try_from(value).ok())
                .unwrap_or(0),
        )
    }

    /// Takes a read of `now` after one of `before`.
    ///
    /// A counter that fell was reset (another thread under the same id): it adds nothing and
    /// counts on from there.
    pub(crate) const fn add(&mut self, before: Option<u64>, now: u64, first: FirstSight) {
        let increase = match (before, first) {
            (Some(before), _) => now.saturating_sub(before),
            (None, FirstSight::Whole) => now,
            (None, FirstSight::Baseline) => 0,
        };
        self.0 = self.0.saturating_add(increase);
    }

    pub(crate) const fn get(self) -> u64 {
        self.0
    }
}

/// The totals of one container.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Totals {
    pub(crate) rchar: Total,
    pub(crate) wchar: Total,
    pub(crate) voluntary: Total,
    pub(crate) involuntary: Total,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn increases_add_and_falls_do_not() {
        let mut total = Total::resume(Some(100));
        total.add(None, 7, FirstSight::Whole);
        total.add(None, 1000, FirstSight::Baseline);
        total.add(Some(1000), 1005, FirstSight::Baseline);
        total.add(Some(1005), 3, FirstSight::Whole);
        assert_eq!(total.get(), 112);
    }

    #[test]
    fn a_total_stays_at_its_end() {
        let mut total = Total::resume(Some(1));
        total.add(None, u64::MAX, FirstSight::Whole);
        assert_eq!(total.get(), u64::MAX);
        assert_eq!(Total::resume(None).get(), 0);
        assert_eq!(Total::resume(Some(-1)).get(), 0);
    }
}
