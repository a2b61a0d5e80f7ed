//! Asking the tick thread to stop: it sleeps in `poll`, so the request is a descriptor.

use anyhow::Context;
use rustix::event::{EventfdFlags, eventfd};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

/// The asking side.
#[derive(Debug)]
pub(crate) struct Stop(Arc<OwnedFd>);

/// The side that polls: readable once the stop was requested.
#[derive(Debug)]
pub(crate) struct Stopped(Arc<OwnedFd>);

impl Stop {
    /// Both sides.
    pub(crate) fn pair() -> anyhow::Result<(Self, Stopped)> {
        let fd = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)
            .context("cannot make an event descriptor")?;
        let fd = Arc::new(fd);
        Ok((Self(Arc::clone(&fd)), Stopped(fd)))
    }

    /// Makes the other side readable.
    pub(crate) fn request(&self) {
        // The counter cannot be full: this is its only writer.
        let _ = rustix::io::write(&self.0, &1_u64.to_ne_bytes());
    }
}

impl AsFd for Stopped {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
