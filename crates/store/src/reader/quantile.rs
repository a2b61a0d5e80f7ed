//! A percentile of any number of values in little memory.
//!
//! Up to [`EXACT`] values it is exact; beyond, values are counted in bins less than 1 % wide.

/// Values kept as they are: an hour at one a second.
const EXACT: usize = 4096;

/// Bits of the fraction that a bin keeps: bins are 1/128 of their value wide.
const SHIFT: u32 = 52 - 7;

/// Values, exact at first, then binned.
#[derive(Debug, Clone, Default)]
pub(super) struct Quantiles {
    exact: Vec<f64>,
    /// Bins and how many values they hold, in the order of the values.
    bins: Vec<(i64, u64)>,
    count: u64,
}

impl Quantiles {
    /// Counts values; NaN does not count.
    pub(super) fn add(&mut self, values: &[f64]) {
        for part in values.chunks(EXACT) {
            let before = self.exact.len();
            self.exact
                .extend(part.iter().filter(|value| !value.is_nan()));
            self.count += (self.exact.len() - before) as u64;
            if self.exact.len() > EXACT {
                self.fold();
            }
        }
    }

    /// Moves the exact values into bins: sorted and merged, which costs a few nanoseconds each.
    fn fold(&mut self) {
        let mut bins: Vec<_> = self.exact.drain(..).map(|value| (bin(value), 1)).collect();
        bins.append(&mut self.bins);
        bins.sort_unstable_by_key(|(bin, _)| *bin);
        bins.dedup_by(|next, kept| {
            let is_same = next.0 == kept.0;
            if is_same {
                kept.1 += next.1;
            }
            is_same
        });
        self.bins = bins;
    }

    /// For each `q`, which rise, the smallest value that at least `q` of all values do not exceed
    /// (nearest rank).
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a rank below the count"
    )]
    #[must_use]
    pub(super) fn at<const N: usize>(mut self, qs: [f64; N]) -> Option<[f64; N]> {
        let last = self.count.checked_sub(1)?;
        let ranks = qs.map(|q| {
            let rank = (q * self.count as f64).ceil() as u64;
            rank.saturating_sub(1).min(last)
        });
        if self.bins.is_empty() {
            // What lies below one need not be looked at for the next.
            let mut below = 0;
            return Some(ranks.map(|rank| {
                let rank = rank as usize;
                let rest = self.exact.get_mut(below..).unwrap_or_default();
                let (_, value, _) = rest.select_nth_unstable_by(rank - below, f64::total_cmp);
                below = rank;
                *value
            }));
        }
        self.fold();
        let mut bins = self.bins.iter();
        let mut below = 0;
        let mut value = f64::NAN;
        Some(ranks.map(|rank| {
            while below <= rank
                && let Some((bin, count)) = bins.next()
            {
                below += count;
                value = middle(*bin);
            }
            value
        }))
    }
}

/// Bins in the order of the values: the bits of a double rise with it.
fn bin(value: f64) -> i64 {
    let bin = (value.abs().to_bits() >> SHIFT).cast_signed();
    if value < 0.0 { -bin - 1 } else { bin }
}

fn middle(bin: i64) -> f64 {
    let of = |bin: i64| {
        let bits = bin.cast_unsigned() << SHIFT;
        f64::from_bits(if bin == 0 { 0 } else { bits | 1 << (SHIFT - 1) })
    };
    if bin < 0 { -of(-bin - 1) } else { of(bin) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn truth(values: &[f64], q: f64) -> f64 {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let rank = (q * sorted.len() as f64).ceil() as usize;
        sorted[rank.clamp(1, sorted.len()) - 1]
    }

    #[test]
    fn of_nothing_there_is_none() {
        let mut nothing = Quantiles::default();
        nothing.add(&[f64::NAN]);
        assert_eq!(nothing.at([0.5]), None);
        assert_eq!(Quantiles::default().at([0.99]), None);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]

        #[test]
        fn few_are_exact_and_many_within_one_percent(
            values in prop::collection::vec(prop_oneof![-1e6..1e12_f64, Just(0.0)], 1..200),
            (first, second) in (0.0..1.0_f64, 0.0..1.0_f64),
            many: bool,
        ) {
            let times = if many { EXACT / values.len() + 1 } else { 1 };
            let all: Vec<f64> = values.iter().copied().cycle().take(values.len() * times).collect();
            let mut quantiles = Quantiles::default();
            for part in all.chunks(100) {
                quantiles.add(part);
            }
            let qs = [first.min(second), first.max(second)];
            for (q, got) in qs.into_iter().zip(quantiles.at(qs).unwrap()) {
                let want = truth(&all, q);
                let allowed = if many { want.abs() * 0.01 } else { 0.0 };
                prop_assert!((got - want).abs() <= allowed, "{got} {want}");
            }
        }
    }
}
