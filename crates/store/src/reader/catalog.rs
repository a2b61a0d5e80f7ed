//! Which files lie in the data directory, by names alone.
//!
//! A recording of months is asked about every second, so a directory is read again only when
//! it changed.

use crate::StoreError;
use crate::layout::{DataDir, FileName, hour_of, names_in, parse_date_directory};
use chrono::{DateTime, NaiveDate};
use fgm_model::rollup::roll_ups_of;
use fgm_model::{Resolution, Table};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::Metadata;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

/// A directory that changed this recently may change again without its time telling.
const UNSETTLED: Duration = Duration::from_secs(2);

/// How often partitions of older dates are looked at when everything is asked about: they change
/// only by consolidation and deletion.
const OLDER_DATES: Duration = Duration::from_millis(500);

/// Dates that are looked at each time: a day ends while its last rows are written.
const NEWEST_DATES: usize = 2;

/// A table at a resolution: one directory of the data directory.
pub(super) type Dataset = (Table, Resolution);

/// Tells a file from another of the same name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct FileId {
    inode: u64,
    pub(super) bytes: u64,
    modified: (i64, i64),
}

impl FileId {
    pub(super) fn of(on_disk: &Metadata) -> Self {
        Self {
            inode: on_disk.ino(),
            bytes: on_disk.len(),
            modified: (on_disk.mtime(), on_disk.mtime_nsec()),
        }
    }
}

/// A published file, as its directory tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) path: PathBuf,
    pub(super) name: FileName,
    pub(super) id: FileId,
}

/// All partitions that were looked at.
#[derive(Debug)]
pub(super) struct Catalog {
    dir: DataDir,
    datasets: BTreeMap<Dataset, BTreeMap<NaiveDate, Pods>>,
    /// When all partitions were looked at.
    looked: Option<Instant>,
}

/// The partitions of a date, by the name of the `pod=` directory.
type Pods = BTreeMap<String, Partition>;

/// One `dt=/pod=` directory.
#[derive(Debug, Clone, Default)]
struct Partition {
    /// Only what is settled: see [`UNSETTLED`].
    modified: Option<(i64, i64)>,
    files: BTreeMap<i64, Vec<Arc<Entry>>>,
    /// Hash over what is in `files`.
    content: u64,
}

/// The sum over the partitions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Summary {
    /// First and last row `time` of the containers' files.
    pub(super) span: Option<(i64, i64)>,
    pub(super) bytes: u64,
    pub(super) files: u64,
    pub(super) generation: String,
}

impl Catalog {
    pub(super) fn new(dir: DataDir) -> Self {
        Self {
            dir,
            datasets: BTreeMap::new(),
            looked: None,
        }
    }

    /// Looks at the partitions of a span (`None` for all) again, and tells whether anything is
    /// other than it was.
    pub(super) fn refresh(
        &mut self,
        dataset: Dataset,
        span: Option<(i64, i64)>,
    ) -> Result<bool, StoreError> {
        self.look(dataset, |dates| {
            dates.retain(|date, _| span.is_none_or(|span| has_date(span, *date)));
        })
    }

    /// Looks at everything again: at what is recorded now each time, at the rest twice a second.
    pub(super) fn refresh_all(&mut self) -> Result<(), StoreError> {
        let is_all = self
            .looked
            .is_none_or(|looked| looked.elapsed() >= OLDER_DATES);
        if is_all {
            self.looked = Some(Instant::now());
        }
        for table in Table::ALL {
            for resolution in [&[Resolution::Raw], roll_ups_of(table)].concat() {
                self.look((table, resolution), |dates| {
                    while !is_all && dates.len() > NEWEST_DATES {
                        dates.pop_first();
                    }
                })?;
            }
        }
        Ok(())
    }

    fn look(
        &mut self,
        dataset: Dataset,
        choose: impl Fn(&mut BTreeMap<NaiveDate, String>),
    ) -> Result<bool, StoreError> {
        let root = self.dir.table_at(dataset.0, dataset.1);
        let known = self.datasets.entry(dataset).or_default();
        let dated = |name: String| Some((parse_date_directory(&name)?, name));
        let mut dates: BTreeMap<_, _> = names_in(&root)?.into_iter().filter_map(dated).collect();
        let before = known.len();
        known.retain(|date, _| dates.contains_key(date));
        let mut changed = known.len() != before;
        choose(&mut dates);
        for (date, name) in dates {
            changed |= refresh_date(&root.join(name), known.entry(date).or_default())?;
        }
        Ok(changed)
    }

    /// The hours of a dataset that hold files, as far as they were looked at.
    pub(super) fn hours(&self, dataset: Dataset) -> BTreeSet<i64> {
        let partitions = self.partitions(dataset);
        partitions
            .flat_map(|(_, one)| one.files.keys().copied())
            .collect()
    }

    /// The files of each `pod=` in an hour.
    pub(super) fn of_hour(&self, dataset: Dataset, hour_ms: i64) -> Vec<(String, Vec<Arc<Entry>>)> {
        let date = DateTime::from_timestamp_millis(hour_ms).map(|time| time.date_naive());
        let pods = date.and_then(|date| self.datasets.get(&dataset)?.get(&date));
        pods.into_iter()
            .flatten()
            .filter_map(|(pod, partition)| {
                Some((pod.clone(), partition.files.get(&hour_ms)?.clone()))
            })
            .collect()
    }

    /// Every file of a dataset by `pod=`, as far as they were looked at.
    pub(super) fn of_pods(&self, dataset: Dataset) -> BTreeMap<String, Vec<Arc<Entry>>> {
        let mut pods: BTreeMap<String, Vec<Arc<Entry>>> = BTreeMap::new();
        for (pod, partition) in self.partitions(dataset) {
            let files = partition.files.values().flatten().cloned();
            pods.entry(pod.clone()).or_default().extend(files);
        }
        pods
    }

    /// What all of it holds together, as far as it was looked at.
    pub(super) fn summary(&self) -> Summary {
        let mut summary = Summary::default();
        let mut hash = DefaultHasher::new();
        let partitions = self.datasets.values().flat_map(BTreeMap::values);
        for partition in partitions.flat_map(BTreeMap::values) {
            partition.content.hash(&mut hash);
            for file in partition.files.values().flatten() {
                summary.files += 1;
                summary.bytes += file.id.bytes;
            }
        }
        summary.generation = format!("{:016x}", hash.finish());
        // Where raw rows are deleted already, roll-ups tell of older times.
        for resolution in [Resolution::Raw, Resolution::S60, Resolution::S600] {
            for (_, partition) in self.partitions((Table::Metrics, resolution)) {
                for file in partition.files.values().flatten() {
                    let (start, end) = (file.name.start_ms, file.name.end_ms);
                    let (first, last) = summary.span.unwrap_or((start, end));
                    summary.span = Some((first.min(start), last.max(end)));
                }
            }
        }
        summary
    }

    fn partitions(&self, dataset: Dataset) -> impl Iterator<Item = (&String, &Partition)> {
        let dates = self.datasets.get(&dataset).into_iter().flatten();
        dates.flat_map(|(_, pods)| pods)
    }
}

fn has_date((start_ms, end_ms): (i64, i64), date: NaiveDate) -> bool {
    let day = |time_ms| DateTime::from_timestamp_millis(time_ms).map(|time| time.date_naive());
    day(start_ms).is_none_or(|start| start <= date) && day(end_ms).is_none_or(|end| date <= end)
}

fn refresh_date(path: &Path, pods: &mut Pods) -> Result<bool, StoreError> {
    let mut changed = false;
    let mut seen = BTreeSet::new();
    for name in names_in(path)? {
        if name.starts_with("pod=") {
            changed |= refresh_partition(&path.join(&name), pods.entry(name.clone()).or_default())?;
            seen.insert(name);
        }
    }
    let before = pods.len();
    pods.retain(|name, _| seen.contains(name));
    Ok(changed || pods.len() != before)
}

fn refresh_partition(path: &Path, known: &mut Partition) -> Result<bool, StoreError> {
    let Ok(on_disk) = path.metadata() else {
        let had = !known.files.is_empty();
        *known = Partition::default();
        return Ok(had);
    };
    let modified = (on_disk.mtime(), on_disk.mtime_nsec());
    if known.modified == Some(modified) {
        return Ok(false);
    }
    let is_settled = on_disk
        .modified()
        .ok()
        .and_then(|time| SystemTime::now().duration_since(time).ok())
        .is_some_and(|age| age > UNSETTLED);
    let mut fresh = Partition {
        modified: is_settled.then_some(modified),
        ..Partition::default()
    };
    let mut hash = DefaultHasher::new();
    for file in if on_disk.is_dir() {
        names_in(path)?
    } else {
        Vec::new()
    } {
        let Ok(name) = file.parse::<FileName>() else {
            continue;
        };
        let file = path.join(file);
        // One that goes meanwhile changes the directory: the next look sees it.
        let Ok(on_disk) = file.metadata() else {
            continue;
        };
        let entry = Entry {
            path: file,
            name,
            id: FileId::of(&on_disk),
        };
        (&entry.path, entry.id).hash(&mut hash);
        let hour = hour_of(name.start_ms);
        fresh.files.entry(hour).or_default().push(Arc::new(entry));
    }
    fresh.content = hash.finish();
    let changed = fresh.content != known.content || fresh.files.len() != known.files.len();
    *known = fresh;
    Ok(changed)
}
