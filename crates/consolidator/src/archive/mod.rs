//! The archive: finished files in an object store, in the same Hive layout (DATA.md section 4).
//!
//! An upload is skipped when the archive already holds a list that covers it; after a verified
//! upload, objects with a subset list are deleted. What is here and not there yet is known by
//! [`Archive::holds_all`], and retention waits for it.

mod partition;
mod plan;
mod target;
mod upload;

use fgm_store::DataDir;
use fgm_store::retain::{Inventory, Stored};
use object_store::ObjectStoreExt;
use partition::{Footers, partition_of, partitions};
use std::collections::{BTreeSet, HashSet};
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
pub use target::ArchiveUrl;
use target::Target;

/// Failures of the store after which the rest of a pass is left for the next one.
const MOST_FAILURES: usize = 3;

/// Why something is not in the archive.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// There is no such folder.
    #[error("the archive {} is not there: make or mount that folder, or choose another --archive", .0.display())]
    NoFolder(PathBuf),
    /// The store refused or did not answer.
    #[error("cannot {action} {location} in the archive: {source}{}", Hint(source))]
    Store {
        /// What was tried, as a verb.
        action: &'static str,
        /// On which object or prefix.
        location: String,
        /// The library's answer.
        source: Box<object_store::Error>,
    },
    /// The file here could not be read.
    #[error("cannot {action} {}: {source}", path.display())]
    Local {
        /// What was tried, as a verb.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// What came back is not what was sent.
    #[error(
        "{0} in the archive differs from what was uploaded: it is uploaded again, and stays here until then"
    )]
    Differs(String),
    /// The store cannot have an object of that name.
    #[error("{0} is no name for the archive: {1}")]
    Name(String, String),
}

/// What to do about a store's answer, where there is a usual reason.
struct Hint<'a>(&'a object_store::Error);

impl fmt::Display for Hint<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use object_store::Error::{Generic, NotFound, PermissionDenied, Unauthenticated};
        f.write_str(match self.0 {
            NotFound { .. } => "; does the bucket exist?",
            PermissionDenied { .. } | Unauthenticated { .. } => {
                "; check the credentials in the environment"
            }
            Generic { .. } => {
                "; check --archive, the credentials in the environment and the network"
            }
            _ => "",
        })
    }
}

impl ArchiveError {
    fn store(
        action: &'static str,
        location: &impl ToString,
    ) -> impl FnOnce(object_store::Error) -> Self {
        let location = location.to_string();
        move |source| Self::Store {
            action,
            location,
            source: Box::new(source),
        }
    }

    fn local(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Local {
            action,
            path,
            source,
        }
    }

    /// Whether it says something about the file here, and nothing about the store.
    fn is_about_one_file(&self) -> bool {
        matches!(self, Self::Local { .. } | Self::Differs(_) | Self::Name(..))
    }
}

fn first_error(failures: Vec<ArchiveError>) -> Result<(), ArchiveError> {
    failures.into_iter().next().map_or(Ok(()), Err)
}

/// What a pass did.
#[derive(Debug, Default)]
pub struct Pass {
    /// Files uploaded and read back.
    pub uploaded: usize,
    /// Their size.
    pub uploaded_bytes: u64,
    /// Objects deleted because another one holds their rows.
    pub removed: usize,
    /// Files here that the archive does not hold yet, those of unfinished hours included.
    pub waiting: usize,
    /// What failed; it is tried again at the next pass.
    pub failures: Vec<ArchiveError>,
}

/// Told of each upload before it begins: which of how many in its partition.
pub type Told<'a> = &'a (dyn Fn(&Path) + Sync);

/// An archive and what is known of it.
#[derive(Debug)]
pub struct Archive {
    url: ArchiveUrl,
    target: Target,
    footers: Footers,
    /// Files here whose rows are there.
    held: HashSet<PathBuf>,
}

impl Archive {
    /// Opens it; a store over the network is asked at the first pass only.
    ///
    /// # Errors
    /// A folder that is not there, or settings in the environment that make no sense.
    pub fn open(url: &ArchiveUrl) -> Result<Self, ArchiveError> {
        // The TLS of the object stores' client takes what the process has; another part of the
        // process may have chosen before.
        let _ = rustls::crypto::ring::default_provider().install_default();
        Ok(Self {
            target: url.open()?,
            url: url.clone(),
            footers: Footers::default(),
            held: HashSet::new(),
        })
    }

    /// Where it is.
    #[must_use]
    pub fn url(&self) -> &ArchiveUrl {
        &self.url
    }

    /// Whether the rows of all these files are in the archive, as far as is known.
    #[must_use]
    pub fn holds_all(&self, files: &[Stored]) -> bool {
        files.iter().all(|file| self.held.contains(&file.path))
    }

    /// What the next pass would upload. Asks the archive, changes nothing.
    ///
    /// # Errors
    /// When the archive does not answer.
    pub async fn missing(
        &mut self,
        dir: &DataDir,
        inventory: &Inventory,
    ) -> Result<Vec<Stored>, ArchiveError> {
        let mut missing = Vec::new();
        for (relative, partition) in partitions(dir.root(), inventory) {
            let locals = self.footers.locals(&partition.files);
            let (remotes, _) = self.footers.remotes(&self.target, &relative).await?;
            for (file, held) in partition.files.iter().zip(plan::held(&locals, &remotes)) {
                if held {
                    self.held.insert(file.path.clone());
                }
            }
            let uploads = plan::uploads(&locals, &remotes);
            missing.extend(
                uploads
                    .iter()
                    .filter_map(|index| partition.files.get(*index))
                    .cloned(),
            );
        }
        Ok(missing)
    }

    /// Uploads what is finished and not there, and deletes there what it covers.
    ///
    /// A partition whose files are all known to be there is not asked for again, but for those
    /// of `again`: see [`Archive::doubt`].
    pub async fn pass(&mut self, dir: &DataDir, inventory: &Inventory, told: Told<'_>) -> Pass {
        let mut pass = Pass::default();
        self.footers.forget_gone();
        for (relative, partition) in partitions(dir.root(), inventory) {
            let files = &partition.files;
            let unknown = files.iter().any(|file| !self.held.contains(&file.path));
            if unknown && pass.store_failures() < MOST_FAILURES {
                self.pass_partition(&relative, files, told, &mut pass).await;
            }
            let waits = |file: &&Stored| !self.held.contains(&file.path);
            pass.waiting += files.iter().filter(waits).count();
        }
        self.held.retain(|path| path.exists());
        pass
    }

    /// Forgets that the partitions of these files are there: before they are deleted here, the
    /// next pass asks once more.
    pub fn doubt<'a>(&mut self, dir: &DataDir, files: impl Iterator<Item = &'a Stored>) {
        let doubted: BTreeSet<_> = files
            .filter_map(|file| partition_of(dir.root(), &file.path))
            .collect();
        self.held.retain(|path| {
            partition_of(dir.root(), path).is_some_and(|partition| !doubted.contains(&partition))
        });
    }

    async fn pass_partition(
        &mut self,
        relative: &str,
        files: &[Stored],
        told: Told<'_>,
        pass: &mut Pass,
    ) {
        let locals = self.footers.locals(files);
        if !locals.iter().any(plan::Item::is_finished) {
            return;
        }
        let (mut remotes, mut locations) = match self.footers.remotes(&self.target, relative).await
        {
            Ok(remotes) => remotes,
            Err(error) => return pass.failures.push(error),
        };
        let uploads = plan::uploads(&locals, &remotes);
        for index in &uploads {
            if let Some(file) = files.get(*index) {
                self.upload(relative, file, told, pass).await;
            }
            if pass.store_failures() >= MOST_FAILURES {
                return;
            }
        }
        if !uploads.is_empty() {
            // Only what the archive shows is there.
            (remotes, locations) = match self.footers.remotes(&self.target, relative).await {
                Ok(remotes) => remotes,
                Err(error) => return pass.failures.push(error),
            };
        }
        for (file, held) in files.iter().zip(plan::held(&locals, &remotes)) {
            if held {
                self.held.insert(file.path.clone());
            }
        }
        for location in plan::removals(&remotes)
            .into_iter()
            .filter_map(|index| locations.get(index))
        {
            match self.target.store.delete(location).await {
                Ok(()) | Err(object_store::Error::NotFound { .. }) => {
                    tracing::info!(object = %location, "deleted from the archive: another file there holds its rows");
                    pass.removed += 1;
                }
                Err(error) => {
                    let failed = ArchiveError::store("delete", location);
                    pass.failures.push(failed(error));
                }
            }
        }
    }

    /// Uploads a file, and notes how that went.
    async fn upload(&self, relative: &str, file: &Stored, told: Told<'_>, pass: &mut Pass) {
        told(&file.path);
        let name = file.path.file_name().unwrap_or_default();
        let to = format!("{relative}/{}", name.to_string_lossy());
        match upload::upload(&self.target, &file.path, &to).await {
            Ok(bytes) => {
                tracing::info!(file = %file.path.display(), bytes, "archived");
                pass.uploaded += 1;
                pass.uploaded_bytes += bytes;
            }
            Err(error) => pass.failures.push(error),
        }
    }
}

impl Pass {
    fn store_failures(&self) -> usize {
        let of_store = |error: &&ArchiveError| !error.is_about_one_file();
        self.failures.iter().filter(of_store).count()
    }
}
