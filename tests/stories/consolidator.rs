//! `fgm-consolidator` as it runs beside a recorder: what it leaves alone, what it sets aside, what
//! it says of itself, and how it ends.

#![expect(
    clippy::unwrap_used,
    reason = "a failed expectation is how a story fails"
)]

use fgm_model::Resolution;
use fgm_store::DataDir;
use fgm_store::listing::{FileInfo, Lister, Selection};
use fgm_store::set_rule::Level;
use fgm_stories::fgm::{Fgm, metric, own_address, without_own_settings};
use fgm_stories::process::Killable;
use fgm_stories::stored::{Stored, assert_orderly, files_below};
use fgm_stories::{http, programs, wait_for};
use fgm_testkit::cgroup_tree::{CgroupTree, Layout};
use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;

fn consolidator(data_dir: &Path, flags: &[&str]) -> Command {
    let mut command = Command::new(programs::fgm_consolidator());
    without_own_settings(&mut command);
    command.arg("--data-dir").arg(data_dir);
    command.args(["--min-free-disk", "0B"]).args(flags);
    command
}

fn listening(data_dir: &Path) -> (Killable, SocketAddr) {
    let address = own_address();
    let flags = ["--interval", "1s", "--min-age", "0s", "--listen"];
    let mut command = consolidator(data_dir, &flags);
    command.arg(address.to_string());
    (Killable::start(command), address)
}

fn once(data_dir: &Path) -> Output {
    let output = consolidator(data_dir, &["--once"]).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    output
}

/// Two hours and a half that lie in the past, with a spool that was left behind.
fn past_hours(data_dir: &Path) {
    let mut command = Command::new(programs::hasty_recorder());
    command.arg(data_dir);
    let mut recorder = Killable::start(command);
    wait_for("past hours", || {
        (recorder.lines().len() > 150).then_some(())
    });
    recorder.kill();
}

fn files(data_dir: &Path) -> Vec<Arc<FileInfo>> {
    let listing = Lister::new(DataDir::new(data_dir)).list(&Selection::all());
    listing.unwrap().files
}

fn of_level(data_dir: &Path, level: Level) -> usize {
    let files = files(data_dir);
    files
        .iter()
        .filter(|file| file.footer.level == level)
        .count()
}

fn signal(process: &Killable, signal: Signal) {
    let pid = i32::try_from(process.pid()).ok().and_then(Pid::from_raw);
    kill_process(pid.unwrap(), signal).unwrap();
}

/// "Only what fails to parse goes to `_quarantine/` with a reason file", and never blocks others.
#[test]
fn rubbish_is_set_aside_with_a_reason_and_the_rest_is_merged() {
    let folder = tempfile::tempdir().unwrap();
    past_hours(folder.path());
    let before = Stored::open(folder.path()).read().keys().len();
    let files = files(folder.path());
    let first = &files
        .iter()
        .find(|file| file.table == fgm_model::Table::Metrics)
        .unwrap()
        .path;
    let mut torn = fs::read(first).unwrap();
    torn.truncate(torn.len() / 2);
    // Names as ours, which hold something else.
    for (ulid, content) in [
        ("01ARZ3NDEKTSV4RRFFQ69G5FAV", torn),
        ("01ARZ3NDEKTSV4RRFFQ69G5FAW", vec![0xff; 5000]),
        ("01ARZ3NDEKTSV4RRFFQ69G5FAX", Vec::new()),
    ] {
        let name = first.file_name().unwrap().to_str().unwrap();
        let name = format!("{}-{ulid}.parquet", name.rsplit_once('-').unwrap().0);
        fs::write(first.with_file_name(name), content).unwrap();
    }
    let note = first.with_file_name("note.txt");
    fs::write(&note, "a person's").unwrap();

    once(folder.path());
    let set_aside = files_below(&folder.path().join("_quarantine"));
    let reasons = |path: &&std::path::PathBuf| path.to_string_lossy().ends_with(".reason.txt");
    assert_eq!(set_aside.len(), 6, "{set_aside:?}");
    assert_eq!(set_aside.iter().filter(reasons).count(), 3);
    assert!(note.exists());
    assert_eq!(of_level(folder.path(), Level::Segment), 0);
    assert_eq!(Stored::open(folder.path()).read().keys().len(), before);
    // Set aside is set aside: nothing is left to do.
    let said = String::from_utf8(once(folder.path()).stderr).unwrap();
    assert!(said.is_empty(), "{said}");
}

#[test]
fn a_dry_run_says_what_is_due_and_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    past_hours(folder.path());
    let before = files_below(folder.path());
    let plan = || {
        let output = consolidator(folder.path(), &["--dry-run"])
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let due = plan();
    assert!(due.lines().count() >= 6, "{due}");
    assert!(
        due.lines().all(|line| line.starts_with("merge   ")),
        "{due}"
    );
    assert!(
        due.contains("metrics of ") && due.contains("by hasty"),
        "{due}"
    );
    assert_eq!(files_below(folder.path()), before);
    once(folder.path());
    assert_eq!(plan(), "nothing is due\n");
}

#[test]
fn the_open_hour_of_a_recorder_is_left_alone_and_probes_tell_the_truth() {
    let tree = CgroupTree::new();
    tree.make_container(Layout::DockerSystemd, 5_000_001);
    let folder = tempfile::tempdir().unwrap();
    past_hours(folder.path());
    let root = tree.root().to_str().unwrap();
    let flags = ["--interval", "100ms", "--seal", "1s", "--pss-budget", "off"];
    let recorder = Fgm::start(
        folder.path(),
        &[&flags[..], &["--cgroup-root", root]].concat(),
    );
    recorder.wait_until_ready();
    let (mut consolidator, address) = listening(folder.path());
    let page = |path: &str| http::get(address, path).ok();
    let rounds = || {
        let text = page("/metrics")?.text();
        let rounds = metric(&text, "fgm_consolidator_rounds_total")?;
        (rounds >= 4.0).then_some(text)
    };
    let text = wait_for("four rounds", rounds);
    let number = |name: &str| metric(&text, name).unwrap();
    assert!(
        number("fgm_consolidator_hours_merged_total") >= 6.0,
        "{text}"
    );
    assert!(
        number("fgm_consolidator_resident_memory_bytes") > 1e6,
        "{text}"
    );
    assert_eq!(
        number("fgm_consolidator_failures_total{part=\"merge\"}"),
        0.0
    );
    for path in ["/healthz", "/readyz"] {
        assert_eq!(page(path).unwrap().status, 200);
    }
    // What is not merged is of the recorder's open hour, and the other way round.
    let files = files(folder.path());
    for file in &files {
        let is_segment = file.footer.level == Level::Segment;
        assert_eq!(is_segment, file.pod != "pod=hasty", "{file:?}");
    }
    assert!(files.iter().any(|file| file.pod != "pod=hasty"));

    signal(&consolidator, Signal::TERM);
    assert_eq!(
        consolidator.wait().code(),
        Some(0),
        "{}",
        consolidator.log()
    );
    recorder.stop();
    assert_orderly(folder.path());
}

/// Whatever it is doing: what it leaves is as after a kill, and the next one does the rest.
#[test]
fn sigterm_ends_it_at_once_at_any_moment() {
    let folder = tempfile::tempdir().unwrap();
    past_hours(folder.path());
    let keys = Stored::open(folder.path()).read().keys().len();
    for millis in [0, 20, 50, 100, 200] {
        let (mut consolidator, address) = listening(folder.path());
        wait_for("it to listen", || http::get(address, "/healthz").ok());
        std::thread::sleep(std::time::Duration::from_millis(millis));
        signal(&consolidator, Signal::TERM);
        assert_eq!(
            consolidator.wait().code(),
            Some(0),
            "{}",
            consolidator.log()
        );
        assert_eq!(Stored::open(folder.path()).read().keys().len(), keys);
    }
    once(folder.path());
    assert_orderly(folder.path());
    assert_eq!(of_level(folder.path(), Level::Segment), 0);
}

#[test]
fn a_second_consolidator_waits_and_then_names_the_first() {
    let folder = tempfile::tempdir().unwrap();
    let (first, address) = listening(folder.path());
    wait_for("the first to be ready", || {
        http::get(address, "/readyz")
            .ok()
            .filter(|answer| answer.status == 200)
    });
    let (mut second, address) = listening(folder.path());
    let answer = wait_for("the second to listen", || {
        http::get(address, "/readyz").ok()
    });
    assert_eq!(answer.status, 503);
    assert!(answer.text().contains("lock"), "{}", answer.text());
    assert_eq!(second.wait().code(), Some(1));
    let log = second.log();
    let named = format!("is in use by another consolidator (pid {})", first.pid());
    assert!(log.contains(&named) && log.contains("--data-dir"), "{log}");
}

/// `fgm-lab up` is all three in one process.
#[test]
fn the_lab_consolidates_what_lies_there() {
    let tree = CgroupTree::new();
    tree.make_container(Layout::DockerSystemd, 5_000_001);
    let folder = tempfile::tempdir().unwrap();
    past_hours(folder.path());
    let mut command = Command::new(programs::fgm_lab());
    without_own_settings(&mut command);
    let output = command
        .args([
            "up",
            "--listen",
            "127.0.0.1:0",
            "--pss-budget",
            "off",
            "--for",
            "6s",
        ])
        .args(["--min-free-disk", "0B", "--data-dir"])
        .arg(folder.path())
        .arg("--cgroup-root")
        .arg(tree.root())
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    assert_orderly(folder.path());
    assert!(of_level(folder.path(), Level::Hour) >= 6);
    let roll_ups = Lister::at(DataDir::new(folder.path()), Resolution::S60);
    let listing = { roll_ups }.list(&Selection::all()).unwrap();
    assert!(listing.files.len() >= 3, "{listing:?}");
}
