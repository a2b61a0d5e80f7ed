use super::*;
use crate::fixture::{Bed, HOUR, instance, tick_of};
use crate::{Lock, Role, Spool, seal};
use fgm_model::Table;
use proptest::prelude::*;
use std::fs;
use std::path::Path;
use std::time::Duration;

const ROOMY: Disk = Disk {
    free_bytes: 1 << 40,
    total_bytes: 1 << 41,
};

fn inventory(units: &[(&str, i64, u64)]) -> Inventory {
    let mut inventory = Inventory::default();
    for (table, hour, bytes) in units {
        let unit = Unit::new(table, "pod=a", hour * HOUR_MS);
        inventory.units.entry(unit).or_default().push(Stored {
            path: format!("{table}/{hour}").into(),
            bytes: *bytes,
        });
    }
    inventory
}

fn deleted(plan: &Plan) -> Vec<(String, i64)> {
    let units = plan.deletions.iter();
    units
        .map(|(unit, ..)| (unit.table.clone(), unit.hour_ms / HOUR_MS))
        .collect()
}

fn policy(age_hours: Option<i64>, max_bytes: Option<u64>, min_free: u64) -> Policy {
    Policy {
        max_age_ms: age_hours.map(|hours| hours * HOUR_MS),
        max_bytes,
        min_free_bytes: Some(min_free),
    }
}

/// "order: oldest raw, then 60 s, 600 s, events".
#[test]
fn the_oldest_raw_goes_first() {
    let inventory = inventory(&[
        ("events", 1, 10),
        ("metrics", 2, 10),
        ("metrics", 1, 10),
        ("metrics_60s", 1, 10),
        ("node", 1, 10),
        ("metrics_600s", 1, 10),
        ("metrics", 9, 10),
    ]);
    let all = plan(&inventory, &policy(None, Some(0), 0), 10 * HOUR_MS, ROOMY);
    let expected = [
        ("metrics", 1),
        ("node", 1),
        ("metrics", 2),
        ("metrics_60s", 1),
        ("metrics_600s", 1),
        ("events", 1),
    ];
    assert_eq!(
        deleted(&all),
        expected.map(|(table, hour)| (table.to_owned(), hour))
    );
    let some = plan(&inventory, &policy(None, Some(55), 0), 10 * HOUR_MS, ROOMY);
    assert_eq!(deleted(&some).len(), 2);
}

/// "`_quarantine` counts".
#[test]
fn what_is_not_deleted_counts_too() {
    let mut inventory = inventory(&[("metrics", 1, 10), ("metrics", 2, 10)]);
    let policy = policy(None, Some(25), 0);
    assert_eq!(deleted(&plan(&inventory, &policy, 0, ROOMY)).len(), 0);
    inventory.other_bytes = 10;
    assert_eq!(deleted(&plan(&inventory, &policy, 0, ROOMY)).len(), 1);
}

/// "the smaller of 10 % and 5 GiB".
#[test]
fn the_default_free_disk_is_the_smaller_of_a_tenth_and_five_gib() {
    let disk = |total_bytes| Disk {
        free_bytes: 0,
        total_bytes,
    };
    assert_eq!(disk(1 << 50).min_free_bytes(&Policy::default()), 5 << 30);
    assert_eq!(disk(1000).min_free_bytes(&Policy::default()), 100);
}

fn any_inventory() -> impl Strategy<Value = Inventory> {
    let table = prop::sample::select(vec![
        "metrics",
        "pods",
        "metrics_60s",
        "node_600s",
        "events",
    ]);
    let file = (table, 0..2_usize, 0..100_i64, 0..1000_u64);
    (prop::collection::vec(file, 0..40), 0..5000_u64).prop_map(|(files, other_bytes)| {
        let mut inventory = Inventory {
            other_bytes,
            ..Inventory::default()
        };
        for (index, (table, pod, hour, bytes)) in files.into_iter().enumerate() {
            let unit = Unit::new(table, ["pod=a", "pod=b"][pod], hour * HOUR_MS);
            let path = format!("{index}").into();
            inventory
                .units
                .entry(unit)
                .or_default()
                .push(Stored { path, bytes });
        }
        inventory
    })
}

proptest! {
    /// "The last hour is never deleted for free disk: then recording stops"; no more goes than
    /// is needed; what is too old goes, whatever the space.
    #[test]
    fn retention_keeps_the_last_hour_and_no_less_than_it_may(
        inventory in any_inventory(),
        age_hours in prop::option::of(0..100_i64),
        max_bytes in prop::option::of(0..20_000_u64),
        min_free in 0..10_000_u64,
        free_bytes in 0..10_000_u64,
    ) {
        let now_ms = 100 * HOUR_MS;
        let disk = Disk { free_bytes, total_bytes: 1 << 40 };
        let plan = plan(&inventory, &policy(age_hours, max_bytes, min_free), now_ms, disk);
        let last_hour = inventory.units.keys().map(|unit| unit.hour_ms).max();
        let too_old = |unit: &Unit| age_hours.is_some_and(|age| unit.hour_ms + HOUR_MS <= now_ms - age * HOUR_MS);
        let all: u64 = inventory.units.values().map(|files| size(files)).sum();
        let mut left = inventory.other_bytes + all;
        let mut free = free_bytes;
        let mut seen = std::collections::BTreeSet::new();
        for (unit, cause, files) in &plan.deletions {
            prop_assert!(seen.insert(unit.clone()));
            prop_assert_eq!(&inventory.units[unit], files);
            match cause {
                Cause::Age => prop_assert!(too_old(unit)),
                Cause::Size => prop_assert!(left > max_bytes.unwrap()),
                Cause::FreeDisk => prop_assert!(free < min_free),
                Cause::Lost => prop_assert!(false, "there is no archive"),
            }
            if *cause != Cause::Age {
                prop_assert_ne!(Some(unit.hour_ms), last_hour);
            }
            left -= size(files);
            free += size(files);
        }
        for unit in inventory.units.keys().filter(|unit| !seen.contains(unit)) {
            prop_assert!(!too_old(unit));
            let enough = max_bytes.is_none_or(|most| left <= most) && free >= min_free;
            prop_assert!(enough || Some(unit.hour_ms) == last_hour);
        }
        prop_assert_eq!(plan.freed_bytes, free - free_bytes);
        prop_assert_eq!(plan.stop_recording, free < min_free);
        // Within what goes for space, in the order of the contract.
        let for_space: Vec<_> = plan.deletions.iter().filter(|(_, cause, _)| *cause != Cause::Age).map(|(unit, ..)| unit).collect();
        prop_assert!(for_space.is_sorted());
    }
}

proptest! {
    /// "With `--archive`, age and size wait for the upload; free disk does not, and counts what
    /// was lost."
    #[test]
    fn age_and_size_wait_for_the_upload_and_free_disk_does_not(
        inventory in any_inventory(),
        unarchived in prop::collection::hash_set(0..40_usize, 0..40),
        age_hours in prop::option::of(0..100_i64),
        max_bytes in prop::option::of(0..20_000_u64),
        min_free in 0..10_000_u64,
        free_bytes in 0..10_000_u64,
    ) {
        let now_ms = 100 * HOUR_MS;
        let disk = Disk { free_bytes, total_bytes: 1 << 40 };
        let policy = policy(age_hours, max_bytes, min_free);
        let waits = |files: &[Stored]| {
            let mut numbers = files.iter().map(|file| file.path.to_str().unwrap().parse().unwrap());
            numbers.any(|number: usize| unarchived.contains(&number))
        };
        let beside = plan_beside_archive(&inventory, &policy, now_ms, disk, &waits);
        let mut free = free_bytes;
        for (_, cause, files) in &beside.deletions {
            match cause {
                Cause::Lost => prop_assert!(waits(files) && free < min_free),
                _ => prop_assert!(!waits(files)),
            }
            free += size(files);
        }
        // Nothing goes but what would go, or is about to, without an archive.
        let alone = plan(&inventory, &policy, now_ms, disk);
        let goes: std::collections::BTreeSet<_> = alone.deletions.iter().map(|(unit, ..)| unit).collect();
        for unit in beside.deletions.iter().filter(|(_, cause, _)| matches!(cause, Cause::Age | Cause::Size)) {
            prop_assert!(goes.contains(&unit.0));
        }
        for unit in &beside.waiting {
            prop_assert!(waits(&inventory.units[unit]));
            prop_assert!(goes.contains(unit));
        }
        prop_assert_eq!(beside.lost(), beside.deletions.iter().filter(|(_, _, files)| waits(files)).count());
        prop_assert_eq!(beside.stop_recording, free < min_free);
        // As much as before may be freed for the disk (but for an old last hour that waits): an
        // archive that fails stops no recording.
        let last_hour = inventory.units.keys().map(|unit| unit.hour_ms).max();
        let last_waits = beside.waiting.iter().any(|unit| Some(unit.hour_ms) == last_hour);
        prop_assert!(last_waits || beside.stop_recording == alone.stop_recording);
    }
}

fn hours(bed: &Bed, count: i64) {
    let a = instance(1);
    for hour in 0..count {
        bed.segment(&[tick_of(HOUR + hour * HOUR_MS, 0, &[(&a, hour)])]);
    }
}

fn nothing_but_age(age_hours: i64) -> Policy {
    policy(Some(age_hours), None, 0)
}

fn at(time_ms: i64) -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(u64::try_from(time_ms).unwrap())
}

/// "spools are never deleted by age".
#[test]
fn a_spool_is_never_deleted() {
    let bed = Bed::new();
    hours(&bed, 2);
    let a = instance(1);
    let ulid = bed.spool(&[tick_of(HOUR, 0, &[(&a, 1)])]);
    let retained = retain(&bed.dir, &nothing_but_age(1), at(HOUR + 1000 * HOUR_MS)).unwrap();
    assert_eq!(retained.units, 2);
    assert!(retained.bytes > 0 && !retained.stop_recording);
    assert!(bed.list().files.is_empty());
    assert!(bed.dir.stream(ulid, Table::Metrics).exists());
}

/// "`fgm` deletes nothing while a consolidator holds its lock or held it in the last 15 min."
#[test]
fn nothing_is_deleted_beside_a_consolidator() {
    let bed = Bed::new();
    hours(&bed, 2);
    let now = at(HOUR + 100_000 * HOUR_MS);
    let lock = Lock::acquire(&bed.dir, Role::Consolidator, Duration::ZERO).unwrap();
    let retained = retain(&bed.dir, &nothing_but_age(1), now).unwrap();
    assert!(retained.left_to_consolidator);
    assert_eq!(bed.list().files.len(), 2);
    drop(lock);
    assert!(
        retain(&bed.dir, &nothing_but_age(1), SystemTime::now())
            .unwrap()
            .left_to_consolidator
    );
    let later = now + Duration::from_hours(1);
    assert!(
        !retain(&bed.dir, &nothing_but_age(1), later)
            .unwrap()
            .left_to_consolidator
    );
    assert!(bed.list().files.is_empty());
}

/// "superseded and smaller files first, the hour last, so that nothing reappears": killed after
/// any file, no row is seen that was not seen before.
#[test]
fn nothing_reappears_while_an_hour_is_deleted() {
    let bed = Bed::new();
    let a = instance(1);
    for second in 0..3 {
        bed.segment(&[tick_of(HOUR + second * 1000, 0, &[(&a, second)])]);
    }
    bed.merge(Table::Metrics, 0).unwrap();
    let stock = take_stock(&bed.dir).unwrap();
    let (unit, files) = stock.units.iter().next().unwrap();
    assert_eq!(files.len(), 4);
    let listing = bed.list();
    assert_eq!(
        (listing.files.len(), listing.superseded_files.len()),
        (1, 3)
    );
    // Whatever comes first in the plan, what it supersedes goes before it.
    for file in files {
        let plan = Plan {
            deletions: vec![(unit.clone(), Cause::Size, vec![file.clone()])],
            ..Plan::default()
        };
        let seen = bed.visible(Table::Metrics).len();
        apply(&bed.dir, &plan).unwrap();
        let left = bed.visible(Table::Metrics).len();
        assert!(
            left == seen || left == 0,
            "{left} of {seen} rows reappeared"
        );
    }
    assert!(bed.list().files.is_empty());
}

#[test]
fn stock_counts_every_byte() {
    let bed = Bed::new();
    hours(&bed, 1);
    let mut spool = Spool::create(&bed.dir, &crate::fixture::recorder(), 1000).unwrap();
    let a = instance(1);
    spool
        .append_events(&[crate::fixture::event(HOUR - 60_000, HOUR, Some(&a))])
        .unwrap();
    seal(&bed.dir, spool.close().unwrap().ulid).unwrap();
    bed.spool(&[tick_of(HOUR, 0, &[(&a, 1)])]);
    fs::write(bed.dir.quarantine().join("x"), [0; 1000]).unwrap();
    fs::write(bed.dir.root().join("metrics/note.txt"), [0; 100]).unwrap();
    let stock = take_stock(&bed.dir).unwrap();
    let sum = stock.other_bytes + stock.units.values().map(|files| size(files)).sum::<u64>();
    assert_eq!(sum, bytes_of(bed.dir.root()));
    let units: Vec<_> = stock
        .units
        .keys()
        .map(|unit| (unit.table.as_str(), unit.hour_ms))
        .collect();
    assert_eq!(units[0], ("metrics", HOUR));
    assert_eq!(units[1].0, "events");
}

fn bytes_of(path: &Path) -> u64 {
    let entries = fs::read_dir(path)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    entries
        .map(|path| {
            if path.is_dir() {
                bytes_of(&path)
            } else {
                path.metadata().unwrap().len()
            }
        })
        .sum()
}
