//! Folding one signal's rows into buckets: first into minutes, then those into longer ones.

use super::frame::{Before, Bucket, Buckets, Frame};
use crate::table_file::column::{Column, Values};
use arrow::datatypes::Field;
use fgm_model::Signal;
use fgm_model::rate::{ReadAt, increase};
use fgm_model::rollup::{Rule, Statistic, column_name};
use fgm_model::signal::Point;
use std::ops::Range;

/// The columns of a signal for one instance.
pub(super) struct Input<'a> {
    /// The signal.
    pub(super) signal: Signal,
    /// The tick interval.
    pub(super) interval_ms: i64,
    /// [`Signal::inputs`], the instance's rows from 0 on.
    pub(super) columns: &'a [Column],
    /// The same of the last row of the hour before.
    pub(super) before: Option<Vec<Option<i64>>>,
    /// The instance's first row in the file.
    pub(super) first_row: usize,
}

impl Input<'_> {
    fn at(&self, column: usize, row: usize) -> Option<i64> {
        let column = &self.columns[column];
        let index = row - self.first_row;
        match &column.values {
            Values::Int(values) if column.valid[index] => Some(values[index]),
            _ => None,
        }
    }
}

impl Input<'_> {
    /// The values of these rows of the file, and whether each is known.
    fn rows(&self, column: usize, rows: &Range<usize>) -> (&[i64], &[bool]) {
        let column = &self.columns[column];
        let rows = rows.start - self.first_row..rows.end - self.first_row;
        match &column.values {
            Values::Int(values) => (&values[rows.clone()], &column.valid[rows]),
            _ => (&[], &[]),
        }
    }
}

/// Extremes, sum, count and last of what was added.
#[derive(Debug, Clone, Copy)]
pub(super) struct Summary<T, S> {
    min: T,
    max: T,
    sum: S,
    count: i64,
    last: T,
}

impl Summary<i64, i128> {
    /// What these values, of which those count that are valid, add up to.
    fn of(values: &[i64], valid: &[bool]) -> Option<Self> {
        if valid.contains(&false) {
            let known = values.iter().zip(valid).filter(|(_, valid)| **valid);
            let known: Vec<i64> = known.map(|(value, _)| *value).collect();
            return Self::of_all(&known);
        }
        Self::of_all(values)
    }

    fn of_all(values: &[i64]) -> Option<Self> {
        Some(Self {
            min: *values.iter().min()?,
            max: *values.iter().max()?,
            sum: values.iter().copied().map(i128::from).sum(),
            count: i64::try_from(values.len()).unwrap_or(i64::MAX),
            last: *values.last()?,
        })
    }
}

impl Summary<f64, f64> {
    fn add(this: &mut Option<Self>, value: f64) {
        let known = this.get_or_insert(Self {
            min: value,
            max: value,
            sum: 0.0,
            count: 0,
            last: value,
        });
        known.min = known.min.min(value);
        known.max = known.max.max(value);
        known.sum += value;
        known.count += 1;
        known.last = value;
    }
}

impl<T: PartialOrd + Copy, S: std::ops::AddAssign> Summary<T, S> {
    /// Adds what comes later.
    fn merge(this: &mut Option<Self>, later: Option<Self>) {
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

/// What a bucket keeps of a cumulative metric beside its rate.
#[derive(Debug, Clone, Copy)]
pub(super) struct Total {
    first: i64,
    last: i64,
    /// `None` until there was a value to compare with.
    increase: Option<i128>,
}

impl Total {
    /// Adds what comes later.
    fn merge(this: &mut Option<Self>, later: Option<Self>) {
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

/// The rows before the one at hand, of one clock epoch.
#[derive(Debug, Clone, Copy, Default)]
struct Chain {
    /// The last row of it.
    tail: Option<usize>,
    /// That row's value: rates are made from one row to the next.
    value: Option<i64>,
    /// The last value that was known: an increase is not lost where one is missing.
    known: Option<i64>,
}

impl Chain {
    /// Goes on from a value of the hour before.
    const fn after(value: Option<i64>) -> Self {
        Self {
            tail: None,
            value,
            known: value,
        }
    }
}

type Gauge = Summary<i64, i128>;
type Float = Summary<f64, f64>;

/// A row of a signal's columns: no formula has more.
type Inputs = [Option<i64>; 4];

/// The buckets of a signal.
pub(super) enum Fold {
    /// A stored gauge.
    Gauge(Vec<Option<Gauge>>),
    /// A cumulative metric.
    Cumulative {
        /// First, last and increase.
        totals: Vec<Option<Total>>,
        /// The rate.
        rates: Vec<Option<Float>>,
    },
    /// A derived signal.
    Derived(Vec<Option<Float>>),
}

impl Fold {
    /// Empty buckets.
    pub(super) fn new(rule: Rule, buckets: usize) -> Self {
        match rule {
            Rule::Gauge => Self::Gauge(vec![None; buckets]),
            Rule::Cumulative => Self::Cumulative {
                totals: vec![None; buckets],
                rates: vec![None; buckets],
            },
            Rule::Derived => Self::Derived(vec![None; buckets]),
        }
    }

    /// Adds the rows of an instance to its minutes.
    pub(super) fn add(&mut self, frame: &Frame, input: &Input<'_>, instance: usize) {
        let of = frame.minutes().of_instance[instance].clone();
        let list = &frame.minutes().list[of.clone()];
        match self {
            Self::Gauge(folds) => add_gauge(&mut folds[of], list, input),
            Self::Cumulative { totals, rates } => {
                let jumps = frame.jumps(instance);
                let (totals, rates) = (&mut totals[of.clone()], &mut rates[of]);
                add_cumulative(totals, rates, list, (frame, jumps), input);
            }
            Self::Derived(folds) => {
                add_derived(&mut folds[of], list, (frame, frame.jumps(instance)), input);
            }
        }
    }

    /// The same in longer buckets, each of which consists of some of these.
    pub(super) fn merged(&self, buckets: &Buckets) -> Self {
        fn each<T: Copy>(
            parts: &[Option<T>],
            buckets: &Buckets,
            merge: impl Fn(&mut Option<T>, Option<T>),
        ) -> Vec<Option<T>> {
            let whole = |bucket: &Bucket| {
                let parts = &parts[bucket.minutes.clone()];
                parts.iter().fold(None, |mut whole, part| {
                    merge(&mut whole, *part);
                    whole
                })
            };
            buckets.list.iter().map(whole).collect()
        }
        match self {
            Self::Gauge(folds) => Self::Gauge(each(folds, buckets, Summary::merge)),
            Self::Cumulative { totals, rates } => Self::Cumulative {
                totals: each(totals, buckets, Total::merge),
                rates: each(rates, buckets, Summary::merge),
            },
            Self::Derived(folds) => Self::Derived(each(folds, buckets, Summary::merge)),
        }
    }

    /// The columns, in the order of the schema.
    pub(super) fn columns(&self, signal: Signal) -> Vec<Column> {
        let rule = Rule::of(signal);
        rule.statistics()
            .iter()
            .map(|statistic| {
                let name = column_name(signal, *statistic);
                let field = Field::new(name, rule.data_type(*statistic), true);
                self.column(&field, *statistic)
            })
            .collect()
    }

    fn column(&self, field: &Field, statistic: Statistic) -> Column {
        // A sum beyond 64 bits is no number that a column can hold.
        let short = |sum: i128| i64::try_from(sum).ok();
        match self {
            Self::Gauge(folds) => ints(field, folds, |fold| match statistic {
                Statistic::Min => Some(fold.min),
                Statistic::Max => Some(fold.max),
                Statistic::Sum => short(fold.sum),
                Statistic::Count => Some(fold.count),
                Statistic::Last => Some(fold.last),
                Statistic::First | Statistic::Increase => None,
            }),
            Self::Cumulative { totals, rates } => match statistic {
                Statistic::First => ints(field, totals, |total| Some(total.first)),
                Statistic::Last => ints(field, totals, |total| Some(total.last)),
                Statistic::Increase => ints(field, totals, |total| short(total.increase?)),
                _ => summary(field, rates, statistic),
            },
            Self::Derived(folds) => summary(field, folds, statistic),
        }
    }
}

fn summary(field: &Field, folds: &[Option<Float>], statistic: Statistic) -> Column {
    if statistic == Statistic::Count {
        return ints(field, folds, |fold| Some(fold.count));
    }
    let mut column = Column::new(field, folds.len());
    if let Values::Float(values) = &mut column.values {
        for ((value, valid), fold) in values.iter_mut().zip(&mut column.valid).zip(folds) {
            let found = fold.and_then(|fold| match statistic {
                Statistic::Min => Some(fold.min),
                Statistic::Max => Some(fold.max),
                Statistic::Sum => Some(fold.sum),
                Statistic::Last => Some(fold.last),
                Statistic::Count | Statistic::First | Statistic::Increase => None,
            });
            *valid = found.is_some();
            *value = found.unwrap_or_default();
        }
    }
    column
}

fn ints<T: Copy>(field: &Field, folds: &[Option<T>], value: impl Fn(T) -> Option<i64>) -> Column {
    let mut column = Column::new(field, folds.len());
    if let Values::Int(values) = &mut column.values {
        for ((to, valid), fold) in values.iter_mut().zip(&mut column.valid).zip(folds) {
            let found = fold.and_then(&value);
            *valid = found.is_some();
            *to = found.unwrap_or_default();
        }
    }
    column
}

fn add_gauge(folds: &mut [Option<Gauge>], buckets: &[Bucket], input: &Input<'_>) {
    for (fold, bucket) in folds.iter_mut().zip(buckets) {
        let (values, valid) = input.rows(0, &bucket.rows);
        *fold = Summary::of(values, valid);
    }
}

fn add_cumulative(
    totals: &mut [Option<Total>],
    rates: &mut [Option<Float>],
    buckets: &[Bucket],
    (frame, jumps): (&Frame, &[(usize, Before)]),
    input: &Input<'_>,
) {
    let border = input
        .before
        .as_ref()
        .and_then(|values| values.first().copied())
        .flatten();
    let mut jumps = jumps.iter().peekable();
    // All chains but the one at hand, which changes at a jump.
    let mut others: Vec<Chain> = Vec::new();
    let mut chain = Chain::default();
    for ((total, rate), bucket) in totals.iter_mut().zip(rates).zip(buckets) {
        let (values, valid) = input.rows(0, &bucket.rows);
        let steps = frame.steps(&bucket.rows);
        let has_jump = jumps
            .peek()
            .is_some_and(|(jump, _)| *jump < bucket.rows.end);
        if !has_jump
            && let Some(before) = chain.value
            && let Some(last) = values.last()
            && !valid.contains(&false)
        {
            // A minute without anything particular, as nearly all are.
            (*total, *rate) = plain(before, values, steps);
            chain = Chain {
                tail: Some(bucket.rows.end - 1),
                value: Some(*last),
                known: Some(*last),
            };
            continue;
        }
        for ((row, step), (value, valid)) in
            bucket.rows.clone().zip(steps).zip(values.iter().zip(valid))
        {
            if let Some((_, before)) = jumps.next_if(|(jump, _)| *jump == row) {
                others.push(chain);
                chain = match before {
                    Before::Row(tail) => {
                        let of = others.iter().position(|chain| chain.tail == Some(*tail));
                        of.map_or_else(Chain::default, |of| others.swap_remove(of))
                    }
                    Before::Border => Chain::after(border),
                    Before::Nothing => Chain::default(),
                };
            }
            chain.tail = Some(row);
            let before = chain.value;
            chain.value = valid.then_some(*value);
            let Some(value) = chain.value else {
                continue;
            };
            let known = chain.known.replace(value);
            let total = total.get_or_insert(Total {
                first: value,
                last: value,
                increase: None,
            });
            total.last = value;
            if let Some(known) = known {
                let gained = (i128::from(value) - i128::from(known)).max(0);
                *total.increase.get_or_insert(0) += gained;
            }
            if let Some(step_us) = step
                && let Some(gained) = before.and_then(|before| increase(before, value))
            {
                Summary::<f64, f64>::add(rate, gained / seconds(step_us));
            }
        }
    }
}

/// A bucket whose rows follow each other and are all known.
fn plain(
    mut before: i64,
    values: &[i64],
    steps: impl Iterator<Item = Option<i64>>,
) -> (Option<Total>, Option<Float>) {
    let mut gain = 0;
    let mut rate = Float {
        min: f64::INFINITY,
        max: f64::NEG_INFINITY,
        sum: 0.0,
        count: 0,
        last: 0.0,
    };
    for (value, step_us) in values.iter().zip(steps) {
        gain += (i128::from(*value) - i128::from(before)).max(0);
        if let Some(step_us) = step_us
            && let Some(gained) = increase(before, *value)
        {
            let of_row = gained / seconds(step_us);
            rate.min = if of_row < rate.min { of_row } else { rate.min };
            rate.max = if of_row > rate.max { of_row } else { rate.max };
            rate.sum += of_row;
            rate.count += 1;
            rate.last = of_row;
        }
        before = *value;
    }
    let total = values.first().map(|first| Total {
        first: *first,
        last: before,
        increase: Some(gain),
    });
    (total, (rate.count > 0).then_some(rate))
}

#[expect(clippy::cast_precision_loss, reason = "a few seconds in microseconds")]
fn seconds(step_us: i64) -> f64 {
    step_us as f64 / 1e6
}

fn add_derived(
    folds: &mut [Option<Float>],
    buckets: &[Bucket],
    (frame, jumps): (&Frame, &[(usize, Before)]),
    input: &Input<'_>,
) {
    let mut jumps = jumps.iter().peekable();
    let inputs_at = |row: usize| {
        let mut inputs = Inputs::default();
        for (column, to) in inputs.iter_mut().take(input.columns.len()).enumerate() {
            *to = input.at(column, row);
        }
        inputs
    };
    let border = input.before.as_ref().map(|values| {
        let mut inputs = Inputs::default();
        for (to, value) in inputs.iter_mut().zip(values) {
            *to = *value;
        }
        inputs
    });
    let mut above = Inputs::default();
    for (fold, bucket) in folds.iter_mut().zip(buckets) {
        for row in bucket.rows.clone() {
            let jump = jumps.next_if(|(jump, _)| *jump == row);
            let inputs = inputs_at(row);
            let earlier = frame.step_us(row).and_then(|_| match jump {
                None => Some(above),
                Some((_, Before::Row(before))) => Some(inputs_at(*before)),
                Some((_, Before::Border)) => border,
                Some((_, Before::Nothing)) => None,
            });
            // The model decides by times; what it is given lies as far apart as the real reads.
            let earlier = earlier.as_ref().map(|inputs| Point {
                at: ReadAt {
                    time_ms: 0,
                    offset_us: 0,
                },
                inputs,
            });
            let step_us = frame.step_us(row).unwrap_or_default();
            let later = Point {
                at: ReadAt {
                    time_ms: 1000,
                    offset_us: step_us - 1_000_000,
                },
                inputs: &inputs,
            };
            if let Some(value) = input.signal.eval(earlier, later, input.interval_ms) {
                Summary::<f64, f64>::add(fold, value);
            }
            above = inputs;
        }
    }
}
