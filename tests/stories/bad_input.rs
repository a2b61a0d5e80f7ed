//! What cannot work is refused: exit code 1 and one line that says what is wrong with what, what
//! the system answered (once) and what to do. Never a backtrace.

#![expect(
    clippy::unwrap_used,
    reason = "a failed expectation is how a story fails"
)]

use fgm_stories::fgm::{command, own_address, without_own_settings};
use fgm_stories::programs;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

/// Runs to the end and gives the one line.
fn refusal(command: &mut Command) -> String {
    let output = command.env("RUST_BACKTRACE", "1").output().unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{command:?}: {text}");
    assert_eq!(text.lines().count(), 1, "{command:?}: {text}");
    assert!(text.starts_with("error: "), "{text}");
    assert!(
        output.stdout.is_empty(),
        "{command:?}: it answered all the same"
    );
    let line = text.trim_end().to_owned();
    // An error and its cause must not say the same twice.
    assert!(line.matches("(os error").count() <= 1, "{line}");
    line
}

fn fgm(data_dir: &Path, flags: &[&str]) -> Command {
    let mut command = command(data_dir);
    command
        .args(["--listen", &own_address().to_string()])
        .args(flags);
    command
}

fn consolidator(data_dir: &Path, flags: &[&str]) -> Command {
    let mut command = Command::new(programs::fgm_consolidator());
    without_own_settings(&mut command);
    command.arg("--data-dir").arg(data_dir);
    command
        .args(["--once", "--min-free-disk", "0B"])
        .args(flags);
    command
}

fn inspect(path: &Path) -> Command {
    let mut command = Command::new(programs::fgm_lab());
    command.arg("inspect").arg(path);
    command
}

#[test]
fn a_data_directory_that_cannot_be_one() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    for data_dir in [Path::new("/proc/x"), Path::new("/dev/null"), &file] {
        let shown = data_dir.to_str().unwrap();
        for mut command in [
            fgm(data_dir, &[]),
            consolidator(data_dir, &[]),
            consolidator(data_dir, &["--dry-run"]),
        ] {
            let line = refusal(&mut command);
            assert!(
                line.contains(shown) && line.contains("--data-dir"),
                "{line}"
            );
        }
    }
}

/// By a user who may not write there: nobody, where the story itself is root.
#[test]
fn a_data_directory_without_permission() {
    let folder = tempfile::tempdir().unwrap();
    let data_dir = folder.path().join("data");
    fs::create_dir(&data_dir).unwrap();
    for (path, mode) in [(folder.path(), 0o755), (&data_dir, 0o555)] {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }
    for command in [fgm(&data_dir, &[]), consolidator(&data_dir, &[])] {
        let program = folder.path().join("program");
        fs::copy(command.get_program(), &program).unwrap();
        let mut as_nobody = Command::new(program);
        as_nobody.args(command.get_args()).current_dir("/");
        if rustix::process::geteuid().is_root() {
            as_nobody.uid(65_534).gid(65_534);
        }
        let line = refusal(&mut as_nobody);
        let shown = data_dir.to_str().unwrap();
        assert!(
            line.contains(shown) && line.contains("--data-dir"),
            "{line}"
        );
    }
}

#[test]
fn an_archive_that_is_not_there() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("file://{}/away", folder.path().display());
    for flags in [&["--archive", &url][..], &["--archive", &url, "--dry-run"]] {
        let line = refusal(&mut consolidator(folder.path(), flags));
        let advice = "make or mount that folder, or choose another --archive";
        assert!(line.contains("/away") && line.contains(advice), "{line}");
    }
}

#[test]
fn no_cgroup_tree_or_processes_to_read() {
    let folder = tempfile::tempdir().unwrap();
    let data_dir = folder.path().join("data");
    let empty = folder.path().join("empty");
    fs::create_dir(&empty).unwrap();
    let empty = empty.to_str().unwrap();

    let line = refusal(&mut fgm(&data_dir, &["--cgroup-root", empty]));
    assert!(
        line.contains(empty) && line.contains("name one by --cgroup-root"),
        "{line}"
    );
    let line = refusal(&mut fgm(&data_dir, &["--proc-root", empty]));
    assert!(
        line.contains(empty) && line.contains("is proc mounted there?"),
        "{line}"
    );
}

#[test]
fn a_host_with_cgroup_v1_only_or_none_at_all() {
    let v1 = "31 23 0:28 / /sys/fs/cgroup/memory rw shared:1 - cgroup cgroup rw,memory\n";
    let none = "23 1 8:1 / / rw shared:1 - ext4 /dev/sda1 rw\n";
    for (mounts, advice) in [
        (v1, "systemd.unified_cgroup_hierarchy=1"),
        (none, "mount -t cgroup2"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let proc = folder.path().join("proc");
        let random = proc.join("sys/kernel/random");
        fs::create_dir_all(proc.join("self")).unwrap();
        fs::create_dir_all(&random).unwrap();
        fs::write(proc.join("self/mountinfo"), mounts).unwrap();
        let boot_id = "01234567-89ab-cdef-0123-456789abcdef\n";
        fs::write(random.join("boot_id"), boot_id).unwrap();
        let proc = proc.to_str().unwrap();
        let line = refusal(&mut fgm(
            &folder.path().join("data"),
            &["--proc-root", proc],
        ));
        assert!(line.contains(advice), "{line}");
    }
}

#[test]
fn an_address_that_is_not_ours() {
    let folder = tempfile::tempdir().unwrap();
    let mut consolidator = Command::new(programs::fgm_consolidator());
    without_own_settings(&mut consolidator);
    consolidator.arg("--data-dir").arg(folder.path());
    for mut command in [command(folder.path()), consolidator] {
        let line = refusal(command.args(["--listen", "192.0.2.1:8051"]));
        assert!(
            line.contains("192.0.2.1:8051") && line.contains("--listen"),
            "{line}"
        );
    }
}

#[test]
fn inspect_of_what_is_no_data() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, content: &[u8]| {
        let path = folder.path().join(name);
        fs::write(&path, content).unwrap();
        path
    };
    let empty = folder.path().join("nothing");
    fs::create_dir(&empty).unwrap();
    for path in [
        file(
            "rubbish.parquet",
            b"no Parquet at all, but long enough to be one",
        ),
        file("rubbish.arrows", &[0xff; 300]),
        file("empty.parquet", b""),
        file("notes.txt", b"of another kind"),
        empty,
        "/dev/null".into(),
        "/nowhere/at/all".into(),
    ] {
        let line = refusal(&mut inspect(&path));
        assert!(line.contains(path.to_str().unwrap()), "{line}");
    }
}
