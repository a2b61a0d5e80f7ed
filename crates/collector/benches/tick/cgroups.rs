//! Live cgroups: one per container in the v2 hierarchy, and one in each v1 hierarchy whose
//! files stand in for a controller that v2 lacks.

use crate::litter;
use anyhow::Context;
use fgm_cgroup::Mount;
use std::fs;
use std::path::{Path, PathBuf};

/// The beginning of the names of our cgroups; the pid of the bench follows.
const PREFIX: &str = "fgm-bench-";

/// The v1 controllers whose files can stand in.
const CONTROLLERS: [&str; 3] = ["memory", "pids", "blkio"];

/// Our cgroups in every hierarchy that is of use.
pub(crate) struct Cgroups {
    v2: PathBuf,
    v1: Vec<(&'static str, PathBuf)>,
}

impl Cgroups {
    /// A cgroup of ours at the root of each hierarchy.
    pub(crate) fn make() -> anyhow::Result<Self> {
        let mount = Mount::find(Path::new("/proc"), None)?;
        let v2 = own(&mount.path).context("the bench makes cgroups: run it as root")?;
        enable_controllers(&v2);
        let mut v1 = Vec::new();
        let missing: Vec<&str> = mount.controllers.missing().collect();
        for controller in CONTROLLERS {
            let name_in_v2 = if controller == "blkio" {
                "io"
            } else {
                controller
            };
            if missing.contains(&name_in_v2)
                && let Some(mount) = v1_mount(controller)?
            {
                v1.push((controller, own(&mount)?));
            }
        }
        Ok(Self { v2, v1 })
    }

    /// Makes the cgroups of a container and moves the process there.
    pub(crate) fn add(&self, container: usize, pid: u32) -> anyhow::Result<()> {
        let v1 = self.v1.iter().map(|(_, directory)| directory);
        for directory in v1.chain([&self.v2]) {
            let cgroup = directory.join(container.to_string());
            fs::create_dir(&cgroup).with_context(|| format!("make {}", cgroup.display()))?;
            move_to(&cgroup, pid)?;
        }
        Ok(())
    }

    /// Moves another process there.
    pub(crate) fn join(&self, container: usize, pid: u32) -> anyhow::Result<()> {
        let v1 = self.v1.iter().map(|(_, directory)| directory);
        for directory in v1.chain([&self.v2]) {
            move_to(&directory.join(container.to_string()), pid)?;
        }
        Ok(())
    }

    /// The container's file of that name, if v2 has it.
    pub(crate) fn v2_file(&self, container: usize, name: &str) -> Option<PathBuf> {
        let path = self.v2.join(container.to_string()).join(name);
        path.exists().then_some(path)
    }

    /// The container's file in a v1 hierarchy that is in use.
    pub(crate) fn v1_file(
        &self,
        container: usize,
        controller: &str,
        name: &str,
    ) -> Option<PathBuf> {
        let (_, directory) = self.v1.iter().find(|(known, _)| *known == controller)?;
        let path = directory.join(container.to_string()).join(name);
        path.exists().then_some(path)
    }
}

/// A cgroup of ours; those of benches that were killed are removed.
fn own(hierarchy: &Path) -> anyhow::Result<PathBuf> {
    for entry in fs::read_dir(hierarchy)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let of_dead = name
            .strip_prefix(PREFIX)
            .is_some_and(|pid| !Path::new("/proc").join(pid).exists());
        if of_dead {
            litter::remove_cgroup(&entry.path());
        }
    }
    let directory = hierarchy.join(format!("{PREFIX}{}", std::process::id()));
    // The cgroups of the size before have their processes no longer.
    if directory.exists() {
        litter::remove_cgroup(&directory);
    }
    fs::create_dir(&directory).with_context(|| format!("make {}", directory.display()))?;
    litter::note_cgroup(&directory);
    Ok(directory)
}

/// Enables what the hierarchy lets us have; the rest is stood in for.
fn enable_controllers(v2: &Path) {
    let offered = fs::read_to_string(v2.join("cgroup.controllers")).unwrap_or_default();
    for controller in offered.split_whitespace() {
        let _ = fs::write(v2.join("cgroup.subtree_control"), format!("+{controller}"));
    }
}

fn v1_mount(controller: &str) -> anyhow::Result<Option<PathBuf>> {
    let mounts = fs::read_to_string("/proc/self/mounts")?;
    Ok(mounts.lines().find_map(|line| {
        let mut words = line.split(' ').skip(1);
        let (path, kind, options) = (words.next()?, words.next()?, words.next()?);
        (kind == "cgroup" && options.split(',').any(|option| option == controller))
            .then(|| PathBuf::from(path))
    }))
}

fn move_to(cgroup: &Path, pid: u32) -> anyhow::Result<()> {
    fs::write(cgroup.join("cgroup.procs"), pid.to_string())
        .with_context(|| format!("move process {pid} to {}", cgroup.display()))
}
