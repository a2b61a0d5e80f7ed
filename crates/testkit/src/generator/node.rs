//! The node: all its pods, and time that passes over them.

use super::container::Container;
use super::fleet::{WORKLOADS, node_instance};
use super::group::{Group, Network, Sum};
use super::happenings::Happenings;
use super::interruptions::{Interruptions, Tick as Turn};
use super::load::Spike;
use super::pod::{Pod, State, World};
use super::random::Random;
use super::truth::{End, Life, OomKill, Period, Rows, Series, Spell, SpikeTruth, Truth};
use super::{Batch, NODE, RECORDER, Settings};
use fgm_model::throttling::Change;
use fgm_model::{Recorder, Row, Values};
use std::sync::Arc;

/// From the start of a tick to the read of the first container, and from one to the next.
const FIRST_READ_US: i64 = 250;
const NEXT_READ_US: i64 = 52;

/// Makes a recording tick by tick.
#[derive(Debug)]
pub struct Generator {
    settings: Settings,
    world: World,
    pods: Vec<Pod>,
    node: Group,
    random: Random,
    interruptions: Interruptions,
    next_ms: i64,
    happenings: Happenings,
    truth: Truth,
    before: Values,
}

/// What a tick is about, for all pods alike.
#[derive(Debug, Clone, Copy)]
struct Now {
    time_ms: i64,
    /// The instant itself: who ended before it is not read any more.
    instant_us: i64,
    /// When the next container is read.
    read_us: i64,
    first: bool,
}

impl Generator {
    /// A node with its containers, before the first tick.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        let mut world = World::new(settings.scenario, settings.seed);
        let mut random = Random::of(settings.seed, 2);
        let own = Random::of(settings.seed, 3);
        let interruptions = if settings.scenario.has_gaps() {
            Interruptions::new(own, settings.start_ms, settings.interval_ms)
        } else {
            Interruptions::never(own, settings.interval_ms)
        };
        let pods = pods(&mut world, &mut random, settings);
        let happenings = Happenings::new(&world.boot_id);
        Self {
            node: Group::new(node_instance(&world.boot_id), Network::new(&mut random)),
            truth: Truth {
                version: 1,
                scenario: settings.scenario,
                seed: settings.seed,
                containers: settings.containers,
                node: NODE.to_owned(),
                recorder: RECORDER.to_owned(),
                boot_id: world.boot_id.clone(),
                start_ms: settings.start_ms,
                end_ms: settings.start_ms + settings.duration_ms,
                interval_ms: settings.interval_ms,
                rows: Rows::default(),
                gaps: Vec::new(),
                late_ticks: Vec::new(),
                series: Vec::new(),
            },
            settings,
            world,
            pods,
            random,
            interruptions,
            next_ms: settings.start_ms,
            happenings,
            before: Values::default(),
        }
    }

    /// Who records.
    #[must_use]
    pub const fn recorder(&self) -> &Recorder {
        self.happenings.recorder()
    }

    /// The next tick that was not missed; `None` after the last. The batch's memory is used anew.
    pub fn next_tick(&mut self, batch: &mut Batch) -> Option<i64> {
        let end_ms = self.settings.start_ms + self.settings.duration_ms;
        let first = self.next_ms == self.settings.start_ms;
        let mut gap_told = None;
        let late_us = loop {
            if self.next_ms >= end_ms {
                return None;
            }
            match self.interruptions.tick(self.next_ms) {
                Turn::Missed(gap) => gap_told = gap.or(gap_told),
                Turn::Late(late_us) => break late_us,
                Turn::OnTime => break 0,
            }
            self.next_ms += self.settings.interval_ms;
        };
        let time_ms = self.next_ms;
        self.next_ms += self.settings.interval_ms;
        self.happenings.set_tick(time_ms);
        if first {
            self.happenings.recorder_started();
        }
        if let Some(gap) = gap_told {
            self.happenings.missed(gap);
            self.truth.gaps.push(gap);
        }
        if late_us > 0 {
            self.happenings.late(late_us);
            self.truth.late_ticks.push(time_ms);
        }
        let start_us = time_ms * 1000 + FIRST_READ_US + late_us + self.random.whole(0, 120);
        self.tick(
            Now {
                time_ms,
                instant_us: time_ms * 1000,
                read_us: start_us,
                first,
            },
            batch,
        );
        if self.next_ms >= end_ms {
            self.end();
        }
        std::mem::swap(&mut batch.events, &mut self.happenings.events);
        self.happenings.events.clear();
        self.truth.rows.metrics += batch.metrics.rows.len() as u64;
        self.truth.rows.pods += batch.pods.rows.len() as u64;
        self.truth.rows.node += batch.node.rows.len() as u64;
        self.truth.rows.events += batch.events.len() as u64;
        Some(time_ms)
    }

    /// What is true of the ticks so far.
    #[must_use]
    pub fn into_truth(self) -> Truth {
        self.truth
    }

    fn tick(&mut self, mut now: Now, batch: &mut Batch) {
        for tick in [&mut batch.metrics, &mut batch.pods, &mut batch.node] {
            tick.time_ms = now.time_ms;
            tick.clock_epoch = 0;
            tick.rows.clear();
        }
        let mut of_node = Sum::default();
        let mut pods = std::mem::take(&mut self.pods);
        for pod in &mut pods {
            self.fates(pod, &mut now, batch);
            if pod.absent_until_us.is_some() {
                continue;
            }
            let mut of_pod = Sum::default();
            for place in 0..pod.slots.len() {
                self.read(pod, place, &mut now, batch, (&mut of_pod, &mut of_node));
            }
            let at = (now.time_ms, now.read_us - now.instant_us);
            let row = pod.group.row(
                &mut pod.random,
                &of_pod,
                at,
                self.settings.interval_ms,
                true,
            );
            batch.pods.rows.push(row);
        }
        self.pods = pods;
        let at = (now.time_ms, now.read_us - now.instant_us);
        let row = self.node.row(
            &mut self.random,
            &of_node,
            at,
            self.settings.interval_ms,
            false,
        );
        batch.node.rows.push(row);
    }

    /// Ends and births that were due before the tick's instant, in the order of time.
    fn fates(&mut self, pod: &mut Pod, now: &mut Now, batch: &mut Batch) {
        loop {
            if let Some(until_us) = pod.absent_until_us {
                if until_us > now.instant_us {
                    return;
                }
                self.populate(pod, until_us, !now.first);
                continue;
            }
            if let Some(rollout_us) = pod.rollout_us.filter(|at| *at <= now.instant_us) {
                for place in 0..pod.slots.len() {
                    self.end_life(pod, place, rollout_us, End::RolledOut, now, batch);
                }
                pod.absent_until_us = Some(rollout_us + pod.random.whole(800_000, 5_000_000));
                continue;
            }
            let mut changed = false;
            for place in 0..pod.slots.len() {
                changed |= self.fate(pod, place, now, batch);
            }
            if pod.is_over() {
                let pause_s = pod.random.log_between(15.0, 240.0);
                pod.absent_until_us = Some(now.instant_us + (pause_s * 1e6) as i64);
            }
            if !changed {
                return;
            }
        }
    }

    /// Ends or starts one container, if that was due; whether anything happened.
    fn fate(&mut self, pod: &mut Pod, place: usize, now: &mut Now, batch: &mut Batch) -> bool {
        let slot = &mut pod.slots[place];
        match &slot.state {
            State::Running(container) => {
                let Some(at_us) = container.ends_us.filter(|at| *at <= now.instant_us) else {
                    return false;
                };
                let end = slot.planned_end();
                self.end_life(pod, place, at_us, end, now, batch);
                if end == End::Completed {
                    // A job's helpers end with it.
                    for other in 0..pod.slots.len() {
                        self.end_life(pod, other, at_us, end, now, batch);
                    }
                }
                true
            }
            State::Waiting { until_us } if *until_us <= now.instant_us => {
                let at_us = *until_us;
                let previous = self.truth.series[slot.series].instances.last().cloned();
                self.start_life(pod, place, at_us, true);
                if let (State::Running(container), Some(previous)) =
                    (&pod.slots[place].state, previous)
                {
                    self.happenings
                        .restarted(&container.instance, at_us, &previous);
                }
                true
            }
            State::Waiting { .. } | State::Over => false,
        }
    }

    /// A new pod takes the place, and its containers start.
    fn populate(&mut self, pod: &mut Pod, at_us: i64, fresh: bool) {
        let is_first = pod.slots.iter().all(|slot| slot.series == usize::MAX);
        if !is_first {
            pod.replace(&mut self.world);
        }
        pod.absent_until_us = None;
        pod.plan_rollout(self.settings.scenario.rollout_every_s(), at_us);
        for place in 0..pod.slots.len() {
            let slot = &mut pod.slots[place];
            slot.series = self.truth.series.len();
            let profile = &slot.profile;
            let (namespace, _, _) = pod.workload;
            self.truth.series.push(Series {
                id: pod.name.series(slot.name.0).to_string(),
                namespace: (*namespace).to_owned(),
                pod_name: pod.name.name.clone(),
                pod_uid: pod.name.uid.clone(),
                container_name: slot.name.0.to_owned(),
                class: profile.class,
                trouble: profile.trouble,
                cpu_limit_millicores: profile.cpu_limit_millicores,
                memory_limit: profile.memory_limit,
                periods: profile
                    .load
                    .trains
                    .iter()
                    .map(|train| Period {
                        period_ms: train.period_us / 1000.0,
                        duty: train.width_us / train.period_us,
                        millicores: train.millicores,
                    })
                    .collect(),
                leak_bytes_per_s: profile.leak,
                cpu_spikes: Vec::new(),
                memory_spikes: Vec::new(),
                oom_kills: Vec::new(),
                throttling: Vec::new(),
                instances: Vec::new(),
            });
            self.start_life(pod, place, at_us, fresh);
        }
    }

    fn start_life(&mut self, pod: &mut Pod, place: usize, at_us: i64, fresh: bool) {
        let slot = &mut pod.slots[place];
        slot.start(&mut self.world, &pod.name, at_us, fresh);
        let State::Running(container) = &slot.state else {
            return;
        };
        let instance = &container.instance;
        self.truth.series[slot.series].instances.push(Life {
            container_id: instance.container_id.clone(),
            life: instance.life.clone(),
            restart_count: instance.restart_count.unwrap_or(0),
            born_us: fresh.then_some(at_us),
            ended_us: None,
            end: End::Running,
            rows: 0,
            cpu_usec: 0,
            nr_periods: 0,
            nr_throttled: 0,
            throttled_usec: 0,
            memory_peak: 0,
        });
        self.happenings.started(instance, at_us, fresh);
    }
}

/// Reads and ends.
impl Generator {
    /// Reads a container that runs.
    fn read(
        &mut self,
        pod: &mut Pod,
        place: usize,
        now: &mut Now,
        batch: &mut Batch,
        (of_pod, of_node): (&mut Sum, &mut Sum),
    ) {
        let slot = &mut pod.slots[place];
        let State::Running(container) = &mut slot.state else {
            return;
        };
        now.read_us += NEXT_READ_US + self.random.whole(-4, 9);
        self.before.clone_from(&container.values);
        let series = slot.series;
        let log = (&mut self.truth.series[series], &mut self.happenings);
        if let Some(end_us) = live(log, container, now.read_us) {
            self.end_life(pod, place, end_us, End::OomKilled, now, batch);
            return;
        }
        let log = (&mut self.truth.series[series], &mut self.happenings);
        let row = row(log, container, now.time_ms, self.settings.interval_ms);
        of_pod.add(&self.before, &row.values);
        of_node.add(&self.before, &row.values);
        batch.metrics.rows.push(row);
    }

    /// The last read, the row of it, and what comes after.
    fn end_life(
        &mut self,
        pod: &mut Pod,
        place: usize,
        at_us: i64,
        end: End,
        now: &Now,
        batch: &mut Batch,
    ) {
        let slot = &mut pod.slots[place];
        let series = slot.series;
        let State::Running(container) = &mut slot.state else {
            slot.state = State::Over;
            return;
        };
        let (truth, happenings) = (&mut self.truth.series[series], &mut self.happenings);
        let oom_us = match end {
            End::OomKilled => None,
            _ => live((truth, happenings), container, at_us),
        };
        let (end, at_us) = oom_us.map_or((end, at_us), |oom_us| (End::OomKilled, oom_us));
        let interval_ms = self.settings.interval_ms;
        let row = row((truth, happenings), container, now.time_ms, interval_ms);
        pod.group.keep(&row.values);
        self.node.keep(&row.values);
        let instance = Arc::clone(&row.instance);
        batch.metrics.rows.push(row);
        container.finish(&mut |change| {
            note(&mut truth.throttling, change);
            happenings.throttling(&instance, change);
        });
        happenings.ended(&instance, at_us, end);
        if let Some(life) = truth.instances.last_mut() {
            life.end = end;
            life.ended_us = Some(at_us);
        }
        slot.end(at_us, end);
    }

    /// The recorder stops: what it still follows stays open.
    fn end(&mut self) {
        self.happenings.recorder_stopped();
        let end_ms = self.truth.end_ms;
        for spell in self
            .truth
            .series
            .iter_mut()
            .flat_map(|series| &mut series.throttling)
        {
            spell.end_ms = spell.end_ms.min(end_ms);
        }
    }
}

/// What is known of a container, and the events of the tick.
type Log<'a> = (&'a mut Series, &'a mut Happenings);

/// Lets time pass for a container and notes what happened; the moment of an OOM kill that
/// ended it.
fn live((truth, happenings): Log<'_>, container: &mut Container, to_us: i64) -> Option<i64> {
    let passed = container.live(to_us);
    let told = |spike: Spike| SpikeTruth {
        start_us: spike.start_us,
        width_us: spike.width_us,
        size: spike.size,
    };
    truth.cpu_spikes.extend(passed.cpu_spike.map(told));
    truth.memory_spikes.extend(passed.memory_spike.map(told));
    let oom = passed.oom?;
    truth.oom_kills.push(OomKill {
        at_us: oom.at_us,
        container_id: container.instance.container_id.clone(),
        processes_killed: oom.processes_killed,
        survived: !oom.is_end,
    });
    happenings.oom_kill(container, oom);
    oom.is_end.then_some(oom.at_us)
}

/// The row of the last read; what it says is noted as the truth of the life so far.
fn row(
    (truth, happenings): Log<'_>,
    container: &mut Container,
    time_ms: i64,
    interval_ms: i64,
) -> Row {
    let row = container.row(time_ms, interval_ms);
    let instance = &row.instance;
    container.judge(time_ms, interval_ms, &mut |change| {
        note(&mut truth.throttling, change);
        happenings.throttling(instance, change);
    });
    if let Some(life) = truth.instances.last_mut() {
        let (cpu_usec, periods) = container.totals();
        let (_, peak) = container.memory();
        life.rows += 1;
        life.cpu_usec = cpu_usec;
        life.nr_periods = periods.periods;
        life.nr_throttled = periods.throttled;
        life.throttled_usec = periods.throttled_usec;
        life.memory_peak = peak;
    }
    row
}

fn note(spells: &mut Vec<Spell>, change: Change) {
    match change {
        Change::Started { time_ms, .. } => spells.push(Spell {
            start_ms: time_ms,
            end_ms: i64::MAX,
        }),
        Change::Ended { time_ms, .. } => {
            if let Some(spell) = spells.last_mut() {
                spell.end_ms = time_ms;
            }
        }
    }
}

/// So many pods that they have the wanted number of containers.
fn pods(world: &mut World, random: &mut Random, settings: Settings) -> Vec<Pod> {
    let mut pods = Vec::new();
    let mut number = 0;
    while number < settings.containers {
        let workload = &WORKLOADS[pods.len() % WORKLOADS.len()];
        let (_, _, containers) = workload;
        let kinds: Vec<_> = (0..containers.len().min(settings.containers - number))
            .map(|place| settings.scenario.of_number(random, number + place))
            .collect();
        number += kinds.len();
        let mut pod = Pod::new(world, workload, kinds);
        for slot in &mut pod.slots {
            slot.series = usize::MAX;
        }
        pod.absent_until_us = Some(settings.start_ms * 1000);
        pods.push(pod);
    }
    pods
}
