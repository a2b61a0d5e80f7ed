//! Generated data with known truth, made by `generate-bench-data` as a person calls it.

use crate::{must, programs};
use fgm_testkit::generator::{TRUTH_FILE, Truth};
use std::fs;
use std::path::Path;
use std::process::Command;

/// Generates into that directory, up to a fixed hour, and gives what is true of the data.
///
/// # Panics
/// When it fails.
#[must_use]
pub fn generate(out: &Path, flags: &[&str]) -> Truth {
    let output = Command::new(programs::generate_bench_data())
        .args(flags)
        .args(["--end", "2026-11-23T08:00:00Z", "--out"])
        .arg(out)
        .output();
    let output = must(output, "generate-bench-data");
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{complaint}");
    let text = must(fs::read_to_string(out.join(TRUTH_FILE)), TRUTH_FILE);
    must(serde_json::from_str(&text), TRUTH_FILE)
}
