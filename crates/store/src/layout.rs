//! Where everything lies: directories, partitions and file names (DATA.md section 1).
//!
//! Directories are 2775 and files 0664 whatever the umask is: recorder, viewer and consolidator
//! run as different users of one group.

use crate::StoreError;
use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime};
use fgm_model::{Resolution, Table};
use std::fmt;
use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use ulid::Ulid;

/// Milliseconds of an hour.
pub const HOUR_MS: i64 = 3_600_000;

const DIRECTORY_MODE: u32 = 0o2775;
const FILE_MODE: u32 = 0o664;

/// The start of the UTC hour that `time_ms` lies in.
#[must_use]
pub const fn hour_of(time_ms: i64) -> i64 {
    time_ms.div_euclid(HOUR_MS).saturating_mul(HOUR_MS)
}

/// Who writes to a data directory: at most one of each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// `fgm`.
    Recorder,
    /// `fgm-consolidator`.
    Consolidator,
}

impl Role {
    /// The name of its lock and of its folder in `_tmp`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Recorder => "recorder",
            Self::Consolidator => "consolidator",
        }
    }
}

/// A data directory: every path below it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataDir {
    root: PathBuf,
}

impl DataDir {
    /// The directory as it is, for reading: nothing is made or checked.
    #[must_use]
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// Makes the directory and those that a writer needs.
    ///
    /// # Errors
    /// Says which directory could not be made.
    pub fn create(root: impl Into<PathBuf>) -> Result<Self, StoreError> {
        let dir = Self::new(root);
        let missing: Vec<_> = dir
            .root
            .ancestors()
            .take_while(|path| !path.as_os_str().is_empty() && !path.exists())
            .collect();
        for path in missing.into_iter().rev() {
            make_directory(path)?;
        }
        for path in [
            dir.spool_root(),
            dir.root.join("_tmp"),
            dir.tmp(Role::Recorder),
            dir.quarantine(),
            dir.notes(),
            dir.state(),
            dir.root.join("_lock"),
        ] {
            make_directory(&path)?;
        }
        for path in [dir.root.clone(), dir.notes()] {
            share(&path).map_err(StoreError::io("share with the group", &path))?;
        }
        Ok(dir)
    }

    /// The directory itself.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// `_spool`.
    #[must_use]
    pub fn spool_root(&self) -> PathBuf {
        self.root.join("_spool")
    }

    /// `_spool/<ulid>`.
    #[must_use]
    pub fn spool(&self, ulid: Ulid) -> PathBuf {
        self.spool_root().join(ulid.to_string())
    }

    /// `_spool/<ulid>/<table>.arrows`.
    #[must_use]
    pub fn stream(&self, ulid: Ulid, table: Table) -> PathBuf {
        self.spool(ulid).join(format!("{}.arrows", table.as_str()))
    }

    /// `_tmp/<role>`, where that role writes before it publishes.
    #[must_use]
    pub fn tmp(&self, role: Role) -> PathBuf {
        self.root.join("_tmp").join(role.as_str())
    }

    /// `_quarantine`.
    #[must_use]
    pub fn quarantine(&self) -> PathBuf {
        self.root.join("_quarantine")
    }

    /// `_notes`.
    #[must_use]
    pub fn notes(&self) -> PathBuf {
        self.root.join("_notes")
    }

    /// `_state`.
    #[must_use]
    pub fn state(&self) -> PathBuf {
        self.root.join("_state")
    }

    /// `_lock/<role>`.
    #[must_use]
    pub fn lock_file(&self, role: Role) -> PathBuf {
        self.root.join("_lock").join(role.as_str())
    }

    /// The directory of a table.
    #[must_use]
    pub fn table(&self, table: Table) -> PathBuf {
        self.root.join(table.as_str())
    }

    /// The directory of a table at a resolution: `metrics`, `metrics_60s`.
    #[must_use]
    pub fn table_at(&self, table: Table, resolution: Resolution) -> PathBuf {
        self.root.join(resolution.directory(table))
    }

    /// `<table>/dt=YYYY-MM-DD/pod=<recorder>` for a time.
    ///
    /// # Errors
    /// Returns [`StoreError::TimeOutOfRange`] outside the years 0 to 9999.
    pub fn partition(
        &self,
        table: Table,
        time_ms: i64,
        recorder: &str,
    ) -> Result<PathBuf, StoreError> {
        self.partition_at(table, Resolution::Raw, time_ms, &pod_directory(recorder))
    }

    /// The same at a resolution, the `pod=` directory being named as it is.
    ///
    /// # Errors
    /// Returns [`StoreError::TimeOutOfRange`] outside the years 0 to 9999.
    pub fn partition_at(
        &self,
        table: Table,
        resolution: Resolution,
        time_ms: i64,
        pod: &str,
    ) -> Result<PathBuf, StoreError> {
        let date = utc(time_ms)?.date();
        Ok(self
            .table_at(table, resolution)
            .join(format!("dt={date}"))
            .join(pod))
    }
}

/// `pod=<recorder>`, with what a directory name or a Hive reader would trip over written as
/// `%XX`, as Hive does.
#[must_use]
pub fn pod_directory(recorder: &str) -> String {
    // A directory name holds 255 bytes, a pod name up to 253.
    const LONGEST: usize = 240;
    let mut name = String::from("pod=");
    if recorder.is_empty() {
        name.push_str("unknown");
    }
    for byte in recorder.bytes() {
        if byte.is_ascii_alphanumeric() || b".-_".contains(&byte) {
            name.push(char::from(byte));
        } else {
            name.push_str(&format!("%{byte:02X}"));
        }
    }
    if name.len() > LONGEST {
        name.truncate(LONGEST - 17);
        name.push_str(&format!("-{:016x}", fnv1a(recorder.as_bytes())));
    }
    name
}

/// A stable 64-bit hash, to keep cut names apart.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// The date of a `dt=YYYY-MM-DD` directory.
#[must_use]
pub fn parse_date_directory(name: &str) -> Option<NaiveDate> {
    let text = name.strip_prefix("dt=")?;
    let date = text.parse::<NaiveDate>().ok()?;
    (date.to_string() == text).then_some(date)
}

fn utc(time_ms: i64) -> Result<NaiveDateTime, StoreError> {
    DateTime::from_timestamp_millis(time_ms)
        .map(|time| time.naive_utc())
        .filter(|time| (0..=9999).contains(&time.year()))
        .ok_or(StoreError::TimeOutOfRange(time_ms))
}

/// `20261123T080000.000Z`.
///
/// # Errors
/// Returns [`StoreError::TimeOutOfRange`] outside the years 0 to 9999.
pub fn format_time(time_ms: i64) -> Result<String, StoreError> {
    Ok(utc(time_ms)?.format("%Y%m%dT%H%M%S%.3fZ").to_string())
}

fn parse_time(text: &str) -> Option<i64> {
    let time = NaiveDateTime::parse_from_str(text, "%Y%m%dT%H%M%S%.3fZ").ok()?;
    let time_ms = time.and_utc().timestamp_millis();
    // One spelling for one time: a leap second or another width is not ours.
    (format_time(time_ms).ok()? == text).then_some(time_ms)
}

/// The name of a published file: the span of its rows' `time`, inclusive, and a ULID.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FileName {
    /// The first row's `time`, milliseconds UTC.
    pub start_ms: i64,
    /// The last row's `time`.
    pub end_ms: i64,
    /// The spool's ULID for a segment, a new one for an hour.
    pub ulid: Ulid,
}

impl FileName {
    /// The name with its extension.
    ///
    /// # Errors
    /// Returns [`StoreError::TimeOutOfRange`] outside the years 0 to 9999.
    pub fn format(&self) -> Result<String, StoreError> {
        let (start, end) = (format_time(self.start_ms)?, format_time(self.end_ms)?);
        Ok(format!("{start}-{end}-{}.parquet", self.ulid))
    }
}

/// A name that is not `<start>-<end>-<ulid>.parquet`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a name of the form <start>-<end>-<ulid>.parquet")]
pub struct NotAFileName;

impl FromStr for FileName {
    type Err = NotAFileName;

    fn from_str(name: &str) -> Result<Self, NotAFileName> {
        let mut parts = name
            .strip_suffix(".parquet")
            .ok_or(NotAFileName)?
            .splitn(3, '-');
        let mut next = || parts.next().ok_or(NotAFileName);
        let start_ms = parse_time(next()?).ok_or(NotAFileName)?;
        let end_ms = parse_time(next()?).ok_or(NotAFileName)?;
        let ulid = parse_ulid(next()?).ok_or(NotAFileName)?;
        Ok(Self {
            start_ms,
            end_ms,
            ulid,
        })
    }
}

impl fmt::Display for FileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.format().unwrap_or_else(|error| error.to_string()))
    }
}

/// The ULID of a directory or file name: only its one canonical spelling.
#[must_use]
pub fn parse_ulid(text: &str) -> Option<Ulid> {
    let ulid = Ulid::from_string(text).ok()?;
    (ulid.to_string() == text).then_some(ulid)
}

/// Makes one directory, group-writable; one that exists is left as it is.
pub(crate) fn make_directory(path: &Path) -> Result<(), StoreError> {
    match DirBuilder::new().mode(DIRECTORY_MODE).create(path) {
        Ok(()) => relax(fs::set_permissions(
            path,
            Permissions::from_mode(DIRECTORY_MODE),
        ))
        .map_err(StoreError::io("set the mode of", path)),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
        Err(error) => Err(StoreError::io("make directory", path)(error)),
    }
}

/// Gives root's directory to the group that root was started with, if that is another than its own.
///
/// A kubelet makes the directories of its hostPath volumes for root alone, where viewer and
/// consolidator must be able to write as members of the recorder's group.
fn share(path: &Path) -> io::Result<()> {
    let group = rustix::process::getegid();
    let metadata = path.metadata()?;
    let roots = metadata.uid() == 0 && metadata.gid() == 0;
    if group.is_root() || !rustix::process::geteuid().is_root() || !roots {
        return Ok(());
    }
    std::os::unix::fs::chown(path, None, Some(group.as_raw()))?;
    fs::set_permissions(path, Permissions::from_mode(DIRECTORY_MODE))
}

/// Makes a file for writing, group-writable; an existing one is emptied.
pub(crate) fn create_file(path: &Path) -> Result<File, StoreError> {
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(true)
        .mode(FILE_MODE)
        .open(path)
        .map_err(StoreError::io("create", path))?;
    relax(file.set_permissions(Permissions::from_mode(FILE_MODE)))
        .map_err(StoreError::io("set the mode of", path))?;
    Ok(file)
}

/// A file system without modes is used as it is.
fn relax(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::PermissionDenied | io::ErrorKind::Unsupported
            ) =>
        {
            Ok(())
        }
        other => other,
    }
}

/// Makes the names in a directory durable.
pub(crate) fn sync_directory(path: &Path) -> Result<(), StoreError> {
    File::open(path)
        .and_then(|directory| directory.sync_all())
        .map_err(StoreError::io("sync directory", path))
}

/// Removes a file; that it is gone already is fine.
pub(crate) fn remove_file(path: &Path) -> Result<bool, StoreError> {
    match fs::remove_file(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(StoreError::io("remove", path)(error)),
    }
}

/// The names in a directory, sorted; none when it is not there.
pub(crate) fn names_in(path: &Path) -> Result<Vec<String>, StoreError> {
    let entries = match fs::read_dir(path) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(StoreError::io("list", path)(error)),
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.map_err(StoreError::io("list", path))?;
        // What is not UTF-8 was not named by us.
        if let Ok(name) = entry.file_name().into_string() {
            names.push(name);
        }
    }
    names.sort_unstable();
    Ok(names)
}

#[cfg(test)]
mod tests;
