//! A decoder written from the description alone, and what must come back through it.

use super::*;
use proptest::prelude::*;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

#[derive(Debug, PartialEq)]
struct Decoded {
    header: Value,
    planes: Vec<Vec<Vec<f64>>>,
}

/// Every frame in the bytes.
fn decode(mut bytes: &[u8]) -> Vec<Decoded> {
    let mut frames = Vec::new();
    while !bytes.is_empty() {
        assert_eq!(&bytes[..8], b"FGMF\x01\0\0\0");
        let json_len = u32::from_le_bytes(bytes[8..12].try_into().unwrap()) as usize;
        assert_eq!(json_len % 8, 0);
        let header: Value = serde_json::from_slice(&bytes[16..16 + json_len]).unwrap();
        let body_len = usize::try_from(header["body"].as_u64().unwrap()).unwrap();
        assert_eq!(body_len % 8, 0);
        let body = &bytes[16 + json_len..16 + json_len + body_len];
        let n = usize::try_from(header["n"].as_u64().unwrap()).unwrap();
        let planes = header["series"]
            .as_array()
            .unwrap()
            .iter()
            .map(|entry| {
                let off = usize::try_from(entry["off"].as_u64().unwrap()).unwrap();
                let len = usize::try_from(entry["len"].as_u64().unwrap()).unwrap();
                assert_eq!(off % 8, 0);
                series(entry, &body[off..off + len], n)
            })
            .collect();
        frames.push(Decoded { header, planes });
        bytes = &bytes[16 + json_len + body_len..];
    }
    frames
}

fn series(entry: &Value, block: &[u8], n: usize) -> Vec<Vec<f64>> {
    let f32s = |block: &[u8]| -> Vec<f64> {
        (0..n)
            .map(|i| f32::from_le_bytes(std::array::from_fn(|k| block[k * n + i])))
            .map(f64::from)
            .collect()
    };
    match entry["enc"].as_u64().unwrap() {
        0 => {
            let value = f64::from_le_bytes(block.try_into().unwrap());
            vec![spread(entry, n, std::iter::repeat(value))]
        }
        1 => vec![spread(entry, n, integers(block, 1.0).into_iter())],
        2 => {
            let scale = entry["scale"].as_f64().unwrap();
            vec![spread(entry, n, integers(block, scale).into_iter())]
        }
        3 => vec![
            (0..n)
                .map(|i| f64::from_le_bytes(std::array::from_fn(|k| block[k * n + i])))
                .collect(),
        ],
        4 => vec![f32s(block)],
        5 => vec![f32s(&block[..4 * n]), f32s(&block[4 * n..])],
        6 => {
            let cells = block
                .chunks_exact(2)
                .map(|cell| u16::from_le_bytes([cell[0], cell[1]]));
            vec![cells.map(f64::from).collect()]
        }
        other => panic!("unknown encoding {other}"),
    }
}

/// Puts the present values into their slots.
fn spread(entry: &Value, n: usize, mut values: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut missing = vec![false; n];
    for run in entry["gaps"].as_array().unwrap() {
        let from = usize::try_from(run[0].as_u64().unwrap()).unwrap();
        let count = usize::try_from(run[1].as_u64().unwrap()).unwrap();
        missing[from..from + count].fill(true);
    }
    missing
        .into_iter()
        .map(|gap| {
            if gap {
                f64::NAN
            } else {
                values.next().unwrap()
            }
        })
        .collect()
}

fn integers(block: &[u8], scale: f64) -> Vec<f64> {
    let (mut out, mut value, mut shift, mut sum) = (Vec::new(), 0_u64, 0, 0_i64);
    for byte in block {
        value |= u64::from(byte & 0x7f) << shift;
        shift += 7;
        if byte & 0x80 == 0 {
            let half = (value >> 1).cast_signed();
            sum += if value & 1 == 1 { !half } else { half };
            out.push(sum as f64 / scale);
            (value, shift) = (0, 0);
        }
    }
    out
}

fn head(n: usize) -> FrameHead {
    FrameHead {
        metric: "memory_current",
        unit: "bytes",
        kind: "gauge",
        t0: 1_790_000_000_000,
        step: 1000,
        n,
        agg: "raw",
        form: "raw",
        sealed: Some(1_790_000_060_000),
        generation: "g1".into(),
        matched: 3,
        by: "p99",
        quantiles_of: "samples",
        scale: None,
    }
}

fn one(id: &str, shape: Shape) -> FrameSeries {
    FrameSeries {
        id: id.into(),
        shape,
        breaks: vec![2],
        summary: Summary {
            min: Some(1.0),
            max: Some(4.5),
            avg: Some(2.25),
            p99: Some(4.5),
            last: None,
        },
    }
}

fn same(a: &[f64], b: &[f64]) -> bool {
    a.len() == b.len()
        && a.iter()
            .zip(b)
            .all(|(a, b)| a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan()))
}

fn values() -> impl Strategy<Value = Vec<f64>> {
    let anything = prop_oneof![
        any::<f64>(),
        Just(f64::NAN),
        Just(f64::INFINITY),
        Just(-0.0),
        (-9_007_199_254_740_992_i64..=9_007_199_254_740_992).prop_map(|v| v as f64),
    ];
    let whole = prop_oneof![4 => (-5_i64..1 << 50).prop_map(|v| v as f64), 1 => Just(f64::NAN)];
    let cents = prop_oneof![
        4 => (-99_999_i64..99_999).prop_map(|v| v as f64 / 100.0),
        1 => Just(f64::NAN)
    ];
    prop_oneof![
        prop::collection::vec(anything, 0..80),
        prop::collection::vec(whole, 0..80),
        prop::collection::vec(cents, 0..80),
    ]
}

proptest! {
    #[test]
    fn exact_values_come_back_to_the_bit(values in values()) {
        let frame = encode(&head(values.len()), &[one("aaaaaaaaaaaa", Shape::Exact(values.clone()))]);
        let back = decode(&frame);
        prop_assert!(same(&back[0].planes[0][0], &values), "{:?}", back[0]);
    }

    #[test]
    fn display_values_come_back_as_f32(min in prop::collection::vec(any::<f32>(), 0..80), split in any::<u8>()) {
        let max: Vec<f32> = min.iter().map(|v| v + f32::from(split)).collect();
        let wide = |plane: &[f32]| plane.iter().copied().map(f64::from).collect::<Vec<_>>();
        let shapes = [
            one("a", Shape::Display(min.clone())),
            one("b", Shape::Envelope { min: min.clone(), max: max.clone() }),
        ];
        let mut bytes = encode(&head(min.len()), &shapes);
        bytes.extend(encode(&head(min.len()), &shapes[..1]));
        let back = decode(&bytes);
        prop_assert_eq!(back.len(), 2);
        prop_assert!(same(&back[0].planes[0][0], &wide(&min)));
        prop_assert!(same(&back[0].planes[1][0], &wide(&min)));
        prop_assert!(same(&back[0].planes[1][1], &wide(&max)));
        prop_assert!(same(&back[1].planes[0][0], &wide(&min)));
    }
}

fn vectors() -> Vec<(&'static str, Vec<u8>)> {
    let nan = f64::NAN;
    let exact = |values: &[f64]| {
        encode(
            &head(values.len()),
            &[one("0123456789ab", Shape::Exact(values.to_vec()))],
        )
    };
    let envelope = Shape::Envelope {
        min: vec![1.0, f32::NAN, -3.5, 0.0],
        max: vec![2.0, f32::NAN, 1e9, 0.0],
    };
    let display = Shape::Display(vec![0.1, f32::NAN, 3.0, 1e-7]);
    let mixed = [
        one("00000000000a", Shape::Exact(vec![7.0, 7.0, nan, 7.0])),
        one("00000000000b", Shape::Exact(vec![1.5, 2.25, nan, -1.0])),
        one("00000000000c", display.clone()),
        one("00000000000d", envelope.clone()),
    ];
    let mut two = encode(&head(4), &mixed);
    let second = FrameHead {
        metric: "io_read_bytes",
        unit: "bytes_per_s",
        kind: "counter",
        form: "rate",
        sealed: None,
        ..head(4)
    };
    two.extend(encode(&second, &mixed[..1]));
    let heat = encode_heat(
        &head(4),
        vec![
            one(
                "00000000000a",
                Shape::Display(vec![0.0, 5.0, f32::NAN, 10.0]),
            ),
            one("00000000000b", Shape::Display(vec![f32::NAN; 4])),
        ],
    );
    vec![
        ("enc6-heat", heat),
        ("enc0-constant", exact(&[nan, 42.5, 42.5, nan, nan, 42.5])),
        ("enc0-no-data", exact(&[nan, nan, nan])),
        (
            "enc1-integers",
            exact(&[5.0, 4096.0, 0.0, nan, -7.0, 9_007_199_254_740_991.0]),
        ),
        ("enc2-decimals", exact(&[0.5, 12.34, nan, -1.0, 99.99])),
        (
            "enc3-doubles",
            exact(&[std::f64::consts::PI, nan, -0.0, 1e300, 3.0]),
        ),
        (
            "enc4-display",
            encode(&head(4), &[one("0123456789ab", display)]),
        ),
        (
            "enc5-envelope",
            encode(&head(4), &[one("0123456789ab", envelope)]),
        ),
        ("empty", encode(&head(0), &[])),
        ("two-frames", two),
    ]
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors")
}

/// What a decoder must make of each file; no data is null.
fn truth() -> Value {
    let files = vectors().into_iter().map(|(name, bytes)| {
        let frames: Vec<Value> = decode(&bytes)
            .into_iter()
            .map(|frame| json!({ "header": frame.header, "planes": frame.planes }))
            .collect();
        (name.to_owned(), Value::from(frames))
    });
    Value::Object(files.collect())
}

/// The files are what the TypeScript decoder is tested with; `FGM_WRITE_VECTORS=1` writes them
/// anew after a deliberate change of the format.
#[test]
fn vectors_are_what_the_encoder_gives() {
    let text = format!("{:#}\n", truth());
    if std::env::var_os("FGM_WRITE_VECTORS").is_some() {
        for (name, bytes) in vectors() {
            std::fs::write(folder().join(format!("{name}.fgmf")), bytes).unwrap();
        }
        std::fs::write(folder().join("fgmf.json"), &text).unwrap();
    }
    for (name, bytes) in vectors() {
        let stored = std::fs::read(folder().join(format!("{name}.fgmf"))).unwrap();
        assert_eq!(stored, bytes, "{name}");
    }
    assert_eq!(
        std::fs::read_to_string(folder().join("fgmf.json")).unwrap(),
        text
    );
}

#[test]
fn the_smallest_encoding_is_chosen() {
    for (name, bytes) in vectors() {
        let Some(want) = name.strip_prefix("enc") else {
            continue;
        };
        let enc = decode(&bytes)[0].header["series"][0]["enc"].to_string();
        assert_eq!(enc, want[..1], "{name}");
    }
}
