//! Values of one instance out of its rows, a column at a time.
//!
//! What a value is stands in [`Signal::eval`]; the loops here only give the same faster for the
//! signals that are made of one column. A property test holds them to it.

use super::cursor::{Slice, to_float};
use super::inputs::{Input, Inputs};
use fgm_model::Signal;
use fgm_model::rate::{ReadAt, increase, rate_of, step_us};
use fgm_model::signal::Point;
use std::ops::Range;

/// Twelve days: an offset as long as this is not one, and must not overflow what is made of it.
const TOO_LONG_US: i64 = 1 << 40;

/// So many steps are made at once where nothing is particular about any: a gap makes few slow.
const STRETCH_ROWS: usize = 64;

/// Rows of one instance in one clock epoch, in the order of time.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rows<'a> {
    pub(super) times_ms: &'a [i64],
    /// Empty when no rate is asked for.
    pub(super) offsets_us: Slice<'a, i64>,
    pub(super) interval_ms: i64,
    /// The columns of [`Inputs::names`]; empty where a file lacks one.
    pub(super) columns: &'a [Slice<'a, i64>],
}

/// The row before, as the next rate needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Earlier {
    at: ReadAt,
    /// By the columns of [`Inputs::names`].
    columns: Vec<Option<i64>>,
}

impl Rows<'_> {
    fn at(&self, row: usize) -> Option<ReadAt> {
        let offset_us = self.offsets_us.get(row).unwrap_or(0);
        Some(read_at(*self.times_ms.get(row)?, offset_us))
    }

    /// A row, kept for the next rows.
    pub(super) fn keep(&self, row: usize) -> Option<Earlier> {
        Some(Earlier {
            at: self.at(row)?,
            columns: self.columns.iter().map(|column| column.get(row)).collect(),
        })
    }

    /// The microseconds from the row before to each of these rows; NaN where no rate may be made.
    pub(super) fn steps(
        &self,
        rows: &Range<usize>,
        earlier: Option<&Earlier>,
        steps_us: &mut Vec<f64>,
    ) {
        steps_us.clear();
        let Some(first) = self.at(rows.start).filter(|_| !rows.is_empty()) else {
            return;
        };
        let before = match rows.start.checked_sub(1) {
            Some(row) => self.at(row),
            None => earlier.map(|earlier| earlier.at),
        };
        steps_us.push(before.map_or(f64::NAN, |before| self.step(before, first)));
        let times_ms = self.times_ms.get(rows.clone()).unwrap_or_default();
        match self.offsets_us.known(rows) {
            Some(offsets_us) => {
                for from in (0..times_ms.len()).step_by(STRETCH_ROWS) {
                    // With the row that the next stretch goes on from.
                    let stretch = from..times_ms.len().min(from + STRETCH_ROWS + 1);
                    let times_ms = times_ms.get(stretch.clone()).unwrap_or_default();
                    let offsets_us = offsets_us.get(stretch).unwrap_or_default();
                    self.steps_of(times_ms, offsets_us, steps_us);
                }
            }
            None => {
                let rest = rows.start + 1..rows.end;
                let steps = rest.map_while(|row| Some(self.step(self.at(row - 1)?, self.at(row)?)));
                steps_us.extend(steps);
            }
        }
    }

    fn step(&self, before: ReadAt, now: ReadAt) -> f64 {
        step_us(before, now, self.interval_ms).map_or(f64::NAN, to_float)
    }

    /// The steps between these rows.
    fn steps_of(&self, times_ms: &[i64], offsets_us: &[i64], steps_us: &mut Vec<f64>) {
        if is_even(times_ms, offsets_us, self.interval_ms) {
            let interval_us = self.interval_ms * 1000;
            steps_us.extend(pairs(offsets_us).map(|(before, now)| {
                let step_us = to_float(interval_us + now - before);
                if step_us > 0.0 { step_us } else { f64::NAN }
            }));
            return;
        }
        let both = pairs(times_ms).zip(pairs(offsets_us));
        steps_us.extend(both.map(|((time_ms, next_ms), (offset_us, next_us))| {
            self.step(read_at(*time_ms, *offset_us), read_at(*next_ms, *next_us))
        }));
    }

    /// The value of a signal in each of these rows; NaN where there is none.
    pub(super) fn evaluate(
        &self,
        inputs: &Inputs,
        input: &Input,
        rows: &Range<usize>,
        earlier: Option<&Earlier>,
        steps_us: &[f64],
        values: &mut Vec<f64>,
    ) {
        values.clear();
        let places = inputs.columns.get(input.places.clone()).unwrap_or_default();
        let column = |place: &usize| self.columns.get(*place).copied().unwrap_or_default();
        let only = places.first().map(column).unwrap_or_default();
        if matches!(input.signal, Signal::Stored(def, _) if !def.kind.is_cumulative()) {
            gauge(only, rows, values);
            return;
        }
        if let Some(scale) = input.signal.rate_scale() {
            let before = match rows.start.checked_sub(1) {
                Some(row) => only.get(row),
                None => earlier
                    .zip(places.first())
                    .and_then(|(e, p)| e.columns.get(*p).copied()?),
            };
            rates(only, rows, before, steps_us, scale, values);
            return;
        }
        let gather = |row: usize, into: &mut [Option<i64>; Signal::MOST_INPUTS]| {
            for (slot, place) in into.iter_mut().zip(places) {
                *slot = column(place).get(row);
            }
        };
        let mut before = [None; Signal::MOST_INPUTS];
        let mut at = match rows.start.checked_sub(1) {
            Some(row) => {
                gather(row, &mut before);
                self.at(row)
            }
            None => earlier.map(|earlier| {
                for (slot, place) in before.iter_mut().zip(places) {
                    *slot = earlier.columns.get(*place).copied().flatten();
                }
                earlier.at
            }),
        };
        for row in rows.clone() {
            let Some(now) = self.at(row) else { break };
            let mut inputs = [None; Signal::MOST_INPUTS];
            gather(row, &mut inputs);
            let point = |at, inputs| Point { at, inputs };
            let value = input.signal.eval(
                at.map(|at| point(at, &before[..])),
                point(now, &inputs[..]),
                self.interval_ms,
            );
            values.push(value.filter(|value| value.is_finite()).unwrap_or(f64::NAN));
            before = inputs;
            at = Some(now);
        }
    }
}

fn read_at(time_ms: i64, offset_us: i64) -> ReadAt {
    ReadAt {
        time_ms,
        offset_us: offset_us.clamp(-TOO_LONG_US, TOO_LONG_US - 1),
    }
}

/// Whether a tick followed each, and the real reads lie near them: then the steps are made without
/// a look at each time.
fn is_even(times_ms: &[i64], offsets_us: &[i64], interval_ms: i64) -> bool {
    // All bits that any of them has too much, so that processors take several at once.
    let uneven = pairs(times_ms).fold(0, |bits, (before, now)| {
        bits | (now.wrapping_sub(*before) ^ interval_ms)
    });
    let far = offsets_us.iter().fold(0, |bits, offset_us| {
        bits | offset_us.wrapping_add(TOO_LONG_US)
    });
    uneven == 0 && (0..2 * TOO_LONG_US).contains(&far)
}

/// Each with the one before it.
fn pairs<T>(all: &[T]) -> impl Iterator<Item = (&T, &T)> {
    all.iter().zip(all.get(1..).unwrap_or_default())
}

fn gauge(column: Slice<'_, i64>, rows: &Range<usize>, values: &mut Vec<f64>) {
    match column.known(rows) {
        Some(all) => values.extend(all.iter().map(|value| to_float(*value))),
        None => values.extend(
            rows.clone()
                .map(|row| column.get(row).map_or(f64::NAN, to_float)),
        ),
    }
}

fn rates(
    column: Slice<'_, i64>,
    rows: &Range<usize>,
    before: Option<i64>,
    steps_us: &[f64],
    scale: f64,
    values: &mut Vec<f64>,
) {
    let rate = |before, now, step_us| {
        increase(before, now).map_or(f64::NAN, |gained| rate_of(gained, step_us, scale))
    };
    if let Some(all) = column.known(rows) {
        let first = before.zip(all.first()).zip(steps_us.first());
        let first = first.map(|((before, now), step_us)| rate(before, *now, *step_us));
        values.extend((!all.is_empty()).then(|| first.unwrap_or(f64::NAN)));
        let rest = pairs(all).zip(steps_us.get(1..).unwrap_or_default());
        if all.iter().fold(0, |bits, value| bits | value) < 0 {
            values.extend(rest.map(|((before, now), step_us)| rate(*before, *now, *step_us)));
            return;
        }
        // No two of these are too far apart, as the kernel's never are: without that branch
        // processors take several at once.
        values.extend(rest.map(|((before, now), step_us)| {
            let gained = to_float(now.wrapping_sub(*before));
            let rate = rate_of(gained, *step_us, scale);
            if gained < 0.0 { f64::NAN } else { rate }
        }));
        return;
    }
    let mut before = before;
    for (row, step_us) in rows.clone().zip(steps_us) {
        let now = column.get(row);
        let both = before.zip(now);
        values.push(both.map_or(f64::NAN, |(before, now)| rate(before, now, *step_us)));
        before = now;
    }
}

#[cfg(test)]
mod tests {
    use super::super::cursor::Values;
    use super::*;
    use proptest::prelude::*;

    fn column(values: &[Option<i64>]) -> Values<i64> {
        let mut column = Values::default();
        for value in values {
            match value {
                Some(value) => column.extend(Slice {
                    values: &[*value],
                    valid: None,
                }),
                None => column.extend_nulls(1),
            }
        }
        column
    }

    /// Straight from the definition, row by row.
    fn naive(signal: Signal, times: &[i64], offsets: &[i64], columns: &[Values<i64>]) -> Vec<u64> {
        let inputs = |row: usize| -> Vec<_> {
            columns
                .iter()
                .map(|column| column.slice(0..times.len()).get(row))
                .collect()
        };
        let at = |row: usize| ReadAt {
            time_ms: times[row],
            offset_us: offsets[row],
        };
        let value = |row: usize| {
            let now = inputs(row);
            let before = row
                .checked_sub(1)
                .map(|before| (at(before), inputs(before)));
            let earlier = before
                .as_ref()
                .map(|(at, inputs)| Point { at: *at, inputs });
            signal.eval(
                earlier,
                Point {
                    at: at(row),
                    inputs: &now,
                },
                1000,
            )
        };
        let values = (0..times.len()).map(value);
        values
            .map(|v| v.filter(|v| v.is_finite()).unwrap_or(f64::NAN).to_bits())
            .collect()
    }

    /// Mostly a tick after the other.
    fn step_ms() -> impl Strategy<Value = i64> {
        prop_oneof![200 => Just(1000_i64), 1 => (1_i64..5).prop_map(|step| step * 1000)]
    }

    /// Mostly near the tick.
    fn offset_us() -> impl Strategy<Value = i64> {
        prop_oneof![200 => -500_000_i64..500_000, 1 => -5_000_000_i64..5_000_000, 1 => Just(TOO_LONG_US - 1)]
    }

    /// Mostly what the kernel writes.
    fn count() -> impl Strategy<Value = i64> {
        prop_oneof![400 => 0_i64..50, 1 => any::<i64>()]
    }

    proptest! {
        /// DATA.md section 2, "Rates are defined once".
        #[test]
        fn every_signal_has_the_values_of_its_definition(
            rows in prop::collection::vec(
                (step_ms(), offset_us(), prop::collection::vec(prop::option::weighted(0.9, count()), 3)),
                1..200,
            ),
            cut in any::<prop::sample::Index>(),
            known: bool,
        ) {
            let mut times = Vec::new();
            let mut time_ms = 0;
            for (step_ms, ..) in &rows {
                time_ms += step_ms;
                times.push(time_ms);
            }
            let offsets: Vec<_> = rows.iter().map(|(_, offset, _)| *offset).collect();
            for signal in Signal::all() {
                let inputs = Inputs::of(&[signal]);
                let columns: Vec<_> = (0..inputs.names.len())
                    .map(|place| column(&rows.iter().map(|(.., values)| {
                        if known { values[place].or(Some(7)) } else { values[place] }
                    }).collect::<Vec<_>>()))
                    .collect();
                let of = |range: Range<usize>| columns.iter().map(|c| c.slice(range.clone())).collect::<Vec<_>>();
                // As two windows, of which the second knows the first's last row.
                let cut = cut.index(rows.len());
                let mut got = Vec::new();
                let mut earlier = None;
                for part in [0..cut, cut..rows.len()].into_iter().filter(|part| !part.is_empty()) {
                    let offsets_us = Slice { values: &offsets[part.clone()], valid: None };
                    let columns = of(part.clone());
                    let rows = Rows { times_ms: &times[part.clone()], offsets_us, interval_ms: 1000, columns: &columns };
                    let (mut steps, mut values) = (Vec::new(), Vec::new());
                    let all = 0..part.len();
                    rows.steps(&all, earlier.as_ref(), &mut steps);
                    rows.evaluate(&inputs, &inputs.signals[0], &all, earlier.as_ref(), &steps, &mut values);
                    got.extend(values.iter().map(|value| value.to_bits()));
                    earlier = rows.keep(part.len() - 1);
                }
                prop_assert_eq!(&got, &naive(signal, &times, &offsets, &columns), "{}", signal.id());
            }
        }
    }
}
