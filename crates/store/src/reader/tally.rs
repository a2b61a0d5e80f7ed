//! Samples and buckets of one series and one signal, added up. Pure.

use super::grid::Grid;
use super::quantile::Quantiles;
use super::rolled::Digest;

/// Which numbers are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Keep {
    /// The extremes of each bucket.
    pub extremes: bool,
    /// The mean of each bucket.
    pub means: bool,
    /// What the range as a whole adds up to.
    pub summary: bool,
}

/// A series in buckets.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Buckets {
    /// The lowest value of each bucket, NaN = no data; empty when not asked for.
    pub min: Vec<f64>,
    /// The highest.
    pub max: Vec<f64>,
    /// The mean: of a counter's rate over time, else of the samples.
    pub mean: Vec<f64>,
    /// The range as a whole; `None` when not asked for.
    pub summary: Option<Summary>,
}

/// What a range adds up to.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Summary {
    /// The lowest value.
    pub min: f64,
    /// The highest.
    pub max: f64,
    /// The mean: of a counter's rate over time, else of the samples.
    pub mean: f64,
    /// The median; over roll-ups, of the buckets' highest values.
    pub p50: f64,
    /// The 95th percentile, likewise.
    pub p95: f64,
    /// The 99th percentile, likewise.
    pub p99: f64,
    /// The last value; of a counter over roll-ups, the mean rate of its last bucket.
    pub last: f64,
}

/// Adds up.
#[derive(Debug, Clone)]
pub(super) struct Tally {
    grid: Grid,
    min: Vec<f64>,
    max: Vec<f64>,
    sum: Vec<f64>,
    weight: Vec<f64>,
    all: Slot,
    summary: Option<Rest>,
}

/// What only a summary needs.
#[derive(Debug, Clone, Default)]
struct Rest {
    quantiles: Quantiles,
    last: Option<(i64, f64)>,
}

/// Values of one bucket.
#[derive(Debug, Clone, Copy)]
struct Slot {
    min: f64,
    max: f64,
    sum: f64,
    weight: f64,
}

impl Slot {
    const EMPTY: Self = Self {
        min: f64::INFINITY,
        max: f64::NEG_INFINITY,
        sum: 0.0,
        weight: 0.0,
    };

    /// Adds samples of equal weight; NaN does not count.
    fn add(&mut self, values: &[f64]) {
        for value in values {
            self.min = self.min.min(*value);
            self.max = self.max.max(*value);
            if !value.is_nan() {
                self.sum += value;
                self.weight += 1.0;
            }
        }
    }

    /// Adds rates, each of which holds for its step.
    fn add_rates(&mut self, values: &[f64], steps_s: &[f64]) {
        for (value, step_s) in values.iter().zip(steps_s) {
            self.min = self.min.min(*value);
            self.max = self.max.max(*value);
            if !value.is_nan() {
                self.sum += value * step_s;
                self.weight += step_s;
            }
        }
    }

    fn merge(&mut self, other: Self) {
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
        if other.weight > 0.0 {
            self.sum += other.sum;
            self.weight += other.weight;
        }
    }
}

impl Tally {
    pub(super) fn new(grid: Grid, keep: Keep) -> Self {
        let plane = |kept: bool, value: f64| vec![value; if kept { grid.buckets } else { 0 }];
        Self {
            min: plane(keep.extremes, Slot::EMPTY.min),
            max: plane(keep.extremes, Slot::EMPTY.max),
            sum: plane(keep.means, 0.0),
            weight: plane(keep.means, 0.0),
            all: Slot::EMPTY,
            summary: keep.summary.then(Rest::default),
            grid,
        }
    }

    /// Adds samples in time order; with steps, they are rates.
    pub(super) fn add(&mut self, times_ms: &[i64], values: &[f64], steps_s: Option<&[f64]>) {
        let mut from = 0;
        while let Some(time_ms) = times_ms.get(from) {
            let Some(bucket) = self.grid.bucket(*time_ms) else {
                from += 1;
                continue;
            };
            let start = i64::try_from(bucket).unwrap_or(i64::MAX);
            let start = self
                .grid
                .start_ms
                .saturating_add(start.saturating_mul(self.grid.step_ms));
            let end = start.saturating_add(self.grid.step_ms);
            let rest = times_ms.get(from..).unwrap_or_default();
            let to = from + rest.iter().take_while(|time_ms| **time_ms < end).count();
            let of_bucket = values.get(from..to).unwrap_or_default();
            let mut slot = Slot::EMPTY;
            match steps_s {
                Some(steps_s) => {
                    slot.add_rates(of_bucket, steps_s.get(from..to).unwrap_or_default());
                }
                None => slot.add(of_bucket),
            }
            self.put(bucket, slot);
            from = to;
        }
        if let Some(rest) = &mut self.summary {
            rest.quantiles.add(values);
            let known = times_ms
                .iter()
                .zip(values)
                .rfind(|(_, value)| !value.is_nan());
            rest.see(known.map(|(time_ms, value)| (*time_ms, *value)));
        }
    }

    /// Adds buckets of a roll-up.
    pub(super) fn add_digest(&mut self, times_ms: &[i64], digest: &Digest<'_>) {
        for (row, time_ms) in times_ms.iter().enumerate() {
            let Some(bucket) = self.grid.bucket(*time_ms) else {
                continue;
            };
            let get = |column: &[f64]| column.get(row).copied().unwrap_or(f64::NAN);
            let slot = Slot {
                min: get(digest.min),
                max: get(digest.max),
                sum: get(digest.sum),
                weight: get(digest.weight),
            };
            self.put(bucket, slot);
            if let Some(rest) = &mut self.summary {
                rest.quantiles.add(&[slot.max]);
                let last = get(digest.last);
                let last = if last.is_nan() {
                    slot.sum / slot.weight
                } else {
                    last
                };
                rest.see((!last.is_nan()).then_some((*time_ms, last)));
            }
        }
    }

    fn put(&mut self, bucket: usize, slot: Slot) {
        self.all.merge(slot);
        if let (Some(min), Some(max)) = (self.min.get_mut(bucket), self.max.get_mut(bucket)) {
            *min = min.min(slot.min);
            *max = max.max(slot.max);
        }
        if let (Some(sum), Some(weight)) = (self.sum.get_mut(bucket), self.weight.get_mut(bucket))
            && slot.weight > 0.0
        {
            *sum += slot.sum;
            *weight += slot.weight;
        }
    }

    /// What it adds up to; `None` when there was no data.
    pub(super) fn finish(mut self) -> Option<Buckets> {
        let has_data = self.all.min <= self.all.max;
        if !has_data {
            return None;
        }
        // An infinity says that nothing came.
        let known = |planes: &mut Vec<f64>| {
            planes
                .iter_mut()
                .filter(|v| v.is_infinite())
                .for_each(|v| *v = f64::NAN);
        };
        known(&mut self.min);
        known(&mut self.max);
        for (sum, weight) in self.sum.iter_mut().zip(&self.weight) {
            *sum /= weight;
        }
        let all = self.all;
        let summary = self.summary.map(|mut rest| {
            // A bin's middle may lie beyond what there was.
            let mut at = |q| {
                rest.quantiles
                    .at(q)
                    .map_or(f64::NAN, |v| v.clamp(all.min, all.max))
            };
            Summary {
                min: all.min,
                max: all.max,
                mean: all.sum / all.weight,
                p50: at(0.5),
                p95: at(0.95),
                p99: at(0.99),
                last: rest.last.map_or(f64::NAN, |(_, value)| value),
            }
        });
        Some(Buckets {
            min: self.min,
            max: self.max,
            mean: self.sum,
            summary,
        })
    }
}

impl Rest {
    fn see(&mut self, value: Option<(i64, f64)>) {
        if let Some((time_ms, value)) = value
            && self.last.is_none_or(|(newest, _)| newest <= time_ms)
        {
            self.last = Some((time_ms, value));
        }
    }
}
