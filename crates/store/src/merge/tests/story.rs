//! One rule, one story.

use super::*;
use crate::fixture::{event, instance, recorder, tick_of};
use crate::layout::pod_directory;
use crate::lock::Lock;
use crate::{Spool, seal};
use fgm_model::{Event, Instance, Metric, Row, Tick, Values};
use std::fs;
use std::time::Duration;

const NOW: i64 = HOUR + 2 * HOUR_MS;

fn two_segments(bed: &Bed) {
    let a = instance(1);
    bed.segment(&[tick_of(HOUR, 0, &[(&a, 1)])]);
    bed.segment(&[tick_of(HOUR + 60_000, 0, &[(&a, 2)])]);
}

fn is_due(bed: &Bed, now_ms: i64) -> bool {
    let due = due(&bed.dir, now_ms, Duration::from_mins(2), false).unwrap();
    due.contains(&the_hour(Table::Metrics))
}

/// "A closed hour (end + `--min-age`, 2 min) is merged".
#[test]
fn an_hour_is_due_when_it_is_closed() {
    let bed = Bed::new();
    two_segments(&bed);
    assert!(!is_due(&bed, next_hour() + 119_999));
    assert!(is_due(&bed, next_hour() + 120_000));
    run(&bed, Table::Metrics);
    assert!(!is_due(&bed, NOW));
}

/// A planner that remembers gives the same answers as one that does not.
#[test]
fn what_is_settled_is_looked_at_again_when_a_file_comes() {
    let bed = Bed::new();
    two_segments(&bed);
    run(&bed, Table::Metrics);
    let mut planner = Planner::default();
    let mut ask = || planner.due(&bed.dir, NOW, Duration::ZERO, false).unwrap();
    assert_eq!((ask(), ask()), (vec![], vec![]));
    bed.segment(&[tick_of(HOUR + 120_000, 0, &[(&instance(1), 3)])]);
    assert_eq!(ask(), [the_hour(Table::Metrics)]);
}

/// "a late spool included": while no recorder runs, what one left is sealed and merged.
#[test]
fn a_late_spool_is_merged_into_the_hour() {
    let bed = Bed::new();
    two_segments(&bed);
    let first = run(&bed, Table::Metrics).merged.unwrap();
    let ulid = bed.spool(&[tick_of(HOUR + 120_000, 0, &[(&instance(1), 3)])]);
    let seen = bed.visible(Table::Metrics);
    assert!(is_due(&bed, NOW));
    let report = run(&bed, Table::Metrics);
    let made = report.merged.unwrap();
    assert_eq!((made.rows, made.generation, report.sealed.len()), (3, 1, 1));
    assert!(!first.path.exists() && !bed.dir.spool(ulid).exists());
    assert_eq!(bed.visible(Table::Metrics), seen);
    assert_eq!(
        report.roll_ups.len(),
        2,
        "the list differs from the live files'"
    );
}

/// A recorder seals its own spools: what it still writes must not be taken for whole.
#[test]
fn the_spools_of_a_running_recorder_are_left_alone() {
    let bed = Bed::new();
    two_segments(&bed);
    let ulid = bed.spool(&[tick_of(HOUR + 120_000, 0, &[(&instance(1), 3)])]);
    let lock = Lock::acquire(&bed.dir, Role::Recorder, Duration::ZERO).unwrap();
    let report = run(&bed, Table::Metrics);
    assert_eq!((report.sources, report.sealed.len()), (2, 0));
    assert!(bed.dir.stream(ulid, Table::Metrics).exists());
    drop(lock);
    assert_eq!(run(&bed, Table::Metrics).sources, 2);
    assert_eq!(bed.visible(Table::Metrics).len(), 3);
}

/// "Only what fails to parse goes to `_quarantine/` with a reason file" and never blocks others.
#[test]
fn damage_is_set_aside_and_the_rest_is_merged() {
    let bed = Bed::new();
    two_segments(&bed);
    let name = "20270115T080000.000Z-20270115T080100.000Z-01ARZ3NDEKTSV4RRFFQ69G5FAV.parquet";
    let damaged = segments(&bed)[0].path.with_file_name(name);
    fs::write(&damaged, "rubbish").unwrap();
    let report = run(&bed, Table::Metrics);
    assert_eq!((report.sources, report.quarantined.len()), (2, 1));
    assert!(!damaged.exists() && report.quarantined[0].exists());
    let mut reason = report.quarantined[0].clone().into_os_string();
    reason.push(".reason.txt");
    assert!(!fs::read_to_string(reason).unwrap().trim().is_empty());
}

/// Pages that lie are found while a column is copied.
#[test]
fn a_damaged_page_is_damage_of_that_file_alone() {
    let bed = Bed::new();
    two_segments(&bed);
    let victim = segments(&bed)[1].path.clone();
    let mut bytes = fs::read(&victim).unwrap();
    let half = bytes.len() / 2;
    bytes[4..half].fill(0xa5);
    fs::write(&victim, bytes).unwrap();
    let report = run(&bed, Table::Metrics);
    assert_eq!(report.quarantined.len(), 1);
    assert!(!victim.exists());
    assert_eq!(
        bed.visible(Table::Metrics).len(),
        1,
        "the other file's row is there"
    );
}

/// "a newer format version is left in place and supersedes nothing".
#[test]
fn a_newer_format_is_left_in_place() {
    let bed = Bed::new();
    two_segments(&bed);
    let newer = segments(&bed)[0].clone();
    let file = File::open(&newer.path).unwrap();
    let builder = ParquetRecordBatchReaderBuilder::try_new(file).unwrap();
    let schema = builder.schema().clone();
    let name = FileName {
        ulid: Ulid::generate(),
        ..newer.name
    };
    let path = newer.path.with_file_name(name.to_string());
    let mut writer = ArrowWriter::try_new(File::create(&path).unwrap(), schema, None).unwrap();
    for mut pair in newer.footer.to_key_values().unwrap() {
        if pair.key == crate::footer::key::FORMAT_VERSION {
            pair.value = Some("999".into());
        }
        writer.append_key_value_metadata(pair);
    }
    writer.close().unwrap();
    assert_eq!(run(&bed, Table::Metrics).sources, 2);
    assert!(path.exists());
    assert!(
        !is_due(&bed, NOW),
        "it does not keep the hour from being done"
    );
}

/// "EMFILE, EIO, EACCES are retried": the hour waits, and nothing is set aside.
#[test]
fn what_the_system_refuses_is_tried_again() {
    let bed = Bed::new();
    two_segments(&bed);
    let victim = segments(&bed)[0].path.clone();
    let aside = victim.with_extension("aside");
    fs::rename(&victim, &aside).unwrap();
    fs::create_dir(&victim).unwrap();
    let error = consolidate(&bed.dir, &the_hour(Table::Metrics), &|| false).unwrap_err();
    assert!(error.errno().is_some() && !error.is_damage(), "{error}");
    assert!(is_due(&bed, NOW));
    fs::remove_dir(&victim).unwrap();
    fs::rename(&aside, &victim).unwrap();
    assert_eq!(run(&bed, Table::Metrics).sources, 2);
}

/// A stop is as good as a kill: nothing is lost, and the next run ends it.
#[test]
fn a_stop_leaves_everything_as_it_was() {
    let bed = Bed::new();
    two_segments(&bed);
    let seen = bed.visible(Table::Metrics);
    let report = consolidate(&bed.dir, &the_hour(Table::Metrics), &|| true).unwrap();
    assert!(report.stopped && report.merged.is_none());
    assert_eq!(bed.visible(Table::Metrics), seen);
    assert!(
        names_in(&bed.dir.tmp(Role::Consolidator))
            .unwrap()
            .is_empty()
    );
    assert!(run(&bed, Table::Metrics).merged.is_some());
}

fn named(number: u32) -> Arc<Instance> {
    Arc::new(Instance {
        pod_name: Some("web-0".into()),
        container_name: Some("app".into()),
        ..Instance::clone(&instance(number))
    })
}

fn names_in_rows(path: &Path) -> Vec<Option<String>> {
    let rows = named_rows(path);
    rows.iter().map(|row| text(row, column::POD_NAME)).collect()
}

fn record_events(bed: &Bed, events: &[Event]) {
    let mut spool = Spool::create(&bed.dir, &recorder(), 1000).unwrap();
    spool.append_events(events).unwrap();
    let ulid = spool.close().unwrap().ulid;
    seal(&bed.dir, ulid).unwrap();
}

/// "Names that arrived late are filled in by the merge (also rewriting a closed hour,
/// `generation` + 1)", and with it the roll-ups.
#[test]
fn a_name_that_arrives_late_is_filled_in() {
    let bed = Bed::new();
    two_segments(&bed);
    let first = run(&bed, Table::Metrics);
    assert_eq!(first.unnamed, 1);
    assert!(
        !is_due(&bed, NOW),
        "a name that nobody knows is not waited for"
    );
    let mut started = event(HOUR, next_hour() + 5000, Some(&named(1)));
    started.revision = 1;
    record_events(&bed, &[started]);
    assert!(is_due(&bed, NOW));
    let report = run(&bed, Table::Metrics);
    let made = report.merged.unwrap();
    assert_eq!((made.generation, report.unnamed), (1, 0));
    assert_eq!(
        names_in_rows(&made.path),
        [Some("web-0".into()), Some("web-0".into())]
    );
    for roll_up in &report.roll_ups {
        assert_eq!(roll_up.generation, 1);
        let names = names_in_rows(&roll_up.path);
        assert!(
            names.iter().all(|name| name.as_deref() == Some("web-0")),
            "{names:?}"
        );
    }
    assert_eq!(report.roll_ups.len(), 2);
    assert!(!is_due(&bed, NOW));
}

/// "later rows of the same instance": it began shortly before the border.
#[test]
fn a_name_comes_from_the_next_hour_too() {
    let bed = Bed::new();
    two_segments(&bed);
    bed.segment(&[tick_of(next_hour(), 0, &[(&named(1), 3)])]);
    let made = run(&bed, Table::Metrics).merged.unwrap();
    assert_eq!(
        names_in_rows(&made.path),
        [Some("web-0".into()), Some("web-0".into())]
    );
}

/// Events are merged by the hour in which they were recorded, and every revision stays.
#[test]
fn events_are_merged_and_none_is_dropped() {
    let bed = Bed::new();
    let mut revised = event(HOUR - 500, HOUR + 2000, None);
    record_events(&bed, &[revised.clone()]);
    revised.revision = 1;
    record_events(&bed, &[revised.clone(), revised]);
    let seen = bed.visible(Table::Events);
    let report = run(&bed, Table::Events);
    assert_eq!((report.sources, report.merged.unwrap().rows), (2, 3));
    assert!(report.roll_ups.is_empty());
    assert_eq!(bed.visible(Table::Events), seen);
    assert_eq!(run(&bed, Table::Events), HourReport::default());
}

/// Two recorders on one data directory, one after the other: "per (table directory, `pod=`),
/// never across".
#[test]
fn an_hour_of_another_recorder_is_its_own() {
    let bed = Bed::new();
    two_segments(&bed);
    let mut other = recorder();
    other.recorder = "fgm-other/1".into();
    let mut spool = Spool::create(&bed.dir, &other, 1000).unwrap();
    let tick = Tick {
        time_ms: HOUR,
        clock_epoch: 0,
        rows: vec![Row {
            instance: instance(1),
            read_offset_us: 0,
            limits_known: true,
            values: Values::default(),
        }],
    };
    spool.append_tick(Table::Metrics, &tick).unwrap();
    seal(&bed.dir, spool.close().unwrap().ulid).unwrap();
    let hours = due(&bed.dir, NOW, Duration::ZERO, false).unwrap();
    let pods: Vec<_> = hours.iter().map(Hour::pod).collect();
    assert_eq!(
        pods,
        [pod_directory("fgm-7xk2p"), pod_directory("fgm-other/1")]
    );
    for hour in &hours {
        consolidate(&bed.dir, hour, &|| false).unwrap();
    }
    assert_eq!(segments(&bed).len(), 2);
}

/// "Retention: oldest raw, then 60 s": a roll-up outlives the rows that it was made of, also
/// when only some of them are gone, and a late spool then gets one of its own.
#[test]
fn a_roll_up_outlives_its_rows() {
    let bed = Bed::new();
    two_segments(&bed);
    let raw = run(&bed, Table::Metrics).merged.unwrap();
    fs::remove_file(&raw.path).unwrap();
    assert_eq!(run(&bed, Table::Metrics), HourReport::default());
    assert_eq!(roll_up_files(&bed, Resolution::S60).len(), 1);
    bed.segment(&[tick_of(HOUR + 120_000, 0, &[(&instance(1), 3)])]);
    run(&bed, Table::Metrics);
    let files = roll_up_files(&bed, Resolution::S60);
    assert_eq!(files.iter().map(|file| file.rows).sum::<u64>(), 3);
    assert_eq!(files.len(), 2);
}

/// "Every consolidator start first unlinks what is superseded", and what it left in `_tmp`.
#[test]
fn a_start_removes_what_is_superseded() {
    let bed = Bed::new();
    two_segments(&bed);
    let kill = &mut |step| match step {
        Step::Removed => Err(StoreError::Stopped),
        _ => Ok(()),
    };
    let report = consolidate_watched(&bed.dir, &the_hour(Table::Metrics), &|| false, kill).unwrap();
    assert!(report.stopped);
    fs::write(bed.dir.tmp(Role::Consolidator).join("x"), "half").unwrap();
    assert_eq!(
        unlink_superseded(&bed.dir).unwrap(),
        1,
        "one of two was gone already"
    );
    assert!(
        names_in(&bed.dir.tmp(Role::Consolidator))
            .unwrap()
            .is_empty()
    );
    assert_eq!(segments(&bed).len(), 1);
    assert_eq!(bed.list().superseded_files.len(), 0);
    assert_eq!(unlink_superseded(&bed.dir).unwrap(), 0);
}

/// A metric that only the late spool has is a column of the hour.
#[test]
fn values_survive_the_merge() {
    let bed = Bed::new();
    two_segments(&bed);
    let made = run(&bed, Table::Metrics).merged.unwrap();
    let values: Vec<_> = named_rows(&made.path)
        .iter()
        .map(|row| row[Metric::MemoryCurrent.name()].int())
        .collect();
    assert_eq!(values, [1, 2]);
}
