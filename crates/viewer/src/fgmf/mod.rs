//! FGMF version 1: the frame in which series go to the browser.
//!
//! ```text
//! 0  u8[4] "FGMF"   4 u16 version=1   6 u16 flags=0   8 u32 header_bytes   12 u32 reserved=0
//! 16 JSON header, padded with spaces to a multiple of 8
//!    body: the blocks of the series, each padded with zeros to a multiple of 8
//! ```
//!
//! Everything is little-endian. `off` in the header counts from the start of the body, `body` is
//! the body's length: where several frames stand one after the other, the next begins there.
//!
//! | enc | block |
//! |---|---|
//! | 0 | one f64, the value of every slot that has data (NaN when none has) |
//! | 1 | integers: zigzag LEB128 of the first value, then of the differences |
//! | 2 | decimals: `value x scale` as 1; `scale` stands in the header |
//! | 3 | f64 of every slot, byte-shuffled |
//! | 4 | f32 of every slot, byte-shuffled |
//! | 5 | f32 minimum of every slot, byte-shuffled, then the maximum, byte-shuffled |
//! | 6 | u16 of every slot, a row of a heat map: 65535 = no data, else `low + u16 / 65534 x (high - low)` with `scale: [low, high]` of the header |
//!
//! 0, 1 and 2 hold only the slots that have data; `gaps` (`[from, count]` in slots) tells which
//! have none. In 3, 4 and 5 a slot without data is NaN and `gaps` is empty. `breaks` names the
//! slots before which the line must not be joined: another life of the container, or a clock
//! that was set.

mod pack;
#[cfg(test)]
mod tests;

use crate::reduce::quantiles_of;
use fgm_model::{Resolution, Signal};
use fgm_store::reader::{Grid, Status};
use serde::Serialize;

const MAGIC: [u8; 4] = *b"FGMF";
const VERSION: u16 = 1;

/// The values of one series, NaN = no data; every slice has `n` items.
#[derive(Debug, Clone, PartialEq)]
pub enum Shape {
    /// Every digit kept.
    Exact(Vec<f64>),
    /// As precise as a screen is.
    Display(Vec<f32>),
    /// Cells of a heat map, on the scale of the frame.
    Cells(Vec<u16>),
    /// The extremes of each bucket.
    Envelope {
        /// The smallest value of each bucket.
        min: Vec<f32>,
        /// The largest value of each bucket.
        max: Vec<f32>,
    },
}

/// What is told of a series beside its values, over the asked range.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub struct Summary {
    /// The smallest value.
    pub min: Option<f64>,
    /// The largest value.
    pub max: Option<f64>,
    /// The mean: of a counter's rate over time, else of the samples.
    pub avg: Option<f64>,
    /// The 99th percentile, of what [`FrameHead::quantiles_of`] names.
    pub p99: Option<f64>,
    /// The last value.
    pub last: Option<f64>,
}

/// One series of a frame.
#[derive(Debug, Clone, PartialEq)]
pub struct FrameSeries {
    /// The series id.
    pub id: String,
    /// The values.
    pub shape: Shape,
    /// Slots before which the line is not joined.
    pub breaks: Vec<usize>,
    /// The summary.
    pub summary: Summary,
}

/// What the header says of all series.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FrameHead {
    /// The signal's id.
    pub metric: &'static str,
    /// Its unit as shown.
    pub unit: &'static str,
    /// Its kind.
    pub kind: &'static str,
    /// The time of slot 0, milliseconds UTC.
    pub t0: i64,
    /// Milliseconds from slot to slot.
    pub step: i64,
    /// Slots.
    pub n: usize,
    /// `minmax`, `avg` or `raw`, as asked.
    pub agg: &'static str,
    /// `rate` for a cumulative metric, else `raw`.
    pub form: &'static str,
    /// Up to here nothing changes any more, milliseconds UTC.
    pub sealed: Option<i64>,
    /// Changes whenever stored files do.
    pub generation: String,
    /// Series that matched the selection and had data.
    pub matched: usize,
    /// What decided which series are in this frame.
    pub by: &'static str,
    /// `samples`, or over roll-ups `max_60s` or `max_600s`: the highest of each bucket.
    pub quantiles_of: &'static str,
    /// What 0 and 65534 of a heat map mean.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scale: Option<[f64; 2]>,
}

impl FrameHead {
    /// The head of a frame of that signal, `agg` and `by` as asked.
    pub(crate) fn new(
        signal: Signal,
        status: &Status,
        (grid, resolution): (Grid, Resolution),
        matched: usize,
        (agg, by): (&'static str, &'static str),
    ) -> Self {
        let info = signal.info();
        Self {
            metric: info.id,
            unit: info.unit.as_str(),
            kind: info.kind.as_str(),
            t0: grid.start_ms,
            step: grid.step_ms,
            n: grid.buckets,
            agg,
            form: if info.kind.is_cumulative() {
                "rate"
            } else {
                "raw"
            },
            sealed: status.sealed_until_ms,
            generation: status.generation.clone(),
            matched,
            by,
            quantiles_of: quantiles_of(resolution),
            scale: None,
        }
    }
}

#[derive(Serialize)]
struct Header<'a> {
    #[serde(flatten)]
    head: &'a FrameHead,
    returned: usize,
    body: usize,
    series: Vec<Entry<'a>>,
}

#[derive(Serialize)]
struct Entry<'a> {
    id: &'a str,
    enc: u8,
    off: usize,
    len: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    scale: Option<u32>,
    #[serde(flatten)]
    summary: Summary,
    gaps: Vec<[usize; 2]>,
    breaks: &'a [usize],
}

/// One block and what the header must say of it.
struct Encoded {
    enc: u8,
    scale: Option<u32>,
    gaps: Vec<[usize; 2]>,
    bytes: Vec<u8>,
}

/// The frame's bytes.
#[must_use]
pub fn encode(head: &FrameHead, series: &[FrameSeries]) -> Vec<u8> {
    let mut body = Vec::new();
    let mut entries = Vec::with_capacity(series.len());
    for one in series {
        let block = match &one.shape {
            Shape::Exact(values) => pack::exact(values),
            Shape::Display(values) => pack::display(values),
            Shape::Cells(cells) => pack::cells(cells),
            Shape::Envelope { min, max } => pack::envelope(min, max),
        };
        entries.push(Entry {
            id: &one.id,
            enc: block.enc,
            off: body.len(),
            len: block.bytes.len(),
            scale: block.scale,
            summary: one.summary,
            gaps: block.gaps,
            breaks: &one.breaks,
        });
        body.extend_from_slice(&block.bytes);
        pad(&mut body, 0);
    }
    let header = Header {
        head,
        returned: series.len(),
        body: body.len(),
        series: entries,
    };
    // Text keys and plain numbers only: nothing in it can fail to be written.
    let mut json = serde_json::to_vec(&header).unwrap_or_default();
    pad(&mut json, b' ');

    let mut frame = Vec::with_capacity(16 + json.len() + body.len());
    frame.extend_from_slice(&MAGIC);
    frame.extend_from_slice(&VERSION.to_le_bytes());
    frame.extend_from_slice(&0_u16.to_le_bytes());
    let header_bytes = u32::try_from(json.len()).unwrap_or(u32::MAX);
    frame.extend_from_slice(&header_bytes.to_le_bytes());
    frame.extend_from_slice(&0_u32.to_le_bytes());
    frame.extend_from_slice(&json);
    frame.extend_from_slice(&body);
    frame
}

/// The frame of a heat map: display values brought onto one scale of 16 bits.
#[must_use]
pub fn encode_heat(head: &FrameHead, mut series: Vec<FrameSeries>) -> Vec<u8> {
    let bounds = series.iter().filter_map(|one| match &one.shape {
        Shape::Display(values) => Some(values),
        _ => None,
    });
    let values = bounds.flatten().copied().filter(|value| value.is_finite());
    let (low, high) = values.fold((0.0_f32, 0.0_f32), |(low, high), value| {
        (low.min(value), high.max(value))
    });
    for one in &mut series {
        if let Shape::Display(values) = &one.shape {
            one.shape = Shape::Cells(values.iter().map(|v| pack::cell(*v, low, high)).collect());
        }
    }
    let head = FrameHead {
        scale: Some([f64::from(low), f64::from(high)]),
        ..head.clone()
    };
    encode(&head, &series)
}

fn pad(bytes: &mut Vec<u8>, with: u8) {
    bytes.resize(bytes.len().next_multiple_of(8), with);
}
