//! Where the archive lies: a URL, checked when it is given and opened when it is needed.

use super::ArchiveError;
use object_store::aws::AmazonS3Builder;
use object_store::azure::MicrosoftAzureBuilder;
use object_store::gcp::GoogleCloudStorageBuilder;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreScheme, RetryConfig};
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;
use url::Url;

/// What does not answer is asked again at the next round, so a round need not wait long.
const RETRY_FOR: Duration = Duration::from_secs(30);
const MOST_RETRIES: usize = 4;

/// The URL of an archive: `file://`, `s3://`, `gs://` or `az://`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArchiveUrl {
    url: Url,
    kind: Kind,
    root: Path,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Folder,
    S3,
    Gcs,
    Azure,
}

impl FromStr for ArchiveUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let refuse = |reason: &str| {
            Err(format!(
                "{reason}; give file:///FOLDER, s3://BUCKET/PREFIX, gs://BUCKET/PREFIX or \
                 az://CONTAINER/PREFIX"
            ))
        };
        let url = match Url::parse(text) {
            Ok(url) => url,
            Err(error) => return refuse(&format!("not a URL ({error})")),
        };
        if !url.username().is_empty() || url.password().is_some() {
            return refuse("credentials belong into the environment, not into the URL");
        }
        if url.query().is_some() || url.fragment().is_some() {
            return refuse("a query or fragment has no meaning here");
        }
        let scheme = url.scheme().to_owned();
        if scheme == "file" && url.host_str().is_some() {
            return refuse("a folder is named by its whole path, after three slashes");
        }
        let kind = match scheme.as_str() {
            "file" => Kind::Folder,
            "s3" => Kind::S3,
            "gs" => Kind::Gcs,
            "az" => Kind::Azure,
            other => return refuse(&format!("{other}:// is no archive")),
        };
        match ObjectStoreScheme::parse(&url) {
            Ok((_, root)) => Ok(Self { url, kind, root }),
            Err(_) if url.host_str().is_none() => refuse("the bucket is missing"),
            Err(error) => refuse(&error.to_string()),
        }
    }
}

impl fmt::Display for ArchiveUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.url.as_str().trim_end_matches('/'))
    }
}

/// An opened archive.
#[derive(Debug, Clone)]
pub(super) struct Target {
    pub(super) store: Arc<dyn ObjectStore>,
    /// The prefix of everything.
    root: Path,
    /// Whether an object is seen by others while it is being written, so that it has to be
    /// written elsewhere first.
    pub(super) staged: bool,
}

impl ArchiveUrl {
    /// Opens it. Nothing is asked of a store over the network yet.
    pub(super) fn open(&self) -> Result<Target, ArchiveError> {
        // Object stores publish a whole object or nothing; a folder shows what is being written.
        let staged = self.kind == Kind::Folder;
        let (store, root): (Arc<dyn ObjectStore>, Path) = match self.kind {
            Kind::Folder => (self.open_folder()?, Path::default()),
            Kind::S3 => {
                let builder = AmazonS3Builder::from_env()
                    .with_url(self.url.as_str())
                    .with_retry(retries());
                (Arc::new(self.built(builder.build())?), self.root.clone())
            }
            Kind::Gcs => {
                let builder = GoogleCloudStorageBuilder::from_env()
                    .with_url(self.url.as_str())
                    .with_retry(retries());
                (Arc::new(self.built(builder.build())?), self.root.clone())
            }
            Kind::Azure => {
                let builder = MicrosoftAzureBuilder::from_env()
                    .with_url(self.url.as_str())
                    .with_retry(retries());
                (Arc::new(self.built(builder.build())?), self.root.clone())
            }
        };
        Ok(Target {
            store,
            root,
            staged,
        })
    }

    /// The folder must be there: a missing one is rather a file system that is not mounted.
    fn open_folder(&self) -> Result<Arc<LocalFileSystem>, ArchiveError> {
        let folder = self
            .url
            .to_file_path()
            .unwrap_or_else(|()| PathBuf::from(self.url.path()));
        if !folder.is_dir() {
            return Err(ArchiveError::NoFolder(folder));
        }
        let store = self.built(LocalFileSystem::new_with_prefix(&folder))?;
        Ok(Arc::new(store.with_fsync(true)))
    }

    fn built<T>(&self, store: object_store::Result<T>) -> Result<T, ArchiveError> {
        store.map_err(ArchiveError::store("open", self))
    }
}

fn retries() -> RetryConfig {
    RetryConfig {
        max_retries: MOST_RETRIES,
        retry_timeout: RETRY_FOR,
        ..RetryConfig::default()
    }
}

impl Target {
    /// The place of a file that lies at `relative` in the data directory.
    pub(super) fn location(&self, relative: &str) -> Result<Path, ArchiveError> {
        // Not by `join`, which would escape the `%` of a directory name once more.
        let whole = match self.root.as_ref() {
            "" => relative.to_owned(),
            root => format!("{root}/{relative}"),
        };
        Path::parse(&whole).map_err(|error| ArchiveError::Name(whole, error.to_string()))
    }

    /// Where it is written first: other readers ignore names that begin with `_`.
    pub(super) fn staging(&self, relative: &str) -> Result<Path, ArchiveError> {
        self.location(&format!("_tmp/{relative}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls() {
        let root = |text: &str| {
            let url: ArchiveUrl = text.parse().unwrap();
            assert_eq!(url.to_string(), text.trim_end_matches('/'));
            url.root.to_string()
        };
        assert_eq!(root("file:///mnt/archive"), "mnt/archive");
        assert_eq!(root("s3://bucket"), "");
        assert_eq!(root("s3://bucket/fgm/node-1/"), "fgm/node-1");
        assert_eq!(root("gs://bucket/fgm"), "fgm");
        assert_eq!(root("az://container/fgm"), "fgm");
    }

    #[test]
    fn a_wrong_url_says_what_to_give() {
        let errors: Vec<_> = [
            "/mnt/archive",
            "file://mnt/archive",
            "s3:///prefix",
            "s3://key:secret@bucket/prefix",
            "gs://bucket/prefix?x=1",
            "http://host/x",
            "",
        ]
        .iter()
        .map(|text| text.parse::<ArchiveUrl>().unwrap_err())
        .collect();
        insta::assert_snapshot!(errors.join("\n"));
    }

    #[test]
    fn a_percent_sign_of_a_directory_is_not_escaped_again() {
        let target = Target {
            store: Arc::new(object_store::memory::InMemory::new()),
            root: Path::parse("a/b").unwrap(),
            staged: false,
        };
        let location = target.location("metrics/dt=2026-11-24/pod=x%2Fy/z.parquet");
        assert_eq!(
            location.unwrap().as_ref(),
            "a/b/metrics/dt=2026-11-24/pod=x%2Fy/z.parquet"
        );
        assert!(target.location("metrics/../x").is_err());
    }
}
