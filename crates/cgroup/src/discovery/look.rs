//! Looking at directories, each watched before it is seen.

use super::{Discovery, Warning};
use crate::directory::{open_place, subdirectories};
use crate::tree::{CgroupId, Change, Event, Scope, Sighting};
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{fstat, lstat};
use rustix::io::Errno;
use std::path::{Path, PathBuf};

/// A directory that is replaced while it is looked at is looked at again, this often at most.
const LOOKS: usize = 3;

impl Discovery {
    /// The directory of that very cgroup, not of one that has replaced it.
    pub(super) fn open_directory(&self, id: CgroupId) -> Option<OwnedFd> {
        let directory = open_place(&self.path(id)?).ok()?;
        let inode = fstat(&directory).ok()?.st_ino;
        (Some(inode) == self.tree.inode(id)).then_some(directory)
    }

    pub(super) fn path(&self, id: CgroupId) -> Option<PathBuf> {
        let path = self.tree.path(id)?;
        Some(self.mount.path.join(path.trim_start_matches('/')))
    }

    pub(super) fn look(&mut self, parent: CgroupId, name: &str, changes: &mut Vec<Change>) {
        let Some(path) = self.path(parent) else {
            return;
        };
        let found = self.sight(&path.join(name));
        let event = Event::Looked {
            parent,
            name,
            found,
        };
        self.apply(event, changes);
    }

    pub(super) fn list(&mut self, directory: CgroupId, changes: &mut Vec<Change>) {
        let Some(path) = self.path(directory) else {
            return;
        };
        let Some(children) = self.children(&path) else {
            // Gone or not readable: its own removal is told by the directory above.
            return;
        };
        let event = Event::Listed {
            directory,
            children,
        };
        self.apply(event, changes);
    }

    fn children(&mut self, path: &Path) -> Option<Vec<(String, Sighting)>> {
        // The kernel counts subdirectories in the links: most cgroups have none to list.
        if lstat(path).ok()?.st_nlink == 2 {
            return Some(Vec::new());
        }
        let directory = open_place(path).ok()?;
        let names = match subdirectories(directory.as_fd(), c"") {
            Ok(names) => names,
            Err(errno) => {
                self.context.refusals.count(errno);
                return None;
            }
        };
        let children = names.into_iter().filter_map(|name| {
            let name = name.into_string().ok()?;
            let sighting = self.sight(&path.join(&name))?;
            Some((name, sighting))
        });
        Some(children.collect())
    }

    /// Watches the directory and says which it is.
    fn sight(&mut self, path: &Path) -> Option<Sighting> {
        let mut before = lstat(path).ok()?;
        for _ in 0..LOOKS {
            let watch = match self.watch(path) {
                Ok(watch) => watch,
                Err(Errno::NOENT | Errno::NOTDIR) => return None,
                Err(_) => None,
            };
            let after = lstat(path).ok();
            if after.is_some_and(|after| after.st_ino == before.st_ino) {
                return Some(Sighting {
                    inode: before.st_ino,
                    watch,
                });
            }
            // Replaced or removed in between: the watch may be that of the one before.
            if let (Some(watch), Some(watcher)) = (watch, &self.watcher)
                && self.tree.watched_by(watch).is_none()
            {
                watcher.release(watch);
            }
            before = after?;
        }
        None
    }

    fn watch(&mut self, path: &Path) -> Result<Option<i32>, Errno> {
        let Some(watcher) = &self.watcher else {
            return Ok(None);
        };
        watcher.watch(path).map(Some).inspect_err(|errno| {
            if !matches!(*errno, Errno::NOENT | Errno::NOTDIR) {
                self.unwatched += 1;
                self.warning.get_or_insert(Warning::NoWatch(*errno));
            }
        })
    }

    pub(super) fn watch_root(&mut self) {
        let root = self.mount.path.clone();
        if let Some(sighting) = self.sight(&root) {
            self.tree.set_root(sighting);
        }
    }

    pub(super) fn why_no_containers(&self) -> String {
        let root = self.mount.path.display();
        let mut notice = format!(
            "no containers: below {root} there is no cgroup of Kubernetes, containerd, CRI-O, \
             Docker, Podman or the local lab"
        );
        if self.mount.hybrid {
            notice.push_str(
                "; this host is hybrid, its containers may be in cgroup v1 only (boot with \
                 systemd.unified_cgroup_hierarchy=1 to see them)",
            );
        }
        let shown = self.tree.rows().any(|id| id != self.tree.root());
        notice.push_str(match (self.scope, shown) {
            (Scope::Containers, _) => "; --scope all shows systemd units and other cgroups",
            (Scope::All, true) => "; shown are systemd units and other cgroups",
            (Scope::All, false) => "; nor is there any other cgroup, so the machine is one row",
        });
        notice
    }
}
