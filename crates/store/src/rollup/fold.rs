//! Folding one signal's rows into buckets: first into minutes, then those into longer ones.

use super::frame::{Before, Bucket, Buckets, Frame};
use super::summary::{Float, Gauge, Summary, Total, plain};
use crate::table_file::column::{Column, Values};
use arrow::datatypes::Field;
use fgm_model::Signal;
use fgm_model::rate::{PER_SECOND, ReadAt, increase, rate_of};
use fgm_model::rollup::{Rule, Statistic, column_name};
use fgm_model::signal::Point;
use std::array::from_fn;
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
        let column = self.columns.get(column)?;
        let index = row - self.first_row;
        match &column.values {
            Values::Int(values) if column.valid[index] => Some(values[index]),
            _ => None,
        }
    }

    /// The values of these rows of the file, and whether each is known.
    fn rows(&self, column: usize, rows: &Range<usize>) -> (&[i64], &[bool]) {
        let Some(column) = self.columns.get(column) else {
            return (&[], &[]);
        };
        let rows = rows.start - self.first_row..rows.end - self.first_row;
        match &column.values {
            Values::Int(values) => (&values[rows.clone()], &column.valid[rows]),
            _ => (&[], &[]),
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

/// A row of a signal's columns.
type Inputs = [Option<i64>; Signal::MOST_INPUTS];

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
                add_rates(totals, rates, list, (frame, jumps), (input, PER_SECOND));
            }
            Self::Derived(folds) if let Some(scale) = input.signal.rate_scale() => {
                let jumps = frame.jumps(instance);
                let mut unkept = vec![None; list.len()];
                add_rates(
                    &mut unkept,
                    &mut folds[of],
                    list,
                    (frame, jumps),
                    (input, scale),
                );
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
        *fold = Gauge::of(values, valid);
    }
}

/// The only column of a counter, or of a signal that is its rate at another scale.
fn add_rates(
    totals: &mut [Option<Total>],
    rates: &mut [Option<Float>],
    buckets: &[Bucket],
    (frame, jumps): (&Frame, &[(usize, Before)]),
    (input, scale): (&Input<'_>, f64),
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
        let steps_us = frame.steps_us(&bucket.rows);
        let has_jump = jumps
            .peek()
            .is_some_and(|(jump, _)| *jump < bucket.rows.end);
        if !has_jump
            && bucket.steps == values.len()
            && let Some(before) = chain.value
            && let Some(last) = values.last()
            && !valid.contains(&false)
        {
            // A minute without anything particular, as nearly all are.
            (*total, *rate) = plain(before, values, steps_us, scale);
            chain = Chain {
                tail: Some(bucket.rows.end - 1),
                value: Some(*last),
                known: Some(*last),
            };
            continue;
        }
        let rows = bucket.rows.clone().zip(steps_us);
        for ((row, step_us), (value, valid)) in rows.zip(values.iter().zip(valid)) {
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
            if *step_us > 0
                && let Some(gained) = before.and_then(|before| increase(before, value))
            {
                Float::add(rate, rate_of(gained, f64::from(*step_us), scale));
            }
        }
    }
}

fn add_derived(
    folds: &mut [Option<Float>],
    buckets: &[Bucket],
    (frame, jumps): (&Frame, &[(usize, Before)]),
    input: &Input<'_>,
) {
    let mut jumps = jumps.iter().peekable();
    let inputs_at = |row: usize| from_fn(|column| input.at(column, row));
    let border = input.before.as_ref().map(|values| {
        let at = |column: usize| values.get(column).copied().flatten();
        from_fn(at)
    });
    let mut above = Inputs::default();
    for (fold, bucket) in folds.iter_mut().zip(buckets) {
        let columns: [_; Signal::MOST_INPUTS] = from_fn(|column| input.rows(column, &bucket.rows));
        for (index, (row, step_us)) in bucket
            .rows
            .clone()
            .zip(frame.steps_us(&bucket.rows))
            .enumerate()
        {
            let inputs: Inputs = columns.map(|(values, valid)| {
                let is_known = valid.get(index).copied().unwrap_or_default();
                values.get(index).copied().filter(|_| is_known)
            });
            let jump = jumps.next_if(|(jump, _)| *jump == row);
            let earlier = (*step_us > 0).then(|| match jump {
                None => Some(above),
                Some((_, Before::Row(before))) => Some(inputs_at(*before)),
                Some((_, Before::Border)) => border,
                Some((_, Before::Nothing)) => None,
            });
            // That there is a step is all that counts of it: rates are made elsewhere.
            let point = |time_ms, inputs| Point {
                at: ReadAt {
                    time_ms,
                    offset_us: 0,
                },
                inputs,
            };
            let earlier = earlier.flatten();
            let earlier = earlier.as_ref().map(|inputs| point(0, &inputs[..]));
            let value = input
                .signal
                .eval(earlier, point(1000, &inputs[..]), input.interval_ms);
            if let Some(value) = value {
                Float::add(fold, value);
            }
            above = inputs;
        }
    }
}
