//! Events: of each the highest revision, whoever holds it.

use super::catalog::FileId;
use super::columns::{any, int, ints, text, times};
use super::error::ReadError;
use super::memory::Memory;
use super::refusal::Gone;
use super::source::Source;
use super::streams::Listed;
use super::trouble::Trouble;
use super::window::{clamp, counting};
use super::{Reader, identity, table};
use crate::layout::pod_directory;
use arrow::array::RecordBatch;
use fgm_model::schema::column;
use fgm_model::{Instance, Resolution, SeriesId, Table};
use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

/// How far an event's time may move from revision to revision.
const REVISION_MARGIN_MS: i64 = 86_400_000;

/// Looks that may find a file gone before it is an error.
const MOST_ATTEMPTS: usize = 50;

/// Events of files that are kept, about a kilobyte each.
const MOST_KEPT: usize = 20_000;

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

impl Reader {
    /// What happened in the range (inclusive), oldest first; of each event the highest
    /// revision.
    ///
    /// # Errors
    /// When the data directory cannot be listed.
    pub fn events(&self, start_ms: i64, end_ms: i64) -> Result<Vec<EventRow>, ReadError> {
        let memory = self.memory();
        let span = (clamp(start_ms), clamp(end_ms));
        for _ in 0..MOST_ATTEMPTS {
            if let Ok(events) = self.look_at_events(&memory, span)? {
                return Ok(events.within(span.0, span.1));
            }
        }
        Err(ReadError::Unsettled)
    }

    fn look_at_events(
        &self,
        memory: &Memory,
        (start_ms, end_ms): (i64, i64),
    ) -> Result<Result<Events, Gone>, ReadError> {
        const EVENTS: (Table, Resolution) = (Table::Events, Resolution::Raw);
        let (streams, files) = {
            let mut catalog = self.catalog();
            let mut before = None;
            loop {
                // Files lie by when their events were recorded: a range of times bounds none.
                let streams = self.list_streams(Table::Events)?;
                let changed = catalog.refresh(EVENTS, None)?;
                if !changed && before.as_ref() == Some(&streams) {
                    break (streams, catalog.of_pods(EVENTS));
                }
                before = Some(streams);
            }
        };
        let first_ms = clamp(start_ms - REVISION_MARGIN_MS);
        let last_ms = clamp(end_ms + REVISION_MARGIN_MS);
        let mut sources = Vec::new();
        for (pod, mut entries) in files {
            entries.retain(|one| one.name.start_ms <= last_ms && first_ms <= one.name.end_ms);
            match self.sources(memory, &entries) {
                Ok(of_pod) => {
                    sources.extend(counting(of_pod).into_iter().map(|s| (pod.clone(), s)));
                }
                Err(gone) => return Ok(Err(gone)),
            }
        }
        Ok(self.all_revisions(memory, &sources, &streams))
    }

    fn all_revisions(
        &self,
        memory: &Memory,
        sources: &[(String, Arc<Source>)],
        streams: &[Listed],
    ) -> Result<Events, Gone> {
        let mut events = Events::default();
        let mut sealed = HashSet::new();
        for (pod, source) in sources {
            sealed.extend(
                source
                    .member
                    .spools
                    .iter()
                    .map(|ulid| (pod.as_str(), *ulid)),
            );
            for event in memory.events.of(source, &self.trouble)?.iter() {
                events.add(event);
            }
        }
        let ticks = memory.streams.read(
            streams,
            |ulid, origin| {
                let pod = pod_directory(&origin.recorder.recorder);
                !sealed.contains(&(pod.as_str(), ulid))
            },
            &memory.lives,
            &self.trouble,
        )?;
        for tick in ticks.iter().flat_map(|ticks| &ticks.batches) {
            rows(&tick.rows).for_each(|event| events.add(&Arc::new(event)));
        }
        Ok(events)
    }
}

/// Events of files, decoded once.
#[derive(Debug, Default)]
pub(super) struct EventCache(Mutex<HashMap<PathBuf, (FileId, Kept)>>);

type Kept = Arc<[Arc<EventRow>]>;

impl EventCache {
    fn of(&self, source: &Source, trouble: &Trouble) -> Result<Kept, Gone> {
        let lock = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((id, events)) = lock().get(&source.path)
            && *id == source.id
        {
            return Ok(Arc::clone(events));
        }
        let batches = table::rows(source, &columns(), None, trouble)?;
        let events: Kept = batches.iter().flat_map(rows).map(Arc::new).collect();
        let mut known = lock();
        let kept: usize = known.values().map(|(_, events)| events.len()).sum();
        if kept + events.len() > MOST_KEPT {
            known.clear();
        }
        known.insert(source.path.clone(), (source.id, Arc::clone(&events)));
        Ok(events)
    }
}

/// The columns of an event.
fn columns() -> Vec<&'static str> {
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

/// The events of a batch.
fn rows(batch: &RecordBatch) -> impl Iterator<Item = EventRow> {
    let when = times(batch, column::TIME);
    let recorded = times(batch, column::RECORDED_AT);
    let revisions = ints(batch, column::REVISION);
    (0..batch.num_rows()).filter_map(move |row| {
        let (node, instance) = match identity::of_row(batch, row) {
            Some((node, instance)) => (node, Some(Arc::new(instance))),
            None => {
                let node = text(any(batch, column::NODE), row).unwrap_or_default();
                (node.into(), None)
            }
        };
        let kind = text(any(batch, column::KIND), row).unwrap_or_default();
        let detail = text(any(batch, column::DETAIL), row);
        Some(EventRow {
            event_id: text(any(batch, column::EVENT_ID), row)?.to_owned(),
            revision: int(revisions.as_ref(), row).unwrap_or(0),
            kind: kind.to_owned(),
            time_ms: when.as_ref()?.value(row),
            recorded_at_ms: recorded.as_ref().map_or(0, |times| times.value(row)),
            series: instance.as_ref().map(|instance| instance.series(&node)),
            node,
            instance,
            detail: detail
                .and_then(|json| serde_json::from_str(json).ok())
                .unwrap_or_default(),
        })
    })
}

/// Revisions as they come, in any order.
#[derive(Debug, Default)]
struct Events {
    latest: HashMap<String, Arc<EventRow>>,
}

impl Events {
    fn add(&mut self, event: &Arc<EventRow>) {
        let known = self.latest.get(&event.event_id);
        if known.is_none_or(|known| known.revision < event.revision) {
            self.latest
                .insert(event.event_id.clone(), Arc::clone(event));
        }
    }

    /// What happened in the range, oldest first.
    fn within(self, start_ms: i64, end_ms: i64) -> Vec<EventRow> {
        let mut rows: Vec<_> = self
            .latest
            .into_values()
            .filter(|event| (start_ms..=end_ms).contains(&event.time_ms))
            .map(Arc::unwrap_or_clone)
            .collect();
        rows.sort_by(|a, b| (a.time_ms, &a.event_id).cmp(&(b.time_ms, &b.event_id)));
        rows
    }
}
