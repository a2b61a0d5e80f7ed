use super::*;
use proptest::prelude::*;
use std::collections::BTreeSet;
use ulid::Ulid;

fn item(name: &str, spools: &[u64], level: Level, generation: u64) -> Item {
    Item {
        name: name.to_owned(),
        bytes: 1,
        member: Some(Member {
            spools: spools.iter().map(|id| Ulid::from_parts(*id, 0)).collect(),
            level,
            generation,
            name: name.to_owned(),
        }),
    }
}

fn hour(name: &str, spools: &[u64]) -> Item {
    item(name, spools, Level::Hour, 0)
}

/// "an upload is skipped when the remote hour's prefix already holds a list that covers it".
#[test]
fn what_is_covered_is_not_uploaded() {
    let local = [hour("b", &[1, 2])];
    assert_eq!(uploads(&local, &[]), [0]);
    assert_eq!(uploads(&local, &[hour("a", &[1])]), [0]);
    assert!(uploads(&local, &[hour("b", &[1, 2])]).is_empty());
    assert!(uploads(&local, &[hour("a", &[1, 2, 3])]).is_empty());
    // Rebuilt since: the same rows, with more in them.
    let rebuilt = [item("c", &[1, 2], Level::Hour, 1)];
    assert_eq!(uploads(&rebuilt, &local), [0]);
    assert!(uploads(&local, &rebuilt).is_empty());
}

/// "remote objects of that (table, pod, hour) with a subset list are deleted".
#[test]
fn a_late_spool_leaves_no_doubles() {
    let remotes = [hour("a", &[1]), hour("b", &[1, 2]), hour("c", &[3])];
    assert_eq!(removals(&remotes), [0]);
}

#[test]
fn a_segment_waits_for_its_hour() {
    let local = [
        item("s", &[1], Level::Segment, 0),
        hour("h", &[2]),
        item("t", &[2], Level::Segment, 0),
    ];
    assert_eq!(uploads(&local, &[]), [1]);
    assert_eq!(held(&local, &[hour("h", &[2])]), [false, true, true]);
}

/// An upload that was cut off is replaced; what others put there is left alone.
#[test]
fn what_cannot_be_read_covers_nothing_and_is_not_removed() {
    let broken = Item {
        name: "a".to_owned(),
        bytes: 1,
        member: None,
    };
    let local = [hour("a", &[1])];
    let remote = [broken, hour("z", &[7])];
    assert_eq!(uploads(&local, &remote), [0]);
    assert!(removals(&remote).is_empty());
}

#[test]
fn a_file_of_another_origin_is_known_by_its_name() {
    let foreign = item("f", &[], Level::Segment, 0);
    let local = [foreign.clone()];
    assert_eq!(uploads(&local, &[]), [0]);
    assert!(uploads(&local, &[foreign]).is_empty());
}

fn rows(items: &[Item]) -> Vec<Ulid> {
    let mut rows: Vec<_> = items
        .iter()
        .flat_map(|item| item.member.iter().flat_map(|member| member.spools.clone()))
        .collect();
    rows.sort();
    rows
}

/// What one data directory's archive goes through, each step possibly the last before a kill.
#[derive(Debug, Clone)]
enum Step {
    /// A late spool is merged into the hour.
    Merge,
    /// The hour is rebuilt with names that arrived late.
    Rebuild,
    /// The hour goes up; before its removals comes a kill, or not.
    Archive { killed: bool },
}

proptest! {
    /// After every pass that was not cut off the archive holds each row of the data directory
    /// once; at no moment does it lose one.
    #[test]
    fn archiving_never_loses_and_never_leaves_doubles(
        steps in prop::collection::vec(
            prop_oneof![
                Just(Step::Merge),
                Just(Step::Rebuild),
                any::<bool>().prop_map(|killed| Step::Archive { killed }),
            ],
            1..30,
        ),
    ) {
        let mut local = hour("000", &[0]);
        let mut remotes: Vec<Item> = Vec::new();
        let mut ever: BTreeSet<Ulid> = BTreeSet::new();
        for (number, step) in (1_u64..).zip(steps) {
            let name = format!("{number:03}");
            match step {
                Step::Merge => {
                    let member = local.member.as_mut().unwrap();
                    member.spools.insert(Ulid::from_parts(number, 0));
                    member.generation = 0;
                    member.name.clone_from(&name);
                    local.name = name;
                }
                Step::Rebuild => {
                    let member = local.member.as_mut().unwrap();
                    member.generation += 1;
                    member.name.clone_from(&name);
                    local.name = name;
                }
                Step::Archive { killed } => {
                    let locals = [local.clone()];
                    for index in uploads(&locals, &remotes) {
                        remotes.push(locals[index].clone());
                    }
                    prop_assert_eq!(held(&locals, &remotes), [true]);
                    if !killed {
                        for index in removals(&remotes).into_iter().rev() {
                            remotes.remove(index);
                        }
                        prop_assert_eq!(rows(&remotes), rows(&locals));
                        prop_assert!(remotes.iter().any(|remote| remote.member == local.member));
                    }
                    ever.extend(rows(&locals));
                }
            }
            let there: BTreeSet<_> = rows(&remotes).into_iter().collect();
            prop_assert_eq!(&there, &ever);
        }
    }
}
