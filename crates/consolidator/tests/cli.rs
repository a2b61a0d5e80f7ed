//! `fgm-consolidator` as a person calls it.

#![expect(clippy::expect_used, reason = "a failed expectation fails the test")]

use std::process::{Command, Output};

fn consolidator(arguments: &[&str]) -> Output {
    // Not by env!: a shell between cargo and rustc may drop a variable with a dash in its name.
    let program = std::env::var_os("CARGO_BIN_EXE_fgm-consolidator").expect("cargo sets it");
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("FGM_") {
            command.env_remove(name);
        }
    }
    command
        .args(arguments)
        .output()
        .expect("fgm-consolidator runs")
}

#[test]
fn help() {
    let output = consolidator(&["--help"]);
    assert!(output.status.success());
    insta::assert_snapshot!(String::from_utf8(output.stdout).expect("UTF-8"));
}
