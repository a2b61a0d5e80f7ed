//! One consistent look at what counts in a span of time.
//!
//! "Readers list `_spool` first, then the tables, and repeat until two listings agree; a file
//! gone at open means: list again": then no row is missing, and the set rule drops the doubles.

use super::Reader;
use super::catalog::{Dataset, Entry};
use super::error::ReadError;
use super::memory::Memory;
use super::refusal::Gone;
use super::source::Source;
use super::streams::{Listed, Ticks};
use crate::layout::{HOUR_MS, hour_of, names_in, parse_ulid, pod_directory};
use crate::set_rule::superseded;
use fgm_model::{Resolution, Table};
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;
use ulid::Ulid;

/// Looks at a span until nothing goes away meanwhile: a recorder publishes a few times a minute.
const MOST_ATTEMPTS: usize = 200;

/// Times that a directory name can carry: the years 0 to 9999.
const EARLIEST_MS: i64 = -62_167_219_200_000;
const LATEST_MS: i64 = 253_402_300_799_999;

/// A range as calendars have it.
pub(super) fn clamp(time_ms: i64) -> i64 {
    time_ms.clamp(EARLIEST_MS, LATEST_MS)
}

/// What counts in a span.
#[derive(Debug)]
pub(super) struct Window {
    /// The hours that hold rows, in order.
    pub(super) hours: Vec<Hour>,
    /// The spool.
    pub(super) ticks: Vec<Ticks>,
}

/// What counts in an hour; no row is in two of the lists.
#[derive(Debug, Default)]
pub(super) struct Hour {
    pub(super) start_ms: i64,
    /// Files of raw rows, oldest first.
    pub(super) raw: Vec<Arc<Source>>,
    /// Places of streams in [`Window::ticks`] that hold rows of the hour.
    pub(super) streams: Vec<usize>,
    /// Roll-ups, which stand for the raw rows of their `pod=`.
    pub(super) rolled: Vec<Arc<Source>>,
    /// The files of those raw rows: of use for the first rates of the next hour.
    pub(super) behind: Vec<Arc<Source>>,
}

impl Hour {
    /// The last millisecond.
    pub(super) const fn end_ms(&self) -> i64 {
        self.start_ms + (HOUR_MS - 1)
    }

    /// Whether no raw rows are needed.
    pub(super) fn is_rolled_up(&self) -> bool {
        self.raw.is_empty() && self.streams.is_empty()
    }
}

/// Files and streams of one look.
struct Listing {
    /// From the first hour's start on.
    span: (i64, i64),
    streams: Vec<Listed>,
    hours: Vec<(i64, Files, Files)>,
}

/// Files by `pod=`.
type Files = Vec<(String, Vec<Arc<Entry>>)>;

impl Reader {
    /// Looks at the rows of a table. At a roll-up's resolution, a roll-up is taken where it
    /// holds all that the hour's raw files hold, and raw rows elsewhere.
    pub(super) fn window(
        &self,
        memory: &Memory,
        (table, resolution): Dataset,
        span: (i64, i64),
    ) -> Result<Window, ReadError> {
        for _ in 0..MOST_ATTEMPTS {
            let listing = self.list(table, resolution, span)?;
            if let Ok(window) = self.describe(memory, &listing) {
                return Ok(window);
            }
        }
        Err(ReadError::Unsettled)
    }

    /// The streams of a table that are there.
    pub(super) fn list_streams(&self, table: Table) -> Result<Vec<Listed>, ReadError> {
        let mut streams = Vec::new();
        for name in names_in(&self.dir.spool_root())? {
            let Some(ulid) = parse_ulid(&name) else {
                continue;
            };
            let path = self.dir.stream(ulid, table);
            if path.exists() {
                streams.push(Listed { ulid, path });
            }
        }
        Ok(streams)
    }

    fn list(
        &self,
        table: Table,
        resolution: Resolution,
        span: (i64, i64),
    ) -> Result<Listing, ReadError> {
        let raw = (table, Resolution::Raw);
        let rolled = Some((table, resolution)).filter(|dataset| *dataset != raw);
        let mut catalog = self.catalog();
        let mut before = None;
        for _ in 0..MOST_ATTEMPTS {
            let streams = self.list_streams(table)?;
            let mut changed = catalog.refresh(raw, Some(span))?;
            if let Some(dataset) = rolled {
                changed |= catalog.refresh(dataset, Some(span))?;
            }
            if changed || before.as_ref() != Some(&streams) {
                before = Some(streams);
                continue;
            }
            let mut hours = catalog.hours(raw);
            hours.extend(
                rolled
                    .into_iter()
                    .flat_map(|dataset| catalog.hours(dataset)),
            );
            let of_hour = |hour: i64| {
                let rolled = rolled.map(|dataset| catalog.of_hour(dataset, hour));
                (hour, catalog.of_hour(raw, hour), rolled.unwrap_or_default())
            };
            let span = (hour_of(span.0), span.1.max(hour_of(span.0)));
            return Ok(Listing {
                span,
                streams,
                hours: hours.range(span.0..=span.1).copied().map(of_hour).collect(),
            });
        }
        Err(ReadError::Unsettled)
    }

    fn describe(&self, memory: &Memory, listing: &Listing) -> Result<Window, Gone> {
        let mut hours = BTreeMap::new();
        // Which spools the files of a `pod=` hold.
        let mut sealed: HashSet<(&str, Ulid)> = HashSet::new();
        for (start_ms, raw, rolled) in &listing.hours {
            let mut pods: BTreeMap<&str, OfPod> = BTreeMap::new();
            for (pod, files) in raw {
                let sources = self.sources(memory, files)?;
                let spools = sources.iter().flat_map(|source| &source.member.spools);
                sealed.extend(spools.map(|ulid| (pod.as_str(), *ulid)));
                pods.entry(pod).or_default().raw = counting(sources);
            }
            for (pod, files) in rolled {
                pods.entry(pod).or_default().rolled = counting(self.sources(memory, files)?);
            }
            hours.insert(*start_ms, pods);
        }
        let counts = |ulid, recorder: &str| !sealed.contains(&(recorder, ulid));
        let ticks = memory.streams.read(
            &listing.streams,
            |ulid, origin| counts(ulid, &pod_directory(&origin.recorder.recorder)),
            &memory.lives,
            &self.trouble,
        )?;
        let names: Vec<_> = ticks
            .iter()
            .map(|one| pod_directory(&one.origin.recorder.recorder))
            .collect();
        for (place, (ticks, pod)) in ticks.iter().zip(&names).enumerate() {
            for hour in hours_of(ticks)
                .range(listing.span.0..=listing.span.1)
                .copied()
            {
                let of_pod = hours.entry(hour).or_default().entry(pod).or_default();
                of_pod.streams.push((place, ticks.ulid));
            }
        }
        Ok(Window {
            hours: hours
                .into_iter()
                .map(|(start_ms, pods)| choose(start_ms, pods))
                .collect(),
            ticks,
        })
    }

    /// The readable ones of these files.
    pub(super) fn sources(
        &self,
        memory: &Memory,
        files: &[Arc<Entry>],
    ) -> Result<Vec<Arc<Source>>, Gone> {
        let read = |entry| {
            memory
                .files
                .get(entry, &memory.lives, &self.trouble)
                .transpose()
        };
        files.iter().filter_map(read).collect()
    }
}

/// What one recorder has of an hour.
#[derive(Default)]
struct OfPod {
    raw: Vec<Arc<Source>>,
    rolled: Vec<Arc<Source>>,
    streams: Vec<(usize, Ulid)>,
}

impl OfPod {
    /// Whether the roll-ups hold all that there is.
    fn is_rolled_up(&self) -> bool {
        let rolled: HashSet<_> = self
            .rolled
            .iter()
            .flat_map(|source| &source.member.spools)
            .collect();
        let has_all = |source: &Arc<Source>| {
            // A file without a list cannot be compared.
            !source.member.spools.is_empty()
                && source
                    .member
                    .spools
                    .iter()
                    .all(|ulid| rolled.contains(ulid))
        };
        !self.rolled.is_empty()
            && self.raw.iter().all(has_all)
            && self.streams.iter().all(|(_, ulid)| rolled.contains(ulid))
    }
}

fn choose(start_ms: i64, pods: BTreeMap<&str, OfPod>) -> Hour {
    let mut hour = Hour {
        start_ms,
        ..Hour::default()
    };
    for of_pod in pods.into_values() {
        if of_pod.is_rolled_up() {
            hour.rolled.extend(of_pod.rolled);
            hour.behind.extend(of_pod.raw);
        } else {
            hour.raw.extend(of_pod.raw);
            hour.streams
                .extend(of_pod.streams.iter().map(|(place, _)| *place));
        }
    }
    hour.raw
        .sort_by(|a, b| a.name.cmp(&b.name).then_with(|| a.path.cmp(&b.path)));
    hour
}

/// The hours that a stream has rows of: one, but for a clock that was set.
fn hours_of(ticks: &Ticks) -> BTreeSet<i64> {
    let times = ticks.batches.iter().flat_map(|tick| tick.times.values());
    let mut hours = BTreeSet::new();
    let mut last = None;
    for hour in times.map(|time_ms| hour_of(*time_ms)) {
        if last.replace(hour) != Some(hour) {
            hours.insert(hour);
        }
    }
    hours
}

/// Those that no other supersedes.
pub(super) fn counting(sources: Vec<Arc<Source>>) -> Vec<Arc<Source>> {
    if sources.len() < 2 {
        return sources;
    }
    let members: Vec<_> = sources.iter().map(|source| source.member.clone()).collect();
    let gone = superseded(&members);
    let counts = sources.into_iter().zip(gone).filter(|(_, gone)| !gone);
    counts.map(|(source, _)| source).collect()
}
