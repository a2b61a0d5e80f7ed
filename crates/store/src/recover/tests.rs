use super::*;
use crate::fixture::{Bed, Cell, HOUR, column_index, event, instance, recorder, tick_of};
use crate::seal::seal_watched;
use crate::table_file::Step;
use crate::{Lock, Spool, seal};
use fgm_model::schema::column;
use proptest::prelude::*;
use std::fs;
use std::time::Duration;

fn killed() -> StoreError {
    StoreError::TimeOutOfRange(0)
}

/// Stops the work at its n-th step, as a kill would.
fn kill_at(n: usize) -> impl FnMut(Step) -> Result<(), StoreError> {
    let mut left = n;
    move |_| {
        if left == 0 {
            return Err(killed());
        }
        left -= 1;
        Ok(())
    }
}

/// A later time, when no consolidator that a test plays is expected back.
fn much_later() -> SystemTime {
    SystemTime::now() + Duration::from_hours(1)
}

#[derive(Debug, Clone)]
enum Action {
    /// Appends ticks to a new spool and leaves it closed.
    Record { ticks: usize, instances: u32 },
    /// Seals a spool, killed at a step.
    Seal {
        which: prop::sample::Index,
        kill: usize,
    },
    /// Starts anew, killed at a step.
    Recover { kill: usize },
    /// Merges all that counts; of the sources so many are removed before the kill.
    Merge { removed: usize },
}

fn any_action() -> impl Strategy<Value = Action> {
    prop_oneof![
        3 => (1..4_usize, 1..4_u32).prop_map(|(ticks, instances)| Action::Record { ticks, instances }),
        3 => (any::<prop::sample::Index>(), 0..12_usize)
            .prop_map(|(which, kill)| Action::Seal { which, kill }),
        2 => (0..20_usize).prop_map(|kill| Action::Recover { kill }),
        1 => (0..4_usize).prop_map(|removed| Action::Merge { removed }),
    ]
}

/// The times of what a reader sees of both tables.
fn seen(bed: &Bed) -> Vec<(Table, Cell, Cell)> {
    let mut seen = Vec::new();
    for table in [Table::Metrics, Table::Events] {
        let [time, id] = [column::TIME, column::CONTAINER_ID].map(|name| column_index(table, name));
        let rows = bed.visible(table).into_iter();
        seen.extend(rows.map(|row| (table, row[time].clone(), row[id].clone())));
    }
    seen.sort();
    seen
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// "the rules that make loss and doubles impossible": after any order of recording,
    /// sealing, merging and restarting, each killed anywhere, a reader sees every row once.
    #[test]
    fn nothing_is_lost_or_doubled_over_any_kill(actions in prop::collection::vec(any_action(), 1..12)) {
        let bed = Bed::new();
        let mut recorded = Vec::new();
        let mut spools = Vec::new();
        let mut time_ms = HOUR;
        let mut generation = 0;
        for action in actions {
            match action {
                Action::Record { ticks, instances } => {
                    let mut spool = Spool::create(&bed.dir, &recorder(), 1000).unwrap();
                    for _ in 0..ticks {
                        time_ms += 1000;
                        let of: Vec<_> = (0..instances).map(instance).collect();
                        let rows: Vec<_> = of.iter().map(|of| (of, 1)).collect();
                        spool.append_tick(Table::Metrics, &tick_of(time_ms, 0, &rows)).unwrap();
                        spool.append_events(&[event(time_ms, time_ms, Some(&of[0]))]).unwrap();
                        for of in &of {
                            let id = Cell::Text(of.container_id.clone());
                            recorded.push((Table::Metrics, Cell::Int(time_ms), id));
                        }
                        let id = Cell::Text(of[0].container_id.clone());
                        recorded.push((Table::Events, Cell::Int(time_ms), id));
                    }
                    spools.push(spool.close().unwrap().ulid);
                }
                Action::Seal { which, kill } => {
                    if !spools.is_empty() {
                        let _ = seal_watched(&bed.dir, *which.get(&spools), &mut kill_at(kill));
                    }
                }
                Action::Recover { kill } => {
                    // A failed seal does not stop a recovery, so the killed one seals no more.
                    recover_watched(&bed.dir, much_later(), &mut kill_at(kill)).unwrap();
                }
                Action::Merge { removed } => {
                    generation += 1;
                    let sources = bed.list().files;
                    if bed.merge(Table::Metrics, generation).is_some() {
                        let metrics = sources.iter().filter(|file| file.table == Table::Metrics);
                        for file in metrics.take(removed) {
                            fs::remove_file(&file.path).unwrap();
                        }
                    }
                }
            }
            recorded.sort();
            prop_assert_eq!(seen(&bed), recorded.clone());
        }
        let report = recover_watched(&bed.dir, much_later(), &mut |_| Ok(())).unwrap();
        prop_assert!(report.failed.is_empty() && report.quarantined.is_empty());
        prop_assert_eq!(seen(&bed), recorded);
        let listing = bed.list();
        prop_assert!(listing.streams.is_empty() && listing.superseded_files.is_empty());
        prop_assert!(names_in(&bed.dir.spool_root()).unwrap().is_empty());
        prop_assert!(names_in(&bed.dir.tmp(Role::Recorder)).unwrap().is_empty());
    }
}

/// "A kill between publishing `metrics` and `events` loses neither."
#[test]
fn a_kill_between_two_tables_loses_neither() {
    for kill in 0..12 {
        let bed = Bed::new();
        let a = instance(1);
        let mut spool = Spool::create(&bed.dir, &recorder(), 1000).unwrap();
        spool
            .append_tick(Table::Metrics, &tick_of(HOUR, 0, &[(&a, 1)]))
            .unwrap();
        spool.append_events(&[event(HOUR, HOUR, Some(&a))]).unwrap();
        let ulid = spool.close().unwrap().ulid;
        let _ = seal_watched(&bed.dir, ulid, &mut kill_at(kill));
        assert_eq!(seen(&bed).len(), 2, "killed at step {kill}");
        recover(&bed.dir).unwrap();
        assert_eq!(seen(&bed).len(), 2, "killed at step {kill}");
        assert!(!bed.dir.spool(ulid).exists());
    }
}

/// "Left-over spools are sealed first at start, under their own recorder's partition."
#[test]
fn a_left_over_spool_is_sealed_under_its_own_recorder() {
    let bed = Bed::new();
    let mut other = recorder();
    other.recorder = "fgm-before".into();
    let mut spool = Spool::create(&bed.dir, &other, 500).unwrap();
    let a = instance(1);
    spool
        .append_tick(Table::Metrics, &tick_of(HOUR, 0, &[(&a, 1)]))
        .unwrap();
    drop(spool);
    let report = recover(&bed.dir).unwrap();
    let path = report.sealed.published[0].path.display().to_string();
    assert!(path.contains("/pod=fgm-before/"), "{path}");
    let footer = bed.list().files[0].footer.clone();
    assert_eq!(footer.origin.unwrap().interval_ms, 500);
}

/// "a torn tail is cut, the rest kept", and `_tmp/recorder` is emptied.
#[test]
fn what_a_kill_leaves_is_put_in_order() {
    let bed = Bed::new();
    let a = instance(1);
    let ulid = bed.spool(&[
        tick_of(HOUR, 0, &[(&a, 1)]),
        tick_of(HOUR + 1000, 0, &[(&a, 2)]),
    ]);
    let path = bed.dir.stream(ulid, Table::Metrics);
    let length = fs::metadata(&path).unwrap().len();
    fs::OpenOptions::new()
        .write(true)
        .open(&path)
        .unwrap()
        .set_len(length - 7)
        .unwrap();
    fs::write(
        bed.dir.tmp(Role::Recorder).join("metrics-x.parquet"),
        "half a file",
    )
    .unwrap();
    fs::create_dir(bed.dir.spool(Ulid::generate())).unwrap();
    let report = recover(&bed.dir).unwrap();
    assert_eq!(report.unfinished, 1);
    assert_eq!(report.sealed.published[0].rows, 1);
    assert!(report.sealed.published[0].torn_bytes > 0);
    assert_eq!(seen(&bed).len(), 1);
    assert!(names_in(&bed.dir.spool_root()).unwrap().is_empty());
}

#[test]
fn a_file_that_does_not_parse_goes_to_quarantine() {
    let bed = Bed::new();
    let a = instance(1);
    bed.segment(&[tick_of(HOUR, 0, &[(&a, 1)])]);
    let path = bed.list().files[0].path.clone();
    fs::write(&path, "rubbish").unwrap();
    let report = recover(&bed.dir).unwrap();
    assert_eq!(report.quarantined.len(), 1);
    assert!(!path.exists());
}

/// "Sources go when the hour file *and its roll-ups* are durable": that is the consolidator's
/// to know.
#[test]
fn superseded_files_are_left_to_a_consolidator_at_work() {
    let bed = Bed::new();
    let a = instance(1);
    bed.segment(&[tick_of(HOUR, 0, &[(&a, 1)])]);
    bed.merge(Table::Metrics, 0).unwrap();
    let lock = Lock::acquire(&bed.dir, Role::Consolidator, Duration::ZERO).unwrap();
    assert_eq!(recover(&bed.dir).unwrap().superseded_files, 0);
    drop(lock);
    assert_eq!(recover(&bed.dir).unwrap().superseded_files, 0);
    let report = recover_watched(&bed.dir, much_later(), &mut |_| Ok(())).unwrap();
    assert_eq!(report.superseded_files, 1);
    assert_eq!(seen(&bed).len(), 1);
}

/// "a newer format version is left in place": so is what the system refuses to read.
#[test]
fn what_may_be_read_later_is_left_in_place() {
    let bed = Bed::new();
    let a = instance(1);
    let ulid = bed.spool(&[tick_of(HOUR, 0, &[(&a, 1)])]);
    let path = bed.dir.stream(ulid, Table::Metrics);
    let mut bytes = fs::read(&path).unwrap();
    let key = b"fgm.format_version";
    let at = bytes
        .windows(key.len())
        .position(|window| window == key)
        .unwrap();
    // The value stands beside its key in the flat buffer: "1" with its length before it.
    let value = [1, 0, 0, 0, b'1', 0];
    let near = at.saturating_sub(64)..at + 64;
    let offset = bytes[near.clone()]
        .windows(6)
        .position(|window| window == value)
        .unwrap();
    bytes[near.start + offset + 4] = b'7';
    fs::write(&path, &bytes).unwrap();
    let report = recover(&bed.dir).unwrap();
    assert!(matches!(
        report.failed[0].1,
        StoreError::NewerFormat { version: 7, .. }
    ));
    assert_eq!(fs::read(&path).unwrap(), bytes);
    assert!(seal(&bed.dir, ulid).is_err());
}
