//! The processes in the containers: each waits for the end of a pipe, so that none outlives the
//! bench.

use crate::litter;
use crate::role::Role;
use anyhow::Context;
use std::io::{PipeReader, pipe};
use std::process::{Child, Command, Stdio};

/// Processes on one pipe.
pub(crate) struct Processes {
    leash: PipeReader,
    children: Vec<Child>,
}

impl Processes {
    /// None yet.
    pub(crate) fn new() -> anyhow::Result<Self> {
        let (leash, held) = pipe().context("cannot make a pipe")?;
        litter::note_leash(held);
        Ok(Self {
            leash,
            children: Vec::new(),
        })
    }

    /// One that sleeps.
    pub(crate) fn sleeper(&mut self) -> anyhow::Result<u32> {
        self.start(&mut Command::new("cat"))
    }

    /// One that holds that much memory in 4 KiB pages; it writes to all of it each second if it
    /// is `active`.
    pub(crate) fn holder(&mut self, bytes: usize, active: bool) -> anyhow::Result<u32> {
        self.start(&mut Role::Hold { bytes, active }.command()?)
    }

    fn start(&mut self, command: &mut Command) -> anyhow::Result<u32> {
        let child = command
            .stdin(self.leash.try_clone()?)
            .stdout(Stdio::null())
            .spawn()
            .context("cannot start a process for a container")?;
        let pid = child.id();
        self.children.push(child);
        Ok(pid)
    }
}

impl Drop for Processes {
    fn drop(&mut self) {
        for child in &mut self.children {
            // Gone already where the leash was.
            let _ = child.kill();
        }
        for child in &mut self.children {
            let _ = child.wait();
        }
    }
}
