//! Bytes on their way from a thread that reads to the client.

use axum::body::Bytes;
use std::io::{self, ErrorKind, Write};
use tokio::sync::mpsc::Sender;

/// Bytes that are sent at once.
const BLOCK_BYTES: usize = 64 << 10;

/// Sends block by block, and waits while the client is slow.
pub(super) struct Pipe {
    block: Vec<u8>,
    blocks: Sender<io::Result<Bytes>>,
}

impl Pipe {
    pub(super) fn new(blocks: Sender<io::Result<Bytes>>) -> Self {
        Self {
            block: Vec::with_capacity(BLOCK_BYTES),
            blocks,
        }
    }
}

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.block.extend_from_slice(bytes);
        if self.block.len() >= BLOCK_BYTES {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.block.is_empty() {
            return Ok(());
        }
        let block = std::mem::replace(&mut self.block, Vec::with_capacity(BLOCK_BYTES));
        self.blocks
            .blocking_send(Ok(block.into()))
            .map_err(|_| ErrorKind::BrokenPipe.into())
    }
}
