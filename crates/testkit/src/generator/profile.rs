//! What kind of container it is: the numbers that its whole life is drawn around.

use super::load::{Load, Spikes, Train};
use super::random::Random;
use super::scenario::Scenario;
use serde::{Deserialize, Serialize};

pub(super) const KIB: f64 = 1024.0;
pub(super) const MIB: f64 = 1024.0 * KIB;

/// How busy a container is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// Waits, and wakes now and then.
    Idle,
    /// Serves a little.
    Light,
    /// Works all the time.
    Moderate,
    /// Keeps cores busy.
    Heavy,
}

/// What goes wrong with a container, or is special about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Trouble {
    /// Nothing.
    None,
    /// Its quota is too small for what it wants in pulses.
    Throttled,
    /// It leaks until it is killed.
    Leaks,
    /// Its memory is a saw: garbage that is collected.
    GarbageSaw,
    /// CPU spikes between the ticks.
    CpuSpikes,
    /// Memory spikes between the ticks.
    MemorySpikes,
    /// A burst of work at each of its periods.
    Periodic,
    /// It ends with an error soon after each start.
    CrashLoop,
    /// It ends when its work is done; then a new pod comes.
    Job,
    /// One of its many processes is killed for lack of memory, the others live on.
    WorkerKilled,
}

/// The drawn numbers of one container.
#[derive(Debug, Clone)]
pub(super) struct Profile {
    pub(super) class: Class,
    pub(super) trouble: Trouble,
    pub(super) load: Load,
    /// Probability that a gauge moves in a second.
    pub(super) activity: f64,
    /// Share of CPU time spent in user mode.
    pub(super) user_share: f64,
    pub(super) cpu_limit_millicores: Option<i64>,
    pub(super) cpu_request_millicores: Option<i64>,
    pub(super) memory_limit: Option<i64>,
    pub(super) memory_request: Option<i64>,
    pub(super) processes: i64,
    /// Threads of each process.
    pub(super) threads: i64,
    pub(super) anon: f64,
    pub(super) file: f64,
    pub(super) shmem: f64,
    /// Bytes that leak each second.
    pub(super) leak: f64,
    /// Garbage: bytes each second, and how high it may pile up.
    pub(super) garbage: (f64, f64),
    pub(super) memory_spikes: Spikes,
    /// Bytes written and read on disk each second.
    pub(super) disk: (f64, f64),
    /// Seconds between flushes of what was written.
    pub(super) flush_s: f64,
    /// Seconds of life, where it ends by itself.
    pub(super) life_s: Option<(f64, f64)>,
}

impl Profile {
    /// Draws the numbers of a container of that class and trouble.
    pub(super) fn draw(
        random: &mut Random,
        scenario: Scenario,
        class: Class,
        trouble: Trouble,
    ) -> Self {
        let (level, noise, activity) = match class {
            Class::Idle => (0.0, 0.3, 0.02),
            Class::Light => (random.log_between(1.0, 25.0), 0.5, 0.35),
            Class::Moderate => (random.log_between(30.0, 300.0), 0.25, 0.85),
            Class::Heavy => (random.log_between(500.0, 2500.0), 0.15, 1.0),
        };
        let (anon, file) = match class {
            Class::Idle => (random.log_between(2.0, 30.0), random.log_between(1.0, 20.0)),
            Class::Light => (
                random.log_between(10.0, 120.0),
                random.log_between(4.0, 60.0),
            ),
            Class::Moderate => (
                random.log_between(80.0, 500.0),
                random.log_between(20.0, 300.0),
            ),
            Class::Heavy => (
                random.log_between(300.0, 2000.0),
                random.log_between(50.0, 900.0),
            ),
        };
        let (processes, threads) = match (scenario, class) {
            (Scenario::Multiproc, Class::Idle) => (random.whole(4, 20), 1),
            (Scenario::Multiproc, _) => {
                (random.log_between(16.0, 600.0) as i64, random.whole(1, 4))
            }
            (_, Class::Idle) => (1, random.whole(1, 8)),
            (_, Class::Light) => (random.whole(1, 3), random.whole(4, 16)),
            (_, Class::Moderate) => (random.whole(1, 6), random.whole(8, 40)),
            (_, Class::Heavy) => (random.whole(1, 12), random.whole(12, 64)),
        };
        let disk = match class {
            Class::Idle => (0.0, 0.0),
            Class::Light => (
                random.log_between(0.5, 20.0) * KIB,
                random.between(0.0, 2.0) * KIB,
            ),
            Class::Moderate => (
                random.log_between(20.0, 500.0) * KIB,
                random.between(0.0, 50.0) * KIB,
            ),
            Class::Heavy => (
                random.log_between(0.2, 20.0) * MIB,
                random.log_between(0.05, 10.0) * MIB,
            ),
        };
        let mut profile = Self {
            class,
            trouble,
            load: Load {
                level,
                noise,
                daily: if class == Class::Idle {
                    0.0
                } else {
                    random.between(0.1, 0.5)
                },
                trains: Vec::new(),
                spikes: Spikes::none(),
                wander: 0.0,
            },
            activity,
            user_share: random.between(0.55, 0.92),
            cpu_limit_millicores: None,
            cpu_request_millicores: None,
            memory_limit: None,
            memory_request: None,
            processes,
            threads,
            anon: anon * MIB,
            file: file * MIB,
            shmem: if scenario == Scenario::Multiproc {
                anon * MIB * 0.3
            } else {
                0.0
            },
            leak: 0.0,
            garbage: (0.0, 0.0),
            memory_spikes: Spikes::none(),
            disk,
            flush_s: random.between(3.0, 30.0),
            life_s: None,
        };
        profile.limit(random);
        profile.afflict(random);
        profile
    }

    /// What it holds at least besides page cache.
    fn resident(&self) -> f64 {
        let kernel = self.processes as f64 * (self.threads as f64 * 16.0 + 90.0) * KIB;
        self.anon * 1.02 + self.shmem + kernel + 8.0 * MIB
    }

    /// Requests and limits, as people write them.
    fn limit(&mut self, random: &mut Random) {
        if random.chance(0.12) {
            return; // BestEffort
        }
        let want = self.load.level.max(10.0);
        let cpu_request = round_up(want * random.between(1.5, 2.5), 10.0);
        let memory_request = round_up(self.resident() * random.between(1.1, 1.4), 16.0 * MIB);
        self.cpu_request_millicores = Some(cpu_request);
        self.memory_request = Some(memory_request);
        let guaranteed = random.chance(0.25);
        if guaranteed || random.chance(0.5) {
            let times = if guaranteed {
                1.0
            } else {
                random.between(1.5, 4.0)
            };
            self.cpu_limit_millicores =
                Some(round_up((cpu_request as f64 * times).max(100.0), 50.0));
        }
        if guaranteed || random.chance(0.85) {
            let times = if guaranteed {
                1.4
            } else {
                random.between(1.5, 2.5)
            };
            let most = (memory_request as f64 + self.file * 0.5) * times;
            self.memory_limit = Some(round_up(most, 32.0 * MIB));
        }
        if guaranteed {
            self.cpu_request_millicores = self.cpu_limit_millicores;
            self.memory_request = self.memory_limit;
        }
    }

    /// What the trouble makes of it.
    fn afflict(&mut self, random: &mut Random) {
        match self.trouble {
            Trouble::None => {}
            Trouble::Throttled => {
                let limit = *random.pick(&[100, 200, 250, 500]);
                self.cpu_limit_millicores = Some(limit);
                self.cpu_request_millicores = Some(limit / 2);
                self.load.level = limit as f64 * random.between(0.2, 0.5);
                let period_s = random.log_between(6.5, 180.0);
                let duty = random.between(0.2, 0.6);
                let wanted = limit as f64 * random.between(1.3, 4.0);
                self.load
                    .trains
                    .push(Train::new(random, period_s, duty, wanted));
            }
            Trouble::Leaks => {
                let room = random.between(60.0, 400.0) * MIB;
                self.memory_limit = Some(round_up(self.resident() + room, 16.0 * MIB));
                self.memory_request = self.memory_limit.map(|limit| limit / 2);
                // From twice an hour to once in a day.
                self.leak = room / random.log_between(1200.0, 60_000.0);
            }
            Trouble::GarbageSaw => {
                let heap = self.anon * random.between(0.2, 0.6);
                self.garbage = (heap / random.log_between(8.0, 120.0), heap);
                let roomy = self.resident() + 1.3 * heap;
                self.memory_limit = self
                    .memory_limit
                    .map(|limit| limit.max(round_up(roomy, 32.0 * MIB)));
            }
            Trouble::CpuSpikes => {
                // A quota would cut them off.
                self.cpu_limit_millicores = None;
                self.load.spikes = Spikes::new(40.0, 800.0, 3000.0);
            }
            Trouble::MemorySpikes => {
                self.memory_spikes = Spikes::new(30.0, 16.0 * MIB, 64.0 * MIB);
                let roomy = self.resident() + self.file + 160.0 * MIB;
                self.memory_limit = self
                    .memory_limit
                    .map(|limit| limit.max(round_up(roomy, 32.0 * MIB)));
            }
            Trouble::Periodic => {
                let regular = [10.0, 15.0, 30.0, 60.0];
                let period_s = if random.chance(0.5) {
                    *random.pick(&regular)
                } else {
                    random.log_between(4.3, 240.0)
                };
                let wanted = random.log_between(60.0, 900.0);
                let duty = random.between(0.05, 0.3);
                self.load
                    .trains
                    .push(Train::new(random, period_s, duty, wanted));
                if let Some(limit) = &mut self.cpu_limit_millicores {
                    *limit = (*limit).max(round_up((self.load.level + wanted) * 1.6, 50.0));
                }
            }
            Trouble::CrashLoop => self.life_s = Some((3.0, 25.0)),
            Trouble::Job => self.life_s = Some((0.15, 60.0)),
            Trouble::WorkerKilled => {
                let room = random.between(80.0, 200.0) * MIB;
                self.memory_limit = Some(round_up(self.resident() + room, 16.0 * MIB));
                self.leak = room / random.log_between(300.0, 3000.0);
            }
        }
    }
}

fn round_up(value: f64, step: f64) -> i64 {
    ((value / step).ceil() * step) as i64
}
