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
    /// What the range as a whole adds up to, with these percentiles.
    pub summary: Option<Percentiles>,
}

/// Percentiles of a summary: each takes another look at all samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Percentiles {
    /// The 99th.
    P99,
    /// Also the median and the 95th.
    All,
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
    /// The median; over roll-ups, of the buckets' highest values. NaN when not asked for.
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
    has_data: bool,
    whole: Option<Whole>,
}

/// The range as a whole.
#[derive(Debug, Clone)]
struct Whole {
    percentiles: Percentiles,
    all: Slot,
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

    fn has_data(&self) -> bool {
        self.min <= self.max
    }

    /// Adds samples; NaN does not count.
    fn add_extremes(&mut self, values: &[f64]) {
        let (mut min, mut max) = (self.min, self.max);
        for value in values {
            // One instruction each; `f64::min` takes three, for a NaN on either side.
            min = if *value < min { *value } else { min };
            max = if *value > max { *value } else { max };
        }
        (self.min, self.max) = (min, max);
    }

    /// Adds up samples of equal weight.
    fn add_sums(&mut self, values: &[f64]) {
        for value in values.iter().filter(|value| !value.is_nan()) {
            self.sum += value;
            self.weight += 1.0;
        }
    }

    /// Adds up rates, each of which holds for its step.
    fn add_rate_sums(&mut self, values: &[f64], steps_us: &[f64]) {
        for (value, step_us) in values.iter().zip(steps_us) {
            if !value.is_nan() {
                self.sum += value * step_us;
                self.weight += step_us;
            }
        }
    }

    fn merge(&mut self, other: &Self) {
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
            min: plane(keep.extremes, f64::NAN),
            max: plane(keep.extremes, f64::NAN),
            sum: plane(keep.means, 0.0),
            weight: plane(keep.means, 0.0),
            has_data: false,
            whole: keep.summary.map(|percentiles| Whole {
                percentiles,
                all: Slot::EMPTY,
                quantiles: Quantiles::default(),
                last: None,
            }),
            grid,
        }
    }

    /// Adds samples in time order; with steps, they are rates.
    pub(super) fn add(&mut self, times_ms: &[i64], values: &[f64], steps_us: Option<&[f64]>) {
        let has_sums = self.whole.is_some() || !self.sum.is_empty();
        let step_ms = self.grid.step_ms;
        // The bucket that is being filled, and the first time behind it.
        let (mut bucket, mut end_ms) = (None, i64::MIN);
        // As many samples as the bucket before had.
        let (mut from, mut count) = (0, 0);
        while let Some(time_ms) = times_ms.get(from) {
            // Mostly the next one: a division for each bucket would cost as much as its samples.
            bucket = match bucket {
                Some(before) if *time_ms < end_ms.saturating_add(step_ms) => {
                    end_ms = end_ms.saturating_add(step_ms);
                    Some(before + 1).filter(|next| *next < self.grid.buckets)
                }
                _ => {
                    let found = self.grid.bucket(*time_ms);
                    end_ms = found.map_or(i64::MIN, |found| self.grid.end_of(found));
                    found
                }
            };
            let Some(bucket) = bucket else {
                from += 1;
                continue;
            };
            count = until(times_ms.get(from..).unwrap_or_default(), end_ms, count);
            let to = from + count;
            let of_bucket = values.get(from..to).unwrap_or_default();
            let mut slot = Slot::EMPTY;
            slot.add_extremes(of_bucket);
            match steps_us {
                _ if !has_sums => {}
                Some(steps_us) => {
                    slot.add_rate_sums(of_bucket, steps_us.get(from..to).unwrap_or_default());
                }
                None => slot.add_sums(of_bucket),
            }
            self.put(bucket, &slot);
            from = to;
        }
        if let Some(whole) = &mut self.whole {
            whole.quantiles.add(values);
            let known = times_ms
                .iter()
                .zip(values)
                .rfind(|(_, value)| !value.is_nan());
            whole.see(known.map(|(time_ms, value)| (*time_ms, *value)));
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
            self.put(bucket, &slot);
            if let Some(whole) = &mut self.whole {
                whole.quantiles.add(&[slot.max]);
                let last = get(digest.last);
                let last = if last.is_nan() {
                    slot.sum / slot.weight
                } else {
                    last
                };
                whole.see((!last.is_nan()).then_some((*time_ms, last)));
            }
        }
    }

    fn put(&mut self, bucket: usize, slot: &Slot) {
        if !slot.has_data() {
            return;
        }
        self.has_data = true;
        if let Some(whole) = &mut self.whole {
            whole.all.merge(slot);
        }
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
        if !self.has_data {
            return None;
        }
        for (sum, weight) in self.sum.iter_mut().zip(&self.weight) {
            *sum /= weight;
        }
        Some(Buckets {
            min: self.min,
            max: self.max,
            mean: self.sum,
            summary: self.whole.map(Whole::finish),
        })
    }
}

/// How many of these times, which rise, lie before `end_ms`: mostly as many as is guessed.
fn until(times_ms: &[i64], end_ms: i64, guess: usize) -> usize {
    let is_before = |index: usize| times_ms.get(index).is_some_and(|time_ms| *time_ms < end_ms);
    if guess > 0 && is_before(guess - 1) && !is_before(guess) {
        return guess;
    }
    times_ms.partition_point(|time_ms| *time_ms < end_ms)
}

impl Whole {
    fn see(&mut self, value: Option<(i64, f64)>) {
        if let Some((time_ms, value)) = value
            && self.last.is_none_or(|(newest, _)| newest <= time_ms)
        {
            self.last = Some((time_ms, value));
        }
    }

    fn finish(self) -> Summary {
        let all = self.all;
        let nothing = f64::NAN;
        let [p50, p95, p99] = match self.percentiles {
            Percentiles::P99 => self
                .quantiles
                .at([0.99])
                .map(|[p99]| [nothing, nothing, p99]),
            Percentiles::All => self.quantiles.at([0.5, 0.95, 0.99]),
        }
        .unwrap_or([nothing; 3])
        // A bin's middle may lie beyond what there was.
        .map(|v| match v {
            low if low < all.min => all.min,
            high if high > all.max => all.max,
            between => between,
        });
        Summary {
            min: all.min,
            max: all.max,
            mean: all.sum / all.weight,
            p50,
            p95,
            p99,
            last: self.last.map_or(f64::NAN, |(_, value)| value),
        }
    }
}
