//! The pods of this node: a pure state machine from what a source says to names.
//!
//! A source says "this is the pod now", "this pod is gone" or "these are all there are". Pods
//! are told apart by the UID of the API object, and each pod's own news come in order, so the
//! order among pods does not matter. What is gone is kept for a while: its last rows may not be
//! sealed yet, and containers may outlive a pod that was deleted by force.

use crate::identity::named::Named;
use crate::identity::pod::{ContainerInfo, PodInfo, Termination};
use fgm_model::Instance;
use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;

/// More than any kubelet runs.
pub(crate) const MOST_PODS: usize = 4096;
/// Container IDs, those of earlier instances included.
const MOST_CONTAINERS: usize = 4 * MOST_PODS;
/// Terminations that wait to be taken.
const MOST_STATUSES: usize = 4096;

/// When something was told.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Told {
    /// Microseconds since boot.
    pub(crate) boot_us: i64,
    /// Milliseconds UTC.
    pub(crate) wall_ms: i64,
}

/// How an instance of a container ended, as its pod's status tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerStatusFact {
    /// The runtime's ID.
    pub container_id: String,
    /// The pod's UID as in the cgroup's path.
    pub pod_uid: String,
    /// The container's name in its pod.
    pub container_name: String,
    /// Such as `OOMKilled`, `Error` or `Completed`.
    pub reason: Option<String>,
    /// The exit code; 128 + signal where a signal ended it.
    pub exit_code: i64,
    /// The signal, where the runtime tells.
    pub signal: Option<i64>,
    /// When it started, milliseconds UTC.
    pub started_at_ms: Option<i64>,
    /// When it ended, milliseconds UTC.
    pub finished_at_ms: Option<i64>,
    /// Restarts before this instance.
    pub restart_count: i64,
    /// When the recorder learned of it, milliseconds UTC.
    pub observed_at_ms: i64,
}

/// The pods of this node and the containers in them.
#[derive(Debug, Default)]
pub(crate) struct Book {
    /// By the UID of the API object: those that live, and those lately gone.
    pods: HashMap<Arc<str>, Entry>,
    /// The object's UID by the UID in the cgroup's path.
    by_cgroup: HashMap<String, Arc<str>>,
    /// By the runtime's ID.
    containers: HashMap<String, Known>,
    statuses: VecDeque<ContainerStatusFact>,
    live: usize,
    refused: u64,
}

#[derive(Debug)]
struct Entry {
    info: PodInfo,
    gone_us: Option<i64>,
}

#[derive(Debug)]
struct Known {
    pod: Arc<str>,
    named: Arc<Named>,
    /// What was told of its end.
    ended: Option<Termination>,
    /// Since when no status mentions it.
    left_us: Option<i64>,
}

impl Book {
    /// The pod as it is now; whether any name changed.
    pub(crate) fn apply(&mut self, mut info: PodInfo, told: Told) -> bool {
        let (uid, before) = match self.pods.get_key_value(info.uid.as_str()) {
            Some((uid, entry)) => (Arc::clone(uid), Some(entry)),
            None => (Arc::from(info.uid.as_str()), None),
        };
        let was_live = before.is_some_and(|entry| entry.gone_us.is_none());
        if !was_live && self.live >= MOST_PODS {
            self.refused += 1;
            return false;
        }
        let mut changed = !was_live;
        if let Some(before) = before {
            changed |= keep_names(&before.info, &mut info);
        }
        for container in &info.containers {
            changed |= self.note(&uid, &info, container, told);
        }
        self.leave_unmentioned(&uid, &info, told.boot_us);
        let cgroup = self.by_cgroup.get(&info.cgroup_uid);
        if cgroup != Some(&uid) {
            self.by_cgroup
                .insert(info.cgroup_uid.clone(), Arc::clone(&uid));
        }
        self.live += usize::from(!was_live);
        let entry = Entry {
            info,
            gone_us: None,
        };
        self.pods.insert(uid, entry);
        changed
    }

    /// Notes the IDs and the ends that a container's status tells of.
    fn note(
        &mut self,
        uid: &Arc<str>,
        pod: &PodInfo,
        container: &ContainerInfo,
        told: Told,
    ) -> bool {
        let mut changed = false;
        if let Some(id) = &container.container_id {
            changed |= self.know(uid, id, &container.named);
        }
        for ended in &container.terminations {
            let id = &ended.container_id;
            if container.container_id.as_ref() != Some(id) {
                let named = Named {
                    restart_count: Some(ended.restart_count),
                    ..container.named.as_ref().clone()
                };
                changed |= self.know(uid, id, &Arc::new(named));
            }
            if let Some(known) = self.containers.get_mut(id)
                && known.ended.as_ref() != Some(ended)
            {
                known.ended = Some(ended.clone());
                if self.statuses.len() >= MOST_STATUSES {
                    self.statuses.pop_front();
                }
                self.statuses.push_back(fact(pod, container, ended, told));
            }
        }
        changed
    }

    fn know(&mut self, uid: &Arc<str>, id: &str, named: &Arc<Named>) -> bool {
        match self.containers.get_mut(id) {
            Some(known) => {
                known.left_us = None;
                // A static pod's API object may be made anew while its containers run on.
                known.pod = Arc::clone(uid);
                let changed = !Arc::ptr_eq(&known.named, named) && known.named != *named;
                if changed {
                    known.named = Arc::clone(named);
                }
                changed
            }
            None => {
                let known = Known {
                    pod: Arc::clone(uid),
                    named: Arc::clone(named),
                    ended: None,
                    left_us: None,
                };
                self.containers.insert(id.to_owned(), known);
                true
            }
        }
    }

    /// IDs that the pod's status told before and does not tell any more.
    fn leave_unmentioned(&mut self, uid: &str, info: &PodInfo, boot_us: i64) {
        let Some(before) = self.pods.get(uid) else {
            return;
        };
        let now: HashSet<&str> = ids(info).collect();
        for id in ids(&before.info).filter(|id| !now.contains(id)) {
            if let Some(known) = self.containers.get_mut(id) {
                known.left_us.get_or_insert(boot_us);
            }
        }
    }

    /// The pod is gone; whether it was there.
    pub(crate) fn delete(&mut self, uid: &str, told: Told) -> bool {
        let Some(entry) = self.pods.get_mut(uid) else {
            return false;
        };
        if entry.gone_us.is_some() {
            return false;
        }
        entry.gone_us = Some(told.boot_us);
        self.live -= 1;
        for id in ids(&entry.info) {
            if let Some(known) = self.containers.get_mut(id)
                && known.pod.as_ref() == uid
            {
                known.left_us.get_or_insert(told.boot_us);
            }
        }
        true
    }

    /// These are all there are.
    pub(crate) fn keep_only(&mut self, uids: &HashSet<String>, told: Told) -> bool {
        let gone: Vec<Arc<str>> = self
            .pods
            .iter()
            .filter(|(uid, entry)| entry.gone_us.is_none() && !uids.contains(uid.as_ref()))
            .map(|(uid, _)| Arc::clone(uid))
            .collect();
        let mut changed = false;
        for uid in gone {
            changed |= self.delete(&uid, told);
        }
        changed
    }

    /// Forgets what went before that time, and the oldest of too much.
    pub(crate) fn forget(&mut self, before_us: i64) {
        self.containers
            .retain(|_, known| known.left_us.is_none_or(|left| left >= before_us));
        if self.containers.len() > MOST_CONTAINERS {
            let mut left: Vec<(i64, String)> = self
                .containers
                .iter()
                .filter_map(|(id, known)| Some((known.left_us?, id.clone())))
                .collect();
            left.sort_unstable();
            let excess = self.containers.len() - MOST_CONTAINERS;
            for (_, id) in left.into_iter().take(excess) {
                self.containers.remove(&id);
            }
        }
        let mut gone: Vec<(i64, Arc<str>)> = self
            .pods
            .iter()
            .filter_map(|(uid, entry)| Some((entry.gone_us?, Arc::clone(uid))))
            .collect();
        gone.sort_unstable();
        let excess = gone.len().saturating_sub(MOST_PODS);
        for (index, (gone_us, uid)) in gone.into_iter().enumerate() {
            if gone_us < before_us || index < excess {
                self.pods.remove(&uid);
                self.by_cgroup.retain(|_, of| *of != uid);
            }
        }
    }

    /// What the instance is called: its container, else its pod alone.
    pub(crate) fn name(&self, found: &Instance) -> Option<Arc<Named>> {
        if let Some(known) = self.containers.get(&found.container_id) {
            return Some(Arc::clone(&known.named));
        }
        let info = self.by_cgroup_uid(found.pod_uid.as_deref()?)?;
        let by_name = found.container_name.as_ref().and_then(|name| {
            info.containers
                .iter()
                .find(|container| container.named.container_name.as_ref() == Some(name))
        });
        Some(Arc::clone(match by_name {
            // The local lab: the path has the name, and the restarts so far.
            Some(container) if container.named.restart_count == found.restart_count => {
                &container.named
            }
            _ if super::is_pod_cgroup(found) => &info.named,
            _ => &info.some_container,
        }))
    }

    /// The pod with that UID in its cgroup's path.
    pub(crate) fn by_cgroup_uid(&self, uid: &str) -> Option<&PodInfo> {
        let uid = self.by_cgroup.get(uid)?;
        self.pods.get(uid).map(|entry| &entry.info)
    }

    /// The terminations told since they were taken last.
    pub(crate) fn take_statuses(&mut self) -> Vec<ContainerStatusFact> {
        self.statuses.drain(..).collect()
    }

    /// Pods that live.
    pub(crate) const fn live(&self) -> usize {
        self.live
    }

    /// Pods beyond [`MOST_PODS`] that were not taken.
    pub(crate) const fn refused(&self) -> u64 {
        self.refused
    }

    /// The pods that live, by UID.
    #[cfg(test)]
    pub(crate) fn view(&self) -> std::collections::BTreeMap<String, (PodInfo, Vec<Arc<Named>>)> {
        self.pods
            .iter()
            .filter(|(_, entry)| entry.gone_us.is_none())
            .map(|(uid, entry)| {
                let named = ids(&entry.info).filter_map(|id| self.containers.get(id));
                let named = named.map(|known| {
                    assert_eq!(known.pod, *uid);
                    assert_eq!(known.left_us, None);
                    Arc::clone(&known.named)
                });
                (uid.to_string(), (entry.info.clone(), named.collect()))
            })
            .collect()
    }
}

/// Every container ID that the status tells of.
fn ids(info: &PodInfo) -> impl Iterator<Item = &str> {
    info.containers.iter().flat_map(|container| {
        container.container_id.as_deref().into_iter().chain(
            container
                .terminations
                .iter()
                .map(|ended| ended.container_id.as_str()),
        )
    })
}

/// Takes over each name that is still the same, so that who compares addresses sees no change;
/// whether any is new.
fn keep_names(before: &PodInfo, now: &mut PodInfo) -> bool {
    let mut changed = false;
    let mut keep = |before: &Arc<Named>, now: &mut Arc<Named>| {
        if before == now {
            *now = Arc::clone(before);
        } else {
            changed = true;
        }
    };
    keep(&before.named, &mut now.named);
    keep(&before.some_container, &mut now.some_container);
    for container in &mut now.containers {
        let same = before
            .containers
            .iter()
            .find(|other| other.named.container_name == container.named.container_name);
        if let Some(same) = same {
            keep(&same.named, &mut container.named);
        }
    }
    changed
}

fn fact(
    pod: &PodInfo,
    container: &ContainerInfo,
    ended: &Termination,
    told: Told,
) -> ContainerStatusFact {
    ContainerStatusFact {
        container_id: ended.container_id.clone(),
        pod_uid: pod.cgroup_uid.clone(),
        container_name: container.named.container_name.clone().unwrap_or_default(),
        reason: ended.reason.clone(),
        exit_code: ended.exit_code,
        signal: ended.signal,
        started_at_ms: ended.started_at_ms,
        finished_at_ms: ended.finished_at_ms,
        restart_count: ended.restart_count,
        observed_at_ms: told.wall_ms,
    }
}

#[cfg(test)]
mod tests;
