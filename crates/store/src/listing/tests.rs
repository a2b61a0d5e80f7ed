use super::*;
use crate::fixture::{Bed, HOUR, event, instance, recorder, tick_of};
use crate::{Spool, seal};
use std::fs;

fn paths<T>(list: &[Arc<T>], path: impl Fn(&T) -> &Path) -> Vec<&Path> {
    list.iter().map(|info| path(info)).collect()
}

#[test]
fn a_directory_that_is_not_there_holds_nothing() {
    let mut lister = Lister::new(DataDir::new("/nonexistent/fgm"));
    let listing = lister.list(&Selection::all()).unwrap();
    assert!(listing.files.is_empty() && listing.streams.is_empty());
}

/// A stream and the file made of it: one of them counts.
#[test]
fn a_sealed_stream_that_still_lies_there_does_not_count() {
    let bed = Bed::new();
    let a = instance(1);
    let ulid = bed.spool(&[tick_of(HOUR, 0, &[(&a, 1)])]);
    let stream = bed.dir.stream(ulid, Table::Metrics);
    let kept = fs::read(&stream).unwrap();
    seal(&bed.dir, ulid).unwrap();
    fs::create_dir(bed.dir.spool(ulid)).unwrap();
    fs::write(&stream, kept).unwrap();
    let listing = bed.list();
    assert_eq!((listing.files.len(), listing.streams.len()), (1, 0));
    assert_eq!(paths(&listing.superseded_streams, |s| &s.path), [stream]);
    assert_eq!(listing.files[0].footer.spools, [ulid]);
    assert_eq!(listing.files[0].clock_epoch, Some(0));
}

/// "The set rule holds per (table directory, `pod=`), never across."
#[test]
fn the_set_rule_never_crosses_tables_or_recorders() {
    let bed = Bed::new();
    let a = instance(1);
    let ulid = bed.segment(&[tick_of(HOUR, 0, &[(&a, 1)])]);
    // The same spool's events, and another recorder's stream of the same ULID.
    let mut other = recorder();
    other.recorder = "another".into();
    let mut spool = Spool::create(&bed.dir, &other, 1000).unwrap();
    spool
        .append_tick(Table::Metrics, &tick_of(HOUR, 0, &[(&a, 2)]))
        .unwrap();
    spool.append_events(&[event(HOUR, HOUR, Some(&a))]).unwrap();
    let from = bed.dir.spool(spool.close().unwrap().ulid);
    fs::rename(from, bed.dir.spool(ulid)).unwrap();
    let listing = bed.list();
    assert_eq!((listing.files.len(), listing.streams.len()), (1, 2));
    assert!(listing.superseded_streams.is_empty());
}

/// "a newer format version ... supersedes nothing", and rubbish is told with its reason.
#[test]
fn what_cannot_be_read_supersedes_nothing() {
    let bed = Bed::new();
    let a = instance(1);
    let ulid = bed.segment(&[tick_of(HOUR, 0, &[(&a, 1)])]);
    let hour = bed.merge(Table::Metrics, 0).unwrap();
    assert_eq!(bed.list().superseded_files.len(), 1);
    // The footer's keys are plain text: version 1 becomes 9.
    let mut bytes = fs::read(&hour).unwrap();
    let key = b"fgm.format_version";
    let at = bytes
        .windows(key.len())
        .rposition(|window| window == key)
        .unwrap()
        + key.len();
    let digit = at + bytes[at..].iter().position(|byte| *byte == b'1').unwrap();
    bytes[digit] = b'9';
    fs::write(&hour, &bytes).unwrap();
    let listing = bed.list();
    assert_eq!(listing.files.len(), 1);
    assert_eq!(listing.files[0].name.ulid, ulid);
    assert!(matches!(
        listing.skipped[0].error,
        StoreError::NewerFormat { version: 9, .. }
    ));

    fs::write(&hour, "rubbish").unwrap();
    let listing = bed.list();
    assert_eq!(listing.files.len(), 1);
    assert!(listing.skipped[0].error.is_damage());
}

#[test]
fn a_range_selects_whole_hours_and_all_events() {
    let bed = Bed::new();
    let a = instance(1);
    for hour in 0..4 {
        let time_ms = HOUR + hour * 12 * HOUR_MS;
        let mut spool = Spool::create(&bed.dir, &recorder(), 1000).unwrap();
        spool
            .append_tick(Table::Metrics, &tick_of(time_ms, 0, &[(&a, 1)]))
            .unwrap();
        spool
            .append_events(&[event(time_ms, time_ms, Some(&a))])
            .unwrap();
        seal(&bed.dir, spool.close().unwrap().ulid).unwrap();
    }
    let mut lister = Lister::new(bed.dir.clone());
    let mut count = |range_ms, table| {
        let tables = vec![table];
        lister
            .list(&Selection { tables, range_ms })
            .unwrap()
            .files
            .len()
    };
    assert_eq!(count(None, Table::Metrics), 4);
    assert_eq!(
        count(
            Some((HOUR + HOUR_MS - 1, HOUR + 12 * HOUR_MS)),
            Table::Metrics
        ),
        2
    );
    assert_eq!(
        count(Some((HOUR + HOUR_MS, HOUR + HOUR_MS)), Table::Metrics),
        0
    );
    assert_eq!(count(Some((i64::MIN, i64::MAX)), Table::Metrics), 4);
    assert_eq!(count(Some((HOUR, HOUR)), Table::Events), 4);
}

/// Sealing again replaces a file: what was known of the old one is not taken for the new one.
#[test]
fn a_replaced_file_is_read_again() {
    let bed = Bed::new();
    let a = instance(1);
    bed.segment(&[tick_of(HOUR, 0, &[(&a, 1)])]);
    let mut lister = Lister::new(bed.dir.clone());
    let before = lister.list(&Selection::all()).unwrap();
    let again = lister.list(&Selection::all()).unwrap();
    assert!(Arc::ptr_eq(&before.files[0], &again.files[0]));
    let path = before.files[0].path.clone();
    let copy = path.with_extension("copy");
    fs::copy(&path, &copy).unwrap();
    fs::rename(&copy, &path).unwrap();
    let after = lister.list(&Selection::all()).unwrap();
    assert!(!Arc::ptr_eq(&before.files[0], &after.files[0]));
    assert_eq!(before.files[0], after.files[0]);
    fs::remove_file(&path).unwrap();
    assert!(lister.list(&Selection::all()).unwrap().files.is_empty());
}
