//! Recorder and consolidator are killed at random moments over one data directory, again and
//! again, hour borders included: no row that was on disk is lost, none is there twice, no file
//! is unreadable; in the end every hour is one file, and its roll-ups and the archive agree.
//!
//! Half of the recorders are `fgm` over hours that lie there already, half are `hasty-recorder`,
//! which meets an hour border every third of a second. `FGM_CRASH_RUNS` and `FGM_CRASH_SEED` as
//! for the story `crash`.

#![expect(
    clippy::unwrap_used,
    reason = "a failed expectation is how a story fails"
)]

#[path = "consolidation/roll_ups.rs"]
mod roll_ups;

use fgm_stories::needs::{say, variable};
use fgm_stories::process::Killable;
use fgm_stories::random::Random;
use fgm_stories::stored::{RowKey, Stored, assert_holds, files_below, unique};
use fgm_stories::{fgm, programs, wait_for};
use fgm_testkit::cgroup_tree::{CgroupTree, Layout, POD_UID};
use std::collections::{BTreeSet, HashSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, SystemTime};

/// A data directory is killed over this often, then judged as a whole.
const KILLS_PER_CAMPAIGN: usize = 25;
/// Campaigns at a time: their processes mostly sleep.
const CAMPAIGNS: usize = 4;

#[test]
fn killed_recorders_and_consolidators_lose_and_double_nothing() {
    let number = |name| variable(name).and_then(|value| value.parse::<usize>().ok());
    let runs = number("FGM_CRASH_RUNS").unwrap_or(200);
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let random = usize::try_from(now.unwrap().as_millis() % 1_000_000).unwrap();
    let seed = number("FGM_CRASH_SEED").unwrap_or(random);
    say(&format!(
        "consolidation: {runs} kills, FGM_CRASH_SEED={seed}"
    ));

    let next = AtomicUsize::new(0);
    let total = Mutex::new(Tally::default());
    thread::scope(|scope| {
        for _ in 0..CAMPAIGNS {
            scope.spawn(|| {
                loop {
                    let done = next.fetch_add(KILLS_PER_CAMPAIGN, Ordering::Relaxed);
                    if done >= runs {
                        return;
                    }
                    let kills = KILLS_PER_CAMPAIGN.min(runs - done);
                    let hasty = (done / KILLS_PER_CAMPAIGN).is_multiple_of(2);
                    let tally = Campaign::new(seed + done, hasty).run(kills);
                    total.lock().unwrap().add(&tally);
                }
            });
        }
    });
    let total = total.into_inner().unwrap();
    say(&format!("consolidation: {total:?}"));
    assert_eq!(total.kills, runs);
    // Otherwise the moments were not those that this story is about.
    let amid = total.while_writing + total.between_publish_and_unlink;
    assert!(
        total.hours > 0 && total.rows > runs && amid > 0,
        "{total:?}"
    );
}

/// What happened, to be told and to see that the kills hit what they are for.
#[derive(Debug, Default)]
struct Tally {
    kills: usize,
    of_consolidators: usize,
    of_recorders: usize,
    /// With an unfinished file of the consolidator left.
    while_writing: usize,
    /// With files whose rows a merged hour holds as well.
    between_publish_and_unlink: usize,
    rows: usize,
    /// Merged hours of a table in the end.
    hours: usize,
}

impl Tally {
    fn add(&mut self, other: &Self) {
        self.kills += other.kills;
        self.of_consolidators += other.of_consolidators;
        self.of_recorders += other.of_recorders;
        self.while_writing += other.while_writing;
        self.between_publish_and_unlink += other.between_publish_and_unlink;
        self.rows += other.rows;
        self.hours += other.hours;
    }
}

/// One data directory and those who died over it.
struct Campaign {
    random: Random,
    hasty: bool,
    tree: CgroupTree,
    folder: tempfile::TempDir,
    stored: Stored,
    /// Everything that was on disk after the last kill.
    known: HashSet<RowKey>,
    /// The times that recorders told: their ticks are on disk.
    told: BTreeSet<i64>,
    tally: Tally,
}

impl Campaign {
    fn new(seed: usize, hasty: bool) -> Self {
        let tree = CgroupTree::new();
        for number in 1..=3 {
            let id = format!("{number:064x}");
            tree.make_container_of(Layout::DockerSystemd, POD_UID, &id, 5_000_000 + number);
        }
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("archive")).unwrap();
        Self {
            random: Random::new(u64::try_from(seed).unwrap()),
            hasty,
            tree,
            stored: Stored::open(&folder.path().join("data")),
            folder,
            known: HashSet::new(),
            told: BTreeSet::new(),
            tally: Tally::default(),
        }
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn archive(&self) -> PathBuf {
        self.folder.path().join("archive")
    }

    fn run(mut self, kills: usize) -> Tally {
        if !self.hasty {
            // `fgm` itself lives in one hour: those before it lie there, unmerged.
            let mut recorder = self.hasty_recorder();
            wait_for("past hours", || {
                (recorder.lines().len() > 150).then_some(())
            });
            self.kill_recorder(&mut recorder);
        }
        let mut recorder = self.recorder();
        let mut consolidator = self.consolidator();
        for _ in 0..kills {
            thread::sleep(Duration::from_micros(self.random.next() % 500_000));
            let which = self.random.next() % 4;
            let before = unique(self.stored.read().keys());
            if which != 0 {
                consolidator.kill();
                self.tally.of_consolidators += 1;
            }
            if which <= 1 {
                self.kill_recorder(&mut recorder);
                self.tally.of_recorders += 1;
            }
            self.judge(&before);
            self.tally.kills += 1;
            if which != 0 {
                assert_quiet(&consolidator.log());
                consolidator = self.consolidator();
            }
            if which <= 1 {
                recorder = self.recorder();
            }
        }
        consolidator.kill();
        self.kill_recorder(&mut recorder);
        self.judge(&HashSet::new());
        self.end_in_order();
        self.tally
    }

    fn recorder(&self) -> Killable {
        if self.hasty {
            return self.hasty_recorder();
        }
        let mut command = fgm::command(&self.data());
        command
            .args(["--interval", "100ms", "--seal", "1s", "--pss-budget", "off"])
            .args(["--listen", &fgm::own_address().to_string()])
            .arg("--cgroup-root")
            .arg(self.tree.root());
        Killable::start(command)
    }

    fn hasty_recorder(&self) -> Killable {
        let mut command = Command::new(programs::hasty_recorder());
        command.arg(self.data());
        Killable::start(command)
    }

    fn kill_recorder(&mut self, recorder: &mut Killable) {
        recorder.kill();
        assert_quiet(&recorder.log());
        let lines = recorder.lines();
        let times = lines.iter().map(|line| line.parse::<i64>().unwrap());
        self.told.extend(times);
    }

    fn consolidator(&self) -> Killable {
        Killable::start(consolidator(&self.data(), &self.archive(), &[]))
    }

    /// Nothing is lost and nothing is double, as our reader sees it.
    fn judge(&mut self, before: &HashSet<RowKey>) {
        let dir = self.data();
        let unfinished = files_below(&dir.join("_tmp/consolidator"));
        self.tally.while_writing += usize::from(!unfinished.is_empty());
        let content = self.stored.read();
        let after = unique(content.keys());
        let double = content.superseded_files() > 0;
        self.tally.between_publish_and_unlink += usize::from(double);
        assert_holds(&after, before, "lost by the kill");
        assert_holds(&after, &self.known, "lost since an earlier kill");
        let times: HashSet<_> = after.iter().map(|key| key.time_ms).collect();
        let lost: Vec<_> = self
            .told
            .iter()
            .filter(|told| !times.contains(told))
            .collect();
        assert!(lost.is_empty(), "told, and not there: {lost:?}");
        self.known = after;
    }

    /// A consolidator that is not killed makes one file of each hour.
    fn end_in_order(&mut self) {
        for _ in 0..2 {
            let output = consolidator(&self.data(), &self.archive(), &["--once"]).output();
            let output = output.unwrap();
            let log = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{log}");
        }
        let dir = self.data();
        // What a killed recorder left in its own folder, its next start removes.
        for name in ["_tmp/consolidator", "_quarantine"] {
            let left = files_below(&dir.join(name));
            assert!(left.is_empty(), "left over: {left:?}");
        }
        let content = Stored::open(&dir).read();
        assert_eq!(content.superseded_files(), 0);
        let all = unique(content.keys());
        assert_holds(&all, &self.known, "lost at the end");
        let events = content.events();
        let ids: HashSet<_> = events
            .iter()
            .map(|event| (&event.event_id, event.revision))
            .collect();
        assert_eq!(ids.len(), events.len(), "an event is there twice");
        self.tally.rows += all.len();
        self.tally.hours += roll_ups::judge(&dir, &all);

        // The archive holds the finished hours, each row once.
        let there = Stored::open(&self.archive()).read();
        assert_eq!(there.superseded_files(), 0, "the archive holds doubles");
        let there = unique(there.keys());
        assert_holds(&all, &there, "only in the archive");
        assert_eq!(there, roll_ups::of_finished_hours(&dir, &all));
    }
}

/// Round after round, a second apart, over hours that need no time to settle.
fn consolidator(data: &Path, archive: &Path, flags: &[&str]) -> Command {
    let mut command = Command::new(programs::fgm_consolidator());
    fgm::without_own_settings(&mut command);
    command
        .arg("--data-dir")
        .arg(data)
        .args([
            "--interval",
            "1s",
            "--min-age",
            "0s",
            "--min-free-disk",
            "0B",
        ])
        .args(["--listen", &fgm::own_address().to_string()])
        .arg("--archive")
        .arg(format!("file://{}", archive.display()))
        .args(flags);
    command
}

fn assert_quiet(log: &str) {
    assert!(
        !log.contains("ERROR") && !log.contains("panicked") && !log.contains("rror:"),
        "it complained:\n{log}"
    );
}
