//! The lab's own part of the cgroup v2 tree: `fgm-lab.slice/<run>/<pod uid>/<container>-<restart>`,
//! a layout that the recorder knows. Nothing outside of it is ever written to.

use anyhow::{Context, bail};
use fgm_cgroup::Mount;
use fgm_model::identity::life_hash;
use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

const SLICE: &str = "fgm-lab.slice";
/// What the lab sets limits by, or the recorder reads from.
const WANTED: [&str; 4] = ["cpu", "memory", "io", "pids"];

/// The lab's slice.
#[derive(Debug, Clone)]
pub(crate) struct Slice {
    path: PathBuf,
    /// The root of the tree, as the recorder sees it.
    mount: PathBuf,
    boot_id: String,
    controllers: Vec<&'static str>,
}

impl Slice {
    /// Makes the slice, at the root of the tree where that is allowed, else below the cgroup of
    /// this process as far up as it is.
    ///
    /// # Errors
    /// There is no tree, or no place in it.
    pub(crate) fn make(cgroup_root: Option<&Path>) -> anyhow::Result<Self> {
        let mount = Mount::find(Path::new("/proc"), cgroup_root)?.path;
        let boot_id = fs::read_to_string("/proc/sys/kernel/random/boot_id")
            .context("cannot read the boot's id")?;
        let mut failed = None;
        for place in places(&mount) {
            let path = place.join(SLICE);
            match fs::create_dir(&path) {
                Err(error) if error.kind() != ErrorKind::AlreadyExists => {
                    failed.get_or_insert((path, error));
                }
                _ => {
                    let mut slice = Self {
                        path,
                        mount,
                        boot_id: boot_id.trim().to_owned(),
                        controllers: Vec::new(),
                    };
                    slice.controllers = slice.enable(&slice.path);
                    return Ok(slice);
                }
            }
        }
        match failed {
            Some((path, error)) => bail!(
                "cannot make {}: {error}; start this as root, or with a part of the tree of its \
                 own: systemd-run --user --scope -p Delegate=yes fgm-lab scenario run ...",
                path.display()
            ),
            None => bail!("{} is no cgroup tree", mount.display()),
        }
    }

    /// The controllers for limits that this tree lacks.
    pub(crate) fn missing(&self) -> Vec<&'static str> {
        let lacks = |name: &&str| !self.controllers.contains(name);
        ["cpu", "memory"].into_iter().filter(lacks).collect()
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Makes a group of cgroups: a run in the slice, or a pod in a run.
    ///
    /// # Errors
    /// With the path.
    pub(crate) fn make_group(&self, path: &Path) -> anyhow::Result<Cgroup> {
        let group = Cgroup::make(path)?;
        self.enable(path);
        Ok(group)
    }

    /// What the recorder calls a container whose runtime has no IDs.
    pub(crate) fn container_id(&self, cgroup: &Cgroup) -> anyhow::Result<String> {
        let below = cgroup.0.strip_prefix(&self.mount)?;
        let inode = fs::metadata(&cgroup.0)?.ino();
        Ok(life_hash(
            &self.boot_id,
            inode,
            &format!("/{}", below.display()),
        ))
    }

    /// Passes controllers on to the children of a cgroup of ours; which it could.
    fn enable(&self, path: &Path) -> Vec<&'static str> {
        let there = fs::read_to_string(path.join("cgroup.controllers")).unwrap_or_default();
        let control = path.join("cgroup.subtree_control");
        let enabled = |name: &&str| {
            there.split_whitespace().any(|one| one == *name)
                && fs::write(&control, format!("+{name}")).is_ok()
        };
        WANTED.into_iter().filter(enabled).collect()
    }
}

/// The root of the tree, then the cgroups that this process is in, from the outermost.
fn places(mount: &Path) -> Vec<PathBuf> {
    let mut places = vec![mount.to_owned()];
    let own = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let own = own.lines().find_map(|line| line.strip_prefix("0::/"));
    for name in own.into_iter().flat_map(|path| path.split('/')) {
        if !name.is_empty()
            && let Some(last) = places.last()
        {
            places.push(last.join(name));
        }
    }
    places
}

/// A cgroup of ours.
#[derive(Debug, Clone)]
pub(crate) struct Cgroup(PathBuf);

impl Cgroup {
    /// # Errors
    /// With the path.
    pub(crate) fn make(path: &Path) -> anyhow::Result<Self> {
        fs::create_dir(path).with_context(|| format!("cannot make {}", path.display()))?;
        Ok(Self(path.to_owned()))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// Sets a limit.
    ///
    /// # Errors
    /// With the file.
    pub(crate) fn set(&self, file: &str, value: &str) -> anyhow::Result<()> {
        let path = self.0.join(file);
        fs::write(&path, value).with_context(|| format!("cannot set {} to {value}", path.display()))
    }

    pub(crate) fn has(&self, file: &str) -> bool {
        self.0.join(file).exists()
    }

    /// Processes that the kernel killed in it for lack of memory.
    pub(crate) fn oom_kills(&self) -> u64 {
        let events = fs::read_to_string(self.0.join("memory.events")).unwrap_or_default();
        let count = events
            .lines()
            .find_map(|line| line.strip_prefix("oom_kill "));
        count.and_then(|count| count.parse().ok()).unwrap_or(0)
    }

    /// Kills every process in it and below it.
    pub(crate) fn kill(&self) {
        // Since Linux 5.14.
        if fs::write(self.0.join("cgroup.kill"), "1").is_ok() {
            return;
        }
        for pid in self.processes() {
            // It may be gone by now.
            let _ = kill_process(pid, Signal::KILL);
        }
    }

    /// Asks the first process of each container in it and below it to end, as a runtime does: what
    /// others it has it ends itself.
    pub(crate) fn terminate(&self) {
        let all = self.processes();
        let is_first = |pid: &&Pid| parent(**pid).is_none_or(|parent| !all.contains(&parent));
        for pid in all.iter().filter(is_first) {
            let _ = kill_process(*pid, Signal::TERM);
        }
    }

    fn processes(&self) -> Vec<Pid> {
        let mut processes = Vec::new();
        for folder in folders_below(&self.0) {
            let list = fs::read_to_string(folder.join("cgroup.procs")).unwrap_or_default();
            let pids = list.lines().filter_map(|pid| pid.parse().ok());
            processes.extend(pids.filter_map(Pid::from_raw));
        }
        processes
    }

    /// Whether no process is in it or below it.
    pub(crate) fn is_empty(&self) -> bool {
        let events = fs::read_to_string(self.0.join("cgroup.events")).unwrap_or_default();
        !events.lines().any(|line| line == "populated 1")
    }

    /// Removes it and what is below it; whether it is gone.
    pub(crate) fn remove(&self) -> io::Result<()> {
        for folder in folders_below(&self.0) {
            match fs::remove_dir(&folder) {
                Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }

    /// The one at that path, made earlier; `None` when it is gone.
    pub(crate) fn open(path: &Path) -> Option<Self> {
        path.is_dir().then(|| Self(path.to_owned()))
    }
}

/// The parent of a process; `None` when either is gone.
fn parent(pid: Pid) -> Option<Pid> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name may hold anything, so what is counted begins behind it.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    Pid::from_raw(fields.nth(1)?.parse().ok()?)
}

/// The directories below and with that one, the deepest first.
fn folders_below(path: &Path) -> Vec<PathBuf> {
    let mut folders = Vec::new();
    for entry in fs::read_dir(path).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            folders.extend(folders_below(&entry.path()));
        }
    }
    folders.push(path.to_owned());
    folders
}
