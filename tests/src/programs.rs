//! The built programs: they lie beside the running test, in `target/<profile>/`.

use crate::must;
use std::env;
use std::path::PathBuf;

/// The recorder.
#[must_use]
pub fn fgm() -> PathBuf {
    named("fgm")
}

/// The lab.
#[must_use]
pub fn fgm_lab() -> PathBuf {
    named("fgm-lab")
}

/// What scenarios run.
#[must_use]
pub fn fgm_workload() -> PathBuf {
    named("fgm-workload")
}

/// The consolidator.
#[must_use]
pub fn fgm_consolidator() -> PathBuf {
    named("fgm-consolidator")
}

/// The viewer.
#[must_use]
pub fn fgm_viewer() -> PathBuf {
    named("fgm-viewer")
}

/// The writer of a recording whose every value is known: an example of the viewer.
#[must_use]
pub fn recording() -> PathBuf {
    named("examples/recording")
}

/// The recorder whose hours are short.
#[must_use]
pub fn hasty_recorder() -> PathBuf {
    named("hasty-recorder")
}

/// The maker of data with known truth.
#[must_use]
pub fn generate_bench_data() -> PathBuf {
    named("generate-bench-data")
}

/// The program of that name.
#[must_use]
pub fn named(name: &str) -> PathBuf {
    let test = must(env::current_exe(), "find the running test");
    // target/<profile>/deps/<test>
    let folder = test.parent().and_then(|deps| deps.parent());
    let program = folder.map(|folder| folder.join(name));
    match program.filter(|program| program.is_file()) {
        Some(program) => program,
        None => panic!(
            "{name} is not built: run cargo test --workspace, or cargo build --workspace before \
             the tests of this package alone"
        ),
    }
}
