//! What a bucket keeps of a signal's rows.

use fgm_model::rate::{increase, rate_of};

/// Of a stored gauge.
pub(super) type Gauge = Summary<i64, i128>;
/// Of a rate or a derived signal.
pub(super) type Float = Summary<f64, f64>;

/// Extremes, sum, count and last of what was added.
#[derive(Debug, Clone, Copy)]
pub(super) struct Summary<T, S> {
    pub(super) min: T,
    pub(super) max: T,
    pub(super) sum: S,
    pub(super) count: i64,
    pub(super) last: T,
}

impl Summary<i64, i128> {
    /// What these values, of which those count that are valid, add up to.
    pub(super) fn of(values: &[i64], valid: &[bool]) -> Option<Self> {
        if valid.contains(&false) {
            let known = values.iter().zip(valid).filter(|(_, valid)| **valid);
            let known: Vec<i64> = known.map(|(value, _)| *value).collect();
            return Self::of_all(&known);
        }
        Self::of_all(values)
    }

    fn of_all(values: &[i64]) -> Option<Self> {
        let (first, last) = (*values.first()?, *values.last()?);
        let count = i64::try_from(values.len()).unwrap_or(i64::MAX);
        if are_all(values, first) {
            return Some(Self {
                min: first,
                max: first,
                sum: i128::from(first) * i128::from(count),
                count,
                last,
            });
        }
        Some(Self {
            min: *values.iter().min()?,
            max: *values.iter().max()?,
            sum: values.iter().copied().map(i128::from).sum(),
            count,
            last,
        })
    }
}

impl Summary<f64, f64> {
    const NOTHING: Self = Self {
        min: f64::INFINITY,
        max: f64::NEG_INFINITY,
        sum: 0.0,
        count: 0,
        last: 0.0,
    };

    const fn add_one(&mut self, value: f64) {
        // One instruction each, where `f64::min` takes three.
        self.min = if value < self.min { value } else { self.min };
        self.max = if value > self.max { value } else { self.max };
        self.sum += value;
        self.count += 1;
        self.last = value;
    }

    /// Adds a value.
    pub(super) fn add(this: &mut Option<Self>, value: f64) {
        this.get_or_insert(Self::NOTHING).add_one(value);
    }
}

impl<T: PartialOrd + Copy, S: std::ops::AddAssign> Summary<T, S> {
    /// Adds what comes later.
    pub(super) fn merge(this: &mut Option<Self>, later: Option<Self>) {
        let Some(later) = later else { return };
        let Some(known) = this else {
            *this = Some(later);
            return;
        };
        if later.min < known.min {
            known.min = later.min;
        }
        if later.max > known.max {
            known.max = later.max;
        }
        known.sum += later.sum;
        known.count += later.count;
        known.last = later.last;
    }
}

/// Whether nothing moved, as in most minutes of most columns: told at a fraction of what
/// adding up costs.
fn are_all(values: &[i64], same: i64) -> bool {
    // Without an early end, which would cost more than it saves.
    values
        .iter()
        .fold(0, |differ, value| differ | (value ^ same))
        == 0
}

/// What a bucket keeps of a cumulative metric beside its rate.
#[derive(Debug, Clone, Copy)]
pub(super) struct Total {
    pub(super) first: i64,
    pub(super) last: i64,
    /// `None` until there was a value to compare with.
    pub(super) increase: Option<i128>,
}

impl Total {
    /// Adds what comes later.
    pub(super) fn merge(this: &mut Option<Self>, later: Option<Self>) {
        let Some(later) = later else { return };
        let Some(known) = this else {
            *this = Some(later);
            return;
        };
        known.last = later.last;
        if let Some(increase) = later.increase {
            *known.increase.get_or_insert(0) += increase;
        }
    }
}

/// A counter's bucket whose rows follow each other, are all known and all have a step: the total,
/// and the rate at that scale.
pub(super) fn plain(
    mut before: i64,
    values: &[i64],
    steps_us: &[i32],
    scale: f64,
) -> (Option<Total>, Option<Float>) {
    if are_all(values, before) {
        return still(before, values.len());
    }
    let first = values.first().copied();
    let mut gain = 0;
    let mut rates = Float::NOTHING;
    for (value, step_us) in values.iter().zip(steps_us) {
        gain += (i128::from(*value) - i128::from(before)).max(0);
        if let Some(gained) = increase(before, *value) {
            rates.add_one(rate_of(gained, f64::from(*step_us), scale));
        }
        before = *value;
    }
    let total = first.map(|first| Total {
        first,
        last: before,
        increase: Some(gain),
    });
    (total, (rates.count > 0).then_some(rates))
}

/// The same of a counter that stood still in so many rows.
fn still(value: i64, rows: usize) -> (Option<Total>, Option<Float>) {
    let total = Total {
        first: value,
        last: value,
        increase: Some(0),
    };
    let rate = Float {
        min: 0.0,
        max: 0.0,
        sum: 0.0,
        count: i64::try_from(rows).unwrap_or(i64::MAX),
        last: 0.0,
    };
    (Some(total), (rows > 0).then_some(rate))
}

#[cfg(test)]
mod tests {
    use super::*;
    use fgm_model::rate::PER_SECOND;
    use proptest::prelude::*;

    /// Values that often stand still.
    fn values() -> impl Strategy<Value = Vec<i64>> {
        prop_oneof![
            (any::<i64>(), 1..200_usize).prop_map(|(value, rows)| vec![value; rows]),
            prop::collection::vec(0..3_i64, 1..200),
            prop::collection::vec(any::<i64>(), 1..200),
        ]
    }

    proptest! {
        #[test]
        fn a_gauge_is_what_its_values_are(values in values()) {
            let of = Gauge::of_all(&values).unwrap();
            prop_assert_eq!(Some(&of.min), values.iter().min());
            prop_assert_eq!(Some(&of.max), values.iter().max());
            prop_assert_eq!(of.sum, values.iter().copied().map(i128::from).sum::<i128>());
            prop_assert_eq!(of.count, i64::try_from(values.len()).unwrap());
            prop_assert_eq!(Some(&of.last), values.last());
        }

        #[test]
        fn a_counter_is_what_its_steps_are(
            before in 0..3_i64,
            values in values(),
            step_us in 1..3_000_000_i32,
            scale in prop_oneof![Just(PER_SECOND), Just(1e2)],
        ) {
            let steps_us = vec![step_us; values.len()];
            let (total, rates) = plain(before, &values, &steps_us, scale);
            let all: Vec<i64> = std::iter::once(before).chain(values.iter().copied()).collect();
            let gains = all.windows(2).map(|pair| i128::from(pair[1]) - i128::from(pair[0]));
            let total = total.unwrap();
            prop_assert_eq!(Some(&total.first), values.first());
            prop_assert_eq!(Some(&total.last), values.last());
            prop_assert_eq!(total.increase, Some(gains.map(|gain| gain.max(0)).sum()));
            let mut naive = None;
            for pair in all.windows(2) {
                if let Some(gained) = increase(pair[0], pair[1]) {
                    Float::add(&mut naive, rate_of(gained, f64::from(step_us), scale));
                }
            }
            let told = |rate: Option<Float>| rate.map(|of| (of.min, of.max, of.sum, of.count, of.last));
            prop_assert_eq!(told(rates), told(naive));
        }
    }
}
