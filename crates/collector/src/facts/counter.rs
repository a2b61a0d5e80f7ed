//! Moves of the kernel's OOM counters to kills: one for each OOM.
//!
//! The kernel counts a killed process in `oom_kill`; with `memory.oom.group` it counts the
//! chosen one, then the group in `oom_group_kill`, then the others. A reading may fall anywhere
//! in between, so what comes within two seconds of a group kill belongs to it. A kernel
//! before 5.17 does not count groups: there, kills within two seconds of each other are one.

use super::recent::Scene;

/// The processes of a group are dead within this time.
pub(super) const DYING_MS: i64 = 2_000;

/// What `memory.events` says of OOMs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Counts {
    pub(super) kills: i64,
    /// `None` where the kernel does not count groups.
    pub(super) groups: Option<i64>,
    pub(super) ooms: Option<i64>,
}

/// One OOM.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Kill {
    /// The counter before it.
    pub(super) ordinal: i64,
    /// `None` where it cannot be told apart from others.
    pub(super) processes: Option<i64>,
    pub(super) group: Option<bool>,
    /// The reading before; `None` when there is none.
    pub(super) after_ms: Option<i64>,
    /// The reading that saw it.
    pub(super) seen_ms: i64,
    /// The last reading that added to it.
    pub(super) last_ms: i64,
    /// Whether the cgroup's own limit was hit.
    pub(super) own_limit: Option<bool>,
    /// Processes soon after it.
    pub(super) survivors: Option<i64>,
    pub(super) scene: Scene,
}

/// Where a counter stands, and the kills that it told of.
#[derive(Debug, Clone, Default)]
pub(super) struct OomCounter {
    counts: Option<Counts>,
    at_ms: Option<i64>,
    /// `ooms` at the last kill.
    ooms_at_kill: Option<i64>,
    /// Processes killed since the baseline.
    pub(super) increase: i64,
    pub(super) kills: Vec<Kill>,
}

impl OomCounter {
    /// A counter whose first reading is told against that baseline; `None` for "the first
    /// reading is the baseline".
    pub(super) fn new(baseline: Option<(Counts, Option<i64>)>) -> Self {
        Self {
            counts: baseline.map(|(counts, _)| counts),
            at_ms: baseline.and_then(|(_, at_ms)| at_ms),
            ooms_at_kill: baseline.and_then(|(counts, _)| counts.ooms),
            ..Self::default()
        }
    }

    /// The counter as it was read last.
    pub(super) fn last_kills(&self) -> i64 {
        self.counts.map_or(0, |counts| counts.kills)
    }

    /// Takes a reading; whether it told of anything.
    pub(super) fn read(
        &mut self,
        at_ms: i64,
        counts: Counts,
        scene: impl FnOnce() -> Scene,
    ) -> bool {
        let after_ms = self.at_ms.replace(at_ms);
        let before = self.counts.replace(counts);
        let Some(before) = before.filter(|before| before.kills <= counts.kills) else {
            self.ooms_at_kill = counts.ooms;
            return false;
        };
        let killed = counts.kills - before.kills;
        let groups = counts
            .groups
            .map(|groups| (groups - before.groups.unwrap_or(0)).max(0));
        if killed == 0 && groups.unwrap_or(0) == 0 {
            return false;
        }
        let own_limit = counts
            .ooms
            .map(|ooms| ooms > self.ooms_at_kill.unwrap_or(0));
        self.ooms_at_kill = counts.ooms;
        self.increase += killed;
        self.add(
            killed,
            groups,
            Kill {
                ordinal: before.kills,
                processes: Some(killed),
                group: groups.map(|groups| groups > 0),
                after_ms,
                seen_ms: at_ms,
                last_ms: at_ms,
                own_limit,
                survivors: None,
                scene: scene(),
            },
        );
        true
    }

    fn add(&mut self, killed: i64, groups: Option<i64>, kill: Kill) {
        let dying = self
            .kills
            .last_mut()
            .filter(|last| kill.seen_ms - last.last_ms <= DYING_MS);
        let joins = dying.as_ref().is_some_and(|last| match groups {
            None => true,
            Some(0) => last.group == Some(true),
            Some(1) => last.group == Some(false) || killed == 0,
            Some(_) => false,
        });
        match (dying, groups) {
            (Some(last), _) if joins => {
                last.processes = last.processes.map(|processes| processes + killed);
                last.last_ms = kill.seen_ms;
                last.group = match groups {
                    Some(1) => Some(true),
                    _ => last.group,
                };
            }
            // Each is an OOM of its own.
            (_, Some(0)) => self.kills.extend((0..killed).map(|number| Kill {
                ordinal: kill.ordinal + number,
                processes: Some(1),
                ..kill.clone()
            })),
            // Who died with whom is not known.
            (_, Some(groups @ 2..)) => {
                self.kills
                    .extend((0..groups.min(killed)).map(|number| Kill {
                        ordinal: kill.ordinal + number,
                        processes: None,
                        ..kill.clone()
                    }));
            }
            _ if killed > 0 => self.kills.push(kill),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn counts(kills: i64, groups: i64) -> Counts {
        Counts {
            kills,
            groups: Some(groups),
            ooms: Some(kills),
        }
    }

    fn told(readings: &[(i64, Counts)]) -> Vec<(i64, Option<i64>)> {
        let mut counter = OomCounter::new(Some((counts(0, 0), None)));
        for (at_ms, counts) in readings {
            counter.read(*at_ms, *counts, Scene::default);
        }
        let kills = counter.kills.iter();
        kills.map(|kill| (kill.ordinal, kill.processes)).collect()
    }

    #[test]
    fn each_kill_without_a_group_is_an_oom_of_its_own() {
        let once = told(&[(1000, counts(3, 0))]);
        assert_eq!(once, [(0, Some(1)), (1, Some(1)), (2, Some(1))]);
        assert_eq!(told(&[(1000, counts(1, 0)), (1100, counts(3, 0))]), once);
    }

    #[test]
    fn the_first_reading_is_the_baseline_where_nothing_else_is_known() {
        let mut counter = OomCounter::new(None);
        assert!(!counter.read(0, counts(7, 0), Scene::default));
        assert!(counter.read(1000, counts(8, 0), Scene::default));
        assert_eq!(counter.kills[0].ordinal, 7);
    }

    #[test]
    fn a_counter_that_fell_tells_nothing() {
        let mut counter = OomCounter::new(Some((counts(7, 0), Some(0))));
        assert!(!counter.read(1000, counts(2, 0), Scene::default));
        assert!(counter.read(2000, counts(3, 0), Scene::default));
    }

    /// A kernel before 5.17.
    #[test]
    fn without_a_count_of_groups_what_dies_together_is_one() {
        let old = |kills| Counts {
            kills,
            groups: None,
            ooms: None,
        };
        let readings = [(0, old(2)), (900, old(5)), (9000, old(6))];
        assert_eq!(told(&readings), [(0, Some(5)), (5, Some(1))]);
    }

    #[test]
    fn whose_limit_was_hit_is_told_by_the_count_of_ooms() {
        let mut counter = OomCounter::new(Some((counts(0, 0), None)));
        let hit = |kills, ooms| Counts {
            kills,
            groups: Some(0),
            ooms: Some(ooms),
        };
        // The OOM is counted before the kill.
        counter.read(0, hit(0, 1), Scene::default);
        counter.read(1000, hit(1, 1), Scene::default);
        counter.read(9000, hit(2, 1), Scene::default);
        let own: Vec<_> = counter.kills.iter().map(|kill| kill.own_limit).collect();
        assert_eq!(own, [Some(true), Some(false)]);
    }

    proptest! {
        /// DATA.md section 5: "one fact per instance and OOM (several processes killed by
        /// memory.oom.group are one)", wherever the readings fall.
        #[test]
        fn one_kill_per_oom(
            ooms in prop::collection::vec((prop::bool::ANY, 1..6_i64, 4_000..9_000_i64), 1..6),
            read_at in prop::collection::vec(0..40, 0..40_usize),
        ) {
            let (mut kernel, mut at_ms, mut step) = (counts(0, 0), 0, 0);
            let mut readings = Vec::new();
            let mut expected = Vec::new();
            for (grouped, processes, pause_ms) in ooms {
                at_ms += pause_ms;
                let processes = if grouped { processes } else { 1 };
                expected.push((kernel.kills, Some(processes)));
                for number in 0..processes {
                    kernel.kills += 1;
                    let mut look = |kernel: Counts| {
                        step += 1;
                        at_ms += 10;
                        if read_at.contains(&step) {
                            readings.push((at_ms, kernel));
                        }
                    };
                    look(kernel);
                    if grouped && number == 0 {
                        kernel.groups = kernel.groups.map(|groups| groups + 1);
                        look(kernel);
                    }
                }
                // The tick after it.
                at_ms += 1000;
                readings.push((at_ms, kernel));
            }
            prop_assert_eq!(told(&readings), expected);
        }
    }
}
