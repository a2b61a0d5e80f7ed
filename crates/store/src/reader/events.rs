//! Events: of each the highest revision, whoever holds it.

use super::columns::{any, int, ints, text, times};
use super::identity;
use arrow::array::RecordBatch;
use fgm_model::schema::column;
use fgm_model::{Instance, SeriesId};
use std::collections::HashMap;
use std::sync::Arc;

/// One event as it is known now.
#[derive(Debug, Clone, PartialEq)]
pub struct EventRow {
    /// Its stable id.
    pub event_id: String,
    /// The highest revision.
    pub revision: i64,
    /// What happened; a kind that this build does not know stays as it is.
    pub kind: String,
    /// When it happened, milliseconds UTC.
    pub time_ms: i64,
    /// When that revision was recorded.
    pub recorded_at_ms: i64,
    /// The node's name.
    pub node: Arc<str>,
    /// Whose event it is; `None` for the node's own.
    pub instance: Option<Arc<Instance>>,
    /// The series of that instance.
    pub series: Option<SeriesId>,
    /// A JSON object.
    pub detail: serde_json::Value,
}

/// The columns of an event.
pub(super) fn columns() -> Vec<&'static str> {
    let mut names = identity::columns();
    names.extend([
        column::EVENT_ID,
        column::REVISION,
        column::KIND,
        column::TIME,
        column::RECORDED_AT,
        column::DETAIL,
    ]);
    names
}

/// Revisions as they come, in any order.
#[derive(Debug, Default)]
pub(super) struct Events {
    latest: HashMap<String, EventRow>,
}

impl Events {
    /// Takes the rows of a batch.
    pub(super) fn add(&mut self, batch: &RecordBatch) {
        let Some(when) = times(batch, column::TIME) else {
            return;
        };
        let recorded = times(batch, column::RECORDED_AT);
        let revisions = ints(batch, column::REVISION);
        for row in 0..batch.num_rows() {
            let Some(event_id) = text(any(batch, column::EVENT_ID), row) else {
                continue;
            };
            let revision = int(revisions.as_ref(), row).unwrap_or(0);
            let known = self.latest.get(event_id);
            if known.is_some_and(|known| known.revision >= revision) {
                continue;
            }
            let (node, instance) = match identity::of_row(batch, row) {
                Some((node, instance)) => (node, Some(Arc::new(instance))),
                None => {
                    let node = text(any(batch, column::NODE), row).unwrap_or_default();
                    (node.into(), None)
                }
            };
            let event = EventRow {
                event_id: event_id.to_owned(),
                revision,
                kind: text(any(batch, column::KIND), row)
                    .unwrap_or_default()
                    .to_owned(),
                time_ms: when.value(row),
                recorded_at_ms: recorded.as_ref().map_or(0, |times| times.value(row)),
                series: instance.as_ref().map(|instance| instance.series(&node)),
                node,
                instance,
                detail: text(any(batch, column::DETAIL), row)
                    .and_then(|json| serde_json::from_str(json).ok())
                    .unwrap_or_default(),
            };
            self.latest.insert(event_id.to_owned(), event);
        }
    }

    /// What happened in the range, oldest first.
    pub(super) fn within(self, start_ms: i64, end_ms: i64) -> Vec<EventRow> {
        let mut rows: Vec<_> = self
            .latest
            .into_values()
            .filter(|event| (start_ms..=end_ms).contains(&event.time_ms))
            .collect();
        rows.sort_by(|a, b| (a.time_ms, &a.event_id).cmp(&(b.time_ms, &b.event_id)));
        rows
    }
}
