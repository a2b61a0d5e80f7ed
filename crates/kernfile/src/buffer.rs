//! The one buffer that every file is read into.

use rustix::fd::BorrowedFd;
use rustix::io::{Errno, pread};

/// No kernel file that we read is larger; a file that grows beyond is cut there, so that a
/// runaway answer cannot take the recorder's memory.
const MOST_BYTES: usize = 4 << 20;

/// `seq_file` hands a list out in pieces of a page, each of whole lines; a piece shorter than this
/// was the last one. The longest line is that of an interface in `net/dev`: its name and 16
/// numbers.
const SHORTEST_FULL_PIECE: usize = 4096 - 384;

/// A reused read buffer, 16 KiB at first.
#[derive(Debug)]
pub struct Buffer {
    bytes: Vec<u8>,
}

impl Default for Buffer {
    fn default() -> Self {
        Self {
            bytes: vec![0; 16 << 10],
        }
    }
}

impl Buffer {
    /// The whole of a file that the kernel writes in one piece, read from its start.
    pub(crate) fn read_whole(&mut self, fd: BorrowedFd<'_>) -> Result<&[u8], Errno> {
        loop {
            let length = retry(|| pread(fd, &mut self.bytes, 0))?;
            if length < self.bytes.len() || !self.grow() {
                return Ok(&self.bytes[..length]);
            }
        }
    }

    /// The whole of a list of lines, which the kernel hands out a page at a time.
    pub(crate) fn read_list(&mut self, fd: BorrowedFd<'_>) -> Result<&[u8], Errno> {
        let mut filled = 0;
        loop {
            if filled == self.bytes.len() && !self.grow() {
                return Ok(&self.bytes[..filled]);
            }
            let piece = retry(|| pread(fd, &mut self.bytes[filled..], filled as u64))?;
            filled += piece;
            if piece < SHORTEST_FULL_PIECE && filled < self.bytes.len() {
                return Ok(&self.bytes[..filled]);
            }
        }
    }

    fn grow(&mut self) -> bool {
        let size = self.bytes.len() * 2;
        if size > MOST_BYTES {
            return false;
        }
        self.bytes.resize(size, 0);
        true
    }
}

fn retry<T>(mut call: impl FnMut() -> Result<T, Errno>) -> Result<T, Errno> {
    loop {
        match call() {
            Err(Errno::INTR) => {}
            result => return result,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::fd::AsFd;
    use std::io::Write;

    fn file_of(content: &[u8]) -> std::fs::File {
        let mut file = tempfile::tempfile().expect("temporary file");
        file.write_all(content).expect("write");
        file
    }

    #[test]
    fn files_of_every_size_are_read_whole() {
        let mut buffer = Buffer::default();
        for size in [0, 1, 4095, 4096, 16 << 10, (16 << 10) + 1, 100_000] {
            let content: Vec<u8> = (0..size).map(|i| b'0' + (i % 10) as u8).collect();
            let file = file_of(&content);
            assert_eq!(buffer.read_whole(file.as_fd()).expect("whole"), content);
            assert_eq!(buffer.read_list(file.as_fd()).expect("list"), content);
        }
    }

    #[test]
    fn a_runaway_file_is_cut() {
        let file = file_of(&vec![b'1'; MOST_BYTES + 10]);
        let read = Buffer::default()
            .read_whole(file.as_fd())
            .expect("read")
            .len();
        assert!((MOST_BYTES / 2..=MOST_BYTES).contains(&read));
    }
}
