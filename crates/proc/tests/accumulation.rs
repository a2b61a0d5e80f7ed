//! DATA.md section 2, "accumulated": the collector adds each process's non-negative increase,
//! keyed by pid and start time, so that no sum falls when a process exits.

#![expect(clippy::unwrap_used, reason = "a test ends where it fails")]

use fgm_kernfile::Descriptors;
use fgm_model::{Metric, Values};
use fgm_proc::{BootTime, Listed, ProcReader, Processes, ReadLimits};
use fgm_testkit::proc_tree::{FakeProcess, ProcTree};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::time::Duration;

/// Longer than the period of context switches, so that each tick reads all there is.
const TICK_SECONDS: u64 = 20;

#[derive(Debug, Clone)]
enum Happening {
    /// A pid is taken by a process that began just now, or by an old one that was moved in; if
    /// the pid is in use its process ended before.
    Appear {
        pid: u32,
        old: bool,
        has: u64,
    },
    /// A process ends or is moved out.
    Leave {
        pid: u32,
    },
    /// Its counters rise.
    Work {
        pid: u32,
        amount: u64,
    },
    /// Its counters fall: never seen, and must do no harm.
    Reset {
        pid: u32,
        to: u64,
    },
    Tick,
}

fn happenings() -> impl Strategy<Value = Vec<Happening>> {
    let pid = 10..15_u32;
    proptest::collection::vec(
        prop_oneof![
            2 => (pid.clone(), any::<bool>(), 0..1000_u64)
                .prop_map(|(pid, old, has)| Happening::Appear { pid, old, has }),
            1 => pid.clone().prop_map(|pid| Happening::Leave { pid }),
            4 => (pid.clone(), 0..1000_u64).prop_map(|(pid, amount)| Happening::Work { pid, amount }),
            1 => (pid, 0..1000_u64).prop_map(|(pid, to)| Happening::Reset { pid, to }),
            4 => Just(Happening::Tick),
        ],
        0..40,
    )
}

/// The processes as they are.
#[derive(Default)]
struct World {
    live: BTreeMap<u32, FakeProcess>,
    seconds: u64,
    serial: u64,
}

impl World {
    fn new() -> Self {
        Self {
            seconds: 1000,
            ..Self::default()
        }
    }

    fn now(&self) -> BootTime {
        BootTime::after_boot(Duration::from_secs(self.seconds))
    }

    /// All but a tick.
    fn happen(&mut self, happening: &Happening) {
        match *happening {
            Happening::Appear { pid, old, has } => {
                self.serial += 1;
                let start = if old { 5 } else { self.seconds * 100 + 1 };
                let mut process = FakeProcess::new(pid, start + self.serial);
                set(&mut process, has);
                self.live.insert(pid, process);
            }
            Happening::Leave { pid } => {
                self.live.remove(&pid);
            }
            Happening::Work { pid, amount } => {
                if let Some(process) = self.live.get_mut(&pid) {
                    let has = process.rchar + amount;
                    set(process, has);
                }
            }
            Happening::Reset { pid, to } => {
                if let Some(process) = self.live.get_mut(&pid) {
                    set(process, to);
                }
            }
            Happening::Tick => self.seconds += TICK_SECONDS,
        }
    }

    fn write(&self, tree: &ProcTree) -> Vec<u32> {
        for process in self.live.values() {
            tree.write(process).unwrap();
        }
        self.live.keys().copied().collect()
    }
}

/// All counters of a fake process move alike.
fn set(process: &mut FakeProcess, has: u64) {
    process.rchar = has;
    process.wchar = has / 2;
    process.threads = vec![(process.pid, has / 3, has / 5)];
}

const METRICS: [Metric; 4] = [
    Metric::IoRchar,
    Metric::IoWchar,
    Metric::ContextSwitchesVoluntary,
    Metric::ContextSwitchesInvoluntary,
];

fn counters(process: &FakeProcess) -> [u64; 4] {
    let (_, voluntary, involuntary) = process.threads[0];
    [process.rchar, process.wchar, voluntary, involuntary]
}

/// The rule in its plainest form.
#[derive(Default)]
struct Model {
    sums: [u64; 4],
    before: BTreeMap<(u32, u64), [u64; 4]>,
    ticked_at: Option<u64>,
}

impl Model {
    fn tick(&mut self, world: &World) {
        let mut now = BTreeMap::new();
        for process in world.live.values() {
            let key = (process.pid, process.start_ticks);
            let counters = counters(process);
            let born = self
                .ticked_at
                .is_some_and(|seconds| process.start_ticks >= seconds * 100);
            let base = match self.before.get(&key) {
                Some(before) => *before,
                None if born => [0; 4],
                None => counters,
            };
            for ((sum, base), counter) in self.sums.iter_mut().zip(base).zip(counters) {
                *sum += counter.saturating_sub(base);
            }
            now.insert(key, counters);
        }
        self.before = now;
        self.ticked_at = Some(world.seconds);
    }
}

fn reader(tree: &ProcTree, kept: usize, processes_per_tick: usize) -> ProcReader {
    let limits = ReadLimits {
        processes_per_tick,
        ..ReadLimits::default()
    };
    ProcReader::open(tree.path(), Descriptors::new(kept), limits).unwrap()
}

proptest! {
    // Each case writes hundreds of files.
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn accumulated_sums_never_fall_and_equal_the_model(
        happenings in happenings(),
        kept in prop_oneof![Just(0_usize), Just(3), Just(1000)],
    ) {
        let tree = ProcTree::new().unwrap();
        let mut reader = reader(&tree, kept, 64);
        let (mut world, mut model) = (World::new(), Model::default());
        let mut processes = Processes::found();
        for happening in happenings.iter().chain([&Happening::Tick]) {
            if !matches!(happening, Happening::Tick) {
                world.happen(happening);
                continue;
            }
            let pids = world.write(&tree);
            let mut values = Values::default();
            reader.start_tick(world.now());
            processes.read(Listed::new(&pids), &mut reader, world.now(), &mut values);
            model.tick(&world);
            for (metric, expected) in METRICS.into_iter().zip(model.sums) {
                let expected = i64::try_from(expected).unwrap();
                prop_assert_eq!(values.get(metric), Some(expected), "{}", metric.name());
            }
            world.happen(happening);
        }
        prop_assert!(reader.refusals().iter().next().is_none());
    }

    /// With a budget that does not reach, what is behind is added later: never a fall, never
    /// more than there is, and all of it once the processes stay and are read in turn.
    #[test]
    fn accumulated_sums_never_fall_under_a_short_budget(happenings in happenings()) {
        let tree = ProcTree::new().unwrap();
        let mut reader = reader(&tree, 1000, 2);
        let mut world = World::new();
        let mut processes = Processes::found();
        let mut last = [0; 4];
        let mut values = Values::default();
        let mut tick = |world: &mut World| {
            let pids = world.write(&tree);
            reader.start_tick(world.now());
            processes.read(Listed::new(&pids), &mut reader, world.now(), &mut values);
            world.happen(&Happening::Tick);
            METRICS.map(|metric| values.get(metric))
        };
        for happening in &happenings {
            if !matches!(happening, Happening::Tick) {
                world.happen(happening);
                continue;
            }
            for (last, sum) in last.iter_mut().zip(tick(&mut world)) {
                if let Some(sum) = sum {
                    prop_assert!(sum >= *last);
                    *last = sum;
                }
            }
        }
        for _ in 0..4 {
            tick(&mut world);
        }
        let before = tick(&mut world);
        for pid in world.live.keys().copied().collect::<Vec<_>>() {
            world.happen(&Happening::Work { pid, amount: 30 });
        }
        for _ in 0..3 {
            tick(&mut world);
        }
        let each = [30, 15, 10, 6];
        let count = world.live.len() as i64;
        for ((after, before), each) in tick(&mut world).into_iter().zip(before).zip(each) {
            let (Some(after), Some(before)) = (after, before) else {
                return Err(TestCaseError::fail("a sum is unknown"));
            };
            // The parts of `set` are rounded down.
            prop_assert!((after - before - each * count).abs() <= count);
        }
    }
}
