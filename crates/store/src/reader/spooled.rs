//! The spooled rows that are asked for, instance by instance.

use super::columns::ints;
use super::cursor::{Slice, Values};
use super::feed::{Epochs, Piece, sane};
use super::inputs::Inputs;
use super::lives::Places;
use super::streams::Ticks;
use super::window::Window;
use arrow::array::{Array, Int64Array};
use fgm_model::schema::column;

/// Spooled rows of an hour, gathered by place.
#[derive(Debug, Default)]
pub(super) struct Spooled {
    /// By place, one entry per stream.
    rows: Vec<Vec<OfStream>>,
}

/// Rows of one instance in one stream.
#[derive(Debug)]
struct OfStream {
    stream: usize,
    interval_ms: i64,
    times_ms: Vec<i64>,
    offsets_us: Values<i64>,
    epochs: Values<i64>,
    columns: Vec<Values<i64>>,
}

impl Spooled {
    /// Gathers the rows of these streams that lie in a span.
    pub(super) fn gather(
        window: &Window,
        streams: &[usize],
        places: &Places,
        count: usize,
        inputs: &Inputs,
        span: (i64, i64),
    ) -> Self {
        let mut spooled = Self::default();
        if !streams.is_empty() {
            spooled.rows.resize_with(count, Vec::new);
        }
        for stream in streams {
            if let Some(ticks) = window.ticks.get(*stream) {
                spooled.add(*stream, ticks, places, inputs, span);
            }
        }
        spooled
    }

    fn add(
        &mut self,
        stream: usize,
        ticks: &Ticks,
        places: &Places,
        inputs: &Inputs,
        span: (i64, i64),
    ) {
        let interval_ms = sane(ticks.origin.interval_ms);
        for tick in &ticks.batches {
            let offsets = ints(&tick.rows, column::READ_OFFSET_US);
            let epochs = ints(&tick.rows, column::CLOCK_EPOCH);
            let columns: Vec<_> = inputs
                .names
                .iter()
                .map(|name| ints(&tick.rows, name))
                .collect();
            for (row, (life, time_ms)) in tick.lives.iter().zip(tick.times.values()).enumerate() {
                if *time_ms < span.0 || span.1 < *time_ms {
                    continue;
                }
                let place = places.get(*life).and_then(|place| self.rows.get_mut(place));
                let Some(of_place) = place else { continue };
                if of_place.last().is_none_or(|last| last.stream != stream) {
                    of_place.push(OfStream::new(stream, interval_ms, columns.len()));
                }
                let Some(rows) = of_place.last_mut() else {
                    continue;
                };
                rows.times_ms.push(*time_ms);
                push(&mut rows.offsets_us, offsets.as_ref(), row);
                push(&mut rows.epochs, epochs.as_ref(), row);
                for (to, from) in rows.columns.iter_mut().zip(&columns) {
                    push(to, from.as_ref(), row);
                }
            }
        }
    }

    /// The rows of a place.
    pub(super) fn pieces(&self, place: usize) -> impl Iterator<Item = Piece<'_>> {
        self.rows
            .get(place)
            .into_iter()
            .flatten()
            .map(OfStream::piece)
    }
}

impl OfStream {
    fn new(stream: usize, interval_ms: i64, columns: usize) -> Self {
        Self {
            stream,
            interval_ms,
            times_ms: Vec::new(),
            offsets_us: Values::default(),
            epochs: Values::default(),
            columns: vec![Values::default(); columns],
        }
    }

    fn piece(&self) -> Piece<'_> {
        let all = 0..self.times_ms.len();
        Piece {
            times_ms: &self.times_ms,
            offsets_us: self.offsets_us.slice(all.clone()),
            epochs: Epochs::Each(self.epochs.slice(all.clone())),
            interval_ms: self.interval_ms,
            columns: self
                .columns
                .iter()
                .map(|column| column.slice(all.clone()))
                .collect(),
        }
    }
}

fn push(column: &mut Values<i64>, from: Option<&Int64Array>, row: usize) {
    match from.filter(|from| from.is_valid(row)) {
        Some(from) => column.extend(Slice {
            values: &[from.value(row)],
            valid: None,
        }),
        None => column.extend_nulls(1),
    }
}
