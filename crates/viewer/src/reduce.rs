//! From the reader's buckets to what a screen shows.

use crate::fgmf::{Shape, Summary};
use fgm_model::Resolution;
use fgm_store::reader::{Buckets, Grid, Keep, Percentiles};
use serde::Serialize;

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

impl Agg {
    /// The grid for a range (inclusive) of samples every `interval_ms`, on `px` pixels: sample
    /// by sample where each has a pixel, else the smallest step of the ladder that has.
    pub(crate) fn grid(self, (start_ms, end_ms): (i64, i64), interval_ms: i64, px: i64) -> Grid {
        let samples = end_ms.saturating_sub(start_ms).saturating_add(1) / interval_ms;
        let step_ms = if self == Self::Raw || samples <= px {
            interval_ms
        } else {
            Grid::step_for(start_ms, end_ms, interval_ms, px)
        };
        Grid::covering(start_ms, end_ms, step_ms)
    }

    /// Which rows a grid is filled from.
    pub(crate) fn resolution(self, grid: Grid, interval_ms: i64) -> Resolution {
        if self == Self::Raw || grid.step_ms == interval_ms {
            Resolution::Raw
        } else {
            grid.resolution()
        }
    }

    /// What is asked of the reader.
    pub(crate) fn keep(self, percentiles: Percentiles) -> Keep {
        Keep {
            extremes: self != Self::Avg,
            means: self == Self::Avg,
            summary: Some(percentiles),
        }
    }

    /// The values to be sent.
    #[expect(clippy::cast_possible_truncation, reason = "a screen needs no more")]
    pub(crate) fn shape(self, buckets: Buckets) -> Shape {
        let display = |plane: Vec<f64>| plane.into_iter().map(|v| v as f32).collect::<Vec<_>>();
        let bits = |plane: &[f32]| plane.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
        match self {
            // Of two samples in one slot the higher is shown.
            Self::Raw => Shape::Exact(buckets.max),
            Self::Avg => Shape::Display(display(buckets.mean)),
            Self::MinMax => {
                let (min, max) = (display(buckets.min), display(buckets.max));
                // One sample in each slot: one plane tells all.
                if bits(&min) == bits(&max) {
                    Shape::Display(min)
                } else {
                    Shape::Envelope { min, max }
                }
            }
        }
    }
}

/// What quantiles are made of; over roll-ups it is no longer the samples, and they are to be
/// named so.
pub(crate) const fn quantiles_of(resolution: Resolution) -> &'static str {
    match resolution {
        Resolution::Raw => "samples",
        Resolution::S60 => "max_60s",
        Resolution::S600 => "max_600s",
    }
}

/// What is told beside the values.
pub(crate) fn summary(buckets: &Buckets) -> Summary {
    let known = |value: f64| (!value.is_nan()).then_some(value);
    buckets
        .summary
        .map_or_else(Summary::default, |all| Summary {
            min: known(all.min),
            max: known(all.max),
            avg: known(all.mean),
            p99: known(all.p99),
            last: known(all.last),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    const T: i64 = 1_795_420_800_000;

    #[test]
    fn few_samples_are_shown_one_by_one_and_many_on_the_ladder() {
        let grid = |agg: Agg, seconds: i64, px| agg.grid((T, T + seconds * 1000 - 1), 1000, px);
        let step = |seconds: i64, px| grid(Agg::MinMax, seconds, px).step_ms;
        assert_eq!(step(60, 1000), 1000);
        assert_eq!(step(900, 1000), 1000);
        assert_eq!(step(3600, 1000), 5000);
        assert_eq!(step(86_400, 1000), 120_000);
        assert_eq!(step(7 * 86_400, 1000), 1_800_000);
        let raw = Agg::Raw.grid((T + 1, T + 59_999), 500, 10);
        assert_eq!((raw.start_ms, raw.step_ms, raw.buckets), (T, 500, 120));
        assert_eq!(Agg::Raw.resolution(raw, 500), Resolution::Raw);
    }

    #[test]
    fn a_recording_by_the_minute_is_read_as_it_is() {
        let grid = Agg::MinMax.grid((T, T + 3_599_999), 60_000, 1000);
        assert_eq!(Agg::MinMax.resolution(grid, 60_000), Resolution::Raw);
        assert_eq!(Agg::MinMax.resolution(grid, 1000), Resolution::S60);
    }

    #[test]
    fn equal_planes_are_sent_once() {
        let buckets = |max: f64| Buckets {
            min: vec![1.0, f64::NAN],
            max: vec![max, f64::NAN],
            ..Buckets::default()
        };
        assert!(
            matches!(Agg::MinMax.shape(buckets(1.0)), Shape::Display(plane) if plane[0] == 1.0)
        );
        let Shape::Envelope { min, max } = Agg::MinMax.shape(buckets(2.0)) else {
            panic!("two planes");
        };
        assert_eq!((min[0], max[0]), (1.0, 2.0));
        assert!(min[1].is_nan() && max[1].is_nan());
    }
}
