//! Instances whose names are not known yet, and those that were named lately: their rows may
//! still wait to be sealed.

use crate::identity::named::Named;
use fgm_model::Instance;
use std::collections::HashMap;
use std::sync::Arc;

/// Instances that are remembered; beyond it the longest waiting are given up.
const MOST: usize = 2048;

/// How long a name is waited for: the API server may be away for an hour.
const PATIENCE_US: i64 = 2 * 3600 * 1_000_000;

/// When a runtime's files are looked at after a birth: some are written a moment later.
const ASK_AFTER_US: [i64; 3] = [0, 1_000_000, 5_000_000];

type Key = (String, String);

/// What to ask a runtime.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Question {
    /// The runtime's ID of the container.
    pub(crate) container_id: String,
    life: String,
    /// Where its cgroup is: it may tell whose container it is.
    pub(crate) cgroup_path: String,
}

/// The instances that wait.
#[derive(Debug, Default)]
pub(crate) struct Awaited {
    entries: HashMap<Key, Entry>,
    /// Those of which something became known since that was taken.
    named: Vec<Key>,
}

#[derive(Debug)]
struct Entry {
    instance: Instance,
    known: Option<Arc<Named>>,
    complete_us: Option<i64>,
    since_us: i64,
    by_runtime: Option<Arc<Named>>,
    asked: usize,
}

fn key(container_id: &str, life: &str) -> Key {
    (container_id.to_owned(), life.to_owned())
}

impl Awaited {
    /// Remembers the instance; whether it is new.
    pub(crate) fn insert(
        &mut self,
        found: &Instance,
        known: Option<Arc<Named>>,
        now_us: i64,
    ) -> bool {
        let key = key(&found.container_id, &found.life);
        if self.entries.contains_key(&key) {
            return false;
        }
        if self.entries.len() >= MOST
            && let Some(oldest) = self
                .entries
                .iter()
                .min_by_key(|(_, entry)| (entry.complete_us.is_none(), entry.since_us))
                .map(|(key, _)| key.clone())
        {
            self.entries.remove(&oldest);
        }
        // A pod's cgroup is nothing that a runtime knows of.
        let asked = if super::is_pod_cgroup(found) {
            ASK_AFTER_US.len()
        } else {
            0
        };
        let entry = Entry {
            instance: found.clone(),
            known,
            complete_us: None,
            since_us: now_us,
            by_runtime: None,
            asked,
        };
        self.entries.insert(key, entry);
        true
    }

    /// Forgets the instance.
    pub(crate) fn remove(&mut self, found: &Instance) {
        self.entries.remove(&key(&found.container_id, &found.life));
    }

    /// The instance as it was found.
    pub(crate) fn instance(&self, container_id: &str, life: &str) -> Option<&Instance> {
        let entry = self.entries.get(&key(container_id, life))?;
        Some(&entry.instance)
    }

    /// What a runtime said of it.
    pub(crate) fn by_runtime(&self, found: &Instance) -> Option<&Arc<Named>> {
        let entry = self.entries.get(&key(&found.container_id, &found.life))?;
        entry.by_runtime.as_ref()
    }

    /// Looks again at all that wait: `name` tells what is known, and whether that is all.
    pub(crate) fn settle(
        &mut self,
        now_us: i64,
        name: impl Fn(&Instance, Option<&Arc<Named>>) -> (Option<Arc<Named>>, bool),
    ) {
        for (key, entry) in &mut self.entries {
            if entry.complete_us.is_some() {
                continue;
            }
            let (known, complete) = name(&entry.instance, entry.by_runtime.as_ref());
            if known.is_some() && known != entry.known {
                entry.known = known;
                if !self.named.contains(key) {
                    self.named.push(key.clone());
                }
            }
            if complete {
                entry.complete_us = Some(now_us);
            }
        }
    }

    /// Those of which something became known since the last time.
    pub(crate) fn take_named(&mut self) -> Vec<Arc<Instance>> {
        let named = std::mem::take(&mut self.named);
        named
            .into_iter()
            .filter_map(|key| {
                let entry = self.entries.get(&key)?;
                Some(Arc::new(entry.known.as_ref()?.fill(&entry.instance)))
            })
            .collect()
    }

    /// What to ask now, and when the next question is due.
    pub(crate) fn questions(&mut self, now_us: i64) -> (Vec<Question>, Option<i64>) {
        let mut questions = Vec::new();
        let mut next_us = None::<i64>;
        for entry in self.entries.values_mut() {
            if entry.complete_us.is_some() || entry.by_runtime.is_some() {
                continue;
            }
            let due_us = |asked: usize| Some(entry.since_us + ASK_AFTER_US.get(asked)?);
            let is_due = due_us(entry.asked).is_some_and(|due_us| due_us <= now_us);
            let due_us = due_us(entry.asked + usize::from(is_due));
            if is_due {
                let Instance {
                    container_id,
                    life,
                    cgroup_path,
                    ..
                } = entry.instance.clone();
                questions.push(Question {
                    container_id,
                    life,
                    cgroup_path,
                });
                entry.asked += 1;
            }
            if let Some(due_us) = due_us {
                next_us = Some(next_us.map_or(due_us, |next_us| next_us.min(due_us)));
            }
        }
        (questions, next_us)
    }

    /// A runtime's answer; whether the instance is still remembered.
    pub(crate) fn answer(&mut self, question: &Question, named: Arc<Named>) -> bool {
        let key = key(&question.container_id, &question.life);
        let Some(entry) = self.entries.get_mut(&key) else {
            return false;
        };
        entry.by_runtime = Some(named);
        true
    }

    /// Forgets what was named before that time, and what waits for too long.
    pub(crate) fn forget(&mut self, before_us: i64) {
        self.entries.retain(|_, entry| match entry.complete_us {
            Some(complete_us) => complete_us >= before_us,
            None => entry.since_us >= before_us - PATIENCE_US,
        });
    }

    /// Instances whose name is awaited.
    pub(crate) fn unnamed(&self) -> usize {
        let entries = self.entries.values();
        entries.filter(|entry| entry.complete_us.is_none()).count()
    }
}
