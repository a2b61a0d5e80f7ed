//! The processes of a cgroup and of all cgroups below it.
//!
//! A runtime or a container may keep its processes in cgroups below the boundary. Which these
//! are is looked up again only when a directory changed. Discovery is told of the boundary's own
//! (see [`Directory`]); of one below, the kernel counts the subdirectories in its link count
//! (other file systems change the time of modification). No directory is kept open for those
//! below, so a container with many costs descriptors under the cap only.

use crate::directory::{Directory, join, subdirectories};
use crate::parse::pids::{self, Listed};
use crate::reader::ReadContext;
use fgm_kernfile::{KernelFile, ReadError};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{AtFlags, statat};
use rustix::io::Errno;
use std::ffi::{CStr, CString};

/// No container of sense has more cgroups inside; beyond, its processes are not counted.
const MOST_BELOW: usize = 1000;

/// The processes of one boundary cgroup.
#[derive(Debug)]
pub(crate) struct ProcessList {
    own: KernelFile,
    stamp: Option<Stamp>,
    below: Vec<Below>,
    /// Whether all cgroups below are in the list.
    complete: bool,
    pids: Vec<u32>,
    foreign: u64,
}

#[derive(Debug)]
struct Below {
    path: CString,
    stamp: Stamp,
    procs: KernelFile,
}

/// Changes when a subdirectory is made or removed.
///
/// The C types of a `stat` differ from machine to machine; all of them fit here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    links: i128,
    modified: (i128, i128),
}

/// What a reading found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ListRead {
    /// How many processes there are; `None` where that cannot be said.
    Count(Option<u64>),
    /// The cgroup is gone.
    Ended,
}

impl ProcessList {
    pub(crate) const fn new() -> Self {
        Self {
            own: KernelFile::new(c"cgroup.procs"),
            stamp: None,
            below: Vec::new(),
            complete: true,
            pids: Vec::new(),
            foreign: 0,
        }
    }

    /// The processes of the last reading that our PID namespace shows, in ascending order.
    pub(crate) fn pids(&self) -> &[u32] {
        &self.pids
    }

    /// How many of the last reading it does not show.
    pub(crate) const fn foreign(&self) -> u64 {
        self.foreign
    }

    pub(crate) fn ask_again(&mut self) {
        self.own.ask_again();
        for below in &mut self.below {
            below.procs.ask_again();
        }
    }

    pub(crate) fn read(&mut self, boundary: &Directory, context: &mut ReadContext) -> ListRead {
        let directory = boundary.as_fd();
        let news = boundary.take_news();
        if (news && !self.is_same(directory)) || !self.are_same_below(directory) {
            self.look_below(directory, context);
        }
        match self.read_once(directory, context) {
            Err(Vanished) => {
                // A cgroup below has gone since: its processes are elsewhere by now.
                self.look_below(directory, context);
                match self.read_once(directory, context) {
                    Ok(read) => read,
                    Err(Vanished) => ListRead::Count(None),
                }
            }
            Ok(read) => read,
        }
    }

    fn read_once(
        &mut self,
        directory: BorrowedFd<'_>,
        context: &mut ReadContext,
    ) -> Result<ListRead, Vanished> {
        self.pids.clear();
        let mut listed = Listed::default();
        let mut known = self.complete;
        match read_list(
            &mut self.own,
            directory,
            context,
            &mut self.pids,
            &mut listed,
        ) {
            Ok(()) => {}
            Err(ReadError::Ended) => return Ok(ListRead::Ended),
            // Threaded cgroups do not say (EOPNOTSUPP): the processes are listed further up.
            Err(_) => known = false,
        }
        for below in &mut self.below {
            let was_absent = below.procs.is_absent();
            let read = read_list(
                &mut below.procs,
                directory,
                context,
                &mut self.pids,
                &mut listed,
            );
            match read {
                Ok(()) => {}
                Err(ReadError::Ended) => return Err(Vanished),
                Err(ReadError::Absent) => {
                    let path = below.path.as_c_str();
                    if !was_absent && stamp_at(directory, path).is_err() {
                        return Err(Vanished);
                    }
                }
                Err(ReadError::Refused(_)) => known = false,
            }
        }
        // One that moved meanwhile is in two lists, and the kernel may repeat one in a list.
        self.pids.sort_unstable();
        self.pids.dedup();
        self.foreign = listed.foreign;
        let count = self.pids.len() as u64 + listed.foreign;
        Ok(ListRead::Count((known && !listed.garbled).then_some(count)))
    }

    /// Whether no subdirectory of the boundary was made or removed.
    fn is_same(&self, directory: BorrowedFd<'_>) -> bool {
        let own = stamp_at(directory, c"").ok();
        own.is_some() && own == self.stamp
    }

    fn are_same_below(&self, directory: BorrowedFd<'_>) -> bool {
        self.below
            .iter()
            .all(|below| stamp_at(directory, &below.path) == Ok(below.stamp))
    }

    /// Finds the cgroups below, keeping the open files of those that are still there.
    fn look_below(&mut self, directory: BorrowedFd<'_>, context: &mut ReadContext) {
        let mut before = std::mem::take(&mut self.below);
        self.complete = true;
        self.stamp = stamp_at(directory, c"").ok();
        let mut next = 0;
        let mut at = Some((CString::default(), self.stamp));
        while let Some((path, stamp)) = at {
            // On other file systems than the kernel's the count may be 1 and say nothing.
            if stamp.is_some_and(|stamp| stamp.links != 2)
                && let Err(errno) = self.add_children(directory, &path, &mut before)
                && errno != Errno::NOENT
            {
                context.refusals.count(errno);
                self.complete = false;
            }
            at = self
                .below
                .get(next)
                .map(|below| (below.path.clone(), Some(below.stamp)));
            next += 1;
        }
    }

    fn add_children(
        &mut self,
        directory: BorrowedFd<'_>,
        path: &CStr,
        before: &mut Vec<Below>,
    ) -> Result<(), Errno> {
        for name in subdirectories(directory, path)? {
            if self.below.len() >= MOST_BELOW {
                self.complete = false;
                break;
            }
            let child = join(path, &name);
            // Gone again: it has no process any more.
            let Ok(stamp) = stamp_at(directory, &child) else {
                continue;
            };
            let kept = before.iter().position(|below| below.path == child);
            let below = match kept {
                Some(place) => Below {
                    stamp,
                    ..before.swap_remove(place)
                },
                None => Below {
                    procs: KernelFile::at_path(join(&child, c"cgroup.procs")),
                    path: child,
                    stamp,
                },
            };
            self.below.push(below);
        }
        Ok(())
    }
}

/// A cgroup below was removed during the reading.
struct Vanished;

fn read_list(
    file: &mut KernelFile,
    directory: BorrowedFd<'_>,
    context: &mut ReadContext,
    pids: &mut Vec<u32>,
    listed: &mut Listed,
) -> Result<(), ReadError> {
    match file.read_list(directory, &mut context.buffer, &context.descriptors) {
        Ok(bytes) => {
            pids::add(bytes, pids, listed);
            Ok(())
        }
        Err(error) => {
            if let ReadError::Refused(errno) = error {
                context.refusals.count(errno);
            }
            Err(error)
        }
    }
}

fn stamp_at(directory: BorrowedFd<'_>, path: &CStr) -> Result<Stamp, Errno> {
    let flags = AtFlags::EMPTY_PATH | AtFlags::SYMLINK_NOFOLLOW;
    let stat = statat(directory, path, flags)?;
    Ok(Stamp {
        links: stat.st_nlink.into(),
        modified: (stat.st_mtime.into(), stat.st_mtime_nsec.into()),
    })
}

/// The processes below a directory that is not read again, for a single look.
pub(crate) fn processes_once(directory: OwnedFd, context: &mut ReadContext) -> (Vec<u32>, u64) {
    let mut list = ProcessList::new();
    list.read(&Directory::untold(directory), context);
    (std::mem::take(&mut list.pids), list.foreign())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::open_place;
    use fgm_kernfile::Descriptors;
    use fgm_testkit::cgroup_tree::{CgroupTree, Layout};

    struct Fixture {
        tree: CgroupTree,
        directory: Directory,
        path: String,
        list: ProcessList,
        context: ReadContext,
    }

    fn fixture(layout: Layout, most_descriptors: usize) -> Fixture {
        let tree = CgroupTree::new();
        let cgroup = tree.make_container(layout, 30);
        Fixture {
            directory: Directory::untold(open_place(cgroup.directory()).expect("open")),
            path: cgroup.path().to_owned(),
            tree,
            list: ProcessList::new(),
            context: ReadContext::new(Descriptors::new(most_descriptors)),
        }
    }

    impl Fixture {
        fn read(&mut self) -> (Option<u64>, Vec<u32>) {
            match self.list.read(&self.directory, &mut self.context) {
                ListRead::Count(count) => (count, self.list.pids().to_vec()),
                ListRead::Ended => panic!("ended"),
            }
        }
    }

    #[test]
    fn cgroups_below_come_and_go() {
        for most in [0, 100] {
            let mut f = fixture(Layout::SystemInContainer, most);
            assert_eq!(f.read(), (Some(1), vec![30]));
            let deep = f.tree.make(&format!("{}/system.slice/a/b", f.path));
            deep.set_pids(&[7, 9]);
            assert_eq!(f.read(), (Some(3), vec![7, 9, 30]));
            deep.set_pids(&[9]);
            assert_eq!(f.read(), (Some(2), vec![9, 30]));
            f.tree.make(&format!("{}/system.slice/a", f.path)).remove();
            assert_eq!(f.read(), (Some(1), vec![30]), "{most}");
        }
    }

    #[test]
    fn a_process_that_moves_counts_once() {
        let mut f = fixture(Layout::SystemdCrio, 9);
        f.tree.make(&f.path).set_pids(&[30, 31, 31]);
        assert_eq!(f.read(), (Some(2), vec![30, 31]));
    }

    #[test]
    fn processes_of_another_pid_namespace_are_counted() {
        let mut f = fixture(Layout::DockerSystemd, 9);
        f.tree.make(&f.path).set_pids(&[0, 0, 5]);
        assert_eq!(f.read(), (Some(3), vec![5]));
        assert_eq!(f.list.foreign(), 2);
    }

    #[test]
    fn a_garbled_or_refused_list_leaves_the_count_unknown() {
        let mut f = fixture(Layout::DockerSystemd, 0);
        f.tree.make(&f.path).write("cgroup.procs", "5\n6");
        assert_eq!(f.read(), (None, vec![5]));
        f.tree.make(&f.path).remove_file("cgroup.procs");
        let in_its_place = format!("{}/cgroup.procs", f.path);
        f.tree.make(&in_its_place);
        assert_eq!(f.read(), (None, vec![]));
        assert!(f.context.refusals.total() > 0);
    }

    #[test]
    fn a_threaded_cgroup_below_adds_nothing() {
        // The kernel answers EOPNOTSUPP, which like a missing file is "absent".
        let mut f = fixture(Layout::SystemdCrio, 9);
        f.tree
            .make(&format!("{}/threads", f.path))
            .remove_file("cgroup.procs");
        assert_eq!(f.read(), (Some(1), vec![30]));
        assert_eq!(f.read(), (Some(1), vec![30]));
    }

    #[test]
    fn more_cgroups_than_are_followed_leave_the_count_unknown() {
        let mut f = fixture(Layout::DockerSystemd, 9);
        let directory = f.tree.make(&f.path).directory().to_owned();
        for number in 0..=MOST_BELOW {
            std::fs::create_dir(directory.join(number.to_string())).expect("directory");
        }
        assert_eq!(f.read(), (None, vec![30]));
    }
}
