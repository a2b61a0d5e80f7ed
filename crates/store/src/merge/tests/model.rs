//! Publish, kill at any step, seal late, merge, retain, in any order.
//!
//! Each rule of DATA.md sections 3 and 4 that concerns it is one named invariant, checked after
//! every action.

use super::*;
use crate::fixture::{instance, tick_of};
use crate::recover;
use crate::retain::{self, Disk, Policy};
use crate::seal::seal_watched;
use std::collections::{BTreeSet, HashSet};
use std::fs;

#[derive(Debug, Clone)]
enum Action {
    /// Records ticks in a new spool of the first or second hour, and leaves it closed.
    Record {
        hour: i64,
        ticks: usize,
        instances: u32,
    },
    /// Seals a spool, perhaps late, killed at a step.
    Seal {
        which: prop::sample::Index,
        kill: usize,
    },
    /// Consolidates an hour, killed at a step.
    Merge { hour: i64, kill: usize },
    /// The consolidator starts anew.
    Start,
    /// The recorder starts anew: what it left is sealed.
    Recover,
    /// The oldest hour's raw rows go; a kill leaves so many files of them.
    Retain { left: usize },
}

fn any_action() -> impl Strategy<Value = Action> {
    let kill = || prop_oneof![1 => Just(usize::MAX), 3 => 0..24_usize];
    prop_oneof![
        4 => (0..2_i64, 1..4_usize, 1..4_u32)
            .prop_map(|(hour, ticks, instances)| Action::Record { hour, ticks, instances }),
        3 => (any::<prop::sample::Index>(), kill())
            .prop_map(|(which, kill)| Action::Seal { which, kill }),
        5 => (0..2_i64, kill()).prop_map(|(hour, kill)| Action::Merge { hour, kill }),
        1 => Just(Action::Start),
        1 => Just(Action::Recover),
        1 => (0..4_usize).prop_map(|left| Action::Retain { left }),
    ]
}

/// Stops the work at its n-th step, as a kill would.
fn kill_at(n: usize) -> impl FnMut(Step) -> Result<(), StoreError> {
    let mut left = n;
    move |_| {
        left = left.checked_sub(1).ok_or(StoreError::Stopped)?;
        Ok(())
    }
}

/// A row's key: time and instance.
type Key = (i64, String);

struct World {
    bed: Bed,
    next_ms: [i64; 2],
    spools: Vec<Ulid>,
    /// Rows that must be there.
    recorded: Vec<Key>,
    /// The first hour's raw rows are being deleted.
    deleted: bool,
    /// Spools that a roll-up held.
    rolled_up: HashSet<Ulid>,
    /// A recorder removed what is superseded: it does not know of roll-ups.
    recorder_cleaned: bool,
}

impl World {
    fn new() -> Self {
        Self {
            bed: Bed::new(),
            next_ms: [HOUR, next_hour()],
            spools: Vec::new(),
            recorded: Vec::new(),
            deleted: false,
            rolled_up: HashSet::new(),
            recorder_cleaned: false,
        }
    }

    fn hour(&self, number: i64) -> Hour {
        Hour {
            hour_start_ms: HOUR + number * HOUR_MS,
            ..the_hour(Table::Metrics)
        }
    }

    fn act(&mut self, action: &Action) {
        match action {
            Action::Record {
                hour,
                ticks,
                instances,
            } => {
                let clock = &mut self.next_ms[usize::try_from(*hour).unwrap()];
                let list: Vec<_> = (1..=*instances).map(instance).collect();
                let mut batch = Vec::new();
                for _ in 0..*ticks {
                    let rows: Vec<_> = list.iter().map(|one| (one, *clock % 1000)).collect();
                    batch.push(tick_of(*clock, 0, &rows));
                    if *hour == 1 || !self.deleted {
                        let keys = list.iter().map(|one| (*clock, one.container_id.clone()));
                        self.recorded.extend(keys);
                    }
                    *clock += 1000;
                }
                if *hour == 0 && self.deleted {
                    // What comes after its hour was deleted is another story.
                    return;
                }
                self.spools.push(self.bed.spool(&batch));
            }
            Action::Seal { which, kill } => {
                if !self.spools.is_empty() {
                    let ulid = *which.get(&self.spools);
                    let _ = seal_watched(&self.bed.dir, ulid, &mut kill_at(*kill));
                }
            }
            Action::Merge { hour, kill } => {
                let hour = self.hour(*hour);
                consolidate_watched(&self.bed.dir, &hour, &|| false, &mut kill_at(*kill)).unwrap();
            }
            Action::Start => {
                unlink_superseded(&self.bed.dir).unwrap();
            }
            Action::Recover => {
                recover(&self.bed.dir).unwrap();
                self.recorder_cleaned = true;
            }
            Action::Retain { left } => self.retain(*left),
        }
    }

    /// Retention of the first hour's raw rows, by age: no spool of that hour is left. A kill
    /// leaves the files that would have gone last.
    fn retain(&mut self, left: usize) {
        for ulid in &self.spools {
            let _ = seal_watched(&self.bed.dir, *ulid, &mut |_| Ok(()));
        }
        let stock = retain::take_stock(&self.bed.dir).unwrap();
        let policy = Policy {
            max_age_ms: Some(HOUR_MS),
            max_bytes: None,
            min_free_bytes: Some(0),
        };
        let disk = Disk {
            free_bytes: 1,
            total_bytes: 1,
        };
        let mut plan = retain::plan(&stock, &policy, HOUR + 2 * HOUR_MS, disk);
        let is_raw = |unit: &retain::Unit| unit.table == "metrics" && unit.hour_ms == HOUR;
        plan.deletions.retain(|(unit, _, _)| is_raw(unit));
        let Some((_, _, files)) = plan.deletions.first() else {
            return;
        };
        // "superseded and smaller files first, the hour last".
        let mut files = files.clone();
        files.sort_by_key(|file| (file.bytes, file.path.clone()));
        let kept: Vec<_> = files
            .iter()
            .rev()
            .take(left)
            .map(|file| (&file.path, fs::read(&file.path).unwrap()))
            .collect();
        retain::apply(&self.bed.dir, &plan).unwrap();
        for (path, bytes) in kept {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        }
        self.deleted = true;
        self.recorded.retain(|(time_ms, _)| *time_ms >= next_hour());
    }

    fn seen(&self) -> Vec<Key> {
        let time = crate::fixture::column_index(Table::Metrics, column::TIME);
        let id = crate::fixture::column_index(Table::Metrics, column::CONTAINER_ID);
        let mut keys: Vec<Key> = self
            .bed
            .visible(Table::Metrics)
            .into_iter()
            .map(|row| match &row[id] {
                Cell::Text(id) => (row[time].int(), id.clone()),
                other => panic!("{other:?}"),
            })
            .collect();
        if self.deleted {
            keys.retain(|(time_ms, _)| *time_ms >= next_hour());
        }
        keys.sort();
        keys
    }

    fn check(&mut self) -> Result<(), TestCaseError> {
        self.no_row_is_lost_or_doubled()?;
        self.every_file_is_readable_and_within_one_hour()?;
        self.sets_are_nested_or_disjoint()?;
        self.sources_stay_until_every_roll_up_is_durable()?;
        self.what_was_rolled_up_stays_so()
    }

    /// "the rules that make loss and doubles impossible".
    fn no_row_is_lost_or_doubled(&self) -> Result<(), TestCaseError> {
        let mut expected = self.recorded.clone();
        expected.sort();
        prop_assert_eq!(self.seen(), expected);
        Ok(())
    }

    /// "Nobody ever sees half a file"; "so do segments and hours".
    fn every_file_is_readable_and_within_one_hour(&self) -> Result<(), TestCaseError> {
        for resolution in [Resolution::Raw, Resolution::S60, Resolution::S600] {
            let listing = Lister::at(self.bed.dir.clone(), resolution)
                .list(&Selection::all())
                .unwrap();
            prop_assert!(listing.skipped.is_empty(), "{:?}", listing.skipped);
            for file in listing.files.iter().chain(&listing.superseded_files) {
                let hours = [file.name.start_ms, file.name.end_ms].map(crate::layout::hour_of);
                prop_assert_eq!(hours[0], hours[1]);
            }
        }
        prop_assert!(names_in(&self.bed.dir.quarantine()).unwrap().is_empty());
        Ok(())
    }

    /// "A merge takes all files ..., so sets are nested or disjoint".
    fn sets_are_nested_or_disjoint(&self) -> Result<(), TestCaseError> {
        let listing = self.bed.list();
        let sets: Vec<BTreeSet<Ulid>> = listing
            .files
            .iter()
            .chain(&listing.superseded_files)
            .map(|file| file.footer.spools.iter().copied().collect())
            .collect();
        for one in &sets {
            for other in &sets {
                let fits = one.is_disjoint(other) || one.is_subset(other) || other.is_subset(one);
                prop_assert!(fits, "{one:?} {other:?}");
            }
        }
        Ok(())
    }

    /// "Sources go when the hour file and its roll-ups are durable": a merged hour whose sources
    /// are gone has a roll-up of the same rows at each resolution.
    fn sources_stay_until_every_roll_up_is_durable(&self) -> Result<(), TestCaseError> {
        let listing = self.bed.list();
        for file in listing
            .files
            .iter()
            .filter(|file| file.footer.level == Level::Hour)
        {
            let held = |ulid: &Ulid| {
                let other = listing.superseded_files.iter();
                other
                    .clone()
                    .any(|source| source.footer.spools.contains(ulid))
            };
            for resolution in Resolution::ROLL_UPS {
                let rolled_up: HashSet<Ulid> = roll_up_files(&self.bed, resolution)
                    .iter()
                    .flat_map(|file| file.footer.spools.clone())
                    .collect();
                for ulid in &file.footer.spools {
                    prop_assert!(
                        rolled_up.contains(ulid)
                            || held(ulid)
                            || self.recorder_cleaned
                            || self.deleted,
                        "{ulid} of {} is neither rolled up nor kept",
                        file.name
                    );
                }
            }
        }
        Ok(())
    }

    /// "so that nothing reappears": what a roll-up holds, some roll-up holds ever after.
    fn what_was_rolled_up_stays_so(&mut self) -> Result<(), TestCaseError> {
        let now: HashSet<Ulid> = roll_up_files(&self.bed, Resolution::S60)
            .iter()
            .flat_map(|file| file.footer.spools.clone())
            .collect();
        for ulid in &self.rolled_up {
            prop_assert!(now.contains(ulid), "{ulid} was rolled up and is not now");
        }
        self.rolled_up.extend(now);
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn every_rule_holds_after_every_action(actions in prop::collection::vec(any_action(), 1..14)) {
        let mut world = World::new();
        for action in &actions {
            world.act(action);
            world.check()?;
        }
        // Whatever was killed before: run to the end, and there is one file of each hour.
        for number in 0..2 {
            let hour = world.hour(number);
            consolidate(&world.bed.dir, &hour, &|| false).unwrap();
            prop_assert_eq!(
                consolidate(&world.bed.dir, &hour, &|| false).unwrap(),
                HourReport::default(),
                "a second run has nothing to do"
            );
        }
        world.check()?;
        let listing = world.bed.list();
        prop_assert!(listing.superseded_files.is_empty());
        prop_assert!(listing.streams.is_empty());
        prop_assert!(listing.files.iter().all(|file| file.footer.level == Level::Hour));
        prop_assert!(listing.files.len() <= 2);
    }
}
