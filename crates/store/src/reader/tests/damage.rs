use super::*;
use crate::layout::HOUR_MS;
use crate::merge::{consolidate, due};
use proptest::prelude::*;
use std::fs;
use std::time::Duration;

fn everything(reader: &Reader) -> usize {
    reader.containers(i64::MIN, i64::MAX).unwrap();
    reader.events(i64::MIN, i64::MAX).unwrap();
    reader.status().unwrap();
    let series = reader.series(&query(i64::MIN, i64::MAX)).unwrap();
    series.iter().map(|one| one.times_ms.len()).sum()
}

fn ticks(from: i64, count: i64) -> Vec<Tick> {
    let app = instance("c1", "l1", Some("app"));
    let db = instance("c2", "l2", Some("db"));
    (from..from + count)
        .map(|s| tick(HOUR + s * SECOND, vec![row(&app, s, s), row(&db, 2 * s, s)]))
        .collect()
}

#[test]
fn rubbish_is_left_out_counted_and_named() {
    let data = Data::new();
    let good = data.sealed(&ticks(0, 3));
    let segment = fs::read(&good).unwrap();
    let beside = |minute: u8, bytes: &[u8]| {
        let name = good.file_name().unwrap().to_str().unwrap();
        let name = name.replace("T080000.000Z", &format!("T08{minute:02}00.000Z"));
        fs::write(good.with_file_name(name), bytes).unwrap();
    };
    beside(1, b"");
    beside(2, b"PAR1 this is not one PAR1");
    beside(3, &segment[..segment.len() / 2]);
    fs::write(good.with_file_name("notes.txt"), "x").unwrap();
    let spool = data.spooled(&ticks(10, 2));
    let stream = data.dir.stream(spool, Table::Metrics);
    fs::create_dir_all(data.dir.spool(Ulid::generate())).unwrap();
    let other = Ulid::generate();
    fs::create_dir_all(data.dir.spool(other)).unwrap();
    fs::write(
        data.dir.stream(other, Table::Metrics),
        "rubbish rubbish rubbish",
    )
    .unwrap();

    let reader = data.reader();
    assert_eq!(everything(&reader), 10);
    let skipped = reader.status().unwrap().skipped;
    assert_eq!(skipped.len(), 4, "{skipped:?}");
    assert_eq!(everything(&reader), 10);

    // A torn tick is not there yet; the whole ones before it are.
    let bytes = fs::read(&stream).unwrap();
    fs::write(&stream, &bytes[..bytes.len() - 5]).unwrap();
    assert_eq!(everything(&data.reader()), 8);
}

/// A segment that became an hour's file, whose columns are compressed in more than one way.
fn merged(data: &Data) -> PathBuf {
    let hour = due(&data.dir, HOUR + 3 * HOUR_MS, Duration::ZERO, false).unwrap();
    let [hour] = hour.as_slice() else {
        panic!("one hour of one table: {hour:?}");
    };
    let report = consolidate(&data.dir, hour, &|| false).unwrap();
    report.merged.unwrap().path
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(120))]

    /// Contract: a damaged file is never an error and never a panic.
    #[test]
    fn any_damage_to_a_file_or_a_stream_is_survived(
        at in any::<prop::sample::Index>(),
        bytes in prop::collection::vec(any::<u8>(), 1..12),
        cut in prop::option::of(any::<prop::sample::Index>()),
        of_file: bool,
        of_hour: bool,
    ) {
        let data = Data::new();
        let segment = data.sealed(&ticks(0, 4));
        let file = if of_hour { merged(&data) } else { segment };
        let spool = data.spooled(&ticks(10, 2));
        let victim = if of_file { file } else { data.dir.stream(spool, Table::Metrics) };
        let mut content = fs::read(&victim).unwrap();
        let at = at.index(content.len());
        for (byte, new) in content[at..].iter_mut().zip(bytes) {
            *byte = new;
        }
        if let Some(cut) = cut {
            content.truncate(cut.index(content.len()));
        }
        fs::write(&victim, content).unwrap();
        let rows = everything(&data.reader());
        // The other file's rows are all there, unless the damage made doubles of them.
        let whole = if of_file { 4 } else { 8 };
        prop_assert!(rows >= whole && rows <= 12, "{rows}");
    }
}
