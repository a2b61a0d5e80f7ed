//! From samples to what a screen can show, so that no spike is lost.
//!
//! Slots lie on multiples of the step since the epoch: panning does not shimmer, and two windows
//! share a grid. Each keeps its smallest and largest sample.

use crate::fgmf::{Shape, Summary};
use fgm_store::reader::Quantiles;
use serde::Serialize;
use std::collections::BTreeMap;

/// Steps that are offered, milliseconds.
const LADDER_MS: [i64; 12] = [
    1000, 2000, 5000, 10_000, 15_000, 30_000, 60_000, 120_000, 300_000, 600_000, 1_800_000,
    3_600_000,
];

/// What a slot holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Agg {
    /// The extremes of its samples.
    MinMax,
    /// Their mean.
    Avg,
    /// The one sample, to the last digit.
    Raw,
}

/// Slots of equal length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Grid {
    /// The start of slot 0, milliseconds UTC.
    pub(crate) t0: i64,
    /// The length of a slot, milliseconds.
    pub(crate) step: i64,
    /// Slots.
    pub(crate) n: usize,
}

impl Grid {
    /// The grid for a range (inclusive) of samples every `interval_ms`, on `px` pixels: sample
    /// by sample where each has a pixel, else the smallest step of the ladder that has.
    pub(crate) fn of(start_ms: i64, end_ms: i64, interval_ms: i64, px: i64, agg: Agg) -> Self {
        let span = end_ms.saturating_sub(start_ms).saturating_add(1);
        let samples = span / interval_ms;
        let step = if agg == Agg::Raw || samples <= px {
            interval_ms
        } else {
            let fits = |step: &i64| *step >= interval_ms && span / step <= px;
            LADDER_MS.into_iter().find(fits).unwrap_or_else(|| {
                let longest = LADDER_MS[LADDER_MS.len() - 1].max(interval_ms);
                longest * (span / longest / px + 1)
            })
        };
        let first = start_ms.div_euclid(step);
        let slots = end_ms.div_euclid(step) - first + 1;
        Self {
            t0: first * step,
            step,
            n: usize::try_from(slots).unwrap_or(0),
        }
    }

    /// The last millisecond of the last slot.
    pub(crate) fn end_ms(self) -> i64 {
        let slots = i64::try_from(self.n).unwrap_or(i64::MAX);
        self.t0.saturating_add(self.step.saturating_mul(slots)) - 1
    }

    /// A single slot for the whole range (inclusive).
    pub(crate) fn whole(start_ms: i64, end_ms: i64) -> Self {
        Self {
            t0: start_ms,
            step: end_ms.saturating_sub(start_ms).saturating_add(1).max(1),
            n: 1,
        }
    }

    /// The slot that a time lies in.
    pub(crate) fn slot(self, time_ms: i64) -> Option<usize> {
        let slot = (time_ms - self.t0).div_euclid(self.step);
        usize::try_from(slot).ok().filter(|slot| *slot < self.n)
    }
}

/// The samples of one series and one signal, as they come.
#[derive(Debug, Clone)]
pub(crate) struct Reducer {
    grid: Grid,
    planes: Planes,
    min: f64,
    max: f64,
    sum: f64,
    count: u64,
    last: Option<(i64, f64)>,
    quantiles: Quantiles,
}

#[derive(Debug, Clone)]
enum Planes {
    MinMax(Vec<f32>, Vec<f32>),
    Avg(Vec<(f64, u32)>),
    Raw(Vec<f64>),
}

impl Reducer {
    pub(crate) fn new(grid: Grid, agg: Agg) -> Self {
        Self {
            grid,
            planes: match agg {
                Agg::MinMax => Planes::MinMax(vec![f32::NAN; grid.n], vec![f32::NAN; grid.n]),
                Agg::Avg => Planes::Avg(vec![(0.0, 0); grid.n]),
                Agg::Raw => Planes::Raw(vec![f64::NAN; grid.n]),
            },
            min: f64::INFINITY,
            max: f64::NEG_INFINITY,
            sum: 0.0,
            count: 0,
            last: None,
            quantiles: Quantiles::default(),
        }
    }

    /// Takes samples; NaN is no data.
    pub(crate) fn add(&mut self, times_ms: &[i64], values: &[f64]) {
        let samples = times_ms.iter().zip(values);
        for (time_ms, value) in samples.filter(|(_, value)| !value.is_nan()) {
            let Some(slot) = self.grid.slot(*time_ms) else {
                continue;
            };
            self.planes.put(slot, *value);
            self.min = self.min.min(*value);
            self.max = self.max.max(*value);
            self.sum += value;
            self.count += 1;
            self.quantiles.add(&[*value]);
            if self.last.is_none_or(|(newest, _)| newest <= *time_ms) {
                self.last = Some((*time_ms, *value));
            }
        }
    }

    /// The value that a share `q` of the samples does not exceed.
    pub(crate) fn quantile(&mut self, q: f64) -> Option<f64> {
        let value = self.quantiles.at(q)?;
        // A bin's middle may lie beyond what there was.
        Some(value.clamp(self.min, self.max))
    }

    /// What is to be sent; `None` when there was no data.
    #[expect(clippy::cast_precision_loss, reason = "a count of samples")]
    pub(crate) fn finish(mut self) -> Option<(Shape, Summary)> {
        if self.count == 0 {
            return None;
        }
        let summary = Summary {
            min: Some(self.min),
            max: Some(self.max),
            avg: Some(self.sum / self.count as f64),
            p99: self.quantile(0.99),
            last: self.last.map(|(_, value)| value),
        };
        Some((self.planes.shape(), summary))
    }
}

impl Planes {
    #[expect(clippy::cast_possible_truncation, reason = "a screen needs no more")]
    fn put(&mut self, slot: usize, value: f64) {
        match self {
            Self::MinMax(min, max) => {
                let value = value as f32;
                // `min` and `max` of a number and NaN are the number.
                if let (Some(low), Some(high)) = (min.get_mut(slot), max.get_mut(slot)) {
                    *low = low.min(value);
                    *high = high.max(value);
                }
            }
            Self::Avg(slots) => {
                if let Some((sum, count)) = slots.get_mut(slot) {
                    *sum += value;
                    *count += 1;
                }
            }
            Self::Raw(values) => {
                if let Some(old) = values.get_mut(slot) {
                    *old = value;
                }
            }
        }
    }

    #[expect(clippy::cast_possible_truncation, reason = "a screen needs no more")]
    fn shape(self) -> Shape {
        let bits = |plane: &[f32]| plane.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
        match self {
            // One sample in each slot: one plane tells all.
            Self::MinMax(min, max) if bits(&min) == bits(&max) => Shape::Display(min),
            Self::MinMax(min, max) => Shape::Envelope { min, max },
            Self::Avg(slots) => Shape::Display(
                slots
                    .into_iter()
                    .map(|(sum, count)| match count {
                        0 => f32::NAN,
                        count => (sum / f64::from(count)) as f32,
                    })
                    .collect(),
            ),
            Self::Raw(values) => Shape::Exact(values),
        }
    }
}

/// Where the line of a series must not be joined: at the first sample of every life and clock
/// epoch but the earliest.
#[derive(Debug, Clone, Default)]
pub(crate) struct Breaks(BTreeMap<(usize, i64), i64>);

impl Breaks {
    /// Notes the first time of samples of one life and clock epoch.
    pub(crate) fn add(&mut self, instance: usize, clock_epoch: i64, first_ms: i64) {
        let first = self.0.entry((instance, clock_epoch)).or_insert(first_ms);
        *first = (*first).min(first_ms);
    }

    /// The slots, rising.
    pub(crate) fn slots(&self, grid: Grid) -> Vec<usize> {
        let mut times: Vec<_> = self.0.values().copied().collect();
        times.sort_unstable();
        let later = times.into_iter().skip(1);
        let mut slots: Vec<_> = later.filter_map(|time_ms| grid.slot(time_ms)).collect();
        slots.dedup();
        slots
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const T: i64 = 1_795_420_800_000;

    #[test]
    fn few_samples_are_shown_one_by_one_and_many_on_the_ladder() {
        let step =
            |seconds: i64, px| Grid::of(T, T + seconds * 1000 - 1, 1000, px, Agg::MinMax).step;
        assert_eq!(step(60, 1000), 1000);
        assert_eq!(step(900, 1000), 1000);
        assert_eq!(step(3600, 1000), 5000);
        assert_eq!(step(86_400, 1000), 120_000);
        assert_eq!(step(7 * 86_400, 1000), 1_800_000);
        assert_eq!(step(365 * 86_400, 1000), 9 * 3_600_000);
        let raw = Grid::of(T + 1, T + 59_999, 500, 10, Agg::Raw);
        assert_eq!((raw.t0, raw.step, raw.n), (T, 500, 120));
    }

    #[test]
    fn a_break_is_where_the_next_life_begins() {
        let grid = Grid::of(T, T + 9999, 1000, 1000, Agg::MinMax);
        let mut breaks = Breaks::default();
        breaks.add(1, 0, T + 5000);
        breaks.add(0, 0, T + 1000);
        breaks.add(0, 0, T + 3000);
        breaks.add(1, 1, T + 7000);
        assert_eq!(breaks.slots(grid), [5, 7]);
        assert!(Breaks::default().slots(grid).is_empty());
    }

    fn planes(shape: Shape) -> (Vec<f32>, Vec<f32>) {
        match shape {
            Shape::Envelope { min, max } => (min, max),
            Shape::Display(plane) => (plane.clone(), plane),
            Shape::Exact(_) | Shape::Cells(_) => panic!("not asked for"),
        }
    }

    proptest! {
        /// A one-sample spike off the grid survives every level, and gaps stay gaps.
        #[test]
        fn a_spike_survives_and_a_gap_stays(
            seconds in 10_i64..20_000,
            at in any::<prop::sample::Index>(),
            gap in any::<prop::sample::Index>(),
            px in 1_i64..2000,
            down: bool,
        ) {
            let count = usize::try_from(seconds).unwrap();
            let (at, gap) = (at.index(count), gap.index(count));
            let spike = if down { -1e6 } else { 1e6 };
            let times: Vec<_> = (0..seconds).map(|s| T + s * 1000).collect();
            let mut values = vec![5.0; count];
            let silent = gap..(gap + count / 3).min(count);
            values[silent.clone()].fill(f64::NAN);
            values[at] = spike;

            let grid = Grid::of(T, T + seconds * 1000 - 1, 1000, px, Agg::MinMax);
            let mut reducer = Reducer::new(grid, Agg::MinMax);
            let (first, second) = (count / 2, count / 2);
            reducer.add(&times[..first], &values[..first]);
            reducer.add(&times[second..], &values[second..]);
            let (shape, summary) = reducer.finish().unwrap();
            let (min, max) = planes(shape);
            prop_assert_eq!(min.len(), grid.n);
            let slot = grid.slot(times[at]).unwrap();
            let extreme = if down { min[slot] } else { max[slot] };
            prop_assert_eq!(extreme, spike as f32);
            prop_assert!(summary.max == Some(spike) || summary.min == Some(spike));
            let mut has_data = vec![false; grid.n];
            for (time, _) in times.iter().zip(&values).filter(|(_, value)| !value.is_nan()) {
                has_data[grid.slot(*time).unwrap()] = true;
            }
            for (other, has_data) in has_data.into_iter().enumerate() {
                prop_assert_eq!(has_data, !min[other].is_nan());
                if other != slot && has_data {
                    prop_assert_eq!((min[other], max[other]), (5.0, 5.0));
                }
            }
        }

        #[test]
        fn any_range_has_a_grid_that_covers_it(start in 0_i64..253_402_300_799_999, span in 0_i64..253_402_300_799_999, interval in 100_i64..60_000, px in 1_i64..4096) {
            let end = (start + span).min(253_402_300_799_999);
            let grid = Grid::of(start, end, interval, px, Agg::MinMax);
            prop_assert!(grid.t0 <= start && grid.end_ms() >= end);
            prop_assert!(grid.n <= usize::try_from(px).unwrap() + 2);
        }
    }
}
