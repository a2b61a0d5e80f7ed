//! Rows of roll-ups: what a bucket keeps of each signal.

use super::cursor::{all, floats, time_place, to_float};
use super::feed::{joined, sane};
use super::lives::Places;
use super::pages::Pages;
use super::refusal::Refusal;
use super::source::{Source, Span};
use super::table::guarded;
use fgm_model::Signal;
use fgm_model::rate::PER_SECOND;
use fgm_model::rollup::{Rule, Statistic, column_name, roll_up_column};
use fgm_model::schema::column;
use parquet::data_type::Int64Type;
use parquet::errors::ParquetError;
use std::ops::Range;
use std::sync::Arc;

/// Which numbers of a bucket are asked for, beside its extremes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Wanted {
    /// What a mean is made of.
    pub(super) means: bool,
    /// The last value.
    pub(super) last: bool,
}

/// What buckets keep of a signal: a number per row, NaN = none; empty where not asked for.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Digest<'a> {
    pub(super) min: &'a [f64],
    pub(super) max: &'a [f64],
    /// The mean is this ...
    pub(super) sum: &'a [f64],
    /// ... divided by that.
    pub(super) weight: &'a [f64],
    pub(super) last: &'a [f64],
}

/// Buckets of one instance, in time order.
#[derive(Debug)]
pub(super) struct RolledChunk<'a> {
    pub(super) series: usize,
    pub(super) instance: usize,
    /// The buckets' starts.
    pub(super) times_ms: &'a [i64],
    /// By signal.
    pub(super) digests: &'a [Digest<'a>],
}

/// The buckets of a file that are asked for.
#[derive(Debug)]
pub(super) struct RolledRows {
    times_ms: Vec<i64>,
    signals: Vec<Columns>,
    /// The places, and where their rows are.
    runs: Vec<(usize, Range<usize>)>,
}

#[derive(Debug, Default)]
struct Columns {
    min: Vec<f64>,
    max: Vec<f64>,
    sum: Vec<f64>,
    weight: Vec<f64>,
    last: Vec<f64>,
}

/// Reads the buckets of these instances that begin in a span; `None` when there are none.
pub(super) fn read(
    source: &Arc<Source>,
    places: &Places,
    signals: &[Signal],
    wanted: Wanted,
    span: (i64, i64),
) -> Result<Option<RolledRows>, Refusal> {
    let asked = |run: &&Span| run.rows > 0 && run.first_ms <= span.1 && span.0 <= run.last_ms;
    let of_file: Vec<_> = source
        .spans
        .iter()
        .filter(asked)
        .filter_map(|run| Some((places.get(run.life)?, run)))
        .collect();
    if of_file.is_empty() {
        return Ok(None);
    }
    let Some(time) = time_place(source, column::TIME) else {
        return Err(Refusal::Damaged(
            "it has no column time of milliseconds".into(),
        ));
    };
    let rows = joined(
        of_file
            .iter()
            .map(|(_, run)| run.first_row..run.first_row + run.rows),
    );
    let names = Names::of(source, signals, wanted);
    let mut from = 0;
    let runs = of_file.iter().map(|(place, run)| {
        let to = from + run.rows;
        let rows = from..to;
        from = to;
        (*place, rows)
    });
    let runs = runs.collect();
    guarded(|| {
        let columns: Vec<_> = names.all().chain([time]).collect();
        let pages = Arc::new(Pages::of_rows(source, &columns, &rows)?);
        let read = names.read(source, &pages, &rows);
        let times = all::<Int64Type>(source, &pages, time, &rows);
        let bad = |error: ParquetError| Refusal::Damaged(error.to_string());
        Ok(Some(RolledRows {
            times_ms: times.map_err(bad)?.values,
            signals: read.map_err(bad)?,
            runs,
        }))
    })
}

impl RolledRows {
    /// Hands them on, instance by instance.
    pub(super) fn hand_on(&self, who: &[(usize, usize)], sink: &mut dyn FnMut(RolledChunk<'_>)) {
        let mut digests = Vec::with_capacity(self.signals.len());
        for (place, rows) in &self.runs {
            let Some((series, instance)) = who.get(*place) else {
                continue;
            };
            digests.clear();
            digests.extend(self.signals.iter().map(|columns| columns.digest(rows)));
            sink(RolledChunk {
                series: *series,
                instance: *instance,
                times_ms: self.times_ms.get(rows.clone()).unwrap_or_default(),
                digests: &digests,
            });
        }
    }
}

impl Columns {
    fn digest(&self, rows: &Range<usize>) -> Digest<'_> {
        let of = |column: &'_ [f64]| -> Range<usize> {
            if column.is_empty() {
                0..0
            } else {
                rows.clone()
            }
        };
        Digest {
            min: self.min.get(of(&self.min)).unwrap_or_default(),
            max: self.max.get(of(&self.max)).unwrap_or_default(),
            sum: self.sum.get(of(&self.sum)).unwrap_or_default(),
            weight: self.weight.get(of(&self.weight)).unwrap_or_default(),
            last: self.last.get(of(&self.last)).unwrap_or_default(),
        }
    }
}

/// Places of the columns that are needed.
struct Names {
    rows: Option<usize>,
    increase_time: Option<usize>,
    signals: Vec<OfSignal>,
}

#[derive(Default)]
struct OfSignal {
    is_cumulative: bool,
    min: Option<usize>,
    max: Option<usize>,
    sum: Option<usize>,
    count: Option<usize>,
    increase: Option<usize>,
    last: Option<usize>,
}

impl Names {
    fn of(source: &Source, signals: &[Signal], wanted: Wanted) -> Self {
        let mut has_cumulative = false;
        let of_signal = |signal: &Signal| {
            let place = |statistic| source.schema.place(&column_name(*signal, statistic));
            let mean = |statistic| place(statistic).filter(|_| wanted.means);
            let is_cumulative = Rule::of(*signal) == Rule::Cumulative;
            has_cumulative |= is_cumulative;
            OfSignal {
                is_cumulative,
                min: place(Statistic::Min),
                max: place(Statistic::Max),
                sum: mean(Statistic::Sum),
                count: mean(Statistic::Count),
                increase: mean(Statistic::Increase),
                // The last of a counter is its reading, not its rate.
                last: place(Statistic::Last).filter(|_| wanted.last && !is_cumulative),
            }
        };
        let signals = signals.iter().map(of_signal).collect();
        let of_row = |name| {
            source
                .schema
                .place(name)
                .filter(|_| wanted.means && has_cumulative)
        };
        Self {
            rows: of_row(roll_up_column::ROWS),
            increase_time: of_row(roll_up_column::INCREASE_TIME_US),
            signals,
        }
    }

    fn all(&self) -> impl Iterator<Item = usize> {
        let of_signals = self
            .signals
            .iter()
            .flat_map(|s| [s.min, s.max, s.sum, s.count, s.increase, s.last]);
        of_signals.chain([self.rows, self.increase_time]).flatten()
    }

    fn read(
        &self,
        source: &Source,
        pages: &Arc<Pages>,
        rows: &[Range<usize>],
    ) -> Result<Vec<Columns>, ParquetError> {
        let read = |place| floats(source, pages, place, rows).map(Option::unwrap_or_default);
        let (count, time_us) = (read(self.rows)?, read(self.increase_time)?);
        let interval_us = to_float(sane(source.interval_ms())) * 1e3;
        let mut signals = Vec::with_capacity(self.signals.len());
        for of in &self.signals {
            let mut columns = Columns {
                min: read(of.min)?,
                max: read(of.max)?,
                sum: read(of.sum)?,
                weight: read(of.count)?,
                last: read(of.last)?,
            };
            if of.is_cumulative {
                columns.weigh_by_time(&read(of.increase)?, &time_us, &count, interval_us);
            }
            signals.push(columns);
        }
        Ok(signals)
    }
}

impl Columns {
    /// "Averages of rates are increase / time": where every row has its rate. Elsewhere the
    /// increase may reach back over a gap, and the rates that there are make the mean, each for
    /// one interval.
    fn weigh_by_time(&mut self, increase: &[f64], time_us: &[f64], rows: &[f64], interval_us: f64) {
        let mean = self.sum.iter_mut().zip(&mut self.weight);
        let by_time = increase.iter().zip(time_us).zip(rows);
        for ((sum, weight), ((increase, time_us), rows)) in mean.zip(by_time) {
            if *weight >= *rows && *time_us > 0.0 && !increase.is_nan() {
                *sum = *increase * PER_SECOND;
                *weight = *time_us;
            } else {
                *sum *= interval_us;
                *weight *= interval_us;
            }
        }
    }
}
