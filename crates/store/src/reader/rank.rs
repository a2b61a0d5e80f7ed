//! Containers by one signal, each beside what it was before.

use super::{
    BucketQuery, BucketSeries, Container, Grid, Keep, Percentiles, ReadError, Reader, Summary,
};
use fgm_model::{Resolution, Signal, Table};

/// Up to this span every tick counts, 6 h; beyond, the buckets of a minute.
const MOST_RAW_MS: i64 = 6 * 3_600_000;

/// Up to this span the buckets of a minute count, 3 days; beyond, those of ten minutes.
const MOST_MINUTES_MS: i64 = 3 * 86_400_000;

/// What is ranked.
#[derive(Debug, Clone)]
pub struct RankQuery {
    /// Of which table.
    pub table: Table,
    /// By which signal.
    pub signal: Signal,
    /// The first millisecond.
    pub start_ms: i64,
    /// The last millisecond, inclusive.
    pub end_ms: i64,
    /// What it is compared with (inclusive), if anything.
    pub base_ms: Option<(i64, i64)>,
    /// By which number.
    pub by: RankBy,
}

/// The number that decides, the largest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RankBy {
    /// The mean.
    Mean,
    /// The median.
    P50,
    /// The 95th percentile.
    P95,
    /// The 99th percentile.
    P99,
    /// The highest value.
    Max,
    /// The lowest value.
    Min,
    /// The last value.
    Last,
    /// By how much the mean rose from the base.
    Change,
}

impl RankBy {
    /// The number, but for the change, which takes two.
    const fn number(self, of: &Summary) -> Option<f64> {
        match self {
            Self::Mean => Some(of.mean),
            Self::P50 => Some(of.p50),
            Self::P95 => Some(of.p95),
            Self::P99 => Some(of.p99),
            Self::Max => Some(of.max),
            Self::Min => Some(of.min),
            Self::Last => Some(of.last),
            Self::Change => None,
        }
    }
}

/// Containers in order.
#[derive(Debug, Clone, PartialEq)]
pub struct Ranking {
    /// At which level the rows were read. Over roll-ups a percentile is that of the buckets'
    /// highest values, and is to be named so.
    pub resolution: Resolution,
    /// Those that have the signal; who lacks the deciding number comes last.
    pub rows: Vec<Ranked>,
}

/// One container of a ranking.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ranked {
    /// Its place among the containers asked for.
    pub series: usize,
    /// What the range adds up to.
    pub now: Summary,
    /// The same of the base; `None` without one, or when it was not there.
    pub before: Option<Summary>,
}

impl Ranked {
    /// By how much the mean rose from the base.
    #[must_use]
    pub fn change(&self) -> Option<f64> {
        self.before.map(|before| self.now.mean - before.mean)
    }

    /// By how many percent the deciding number changed from the base; `None` when that is 0 or
    /// not known. By [`RankBy::Change`] it is the mean's.
    #[must_use]
    pub fn change_percent(&self, by: RankBy) -> Option<f64> {
        let of = |summary: &Summary| by.number(summary).unwrap_or(summary.mean);
        let then = of(self.before.as_ref()?);
        let percent = (of(&self.now) / then - 1.0) * 100.0;
        (then != 0.0 && !percent.is_nan()).then_some(percent)
    }

    fn decides(&self, by: RankBy) -> Option<f64> {
        let number = by.number(&self.now).or_else(|| self.change())?;
        (!number.is_nan()).then_some(number)
    }
}

impl Reader {
    /// Ranks these containers, which are to be those of the range and of the base.
    ///
    /// # Errors
    /// When the data directory cannot be listed, or `keep_going` said no.
    pub fn rank(
        &self,
        query: &RankQuery,
        containers: &[Container],
        keep_going: &dyn Fn() -> bool,
    ) -> Result<Ranking, ReadError> {
        let span = query.end_ms.saturating_sub(query.start_ms);
        let resolution = if span <= MOST_RAW_MS {
            Resolution::Raw
        } else if span <= MOST_MINUTES_MS {
            Resolution::S60
        } else {
            Resolution::S600
        };
        let summaries = |range| self.summaries(query, resolution, range, containers, keep_going);
        let (resolution, now) = summaries((query.start_ms, query.end_ms))?;
        let before = query.base_ms.map(summaries).transpose()?;
        let mut rows: Vec<_> = now
            .into_iter()
            .enumerate()
            .filter_map(|(series, now)| {
                let before = before
                    .as_ref()
                    .and_then(|(_, before)| before.get(series).copied()?);
                Some(Ranked {
                    series,
                    now: now?,
                    before,
                })
            })
            .collect();
        // "No number" is less than any.
        rows.sort_by(|a, b| {
            let order = |row: &Ranked| row.decides(query.by).unwrap_or(f64::NEG_INFINITY);
            order(b).total_cmp(&order(a)).then(a.series.cmp(&b.series))
        });
        Ok(Ranking { resolution, rows })
    }

    fn summaries(
        &self,
        query: &RankQuery,
        resolution: Resolution,
        (start_ms, end_ms): (i64, i64),
        containers: &[Container],
        keep_going: &dyn Fn() -> bool,
    ) -> Result<(Resolution, Vec<Option<Summary>>), ReadError> {
        // The bucket that the range begins in counts whole.
        let bucket_ms = resolution.bucket_ms().unwrap_or(1);
        let start_ms = start_ms.div_euclid(bucket_ms).saturating_mul(bucket_ms);
        let query = BucketQuery {
            table: query.table,
            signals: vec![query.signal],
            grid: Grid::whole(start_ms, end_ms),
            resolution,
            keep: Keep {
                summary: Some(Percentiles::All),
                ..Keep::default()
            },
        };
        let series = self.buckets(&query, containers, keep_going)?;
        let level = BucketSeries::level(&series, resolution);
        let summary = |mut series: BucketSeries| series.signals.pop()??.summary;
        Ok((level, series.into_iter().map(summary).collect()))
    }
}
