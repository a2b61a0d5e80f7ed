//! A working set of files that does not fit into the memory limit: the page cache is reclaimed
//! and read again, tasks stall on it, and nothing is killed, for file pages can always go.

use anyhow::{Context, ensure};
use bytesize::ByteSize;
use clap::Args;
use rustix::fs::{Advice, fadvise, statfs};
use std::fs::File;
use std::hint::black_box;
use std::io::{Read, Seek, Write};
use std::path::PathBuf;
use std::process::ExitCode;

/// Files of the set, each read whole in its turn.
const FILES: u64 = 8;
const LEAST_BYTES: u64 = 1 << 20;
/// `statfs(2)`.
const TMPFS_MAGIC: rustix::fs::FsWord = 0x0102_1994;
const BUFFER_BYTES: usize = 256 << 10;

#[derive(Debug, Args)]
pub(crate) struct Pressure {
    /// Size of all files together
    #[arg(long, value_name = "BYTES", default_value = "128MiB")]
    working_set: ByteSize,

    /// Where the files are made: on a disk, for those of a tmpfs are memory that cannot go
    #[arg(long, value_name = "DIR", default_value = "/var/tmp")]
    directory: PathBuf,
}

impl Pressure {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        ensure!(
            self.working_set.as_u64() >= LEAST_BYTES,
            "--working-set {} is too small: give at least 1MiB",
            self.working_set
        );
        self.check_directory()?;
        let mut files = self.make_files()?;
        tracing::info!("reading {} over and over", self.working_set);
        let mut buffer = vec![0; BUFFER_BYTES];
        loop {
            for file in &mut files {
                file.rewind().context("read the working set")?;
                while file.read(&mut buffer).context("read the working set")? > 0 {
                    black_box(&buffer);
                }
            }
        }
    }

    /// A kernel kills when a limit is full of a tmpfs, which is the opposite of what is shown here.
    fn check_directory(&self) -> anyhow::Result<()> {
        let directory = self.directory.display();
        let found = statfs(&self.directory)
            .with_context(|| format!("look at {directory}; name another by --directory"))?;
        ensure!(
            found.f_type != TMPFS_MAGIC,
            "{directory} is a tmpfs, whose files are memory; name a directory on a disk by --directory"
        );
        Ok(())
    }

    /// The files have no name, so that they are gone with the program however it ends.
    fn make_files(&self) -> anyhow::Result<Vec<File>> {
        let mut left_of_all = self.working_set.as_u64();
        let block: Vec<u8> = (0..BUFFER_BYTES)
            .map(|place| place.to_le_bytes()[0])
            .collect();
        let mut files = Vec::new();
        for number in 0..FILES {
            let mut file = tempfile::tempfile_in(&self.directory).with_context(|| {
                format!(
                    "make files in {}; name another directory by --directory",
                    self.directory.display()
                )
            })?;
            let mut left = left_of_all / (FILES - number);
            left_of_all -= left;
            while left > 0 {
                let part = usize::try_from(left).unwrap_or(usize::MAX).min(block.len());
                let written = block.get(..part).unwrap_or(&block);
                file.write_all(written).context("write the working set")?;
                // Written back at once: a limit full of dirty pages, which cannot be reclaimed,
                // is an OOM kill.
                file.sync_data().context("write the working set")?;
                left -= part as u64;
            }
            fadvise(&file, 0, None, Advice::Random).context("advise on the working set")?;
            files.push(file);
        }
        Ok(files)
    }
}
