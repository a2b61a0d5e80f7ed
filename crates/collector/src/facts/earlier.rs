//! What recorders before this one told and stored: facts go on from there after a restart.

use super::detail::{Ended, OomKill, ThrottlingEnded};
use super::group::PodTrack;
use super::life::{Gone, Life};
use super::once::Once;
use super::told::Told;
use super::{Began, Facts};
use fgm_model::{EventKind, Instance};
use fgm_store::reader::EventRow;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

impl Facts {
    /// Takes up the highest revisions of the last 24 h; first of all, before
    /// [`Self::stored`] and [`Self::found`].
    pub fn reload(&mut self, events: Vec<EventRow>) {
        let mut spells: HashMap<i64, Arc<Instance>> = HashMap::new();
        let mut over: HashSet<(String, i64)> = HashSet::new();
        for event in events {
            let Some(instance) = event.instance else {
                continue;
            };
            let Some(kind) = kind_of(&event.kind) else {
                continue;
            };
            if kind == EventKind::ThrottlingStarted {
                spells.insert(event.time_ms, instance);
                continue;
            }
            if kind == EventKind::ThrottlingEnded {
                if let Ok(detail) = serde_json::from_value::<ThrottlingEnded>(event.detail) {
                    over.insert((instance.life.clone(), detail.started_at_ms));
                }
                continue;
            }
            let time_ms = event.time_ms;
            let told = Told::earlier(
                event.event_id,
                event.revision,
                time_ms,
                event.detail,
                Arc::clone(&instance),
            );
            self.take_up(kind, &instance, time_ms, told);
        }
        for (started_ms, instance) in spells {
            if !over.contains(&(instance.life.clone(), started_ms))
                && let Some(group) = self.groups.get_mut(super::group_of(&instance))
                && let Some(life) = group.life_mut(&instance)
            {
                life.resume_throttling(started_ms, started_ms);
            }
        }
    }

    fn take_up(&mut self, kind: EventKind, instance: &Arc<Instance>, time_ms: i64, told: Told) {
        let ordinal = || {
            let detail = serde_json::from_value::<OomKill>(told.detail.clone());
            detail.ok().map(|detail| detail.oom_kill_before)
        };
        let group = self.group(instance);
        if is_pod(instance) {
            if kind == EventKind::OomKill
                && let Some(ordinal) = ordinal()
            {
                group.pod_log.push((ordinal, Some(told)));
            }
            return;
        }
        if group.life_mut(instance).is_none() {
            group.add(Life::new(instance, time_ms, &Began::Found));
        }
        let Some(life) = group.life_mut(instance) else {
            return;
        };
        life.dirty = false;
        match kind {
            EventKind::Started => {
                life.began_ms = time_ms;
                life.born =
                    told.detail.get("born").and_then(serde_json::Value::as_bool) == Some(true);
                life.log.started = Some(told);
            }
            EventKind::Restarted => life.log.restarted = Some(told),
            EventKind::Ended => {
                let detail = serde_json::from_value::<Ended>(told.detail.clone());
                let Ended { away, how } = detail.unwrap_or_default();
                life.told_end = how;
                life.log.ended = Some(told);
                let gone = Gone {
                    time_ms,
                    away,
                    ended: true,
                };
                life.go(gone, &mut |_| {});
            }
            EventKind::OomKill => {
                if let Some(ordinal) = ordinal() {
                    life.log.kills.push((ordinal, Some(told)));
                    life.told_kills = true;
                }
            }
            _ => {}
        }
        group.lives.sort_by_key(|life| life.began_ms);
    }

    /// The last row that an earlier recorder stored of an instance.
    pub fn stored(&mut self, instance: &Arc<Instance>, began: Began<'_>) {
        let Began::Stored { time_ms, .. } = began else {
            return;
        };
        let group = self.group(instance);
        match group.life_mut(instance) {
            Some(life) if life.gone.is_some() => {}
            Some(life) => life.go_on(&began),
            None => group.add(Life::new(instance, time_ms, &began)),
        }
    }

    /// The last row that an earlier recorder stored of a pod.
    pub fn pod_stored(&mut self, instance: &Arc<Instance>, began: Began<'_>) {
        let group = self.group(instance);
        let log = std::mem::take(&mut group.pod_log);
        let mut pod = PodTrack::new(instance, &began, log);
        pod.gone = true;
        group.pod = Some(pod);
    }

    /// All that runs was found: what was stored and is not there has ended meanwhile.
    pub fn all_found(&mut self) {
        let (once, news) = (&mut self.once, &mut self.news);
        for group in self.groups.values_mut() {
            for life in &mut group.lives {
                if life.confirmed || life.gone.is_some() {
                    continue;
                }
                let gone = Gone {
                    time_ms: life.read_ms.unwrap_or(life.began_ms),
                    away: true,
                    ended: true,
                };
                life.go(gone, &mut |told| news.push(told));
                once.extend(
                    news.drain(..)
                        .map(|told| Once::new(life, gone.time_ms, told)),
                );
                life.dirty = true;
                group.dirty = true;
            }
        }
    }
}

fn kind_of(name: &str) -> Option<EventKind> {
    EventKind::ALL
        .iter()
        .copied()
        .find(|kind| kind.as_str() == name)
}

/// A pod's own cgroup has neither a runtime's ID nor a name.
fn is_pod(instance: &Instance) -> bool {
    instance.pod_uid.is_some()
        && instance.container_name.is_none()
        && instance.container_id.starts_with(&instance.life)
}
