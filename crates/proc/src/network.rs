//! The network of a pod: that of the namespace which its processes share, read through one of
//! them.
//!
//! The file is kept open only while that process is in the pod: a kept descriptor would hold the
//! namespace, and after a pod's end (or when its sandbox was made anew) show one that is no
//! longer the pod's.
//!
//! A pod in the node's namespace (`hostNetwork`) has no numbers of its own: the node's stand in
//! the table of the node, and would be taken for the pod's here. Which namespace a process is in
//! is told by the inode of its `net/dev`: each namespace has its own, and unlike `ns/net` it may
//! be asked for without the right to trace the process.

use crate::net_dev::{self, Traffic};
use crate::reader::{ProcReader, open_process};
use fgm_kernfile::{KernelFile, ReadError};
use fgm_model::Values;
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{AtFlags, statat};
use rustix::io::Errno;
use std::ffi::CStr;

/// The node's own namespace: that of its first process, else (where that is hidden) ours.
pub(crate) const NODE_FILES: [&CStr; 2] = [c"1/net/dev", c"self/net/dev"];

/// Processes that are asked in one tick, should one after the other have ended.
const MOST_ASKED: usize = 4;

/// Reads the network of one pod.
#[derive(Debug)]
pub struct PodNetwork {
    member: Option<Member>,
    file: KernelFile,
}

#[derive(Debug, Clone, Copy)]
struct Member {
    pid: u32,
    /// It is in the node's namespace, or that cannot be told.
    of_node: bool,
}

impl Default for PodNetwork {
    fn default() -> Self {
        Self {
            member: None,
            file: KernelFile::new(c"net/dev"),
        }
    }
}

impl PodNetwork {
    /// Sets the network columns. `members` gives the pids of the pod's processes now, and
    /// `is_member` tells of one whether it is among them.
    pub fn read(
        &mut self,
        members: impl Iterator<Item = u32>,
        is_member: impl Fn(u32) -> bool,
        reader: &mut ProcReader,
        values: &mut Values,
    ) {
        if self.member.is_some_and(|member| !is_member(member.pid)) {
            self.forget();
        }
        let known = self.member.map(|member| member.pid);
        let traffic = known
            .into_iter()
            .chain(members.take(MOST_ASKED))
            .find_map(|pid| self.read_through(pid, reader).ok());
        Traffic::set(traffic.flatten(), values);
    }

    /// What the process's namespace has moved, `None` where that cannot be told.
    fn read_through(&mut self, pid: u32, reader: &mut ProcReader) -> Result<Option<Traffic>, Gone> {
        let member = match self.member {
            Some(member) if member.pid == pid => member,
            _ => {
                let member = choose(pid, reader)?;
                self.forget();
                *self.member.insert(member)
            }
        };
        if member.of_node {
            return Ok(None);
        }
        let ProcReader {
            root,
            buffer,
            descriptors,
            refusals,
            ..
        } = reader;
        let (mut process, root): (Option<OwnedFd>, _) = (None, root.as_fd());
        let opened = &mut process;
        let read = self.file.read_list_opening(
            move || Ok((*opened.insert(open_process(root, pid)?)).as_fd()),
            buffer,
            descriptors,
        );
        match read {
            Ok(bytes) => {
                let traffic = net_dev::parse(bytes, net_dev::leads_out);
                if traffic.is_none() {
                    refusals.count_unparsable();
                }
                Ok(traffic)
            }
            Err(ReadError::Absent | ReadError::Ended) => {
                self.forget();
                Err(Gone)
            }
            Err(ReadError::Refused(errno)) => {
                refusals.count(errno);
                Ok(None)
            }
        }
    }

    fn forget(&mut self) {
        self.member = None;
        self.file = KernelFile::new(c"net/dev");
    }
}

/// The process ended meanwhile.
struct Gone;

fn choose(pid: u32, reader: &mut ProcReader) -> Result<Member, Gone> {
    let own =
        open_process(reader.root.as_fd(), pid).and_then(|process| namespace(&process, c"net/dev"));
    let nodes = || {
        NODE_FILES
            .into_iter()
            .find_map(|path| namespace(&reader.root, path).ok())
    };
    match own {
        Ok(own) => Ok(Member {
            pid,
            of_node: nodes().is_none_or(|nodes| nodes == own),
        }),
        Err(Errno::NOENT | Errno::SRCH) => Err(Gone),
        Err(errno) => {
            reader.refusals.count(errno);
            Ok(Member { pid, of_node: true })
        }
    }
}

/// What tells a namespace from others while it lasts.
fn namespace(directory: impl AsFd, path: &CStr) -> Result<u64, Errno> {
    Ok(statat(directory, path, AtFlags::empty())?.st_ino)
}
