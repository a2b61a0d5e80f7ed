//! A closed spool becomes sorted Parquet, stream by stream.
//!
//! Each stream is decided alone, in steps of which each can be the last one before a kill:
//! write below `_tmp` and sync, read back and compare, rename into place and sync the
//! directory, remove the stream. Until the rename nobody sees the file; from then on the set
//! rule says that it counts and the stream does not.

mod columns;
mod late;
pub(crate) mod order;
pub(crate) mod segment;
#[cfg(test)]
mod tests;

use crate::StoreError;
use crate::footer::{Footer, HourNotes};
use crate::layout::{
    DataDir, FileName, Role, create_file, make_directory, names_in, pod_directory, remove_file,
};
use crate::quarantine::set_aside;
use crate::set_rule::Level;
use crate::stream::{SpoolStream, Tail};
use crate::table_file::verify::verify;
use crate::table_file::{Finished, Step, Watch};
pub(crate) use columns::text_at;
use fgm_model::{Resolution, Table};
use late::Late;
pub use late::Names;
use order::Order;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use ulid::Ulid;

/// Nobody knows more than the rows.
pub(crate) const NO_NAMES: Names<'static> = &|_, _| None;

/// What became of a spool.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct SealReport {
    /// The files made of it.
    pub published: Vec<Published>,
    /// Streams without a whole row, which were just removed.
    pub empty: Vec<Table>,
    /// Streams with unreadable parts, which were moved to `_quarantine` after what could be
    /// read was published.
    pub quarantined: Vec<PathBuf>,
}

/// A published file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    /// Its table.
    pub table: Table,
    /// Its path.
    pub path: PathBuf,
    /// Its rows.
    pub rows: u64,
    /// Its size.
    pub bytes: u64,
    /// Rows left out because a later one has the same key.
    pub duplicates: u64,
    /// Bytes of a torn tail that were cut.
    pub torn_bytes: u64,
}

/// Seals every stream of a closed spool and removes it.
///
/// Every stream is tried; what failed stays where it is and can be sealed again.
///
/// # Errors
/// The first stream's failure.
pub fn seal(dir: &DataDir, ulid: Ulid) -> Result<SealReport, StoreError> {
    seal_named(dir, ulid, NO_NAMES)
}

/// The same; `names` completes the rows of instances that no row of the spool knows the name of.
///
/// # Errors
/// The first stream's failure.
pub fn seal_named(dir: &DataDir, ulid: Ulid, names: Names<'_>) -> Result<SealReport, StoreError> {
    seal_streams(dir, ulid, names, &mut |_| Ok(()))
}

#[cfg(test)]
pub(crate) fn seal_watched(
    dir: &DataDir,
    ulid: Ulid,
    watch: Watch<'_>,
) -> Result<SealReport, StoreError> {
    seal_streams(dir, ulid, NO_NAMES, watch)
}

fn seal_streams(
    dir: &DataDir,
    ulid: Ulid,
    names: Names<'_>,
    watch: Watch<'_>,
) -> Result<SealReport, StoreError> {
    let mut report = SealReport::default();
    let mut result = Ok(());
    for name in names_in(&dir.spool(ulid))? {
        let Some(table) = name.strip_suffix(".arrows").and_then(Table::from_name) else {
            continue;
        };
        let sealed = seal_stream(dir, (ulid, table), names, &mut report, watch);
        result = result.and(sealed);
    }
    remove_spool_directory(dir, ulid)?;
    result.map(|()| report)
}

/// Removes a spool's directory if nothing is left in it.
pub(crate) fn remove_spool_directory(dir: &DataDir, ulid: Ulid) -> Result<(), StoreError> {
    let path = dir.spool(ulid);
    match fs::remove_dir(&path) {
        Err(error)
            if !matches!(
                error.kind(),
                io::ErrorKind::DirectoryNotEmpty | io::ErrorKind::NotFound
            ) =>
        {
            Err(StoreError::io("remove", &path)(error))
        }
        _ => Ok(()),
    }
}

/// Seals one stream, leaving what happened in the report.
pub(crate) fn seal_stream(
    dir: &DataDir,
    (ulid, table): (Ulid, Table),
    names: Names<'_>,
    report: &mut SealReport,
    watch: Watch<'_>,
) -> Result<(), StoreError> {
    let stream = dir.stream(ulid, table);
    let damage = match publish_stream(dir, (ulid, table), names, report, watch) {
        Ok(Tail::Damaged { at, bytes, reason }) => Some(format!(
            "{bytes} bytes from byte {at} cannot be read: {reason}"
        )),
        Ok(Tail::Clean | Tail::Torn { .. }) => None,
        Err(error) if error.is_damage() => Some(error.to_string()),
        Err(error) => return Err(error),
    };
    match damage {
        Some(reason) => report.quarantined.push(set_aside(dir, &stream, &reason)?),
        None => {
            remove_file(&stream)?;
        }
    }
    watch(Step::Removed)
}

/// Publishes what can be read of a stream, and tells what follows that.
fn publish_stream(
    dir: &DataDir,
    (ulid, table): (Ulid, Table),
    names: Names<'_>,
    report: &mut SealReport,
    watch: Watch<'_>,
) -> Result<Tail, StoreError> {
    let Some(mut source) = Source::open(&dir.stream(ulid, table), table, names)? else {
        report.empty.push(table);
        return Ok(Tail::Clean);
    };
    if source.order.rows() > 0 {
        let published = publish(dir, ulid, &mut source, watch)?;
        report.published.push(published);
    } else {
        report.empty.push(table);
    }
    Ok(source.tail)
}

/// A stream whose order is known.
pub(crate) struct Source {
    pub(crate) path: PathBuf,
    pub(crate) table: Table,
    pub(crate) order: Order,
    pub(crate) late: Late,
    pub(crate) tail: Tail,
    footer: Footer,
}

impl Source {
    /// Reads the key columns; `None` when not even the schema was written whole.
    fn open(path: &Path, table: Table, names: Names<'_>) -> Result<Option<Self>, StoreError> {
        let Some(mut stream) = SpoolStream::open(path, Order::columns(table))? else {
            return Ok(None);
        };
        let order = Order::read(&mut stream, path, table, usize::MAX)?;
        Ok(Some(Self {
            footer: Footer {
                origin: Some(stream.origin().clone()),
                level: Level::Segment,
                generation: 0,
                spools: Vec::new(),
                instances: Vec::new(),
                hour: HourNotes::default(),
            },
            tail: stream.tail().clone(),
            path: path.to_owned(),
            table,
            late: Late::of(&order.instances, names),
            order,
        }))
    }

    /// Takes only the first ticks: what follows is damaged in some column.
    pub(crate) fn shorten(&mut self, ticks: usize, tail: Tail) -> Result<(), StoreError> {
        let stream = SpoolStream::open(&self.path, Order::columns(self.table))?;
        let Some(mut stream) = stream else {
            return Err(StoreError::parse(&self.path, "spool stream", "it shrank"));
        };
        self.order = Order::read(&mut stream, &self.path, self.table, ticks)?;
        self.tail = tail;
        Ok(())
    }
}

/// Writes, verifies and publishes the file of one stream.
fn publish(
    dir: &DataDir,
    ulid: Ulid,
    source: &mut Source,
    watch: Watch<'_>,
) -> Result<Published, StoreError> {
    source.footer.spools = vec![ulid];
    let tmp_directory = dir.tmp(Role::Recorder);
    make_directory(&dir.root().join("_tmp"))?;
    make_directory(&tmp_directory)?;
    let tmp = tmp_directory.join(format!("{}-{ulid}.parquet", source.table.as_str()));
    let result = write_and_rename(dir, ulid, source, &tmp, watch);
    if result.is_err() {
        // What is left is removed at the next start at the latest.
        let _ = remove_file(&tmp);
    }
    result
}

fn write_and_rename(
    dir: &DataDir,
    ulid: Ulid,
    source: &mut Source,
    tmp: &Path,
    watch: Watch<'_>,
) -> Result<Published, StoreError> {
    let file = create_file(tmp)?;
    let checksums = loop {
        match segment::write(&file, tmp, source)? {
            segment::Written::Whole(checksums) => break checksums,
            segment::Written::Shorter { ticks, tail } => source.shorten(ticks, tail)?,
        }
        if source.order.rows() == 0 {
            return Err(StoreError::parse(
                &source.path,
                "spool stream",
                "no tick is whole",
            ));
        }
    };
    file.sync_all().map_err(StoreError::io("sync", tmp))?;
    drop(file);
    watch(Step::Written)?;
    let bytes = verify(tmp, source.order.rows(), &checksums)?;
    watch(Step::Verified)?;

    let recorder = source
        .footer
        .origin
        .as_ref()
        .map_or("", |origin| origin.recorder.recorder.as_str());
    let finished = Finished {
        tmp,
        place: (source.table, Resolution::Raw),
        hour_ms: source.order.hour_ms,
        pod: &pod_directory(recorder),
        name: FileName {
            start_ms: source.order.first_ms,
            end_ms: source.order.last_ms,
            ulid,
        },
    };
    let path = finished.publish(dir, watch)?;
    Ok(Published {
        table: source.table,
        path,
        rows: source.order.rows() as u64,
        bytes,
        duplicates: source.order.duplicates,
        torn_bytes: match source.tail {
            Tail::Torn { bytes, .. } => bytes,
            _ => 0,
        },
    })
}
