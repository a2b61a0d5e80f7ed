//! `fgm` is killed at random moments, again and again: nothing that was on disk is lost later,
//! nothing is there twice, and a kill costs at most the tick in flight.
//!
//! `FGM_CRASH_RUNS=2000 cargo test --workspace --test crash` is the extended run (about
//! five minutes on two cores); `FGM_CRASH_SEED=N` repeats the moments of an earlier one.

#![expect(
    clippy::unwrap_used,
    reason = "a failed expectation is how a story fails"
)]

use fgm_stories::fgm::{Fgm, metric};
use fgm_stories::needs::{say, variable};
use fgm_stories::random::Random;
use fgm_stories::stored::{
    Content, EventRow, RowKey, Stored, assert_holds, assert_orderly, files_below, unique,
};
use fgm_stories::wait_for;
use fgm_testkit::cgroup_tree::{CgroupTree, Layout, POD_UID};
use std::collections::{BTreeSet, HashMap, HashSet};
use std::ops::AddAssign;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, SystemTime};

/// A data directory is killed this often, then judged as a whole.
const KILLS_PER_CAMPAIGN: usize = 25;
/// Recorders at a time: they mostly sleep.
const RECORDERS: usize = 8;
const CONTAINERS: u32 = 5;
const INTERVAL_MS: i64 = 100;
/// A life goes through recovery, spooling and, with `--seal 1s`, sealing.
const FLAGS: &[&str] = &["--interval", "100ms", "--seal", "1s", "--pss-budget", "off"];

#[test]
fn killed_at_random_moments_nothing_is_lost_and_nothing_is_double() {
    let number = |name| variable(name).and_then(|value| value.parse::<usize>().ok());
    let runs = number("FGM_CRASH_RUNS").unwrap_or(200);
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let random = usize::try_from(now.unwrap().as_millis() % 1_000_000).unwrap();
    let seed = number("FGM_CRASH_SEED").unwrap_or(random);
    say(&format!("crash: {runs} kills, FGM_CRASH_SEED={seed}"));

    let next = AtomicUsize::new(0);
    let total = Mutex::new(Tally::default());
    thread::scope(|scope| {
        for _ in 0..RECORDERS {
            scope.spawn(|| {
                loop {
                    let done = next.fetch_add(KILLS_PER_CAMPAIGN, Ordering::Relaxed);
                    if done >= runs {
                        return;
                    }
                    let kills = KILLS_PER_CAMPAIGN.min(runs - done);
                    let tally = Campaign::new(seed + done).run(kills);
                    *total.lock().unwrap() += tally;
                }
            });
        }
    });
    let total = total.into_inner().unwrap();
    say(&format!("crash: {total:?}"));
    assert_eq!(total.kills, runs);
    // Otherwise the moments were not those that this story is about.
    assert!(
        total.rows > runs && total.while_recording > runs / 4 && total.writer_on_time > runs / 4,
        "{total:?}"
    );
}

/// What happened, to be told and to see that the kills hit what they are for.
#[derive(Debug, Default, Clone, Copy)]
struct Tally {
    kills: usize,
    /// Before the first tick of the run was on disk.
    while_starting: usize,
    while_recording: usize,
    /// With an unfinished file left in `_tmp`.
    while_sealing: usize,
    /// With a stream left in the spool that a published file holds as well.
    between_publish_and_unlink: usize,
    ticks: usize,
    rows: usize,
    missed: i64,
    cost_one_tick: usize,
    /// Possible only with several in flight.
    cost_more_ticks: usize,
    /// With at most one tick in flight just before.
    writer_on_time: usize,
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.kills += other.kills;
        self.while_starting += other.while_starting;
        self.while_recording += other.while_recording;
        self.while_sealing += other.while_sealing;
        self.between_publish_and_unlink += other.between_publish_and_unlink;
        self.ticks += other.ticks;
        self.rows += other.rows;
        self.missed += other.missed;
        self.cost_one_tick += other.cost_one_tick;
        self.cost_more_ticks += other.cost_more_ticks;
        self.writer_on_time += other.writer_on_time;
    }
}

/// One data directory and the recorders that died over it.
struct Campaign {
    random: Random,
    tree: CgroupTree,
    folder: tempfile::TempDir,
    stored: Stored,
    /// Everything that was on disk after the last kill.
    known: HashSet<RowKey>,
    tally: Tally,
}

impl Campaign {
    fn new(seed: usize) -> Self {
        let tree = CgroupTree::new();
        for number in 1..=CONTAINERS {
            let id = format!("{number:064x}");
            tree.make_container_of(Layout::DockerSystemd, POD_UID, &id, 5_000_000 + number);
        }
        let folder = tempfile::tempdir().unwrap();
        Self {
            random: Random::new(u64::try_from(seed).unwrap()),
            stored: Stored::open(folder.path()),
            tree,
            folder,
            known: HashSet::new(),
            tally: Tally::default(),
        }
    }

    fn run(mut self, kills: usize) -> Tally {
        for _ in 0..kills {
            self.kill_once();
        }
        self.end_in_order();
        self.tally
    }

    fn start(&self) -> Fgm {
        let root = self.tree.root().to_str().unwrap();
        Fgm::start(
            self.folder.path(),
            &[FLAGS, &["--cgroup-root", root]].concat(),
        )
    }

    fn kill_once(&mut self) {
        let mut fgm = self.start();
        thread::sleep(life(&mut self.random));
        let text = fgm
            .get("/metrics")
            .map_or(String::new(), |page| page.text());
        // The ticks that were begun, and those whose rows are on disk. Between them lies the tick
        // in flight: more than one only while the machine keeps the writer from its disk.
        let begun = metric(&text, "fgm_ticks_total").unwrap_or(0.0);
        let rows = metric(&text, "fgm_rows_total{table=\"metrics\"}").unwrap_or(0.0);
        let in_flight = begun - rows / f64::from(CONTAINERS);
        let before = unique(self.stored.read().keys());
        assert!(fgm.runs(), "fgm ended by itself:\n{}", fgm.log());
        fgm.kill();
        let log = fgm.log();
        assert!(
            !log.contains("ERROR") && !log.contains("panicked"),
            "fgm complained:\n{log}"
        );

        let dir = self.folder.path();
        let unfinished = !files_below(&dir.join("_tmp")).is_empty();
        let spooled = files_below(&dir.join("_spool")).len();
        let content = self.stored.read();
        let after = unique(content.keys());
        assert_holds(&after, &before, "lost by the kill");
        assert_holds(&after, &self.known, "lost since an earlier kill");
        let added: Vec<_> = after.difference(&self.known).cloned().collect();
        let run = Run::of(added, &content);
        run.check(&self.known);
        #[expect(clippy::cast_precision_loss, reason = "a handful of ticks")]
        let lost = begun - run.times.len() as f64;
        assert!(
            lost <= in_flight,
            "{begun} ticks were begun, {in_flight} in flight, and {lost} are lost:\n{log}"
        );

        self.tally.kills += 1;
        self.tally.while_starting += usize::from(run.times.is_empty());
        self.tally.while_recording += usize::from(!run.times.is_empty());
        self.tally.while_sealing += usize::from(unfinished);
        self.tally.between_publish_and_unlink += usize::from(spooled > content.streams());
        self.tally.ticks += run.times.len();
        self.tally.rows += run.rows;
        self.tally.missed += run.missed.values().sum::<i64>();
        self.tally.cost_one_tick += usize::from(lost == 1.0);
        self.tally.cost_more_ticks += usize::from(lost > 1.0);
        self.tally.writer_on_time += usize::from(in_flight <= 1.0);
        self.known = after;
    }

    /// A last run that ends in order leaves nothing but readable files with everything in them.
    fn end_in_order(&mut self) {
        let fgm = self.start();
        wait_for("a tick on disk", || {
            let keys = self.stored.read().keys();
            (keys.len() > self.known.len()).then_some(())
        });
        fgm.stop();
        assert_orderly(self.folder.path());
        // Read anew: nothing of this was read before it was final.
        let content = Stored::open(self.folder.path()).read();
        let all = unique(content.keys());
        assert_holds(&all, &self.known, "lost at the end");
        let events = content.events();
        let ids: HashSet<_> = events
            .iter()
            .map(|event| (&event.event_id, event.revision))
            .collect();
        assert_eq!(ids.len(), events.len(), "an event is there twice");
        let stopped = |event: &&EventRow| event.kind == "recorder_stopped";
        assert_eq!(events.iter().filter(stopped).count(), 1);
    }
}

/// What one run left on disk.
struct Run {
    /// Its ticks, in order: clock epoch and time.
    times: Vec<(i64, i64)>,
    rows: usize,
    /// Missed instants by the tick that follows them.
    missed: HashMap<i64, i64>,
}

impl Run {
    fn of(added: Vec<RowKey>, content: &Content) -> Self {
        let mut ticks: HashMap<(i64, i64), u32> = HashMap::new();
        for key in &added {
            *ticks.entry((key.clock_epoch, key.time_ms)).or_default() += 1;
        }
        let torn: Vec<_> = ticks
            .iter()
            .filter(|(_, rows)| **rows != CONTAINERS)
            .collect();
        assert!(torn.is_empty(), "ticks without all their rows: {torn:?}");
        let times: BTreeSet<_> = ticks.into_keys().collect();
        let begin = times.first().map_or(i64::MAX, |(_, time_ms)| *time_ms);
        let missed = content
            .events()
            .iter()
            .filter(|event| event.kind == "tick_missed" && event.time_ms >= begin)
            .map(|event| (event.time_ms, event.detail["count"].as_i64().unwrap()))
            .collect();
        Self {
            times: times.into_iter().collect(),
            rows: added.len(),
            missed,
        }
    }

    /// Ticks are contiguous but for what was recorded as missed, and later than all before.
    fn check(&self, earlier: &HashSet<RowKey>) {
        let last = earlier
            .iter()
            .map(|key| (key.clock_epoch, key.time_ms))
            .max();
        if let (Some(first), Some(last)) = (self.times.first(), last) {
            assert!(
                *first > last,
                "the run begins at {first:?}, not after {last:?}"
            );
        }
        for (index, pair) in self.times.windows(2).enumerate() {
            let [(epoch, before), (next_epoch, time)] = *pair else {
                continue;
            };
            // The kill may have come between a tick's rows and its events.
            let is_last = index + 2 == self.times.len();
            // A clock step begins a grid of its own.
            if epoch != next_epoch || (is_last && !self.missed.contains_key(&time)) {
                continue;
            }
            let missed = self.missed.get(&time).copied().unwrap_or(0);
            assert_eq!(
                time - before,
                INTERVAL_MS * (1 + missed),
                "between {before} and {time} of {:?}",
                self.times
            );
        }
    }
}

/// How long a run lives: one in four ends while it starts, the others anywhere within two seal
/// intervals.
fn life(random: &mut Random) -> Duration {
    let micros = match random.next() % 4 {
        0 => random.next() % 200_000,
        _ => 100_000 + random.next() % 1_900_000,
    };
    Duration::from_micros(micros)
}
