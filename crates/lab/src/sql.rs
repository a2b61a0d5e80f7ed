//! `fgm-lab sql`: views over a data directory, ready to pipe into DuckDB.

use anyhow::Context;
use std::io::Write;
use std::path::PathBuf;

/// Prints the views over that directory, or over the one that `fgm` records into.
pub(crate) fn run(dir: Option<PathBuf>) -> anyhow::Result<()> {
    let dir = match dir {
        Some(dir) => dir,
        None => fgm_collector::config::default_data_dir()?,
    };
    let text = fgm_store::sql::views(&dir)?;
    match std::io::stdout().lock().write_all(text.as_bytes()) {
        // A reader such as `head` that has seen enough is no failure.
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        result => result.context("cannot write the views"),
    }
}
