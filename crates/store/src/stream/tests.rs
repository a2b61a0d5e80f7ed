use super::*;
use crate::Spool;
use crate::fixture::{Bed, HOUR, event, instance, recorder, tick_of};
use crate::layout::create_file;
use arrow::datatypes::{DataType, Field, Schema};
use fgm_model::Table;
use proptest::prelude::*;
use std::fs;
use std::os::unix::fs::FileExt;
use std::sync::OnceLock;

/// A small stream of each kind, and where its ticks end.
struct Sample {
    bytes: Vec<u8>,
    ends: Vec<u64>,
}

fn sample(table: Table) -> &'static Sample {
    static SAMPLES: OnceLock<[Sample; 2]> = OnceLock::new();
    let samples = SAMPLES.get_or_init(|| [make(Table::Metrics), make(Table::Events)]);
    &samples[usize::from(table == Table::Events)]
}

fn make(table: Table) -> Sample {
    let bed = Bed::new();
    let mut spool = Spool::create(&bed.dir, &recorder(), 1000).unwrap();
    let [a, b] = [instance(1), instance(2)];
    let mut ends = Vec::new();
    let mut end = 0;
    // Every byte of the events is tried: they are few.
    let ticks = if table == Table::Events { 2 } else { 3 };
    for second in 0..ticks {
        let time_ms = HOUR + second * 1000;
        end += if table == Table::Events {
            spool.append_events(&[event(time_ms, time_ms, Some(&a))])
        } else {
            // The last tick has a name that the first ones lack.
            let other = if second == 2 { &b } else { &a };
            spool.append_tick(table, &tick_of(time_ms, 0, &[(&a, second), (other, 5)]))
        }
        .unwrap();
        ends.push(end);
    }
    let bytes = fs::read(bed.dir.stream(spool.ulid(), table)).unwrap();
    assert_eq!(bytes.len() as u64, end);
    Sample { bytes, ends }
}

/// The whole ticks in these bytes, and what follows them.
fn read(bytes: &[u8], columns: Columns<'_>) -> Result<Option<(usize, Tail)>, StoreError> {
    let temp = tempfile::NamedTempFile::new().unwrap();
    fs::write(temp.path(), bytes).unwrap();
    let Some(mut stream) = SpoolStream::open(temp.path(), columns)? else {
        return Ok(None);
    };
    let mut ticks = 0;
    while stream.next_batch()?.is_some() {
        ticks += 1;
    }
    assert!(stream.offset() <= bytes.len() as u64);
    Ok(Some((ticks, stream.tail().clone())))
}

/// "a torn tail is cut, the rest kept", wherever it is torn.
fn truncated(table: Table, step: usize, columns: Columns<'_>) {
    let sample = sample(table);
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("stream");
    let mut compared = 0;
    for length in (0..=sample.bytes.len()).rev().step_by(step) {
        fs::write(&path, &sample.bytes[..length]).unwrap();
        let length = length as u64;
        let whole = sample.ends.iter().filter(|end| **end <= length).count();
        match SpoolStream::open(&path, columns).unwrap() {
            None => assert!(length < sample.ends[0]),
            Some(mut stream) => {
                for _ in 0..whole {
                    assert!(stream.next_batch().unwrap().is_some(), "at {length}");
                }
                assert!(stream.next_batch().unwrap().is_none(), "at {length}");
                let end = stream.offset();
                let expected = if length == end {
                    Tail::Clean
                } else {
                    Tail::Torn {
                        at: end,
                        bytes: length - end,
                    }
                };
                assert_eq!(stream.tail(), &expected, "at {length}");
                if whole > 0 {
                    assert_eq!(end, sample.ends[whole - 1]);
                }
                compared += 1;
            }
        }
    }
    assert!(compared > 100);
}

#[test]
fn a_torn_tail_is_cut_at_every_byte() {
    truncated(
        Table::Events,
        1,
        Columns::Named(&["time", "event_id", "container_id"]),
    );
    truncated(Table::Metrics, 61, Columns::All);
}

/// A reader may wait at the end for more.
#[test]
fn a_stream_that_grows_is_read_on() {
    let sample = sample(Table::Metrics);
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("stream");
    let file = create_file(&path).unwrap();
    let end = usize::try_from(sample.ends[0]).unwrap();
    file.write_all_at(&sample.bytes[..end + 100], 0).unwrap();
    let mut stream = SpoolStream::open(&path, Columns::All).unwrap().unwrap();
    assert!(stream.next_batch().unwrap().is_some());
    assert!(stream.next_batch().unwrap().is_none());
    assert_eq!(
        stream.tail(),
        &Tail::Torn {
            at: sample.ends[0],
            bytes: 100
        }
    );
    file.write_all_at(&sample.bytes, 0).unwrap();
    assert!(stream.next_batch().unwrap().is_some());
    assert!(stream.next_batch().unwrap().is_some());
    assert!(stream.next_batch().unwrap().is_none());
    assert_eq!(stream.tail(), &Tail::Clean);
}

#[test]
fn a_projection_names_columns_that_the_stream_has() {
    let temp = tempfile::NamedTempFile::new().unwrap();
    fs::write(temp.path(), &sample(Table::Metrics).bytes).unwrap();
    let columns = Columns::Named(&["memory_current", "no such column", "life"]);
    let mut stream = SpoolStream::open(temp.path(), columns).unwrap().unwrap();
    let names: Vec<_> = stream
        .schema()
        .fields()
        .iter()
        .map(|f| f.name().clone())
        .collect();
    assert_eq!(names, ["life", "memory_current"]);
    let batch = stream.next_batch().unwrap().unwrap();
    assert_eq!((batch.num_columns(), batch.num_rows()), (2, 2));
    let none = SpoolStream::open(temp.path(), Columns::Named(&[])).unwrap();
    assert_eq!(none.unwrap().next_batch().unwrap().unwrap().num_rows(), 2);
}

/// What a power cut leaves: blocks of zeros in place of what was written.
#[test]
fn zeros_in_place_of_a_tick_end_the_stream() {
    for table in [Table::Metrics, Table::Events] {
        let sample = sample(table);
        let [.., before, end] = sample.ends[..] else {
            panic!("too few ticks");
        };
        for from in [before, before + 400, end - 200] {
            let mut bytes = sample.bytes.clone();
            bytes[usize::try_from(from).unwrap()..].fill(0);
            assert_ne!(bytes, sample.bytes);
            let (ticks, tail) = read(&bytes, Columns::All).unwrap().unwrap();
            assert_eq!(ticks, sample.ends.len() - 1);
            assert_ne!(tail, Tail::Clean);
        }
    }
}

#[test]
fn rubbish_is_not_a_stream() {
    for bytes in [
        &[0_u8; 64][..],
        b"PAR1 and more of that kind",
        &[0xff; 64],
        b"{\"a\": 1}",
    ] {
        assert!(read(bytes, Columns::All).unwrap_err().is_damage());
    }
    for bytes in [&[][..], &[0xff; 4]] {
        assert_eq!(read(bytes, Columns::All).unwrap(), None);
    }
    // A stream, but not one of ours.
    let schema = Schema::new(vec![Field::new("a", DataType::Float64, true)]);
    let foreign = ipc::writer::StreamWriter::try_new(Vec::new(), &schema).unwrap();
    let error = read(&foreign.into_inner().unwrap(), Columns::All).unwrap_err();
    assert!(error.is_damage());
}

/// "a newer format version is left in place": it is no damage.
#[test]
fn a_newer_format_version_is_told_from_damage() {
    let mut origin = Origin::new(recorder(), 1000);
    origin.format_version += 1;
    let schema = crate::encode::stream_schema(Table::Node, &origin);
    let newer = ipc::writer::StreamWriter::try_new(Vec::new(), &schema).unwrap();
    let error = read(&newer.into_inner().unwrap(), Columns::All).unwrap_err();
    assert!(
        matches!(error, StoreError::NewerFormat { version: 2, .. }),
        "{error}"
    );
    assert!(!error.is_damage());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = read(&bytes, Columns::All);
    }

    /// Wherever bytes are changed, the ticks before that are read and nothing panics.
    #[test]
    fn changed_bytes_never_panic(
        events: bool,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
    ) {
        let sample = sample(if events { Table::Events } else { Table::Metrics });
        let mut bytes = sample.bytes.clone();
        let mut first = bytes.len();
        for (index, value) in changes {
            let index = index.index(bytes.len());
            bytes[index] = value;
            first = first.min(index);
        }
        let whole = sample.ends.iter().filter(|end| **end <= first as u64).count();
        if let Ok(read) = read(&bytes, Columns::All) {
            prop_assert!(whole == 0 || read.is_some_and(|(ticks, _)| ticks >= whole));
        }
    }

    /// The same with whole words, as lengths and offsets are.
    #[test]
    fn changed_lengths_never_panic(
        events: bool,
        at in any::<prop::sample::Index>(),
        value in prop_oneof![any::<u32>(), Just(0), Just(u32::MAX), Just(i32::MAX as u32), 0..64_u32],
    ) {
        let sample = sample(if events { Table::Events } else { Table::Metrics });
        let mut bytes = sample.bytes.clone();
        let at = at.index(bytes.len() / 4) * 4;
        bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
        let _ = read(&bytes, Columns::All);
    }
}
