//! One `<table>/dt=/pod=` directory, seen from both sides.
//!
//! The set rule holds per table and `pod=`, and a spool lies within one hour, so a day's
//! partition may be judged as a whole.

use super::plan::Item;
use super::target::Target;
use super::{ArchiveError, first_error};
use fgm_store::StoreError;
use fgm_store::footer::{Footer, read_metadata};
use fgm_store::layout::FileName;
use fgm_store::retain::{Inventory, Stored};
use fgm_store::set_rule::Member;
use futures_util::{StreamExt, TryStreamExt, stream};
use object_store::path::Path as Location;
use object_store::{ObjectMeta, ObjectStoreExt};
use parquet::errors::ParquetError;
use parquet::file::metadata::ParquetMetaDataReader;
use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Most footers are smaller; a larger one is asked for again.
const TAIL_BYTES: u64 = 64 << 10;
/// Footers that are read from the store at a time.
const READS_AT_ONCE: usize = 8;

/// A partition of the data directory.
#[derive(Debug, Default)]
pub(super) struct Partition {
    pub(super) files: Vec<Stored>,
}

/// The partitions of the data directory by their path below it.
pub(super) fn partitions(root: &Path, inventory: &Inventory) -> BTreeMap<String, Partition> {
    let mut partitions: BTreeMap<String, Partition> = BTreeMap::new();
    for file in inventory.units.values().flatten() {
        if let Some(relative) = partition_of(root, &file.path) {
            partitions
                .entry(relative)
                .or_default()
                .files
                .push(file.clone());
        }
    }
    partitions
}

/// The path of a file's partition below the data directory.
pub(super) fn partition_of(root: &Path, file: &Path) -> Option<String> {
    let relative = file.parent()?.strip_prefix(root).ok()?;
    relative.to_str().map(str::to_owned)
}

/// What is known of files that do not change.
#[derive(Debug, Default)]
pub(super) struct Footers {
    local: HashMap<PathBuf, (u64, SystemTime, Member)>,
    remote: HashMap<Location, (u64, Option<String>, Option<Member>)>,
}

impl Footers {
    /// The files of a partition as the plan sees them. One that cannot be read is left for a
    /// later pass: its hour waits.
    pub(super) fn locals(&mut self, files: &[Stored]) -> Vec<Item> {
        files.iter().map(|file| self.local(file)).collect()
    }

    fn local(&mut self, file: &Stored) -> Item {
        let member = match self.local_member(file) {
            Ok(member) => Some(member),
            Err(error) => {
                if !error.is_not_found() {
                    tracing::warn!("not archived: {error}");
                }
                None
            }
        };
        Item {
            name: name_of(&file.path),
            bytes: file.bytes,
            member,
        }
    }

    fn local_member(&mut self, file: &Stored) -> Result<Member, StoreError> {
        let path = &file.path;
        let io = |source| StoreError::Io {
            action: "read",
            path: path.clone(),
            source,
        };
        let modified = path.metadata().and_then(|it| it.modified()).map_err(io)?;
        if let Some((bytes, at, member)) = self.local.get(path)
            && (*bytes, *at) == (file.bytes, modified)
        {
            return Ok(member.clone());
        }
        let open = File::open(path).map_err(io)?;
        let footer = Footer::of_file(&read_metadata(&open, path)?, path)?;
        let member = member(&name_of(path), &footer);
        self.local
            .insert(path.clone(), (file.bytes, modified, member.clone()));
        Ok(member)
    }

    /// Forgets files that are gone.
    pub(super) fn forget_gone(&mut self) {
        self.local.retain(|path, _| path.exists());
    }

    /// The objects of a partition of the archive, and where they are.
    pub(super) async fn remotes(
        &mut self,
        target: &Target,
        relative: &str,
    ) -> Result<(Vec<Item>, Vec<Location>), ArchiveError> {
        let prefix = target.location(relative)?;
        let objects: Vec<ObjectMeta> = target
            .store
            .list(Some(&prefix))
            .try_collect()
            .await
            .map_err(ArchiveError::store("list", &prefix))?;
        let objects: Vec<_> = objects
            .into_iter()
            .filter(|object| is_ours(&object.location, &prefix))
            .collect();
        let unknown: Vec<_> = objects
            .iter()
            .filter(|object| {
                let known = self.remote.get(&object.location);
                known.is_none_or(|(bytes, tag, _)| (*bytes, tag) != (object.size, &object.e_tag))
            })
            .cloned()
            .collect();
        let read: Vec<_> = stream::iter(unknown)
            .map(|object| async move { (read_member(target, &object).await, object) })
            .buffer_unordered(READS_AT_ONCE)
            .collect()
            .await;
        let mut failures = Vec::new();
        for (member, object) in read {
            match member {
                Ok(member) => {
                    let known = (object.size, object.e_tag, member);
                    self.remote.insert(object.location, known);
                }
                Err(error) => failures.push(error),
            }
        }
        first_error(failures)?;
        let items = objects
            .iter()
            .map(|object| Item {
                name: object.location.filename().unwrap_or_default().to_owned(),
                bytes: object.size,
                member: self
                    .remote
                    .get(&object.location)
                    .and_then(|(_, _, member)| member.clone()),
            })
            .collect();
        let locations = objects.into_iter().map(|object| object.location).collect();
        Ok((items, locations))
    }
}

/// A table file directly below the prefix.
fn is_ours(location: &Location, prefix: &Location) -> bool {
    let name = location
        .as_ref()
        .strip_prefix(prefix.as_ref())
        .and_then(|rest| rest.strip_prefix('/'));
    name.is_some_and(|name| name.parse::<FileName>().is_ok())
}

fn name_of(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

fn member(name: &str, footer: &Footer) -> Member {
    Member {
        spools: footer.spools.iter().copied().collect(),
        level: footer.level,
        generation: footer.generation,
        name: name.to_owned(),
    }
}

/// What an object's footer says; `None` for one that is not readable or of a newer format: it
/// is left alone and supersedes nothing.
async fn read_member(target: &Target, object: &ObjectMeta) -> Result<Option<Member>, ArchiveError> {
    let location = &object.location;
    let unreadable = |error: &dyn std::fmt::Display| {
        tracing::warn!(object = %location, %error, "an archived file cannot be read: left as it is");
        Ok(None)
    };
    let mut wanted = TAIL_BYTES;
    let metadata = loop {
        // By a bounded range: not every store knows "the last bytes".
        let range = object.size.saturating_sub(wanted)..object.size;
        let whole = range.start == 0;
        if range.is_empty() {
            return unreadable(&"it is empty");
        }
        let tail = target
            .store
            .get_range(location, range)
            .await
            .map_err(ArchiveError::store("read", location))?;
        let mut reader = ParquetMetaDataReader::new();
        match reader.try_parse_sized(&tail, object.size) {
            Ok(()) => match reader.finish() {
                Ok(metadata) => break metadata,
                Err(error) => return unreadable(&error),
            },
            Err(ParquetError::NeedMoreData(needed)) if !whole => {
                wanted = u64::try_from(needed).unwrap_or(u64::MAX).max(2 * wanted);
            }
            Err(error) => return unreadable(&error),
        }
    };
    match Footer::of_file(&metadata, Path::new(location.as_ref())) {
        Ok(footer) => Ok(Some(member(
            location.filename().unwrap_or_default(),
            &footer,
        ))),
        Err(error) => unreadable(&error),
    }
}
