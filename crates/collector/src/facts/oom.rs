//! A kill and all that others say of it, as one fact: `oom_kill`.
//!
//! Everything is made anew from what is known, so it does not matter in which order that came.

use super::counter::Kill;
use super::detail::{OomKill, Scope, Source, Victim};
use super::group::{Group, Moves, PodTrack, kills_of};
use super::life::{Life, SURVIVING_MS, termination_of};
use super::told::{Known, Told};
use crate::events::EventMaker;
use crate::identity::ContainerStatusFact;
use crate::kmsg::OomRecord;
use fgm_model::{Event, EventKind, Instance};
use std::sync::Arc;

/// Clocks and whole seconds: so much may the times of two sources differ.
const SLACK_MS: i64 = 1_500;

/// A main process ends within this time of the kill that ends it.
const ENDING_MS: i64 = 10_000;

/// How the kill became known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum MadeBy {
    Container,
    Pod,
    Status,
}

/// Tells what is new of all kills of the group.
pub(super) fn tell(
    group: &mut Group,
    node: &Moves,
    now_ms: i64,
    maker: &EventMaker,
    events: &mut Vec<Event>,
) {
    let Group { lives, pod, .. } = group;
    for life in lives.iter_mut() {
        if life.held || !(life.dirty || life.has_fresh_kills(now_ms)) {
            continue;
        }
        let mut kills: Vec<_> = kills_of(life)
            .into_iter()
            .map(|(kill, own)| (kill, if own { MadeBy::Container } else { MadeBy::Pod }))
            .collect();
        if kills.is_empty() && !life.told_kills {
            kills.extend(by_status(life, pod.as_ref()).map(|kill| (kill, MadeBy::Status)));
        }
        let mut records: Vec<&OomRecord> = life.records.iter().collect();
        records.sort_unstable_by_key(|record| record.sequence);
        let last = kills.len().saturating_sub(1);
        let mut facts = Vec::new();
        for (place, (kill, made)) in kills.iter().enumerate() {
            let record = take_record(&mut records, window(kill));
            let status = life
                .status
                .as_ref()
                .filter(|status| place == last && belongs(status, kill));
            facts.push(
                Fact {
                    kill,
                    made: *made,
                    record,
                    status,
                    gone_ms: life.gone.map(|gone| gone.time_ms),
                    pod: pod.as_ref(),
                    node,
                    cgroup_path: &life.instance.cgroup_path,
                }
                .known(),
            );
        }
        add_to_earlier(life, &mut records, &mut facts);
        for (ordinal, time_ms, detail) in &facts {
            let told = slot(&mut life.log.kills, *ordinal);
            oom_kill(&life.instance, *ordinal, *time_ms, detail).tell(told, maker, events);
        }
    }
    if let Some(pod) = pod {
        let facts: Vec<_> = pod
            .kills
            .iter()
            .map(|kill| Fact {
                kill,
                made: MadeBy::Pod,
                record: None,
                status: None,
                gone_ms: None,
                pod: Some(pod),
                node,
                cgroup_path: &pod.instance.cgroup_path,
            })
            .map(Fact::known)
            .collect();
        for (ordinal, time_ms, detail) in &facts {
            let told = slot(&mut pod.log, *ordinal);
            oom_kill(&pod.instance, *ordinal, *time_ms, detail).tell(told, maker, events);
        }
    }
}

fn oom_kill<'a>(
    instance: &'a Arc<Instance>,
    ordinal: i64,
    time_ms: i64,
    detail: &'a OomKill,
) -> Known<'a, OomKill> {
    Known {
        kind: EventKind::OomKill,
        instance,
        ordinal,
        time_ms,
        detail,
    }
}

fn slot(log: &mut Vec<(i64, Option<Told>)>, ordinal: i64) -> &mut Option<Told> {
    let place = log.iter().position(|(known, _)| *known == ordinal);
    let place = place.unwrap_or_else(|| {
        log.push((ordinal, None));
        log.len() - 1
    });
    &mut log[place].1
}

/// The kill of a container whose counters nobody saw: its status alone tells of it.
fn by_status(life: &Life, pod: Option<&PodTrack>) -> Option<Kill> {
    let status = life.status.as_ref()?;
    let gone = life.gone?;
    if status.reason.as_deref() != Some("OOMKilled") || life.emptied {
        return None;
    }
    let finished_ms = status.finished_at_ms.unwrap_or(status.observed_at_ms);
    // Before we knew it, it may have been told by another recorder, or long ago.
    let after_ms = life.read_ms.unwrap_or(life.began_ms);
    if finished_ms < after_ms - SLACK_MS {
        return None;
    }
    // The pod's counter would have told, or will.
    if pod.is_some_and(|pod| !pod.gone || pod.moves.read_ms >= Some(finished_ms + SLACK_MS)) {
        return None;
    }
    let seen_ms = if gone.away {
        finished_ms
    } else {
        finished_ms.min(gone.time_ms)
    };
    let seen_ms = seen_ms.max(after_ms);
    Some(Kill {
        ordinal: life.counter.last_kills(),
        processes: None,
        group: None,
        after_ms: Some(after_ms),
        seen_ms,
        last_ms: seen_ms,
        own_limit: None,
        survivors: Some(0),
        scene: life.recent.scene(None),
    })
}

/// When the kernel may have logged it.
fn window(kill: &Kill) -> (i64, i64) {
    let after_ms = kill.after_ms.unwrap_or(kill.seen_ms);
    (after_ms - SLACK_MS, kill.last_ms + SLACK_MS)
}

fn take_record<'a>(
    records: &mut Vec<&'a OomRecord>,
    (from_ms, to_ms): (i64, i64),
) -> Option<&'a OomRecord> {
    let place = records
        .iter()
        .position(|record| (from_ms..=to_ms).contains(&record.at_ms))?;
    Some(records.remove(place))
}

/// Whether the main process ended by that kill.
fn belongs(status: &ContainerStatusFact, kill: &Kill) -> bool {
    status.finished_at_ms.is_none_or(|finished_ms| {
        let after_ms = kill.after_ms.unwrap_or(kill.seen_ms);
        finished_ms >= after_ms - SLACK_MS && finished_ms <= kill.last_ms + ENDING_MS
    })
}

/// What came late of kills that an earlier recorder told of.
fn add_to_earlier(
    life: &Life,
    records: &mut Vec<&OomRecord>,
    facts: &mut Vec<(i64, i64, OomKill)>,
) {
    let mut earlier: Vec<_> = life
        .log
        .kills
        .iter()
        .filter(|(ordinal, _)| facts.iter().all(|(known, ..)| known != ordinal))
        .filter_map(|(ordinal, told)| Some((*ordinal, told.as_ref()?)))
        .collect();
    earlier.sort_unstable_by_key(|(ordinal, _)| *ordinal);
    let is_last = facts.is_empty();
    let count = earlier.len();
    for (place, (ordinal, told)) in earlier.into_iter().enumerate() {
        let Ok(mut detail) = serde_json::from_value::<OomKill>(told.detail.clone()) else {
            continue;
        };
        let around = (told.time_ms - 2 * SLACK_MS, told.time_ms + SLACK_MS);
        if detail.victim.is_none()
            && let Some(record) = take_record(records, around)
        {
            add_record(&mut detail, record);
        }
        if let Some(status) = &life.status
            && is_last
            && place + 1 == count
            && status.finished_at_ms.is_none_or(|finished_ms| {
                (told.time_ms - SLACK_MS..=told.time_ms + ENDING_MS).contains(&finished_ms)
            })
        {
            add_status(&mut detail, status);
        }
        facts.push((ordinal, told.time_ms, detail));
    }
}

fn add_source(detail: &mut OomKill, source: Source) {
    if !detail.sources.contains(&source) {
        detail.sources.push(source);
        detail.sources.sort_unstable();
    }
}

fn add_status(detail: &mut OomKill, status: &ContainerStatusFact) {
    detail.how = termination_of(status);
    add_source(detail, Source::Status);
}

fn add_record(detail: &mut OomKill, record: &OomRecord) {
    let victim = &record.victim;
    detail.victim = Some(Victim {
        pid: victim.pid,
        name: victim.name.clone(),
        uid: victim.uid,
        anon_rss_bytes: victim.anon_rss_bytes,
        file_rss_bytes: victim.file_rss_bytes,
        shmem_rss_bytes: victim.shmem_rss_bytes,
    });
    detail.oom_cgroup.clone_from(&record.oom_cgroup);
    // Who was killed before its limits were read had one all the same.
    detail.limit_bytes = detail.limit_bytes.or(record.limit_bytes);
    // The kernel's counter may count the chosen process of a group twice
    // (mm/oom_kill.c kills it again with the group); its log names each.
    if record.group_kill || detail.processes_killed.is_none() {
        detail.processes_killed = Some(record.processes_killed);
    }
    detail.group_kill = detail.group_kill.or(Some(record.group_kill));
    add_source(detail, Source::Kernel);
}

/// One kill with everything that is known of it.
struct Fact<'a> {
    kill: &'a Kill,
    made: MadeBy,
    record: Option<&'a OomRecord>,
    status: Option<&'a ContainerStatusFact>,
    gone_ms: Option<i64>,
    pod: Option<&'a PodTrack>,
    node: &'a Moves,
    cgroup_path: &'a str,
}

impl Fact<'_> {
    /// Its ordinal, its time and its detail.
    fn known(self) -> (i64, i64, OomKill) {
        let kill = self.kill;
        let scope = self.scope();
        let node_kills: i64 = self.node.around(kill).map(|step| step.kills).sum();
        let mut detail = OomKill {
            oom_kill_before: kill.ordinal,
            scope,
            limit_bytes: match scope {
                Some(Scope::Container) => kill.scene.memory_max_bytes,
                Some(Scope::Pod) => self.pod.and_then(|pod| pod.memory_max),
                Some(Scope::Node) | None => None,
            },
            processes_killed: kill.processes,
            group_kill: kill.group,
            survivors: if self
                .gone_ms
                .is_some_and(|gone_ms| gone_ms - kill.seen_ms <= SURVIVING_MS)
            {
                Some(0)
            } else {
                kill.survivors
            },
            working_set_bytes: kill.scene.working_set_bytes,
            memory_peak_bytes: kill.scene.memory_peak_bytes,
            allocation_bytes_per_s: kill.scene.allocation_bytes_per_s,
            memory_psi_some_percent: kill.scene.psi_some_percent,
            memory_psi_full_percent: kill.scene.psi_full_percent,
            node_processes_killed: (node_kills > 0).then_some(node_kills),
            ..OomKill::default()
        };
        if self.made == MadeBy::Container {
            add_source(&mut detail, Source::Container);
        }
        if self.made == MadeBy::Pod || self.pod_moves().is_some() {
            add_source(&mut detail, Source::Pod);
        }
        if node_kills > 0 {
            add_source(&mut detail, Source::Node);
        }
        if let Some(record) = self.record {
            add_record(&mut detail, record);
        }
        if let Some(status) = self.status {
            add_status(&mut detail, status);
        }
        (kill.ordinal, self.time_ms(), detail)
    }

    /// The kernel knows it best. Where readings are far apart, the end of the main process does.
    fn time_ms(&self) -> i64 {
        let (kill, after_ms) = (self.kill, self.kill.after_ms.unwrap_or(i64::MIN));
        if let Some(record) = self.record {
            return record.at_ms;
        }
        let finished_ms = self.status.and_then(|status| status.finished_at_ms);
        match finished_ms {
            Some(finished_ms)
                if kill.seen_ms.saturating_sub(after_ms) > SURVIVING_MS
                    && (after_ms..=kill.seen_ms).contains(&finished_ms) =>
            {
                finished_ms
            }
            _ => kill.seen_ms,
        }
    }

    /// What the pod's counters did meanwhile: processes killed and OOMs.
    fn pod_moves(&self) -> Option<(i64, i64)> {
        let moves: Vec<_> = self.pod?.moves.around(self.kill).collect();
        let sum = |of: fn(&super::group::Move) -> i64| moves.iter().map(|step| of(step)).sum();
        let kills: i64 = sum(|step| step.kills);
        (kills > 0).then(|| (kills, sum(|step| step.ooms)))
    }

    fn scope(&self) -> Option<Scope> {
        if let Some(record) = self.record {
            return Some(match &record.oom_cgroup {
                None => Scope::Node,
                Some(oom) if is_or_ends_with(oom, self.cgroup_path) => Scope::Container,
                Some(oom) if oom.starts_with(record.task_cgroup.as_str()) => Scope::Container,
                Some(oom)
                    if self
                        .pod
                        .is_some_and(|pod| is_or_ends_with(oom, &pod.instance.cgroup_path)) =>
                {
                    Scope::Pod
                }
                Some(_) => Scope::Node,
            });
        }
        let in_pod = self.pod_moves().map(|(_, ooms)| ooms > 0);
        match (self.kill.own_limit, in_pod) {
            (Some(true), _) => Some(Scope::Container),
            (Some(false), Some(true)) => Some(Scope::Pod),
            (_, Some(false)) => Some(Scope::Node),
            (Some(false), None) => self.pod.is_none().then_some(Scope::Node),
            // The container's own counters were not read. Its limit is hit before its pod's.
            (None, Some(true)) if self.kill.scene.memory_max_bytes.is_some() => {
                Some(Scope::Container)
            }
            (None, Some(true)) => self
                .pod
                .is_some_and(|pod| pod.memory_max.is_some())
                .then_some(Scope::Pod),
            (None, None) => None,
        }
    }
}

/// The same cgroup; the kernel names it from its own root, which may be above our mount's.
fn is_or_ends_with(kernel_path: &str, cgroup_path: &str) -> bool {
    kernel_path.ends_with(cgroup_path)
}
