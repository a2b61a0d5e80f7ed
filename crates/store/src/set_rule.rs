//! The set rule: which of several files that hold the same rows counts (DATA.md section 3).
//!
//! It holds within one table directory and one `pod=`, never across. Pure: callers bring what
//! the footers say.

use std::collections::{BTreeSet, HashMap};
use ulid::Ulid;

/// How far rows have come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Level {
    /// A spool stream.
    Spool,
    /// One sealed spool.
    Segment,
    /// A merged hour.
    Hour,
}

impl Level {
    /// The name in the footer.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Spool => "spool",
            Self::Segment => "segment",
            Self::Hour => "hour",
        }
    }

    /// The level of that name in a footer; a stream has none.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Segment, Self::Hour]
            .into_iter()
            .find(|level| level.as_str() == name)
    }
}

/// A readable file or stream, as far as the rule needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// The spools whose rows it holds; empty for a file without a list.
    pub spools: BTreeSet<Ulid>,
    /// How far they have come.
    pub level: Level,
    /// Raised when a file is rebuilt.
    pub generation: u64,
    /// Its name, to decide between files that are otherwise equal.
    pub name: String,
}

impl Member {
    /// Whether `other` holds all that `self` holds, and counts in its place.
    pub(crate) fn gives_way_to(&self, other: &Self) -> bool {
        if self.spools.is_empty() || !self.spools.is_subset(&other.spools) {
            return false;
        }
        other.spools.len() > self.spools.len()
            // Level before generation: two files must never give way to each other.
            || (other.level, other.generation, &other.name)
                > (self.level, self.generation, &self.name)
    }
}

/// For each member whether another one supersedes it.
///
/// A file without a list stands for itself: it supersedes nothing and is not superseded.
#[must_use]
pub fn superseded(members: &[Member]) -> Vec<bool> {
    let mut holders: HashMap<Ulid, Vec<&Member>> = HashMap::new();
    for member in members {
        for ulid in &member.spools {
            holders.entry(*ulid).or_default().push(member);
        }
    }
    members
        .iter()
        .map(|member| {
            // Whoever supersedes it holds each of its spools, so also the first.
            member
                .spools
                .first()
                .and_then(|first| holders.get(first))
                .is_some_and(|others| others.iter().any(|other| member.gives_way_to(other)))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn member(spools: &[u64], level: Level, generation: u64) -> Member {
        Member {
            spools: spools.iter().map(|id| Ulid::from_parts(*id, 0)).collect(),
            level,
            generation,
            name: String::new(),
        }
    }

    #[test]
    fn a_strict_superset_supersedes() {
        let members = [
            member(&[1], Level::Hour, 9),
            member(&[1, 2], Level::Segment, 0),
            member(&[3], Level::Segment, 0),
        ];
        assert_eq!(superseded(&members), [true, false, false]);
    }

    #[test]
    fn the_same_set_at_a_higher_level_or_generation_supersedes() {
        let members = [
            member(&[1], Level::Spool, 0),
            member(&[1], Level::Segment, 0),
            member(&[1], Level::Hour, 0),
            member(&[1], Level::Hour, 1),
        ];
        assert_eq!(superseded(&members), [true, true, true, false]);
    }

    #[test]
    fn level_counts_before_generation() {
        let members = [
            member(&[1], Level::Segment, 5),
            member(&[1], Level::Hour, 0),
        ];
        assert_eq!(superseded(&members), [true, false]);
    }

    #[test]
    fn a_file_without_a_list_stands_for_itself() {
        let members = [
            member(&[], Level::Segment, 0),
            member(&[1], Level::Hour, 0),
            member(&[], Level::Hour, 1),
        ];
        assert_eq!(superseded(&members), [false, false, false]);
    }

    #[test]
    fn of_two_equal_files_one_counts() {
        let mut members = [member(&[1], Level::Hour, 0), member(&[1], Level::Hour, 0)];
        members[1].name = "b".into();
        assert_eq!(superseded(&members), [true, false]);
    }

    fn any_member() -> impl Strategy<Value = Member> {
        (
            prop::collection::btree_set(0..6_u64, 0..5),
            0..3_usize,
            0..3_u64,
            "[a-z]{12}",
        )
            .prop_map(|(spools, level, generation, name)| Member {
                spools: spools.iter().map(|id| Ulid::from_parts(*id, 0)).collect(),
                level: [Level::Spool, Level::Segment, Level::Hour][level],
                generation,
                name,
            })
    }

    proptest! {
        /// "neither lost nor doubled": whatever is dropped is held by something that counts.
        #[test]
        fn nothing_that_is_superseded_is_lost(members in prop::collection::vec(any_member(), 0..12)) {
            let gone = superseded(&members);
            for (member, _) in members.iter().zip(&gone).filter(|(_, gone)| **gone) {
                let held = members.iter().zip(&gone).any(|(other, gone)| {
                    !gone && member.spools.is_subset(&other.spools)
                });
                prop_assert!(held);
            }
        }

        /// "sets are nested or disjoint": then what counts holds every spool exactly once.
        #[test]
        fn nested_sets_count_each_spool_once(cuts in prop::collection::vec(1..5_u64, 1..5), merged: u8, levels in prop::collection::vec(0..2_usize, 5)) {
            let (mut members, mut first) = (Vec::new(), 0);
            for (index, size) in cuts.iter().enumerate() {
                let ids: Vec<u64> = (first..first + size).collect();
                for id in &ids {
                    members.push(member(&[*id], [Level::Spool, Level::Segment][levels[index]], 0));
                }
                if merged & (1 << index) != 0 {
                    members.push(member(&ids, Level::Hour, 0));
                }
                first += size;
            }
            if merged & 0x80 != 0 {
                members.push(member(&(0..first).collect::<Vec<_>>(), Level::Hour, 1));
            }
            let gone = superseded(&members);
            for id in 0..first {
                let ulid = Ulid::from_parts(id, 0);
                let count = members.iter().zip(&gone).filter(|(m, gone)| !**gone && m.spools.contains(&ulid)).count();
                prop_assert_eq!(count, 1);
            }
        }

        #[test]
        fn the_order_of_the_listing_does_not_matter(members in prop::collection::vec(any_member(), 0..12)) {
            let forward = superseded(&members);
            let reversed: Vec<_> = members.iter().rev().cloned().collect();
            let mut backward = superseded(&reversed);
            backward.reverse();
            prop_assert_eq!(forward, backward);
        }
    }
}
