//! The built programs: they lie beside the running test, in `target/<profile>/`.

use crate::must;
use std::env;
use std::path::PathBuf;

/// The recorder.
#[must_use]
pub fn fgm() -> PathBuf {
    program("fgm")
}

/// The lab.
#[must_use]
pub fn fgm_lab() -> PathBuf {
    program("fgm-lab")
}

/// What scenarios run.
#[must_use]
pub fn fgm_workload() -> PathBuf {
    program("fgm-workload")
}

/// The consolidator.
#[must_use]
pub fn fgm_consolidator() -> PathBuf {
    program("fgm-consolidator")
}

/// The recorder whose hours are short.
#[must_use]
pub fn hasty_recorder() -> PathBuf {
    program("hasty-recorder")
}

/// The maker of data with known truth.
#[must_use]
pub fn generate_bench_data() -> PathBuf {
    program("generate-bench-data")
}

fn program(name: &str) -> PathBuf {
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
