//! A pod's containers between birth and end, and what comes after the end.

use super::container::Container;
use super::fleet::{PodName, Workload};
use super::group::{Group, Network};
use super::profile::{Class, Profile, Trouble};
use super::random::Random;
use super::scenario::Scenario;
use super::truth::End;
use fgm_model::QosClass;

/// The kubelet waits longer from crash to crash, up to 5 min.
const FIRST_WAIT_US: i64 = 1_000_000;
const MOST_WAIT_US: i64 = 300_000_000;
/// Who ran for so long is restarted at once again.
const FORGIVEN_US: i64 = 600_000_000;

/// What is the same of all pods on the node.
#[derive(Debug)]
pub(super) struct World {
    pub(super) scenario: Scenario,
    pub(super) boot_id: String,
    /// Names, inodes and the seeds of new lives.
    pub(super) random: Random,
    next_inode: u64,
    seed: u64,
}

impl World {
    pub(super) fn new(scenario: Scenario, seed: u64) -> Self {
        let mut random = Random::of(seed, 1);
        let hex = random.hex(32);
        let boot_id = format!(
            "{}-{}-4{}-8{}-{}",
            &hex[..8],
            &hex[8..12],
            &hex[13..16],
            &hex[17..20],
            &hex[20..]
        );
        Self {
            scenario,
            boot_id,
            random,
            next_inode: 4000,
            seed,
        }
    }

    fn inode(&mut self) -> u64 {
        self.next_inode += 1;
        self.next_inode
    }

    fn own_random(&mut self) -> Random {
        Random::of(self.seed, self.inode())
    }
}

/// Where a container stands.
#[derive(Debug)]
pub(super) enum State {
    /// It runs.
    Running(Box<Container>),
    /// It will be started again at that moment.
    Waiting { until_us: i64 },
    /// It will not run again in this pod.
    Over,
}

/// One container of a pod over its restarts.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) name: (&'static str, &'static str),
    pub(super) profile: Profile,
    pub(super) state: State,
    /// Its place among the series of the truth.
    pub(super) series: usize,
    restarts: i64,
    wait_us: i64,
    born_us: i64,
}

impl Slot {
    /// Starts a life; `fresh` when it is born at that moment.
    pub(super) fn start(&mut self, world: &mut World, pod: &PodName, at_us: i64, fresh: bool) {
        let inode = world.inode();
        let instance = pod.container(
            &mut world.random,
            &world.boot_id,
            inode,
            self.name,
            self.restarts,
        );
        let random = world.own_random();
        let profile = self.profile.clone();
        let container = Container::new(instance, profile, random, at_us, fresh);
        self.born_us = at_us;
        self.state = State::Running(Box::new(container));
    }

    /// What comes after an end: the same pod again, or nothing.
    pub(super) fn end(&mut self, at_us: i64, end: End) {
        self.state = match end {
            End::Crashed | End::OomKilled => {
                if at_us - self.born_us > FORGIVEN_US {
                    self.wait_us = FIRST_WAIT_US;
                }
                let until_us = at_us + self.wait_us;
                self.wait_us = match self.wait_us {
                    FIRST_WAIT_US => 10_000_000,
                    longer => (longer * 2).min(MOST_WAIT_US),
                };
                self.restarts += 1;
                State::Waiting { until_us }
            }
            End::Running | End::Completed | End::RolledOut => State::Over,
        };
    }

    /// Why a life ends at its planned moment.
    pub(super) fn planned_end(&self) -> End {
        match self.profile.trouble {
            Trouble::CrashLoop => End::Crashed,
            _ => End::Completed,
        }
    }
}

/// A pod, or the place of one that comes again.
#[derive(Debug)]
pub(super) struct Pod {
    pub(super) workload: &'static Workload,
    kinds: Vec<(Class, Trouble)>,
    pub(super) name: PodName,
    pub(super) group: Group,
    pub(super) slots: Vec<Slot>,
    /// When a new pod takes its place.
    pub(super) rollout_us: Option<i64>,
    /// Nobody there until then.
    pub(super) absent_until_us: Option<i64>,
    pub(super) random: Random,
}

impl Pod {
    /// A pod of that workload, not yet started.
    pub(super) fn new(
        world: &mut World,
        workload: &'static Workload,
        kinds: Vec<(Class, Trouble)>,
    ) -> Self {
        let mut random = world.own_random();
        let (_, _, containers) = workload;
        let scenario = world.scenario;
        let slots: Vec<_> = containers
            .iter()
            .zip(&kinds)
            .map(|(name, (class, trouble))| Slot {
                name: *name,
                profile: Profile::draw(&mut random, scenario, *class, *trouble),
                state: State::Over,
                series: 0,
                restarts: 0,
                wait_us: FIRST_WAIT_US,
                born_us: 0,
            })
            .collect();
        let name = PodName::new(&mut world.random, workload, qos(&slots));
        let inode = world.inode();
        let group = Group::new(
            name.instance(&world.boot_id, inode),
            Network::new(&mut random),
        );
        Self {
            workload,
            kinds,
            name,
            group,
            slots,
            rollout_us: None,
            absent_until_us: None,
            random,
        }
    }

    /// Plans the next roll-out after that moment.
    pub(super) fn plan_rollout(&mut self, every_s: Option<f64>, after_us: i64) {
        self.rollout_us = every_s.map(|every_s| after_us + self.random.wait_us(1.0 / every_s));
    }

    /// Another pod of the same workload in its place.
    pub(super) fn replace(&mut self, world: &mut World) {
        let kinds = std::mem::take(&mut self.kinds);
        *self = Self::new(world, self.workload, kinds);
    }

    /// Whether nobody is left that will run again.
    pub(super) fn is_over(&self) -> bool {
        self.slots
            .iter()
            .all(|slot| matches!(slot.state, State::Over))
    }
}

fn qos(slots: &[Slot]) -> QosClass {
    let is_guaranteed = |slot: &Slot| {
        let profile = &slot.profile;
        profile.memory_limit.is_some()
            && profile.cpu_limit_millicores.is_some()
            && profile.memory_limit == profile.memory_request
            && profile.cpu_limit_millicores == profile.cpu_request_millicores
    };
    let asks_nothing = |slot: &Slot| {
        let profile = &slot.profile;
        profile.memory_limit.or(profile.memory_request).is_none()
            && profile
                .cpu_limit_millicores
                .or(profile.cpu_request_millicores)
                .is_none()
    };
    if slots.iter().all(is_guaranteed) {
        QosClass::Guaranteed
    } else if slots.iter().all(asks_nothing) {
        QosClass::BestEffort
    } else {
        QosClass::Burstable
    }
}
