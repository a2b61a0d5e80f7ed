//! Which containers there were, and which instances belong together.

use super::error::ReadError;
use super::files::Gone;
use super::identity::{self, Known};
use super::index::{Index, Key};
use super::window::{Window, clamp};
use super::{Reader, columns};
use crate::listing::FileInfo;
use arrow::array::RecordBatch;
use fgm_model::schema::column;
use fgm_model::{Instance, SeriesId, Table};
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

/// How far from an instance's rows an event may name it.
const EVENT_MARGIN_MS: i64 = 60_000;

/// What a person calls a container: one series, over all its restarts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Container {
    /// The series id.
    pub id: SeriesId,
    /// The node's name.
    pub node: Arc<str>,
    /// The latest identity.
    pub identity: Arc<Instance>,
    /// Its first row in the range, milliseconds UTC.
    pub first_ms: i64,
    /// Its last row in the range.
    pub last_ms: i64,
    /// Its lives in the range, in order.
    pub instances: Vec<InstanceSpan>,
}

/// One life of a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstanceSpan {
    /// Its latest identity.
    pub instance: Arc<Instance>,
    /// Its first row in the range, milliseconds UTC.
    pub first_ms: i64,
    /// Its last row in the range.
    pub last_ms: i64,
}

impl Container {
    /// Whether the id means this series: its own, or that of an instance from before its name
    /// was known.
    #[must_use]
    pub fn answers_to(&self, id: &SeriesId) -> bool {
        self.id == *id
            || self.instances.iter().any(|span| {
                let container_id = &span.instance.container_id;
                SeriesId::of(&self.node, container_id, "") == *id
            })
    }
}

/// The instances seen in a range.
#[derive(Debug, Default)]
struct Seen {
    index: Index,
    keys: Vec<Key>,
    spans: Vec<(i64, i64)>,
}

impl Seen {
    fn add(&mut self, container_id: &str, life: &str, first_ms: i64, last_ms: i64) -> usize {
        let place = self.index.insert(container_id, life);
        match self.spans.get_mut(place) {
            Some(span) => *span = (span.0.min(first_ms), span.1.max(last_ms)),
            None => {
                self.spans.push((first_ms, last_ms));
                self.keys.push((container_id.to_owned(), life.to_owned()));
            }
        }
        place
    }
}

impl Reader {
    /// The containers with rows in the range (inclusive), by namespace, pod and name.
    ///
    /// # Errors
    /// When the data directory cannot be listed.
    pub fn containers(&self, start_ms: i64, end_ms: i64) -> Result<Vec<Container>, ReadError> {
        self.containers_of(Table::Metrics, start_ms, end_ms)
    }

    /// The same for the rows of another table: pods, or the node.
    ///
    /// # Errors
    /// When the data directory cannot be listed.
    pub fn containers_of(
        &self,
        table: Table,
        start_ms: i64,
        end_ms: i64,
    ) -> Result<Vec<Container>, ReadError> {
        let span = (clamp(start_ms), clamp(end_ms));
        let mut seen = Seen::default();
        // The newest first: who is known as of later need not be read again.
        for hour in self.hours(table, span)?.into_iter().rev() {
            self.with_window(table, hour, |window| self.look(window, hour, &mut seen))?;
        }
        self.name_by_events(&seen)?;
        Ok(self.group(&seen))
    }

    fn look(&self, window: &Window, span: (i64, i64), seen: &mut Seen) -> Result<(), Gone> {
        for ticks in &window.ticks {
            for batch in ticks.batches.iter().rev() {
                self.look_at_tick(batch, span, seen);
            }
        }
        for file in window.files.iter().rev() {
            self.look_at_file(file, span, seen)?;
        }
        Ok(())
    }

    fn look_at_tick(&self, batch: &RecordBatch, span: (i64, i64), seen: &mut Seen) {
        let Some(times) = columns::times(batch, column::TIME) else {
            return;
        };
        let ids = columns::any(batch, column::CONTAINER_ID);
        let lives = columns::any(batch, column::LIFE);
        for row in 0..batch.num_rows() {
            let time_ms = times.value(row);
            if time_ms < span.0 || span.1 < time_ms {
                continue;
            }
            let id = columns::text(ids, row).unwrap_or_default();
            let life = columns::text(lives, row).unwrap_or_default();
            let place = seen.add(id, life, time_ms, time_ms);
            if !seen
                .keys
                .get(place)
                .is_some_and(|key| self.book.has(key, time_ms))
            {
                self.learn(batch, row, time_ms);
            }
        }
    }

    fn look_at_file(&self, file: &FileInfo, span: (i64, i64), seen: &mut Seen) -> Result<(), Gone> {
        let mut unknown = Vec::new();
        for range in self.files.instances(file, &self.trouble)?.iter() {
            if range.rows == 0 || range.last_ms < span.0 || span.1 < range.first_ms {
                continue;
            }
            let id = range.container_id.as_deref().unwrap_or_default();
            let life = range.life.as_deref().unwrap_or_default();
            let (first_ms, last_ms) = (range.first_ms.max(span.0), range.last_ms.min(span.1));
            let place = seen.add(id, life, first_ms, last_ms);
            let known = seen.keys.get(place);
            if !known.is_some_and(|key| self.book.has(key, range.last_ms)) {
                let last = range.first_row.saturating_add(range.rows - 1);
                unknown.push((usize::try_from(last).unwrap_or(usize::MAX), range.last_ms));
            }
        }
        if unknown.is_empty() {
            return Ok(());
        }
        let rows: Vec<_> = unknown
            .iter()
            .map(|(row, _)| *row..row.saturating_add(1))
            .collect();
        let names = identity::columns();
        let batches = self.files.read(file, &names, Some(&rows), &self.trouble)?;
        let found = batches
            .iter()
            .flat_map(|batch| (0..batch.num_rows()).map(move |row| (batch, row)));
        for ((batch, row), (_, last_ms)) in found.zip(unknown) {
            self.learn(batch, row, last_ms);
        }
        Ok(())
    }

    fn learn(&self, batch: &RecordBatch, row: usize, as_of_ms: i64) {
        if let Some((node, instance)) = identity::of_row(batch, row) {
            self.book.learn(&Known {
                as_of_ms,
                node,
                instance: Arc::new(instance),
            });
        }
    }

    /// An instance that ended before its name was known is named by its events.
    fn name_by_events(&self, seen: &Seen) -> Result<(), ReadError> {
        let nameless: Vec<_> = seen
            .keys
            .iter()
            .zip(&seen.spans)
            .filter(|(key, _)| {
                let known = self.book.get(key);
                known.is_some_and(|known| known.instance.container_name.is_none())
            })
            .collect();
        let (Some(first_ms), Some(last_ms)) = (
            nameless.iter().map(|(_, span)| span.0).min(),
            nameless.iter().map(|(_, span)| span.1).max(),
        ) else {
            return Ok(());
        };
        let asked: HashSet<_> = nameless.into_iter().map(|(key, _)| key).collect();
        let events = self.events(
            first_ms.saturating_sub(EVENT_MARGIN_MS),
            last_ms.saturating_add(EVENT_MARGIN_MS),
        )?;
        for event in events {
            let Some(instance) = event.instance else {
                continue;
            };
            if asked.contains(&(instance.container_id.clone(), instance.life.clone())) {
                self.book.learn(&Known {
                    as_of_ms: event.recorded_at_ms,
                    node: event.node,
                    instance,
                });
            }
        }
        Ok(())
    }

    fn group(&self, seen: &Seen) -> Vec<Container> {
        let mut series: BTreeMap<SeriesId, Container> = BTreeMap::new();
        for (key, (first_ms, last_ms)) in seen.keys.iter().zip(&seen.spans) {
            let Some(known) = self.book.get(key) else {
                continue;
            };
            let span = InstanceSpan {
                instance: Arc::clone(&known.instance),
                first_ms: *first_ms,
                last_ms: *last_ms,
            };
            let id = known.instance.series(&known.node);
            let container = series.entry(id.clone()).or_insert_with(|| Container {
                id,
                node: Arc::clone(&known.node),
                identity: known.instance,
                first_ms: span.first_ms,
                last_ms: i64::MIN,
                instances: Vec::new(),
            });
            container.first_ms = container.first_ms.min(span.first_ms);
            if span.last_ms > container.last_ms {
                container.last_ms = span.last_ms;
                container.identity = Arc::clone(&span.instance);
            }
            container.instances.push(span);
        }
        let mut containers: Vec<_> = series.into_values().collect();
        for container in &mut containers {
            container.instances.sort_by(|a, b| order(a).cmp(&order(b)));
        }
        containers.sort_by(|a, b| name(a).cmp(&name(b)));
        containers
    }
}

fn order(span: &InstanceSpan) -> (i64, &str, &str) {
    (
        span.first_ms,
        &span.instance.container_id,
        &span.instance.life,
    )
}

fn name(container: &Container) -> (Option<&str>, Option<&str>, &str, &SeriesId) {
    let who = &container.identity;
    (
        who.namespace.as_deref(),
        who.pod_name.as_deref(),
        who.display_name(),
        &container.id,
    )
}
