//! Series reduced to what a screen can show, so that no spike is lost, from the level that fits
//! the step.

use super::rolled::Wanted;
use super::scan::Part;
use super::tally::{Keep, Tally};
use super::{Buckets, Container, Grid, ReadError, Reader, SeriesQuery};
use fgm_model::rollup::Rule;
use fgm_model::{Resolution, Signal, Table};
use std::collections::BTreeMap;

/// Which series are asked for in buckets.
#[derive(Debug, Clone)]
pub struct BucketQuery {
    /// Of which table.
    pub table: Table,
    /// Which signals, in the order of the answer.
    pub signals: Vec<Signal>,
    /// Which buckets.
    pub grid: Grid,
    /// At which level rows are read; where a roll-up is missing, raw rows are. Its buckets
    /// should divide the grid's, as those of [`Grid::resolution`] do.
    pub resolution: Resolution,
    /// Which numbers.
    pub keep: Keep,
}

/// One container's signals in buckets.
#[derive(Debug, Clone, Default)]
pub struct BucketSeries {
    /// For each signal its buckets; `None` when it has no data in the range.
    pub signals: Vec<Option<Buckets>>,
    /// When another life or clock epoch began, in order: the line is not joined there.
    pub breaks_ms: Vec<i64>,
    /// Whether some of it comes from a roll-up, so that quantiles are not those of samples.
    pub rolled: bool,
}

impl BucketSeries {
    /// What the quantiles of these series are made of: what was asked for, if there was a
    /// roll-up of any.
    #[must_use]
    pub fn level(all: &[Self], asked: Resolution) -> Resolution {
        if all.iter().any(|series| series.rolled) {
            asked
        } else {
            Resolution::Raw
        }
    }
}

impl Reader {
    /// The buckets of these containers, in their order.
    ///
    /// # Errors
    /// When the data directory cannot be listed, or `keep_going` said no.
    pub fn buckets(
        &self,
        query: &BucketQuery,
        containers: &[Container],
        keep_going: &dyn Fn() -> bool,
    ) -> Result<Vec<BucketSeries>, ReadError> {
        let rows = SeriesQuery {
            table: query.table,
            signals: query.signals.clone(),
            start_ms: query.grid.start_ms,
            end_ms: query.grid.end_ms(),
            series: None,
        };
        let wanted = Wanted {
            means: query.keep.means || query.keep.summary.is_some(),
            last: query.keep.summary.is_some(),
        };
        let is_cumulative = |signal: &Signal| Rule::of(*signal) == Rule::Cumulative;
        let cumulative: Vec<_> = query.signals.iter().map(is_cumulative).collect();
        let mut all: Vec<OfContainer> = Vec::new();
        all.resize_with(containers.len(), || OfContainer::new(query.signals.len()));
        let (resolution, mut each) = (query.resolution, |part: Part<'_>| match part {
            Part::Raw(chunk) => {
                let Some(of) = all.get_mut(chunk.series) else {
                    return;
                };
                of.begins((chunk.instance, chunk.clock_epoch), chunk.times_ms.first());
                let tallies = of.tallies.iter_mut().zip(&cumulative);
                for ((tally, is_rate), values) in tallies.zip(chunk.values) {
                    let tally = tally.get_or_insert_with(|| Tally::new(query.grid, query.keep));
                    tally.add(chunk.times_ms, values, is_rate.then_some(chunk.steps_us));
                }
            }
            Part::Rolled(chunk) => {
                let Some(of) = all.get_mut(chunk.series) else {
                    return;
                };
                of.rolled = true;
                of.begins((chunk.instance, 0), chunk.times_ms.first());
                for (tally, digest) in of.tallies.iter_mut().zip(chunk.digests) {
                    let tally = tally.get_or_insert_with(|| Tally::new(query.grid, query.keep));
                    tally.add_digest(chunk.times_ms, digest);
                }
            }
        });
        self.walk(&rows, resolution, wanted, containers, keep_going, &mut each)?;
        Ok(all.into_iter().map(OfContainer::finish).collect())
    }
}

/// One container, as its rows come.
struct OfContainer {
    tallies: Vec<Option<Tally>>,
    /// By instance and clock epoch.
    first_ms: BTreeMap<(usize, i64), i64>,
    rolled: bool,
}

impl OfContainer {
    fn new(signals: usize) -> Self {
        Self {
            tallies: vec![None; signals],
            first_ms: BTreeMap::new(),
            rolled: false,
        }
    }

    fn begins(&mut self, life: (usize, i64), first_ms: Option<&i64>) {
        if let Some(first_ms) = first_ms {
            let first = self.first_ms.entry(life).or_insert(*first_ms);
            *first = (*first).min(*first_ms);
        }
    }

    fn finish(self) -> BucketSeries {
        let mut breaks_ms: Vec<_> = self.first_ms.into_values().collect();
        breaks_ms.sort_unstable();
        if !breaks_ms.is_empty() {
            breaks_ms.remove(0);
        }
        BucketSeries {
            signals: self
                .tallies
                .into_iter()
                .map(|tally| tally?.finish())
                .collect(),
            breaks_ms,
            rolled: self.rolled,
        }
    }
}
