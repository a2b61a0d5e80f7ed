//! What happened to the containers: a pure state machine from readings to events (DATA.md
//! section 5).
//!
//! One fact has many sources, which come in any order, late or never. What is known of an
//! instance is kept here; from it the fact is made anew whenever something is new, and told as
//! a higher revision if it says more than before. Nothing is held back: what is known is told
//! with the next tick.
//!
//! - `life`: one instance; `counter` tells its kills apart, `recent` keeps its last seconds.
//! - `group`: the instances of a pod with the pod's counter; `oom` makes the fact of a kill.
//! - `beginnings`: beginnings, restarts and ends.
//! - `told`: revisions; `earlier`: what recorders before this one told.
//! - [`detail`]: the shapes of the details.
//!
//! There is no clock and no I/O in here: times come with what is told.

mod beginnings;
mod counter;
pub mod detail;
mod earlier;
mod group;
mod life;
mod once;
mod oom;
mod recent;
mod told;

use crate::events::EventMaker;
use crate::identity::ContainerStatusFact;
use crate::kmsg::OomRecord;
use fgm_model::{Event, Instance, Metric, Values};
use group::{Group, Moves};
use life::{Gone, Life, News};
use once::Once;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

/// An instance is remembered for so long after its end: a status may come late.
const REMEMBERED_MS: i64 = 24 * 3600 * 1000;
/// Ended instances that are remembered.
const MOST_ENDED: usize = 2048;
/// Kills of this age still gain something from what is read.
const FRESH_MS: i64 = 15_000;
/// Records of the kernel about cgroups that are not known (yet).
const MOST_STRAY: usize = 64;
const PRUNED_EVERY_MS: i64 = 60_000;

/// How an instance, or a pod, became known: where its counters are counted from.
#[derive(Debug, Clone, Copy)]
pub enum Began<'a> {
    /// Its birth was seen: from zero.
    Born,
    /// It was there already: from the first reading.
    Found,
    /// An earlier recorder stored its last row: from there.
    Stored {
        /// The row's time.
        time_ms: i64,
        /// The row.
        values: &'a Values,
        /// Whether a null limit in it is "unlimited".
        limits_known: bool,
    },
}

impl<'a> Began<'a> {
    /// An earlier recorder stored that row.
    #[must_use]
    pub fn stored(time_ms: i64, values: &'a Values) -> Self {
        // Rows with limits have these two, which are never unlimited.
        let known = [Metric::CpuPeriodUsec, Metric::CpuWeight];
        Self::Stored {
            time_ms,
            values,
            limits_known: known.iter().any(|metric| values.get(*metric).is_some()),
        }
    }
}

/// When and how something was read.
#[derive(Debug, Clone, Copy)]
pub struct Reading {
    /// When, milliseconds UTC.
    pub at_ms: i64,
    /// The grid instant of the tick that read it; `None` between ticks.
    pub tick_ms: Option<i64>,
    /// The interval of the ticks.
    pub interval_ms: i64,
    /// Whether a null limit is "unlimited".
    pub limits_known: bool,
    /// Whether the cgroup was there to the end of the reading: what is missing of one that was
    /// removed meanwhile stands in the values as it was read before.
    pub whole: bool,
}

/// Everything that is known of what happened.
#[derive(Debug, Default)]
pub struct Facts {
    groups: HashMap<String, Group>,
    node: Moves,
    once: Vec<Once>,
    stray: VecDeque<OomRecord>,
    news: Vec<News>,
    pruned_ms: i64,
}

/// The name of the group that an instance belongs to.
fn group_of(instance: &Instance) -> &str {
    let has_runtime_id = !instance.container_id.starts_with(&instance.life);
    match (&instance.pod_uid, &instance.container_name) {
        (Some(pod_uid), _) => pod_uid,
        (None, Some(name)) if !has_runtime_id => name,
        _ => &instance.container_id,
    }
}

impl Facts {
    /// An instance is there; while it is `held` it may turn out to be none and nothing is told.
    pub fn found(&mut self, instance: &Arc<Instance>, at_ms: i64, began: Began<'_>, held: bool) {
        let group = self.group(instance);
        group.dirty = true;
        match group.life_mut(instance) {
            Some(life) if life.gone.is_some() => life.come_back(at_ms),
            Some(life) => life.confirmed = true,
            None => {
                let mut life = Life::new(instance, at_ms, &began);
                life.held = held;
                life.confirmed = true;
                life.tells_start = !matches!(began, Began::Stored { .. });
                group.add(life);
                for record in std::mem::take(&mut self.stray) {
                    self.kernel_kill(&record);
                }
            }
        }
    }

    /// An instance that was held is a container.
    pub fn decided(&mut self, instance: &Instance) {
        self.change(instance, |life| std::mem::take(&mut life.held));
    }

    /// An instance that was held is none.
    pub fn left_out(&mut self, instance: &Instance) {
        if let Some(group) = self.groups.get_mut(group_of(instance)) {
            group.lives.retain(|life| !life.is(instance));
        }
    }

    /// An instance was read.
    pub fn seen(&mut self, instance: &Instance, reading: Reading, values: &Values) {
        let Some(group) = self.groups.get_mut(group_of(instance)) else {
            return;
        };
        let Some(life) = group.life_mut(instance) else {
            return;
        };
        let news = &mut self.news;
        if life.read(reading, values, &mut |told| news.push(told)) {
            life.dirty = true;
            group.dirty = true;
        } else if !news.is_empty() {
            self.once.extend(
                news.drain(..)
                    .map(|told| Once::new(life, reading.at_ms, told)),
            );
        }
    }

    /// An instance could not be read any more; its end is not told yet.
    pub fn vanished(&mut self, instance: &Instance, at_ms: i64) {
        self.go(instance, at_ms, false);
    }

    /// An instance has ended.
    pub fn ended(&mut self, instance: &Instance, at_ms: i64) {
        self.go(instance, at_ms, true);
    }

    /// A pod's cgroup is there.
    pub fn pod_found(&mut self, instance: &Arc<Instance>, began: Began<'_>) {
        self.group(instance).found_pod(instance, &began);
    }

    /// A pod's cgroup was read: its `memory.events` count what happened in all its containers.
    /// Best before the containers of the same tick, which explain what it tells.
    pub fn pod_seen(&mut self, instance: &Arc<Instance>, at_ms: i64, values: &Values) {
        if let Some(group) = self.groups.get_mut(group_of(instance)) {
            group.read_pod(instance, at_ms, values);
        }
    }

    /// A pod's cgroup is gone.
    pub fn pod_ended(&mut self, instance: &Instance) {
        if let Some(group) = self.groups.get_mut(group_of(instance)) {
            group.dirty = true;
            if let Some(pod) = &mut group.pod
                && pod.instance.life == instance.life
            {
                pod.gone = true;
            }
        }
    }

    /// The node was read: its counter only adds to facts.
    pub fn node_seen(&mut self, at_ms: i64, values: &Values) {
        let moved = life::counts_of(values).and_then(|counts| self.node.read(at_ms, counts));
        if moved.is_some() {
            for group in self.groups.values_mut() {
                group.dirty |= group.has_fresh_kills(at_ms);
            }
        }
    }

    /// More is known of who an instance is.
    pub fn named(&mut self, instance: &Arc<Instance>) {
        if let Some(group) = self.groups.get_mut(group_of(instance))
            && let Some(pod) = &mut group.pod
            && pod.instance.life == instance.life
        {
            pod.instance = Arc::clone(instance);
            group.dirty = true;
        }
        self.change(instance, |life| {
            life.instance = Arc::clone(instance);
            true
        });
    }

    /// A pod's status told how an instance ended.
    pub fn status(&mut self, status: &ContainerStatusFact) {
        // A static pod may have another UID in its cgroup's path.
        let key = match self.groups.get(&status.pod_uid) {
            Some(_) => Some(status.pod_uid.clone()),
            None => self
                .groups
                .iter()
                .find(|(_, group)| group.has_container(&status.container_id))
                .map(|(key, _)| key.clone()),
        };
        let Some(group) = key.and_then(|key| self.groups.get_mut(&key)) else {
            return;
        };
        let mut lives = group.lives.iter_mut().rev();
        if let Some(life) = lives.find(|life| life.instance.container_id == status.container_id)
            && life.status.as_ref() != Some(status)
        {
            life.status = Some(status.clone());
            life.dirty = true;
            group.dirty = true;
        }
    }

    /// The kernel's log told of an OOM kill: it only adds to facts.
    pub fn kernel_kill(&mut self, record: &OomRecord) {
        let groups = self.groups.values_mut();
        let best = groups
            .filter_map(|group| {
                let (fit, place) = group.life_of(record)?;
                Some((fit, place, group))
            })
            .max_by_key(|(fit, ..)| *fit);
        if let Some((_, place, group)) = best {
            let life = &mut group.lives[place];
            life.records
                .retain(|known| known.sequence != record.sequence);
            life.records.push(record.clone());
            life.dirty = true;
            group.dirty = true;
        } else {
            if self.stray.len() == MOST_STRAY {
                self.stray.pop_front();
            }
            self.stray.push_back(record.clone());
        }
    }

    /// Adds what is new, and what is known better, to the events of this tick.
    pub fn take(&mut self, maker: &EventMaker, events: &mut Vec<Event>) {
        let now_ms = maker.recorded_at_ms();
        for group in self.groups.values_mut().filter(|group| group.dirty) {
            group.clear_up(now_ms);
            beginnings::tell(group, maker, events);
            oom::tell(group, &self.node, now_ms, maker, events);
            for life in &mut group.lives {
                life.dirty &= life.held;
            }
            group.dirty = group.is_unclear();
        }
        for once in self.once.drain(..) {
            once.tell(maker, events);
        }
        if (now_ms - self.pruned_ms).abs() >= PRUNED_EVERY_MS {
            self.pruned_ms = now_ms;
            self.prune(now_ms);
        }
    }

    fn group(&mut self, instance: &Instance) -> &mut Group {
        let name = group_of(instance);
        if !self.groups.contains_key(name) {
            self.groups.insert(name.to_owned(), Group::default());
        }
        // Inserted above where it was missing.
        self.groups.entry(name.to_owned()).or_default()
    }

    fn change(&mut self, instance: &Instance, change: impl FnOnce(&mut Life) -> bool) {
        if let Some(group) = self.groups.get_mut(group_of(instance))
            && let Some(life) = group.life_mut(instance)
            && change(life)
        {
            life.dirty = true;
            group.dirty = true;
        }
    }

    fn go(&mut self, instance: &Instance, time_ms: i64, ended: bool) {
        let mut news = std::mem::take(&mut self.news);
        let once = &mut self.once;
        if let Some(group) = self.groups.get_mut(group_of(instance))
            && let Some(life) = group.life_mut(instance)
            && !life.gone.is_some_and(|gone| gone.ended || !ended)
        {
            let gone = Gone {
                time_ms,
                away: false,
                ended,
            };
            life.go(gone, &mut |told| news.push(told));
            once.extend(news.drain(..).map(|told| Once::new(life, time_ms, told)));
            life.dirty = true;
            group.dirty = true;
        }
        self.news = news;
    }

    /// Forgets what ended long ago.
    fn prune(&mut self, now_ms: i64) {
        let mut ends: Vec<i64> = self
            .groups
            .values()
            .flat_map(|group| &group.lives)
            .filter_map(|life| life.gone.map(|gone| gone.time_ms))
            .collect();
        let mut oldest_ms = now_ms - REMEMBERED_MS;
        if ends.len() > MOST_ENDED {
            ends.sort_unstable();
            oldest_ms = oldest_ms.max(ends[ends.len() - MOST_ENDED]);
        }
        self.groups.retain(|_, group| {
            group
                .lives
                .retain(|life| life.gone.is_none_or(|gone| gone.time_ms >= oldest_ms));
            !group.lives.is_empty() || group.pod.as_ref().is_some_and(|pod| !pod.gone)
        });
    }
}

#[cfg(test)]
mod tests;
