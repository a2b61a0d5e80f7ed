//! The archive in a folder and behind the S3 protocol, told from outside: the program is run,
//! and what lies on both sides is compared.
//!
//! The S3 server is `s3s` with its file system backend, which checks signatures.

#![expect(
    clippy::unwrap_used,
    reason = "a failed expectation is how a story fails"
)]

mod bed;
mod server;

use bed::{Bed, Kind, run};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

fn tables(files: &BTreeMap<PathBuf, Vec<u8>>) -> Vec<String> {
    let mut tables: Vec<_> = files
        .keys()
        .map(|path| path.iter().next().unwrap().to_string_lossy().into_owned())
        .collect();
    tables.dedup();
    tables
}

#[test]
fn finished_hours_and_roll_ups_are_there_byte_for_byte() {
    for bed in Bed::both() {
        for hours_ago in [5, 4] {
            bed.segment(Bed::hour(hours_ago), 90);
            bed.segment(Bed::hour(hours_ago) + 90_000, 90);
        }
        // The open hour is not finished.
        bed.segment(Bed::hour(0), 1);
        bed.archives(&[]);
        let (mut here, there) = (bed.here(), bed.there());
        assert_eq!(tables(&there), ["metrics", "metrics_600s", "metrics_60s"]);
        assert_eq!(there.len(), 6);
        here.retain(|path, _| there.contains_key(path));
        assert!(here == there, "{:?} and {:?}", here.keys(), there.keys());
        assert_eq!(bed.rows_there(), 2 * 2 * 180);

        // Nothing is sent twice.
        let log = bed.archives(&[]);
        assert!(!log.contains("archived"), "{log}");
        assert!(bed.there() == there);
    }
}

/// "after a verified upload, remote objects of that (table, pod, hour) with a subset list are
/// deleted: a late spool never leaves doubles for Spark"; "an upload is skipped when the remote
/// hour's prefix already holds a list that covers it".
#[test]
fn a_late_spool_leaves_no_doubles_and_an_older_copy_changes_nothing() {
    for bed in Bed::both() {
        bed.segment(Bed::hour(5), 90);
        bed.archives(&[]);
        let early = bed.here();
        assert_eq!(bed.rows_there(), 180);

        bed.segment(Bed::hour(5) + 90_000, 30);
        let log = bed.archives(&[]);
        assert!(log.contains("deleted from the archive"), "{log}");
        let there = bed.there();
        assert_eq!(there.len(), 3, "{:?}", there.keys());
        assert_eq!(bed.rows_there(), 240);

        // The data directory as it was before, from a backup.
        for path in bed.here().keys() {
            fs::remove_file(bed.dir.root().join(path)).unwrap();
        }
        for (path, bytes) in early {
            fs::write(bed.dir.root().join(path), bytes).unwrap();
        }
        bed.archives(&[]);
        assert!(bed.there() == there);
    }
}

#[test]
fn a_large_file_and_one_of_another_origin_go_in_parts() {
    for bed in Bed::both() {
        let path = bed.foreign(Bed::hour(5), 1_500_000);
        let size = path.metadata().unwrap().len();
        assert!(size > 11 << 20, "not three parts: {size}");
        bed.archives(&[]);
        assert!(bed.here() == bed.there());
        // A copy that was cut off is no copy.
        let name = path.strip_prefix(bed.dir.root()).unwrap();
        fs::write(bed.archive().join(name), &fs::read(&path).unwrap()[..1000]).unwrap();
        bed.archives(&[]);
        assert!(bed.here() == bed.there());
    }
}

/// "With `--archive`, age and size wait for the upload".
#[test]
fn nothing_too_old_is_deleted_before_it_is_there() {
    for bed in Bed::both() {
        bed.segment(Bed::hour(50), 90);
        bed.segment(Bed::hour(5), 90);
        bed.archives(&["--retain-age", "1000h"]);
        let there = bed.there();
        assert_eq!(there.len(), 6);
        bed.segment(Bed::hour(49), 90);

        // The archive cannot be reached: a folder that lost its rights, or a wrong secret.
        let mut unreachable = bed.command(&["--once", "--retain-age", "24h"]);
        unreachable.env("AWS_SECRET_ACCESS_KEY", "wrong");
        if matches!(bed.kind, Kind::Folder) {
            fs::rename(bed.archive(), bed.archive().with_extension("away")).unwrap();
        }
        let result = run(unreachable);
        assert!(!result.success, "{}", result.log);
        let of_hour_49 = |files: &BTreeMap<PathBuf, Vec<u8>>, hours_ago| {
            let start = fgm_store::layout::format_time(Bed::hour(hours_ago)).unwrap();
            let has = |path: &&PathBuf| path.to_string_lossy().contains(&start);
            files.keys().filter(has).count()
        };
        assert!(of_hour_49(&bed.here(), 49) > 0, "{}", result.log);
        assert!(bed.here().len() >= 7);

        if matches!(bed.kind, Kind::Folder) {
            fs::rename(bed.archive().with_extension("away"), bed.archive()).unwrap();
        }
        // Somebody deleted there what a consolidator once uploaded.
        let gone = there
            .keys()
            .find(|path| path.starts_with("metrics"))
            .unwrap();
        fs::remove_file(bed.archive().join(gone)).unwrap();
        bed.archives(&["--retain-age", "24h"]);
        let now = bed.there();
        assert_eq!(now.len(), 9, "{:?}", now.keys());
        assert!(
            there
                .iter()
                .all(|(path, bytes)| now.get(path) == Some(bytes))
        );
        assert_eq!(of_hour_49(&bed.here(), 50), 0);
        assert_eq!(of_hour_49(&bed.here(), 49), 0);
        assert_eq!(bed.here().len(), 3);
    }
}

/// "free disk does not, and counts what was lost".
#[test]
fn free_disk_does_not_wait_and_says_what_was_lost() {
    let [bed, _] = Bed::both();
    bed.segment(Bed::hour(5), 90);
    bed.segment(Bed::hour(0), 1);
    // A folder in the way of the upload.
    fs::write(bed.archive().join("metrics"), "").unwrap();
    let result = bed.once(&["--min-free-disk", "100%"]);
    assert!(!result.success);
    assert!(result.log.contains("lost"), "{}", result.log);
    assert_eq!(bed.here().len(), 1, "{:?}", bed.here().keys());
}

#[test]
fn what_is_wrong_with_the_archive_is_said_once_and_merging_goes_on() {
    let [_, bed] = Bed::both();
    bed.segment(Bed::hour(5), 90);
    let Kind::S3(server) = &bed.kind else {
        unreachable!("the second one")
    };
    let address = format!("http://{}", server.address);
    let nobody = "http://127.0.0.1:9".to_owned();
    for (key, value, part) in [
        ("AWS_SECRET_ACCESS_KEY", "wrong", "credentials"),
        ("AWS_ENDPOINT", nobody.as_str(), "check --archive"),
    ] {
        let mut command = bed.command(&["--once"]);
        command.env("AWS_ENDPOINT", &address).env(key, value);
        let result = run(command);
        assert!(!result.success);
        assert!(result.log.contains(part), "{}", result.log);
        assert!(result.log.contains("tried again"), "{}", result.log);
    }
    let mut command = bed.command(&["--once", "--archive", "s3://elsewhere"]);
    command.env("AWS_ENDPOINT", &address);
    let result = run(command);
    assert!(
        !result.success && result.log.contains("NoSuchBucket"),
        "{}",
        result.log
    );
    assert!(bed.there().is_empty());
    assert_eq!(bed.here().len(), 3, "it was not merged");
}

#[test]
fn a_dry_run_tells_and_changes_nothing() {
    for bed in Bed::both() {
        bed.segment(Bed::hour(50), 90);
        bed.archives(&["--retain-age", "1000h"]);
        bed.segment(Bed::hour(5), 90);
        let (here, there) = (bed.here(), bed.there());
        let output = bed
            .command(&["--dry-run", "--retain-age", "24h"])
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        let said = String::from_utf8(output.stdout).unwrap();
        let count = |word: &str| said.lines().filter(|line| line.starts_with(word)).count();
        assert_eq!((count("merge"), count("delete")), (1, 3), "{said}");
        assert_eq!(count("upload"), 0, "{said}");
        assert!(bed.here() == here && bed.there() == there);
        fs::remove_dir_all(bed.archive().join("metrics")).unwrap();
        let output = bed
            .command(&["--dry-run", "--retain-age", "24h"])
            .output()
            .unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        let count = |word: &str| said.lines().filter(|line| line.starts_with(word)).count();
        assert_eq!((count("upload"), count("keep")), (1, 1), "{said}");
        assert!(Path::new(bed.dir.root()).join("metrics").is_dir());
    }
}
