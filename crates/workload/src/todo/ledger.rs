//! What the load generator may rely on: each write that was confirmed. Of a todo with a write
//! that was not, nothing is known for good: it may be done even later.

use super::Item;
use std::collections::{BTreeMap, BTreeSet};

/// Confirmed deletions that are still looked for.
const MOST_DELETED: usize = 200;

/// The todos of one client, by their id.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    there: BTreeMap<i64, Item>,
    deleted: BTreeSet<i64>,
}

impl Ledger {
    /// A creation or a change was confirmed, with what came of it.
    pub(super) fn confirmed(&mut self, item: Item) {
        self.there.insert(item.id, item);
    }

    /// A deletion was confirmed.
    pub(super) fn deleted(&mut self, id: i64) {
        self.there.remove(&id);
        self.deleted.insert(id);
        if self.deleted.len() > MOST_DELETED {
            self.deleted.pop_first();
        }
    }

    /// A change or a deletion was not confirmed.
    pub(super) fn unconfirmed(&mut self, id: i64) {
        self.there.remove(&id);
    }

    /// The todos that must be there, the oldest first.
    pub(super) fn there(&self) -> impl ExactSizeIterator<Item = &Item> {
        self.there.values()
    }

    /// Holds it against all that the server has.
    ///
    /// # Errors
    /// A confirmed write that is not there.
    pub(super) fn check(&self, list: &[Item]) -> Result<(), String> {
        let found: BTreeMap<i64, &Item> = list.iter().map(|item| (item.id, item)).collect();
        for (id, item) in &self.there {
            match found.get(id) {
                None => return Err(format!("todo {id} was confirmed and is gone")),
                Some(now) if *now != item => {
                    return Err(format!(
                        "todo {id} was confirmed as {item:?} and is {now:?}"
                    ));
                }
                Some(_) => {}
            }
        }
        match self.deleted.iter().find(|id| found.contains_key(id)) {
            Some(id) => Err(format!("todo {id} was deleted and is back")),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(id: i64, done: bool) -> Item {
        Item {
            id,
            text: format!("t{id}"),
            done,
        }
    }

    #[test]
    fn confirmed_writes_must_be_there() {
        let mut ledger = Ledger::default();
        for id in 1..=3 {
            ledger.confirmed(item(id, false));
        }
        ledger.confirmed(item(2, true));
        ledger.deleted(3);
        let all = [item(9, false), item(2, true), item(1, false)];
        ledger.check(&all).expect("as confirmed");
        let loss = |list: &[Item]| ledger.check(list).expect_err("a loss");
        assert_eq!(loss(&all[..2]), "todo 1 was confirmed and is gone");
        let unchanged = [item(1, false), item(2, false)];
        assert!(loss(&unchanged).contains("todo 2 was confirmed as"));
        let back = [item(1, false), item(2, true), item(3, false)];
        assert_eq!(loss(&back), "todo 3 was deleted and is back");
    }

    #[test]
    fn what_was_not_confirmed_may_be_either() {
        let mut ledger = Ledger::default();
        ledger.confirmed(item(1, false));
        ledger.confirmed(item(2, false));
        ledger.unconfirmed(1);
        for list in [&[item(1, true), item(2, false)][..], &[item(2, false)]] {
            ledger.check(list).expect("not claimed");
        }
        assert_eq!(ledger.there().map(|item| item.id).collect::<Vec<_>>(), [2]);
    }

    #[test]
    fn of_deletions_the_latest_are_kept() {
        let mut ledger = Ledger::default();
        for id in 0..500 {
            ledger.confirmed(item(id, false));
            ledger.deleted(id);
        }
        ledger.check(&[item(299, false)]).expect("forgotten");
        ledger.check(&[item(300, false)]).expect_err("and back");
    }
}
