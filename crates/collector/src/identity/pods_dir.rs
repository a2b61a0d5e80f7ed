//! Pod objects as JSON files, in the place of an API server (DESIGN.md section 3, step 4).
//!
//! One Pod per `<uid>.json`, replaced by rename; removed means deleted. inotify only says when
//! to look: each look compares the directory with what was read before, so nothing depends on
//! no message being lost.

use crate::clock;
use crate::identity::metrics::Trouble;
use crate::identity::{IdentityMetrics, Pods};
use crate::report::Repeated;
use k8s_openapi::api::core::v1::Pod;
use rustix::fd::OwnedFd;
use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
use std::collections::{HashMap, HashSet};
use std::ffi::OsString;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::net::unix::pipe::Receiver;

/// An API server takes objects up to 1.5 MB.
const MOST_BYTES: u64 = 4 << 20;

/// The directory is looked at this often although changes are told.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// How often a directory that is not there is looked for.
const RETRY_EVERY: Duration = Duration::from_secs(1);

/// Why names cannot be read.
#[derive(Debug, thiserror::Error)]
enum DirError {
    #[error("cannot {what} {}: {source}", path.display())]
    Io {
        what: &'static str,
        path: PathBuf,
        source: io::Error,
    },
    #[error("{} is no Pod object: {reason}; write one as JSON, as `kubectl get pod -o json` does", path.display())]
    NoPod { path: PathBuf, reason: String },
}

/// Follows the files of that directory for ever.
pub(crate) async fn follow(dir: &Path, pods: &Pods, metrics: &IdentityMetrics) {
    let mut looked = Looked::default();
    let mut trouble = Repeated::default();
    loop {
        let Err(error) = follow_once(dir, pods, metrics, &mut looked, &mut trouble).await;
        pods.out_of_step();
        let text = format!("names of containers are not up to date, recording goes on: {error}");
        metrics.failed(
            Trouble::Directory,
            &error.to_string(),
            clock::wall_us() / 1000,
        );
        if trouble.again(1) {
            tracing::warn!("{text}; --pods-dir names that directory");
        }
        metrics.set_notice(Some(text));
        tokio::time::sleep(RETRY_EVERY).await;
    }
}

/// Until the directory cannot be read.
async fn follow_once(
    dir: &Path,
    pods: &Pods,
    metrics: &IdentityMetrics,
    looked: &mut Looked,
    trouble: &mut Repeated,
) -> Result<std::convert::Infallible, DirError> {
    let failed = |what, source: io::Error| DirError::Io {
        what,
        path: dir.to_owned(),
        source,
    };
    let watch = watch(dir).map_err(|errno| failed("watch", errno.into()))?;
    // Read like a pipe: only that there is something to read counts.
    let watch = Receiver::from_owned_fd_unchecked(watch).map_err(|error| failed("watch", error))?;
    loop {
        looked.look(dir, pods, metrics)?;
        metrics.set_notice(None);
        if trouble.over().is_some() {
            tracing::info!("names are up to date again");
        }
        tokio::select! {
            ready = watch.readable() => {
                ready.map_err(|error| failed("watch", error))?;
                drain(&watch);
            }
            () = tokio::time::sleep(LOOK_EVERY) => {
                // A directory that was replaced tells nothing.
                if fs::metadata(dir).is_err() {
                    return Err(failed("find", io::ErrorKind::NotFound.into()));
                }
            }
        }
    }
}

fn watch(dir: &Path) -> rustix::io::Result<OwnedFd> {
    let fd = inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC)?;
    let news = WatchFlags::MOVED_TO
        | WatchFlags::MOVED_FROM
        | WatchFlags::DELETE
        | WatchFlags::CLOSE_WRITE
        | WatchFlags::ONLYDIR;
    inotify::add_watch(&fd, dir, news)?;
    Ok(fd)
}

/// Takes what inotify tells: only that it told something counts.
fn drain(watch: &Receiver) {
    let mut buffer = [0_u8; 4096];
    while matches!(watch.try_read(&mut buffer), Ok(bytes) if bytes > 0) {}
}

/// What was read at the last look.
#[derive(Debug, Default)]
struct Looked {
    files: HashMap<OsString, Seen>,
}

#[derive(Debug)]
struct Seen {
    /// Inode, size and time of writing: what differs when the file was replaced.
    mark: (u64, u64, i64, i64),
    uid: Option<String>,
}

impl Looked {
    fn look(&mut self, dir: &Path, pods: &Pods, metrics: &IdentityMetrics) -> Result<(), DirError> {
        let failed = |source| DirError::Io {
            what: "list",
            path: dir.to_owned(),
            source,
        };
        let mut found = HashSet::new();
        for entry in fs::read_dir(dir).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let name = entry.file_name();
            let path = entry.path();
            let hidden = name.as_encoded_bytes().starts_with(b".");
            if hidden || path.extension().is_none_or(|extension| extension != "json") {
                continue;
            }
            // Gone since it was listed: the next look finds that.
            let Ok(metadata) = entry.metadata() else {
                continue;
            };
            let mark = mark(&metadata);
            found.insert(name.clone());
            let before = self.files.get(&name);
            if before.is_some_and(|seen| seen.mark == mark) {
                continue;
            }
            let uid = match read(&path, &metadata) {
                Ok(pod) => pods.apply(&pod),
                Err(error) => {
                    let wall_ms = clock::wall_us() / 1000;
                    metrics.failed(Trouble::File, &error.to_string(), wall_ms);
                    tracing::warn!("{error}");
                    // What was there before is the last that is known.
                    before.and_then(|seen| seen.uid.clone())
                }
            };
            self.files.insert(name, Seen { mark, uid });
        }
        self.files.retain(|name, _| found.contains(name));
        let uids = self.files.values().filter_map(|seen| seen.uid.clone());
        pods.keep_only(&uids.collect());
        Ok(())
    }
}

fn mark(metadata: &Metadata) -> (u64, u64, i64, i64) {
    (
        metadata.ino(),
        metadata.size(),
        metadata.mtime(),
        metadata.mtime_nsec(),
    )
}

fn read(path: &Path, metadata: &Metadata) -> Result<Pod, DirError> {
    let no_pod = |reason: String| DirError::NoPod {
        path: path.to_owned(),
        reason,
    };
    if metadata.size() > MOST_BYTES {
        return Err(no_pod(format!("{} bytes are too many", metadata.size())));
    }
    let json = fs::read(path).map_err(|source| DirError::Io {
        what: "read",
        path: path.to_owned(),
        source,
    })?;
    let pod: Pod = serde_json::from_slice(&json).map_err(|error| no_pod(error.to_string()))?;
    if crate::identity::PodInfo::of(&pod).is_none() {
        return Err(no_pod(
            "metadata.uid or metadata.name is missing".to_owned(),
        ));
    }
    Ok(pod)
}

#[cfg(test)]
mod tests;
