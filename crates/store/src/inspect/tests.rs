use super::*;
use crate::fixture::{Bed, HOUR, event, instance, recorder, tick_of};
use crate::{Spool, StoreError, seal};
use fgm_model::{Instance, Table, Tick};
use std::fs;
use std::path::Path;
use std::sync::Arc;
use ulid::Ulid;

fn ulid(number: u128) -> Ulid {
    Ulid::from_parts(1_800_000_000_000, number)
}

/// A spool of a chosen ULID, so that what is shown is always the same.
fn spool_as(bed: &Bed, number: u128, ticks: &[Tick]) -> Ulid {
    let made = bed.spool(ticks);
    fs::rename(bed.dir.spool(made), bed.dir.spool(ulid(number))).unwrap();
    ulid(number)
}

fn named(number: u32) -> Arc<Instance> {
    let mut named = Instance::clone(&instance(number));
    named.pod_name = Some(format!("web-{number}"));
    named.container_name = Some("app".into());
    Arc::new(named)
}

/// Takes away the number before a unit.
fn mask(line: &str, unit: &str) -> String {
    let Some((before, after)) = line.split_once(unit) else {
        return line.to_owned();
    };
    let number = before.rfind(' ').map_or(0, |at| at + 1);
    format!("{}<number>{unit}{after}", &before[..number])
}

/// Sixty seconds of two containers, one of which misses two ticks.
fn minute() -> Vec<Tick> {
    let [a, b] = [named(1), instance(2)];
    (0..60)
        .map(|second| {
            let mut rows = vec![(&a, 1_000_000 + second * 4096)];
            if !(10..12).contains(&second) {
                rows.push((&b, 7));
            }
            tick_of(HOUR + second * 1000, 0, &rows)
        })
        .collect()
}

/// The report without what depends on the directory, on how well a library packs, and on how
/// many metrics the catalogue has.
fn shown(bed: &Bed, report: &impl ToString) -> String {
    let root = bed.dir.root().display().to_string();
    let text = report.to_string().replace(&root, "<data>");
    let text = text
        .split("\n\n")
        .filter(|part| !part.contains("without a value"));
    let masked = text.collect::<Vec<_>>().join("\n\n");
    let lines = masked.lines().map(|line| mask(&mask(line, " KiB"), " %"));
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn a_segment() {
    let bed = Bed::new();
    let report = seal(&bed.dir, spool_as(&bed, 1, &minute())).unwrap();
    let report = inspect_file(&report.published[0].path).unwrap();
    assert_eq!((report.rows, report.instances[1].missing()), (118, 2));
    insta::assert_snapshot!(shown(&bed, &report));
}

#[test]
fn a_stream_with_a_torn_tail() {
    let bed = Bed::new();
    let path = bed.dir.stream(spool_as(&bed, 1, &minute()), Table::Metrics);
    let length = fs::metadata(&path).unwrap().len();
    let file = fs::OpenOptions::new().write(true).open(&path).unwrap();
    file.set_len(length - 100).unwrap();
    let report = inspect_file(&path).unwrap();
    assert_eq!(report.rows, 116);
    let shown = shown(&bed, &report);
    // The sizes of LZ4 blocks are not ours to pin.
    let kept = shown
        .lines()
        .filter(|line| !line.contains("bytes from byte"));
    let kept: Vec<_> = kept.filter(|line| !line.contains("Arrow stream")).collect();
    assert_eq!(shown.lines().count() - kept.len(), 2);
    insta::assert_snapshot!(kept.join("\n"));
}

#[test]
fn events() {
    let bed = Bed::new();
    let mut spool = Spool::create(&bed.dir, &recorder(), 1000).unwrap();
    let a = named(1);
    spool
        .append_events(&[
            event(HOUR, HOUR, Some(&a)),
            event(HOUR + 5000, HOUR + 5000, None),
        ])
        .unwrap();
    let report = seal(&bed.dir, spool.close().unwrap().ulid).unwrap();
    let report = inspect_file(&report.published[0].path).unwrap();
    assert_eq!(report.kinds["started"], 2);
    assert!(report.instances[0].gaps.is_empty());
    assert!(shown(&bed, &report).contains("\n  event    rows\n  started     2\n"));
}

#[test]
fn the_set_rule_is_told() {
    let bed = Bed::new();
    let first = seal(&bed.dir, spool_as(&bed, 1, &minute()[..30])).unwrap();
    seal(&bed.dir, spool_as(&bed, 2, &minute()[30..])).unwrap();
    let path = &first.published[0].path;
    assert_eq!(inspect_file(path).unwrap().state, SetState::Counts);
    let hour = bed.merge(Table::Metrics, 0).unwrap();
    let report = inspect_file(path).unwrap();
    assert_eq!(report.state, SetState::SupersededBy(vec![hour.clone()]));
    assert!(
        report
            .to_string()
            .contains("superseded by 20270115T080000.000Z-")
    );
    let merged = inspect_file(&hour).unwrap();
    assert_eq!(merged.state, SetState::Counts);
    assert_eq!(merged.spools, [ulid(1), ulid(2)]);
    let copy = bed.dir.root().join("copy.parquet");
    fs::copy(path, &copy).unwrap();
    assert_eq!(inspect_file(&copy).unwrap().state, SetState::NotListed);
}

#[test]
fn a_data_directory() {
    let bed = Bed::new();
    seal(&bed.dir, spool_as(&bed, 1, &minute()[..30])).unwrap();
    spool_as(&bed, 2, &minute()[30..]);
    let rubbish = "metrics/dt=2027-01-15/pod=x";
    fs::create_dir_all(bed.dir.root().join(rubbish)).unwrap();
    let name = format!(
        "20270115T080000.000Z-20270115T080000.000Z-{}.parquet",
        ulid(9)
    );
    fs::write(bed.dir.root().join(rubbish).join(name), "rubbish").unwrap();
    fs::write(bed.dir.quarantine().join("a.arrows"), "x").unwrap();
    fs::write(
        bed.dir.quarantine().join("a.arrows.reason.txt"),
        "no message begins here\n",
    )
    .unwrap();
    let report = inspect_dir(bed.dir.root()).unwrap();
    assert_eq!((report.tables[0].rows, report.streams[0].rows), (58, 60));
    insta::assert_snapshot!(shown(&bed, &report));
}

#[test]
fn rubbish_gets_a_clear_error() {
    let bed = Bed::new();
    let root = bed.dir.root();
    let write = |name: &str, bytes: &[u8]| {
        let path = root.join(name);
        fs::write(&path, bytes).unwrap();
        path
    };
    let message = |path: &Path| {
        let error = inspect_file(path).unwrap_err();
        error
            .to_string()
            .replace(&root.display().to_string(), "<data>")
    };
    let messages = [
        message(&root.join("absent")),
        message(root),
        message(&write("empty", b"")),
        message(&write("text", b"hello")),
        message(&write("cut.parquet", b"PAR1 and then nothing")),
        message(&write("cut.arrows", &[0xff; 4])),
        message(&write("bad.arrows", &[0xff; 64])),
        inspect_dir(&bed.dir.spool_root())
            .unwrap_err()
            .to_string()
            .replace(&root.display().to_string(), "<data>"),
    ];
    insta::assert_snapshot!(messages.join("\n"));
    assert!(matches!(
        inspect_dir(&root.join("absent")),
        Err(StoreError::Io { .. })
    ));
}
