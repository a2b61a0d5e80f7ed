//! What lies in the data directory, by names alone: hours, span, bytes, generation.
//!
//! A recording of months is asked about every second, so a directory is read again only when
//! it changed.

use crate::StoreError;
use crate::layout::{DataDir, FileName, hour_of, names_in, parse_date_directory};
use fgm_model::Table;
use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// A directory that changed this recently may change again without its time telling.
const UNSETTLED: Duration = Duration::from_secs(2);

/// One `dt=/pod=` directory.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Partition {
    modified: Option<(i64, i64)>,
    hours: BTreeSet<i64>,
    span: Option<(i64, i64)>,
    bytes: u64,
    files: u64,
    names: u64,
}

/// All partitions of all tables.
#[derive(Debug)]
pub(super) struct Stored {
    dir: DataDir,
    partitions: BTreeMap<(Table, PathBuf), Partition>,
}

/// The sum over the partitions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Summary {
    /// First and last row `time` of the `metrics` files.
    pub(super) span: Option<(i64, i64)>,
    pub(super) bytes: u64,
    pub(super) files: u64,
    pub(super) generation: String,
}

impl Stored {
    pub(super) fn new(dir: DataDir) -> Self {
        Self {
            dir,
            partitions: BTreeMap::new(),
        }
    }

    /// Looks again.
    pub(super) fn refresh(&mut self) -> Result<(), StoreError> {
        let mut seen = BTreeMap::new();
        for table in Table::ALL {
            let root = self.dir.table(table);
            for date in names_in(&root)? {
                if parse_date_directory(&date).is_none() {
                    continue;
                }
                for pod in names_in(&root.join(&date))? {
                    let path = root.join(&date).join(pod);
                    let key = (table, path);
                    let old = self.partitions.remove(&key).unwrap_or_default();
                    let partition = look(&key.1, old)?;
                    seen.insert(key, partition);
                }
            }
        }
        self.partitions = seen;
        Ok(())
    }

    /// The hours of a table that hold files.
    pub(super) fn hours(&self, table: Table) -> BTreeSet<i64> {
        let of_table = self.partitions.iter().filter(|((t, _), _)| *t == table);
        of_table
            .flat_map(|(_, partition)| partition.hours.iter().copied())
            .collect()
    }

    pub(super) fn summary(&self) -> Summary {
        let mut summary = Summary::default();
        let mut hash = DefaultHasher::new();
        for ((table, _), partition) in &self.partitions {
            summary.bytes += partition.bytes;
            summary.files += partition.files;
            partition.names.hash(&mut hash);
            if let (Table::Metrics, Some((first, last))) = (table, partition.span) {
                let (a, b) = summary.span.unwrap_or((first, last));
                summary.span = Some((a.min(first), b.max(last)));
            }
        }
        summary.generation = format!("{:016x}", hash.finish());
        summary
    }
}

fn look(path: &Path, old: Partition) -> Result<Partition, StoreError> {
    let Ok(on_disk) = path.metadata() else {
        return Ok(Partition::default());
    };
    let modified = (on_disk.mtime(), on_disk.mtime_nsec());
    if old.modified == Some(modified) {
        return Ok(old);
    }
    let settled = on_disk
        .modified()
        .ok()
        .and_then(|time| SystemTime::now().duration_since(time).ok())
        .is_some_and(|age| age > UNSETTLED);
    let mut fresh = Partition {
        modified: settled.then_some(modified),
        ..Partition::default()
    };
    let mut hash = DefaultHasher::new();
    if !on_disk.is_dir() {
        return Ok(fresh);
    }
    for file in names_in(path)? {
        let Ok(name) = file.parse::<FileName>() else {
            continue;
        };
        fresh.hours.insert(hour_of(name.start_ms));
        let (first, last) = fresh.span.unwrap_or((name.start_ms, name.end_ms));
        fresh.span = Some((first.min(name.start_ms), last.max(name.end_ms)));
        fresh.files += 1;
        fresh.bytes += path.join(&file).metadata().map_or(0, |m| m.len());
        file.hash(&mut hash);
    }
    fresh.names = hash.finish();
    Ok(fresh)
}
