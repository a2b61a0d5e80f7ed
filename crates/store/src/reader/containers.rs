//! Which containers there were, and which instances belong together.

use super::Reader;
use super::error::ReadError;
use super::filter::Filter;
use super::identity::{self, Known};
use super::lives::Life;
use super::memory::Memory;
use super::refusal::Gone;
use super::source::Source;
use super::streams::Tick;
use super::table;
use super::window::{Window, clamp, counting};
use arrow::array::RecordBatch;
use fgm_model::{Instance, Resolution, SeriesId, Table};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

/// Looks that may find a file gone before it is an error.
const MOST_ATTEMPTS: usize = 50;

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
    /// The series that it was of before its name was known.
    pub(super) nameless: SeriesId,
}

impl Container {
    /// Whether the id means this series: its own, or that of an instance from before its name
    /// was known.
    #[must_use]
    pub fn answers_to(&self, id: &SeriesId) -> bool {
        self.id == *id || self.instances.iter().any(|span| span.nameless == *id)
    }
}

/// The instances seen in a range, by their numbers.
#[derive(Debug, Default)]
struct Seen(BTreeMap<Life, (i64, i64)>);

impl Seen {
    fn add(&mut self, life: Life, first_ms: i64, last_ms: i64) {
        let span = self.0.entry(life).or_insert((first_ms, last_ms));
        *span = (span.0.min(first_ms), span.1.max(last_ms));
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

    /// Those of them that pass a filter.
    ///
    /// # Errors
    /// When the data directory cannot be listed.
    pub fn find(
        &self,
        table: Table,
        filter: &Filter,
        start_ms: i64,
        end_ms: i64,
    ) -> Result<Vec<Container>, ReadError> {
        let mut containers = self.containers_of(table, start_ms, end_ms)?;
        containers.retain(|container| filter.matches(container));
        Ok(containers)
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
        self.containers_among(table, None, start_ms, end_ms)
    }

    /// The same; with ids, only those that answer to one of them.
    pub(super) fn containers_among(
        &self,
        table: Table,
        ids: Option<&[SeriesId]>,
        start_ms: i64,
        end_ms: i64,
    ) -> Result<Vec<Container>, ReadError> {
        let memory = self.memory();
        let span = (clamp(start_ms), clamp(end_ms));
        for _ in 0..MOST_ATTEMPTS {
            let window = self.window(&memory, (table, Resolution::Raw), span)?;
            let Ok(older) = self.only_rolled_up(&memory, table, span) else {
                continue;
            };
            if let Ok(seen) = self.look(&memory, &window, &older, span) {
                // Pods and the node have no container's name.
                if table == Table::Metrics {
                    self.name_by_events(&memory, &seen)?;
                }
                return Ok(group(&memory, &seen, ids));
            }
        }
        Err(ReadError::Unsettled)
    }

    /// Roll-ups of hours whose raw rows are deleted.
    pub(super) fn only_rolled_up(
        &self,
        memory: &Memory,
        table: Table,
        span: (i64, i64),
    ) -> Result<Vec<Arc<Source>>, Gone> {
        let (raw, rolled) = ((table, Resolution::Raw), (table, Resolution::S600));
        let mut lists = Vec::new();
        {
            let mut catalog = self.catalog();
            // A directory that cannot be listed was told of by the look at the raw rows.
            if catalog.refresh(rolled, Some(span)).is_err() {
                return Ok(Vec::new());
            }
            let hours = catalog.hours(rolled);
            for hour in hours
                .range(crate::layout::hour_of(span.0)..)
                .take_while(|h| **h <= span.1)
            {
                let with_rows: HashSet<_> = catalog
                    .of_hour(raw, *hour)
                    .into_iter()
                    .map(|(pod, _)| pod)
                    .collect();
                let of_hour = catalog.of_hour(rolled, *hour).into_iter();
                lists.extend(of_hour.filter(|(pod, _)| !with_rows.contains(pod)));
            }
        }
        let mut sources = Vec::new();
        for (_, files) in lists {
            sources.extend(counting(self.sources(memory, &files)?));
        }
        Ok(sources)
    }

    /// The newest first: who is known as of later need not be read again.
    fn look(
        &self,
        memory: &Memory,
        window: &Window,
        older: &[Arc<Source>],
        span: (i64, i64),
    ) -> Result<Seen, Gone> {
        let mut seen = Seen::default();
        for tick in window
            .ticks
            .iter()
            .rev()
            .flat_map(|ticks| ticks.batches.iter().rev())
        {
            look_at_tick(memory, tick, span, &mut seen);
        }
        let raw = window
            .hours
            .iter()
            .rev()
            .flat_map(|hour| hour.raw.iter().rev());
        for source in raw {
            self.look_at_file(memory, source, 0, span, &mut seen)?;
        }
        let bucket_ms = Resolution::S600.bucket_ms().unwrap_or(0);
        for source in older.iter().rev() {
            self.look_at_file(memory, source, bucket_ms, span, &mut seen)?;
        }
        Ok(seen)
    }

    fn look_at_file(
        &self,
        memory: &Memory,
        source: &Source,
        bucket_ms: i64,
        span: (i64, i64),
        seen: &mut Seen,
    ) -> Result<(), Gone> {
        let mut unknown = Vec::new();
        for run in &source.spans {
            let end_ms = run.last_ms.saturating_add((bucket_ms - 1).max(0));
            if run.rows == 0 || end_ms < span.0 || span.1 < run.first_ms {
                continue;
            }
            seen.add(run.life, run.first_ms.max(span.0), end_ms.min(span.1));
            if !memory.book.has(run.life, run.last_ms) {
                unknown.push((run.first_row + run.rows - 1, run.life, run.last_ms));
            }
        }
        if unknown.is_empty() {
            return Ok(());
        }
        unknown.sort_unstable_by_key(|(row, ..)| *row);
        let rows: Vec<_> = unknown.iter().map(|(row, ..)| *row..row + 1).collect();
        let batches = table::rows(source, &identity::columns(), Some(&rows), &self.trouble)?;
        let found = batches
            .iter()
            .flat_map(|batch| (0..batch.num_rows()).map(move |row| (batch, row)));
        for ((batch, row), (_, life, last_ms)) in found.zip(unknown) {
            learn(memory, batch, row, life, last_ms);
        }
        Ok(())
    }

    /// An instance that ended before its name was known is named by its events.
    fn name_by_events(&self, memory: &Memory, seen: &Seen) -> Result<(), ReadError> {
        let nameless: BTreeMap<_, _> = seen
            .0
            .iter()
            .filter(|(life, _)| {
                let known = memory.book.get(**life);
                known.is_some_and(|known| known.instance.container_name.is_none())
            })
            .collect();
        let (Some(first_ms), Some(last_ms)) = (
            nameless.values().map(|span| span.0).min(),
            nameless.values().map(|span| span.1).max(),
        ) else {
            return Ok(());
        };
        let events = self.events(
            first_ms.saturating_sub(EVENT_MARGIN_MS),
            last_ms.saturating_add(EVENT_MARGIN_MS),
        )?;
        for event in events {
            let Some(instance) = event.instance else {
                continue;
            };
            let life = memory.lives.number(&instance.container_id, &instance.life);
            if nameless.contains_key(&life) {
                let known = Known::new(event.recorded_at_ms, event.node, instance);
                memory.book.learn(life, &known);
            }
        }
        Ok(())
    }
}

fn look_at_tick(memory: &Memory, tick: &Tick, span: (i64, i64), seen: &mut Seen) {
    for (row, (life, time_ms)) in tick.lives.iter().zip(tick.times.values()).enumerate() {
        if *time_ms < span.0 || span.1 < *time_ms {
            continue;
        }
        seen.add(*life, *time_ms, *time_ms);
        if !memory.book.has(*life, *time_ms) {
            learn(memory, &tick.rows, row, *life, *time_ms);
        }
    }
}

fn learn(memory: &Memory, batch: &RecordBatch, row: usize, life: Life, as_of_ms: i64) {
    if let Some((node, instance)) = identity::of_row(batch, row) {
        memory
            .book
            .learn(life, &Known::new(as_of_ms, node, Arc::new(instance)));
    }
}

fn group(memory: &Memory, seen: &Seen, ids: Option<&[SeriesId]>) -> Vec<Container> {
    let lives = seen.0.iter();
    let known: Vec<_> = lives
        .filter_map(|(life, span)| Some((memory.book.get(*life)?, span)))
        .collect();
    // All lives of a series are its, whichever of them an id was of.
    let meant: Option<HashSet<_>> = ids.map(|ids| {
        let known = known.iter().map(|(known, _)| known);
        let meant = known.filter(|one| ids.contains(&one.series) || ids.contains(&one.nameless));
        meant.map(|one| one.series.clone()).collect()
    });
    let mut series: HashMap<SeriesId, Container> = HashMap::new();
    for (known, (first_ms, last_ms)) in known {
        if meant
            .as_ref()
            .is_some_and(|ids| !ids.contains(&known.series))
        {
            continue;
        }
        let span = InstanceSpan {
            instance: Arc::clone(&known.instance),
            first_ms: *first_ms,
            last_ms: *last_ms,
            nameless: known.nameless.clone(),
        };
        let container = series
            .entry(known.series.clone())
            .or_insert_with(|| Container {
                id: known.series.clone(),
                node: Arc::clone(&known.node),
                identity: Arc::clone(&known.instance),
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
