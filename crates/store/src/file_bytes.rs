//! Bytes of a file, of which some pieces are in memory: what is read from there takes no call of
//! the kernel per page.

use bytes::{Buf, Bytes, buf};
use parquet::errors::ParquetError;
use parquet::file::reader::{ChunkReader, Length};
use rustix::io::Errno;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

/// An open file and the pieces of it that are in memory.
#[derive(Debug)]
pub(crate) struct FileBytes {
    file: Arc<File>,
    length: u64,
    /// In the order of the file.
    pieces: Vec<(u64, Bytes)>,
}

impl FileBytes {
    /// A file of that many bytes, none of them in memory.
    pub(crate) const fn new(file: Arc<File>, length: u64) -> Self {
        Self {
            file,
            length,
            pieces: Vec::new(),
        }
    }

    /// Reads a piece and keeps it in memory.
    ///
    /// # Errors
    /// The file ends before, or cannot be read.
    pub(crate) fn keep(&mut self, start: u64, length: usize) -> Result<(), ParquetError> {
        let bytes = self.get_bytes(start, length)?;
        self.pieces.insert(self.behind(start), (start, bytes));
        Ok(())
    }

    /// The place of the first piece that begins behind a byte.
    fn behind(&self, start: u64) -> usize {
        self.pieces.partition_point(|(at, _)| *at <= start)
    }

    fn in_memory(&self, start: u64) -> Option<Bytes> {
        let after = self.behind(start);
        let (at, bytes) = self.pieces.get(after.checked_sub(1)?)?;
        let skip = usize::try_from(start - at).ok()?;
        (skip < bytes.len()).then(|| bytes.slice(skip..))
    }
}

impl Length for FileBytes {
    fn len(&self) -> u64 {
        self.length
    }
}

/// Bytes from some place on, to be read in a row.
#[derive(Debug)]
pub(crate) enum Stretch {
    Memory(buf::Reader<Bytes>),
    File(BufReader<FileFrom>),
}

/// The rest of a file, without moving the place where others read.
#[derive(Debug)]
pub(crate) struct FileFrom {
    file: Arc<File>,
    at: u64,
}

impl Read for FileFrom {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read_at(buffer, self.at)?;
        self.at = self.at.saturating_add(count as u64);
        Ok(count)
    }
}

impl Read for Stretch {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Memory(bytes) => bytes.read(buffer),
            Self::File(file) => file.read(buffer),
        }
    }
}

impl ChunkReader for FileBytes {
    type T = Stretch;

    fn get_read(&self, start: u64) -> Result<Self::T, ParquetError> {
        Ok(match self.in_memory(start) {
            Some(bytes) => Stretch::Memory(bytes.reader()),
            None => Stretch::File(BufReader::new(FileFrom {
                file: Arc::clone(&self.file),
                at: start,
            })),
        })
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes, ParquetError> {
        if let Some(bytes) = self.in_memory(start).filter(|bytes| bytes.len() >= length) {
            return Ok(bytes.slice(..length));
        }
        // A length that lies must not reserve memory.
        let end = start.checked_add(length as u64);
        if end.is_none_or(|end| end > self.length) {
            return Err(ParquetError::EOF(format!(
                "{length} bytes from byte {start} lie beyond the end"
            )));
        }
        let mut bytes = Vec::with_capacity(length);
        while bytes.len() < length {
            let at = start + bytes.len() as u64;
            match rustix::io::pread(&*self.file, rustix::buffer::spare_capacity(&mut bytes), at) {
                Ok(0) => return Err(ParquetError::EOF("the file was cut short".into())),
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => return Err(io::Error::from(error).into()),
            }
        }
        bytes.truncate(length);
        Ok(bytes.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn the_file_is_the_same_in_memory_and_out_of_it() {
        let content: Vec<u8> = (0..100).collect();
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&content).unwrap();
        let mut bytes = FileBytes::new(Arc::new(file), 100);
        for (start, length) in [(50, 10), (10, 10), (55, 20)] {
            bytes.keep(start, length).unwrap();
        }
        for start in 0..100 {
            for length in 0..=100 - start {
                let found = bytes.get_bytes(start as u64, length).unwrap();
                assert_eq!(found, content[start..start + length], "{start} {length}");
            }
        }
        for start in [0, 15, 50, 58, 70] {
            let mut first = [0];
            let mut from = bytes.get_read(start).unwrap();
            from.read_exact(&mut first).unwrap();
            assert_eq!(u64::from(first[0]), start);
        }
        assert!(bytes.get_bytes(99, 2).is_err());
        assert!(bytes.keep(u64::MAX, usize::MAX).is_err());
    }
}
