//! `fgm` as a person calls it.

#![expect(clippy::expect_used, reason = "a failed expectation fails the test")]

use std::process::{Command, Output};

fn fgm(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fgm"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("FGM_") {
            command.env_remove(name);
        }
    }
    command.args(arguments).output().expect("fgm runs")
}

#[test]
fn help() {
    let output = fgm(&["--help"]);
    assert!(output.status.success());
    insta::assert_snapshot!(String::from_utf8(output.stdout).expect("UTF-8"));
}

#[test]
fn a_host_with_cgroup_v1_only_is_told_what_to_do() {
    let proc = tempfile::tempdir().expect("temporary directory");
    let own = proc.path().join("self");
    std::fs::create_dir_all(&own).expect("self");
    std::fs::write(
        own.join("mountinfo"),
        "31 23 0:28 / /sys/fs/cgroup/memory rw shared:1 - cgroup cgroup rw,memory\n",
    )
    .expect("mountinfo");
    let random = proc.path().join("sys/kernel/random");
    std::fs::create_dir_all(&random).expect("random");
    let boot_id = "01234567-89ab-cdef-0123-456789abcdef\n";
    std::fs::write(random.join("boot_id"), boot_id).expect("boot_id");
    let data = tempfile::tempdir().expect("temporary directory");
    let path = |folder: &tempfile::TempDir| folder.path().to_str().expect("UTF-8").to_owned();
    let output = fgm(&[
        "--proc-root",
        &path(&proc),
        "--data-dir",
        &path(&data),
        "--listen",
        "127.0.0.1:0",
    ]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let text = String::from_utf8(output.stderr).expect("UTF-8");
    assert!(
        text.contains("systemd.unified_cgroup_hierarchy=1"),
        "{text}"
    );
}
