//! `fgm-lab` as a person calls it with something wrong.

#![expect(clippy::expect_used, reason = "a failed expectation fails the test")]

use std::process::{Command, Output};

fn fgm_lab(arguments: &[&str]) -> Output {
    // Not by env!: a shell between cargo and rustc may drop a variable with a dash in its name.
    let program = std::env::var_os("CARGO_BIN_EXE_fgm-lab").expect("cargo sets it");
    Command::new(program)
        .args(arguments)
        .env("RUST_BACKTRACE", "1")
        // Nothing of a person's own is read or written.
        .env("XDG_STATE_HOME", env!("CARGO_TARGET_TMPDIR"))
        .output()
        .expect("fgm-lab runs")
}

/// One line on standard error, exit code 1, no backtrace.
fn refusal(arguments: &[&str]) -> String {
    let output = fgm_lab(arguments);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let text = String::from_utf8(output.stderr).expect("UTF-8");
    assert_eq!(text.lines().count(), 1, "{text}");
    text
}

#[test]
fn inspect_says_what_is_wrong() {
    let folder = tempfile::tempdir().expect("temporary directory");
    let rubbish = folder.path().join("rubbish.parquet");
    std::fs::write(&rubbish, "no Parquet at all").expect("write");
    let rubbish = rubbish.to_str().expect("UTF-8");
    assert!(refusal(&["inspect", rubbish]).contains(rubbish));
    assert!(refusal(&["inspect", "/nowhere/at/all"]).contains("/nowhere/at/all"));
}

#[test]
fn up_says_which_address_is_taken() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("its address").to_string();
    let folder = tempfile::tempdir().expect("temporary directory");
    let data = folder.path().to_str().expect("UTF-8");
    let text = refusal(&["up", "--listen", &address, "--data-dir", data]);
    assert!(
        text.contains(&address) && text.contains("--listen"),
        "{text}"
    );
}

#[test]
fn scenario_says_what_there_is() {
    let text = refusal(&["scenario", "run", "oom", "--local"]);
    assert!(text.contains("oom-kill"), "{text}");
    for command in ["status", "logs", "stop", "verify", "watch"] {
        let text = refusal(&["scenario", command, "no-such-run"]);
        assert!(text.contains("scenario status"), "{text}");
    }
    let text = refusal(&["disrupt", "no-such-run", "kill-database"]);
    assert!(text.contains("scenario status"), "{text}");
    let text = refusal(&["scenario", "run", "oom-kill"]);
    assert!(text.contains("--local"), "{text}");
}
