//! Finds cgroups and follows their lives: [`Tree`] knows, this looks and listens.
//!
//! Each directory is watched before it is listed, so what is made in between is told twice
//! rather than never. A sweep finds what inotify could not tell: it is due every
//! [`Discovery::sweep_interval`], and [`Discovery::poll`] makes one by itself after the kernel
//! lost events.
//!
//! All calls are of one thread, that of the tick: poll [`Discovery::as_fd`] together with the
//! tick's deadline, call [`Discovery::poll`] when it is readable and before each tick, and
//! [`Discovery::sweep`] when it is due.

mod look;

use crate::directory::Directory;
use crate::found::Kind;
use crate::mount::Mount;
use crate::parse::flat;
use crate::processes::processes_once;
use crate::reader::{CgroupReader, Processes, ReadContext};
use crate::sandbox::{Commands, Verdict, judge};
use crate::tree::{Action, CgroupId, Change, Event, Scope, Sighting, Tree};
use crate::watcher::{Told, Watcher};
use fgm_kernfile::{Descriptors, KernelFile, ReadError};
use rustix::fd::{AsFd, BorrowedFd};
use rustix::fs::lstat;
use rustix::io::Errno;
use std::collections::{HashMap, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// How often to sweep while every directory is watched.
const SWEEP: Duration = Duration::from_secs(10);
/// How often to sweep while some directory is not: then a sweep is all that finds its children.
const SWEEP_UNWATCHED: Duration = Duration::from_secs(1);

/// Why discovery could not begin.
#[derive(Debug, thiserror::Error)]
#[error("look at the cgroup tree {path}: {errno}; name another by --cgroup-root")]
pub struct DiscoveryError {
    /// The root cgroup's directory.
    pub path: PathBuf,
    /// Why it cannot be looked at.
    pub errno: Errno,
}

/// What an operator should know, told once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Warning {
    /// inotify is not to be had.
    #[error(
        "no inotify instance ({0}): containers are found by a sweep each second only; raise \
         fs.inotify.max_user_instances"
    )]
    NoInotify(Errno),
    /// A watch is not to be had.
    #[error(
        "no further inotify watch ({0}): some containers are found by a sweep each second only; \
         raise fs.inotify.max_user_watches"
    )]
    NoWatch(Errno),
}

/// A cgroup with rows: what is kept open for it.
#[derive(Debug)]
struct Open {
    directory: Arc<Directory>,
    /// Kept open, for the kernel tells only of changes in files that are in use.
    events: KernelFile,
}

/// The I/O around [`Tree`].
pub struct Discovery {
    mount: Mount,
    scope: Scope,
    tree: Tree,
    watcher: Option<Watcher>,
    warning: Option<Warning>,
    warned: bool,
    /// Directories that were refused a watch when they were looked at last.
    unwatched: usize,
    open: HashMap<CgroupId, Open>,
    commands: Box<dyn Commands + Send>,
    context: ReadContext,
    told: Vec<Told>,
    actions: Vec<Action>,
    queue: VecDeque<Action>,
}

impl Discovery {
    /// Begins with the tree as it is now; `changes` gets a birth for each cgroup found.
    ///
    /// # Errors
    /// When the root cgroup cannot be looked at.
    pub fn start(
        mount: &Mount,
        scope: Scope,
        commands: Box<dyn Commands + Send>,
        descriptors: Descriptors,
        changes: &mut Vec<Change>,
    ) -> Result<Self, DiscoveryError> {
        let (watcher, warning) = match Watcher::new() {
            Ok(watcher) => (Some(watcher), None),
            Err(errno) => (None, Some(Warning::NoInotify(errno))),
        };
        let inode = lstat(&mount.path).map_err(|errno| DiscoveryError {
            path: mount.path.clone(),
            errno,
        })?;
        let root = Sighting {
            inode: inode.st_ino,
            watch: None,
        };
        let mut discovery = Self {
            mount: mount.clone(),
            scope,
            tree: Tree::new(scope, root),
            watcher,
            warned: false,
            warning,
            unwatched: 0,
            open: HashMap::new(),
            commands,
            context: ReadContext::new(descriptors),
            told: Vec::new(),
            actions: Vec::new(),
            queue: VecDeque::new(),
        };
        discovery.sweep(changes);
        Ok(discovery)
    }

    /// Readable when [`Discovery::poll`] has something to do; `None` without inotify.
    #[must_use]
    pub fn as_fd(&self) -> Option<BorrowedFd<'_>> {
        self.watcher.as_ref().map(Watcher::as_fd)
    }

    /// Adds what has changed to `changes`. Never waits; without news it allocates nothing.
    pub fn poll(&mut self, changes: &mut Vec<Change>) {
        let mut told = std::mem::take(&mut self.told);
        if let Some(watcher) = &self.watcher {
            watcher.read(&mut told);
        }
        let mut lost = false;
        for event in told.drain(..) {
            lost |= event == Told::Overflow;
            self.hear(event, changes);
        }
        self.told = told;
        if lost {
            self.sweep(changes);
            return;
        }
        self.probe_undecided(changes);
        self.apply(Event::BatchEnd { swept: false }, changes);
    }

    /// Looks at the whole tree; due every [`Discovery::sweep_interval`].
    pub fn sweep(&mut self, changes: &mut Vec<Change>) {
        self.unwatched = 0;
        self.watch_root();
        let mut directories: Vec<CgroupId> = self.tree.directories().collect();
        // Parents first: an id is always higher than that of the directory it is in.
        directories.sort_unstable();
        for directory in directories {
            self.list(directory, changes);
        }
        let rows: Vec<CgroupId> = self.tree.rows().collect();
        for id in rows {
            // For those without a watch; and a queue that ran over may have held anything.
            if let Some(open) = self.open.get(&id) {
                open.directory.note_news();
            }
            self.read_populated(id, false, changes);
        }
        self.probe_undecided(changes);
        self.apply(Event::BatchEnd { swept: true }, changes);
    }

    /// When the next sweep is due after the last.
    #[must_use]
    pub const fn sweep_interval(&self) -> Duration {
        if self.watcher.is_none() || self.unwatched > 0 {
            SWEEP_UNWATCHED
        } else {
            SWEEP
        }
    }

    /// What an operator should know; given once.
    pub fn take_warning(&mut self) -> Option<Warning> {
        if self.warned {
            return None;
        }
        self.warned = self.warning.is_some();
        self.warning
    }

    /// A reader of a cgroup that was born; `None` when it has ended since. It knows of cgroups made
    /// below this one as of the last [`Discovery::poll`].
    #[must_use]
    pub fn reader(&mut self, id: CgroupId) -> Option<CgroupReader> {
        if !self.open.contains_key(&id) {
            // It could not be opened at its birth: too many files were open, perhaps.
            self.keep_open(id);
        }
        let open = self.open.get(&id)?;
        let processes = match self.tree.kind(id)? {
            Kind::Container | Kind::Unit | Kind::Leaf | Kind::Machine => Processes::Listed,
            Kind::Pod => Processes::LeftOut,
        };
        Some(CgroupReader::new(Arc::clone(&open.directory), processes))
    }

    /// Whether a container may still turn out to be its pod's sandbox ([`Change::LeftOut`]):
    /// until then its rows should be held back. It never lasts longer than two sweeps.
    #[must_use]
    pub fn is_undecided(&self, id: CgroupId) -> bool {
        self.tree.is_undecided(id)
    }

    /// How many inotify watches there are.
    #[must_use]
    pub fn watch_count(&self) -> usize {
        self.tree.counts().0
    }

    /// How many cgroups have rows, and so a descriptor of their directory.
    #[must_use]
    pub fn row_count(&self) -> usize {
        self.open.len()
    }

    /// Why there are no containers, for a person; `None` while there are.
    #[must_use]
    pub fn notice(&self) -> Option<String> {
        (self.tree.containers() == 0).then(|| self.why_no_containers())
    }

    /// Reads that the kernel refused during discovery.
    #[must_use]
    pub const fn refusals(&self) -> &fgm_kernfile::Refusals {
        &self.context.refusals
    }

    fn hear(&mut self, told: Told, changes: &mut Vec<Change>) {
        match told {
            Told::Entry { watch, name } => {
                if let Some(parent) = self.tree.watched_by(watch) {
                    if let Some(open) = self.open.get(&parent) {
                        open.directory.note_news();
                    }
                    self.look(parent, &name, changes);
                }
            }
            Told::File { watch, name } => {
                self.apply(Event::Written { watch, file: &name }, changes);
            }
            Told::Gone { watch } => self.apply(Event::Gone { watch }, changes),
            Told::Overflow => {}
        }
    }

    fn apply(&mut self, event: Event<'_>, changes: &mut Vec<Change>) {
        self.tree.handle(event, &mut self.actions);
        // What an action leads to comes after the actions that are waiting already.
        let nested = !self.queue.is_empty();
        self.queue.extend(self.actions.drain(..));
        if nested {
            return;
        }
        while let Some(action) = self.queue.front().cloned() {
            self.act(action, changes);
            self.queue.pop_front();
        }
    }

    fn act(&mut self, action: Action, changes: &mut Vec<Change>) {
        match action {
            Action::List(id) => self.list(id, changes),
            Action::Look { parent, name } => self.look(parent, &name, changes),
            Action::Probe(id) => self.probe(id, changes),
            Action::ReadPopulated { id, changed } => self.read_populated(id, changed, changes),
            Action::Release(watch) => {
                if let Some(watcher) = &self.watcher
                    && self.tree.watched_by(watch).is_none()
                {
                    watcher.release(watch);
                }
            }
            Action::Tell(change) => {
                match &change {
                    Change::Born { id, .. } => self.keep_open(*id),
                    Change::Ended { id } | Change::LeftOut { id } => {
                        self.open.remove(id);
                    }
                    _ => {}
                }
                changes.push(change);
            }
        }
    }

    fn keep_open(&mut self, id: CgroupId) {
        let Some(directory) = self.open_directory(id) else {
            return;
        };
        let open = Open {
            directory: Arc::new(Directory::told(directory)),
            events: KernelFile::new(c"cgroup.events"),
        };
        self.open.insert(id, open);
    }

    fn probe_undecided(&mut self, changes: &mut Vec<Change>) {
        // Collected first, for a verdict changes the tree; nothing is allocated for none.
        let undecided: Vec<CgroupId> = self.tree.undecided().collect();
        for id in undecided {
            self.probe(id, changes);
        }
    }

    fn probe(&mut self, id: CgroupId, changes: &mut Vec<Change>) {
        let verdict = match self.open_directory(id) {
            Some(directory) => {
                let (pids, foreign) = processes_once(directory, &mut self.context);
                judge(&pids, foreign, self.commands.as_mut())
            }
            None => Verdict::Unknown,
        };
        self.apply(Event::Probed { id, verdict }, changes);
    }

    fn read_populated(&mut self, id: CgroupId, changed: bool, changes: &mut Vec<Change>) {
        let Some(open) = self.open.get_mut(&id) else {
            return;
        };
        let context = &mut self.context;
        let read = open.events.read(
            open.directory.as_fd(),
            &mut context.buffer,
            &context.descriptors,
        );
        let populated = match read {
            Ok(bytes) => flat::populated(bytes),
            Err(ReadError::Refused(errno)) => {
                context.refusals.count(errno);
                None
            }
            Err(ReadError::Absent | ReadError::Ended) => None,
        };
        if let Some(populated) = populated {
            let event = Event::Populated {
                id,
                populated,
                changed,
            };
            self.apply(event, changes);
        }
    }
}

#[cfg(test)]
mod tests;
