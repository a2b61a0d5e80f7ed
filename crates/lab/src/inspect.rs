//! `fgm-lab inspect`: what a file or a data directory holds.

use anyhow::Context;
use std::io::Write;
use std::path::Path;

/// Prints the report on that file or directory.
pub(crate) fn run(path: &Path) -> anyhow::Result<()> {
    let kind =
        std::fs::metadata(path).with_context(|| format!("cannot look at {}", path.display()))?;
    let report = if kind.is_dir() {
        fgm_store::inspect::inspect_dir(path)?.to_string()
    } else {
        fgm_store::inspect::inspect_file(path)?.to_string()
    };
    match std::io::stdout().lock().write_all(report.as_bytes()) {
        // A reader such as `head` that has seen enough is no failure.
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        result => result.context("cannot write the report"),
    }
}
