//! A whole data directory.

use super::tally::Tally;
use crate::StoreError;
use crate::layout::{DataDir, hour_of, names_in};
use crate::listing::{FileInfo, Lister, Listing, Selection, StreamInfo};
use crate::stream::{Columns, SpoolStream, Tail};
use fgm_model::Table;
use fgm_model::schema::column;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use ulid::Ulid;

/// The files of one table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableReport {
    /// Which.
    pub table: Table,
    /// Files that count.
    pub files: usize,
    /// Files whose rows others hold.
    pub superseded: usize,
    /// Rows of the files that count.
    pub rows: u64,
    /// Bytes of all of them.
    pub bytes: u64,
    /// Hours with a file.
    pub hours: usize,
    /// First and last `time`.
    pub range_ms: Option<(i64, i64)>,
    /// The `pod=` directories.
    pub recorders: BTreeSet<String>,
}

/// A spool stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamLine {
    /// Its spool.
    pub ulid: Ulid,
    /// Its table.
    pub table: Table,
    /// Its size.
    pub bytes: u64,
    /// Its whole rows.
    pub rows: u64,
    /// First and last `time`.
    pub range_ms: Option<(i64, i64)>,
    /// What follows the last whole tick.
    pub tail: Tail,
    /// Whether a file holds its rows already.
    pub superseded: bool,
}

/// What is in a data directory.
#[derive(Debug)]
pub struct DirReport {
    /// The data directory.
    pub root: PathBuf,
    /// Its tables that hold files.
    pub tables: Vec<TableReport>,
    /// Its spool.
    pub streams: Vec<StreamLine>,
    /// What cannot be read, and why.
    pub skipped: Vec<(PathBuf, String)>,
    /// Files in `_quarantine`, with their reasons.
    pub quarantined: Vec<(String, String)>,
    /// Unfinished files in `_tmp`.
    pub unfinished: usize,
}

/// Reads a data directory.
///
/// # Errors
/// When it is not one, or cannot be listed.
pub fn inspect_dir(path: &Path) -> Result<DirReport, StoreError> {
    let names = std::fs::read_dir(path).map_err(StoreError::io("list", path))?;
    let is_ours = names
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .any(|name| name == "_spool" || Table::from_name(&name).is_some());
    if !is_ours {
        let reason = "it holds neither _spool nor one of metrics, pods, node, events";
        return Err(StoreError::parse(path, "data directory", reason));
    }
    let dir = DataDir::new(path);
    let listing = Lister::new(dir.clone()).list(&Selection::all())?;
    let mut streams = Vec::new();
    for (list, superseded) in [
        (&listing.streams, false),
        (&listing.superseded_streams, true),
    ] {
        for stream in list {
            streams.extend(stream_line(stream, superseded)?);
        }
    }
    streams.sort_by_key(|stream| (stream.ulid, stream.table));
    let mut unfinished = 0;
    for role in names_in(&path.join("_tmp"))? {
        unfinished += names_in(&path.join("_tmp").join(role))?.len();
    }
    Ok(DirReport {
        root: path.to_owned(),
        tables: Table::ALL
            .into_iter()
            .filter_map(|table| table_report(&listing, table))
            .collect(),
        streams,
        skipped: listing
            .skipped
            .iter()
            .map(|skipped| (skipped.path.clone(), reason_of(&skipped.error)))
            .collect(),
        quarantined: quarantined(&dir)?,
        unfinished,
    })
}

/// The path stands beside it.
fn reason_of(error: &StoreError) -> String {
    match error {
        StoreError::Parse { what, reason, .. } => format!("not a readable {what}: {reason}"),
        other => other.to_string(),
    }
}

fn table_report(listing: &Listing, table: Table) -> Option<TableReport> {
    let of = |file: &&std::sync::Arc<FileInfo>| file.table == table;
    let files: Vec<_> = listing.files.iter().filter(of).collect();
    let superseded: Vec<_> = listing.superseded_files.iter().filter(of).collect();
    let all = || files.iter().chain(&superseded);
    all().next()?;
    let start = files.iter().map(|file| file.name.start_ms).min();
    let end = files.iter().map(|file| file.name.end_ms).max();
    let hours: BTreeSet<_> = files
        .iter()
        .map(|file| hour_of(file.name.start_ms))
        .collect();
    Some(TableReport {
        table,
        files: files.len(),
        superseded: superseded.len(),
        rows: files.iter().map(|file| file.rows).sum(),
        bytes: all().map(|file| file.bytes).sum(),
        hours: hours.len(),
        range_ms: start.zip(end),
        recorders: all().map(|file| file.pod.clone()).collect(),
    })
}

/// `None` when it was sealed meanwhile.
fn stream_line(stream: &StreamInfo, superseded: bool) -> Result<Option<StreamLine>, StoreError> {
    let columns = Columns::Named(&[column::TIME]);
    let opened = match SpoolStream::open(&stream.path, columns) {
        Err(error) if error.is_not_found() => return Ok(None),
        opened => opened?,
    };
    let Some(mut opened) = opened else {
        return Ok(None);
    };
    let mut tally = Tally::default();
    while let Some(batch) = opened.next_batch()? {
        tally.add(&batch);
    }
    let bytes = stream.path.metadata().map_or(0, |metadata| metadata.len());
    Ok(Some(StreamLine {
        ulid: stream.ulid,
        table: stream.table,
        bytes,
        rows: tally.rows,
        range_ms: tally.range_ms,
        tail: opened.tail().clone(),
        superseded,
    }))
}

fn quarantined(dir: &DataDir) -> Result<Vec<(String, String)>, StoreError> {
    const NOTE: &str = ".reason.txt";
    let names = names_in(&dir.quarantine())?;
    let reason = |name: &str| {
        let note = dir.quarantine().join(format!("{name}{NOTE}"));
        let reason = std::fs::read_to_string(note).unwrap_or_default();
        reason.trim().to_owned()
    };
    let files = names.iter().filter(|name| !name.ends_with(NOTE));
    Ok(files.map(|name| (name.clone(), reason(name))).collect())
}
