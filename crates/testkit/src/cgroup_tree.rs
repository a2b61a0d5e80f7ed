//! Fake cgroup v2 trees in a temporary directory.
//!
//! The files are regular ones with what a 6.x kernel writes into them; a test turns the knobs.
//! A regular file differs from the kernel's in one way that matters: a kept descriptor goes on
//! giving the content of a removed file, where the kernel answers ENODEV.
//!
//! A fixture that cannot be made panics: that is how its test fails.

mod content;
mod layout;

pub use layout::{CONTAINER_ID, Layout, OUTER_ID, POD_UID};

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// A cgroup v2 mount that is nothing but files.
#[derive(Debug)]
pub struct CgroupTree {
    folder: TempDir,
    root: PathBuf,
}

/// One cgroup of a [`CgroupTree`].
#[derive(Debug, Clone)]
pub struct FakeCgroup {
    directory: PathBuf,
    path: String,
}

impl Default for CgroupTree {
    fn default() -> Self {
        Self::new()
    }
}

impl CgroupTree {
    /// A tree with nothing but its root cgroup.
    #[must_use]
    pub fn new() -> Self {
        let folder = must(tempfile::tempdir(), "temporary directory");
        let root = folder.path().join("sys/fs/cgroup");
        must(fs::create_dir_all(&root), "root cgroup");
        for (name, text) in content::ROOT_FILES {
            must(fs::write(root.join(name), text), name);
        }
        Self { folder, root }
    }

    /// The mount point.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// A directory beside the tree, for a fake `/proc`.
    #[must_use]
    pub fn proc_root(&self) -> PathBuf {
        self.folder.path().join("proc")
    }

    /// Makes the cgroup at that path (with a leading slash) and all above it that is missing.
    pub fn make(&self, path: &str) -> FakeCgroup {
        let mut directory = self.root.clone();
        for name in path.split('/').filter(|name| !name.is_empty()) {
            directory.push(name);
            match fs::create_dir(&directory) {
                Ok(()) => {
                    for (name, text) in content::FILES {
                        must(fs::write(directory.join(name), text), name);
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => panic!("make {}: {error}", directory.display()),
            }
        }
        FakeCgroup {
            directory,
            path: path.to_owned(),
        }
    }

    /// Makes directories only, without any file: enough for what is told by a path, and quick.
    pub fn make_bare(&self, path: &str) {
        let directory = self.root.join(path.trim_start_matches('/'));
        must(fs::create_dir_all(directory), path);
    }

    /// Makes a container of that layout with the ids of [`POD_UID`] and [`CONTAINER_ID`], with
    /// one process where the layout has it; gives the boundary cgroup.
    pub fn make_container(&self, layout: Layout, pid: u32) -> FakeCgroup {
        self.make_container_of(layout, POD_UID, CONTAINER_ID, pid)
    }

    /// The same with other ids.
    pub fn make_container_of(
        &self,
        layout: Layout,
        pod_uid: &str,
        container_id: &str,
        pid: u32,
    ) -> FakeCgroup {
        let boundary = self.make(&layout.boundary(pod_uid, container_id));
        for nested in layout.nested(pod_uid, container_id) {
            self.make(&nested);
        }
        self.make(&layout.processes(pod_uid, container_id))
            .set_pids(&[pid]);
        for populated in [&layout.processes(pod_uid, container_id), boundary.path()] {
            self.make(populated).set_populated(true);
        }
        boundary
    }

    /// Gives a process of the fake `/proc` its command name.
    pub fn set_command(&self, pid: u32, command: &str) {
        let folder = self.proc_root().join(pid.to_string());
        must(fs::create_dir_all(&folder), "process folder");
        must(
            fs::write(folder.join("comm"), format!("{command}\n")),
            "comm",
        );
    }

    /// Writes the fake `/proc/self/mountinfo`.
    pub fn set_mountinfo(&self, text: &str) {
        let folder = self.proc_root().join("self");
        must(fs::create_dir_all(&folder), "process folder");
        must(fs::write(folder.join("mountinfo"), text), "mountinfo");
    }
}

impl FakeCgroup {
    /// Its directory.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Its path below the mount, with a leading slash.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The content of one of its files.
    #[must_use]
    pub fn read(&self, file: &str) -> String {
        must(fs::read_to_string(self.directory.join(file)), file)
    }

    /// Replaces the content of one of its files.
    pub fn write(&self, file: &str, content: impl AsRef<[u8]>) {
        must(fs::write(self.directory.join(file), content), file);
    }

    /// Takes one of its files away, as on a kernel that lacks it.
    pub fn remove_file(&self, file: &str) {
        must(fs::remove_file(self.directory.join(file)), file);
    }

    /// Sets one number of a "key value" file.
    pub fn set_key(&self, file: &str, key: &str, value: u64) {
        let mut found = false;
        let text: String = self
            .read(file)
            .lines()
            .map(|line| match line.split_once(' ') {
                Some((name, _)) if name == key => {
                    found = true;
                    format!("{key} {value}\n")
                }
                _ => format!("{line}\n"),
            })
            .collect();
        assert!(found, "no line {key} in {file}");
        self.write(file, text);
    }

    /// Sets the totals of a pressure file.
    pub fn set_pressure(&self, file: &str, some_usec: u64, full_usec: u64) {
        self.write(
            file,
            format!(
                "some avg10=0.11 avg60=0.22 avg300=0.33 total={some_usec}\n\
                 full avg10=0.00 avg60=0.01 avg300=0.02 total={full_usec}\n"
            ),
        );
    }

    /// Sets its own processes.
    pub fn set_pids(&self, pids: &[u32]) {
        let text: String = pids.iter().map(|pid| format!("{pid}\n")).collect();
        self.write("cgroup.procs", text);
    }

    /// Says in `cgroup.events` whether it or a cgroup below it has a process.
    pub fn set_populated(&self, populated: bool) {
        self.write(
            "cgroup.events",
            format!("populated {}\nfrozen 0\n", u8::from(populated)),
        );
    }

    /// Removes it with all below it, children first, as a runtime does.
    pub fn remove(&self) {
        must(fs::remove_dir_all(&self.directory), "remove");
    }
}

fn must<T>(result: io::Result<T>, what: &str) -> T {
    match result {
        Ok(value) => value,
        Err(error) => panic!("fixture: {what}: {error}"),
    }
}
