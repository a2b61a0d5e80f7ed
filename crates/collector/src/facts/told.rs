//! What was told of a fact, so that only more is told: the revisions (DATA.md section 5).

use crate::events::EventMaker;
use fgm_model::event::{Subject, event_id};
use fgm_model::{Event, EventKind, Instance};
use serde::Serialize;
use serde_json::Value;
use std::sync::Arc;

/// The highest revision of one event.
#[derive(Debug, Clone)]
pub(super) struct Told {
    event_id: String,
    revision: i64,
    pub(super) time_ms: i64,
    pub(super) detail: Value,
    instance: Arc<Instance>,
}

impl Told {
    /// What an earlier recorder told.
    pub(super) const fn earlier(
        event_id: String,
        revision: i64,
        time_ms: i64,
        detail: Value,
        instance: Arc<Instance>,
    ) -> Self {
        Self {
            event_id,
            revision,
            time_ms,
            detail,
            instance,
        }
    }
}

/// A fact as it is known now.
#[derive(Debug, Clone, Copy)]
pub(super) struct Known<'a, D> {
    pub(super) kind: EventKind,
    pub(super) instance: &'a Arc<Instance>,
    pub(super) ordinal: i64,
    pub(super) time_ms: i64,
    pub(super) detail: &'a D,
}

impl<D: Serialize> Known<'_, D> {
    /// Tells the fact, or a higher revision of it, or nothing when all was told.
    pub(super) fn tell(self, told: &mut Option<Told>, maker: &EventMaker, events: &mut Vec<Event>) {
        let detail = serde_json::to_value(self.detail).unwrap_or_default();
        let (event_id, revision) = match told {
            None => {
                let subject = Subject::Instance(self.instance);
                (event_id(subject, self.kind, self.ordinal), 0)
            }
            Some(told) => {
                if told.time_ms == self.time_ms
                    && told.detail == detail
                    && !gained_a_name(&told.instance, self.instance)
                {
                    return;
                }
                (std::mem::take(&mut told.event_id), told.revision + 1)
            }
        };
        let new = Told {
            event_id,
            revision,
            time_ms: self.time_ms,
            detail,
            instance: Arc::clone(self.instance),
        };
        events.push(maker.fact(
            new.event_id.clone(),
            revision,
            self.kind,
            self.time_ms,
            self.instance,
            new.detail.clone(),
        ));
        *told = Some(new);
    }
}

/// Whether more is known of who it is. What may change at any time (labels, the count of
/// restarts) is no reason for another revision.
fn gained_a_name(told: &Arc<Instance>, now: &Arc<Instance>) -> bool {
    let names = |instance: &Instance| {
        [
            instance.namespace.is_some(),
            instance.pod_name.is_some(),
            instance.container_name.is_some(),
            instance.image.is_some(),
        ]
    };
    !Arc::ptr_eq(told, now)
        && names(told)
            .iter()
            .zip(names(now))
            .any(|(told, now)| now && !told)
}
