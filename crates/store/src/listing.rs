//! Which files and streams count, at one moment.
//!
//! "Readers list `_spool` first, then the tables, and repeat until two listings agree; a file
//! gone at open means: list again": then no row is missing, and the set rule drops the doubles.

mod file_info;

use crate::StoreError;
use crate::footer::{Footer, Origin};
use crate::layout::{
    DataDir, FileName, HOUR_MS, hour_of, names_in, parse_date_directory, parse_ulid, pod_directory,
};
use crate::set_rule::{Level, Member, superseded};
use crate::stream::{Columns, SpoolStream};
use chrono::{DateTime, NaiveDate};
use fgm_model::{Resolution, Table};
pub use file_info::FileInfo;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use ulid::Ulid;

/// Listings that may differ before it is an error: a recorder publishes a few times a minute.
const MOST_ATTEMPTS: usize = 200;

/// A spool stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamInfo {
    /// Its path.
    pub path: PathBuf,
    /// Its spool.
    pub ulid: Ulid,
    /// Its table.
    pub table: Table,
    /// Who wrote it.
    pub origin: Origin,
}

/// A file that cannot be used, and why.
#[derive(Debug)]
pub struct Skipped {
    /// Its path.
    pub path: PathBuf,
    /// Why.
    pub error: StoreError,
}

/// What to list.
#[derive(Debug, Clone)]
pub struct Selection {
    /// Which tables.
    pub tables: Vec<Table>,
    /// Only the hours that hold one of these milliseconds, inclusive. It does not bound
    /// events: their files lie by the hour in which they were recorded.
    pub range_ms: Option<(i64, i64)>,
}

impl Selection {
    /// Everything.
    #[must_use]
    pub fn all() -> Self {
        Self {
            tables: Table::ALL.into(),
            range_ms: None,
        }
    }

    /// The range as it bounds a table's files.
    fn range_of(&self, table: Table) -> Option<(i64, i64)> {
        self.range_ms.filter(|_| table != Table::Events)
    }

    fn has_date(&self, table: Table, date: NaiveDate) -> bool {
        let day = |time_ms| DateTime::from_timestamp_millis(time_ms).map(|time| time.date_naive());
        self.range_of(table).is_none_or(|(start_ms, end_ms)| {
            day(start_ms).is_none_or(|start| start <= date)
                && day(end_ms).is_none_or(|end| date <= end)
        })
    }

    /// The set rule is about whole hours, so a file counts with its hour.
    fn has_hour(&self, table: Table, name: FileName) -> bool {
        let hour = hour_of(name.start_ms);
        self.range_of(table).is_none_or(|(start_ms, end_ms)| {
            hour <= end_ms && start_ms < hour.saturating_add(HOUR_MS)
        })
    }
}

/// The files and streams at one moment.
#[derive(Debug, Default)]
pub struct Listing {
    /// Files that count.
    pub files: Vec<Arc<FileInfo>>,
    /// Streams that count.
    pub streams: Vec<Arc<StreamInfo>>,
    /// Files whose rows others hold.
    pub superseded_files: Vec<Arc<FileInfo>>,
    /// Streams whose rows files hold.
    pub superseded_streams: Vec<Arc<StreamInfo>>,
    /// What cannot be used.
    pub skipped: Vec<Skipped>,
}

/// Lists a data directory again and again, reading each footer once.
#[derive(Debug)]
pub struct Lister {
    dir: DataDir,
    resolution: Resolution,
    files: HashMap<PathBuf, (FileId, Arc<FileInfo>)>,
    streams: HashMap<PathBuf, Arc<StreamInfo>>,
}

/// Tells a file from another of the same name: sealing again replaces it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct FileId {
    inode: u64,
    bytes: u64,
    modified: (i64, i64),
}

/// What the set rule is about: the files and streams of one table and `pod=`.
type Group = (Vec<Arc<FileInfo>>, Vec<Arc<StreamInfo>>);

/// The names of one pass.
#[derive(Debug, Default, PartialEq, Eq)]
struct Names {
    streams: Vec<(Ulid, Table)>,
    files: Vec<(Table, NaiveDate, String, FileName)>,
}

impl Lister {
    /// A lister of raw rows that knows nothing yet.
    #[must_use]
    pub fn new(dir: DataDir) -> Self {
        Self::at(dir, Resolution::Raw)
    }

    /// A lister of the files of one resolution; only raw rows have spool streams too.
    #[must_use]
    pub fn at(dir: DataDir, resolution: Resolution) -> Self {
        Self {
            dir,
            resolution,
            files: HashMap::new(),
            streams: HashMap::new(),
        }
    }

    /// The directory.
    #[must_use]
    pub fn dir(&self) -> &DataDir {
        &self.dir
    }

    /// What counts now. A directory that is not there holds nothing.
    ///
    /// # Errors
    /// When a directory cannot be listed; a file that cannot be read is in
    /// [`Listing::skipped`].
    pub fn list(&mut self, selection: &Selection) -> Result<Listing, StoreError> {
        let mut names = self.names(selection)?;
        for _ in 0..MOST_ATTEMPTS {
            let again = self.names(selection)?;
            if again != names {
                names = again;
                continue;
            }
            match self.describe(&names)? {
                Some(listing) => return Ok(listing),
                None => names = self.names(selection)?,
            }
        }
        Err(StoreError::Unsettled(self.dir.root().to_owned()))
    }

    /// One pass: the spool first, so that what is sealed meanwhile is seen twice, not never.
    fn names(&self, selection: &Selection) -> Result<Names, StoreError> {
        let mut names = Names::default();
        let spools = match self.resolution {
            Resolution::Raw => names_in(&self.dir.spool_root())?,
            Resolution::S60 | Resolution::S600 => Vec::new(),
        };
        for name in spools {
            let Some(ulid) = parse_ulid(&name) else {
                continue;
            };
            for stream in names_in(&self.dir.spool(ulid))? {
                let table = stream.strip_suffix(".arrows").and_then(Table::from_name);
                names.streams.extend(
                    table
                        .filter(|table| selection.tables.contains(table))
                        .map(|table| (ulid, table)),
                );
            }
        }
        for &table in &selection.tables {
            let root = self.dir.table_at(table, self.resolution);
            for date_name in names_in(&root)? {
                let Some(date) = parse_date_directory(&date_name) else {
                    continue;
                };
                if !selection.has_date(table, date) {
                    continue;
                }
                for pod in names_in(&root.join(&date_name))? {
                    if !pod.starts_with("pod=") {
                        continue;
                    }
                    for file in names_in(&root.join(&date_name).join(&pod))? {
                        if let Ok(name) = file.parse::<FileName>()
                            && selection.has_hour(table, name)
                        {
                            names.files.push((table, date, pod.clone(), name));
                        }
                    }
                }
            }
        }
        Ok(names)
    }

    /// Reads what is not known yet and applies the set rule; `None` when a file is gone.
    fn describe(&mut self, names: &Names) -> Result<Option<Listing>, StoreError> {
        let mut listing = Listing::default();
        let mut groups: BTreeMap<(Table, String), Group> = BTreeMap::new();
        for (ulid, table) in &names.streams {
            match self.stream(*ulid, *table) {
                Ok(Some(stream)) => {
                    let pod = pod_directory(&stream.origin.recorder.recorder);
                    groups.entry((*table, pod)).or_default().1.push(stream);
                }
                Ok(None) => {}
                Err(error) if error.is_not_found() => return Ok(None),
                Err(error) => listing.skipped.push(Skipped {
                    path: self.dir.stream(*ulid, *table),
                    error,
                }),
            }
        }
        for (table, date, pod, name) in &names.files {
            let path = self
                .dir
                .table_at(*table, self.resolution)
                .join(format!("dt={date}"))
                .join(pod)
                .join(name.format()?);
            match self.file(&path, *table, *date, pod, *name) {
                Ok(file) => groups
                    .entry((*table, pod.clone()))
                    .or_default()
                    .0
                    .push(file),
                Err(error) if error.is_not_found() => return Ok(None),
                Err(error) => listing.skipped.push(Skipped { path, error }),
            }
        }
        for (files, streams) in groups.into_values() {
            listing.add(files, streams);
        }
        self.forget(names);
        Ok(Some(listing))
    }

    fn stream(&mut self, ulid: Ulid, table: Table) -> Result<Option<Arc<StreamInfo>>, StoreError> {
        let path = self.dir.stream(ulid, table);
        if let Some(known) = self.streams.get(&path) {
            return Ok(Some(Arc::clone(known)));
        }
        let Some(stream) = SpoolStream::open(&path, Columns::Named(&[]))? else {
            return Ok(None);
        };
        let info = Arc::new(StreamInfo {
            path: path.clone(),
            ulid,
            table,
            origin: stream.origin().clone(),
        });
        self.streams.insert(path, Arc::clone(&info));
        Ok(Some(info))
    }

    fn file(
        &mut self,
        path: &Path,
        table: Table,
        date: NaiveDate,
        pod: &str,
        name: FileName,
    ) -> Result<Arc<FileInfo>, StoreError> {
        let on_disk = path.metadata().map_err(StoreError::io("read", path))?;
        let id = FileId {
            inode: on_disk.ino(),
            bytes: on_disk.len(),
            modified: (on_disk.mtime(), on_disk.mtime_nsec()),
        };
        if let Some((known_id, known)) = self.files.get(path)
            && *known_id == id
        {
            return Ok(Arc::clone(known));
        }
        let place = (table, self.resolution);
        let info = Arc::new(FileInfo::read(path, place, date, pod, name)?);
        self.files.insert(path.to_owned(), (id, Arc::clone(&info)));
        Ok(info)
    }

    /// Drops what was deleted since.
    fn forget(&mut self, names: &Names) {
        let streams: HashSet<_> = names.streams.iter().copied().collect();
        self.streams
            .retain(|_, info| streams.contains(&(info.ulid, info.table)));
        if self.files.len() > 2 * names.files.len() + 1000 {
            self.files.retain(|path, _| path.exists());
        }
    }
}

impl Listing {
    /// Adds the files and streams of one table and `pod=`.
    fn add(&mut self, files: Vec<Arc<FileInfo>>, streams: Vec<Arc<StreamInfo>>) {
        let members: Vec<_> = files
            .iter()
            .map(|file| member(&file.name, &file.footer))
            .chain(streams.iter().map(|stream| Member {
                spools: [stream.ulid].into(),
                level: Level::Spool,
                generation: 0,
                name: String::new(),
            }))
            .collect();
        let mut gone = superseded(&members).into_iter();
        for (file, gone) in files.into_iter().zip(gone.by_ref()) {
            if gone {
                self.superseded_files.push(file);
            } else {
                self.files.push(file);
            }
        }
        for (stream, gone) in streams.into_iter().zip(gone) {
            if gone {
                self.superseded_streams.push(stream);
            } else {
                self.streams.push(stream);
            }
        }
    }
}

/// A file as the set rule sees it.
pub(crate) fn member(name: &FileName, footer: &Footer) -> Member {
    Member {
        spools: footer.spools.iter().copied().collect(),
        level: footer.level,
        generation: footer.generation,
        name: name.to_string(),
    }
}

#[cfg(test)]
mod tests;
