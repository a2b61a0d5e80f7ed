//! Taking stock of a data directory, and deleting from it.

use super::{Cause, Disk, Inventory, Plan, Stored, Unit};
use crate::StoreError;
use crate::footer::{Footer, read_metadata};
use crate::layout::{
    DataDir, FileName, HOUR_MS, hour_of, names_in, parse_date_directory, remove_file,
    sync_directory,
};
use crate::listing::member;
use crate::set_rule::Member;
use chrono::NaiveDate;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

/// The space on the file system of a data directory.
///
/// # Errors
/// When the file system does not answer.
pub fn disk(dir: &DataDir) -> Result<Disk, StoreError> {
    let stat = rustix::fs::statvfs(dir.root())
        .map_err(|errno| StoreError::io("ask the free space of", dir.root())(errno.into()))?;
    Ok(Disk {
        free_bytes: stat.f_bavail.saturating_mul(stat.f_frsize),
        total_bytes: stat.f_blocks.saturating_mul(stat.f_frsize),
    })
}

/// Lists every published file with its size, and measures the rest.
///
/// # Errors
/// When a directory cannot be listed.
pub fn take_stock(dir: &DataDir) -> Result<Inventory, StoreError> {
    let mut inventory = Inventory::default();
    for name in names_in(dir.root())? {
        let path = dir.root().join(&name);
        if name.starts_with('_') || !path.is_dir() {
            inventory.other_bytes += bytes_below(&path)?;
            continue;
        }
        for date_name in names_in(&path)? {
            let date_path = path.join(&date_name);
            let Some(date) = parse_date_directory(&date_name) else {
                inventory.other_bytes += bytes_below(&date_path)?;
                continue;
            };
            for pod in names_in(&date_path)? {
                stock_partition(&mut inventory, &name, date, &date_path.join(&pod), &pod)?;
            }
        }
    }
    Ok(inventory)
}

fn stock_partition(
    inventory: &mut Inventory,
    table: &str,
    date: NaiveDate,
    path: &Path,
    pod: &str,
) -> Result<(), StoreError> {
    if !path.is_dir() {
        inventory.other_bytes += bytes_below(path)?;
        return Ok(());
    }
    for file in names_in(path)? {
        let path = path.join(&file);
        match file.parse::<FileName>() {
            Ok(name) => {
                let Some(bytes) = size_of(&path)? else {
                    continue;
                };
                let unit = Unit::new(table, pod, hour_in(date, name));
                inventory
                    .units
                    .entry(unit)
                    .or_default()
                    .push(Stored { path, bytes });
            }
            Err(_) => inventory.other_bytes += bytes_below(&path)?,
        }
    }
    Ok(())
}

/// A file's hour: that of its rows, but within its directory's date. An event lies by when it
/// was recorded and is named by when it happened.
fn hour_in(date: NaiveDate, name: FileName) -> i64 {
    let midnight = date.and_time(chrono::NaiveTime::MIN).and_utc();
    let first = midnight.timestamp_millis();
    hour_of(name.end_ms).clamp(first, first + 23 * HOUR_MS)
}

/// The size of a file; `None` when it is gone.
fn size_of(path: &Path) -> Result<Option<u64>, StoreError> {
    match path.symlink_metadata() {
        Ok(metadata) => Ok(Some(metadata.len())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(StoreError::io("read", path)(error)),
    }
}

fn bytes_below(path: &Path) -> Result<u64, StoreError> {
    let Ok(metadata) = path.symlink_metadata() else {
        return Ok(0);
    };
    if !metadata.is_dir() {
        return Ok(metadata.len());
    }
    let mut bytes = 0;
    for name in names_in(path)? {
        bytes += bytes_below(&path.join(name))?;
    }
    Ok(bytes)
}

/// Deletes what was planned and returns the bytes that went.
///
/// # Errors
/// The first file that could not be deleted; what came before it is gone.
pub fn apply(dir: &DataDir, plan: &Plan) -> Result<u64, StoreError> {
    let mut bytes = 0;
    for (unit, cause, files) in &plan.deletions {
        let mut of_unit = 0;
        for file in deletion_order(files) {
            of_unit += delete(&file)?;
        }
        let (table, pod, hour_ms) = (&unit.table, &unit.pod, unit.hour_ms);
        if *cause == Cause::Lost {
            tracing::warn!(
                table,
                pod,
                hour_ms,
                bytes = of_unit,
                "an hour is lost: deleted for free disk before it was archived"
            );
        } else {
            tracing::info!(
                table,
                pod,
                hour_ms,
                ?cause,
                bytes = of_unit,
                "deleted an hour"
            );
        }
        bytes += of_unit;
        if let Some(partition) = files.first().and_then(|file| file.path.parent()) {
            remove_if_empty(dir, partition);
        }
    }
    Ok(bytes)
}

/// Smaller files first: the hour that supersedes the rest comes last.
fn deletion_order(files: &[Stored]) -> Vec<PathBuf> {
    let mut files: Vec<_> = files.iter().collect();
    files.sort_by_key(|file| (file.bytes, &file.path));
    files.into_iter().map(|file| file.path.clone()).collect()
}

/// Deletes a file, and before it every file of its directory that it supersedes.
fn delete(path: &Path) -> Result<u64, StoreError> {
    let mut bytes = 0;
    let below = below(path)?;
    for path in &below {
        bytes += delete_one(path)?;
    }
    // A power cut must not undo their removal and keep that of the file itself.
    if let Some(partition) = path.parent().filter(|_| !below.is_empty()) {
        sync_directory(partition)?;
    }
    Ok(bytes + delete_one(path)?)
}

fn delete_one(path: &Path) -> Result<u64, StoreError> {
    let bytes = size_of(path)?.unwrap_or(0);
    Ok(if remove_file(path)? { bytes } else { 0 })
}

/// The files whose rows would reappear if this one went alone.
fn below(path: &Path) -> Result<Vec<PathBuf>, StoreError> {
    let Some((partition, own)) = path.parent().zip(member_at(path)?) else {
        return Ok(Vec::new());
    };
    // A file of one spool supersedes no other file.
    if own.spools.len() < 2 && own.generation == 0 {
        return Ok(Vec::new());
    }
    let mut found = Vec::new();
    for name in names_in(partition)? {
        let sibling = partition.join(&name);
        let Some(other) = member_at(&sibling)? else {
            continue;
        };
        if sibling != path && other.gives_way_to(&own) {
            found.push((other.spools.len(), other.level, other.generation, sibling));
        }
    }
    found.sort();
    Ok(found.into_iter().map(|(.., path)| path).collect())
}

/// A file as the set rule sees it; `None` for one that cannot be read: it supersedes nothing.
fn member_at(path: &Path) -> Result<Option<Member>, StoreError> {
    let name = path.file_name().and_then(|name| name.to_str());
    let Some(name) = name.and_then(|name| name.parse::<FileName>().ok()) else {
        return Ok(None);
    };
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(StoreError::io("open", path)(error)),
    };
    let footer = read_metadata(&file, path).and_then(|metadata| Footer::of_file(&metadata, path));
    Ok(footer.ok().map(|footer| member(&name, &footer)))
}

/// Removes directories that became empty, unless a spool could still be sealed into them.
fn remove_if_empty(dir: &DataDir, partition: &Path) {
    let Some(date_path) = partition.parent() else {
        return;
    };
    let date = date_path
        .file_name()
        .and_then(|name| parse_date_directory(name.to_str()?));
    let today = chrono::Utc::now().date_naive();
    if date.is_some_and(|date| (today - date).num_days() >= 2) && date_path.starts_with(dir.root())
    {
        // Not empty is the usual answer.
        let _ = fs::remove_dir(partition);
        let _ = fs::remove_dir(date_path);
    }
}
