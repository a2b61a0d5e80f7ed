//! What can go wrong on disk, said so that an operator knows what to do.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// A failure of the store.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The operating system refused; nothing is known to be wrong with the data.
    #[error("cannot {action} {}: {source}{}", path.display(), Hint(action, source))]
    Io {
        /// What was tried, as a verb.
        action: &'static str,
        /// On which file or directory.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// The content is not what the name promises.
    #[error("{} is not a readable {what}: {reason}", path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// What it should have been.
        what: &'static str,
        /// Where it deviates.
        reason: String,
    },
    /// The file was written by a later version of this program.
    #[error("{} has format version {version}, this program reads up to {}: use a newer fgm", path.display(), fgm_model::schema::FORMAT_VERSION)]
    NewerFormat {
        /// The file.
        path: PathBuf,
        /// Its version.
        version: u32,
    },
    /// Arrow or Parquet could not encode rows; the rows were not written.
    #[error("cannot encode rows for {}: {reason}", path.display())]
    Encode {
        /// The file that should have held them.
        path: PathBuf,
        /// The library's answer.
        reason: String,
    },
    /// A file read back differs from what was meant to be written; it was not published.
    #[error("{} differs from what was written ({what}): check the disk; the spool is kept and sealed again later", path.display())]
    Verify {
        /// The file below `_tmp`.
        path: PathBuf,
        /// What differs.
        what: String,
    },
    /// Rows for another hour than the spool's: a new spool must be opened first.
    #[error(
        "time {time_ms} ms lies outside the spool's hour, which begins at {hour_ms} ms: rotate first"
    )]
    OutsideHour {
        /// The offered time.
        time_ms: i64,
        /// The start of the spool's hour.
        hour_ms: i64,
    },
    /// A time that no file name can carry.
    #[error("time {0} ms lies outside the years 0 to 9999: check the clock")]
    TimeOutOfRange(i64),
    /// The directory changed under every listing.
    #[error("{} keeps changing while it is listed: is more than one recorder running?", .0.display())]
    Unsettled(PathBuf),
    /// The caller asked to stop; what was done so far stays valid.
    #[error("stopped before it was done: run it again to finish")]
    Stopped,
}

impl StoreError {
    /// Wraps the system's answer with what was tried, for use in `map_err`.
    pub(crate) fn io(
        action: &'static str,
        path: impl AsRef<Path>,
    ) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io {
            action,
            path: path.as_ref().to_owned(),
            source,
        }
    }

    pub(crate) fn parse(path: &Path, what: &'static str, reason: impl fmt::Display) -> Self {
        Self::Parse {
            path: path.to_owned(),
            what,
            reason: reason.to_string(),
        }
    }

    pub(crate) fn encode(path: &Path, reason: impl fmt::Display) -> Self {
        Self::Encode {
            path: path.to_owned(),
            reason: reason.to_string(),
        }
    }

    /// The system's error number, where the system refused.
    #[must_use]
    pub fn errno(&self) -> Option<i32> {
        match self {
            Self::Io { source, .. } => source.raw_os_error(),
            _ => None,
        }
    }

    /// Whether the file was not there (any more).
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::Io { source, .. } if source.kind() == io::ErrorKind::NotFound)
    }

    /// Whether the content itself is bad, so that trying again cannot help.
    ///
    /// Only this leads to `_quarantine`: a full disk or too many open files says nothing about
    /// the data.
    #[must_use]
    pub fn is_damage(&self) -> bool {
        matches!(self, Self::Parse { .. })
    }
}

/// What to do about an errno of an action, where there is a usual answer.
struct Hint<'a>(&'a str, &'a io::Error);

impl fmt::Display for Hint<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use io::ErrorKind;
        f.write_str(match self.1.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
                "; free space on that file system or lower --retain-size"
            }
            ErrorKind::ReadOnlyFilesystem => {
                "; make the file system writable or choose another --data-dir"
            }
            ErrorKind::PermissionDenied => {
                "; run as a user who may write there or choose another --data-dir"
            }
            ErrorKind::NotADirectory => "; choose another --data-dir",
            // Everything above it was made: this is a place where nothing can be made.
            ErrorKind::NotFound if self.0 == "make directory" => "; choose another --data-dir",
            _ => "",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(errno: i32) -> StoreError {
        StoreError::io("write", "/data/x")(io::Error::from_raw_os_error(errno))
    }

    #[test]
    fn an_error_names_path_errno_and_remedy() {
        assert_eq!(
            of(28).to_string(),
            "cannot write /data/x: No space left on device (os error 28); \
             free space on that file system or lower --retain-size"
        );
        assert_eq!(of(28).errno(), Some(28));
        assert!(of(30).to_string().contains("--data-dir"));
    }

    /// DATA.md section 4: "Only what fails to parse goes to `_quarantine`".
    #[test]
    fn only_what_fails_to_parse_is_damage() {
        for errno in [24, 5, 13, 28, 30] {
            assert!(!of(errno).is_damage());
        }
        assert!(StoreError::parse(Path::new("x"), "spool stream", "rubbish").is_damage());
        assert!(
            !StoreError::NewerFormat {
                path: "x".into(),
                version: 9
            }
            .is_damage()
        );
    }
}
