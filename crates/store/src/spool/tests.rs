use super::*;
use crate::fixture::{Bed, HOUR, event, instance, recorder, rows_of, stream_rows, tick_of};
use crate::stream::{Columns, SpoolStream, Tail};
use std::cell::Cell;

fn spool(bed: &Bed) -> Spool {
    Spool::create(&bed.dir, &recorder(), 1000).unwrap()
}

/// "`kill -9` loses at most the tick in flight": what was appended is in the file at once.
#[test]
fn every_tick_is_in_the_file_at_once() {
    let bed = Bed::new();
    let mut spool = spool(&bed);
    let path = bed.dir.stream(spool.ulid(), Table::Metrics);
    let mut ticks = Vec::new();
    let mut bytes = 0;
    for second in 0..3 {
        let [a, b] = [instance(1), instance(second)];
        let time_ms = HOUR + i64::from(second) * 1000;
        ticks.push(tick_of(time_ms, 0, &[(&a, 1), (&b, i64::from(second))]));
        bytes += spool
            .append_tick(Table::Metrics, &ticks[ticks.len() - 1])
            .unwrap();
        assert_eq!(stream_rows(&path), rows_of(&ticks, Table::Metrics));
        assert_eq!(path.metadata().unwrap().len(), bytes);
    }
    sync(&bed.dir, spool.ulid()).unwrap();
    let closed = spool.close().unwrap();
    assert_eq!((closed.rows, closed.bytes), (6, bytes));
    assert_eq!(closed.hour_ms, Some(HOUR));
}

/// "a spool lies in one hour [h, h+1)".
#[test]
fn a_spool_takes_one_hour_only() {
    let bed = Bed::new();
    let mut spool = spool(&bed);
    let a = instance(1);
    assert!(spool.accepts(HOUR - 1));
    spool
        .append_tick(Table::Metrics, &tick_of(HOUR, 0, &[(&a, 1)]))
        .unwrap();
    for time_ms in [HOUR - 1, HOUR + HOUR_MS] {
        assert!(!spool.accepts(time_ms));
        let refused = spool.append_tick(Table::Metrics, &tick_of(time_ms, 0, &[(&a, 1)]));
        assert!(matches!(refused, Err(StoreError::OutsideHour { .. })));
        // An event's hour is that of `recorded_at`.
        let refused = spool.append_events(&[event(HOUR, time_ms, None)]);
        assert!(matches!(refused, Err(StoreError::OutsideHour { .. })));
    }
    spool
        .append_events(&[event(HOUR - 5000, HOUR, Some(&a))])
        .unwrap();
    let last = tick_of(HOUR + HOUR_MS - 1, 0, &[(&a, 1)]);
    spool.append_tick(Table::Metrics, &last).unwrap();
}

#[test]
fn nothing_to_append_makes_no_stream() {
    let bed = Bed::new();
    let mut spool = spool(&bed);
    assert_eq!(
        spool
            .append_tick(Table::Node, &tick_of(HOUR, 0, &[]))
            .unwrap(),
        0
    );
    assert_eq!(spool.append_events(&[]).unwrap(), 0);
    assert!(!bed.dir.stream(spool.ulid(), Table::Node).exists());
    assert_eq!(spool.close().unwrap().rows, 0);
}

/// Identity texts go out when they are new, and then no more.
#[test]
fn a_dictionary_is_sent_again_only_for_what_is_new() {
    let bed = Bed::new();
    let mut spool = spool(&bed);
    let many: Vec<_> = (0..100).map(instance).collect();
    let mut append = |count: usize, second: i64| {
        let rows: Vec<_> = many[..count].iter().map(|instance| (instance, 0)).collect();
        let tick = tick_of(HOUR + second * 1000, 0, &rows);
        spool.append_tick(Table::Metrics, &tick).unwrap()
    };
    let [first, second, third, fourth] =
        [append(99, 0), append(99, 1), append(100, 2), append(100, 3)];
    assert!(second < first / 2, "{first} {second}");
    // One new container costs a little, not the whole dictionary again.
    assert!(
        third > fourth && third - fourth < (first - second) / 2,
        "{first} {second} {third} {fourth}"
    );
}

/// An instance whose name became known is another `Arc`: its rows carry the name.
#[test]
fn a_name_that_becomes_known_is_written_from_then_on() {
    let bed = Bed::new();
    let before = instance(1);
    let mut named = fgm_model::Instance::clone(&before);
    named.pod_name = Some("web-0".into());
    let ticks = [
        tick_of(HOUR, 0, &[(&before, 1)]),
        tick_of(HOUR + 1000, 0, &[(&std::sync::Arc::new(named), 1)]),
    ];
    let ulid = bed.spool(&ticks);
    assert_eq!(
        stream_rows(&bed.dir.stream(ulid, Table::Metrics)),
        rows_of(&ticks, Table::Metrics)
    );
}

/// A file that takes only so many bytes, and may refuse to be cut.
struct Full {
    file: File,
    room: Cell<u64>,
    may_cut: Cell<bool>,
}

impl Sink for Full {
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let fits = usize::try_from(self.room.get().saturating_sub(offset)).unwrap();
        let taken = &bytes[..bytes.len().min(fits)];
        FileExt::write_all_at(&self.file, taken, offset)?;
        if taken.len() < bytes.len() {
            return Err(io::Error::from_raw_os_error(28));
        }
        Ok(())
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        if self.may_cut.get() {
            self.file.set_len(length)
        } else {
            Err(io::Error::from_raw_os_error(5))
        }
    }
}

/// A full disk: the refused tick is lost with a message, what was there is readable, and when
/// there is space again everything goes on, dictionaries included.
#[test]
fn a_refused_write_leaves_the_stream_readable() {
    let instances: Vec<_> = (0..4).map(instance).collect();
    let tick = |second: i64, count: usize| {
        let rows: Vec<_> = instances[..count]
            .iter()
            .map(|instance| (instance, second))
            .collect();
        tick_of(HOUR + second * 1000, 0, &rows)
    };
    for may_cut in [true, false] {
        for room in [0, 1, 100, 3000, 9000, 12_000] {
            let temp = tempfile::tempdir().unwrap();
            let path = temp.path().join("metrics.arrows");
            let full = Full {
                file: create_file(&path).unwrap(),
                room: Cell::new(u64::MAX),
                may_cut: Cell::new(may_cut),
            };
            let origin = Origin::new(recorder(), 1000);
            let mut stream = Stream::over(full, path.clone(), Table::Metrics, &origin).unwrap();
            let mut kept = Vec::new();
            // The first tick too may be the one that does not fit.
            if room % 2 == 0 {
                stream.append(|encoder| encoder.tick(&tick(0, 2))).unwrap();
                kept.push(tick(0, 2));
            }
            stream.file.room.set(stream.end + room.min(stream.end / 2));
            let error = stream
                .append(|encoder| encoder.tick(&tick(1, 3)))
                .unwrap_err();
            assert_eq!(error.errno(), Some(28), "{error}");
            assert!(error.to_string().contains("metrics.arrows"), "{error}");
            assert_eq!(stream_rows(&path), rows_of(&kept, Table::Metrics));

            stream.file.room.set(u64::MAX);
            if !may_cut {
                let error = stream
                    .append(|encoder| encoder.tick(&tick(2, 3)))
                    .unwrap_err();
                assert_eq!(error.errno(), Some(5), "{error}");
                stream.file.may_cut.set(true);
            }
            for second in 3..5 {
                kept.push(tick(second, 4));
                stream
                    .append(|encoder| encoder.tick(&tick(second, 4)))
                    .unwrap();
                assert_eq!(stream_rows(&path), rows_of(&kept, Table::Metrics));
            }
        }
    }
}

/// A reader that is open all the while sees the same, whatever it saw of the refused tick.
#[test]
fn an_open_reader_survives_a_refused_write() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("metrics.arrows");
    let full = Full {
        file: create_file(&path).unwrap(),
        room: Cell::new(u64::MAX),
        may_cut: Cell::new(false),
    };
    let origin = Origin::new(recorder(), 1000);
    let mut stream = Stream::over(full, path.clone(), Table::Metrics, &origin).unwrap();
    let [a, b, c] = [1, 2, 3].map(instance);
    let first = tick_of(HOUR, 0, &[(&a, 1)]);
    stream.append(|encoder| encoder.tick(&first)).unwrap();
    let mut reader = SpoolStream::open(&path, Columns::All).unwrap().unwrap();
    assert_eq!(reader.next_batch().unwrap().unwrap().num_rows(), 1);
    assert!(reader.next_batch().unwrap().is_none());
    assert_eq!(reader.tail(), &Tail::Clean);

    // Its dictionaries reach the file whole, its rows do not.
    let refused = tick_of(HOUR + 1000, 0, &[(&b, 2)]);
    stream.file.room.set(stream.end + 2000);
    stream.append(|encoder| encoder.tick(&refused)).unwrap_err();
    assert!(reader.next_batch().unwrap().is_none());
    assert!(
        matches!(reader.tail(), Tail::Torn { .. }),
        "{:?}",
        reader.tail()
    );

    stream.file.room.set(u64::MAX);
    stream.file.may_cut.set(true);
    let next = tick_of(HOUR + 2000, 0, &[(&c, 3), (&a, 4)]);
    stream.append(|encoder| encoder.tick(&next)).unwrap();
    let batch = reader.next_batch().unwrap().unwrap();
    assert_eq!(
        crate::fixture::cells(&batch),
        rows_of(&[next], Table::Metrics)
    );
}
