//! Where the cgroup v2 tree is.
//!
//! A kernel has one v2 hierarchy; a machine may mount it several times and in part (a hybrid
//! host beside its v1 trees, a container its own part and the host's whole). The outermost
//! mount is taken.

use rustix::fs::{major, minor, stat};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// The tree to watch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// The directory of its root cgroup.
    pub path: PathBuf,
    /// The controllers that the v2 hierarchy has.
    pub controllers: Controllers,
    /// Whether v1 hierarchies are mounted as well, which then hold the missing controllers.
    pub hybrid: bool,
}

/// Which of the controllers that we read from are in the v2 hierarchy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Controllers {
    /// Quota, throttling, weight. (`cpu.stat` has the times even without it.)
    pub cpu: bool,
    /// Everything of memory but pressure.
    pub memory: bool,
    /// `io.stat`.
    pub io: bool,
    /// `pids.*`.
    pub pids: bool,
}

/// Why no tree can be watched.
#[derive(Debug, thiserror::Error)]
pub enum MountError {
    /// `/proc/self/mountinfo` cannot be read.
    #[error("read {path}: {source}; mount /proc, or name the tree by --cgroup-root")]
    MountInfo {
        /// The file.
        path: PathBuf,
        /// The errno.
        source: io::Error,
    },
    /// Only v1 hierarchies are mounted.
    #[error(
        "this host has cgroup v1 only ({v1}), and v1 has neither pressure nor memory.events: \
         boot it with systemd.unified_cgroup_hierarchy=1 on the kernel command line, or mount \
         the v2 hierarchy (mount -t cgroup2 none DIR) and name it by --cgroup-root"
    )]
    OnlyV1 {
        /// One of the v1 mounts.
        v1: PathBuf,
    },
    /// No cgroup file system is mounted.
    #[error(
        "no cgroup file system is mounted: mount -t cgroup2 none /sys/fs/cgroup, or name the \
         tree by --cgroup-root"
    )]
    NoCgroups,
    /// The named or mounted directory is not a cgroup v2 directory.
    #[error("{path} is not a cgroup v2 directory ({source}): name one by --cgroup-root")]
    NotV2 {
        /// The directory.
        path: PathBuf,
        /// Why `cgroup.controllers` cannot be read in it.
        source: io::Error,
    },
}

impl Mount {
    /// The outermost cgroup2 mount of this process, or the tree that the user named.
    ///
    /// # Errors
    /// See [`MountError`]; each message says what to do.
    pub fn find(proc_root: &Path, named: Option<&Path>) -> Result<Self, MountError> {
        let info = proc_root.join("self/mountinfo");
        let mounts = match fs::read(&info) {
            Ok(bytes) => parse(&bytes),
            Err(_) if named.is_some() => Vec::new(),
            Err(source) => return Err(MountError::MountInfo { path: info, source }),
        };
        let v1 = mounts.iter().find(|mount| mount.kind == Kind::V1);
        let path = match named {
            Some(path) => path.to_owned(),
            None => outermost(&mounts)
                .map(|mount| mount.path.clone())
                .ok_or(v1.map_or(MountError::NoCgroups, |v1| MountError::OnlyV1 {
                    v1: v1.path.clone(),
                }))?,
        };
        let controllers =
            fs::read_to_string(path.join("cgroup.controllers")).map_err(|source| {
                MountError::NotV2 {
                    path: path.clone(),
                    source,
                }
            })?;
        Ok(Self {
            path,
            controllers: Controllers::parse(&controllers),
            hybrid: v1.is_some(),
        })
    }
}

impl Controllers {
    fn parse(text: &str) -> Self {
        let has = |name| text.split_ascii_whitespace().any(|word| word == name);
        Self {
            cpu: has("cpu"),
            memory: has("memory"),
            io: has("io"),
            pids: has("pids"),
        }
    }

    /// The names of those that are not there; their numbers stay unknown.
    pub fn missing(self) -> impl Iterator<Item = &'static str> {
        [
            ("cpu", self.cpu),
            ("memory", self.memory),
            ("io", self.io),
            ("pids", self.pids),
        ]
        .into_iter()
        .filter_map(|(name, there)| (!there).then_some(name))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    V1,
    V2,
}

/// A cgroup line of mountinfo.
#[derive(Debug)]
struct Line {
    kind: Kind,
    /// `major:minor` of the file system.
    device: (u32, u32),
    /// Which part of the hierarchy is mounted, as seen from our cgroup namespace.
    part: String,
    path: PathBuf,
}

/// The cgroup mounts that mountinfo names, in its order.
fn parse(mountinfo: &[u8]) -> Vec<Line> {
    mountinfo
        .split(|&byte| byte == b'\n')
        .filter_map(parse_line)
        .collect()
}

/// `36 35 98:0 /part /mount/point options optional... - type source options`.
fn parse_line(line: &[u8]) -> Option<Line> {
    let mut words = line.split(|&byte| byte == b' ');
    let device = std::str::from_utf8(words.nth(2)?).ok()?;
    let (major, minor) = device.split_once(':')?;
    let device = (major.parse().ok()?, minor.parse().ok()?);
    let part = String::from_utf8_lossy(&unescape(words.next()?)).into_owned();
    let path = words.next().map(unescape)?;
    words.find(|word| *word == b"-")?;
    let kind = match words.next()? {
        b"cgroup" => Kind::V1,
        b"cgroup2" => Kind::V2,
        _ => return None,
    };
    Some(Line {
        kind,
        device,
        part,
        path: path_of(path),
    })
}

fn path_of(bytes: Vec<u8>) -> PathBuf {
    use std::os::unix::ffi::OsStringExt;
    PathBuf::from(std::ffi::OsString::from_vec(bytes))
}

/// Space, tab, newline and backslash stand in mountinfo as `\040` and the like.
fn unescape(word: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(word.len());
    let mut rest = word;
    while let [first, after @ ..] = rest {
        match rest {
            [
                b'\\',
                a @ b'0'..=b'3',
                b @ b'0'..=b'7',
                c @ b'0'..=b'7',
                after @ ..,
            ] => {
                plain.push(((a - b'0') << 6) | ((b - b'0') << 3) | (c - b'0'));
                rest = after;
            }
            _ => {
                plain.push(*first);
                rest = after;
            }
        }
    }
    plain
}

/// The v2 mount that no other encloses; of several equal ones the shortest path, then the first.
fn outermost(mounts: &[Line]) -> Option<&Line> {
    let mut seen: Vec<(&Line, u64)> = mounts
        .iter()
        .filter(|mount| mount.kind == Kind::V2)
        .filter_map(|mount| Some((mount, visible_inode(mount)?)))
        .collect();
    seen.sort_by_key(|(mount, _)| mount.path.components().count());
    let enclosed = |(inner, inode): &(&Line, u64)| {
        seen.iter().any(|(outer, outer_inode)| {
            // The same directory mounted twice encloses itself in both directions.
            inode != outer_inode && encloses(&outer.part, &inner.part)
        })
    };
    seen.iter()
        .find(|candidate| !enclosed(candidate))
        .or(seen.first())
        .map(|(mount, _)| *mount)
}

/// The inode of the mount's root, unless another mount hides it: then what is seen at its path
/// is of another device.
fn visible_inode(mount: &Line) -> Option<u64> {
    let seen = stat(&mount.path).ok()?;
    ((major(seen.st_dev), minor(seen.st_dev)) == mount.device).then_some(seen.st_ino)
}

/// Whether `outer` contains `inner`, as far as the two paths tell. In a cgroup namespace what
/// lies above our own root shows as `/..`, so more of these means further out.
fn encloses(outer: &str, inner: &str) -> bool {
    let (outer_ups, outer) = split_ups(outer);
    let (inner_ups, inner) = split_ups(inner);
    if outer_ups == inner_ups {
        Path::new(inner).starts_with(outer)
    } else {
        outer_ups > inner_ups && outer == "/"
    }
}

fn split_ups(path: &str) -> (usize, &str) {
    let mut ups = 0;
    let mut rest = path;
    while let Some(after) = rest.strip_prefix("/..")
        && (after.is_empty() || after.starts_with('/'))
    {
        ups += 1;
        rest = after;
    }
    (ups, if rest.is_empty() { "/" } else { rest })
}

#[cfg(test)]
mod tests;
