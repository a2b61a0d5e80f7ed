//! A cgroup tree as the kubelet makes it, of live cgroups.
//!
//! A cgroup of the kernel cannot hold foreign files, so the tree is one of directories whose
//! files are links: to the files of a live v2 cgroup, and for what v2 lacks here to files of
//! live v1 cgroups that the kernel makes of the same counters, else to nothing but regular files
//! of the size and content of a 6.x kernel's. A kept descriptor knows nothing of links.

use crate::cgroups::Cgroups;
use crate::litter;
use crate::processes::Processes;
use anyhow::Context;
use fgm_testkit::cgroup_tree::{CgroupTree, Layout};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

/// What is read each tick.
const EACH_TICK: [&str; 14] = [
    "cpu.stat",
    "memory.events",
    "memory.stat",
    "memory.current",
    "memory.peak",
    "memory.swap.current",
    "memory.zswap.current",
    "pids.current",
    "pids.peak",
    "cpu.pressure",
    "memory.pressure",
    "io.pressure",
    "io.stat",
    "cgroup.procs",
];

/// What is read otherwise.
const OTHERS: [&str; 3] = ["cgroup.events", "memory.max", "pids.max"];

/// Read each tick of each process.
const OF_PROCESS: [&str; 3] = ["stat", "statm", "io"];

/// v1 files of the same size and cost.
const STAND_INS: [(&str, &str, &str); 10] = [
    ("memory.stat", "memory", "memory.stat"),
    ("memory.events", "memory", "memory.oom_control"),
    ("memory.current", "memory", "memory.usage_in_bytes"),
    ("memory.peak", "memory", "memory.max_usage_in_bytes"),
    (
        "memory.swap.current",
        "memory",
        "memory.memsw.usage_in_bytes",
    ),
    (
        "memory.zswap.current",
        "memory",
        "memory.kmem.usage_in_bytes",
    ),
    ("memory.max", "memory", "memory.limit_in_bytes"),
    ("pids.current", "pids", "pids.current"),
    ("pids.peak", "pids", "pids.peak"),
    ("pids.max", "pids", "pids.max"),
];

/// A node has no more pods by default.
const MOST_PODS: usize = 110;

/// What is read of the node, below `/proc`.
const OF_NODE: [&str; 8] = [
    "stat",
    "meminfo",
    "vmstat",
    "loadavg",
    "net/dev",
    "pressure/cpu",
    "pressure/memory",
    "pressure/io",
];

/// Files of the node that are kept, its part of the tree included.
const REST: usize = 40;

/// So many pods share that many containers: fewer where the limit of open files would have some
/// opened at each tick, which is another story than that of kept files.
fn pods(containers: usize) -> usize {
    let left = room(containers).saturating_sub(of_containers(containers) + REST);
    MOST_PODS
        .min(containers.div_ceil(2))
        .min((left / EACH_TICK.len()).max(1))
}

/// The files of containers that are kept: those of each tick and `cgroup.events`.
const fn of_containers(containers: usize) -> usize {
    (EACH_TICK.len() + OF_PROCESS.len() + 1) * containers
}

/// Room for kept files below the limit of open files, beside directories and the rest.
fn room(containers: usize) -> usize {
    crate::machine::most_open_files().saturating_sub(containers + MOST_PODS + 100)
}

/// The tree and what lives in it.
pub(crate) struct Tree {
    // Dropped in this order: the processes before their cgroups.
    pub(crate) processes: Processes,
    pub(crate) cgroups: Cgroups,
    files: CgroupTree,
    containers: Vec<Container>,
    stand_ins: BTreeMap<&'static str, String>,
}

struct Container {
    directory: PathBuf,
    pid: u32,
}

impl Tree {
    /// So many containers with one sleeping process each.
    pub(crate) fn make(count: usize) -> anyhow::Result<Self> {
        let files = CgroupTree::new();
        if let Some(folder) = files.proc_root().parent() {
            litter::note_folder(folder);
        }
        let mut tree = Self {
            processes: Processes::new()?,
            cgroups: Cgroups::make()?,
            files,
            containers: Vec::new(),
            stand_ins: BTreeMap::new(),
        };
        for number in 0..count {
            let pid = tree.processes.sleeper()?;
            tree.cgroups.add(number, pid)?;
            let pod = number % pods(count);
            let pod_uid = format!("{pod:08x}-0000-4000-8000-000000000000");
            let path = Layout::SystemdContainerd.boundary(&pod_uid, &format!("{number:064x}"));
            let directory = tree.files.make(&path).directory().to_owned();
            for name in EACH_TICK.into_iter().chain(OTHERS) {
                tree.link(number, &directory, name)?;
            }
            tree.containers.push(Container { directory, pid });
        }
        Ok(tree)
    }

    /// For `--cgroup-root`.
    pub(crate) fn root(&self) -> &Path {
        self.files.root()
    }

    /// How many containers there are.
    pub(crate) fn count(&self) -> usize {
        self.containers.len()
    }

    /// The files that a tick reads: those of the kernel, no links.
    pub(crate) fn files(&self) -> anyhow::Result<Vec<PathBuf>> {
        let mut files = Vec::new();
        for container in &self.containers {
            for name in EACH_TICK {
                files.push(fs::canonicalize(container.directory.join(name))?);
            }
            let process = Path::new("/proc").join(container.pid.to_string());
            files.extend(OF_PROCESS.map(|name| process.join(name)));
        }
        let pods: BTreeSet<_> = self
            .containers
            .iter()
            .filter_map(|container| container.directory.parent())
            .collect();
        for pod in pods {
            for name in EACH_TICK {
                files.push(fs::canonicalize(pod.join(name))?);
            }
        }
        let of_node = OF_NODE.iter().map(|name| Path::new("/proc").join(name));
        files.extend(of_node.filter(|path| path.exists()));
        Ok(files)
    }

    /// How many files may be kept at most: those of each tick and `cgroup.events`, as far as
    /// directories and the rest leave room below the limit of open files.
    pub(crate) fn most_kept_files(&self) -> usize {
        let count = self.count();
        let wanted = of_containers(count) + EACH_TICK.len() * pods(count) + REST;
        wanted.min(room(count))
    }

    /// What stands in for what, by the name of the missing file.
    pub(crate) const fn stand_ins(&self) -> &BTreeMap<&'static str, String> {
        &self.stand_ins
    }

    fn link(&mut self, number: usize, directory: &Path, name: &'static str) -> anyhow::Result<()> {
        let v1 = || {
            let (_, controller, file) = STAND_INS.iter().find(|(missing, ..)| *missing == name)?;
            let path = self.cgroups.v1_file(number, controller, file)?;
            Some((path, format!("v1 {file}")))
        };
        let place = directory.join(name);
        let stand_in = match self.cgroups.v2_file(number, name) {
            Some(path) => {
                put(&path, &place)?;
                None
            }
            None => match v1() {
                Some((path, what)) => {
                    put(&path, &place)?;
                    Some(what)
                }
                None => Some("a regular file".to_owned()),
            },
        };
        if let Some(what) = stand_in
            && number == 0
        {
            let bytes = fs::read(&place)?.len();
            self.stand_ins
                .insert(name, format!("{what}, {bytes} bytes"));
        }
        Ok(())
    }
}

fn put(target: &Path, place: &Path) -> anyhow::Result<()> {
    fs::remove_file(place).with_context(|| format!("replace {}", place.display()))?;
    symlink(target, place).with_context(|| format!("link {}", place.display()))
}
