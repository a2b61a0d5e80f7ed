//! The bytes of one series: which encoding is smallest, and how each is laid out.

use super::Encoded;

/// The largest whole number that a double holds exactly, and with it any between.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// The scales tried for decimals, smallest first.
const SCALES: [u32; 3] = [10, 100, 1000];

/// Exact values, NaN = no data: constant, integers, decimals or doubles, whichever holds them.
pub(super) fn exact(values: &[f64]) -> Encoded {
    let present: Vec<f64> = values.iter().copied().filter(|v| !v.is_nan()).collect();
    let gaps = || gaps(values.iter().map(|v| v.is_nan()));
    if let Some(constant) = constant(&present) {
        return Encoded {
            enc: 0,
            scale: None,
            gaps: gaps(),
            bytes: constant.to_le_bytes().to_vec(),
        };
    }
    if let Some(bytes) = integers(&present, 1.0) {
        return Encoded {
            enc: 1,
            scale: None,
            gaps: gaps(),
            bytes,
        };
    }
    for scale in SCALES {
        if let Some(bytes) = integers(&present, f64::from(scale)) {
            return Encoded {
                enc: 2,
                scale: Some(scale),
                gaps: gaps(),
                bytes,
            };
        }
    }
    Encoded {
        enc: 3,
        scale: None,
        gaps: Vec::new(),
        bytes: shuffle(
            values.len(),
            values.iter().map(|v| canonical(*v).to_le_bytes()),
        ),
    }
}

/// One plane of display values.
pub(super) fn display(values: &[f32]) -> Encoded {
    Encoded {
        enc: 4,
        scale: None,
        gaps: Vec::new(),
        bytes: plane(values),
    }
}

/// The plane of minima, then the plane of maxima.
pub(super) fn envelope(min: &[f32], max: &[f32]) -> Encoded {
    let mut bytes = plane(min);
    bytes.extend_from_slice(&plane(max));
    Encoded {
        enc: 5,
        scale: None,
        gaps: Vec::new(),
        bytes,
    }
}

/// A cell of a heat map.
const NO_DATA: u16 = u16::MAX;

/// A value between `low` and `high` as a cell.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "clamped to the range before"
)]
pub(super) fn cell(value: f32, low: f32, high: f32) -> u16 {
    if !value.is_finite() {
        return NO_DATA;
    }
    let span = high - low;
    if span <= 0.0 {
        return 0;
    }
    let steps = f32::from(NO_DATA - 1);
    ((value - low) / span * steps).round().clamp(0.0, steps) as u16
}

/// A row of cells.
pub(super) fn cells(cells: &[u16]) -> Encoded {
    Encoded {
        enc: 6,
        scale: None,
        gaps: Vec::new(),
        bytes: cells.iter().flat_map(|cell| cell.to_le_bytes()).collect(),
    }
}

/// The one value that all have; of no values at all, NaN.
fn constant(present: &[f64]) -> Option<f64> {
    let Some((first, rest)) = present.split_first() else {
        return Some(f64::NAN);
    };
    rest.iter()
        .all(|value| value.to_bits() == first.to_bits())
        .then_some(*first)
}

/// Zigzag LEB128 of the first value and then of the differences, if `value x scale` is a whole
/// number that gives the value back to the bit.
fn integers(present: &[f64], scale: f64) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(present.len() * 2);
    let mut before = 0_i64;
    for value in present {
        let scaled = (value * scale).round();
        if scaled.is_nan() || scaled.abs() > EXACT {
            return None;
        }
        let whole = scaled as i64;
        // By way of the integer, so that a negative zero is noticed.
        if (whole as f64 / scale).to_bits() != value.to_bits() {
            return None;
        }
        // Both lie within 2^53: the difference cannot overflow.
        leb128(&mut bytes, zigzag(whole - before));
        before = whole;
    }
    Some(bytes)
}

const fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)).cast_unsigned()
}

fn leb128(bytes: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        bytes.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
}

fn plane(values: &[f32]) -> Vec<u8> {
    let canonical = |v: &f32| if v.is_nan() { f32::NAN } else { *v };
    shuffle(
        values.len(),
        values.iter().map(|v| canonical(v).to_le_bytes()),
    )
}

const fn canonical(value: f64) -> f64 {
    if value.is_nan() { f64::NAN } else { value }
}

/// All first bytes, then all second bytes, and so on: like bytes together compress better.
fn shuffle<const WIDTH: usize>(count: usize, values: impl Iterator<Item = [u8; WIDTH]>) -> Vec<u8> {
    let mut bytes = vec![0; count * WIDTH];
    for (index, value) in values.enumerate() {
        for (part, byte) in value.into_iter().enumerate() {
            bytes[part * count + index] = byte;
        }
    }
    bytes
}

/// The runs of slots without data, as `[from, count]`.
fn gaps(missing: impl Iterator<Item = bool>) -> Vec<[usize; 2]> {
    let mut runs: Vec<[usize; 2]> = Vec::new();
    for (slot, _) in missing.enumerate().filter(|(_, missing)| *missing) {
        match runs.last_mut() {
            Some([from, count]) if *from + *count == slot => *count += 1,
            _ => runs.push([slot, 1]),
        }
    }
    runs
}
