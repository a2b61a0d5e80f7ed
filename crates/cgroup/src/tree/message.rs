//! What the tree is told, and what it says: the vocabulary of the state machine.

use crate::found::Found;
use crate::sandbox::Verdict;

/// Which cgroups get rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Scope {
    /// Containers and their pods.
    #[default]
    Containers,
    /// Also systemd units and any cgroup without children; the machine where there is none.
    All,
}

/// A cgroup from its first sight to its end; never used again for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CgroupId(pub(super) u64);

/// A directory as it was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sighting {
    /// Its inode.
    pub inode: u64,
    /// The inotify watch on it; `None` where the kernel refused one.
    pub watch: Option<i32>,
}

/// What was learned.
#[derive(Debug)]
pub enum Event<'a> {
    /// What stands under that name now, if anything.
    Looked {
        /// The directory.
        parent: CgroupId,
        /// The name in it.
        name: &'a str,
        /// What stands there.
        found: Option<Sighting>,
    },
    /// All directories that stand in that one now.
    Listed {
        /// The directory.
        directory: CgroupId,
        /// Names and what stands there.
        children: Vec<(String, Sighting)>,
    },
    /// The kernel ended the watch: that very directory is gone.
    Gone {
        /// The watch.
        watch: i32,
    },
    /// A file in the watched directory was written, or the kernel says that it changed.
    Written {
        /// The watch.
        watch: i32,
        /// The file's name.
        file: &'a str,
    },
    /// What `cgroup.events` says now.
    Populated {
        /// The cgroup.
        id: CgroupId,
        /// Whether it or a cgroup below it has a process.
        populated: bool,
        /// Whether it was read because the kernel said that it changed.
        changed: bool,
    },
    /// What the processes of a cgroup say about its being a sandbox.
    Probed {
        /// The cgroup.
        id: CgroupId,
        /// What they say.
        verdict: Verdict,
    },
    /// All that was queued has been told.
    BatchEnd {
        /// Whether it was a sweep.
        swept: bool,
    },
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// List the directory: it is watched, so nothing that comes later is missed.
    List(CgroupId),
    /// Look what stands there now.
    Look {
        /// The directory.
        parent: CgroupId,
        /// The name in it.
        name: String,
    },
    /// Ask its processes whether it is a sandbox.
    Probe(CgroupId),
    /// Read its `cgroup.events`.
    ReadPopulated {
        /// The cgroup.
        id: CgroupId,
        /// Whether the kernel said that it changed.
        changed: bool,
    },
    /// Take the watch away, unless another directory has it by now.
    Release(i32),
    /// Tell the owner.
    Tell(Change),
}

/// What the owner of discovery is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// A cgroup gets rows from now on; read it at once.
    Born {
        /// Which.
        id: CgroupId,
        /// What it is.
        found: Box<Found>,
    },
    /// What was born as a container is its pod's sandbox: forget it, its rows too.
    LeftOut {
        /// Which.
        id: CgroupId,
    },
    /// A cgroup that had rows is gone (or, in scope `all`, has got cgroups below it).
    Ended {
        /// Which.
        id: CgroupId,
    },
    /// A limit was written; read the limits.
    LimitsWritten {
        /// Which.
        id: CgroupId,
    },
    /// `memory.events` changed: read it while it is there.
    MemoryEvents {
        /// Which.
        id: CgroupId,
    },
    /// The last process has gone: read it before the cgroup goes.
    Unpopulated {
        /// Which.
        id: CgroupId,
    },
}
