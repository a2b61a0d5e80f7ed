//! What an hour needs: pure decisions on what lies on disk.

use super::state::{State, spools_of};
use crate::listing::FileInfo;
use crate::set_rule::Level;
use fgm_model::Resolution;
use std::collections::BTreeSet;
use ulid::Ulid;

/// What is to be done for an hour.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Needs {
    /// Its files are to be merged.
    pub(super) merge: bool,
    /// These roll-ups are to be made, perhaps anew.
    pub(super) roll_ups: Vec<Resolution>,
    /// Files whose rows others hold may go.
    pub(super) unlink: bool,
}

impl Needs {
    /// Whether there is anything to do.
    pub(super) fn any(&self) -> bool {
        self.merge || self.unlink || !self.roll_ups.is_empty()
    }
}

/// Decides. `names_arrived` tells that the hour's file can be given names that it lacks.
pub(super) fn decide(state: &State, names_arrived: bool) -> Needs {
    let live = &state.raw.live;
    let is_hour = |file: &FileInfo| file.footer.level == Level::Hour;
    let merge = live.len() > 1 || !live.iter().all(is_hour) || (names_arrived && !live.is_empty());
    let roll_ups = state
        .roll_ups
        .iter()
        .filter(|(_, shelf)| needs_roll_up(state, merge, &shelf.live))
        .map(|(resolution, _)| *resolution)
        .collect();
    Needs {
        merge,
        roll_ups,
        unlink: removable(state).next().is_some(),
    }
}

/// Whether a roll-up is missing, or "its list differs from the union of the hour's live files",
/// or those were given names, or the hour before gained rows since.
fn needs_roll_up(state: &State, merge: bool, roll_ups: &[FileInfo]) -> bool {
    let spools = state.raw.spools();
    if spools.is_empty() || is_being_deleted(&spools, roll_ups) {
        return false;
    }
    let Some(current) = roll_ups.iter().find(|file| list(file) == spools) else {
        return true;
    };
    let notes = &current.footer.hour;
    let source = state.raw.hour_file().map(|file| file.footer.generation);
    let previous: BTreeSet<Ulid> = notes.previous_spools.iter().copied().collect();
    merge
        || source.is_some_and(|generation| generation > notes.source_generation)
        || !state.previous.is_subset(&previous)
}

/// Retention takes raw rows before their roll-ups: what is left of an hour in between must not
/// replace a roll-up of the whole.
fn is_being_deleted(spools: &BTreeSet<Ulid>, roll_ups: &[FileInfo]) -> bool {
    roll_ups.iter().any(|file| {
        let list = list(file);
        !list.is_subset(spools) && !list.is_disjoint(spools)
    })
}

fn list(file: &FileInfo) -> BTreeSet<Ulid> {
    spools_of(file).collect()
}

/// What may be removed now. "Sources go when the hour file and its roll-ups are durable": a
/// raw file waits until every roll-up holds its rows.
pub(super) fn removable(state: &State) -> impl Iterator<Item = &FileInfo> {
    let rolled_up = |file: &FileInfo| {
        let spools = list(file);
        state.roll_ups.iter().all(|(_, shelf)| {
            let holds = |roll_up: &FileInfo| spools.is_subset(&list(roll_up));
            shelf.live.iter().any(holds)
        })
    };
    let sources = state.raw.superseded.iter();
    let roll_ups = state
        .roll_ups
        .iter()
        .flat_map(|(_, shelf)| &shelf.superseded);
    sources.filter(move |file| rolled_up(file)).chain(roll_ups)
}
