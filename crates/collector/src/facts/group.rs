//! Instances that belong together: those of a pod with the pod's own counter, or the lives of a
//! container outside one.
//!
//! A container's cgroup may vanish before its counter was read. Its pod's counter counts the
//! same kills and stays: what it tells beyond the counters that were read happened in a
//! container that vanished.

use super::counter::{Counts, Kill, OomCounter};
use super::detail::Termination;
use super::life::{Life, counts_of};
use super::recent::Scene;
use super::{Began, told::Told};
use crate::kmsg::OomRecord;
use fgm_model::{Instance, Metric, Values};
use std::collections::VecDeque;
use std::sync::Arc;

/// After this time it does not become clearer which container it was.
const UNCLEAR_MS: i64 = 10_000;

/// So much may the clock of the kernel's log differ.
const CLOCKS_MS: i64 = 1_500;

/// Moves that are remembered.
const MOST_MOVES: usize = 64;

/// A counter that moved between two readings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Move {
    pub(super) after_ms: i64,
    pub(super) seen_ms: i64,
    pub(super) kills: i64,
    pub(super) ooms: i64,
    pub(super) groups: Option<i64>,
}

/// The moves of a counter that is not a container's own.
#[derive(Debug, Default)]
pub(super) struct Moves {
    counts: Option<Counts>,
    pub(super) read_ms: Option<i64>,
    list: VecDeque<Move>,
    /// Processes killed since the baseline.
    pub(super) increase: i64,
}

impl Moves {
    pub(super) fn from(counts: Option<Counts>, read_ms: Option<i64>) -> Self {
        Self {
            counts,
            read_ms,
            ..Self::default()
        }
    }

    /// Takes a reading; the move that it told of.
    pub(super) fn read(&mut self, at_ms: i64, counts: Counts) -> Option<Move> {
        let after_ms = self.read_ms.replace(at_ms);
        let before = self.counts.replace(counts)?;
        let increase = |now: Option<i64>, before: Option<i64>| {
            now.map(|now| (now - before.unwrap_or(0)).max(0))
        };
        let step = Move {
            after_ms: after_ms.unwrap_or(at_ms),
            seen_ms: at_ms,
            kills: (counts.kills - before.kills).max(0),
            ooms: increase(counts.ooms, before.ooms).unwrap_or(0),
            groups: increase(counts.groups, before.groups),
        };
        if step.kills == 0 && step.ooms == 0 && step.groups.unwrap_or(0) == 0 {
            return None;
        }
        self.increase += step.kills;
        if self.list.len() == MOST_MOVES {
            self.list.pop_front();
        }
        self.list.push_back(step);
        Some(step)
    }

    /// The moves that may be of that kill.
    pub(super) fn around(&self, kill: &Kill) -> impl Iterator<Item = &Move> {
        let after_ms = kill.after_ms.unwrap_or(kill.seen_ms - 1);
        let last_ms = kill.last_ms;
        self.list
            .iter()
            .filter(move |step| step.seen_ms > after_ms && step.after_ms < last_ms)
    }
}

/// A pod's cgroup.
#[derive(Debug)]
pub(super) struct PodTrack {
    pub(super) instance: Arc<Instance>,
    pub(super) moves: Moves,
    pub(super) memory_max: Option<i64>,
    /// Processes killed that the containers told of before the counter was read first.
    explained_before: i64,
    /// What is not explained yet: since which reading, and up to which.
    unclear: Option<(i64, i64)>,
    unclear_groups: Option<i64>,
    /// Kills of which it never became clear which container it was.
    pub(super) kills: Vec<Kill>,
    pub(super) log: Vec<(i64, Option<Told>)>,
    pub(super) gone: bool,
}

impl PodTrack {
    /// A pod, and what was told of it earlier.
    pub(super) fn new(
        instance: &Arc<Instance>,
        began: &Began<'_>,
        log: Vec<(i64, Option<Told>)>,
    ) -> Self {
        let born = Counts {
            kills: 0,
            groups: Some(0),
            ooms: Some(0),
        };
        let moves = match began {
            Began::Born => Moves::from(Some(born), None),
            Began::Found => Moves::default(),
            Began::Stored {
                time_ms, values, ..
            } => Moves::from(counts_of(values), Some(*time_ms)),
        };
        Self {
            instance: Arc::clone(instance),
            moves,
            memory_max: None,
            explained_before: 0,
            unclear: None,
            unclear_groups: None,
            kills: Vec::new(),
            log,
            gone: false,
        }
    }

    /// It was found by this recorder.
    pub(super) const fn confirm(&mut self) {
        self.gone = false;
    }

    /// Takes a reading; whether its counter moved. `explained`: processes killed that its
    /// containers told of until now.
    fn read(&mut self, at_ms: i64, values: &Values, explained: i64) -> bool {
        self.memory_max = values.get(Metric::MemoryMax).or(self.memory_max);
        let Some(counts) = counts_of(values) else {
            return false;
        };
        if self.moves.counts.is_none() {
            self.explained_before = explained;
        }
        let Some(step) = self.moves.read(at_ms, counts) else {
            return false;
        };
        let since_ms = self.unclear.map_or(step.after_ms, |(since_ms, _)| since_ms);
        self.unclear = Some((since_ms, step.seen_ms));
        self.unclear_groups = match (self.unclear_groups, step.groups) {
            (Some(before), Some(now)) => Some(before + now),
            (before, now) => now.or(before),
        };
        true
    }
}

/// What belongs together.
#[derive(Debug, Default)]
pub(super) struct Group {
    /// In the order of their beginnings.
    pub(super) lives: Vec<Life>,
    pub(super) pod: Option<PodTrack>,
    /// What earlier recorders told of the pod, until it is found.
    pub(super) pod_log: Vec<(i64, Option<Told>)>,
    /// Something is new: facts are to be told.
    pub(super) dirty: bool,
}

impl Group {
    pub(super) fn life_mut(&mut self, instance: &Instance) -> Option<&mut Life> {
        // The living are the last.
        self.lives.iter_mut().rev().find(|life| life.is(instance))
    }

    pub(super) fn has_container(&self, container_id: &str) -> bool {
        let mut lives = self.lives.iter();
        lives.any(|life| life.instance.container_id == container_id)
    }

    pub(super) fn has_fresh_kills(&self, now_ms: i64) -> bool {
        self.lives.iter().any(|life| life.has_fresh_kills(now_ms))
    }

    pub(super) fn is_unclear(&self) -> bool {
        self.pod.as_ref().is_some_and(|pod| pod.unclear.is_some())
    }

    /// The life that the kernel's record is about, and how well it fits: the latest that had
    /// begun by then.
    pub(super) fn life_of(&self, record: &OomRecord) -> Option<(i64, usize)> {
        let lives = self.lives.iter().enumerate();
        lives
            .filter(|(_, life)| life.is_named_by(record))
            .map(|(place, life)| {
                let began = life.began_ms <= record.at_ms + CLOCKS_MS;
                (if began { life.began_ms } else { i64::MIN }, place)
            })
            .max()
    }

    /// The pod's cgroup is there. Where kubelet and runtime do not agree on a driver each makes
    /// one for it: the one that holds the containers counts.
    pub(super) fn found_pod(&mut self, instance: &Arc<Instance>, began: &Began<'_>) {
        match &mut self.pod {
            Some(pod) if pod.instance.life == instance.life => pod.confirm(),
            Some(pod) if !pod.gone && !is_home(instance, &self.lives) => {}
            pod => {
                let log = std::mem::take(&mut self.pod_log);
                *pod = Some(PodTrack::new(instance, began, log));
            }
        }
    }

    /// Takes a reading of the pod's cgroup.
    pub(super) fn read_pod(&mut self, instance: &Arc<Instance>, at_ms: i64, values: &Values) {
        if let Some(pod) = &self.pod
            && pod.instance.life != instance.life
        {
            if is_home(&pod.instance, &self.lives) || !is_home(instance, &self.lives) {
                return;
            }
            self.found_pod(instance, &Began::Found);
        }
        let explained = self.explained();
        if let Some(pod) = &mut self.pod
            && pod.read(at_ms, values, explained)
        {
            self.dirty = true;
        }
    }

    /// Processes killed that are known to be of one of the containers.
    fn explained(&self) -> i64 {
        let of = |life: &Life| life.counter.increase + processes(&life.unread);
        self.lives.iter().map(of).sum()
    }

    pub(super) fn add(&mut self, life: Life) {
        let place = self
            .lives
            .partition_point(|other| other.began_ms <= life.began_ms);
        self.lives.insert(place, life);
    }

    /// Finds out whose kills the pod's counter told of beyond those that were read.
    pub(super) fn clear_up(&mut self, now_ms: i64) {
        let explained = self.explained();
        let Some(pod) = &mut self.pod else { return };
        let Some((since_ms, until_ms)) = pod.unclear else {
            return;
        };
        let explained = explained - pod.explained_before;
        let unexplained = pod.moves.increase - explained - processes(&pod.kills);
        if unexplained <= 0 {
            pod.unclear = None;
            pod.unclear_groups = None;
            return;
        }
        let overdue = now_ms - until_ms >= UNCLEAR_MS;
        let unread = self
            .lives
            .iter()
            .any(|life| life.gone.is_none() && life.read_ms < Some(until_ms));
        if unread && !overdue {
            // One of the living may explain it at its next reading.
            return;
        }
        let mut vanished: Vec<&mut Life> = self
            .lives
            .iter_mut()
            .filter(|life| may_have_died_unread(life, since_ms, until_ms))
            .collect();
        let room = usize::try_from(unexplained).unwrap_or(usize::MAX);
        if vanished.len() > room {
            // Others tell which: they do not make a fact, but name whose it is.
            vanished.retain(|life| is_told_by_others(life));
            if vanished.is_empty() || vanished.len() > room {
                if overdue {
                    pod.give_to_pod(unexplained);
                }
                return;
            }
        }
        if vanished.is_empty() {
            if overdue {
                pod.give_to_pod(unexplained);
            }
            return;
        }
        let groups = pod.unclear_groups;
        share(&mut vanished, unexplained, groups, (since_ms, until_ms));
        self.clear_up(now_ms);
    }
}

impl PodTrack {
    /// Which container it was will not become clear any more: it is told of the pod itself.
    fn give_to_pod(&mut self, unexplained: i64) {
        let Some((since_ms, until_ms)) = self.unclear.take() else {
            return;
        };
        let groups = self.unclear_groups.take();
        let ordinal = self.moves.counts.map_or(0, |counts| counts.kills) - unexplained;
        self.kills.push(Kill {
            ordinal,
            processes: Some(unexplained),
            group: groups.map(|groups| groups > 0),
            after_ms: Some(since_ms),
            seen_ms: until_ms,
            last_ms: until_ms,
            own_limit: None,
            survivors: None,
            scene: Scene::default(),
        });
    }
}

/// Whether one of them lives, or lived, in that pod's cgroup.
fn is_home(pod: &Instance, lives: &[Life]) -> bool {
    lives.iter().any(|life| {
        let below = life.instance.cgroup_path.strip_prefix(&pod.cgroup_path);
        below.is_some_and(|rest| rest.starts_with('/'))
    })
}

fn processes(kills: &[Kill]) -> i64 {
    // What is not known was shared out as one each.
    kills.iter().map(|kill| kill.processes.unwrap_or(1)).sum()
}

/// Gone in that time, without a reading that it had no process left.
fn may_have_died_unread(life: &Life, since_ms: i64, until_ms: i64) -> bool {
    let Some(gone) = life.gone else { return false };
    !life.held
        && life.unread.is_empty()
        && !life.emptied
        && (gone.away || gone.time_ms >= since_ms)
        && life.read_ms.is_none_or(|read_ms| read_ms < until_ms)
}

/// Whether the kernel's log or the pod's status tell of more kills than its own counter.
fn is_told_by_others(life: &Life) -> bool {
    let killed = |how: &Termination| how.reason.as_deref() == Some("OOMKilled");
    let counted = usize::try_from(life.counter.increase).unwrap_or(0);
    life.records.len() > counted || (counted == 0 && killed(&life.termination()))
}

/// Gives the kills to those that vanished.
fn share(
    vanished: &mut [&mut Life],
    unexplained: i64,
    groups: Option<i64>,
    (since_ms, until_ms): (i64, i64),
) {
    let alone = vanished.len() == 1;
    for life in vanished {
        let gone_ms = match life.gone {
            Some(gone) if !gone.away => gone.time_ms,
            _ => until_ms,
        };
        let after_ms = life.read_ms.unwrap_or(since_ms).max(life.began_ms);
        let in_a_group = groups.is_none_or(|groups| groups > 0);
        let kill = Kill {
            ordinal: life.counter.last_kills(),
            processes: Some(1),
            group: groups.map(|groups| groups > 0),
            after_ms: Some(after_ms),
            seen_ms: until_ms.min(gone_ms.max(after_ms)),
            last_ms: until_ms,
            own_limit: None,
            survivors: Some(0),
            scene: life.recent.scene(None),
        };
        match (alone, in_a_group) {
            (true, true) => life.unread.push(Kill {
                processes: Some(unexplained),
                ..kill
            }),
            (true, false) => life.unread.extend((0..unexplained).map(|number| Kill {
                ordinal: kill.ordinal + number,
                ..kill.clone()
            })),
            (false, _) => life.unread.push(Kill {
                processes: (!in_a_group).then_some(1),
                ..kill
            }),
        }
    }
}

/// The kills of a life that its own counter and its pod's told of, each once.
pub(super) fn kills_of(life: &Life) -> Vec<(Kill, bool)> {
    let OomCounter { kills: read, .. } = &life.counter;
    let mut kills: Vec<_> = read.iter().map(|kill| (kill.clone(), true)).collect();
    for unread in &life.unread {
        let joined = kills.last_mut().filter(|(kill, own)| {
            *own && unread.ordinal > kill.ordinal
                && kill.group == Some(true)
                && unread.seen_ms - kill.last_ms <= super::counter::DYING_MS
        });
        if let Some((kill, _)) = joined {
            // The group was still dying when its cgroup was read last.
            kill.processes = kill.processes.zip(unread.processes).map(|(a, b)| a + b);
            kill.survivors = Some(0);
        } else if kills.iter().all(|(kill, _)| kill.ordinal != unread.ordinal) {
            kills.push((unread.clone(), false));
        }
    }
    kills
}
