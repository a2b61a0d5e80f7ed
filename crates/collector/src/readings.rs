//! Every watched instance: its birth, its readings, its end.

use crate::alive::{Alive, Readers};
use crate::clock;
use crate::config::{self, Config, PssBudget};
use crate::events::EventMaker;
use crate::grid::Now;
use crate::health::{Health, Part};
use crate::subject::Subject;
use fgm_cgroup::{
    CgroupId, Change, Discovery, Found, Kind, Mount, ProcCommands, ReadContext, Scope,
};
use fgm_kernfile::Descriptors;
use fgm_model::{Event, Instance, Tick};
use fgm_proc::{ProcReader, Pss, PssConfig, ReadLimits};
use fgm_store::LastRows;
use rustix::fd::BorrowedFd;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// What an earlier recorder stored is of use while its instances are being found again.
const REMEMBER_STORED_US: i64 = 60_000_000;

/// Everything that is read.
pub struct Readings {
    interval_ms: i64,
    boot_id: String,
    discovery: Discovery,
    swept_us: i64,
    readers: Readers,
    alive: BTreeMap<CgroupId, Alive>,
    /// Gone, but read since their last row.
    ended: Vec<Subject>,
    /// Births and ends that wait for the tick that records them.
    happened: Vec<Happened>,
    changes: Vec<Change>,
    stored: Option<LastRows>,
    started_us: i64,
    health: Arc<Health>,
}

#[derive(Debug)]
enum Happened {
    Started {
        instance: Arc<Instance>,
        time_ms: i64,
        born: bool,
    },
    Ended {
        instance: Arc<Instance>,
        time_ms: i64,
    },
}

impl Readings {
    /// Finds what there is below the cgroup tree; everything is read with the first tick.
    ///
    /// # Errors
    /// There is no cgroup v2 tree or no `/proc` to read, or no thread for the proportional sets.
    pub fn new(
        config: &Config,
        boot_id: &str,
        stored: LastRows,
        health: Arc<Health>,
    ) -> anyhow::Result<Self> {
        let mount = Mount::find(&config.proc_root, config.cgroup_root.as_deref())?;
        let scope = match config.scope {
            Some(config::Scope::All) => Scope::All,
            Some(config::Scope::Containers) | None => Scope::Containers,
        };
        let descriptors = Descriptors::new(config.max_open_files);
        let pss = match config.pss_budget {
            PssBudget(Some(budget_per_second)) => Pss::start(
                &config.proc_root,
                PssConfig {
                    budget_per_second,
                    ..PssConfig::default()
                },
            )?,
            PssBudget(None) => Pss::off(),
        };
        let limits = ReadLimits::default();
        let processes = ProcReader::open(&config.proc_root, descriptors.clone(), limits)?;
        let mut changes = Vec::new();
        let discovery = Discovery::start(
            &mount,
            scope,
            Box::new(ProcCommands::new(config.proc_root.clone())),
            descriptors.clone(),
            &mut changes,
        )?;
        let now = clock::now();
        let mut readings = Self {
            interval_ms: i64::try_from(config.interval.as_millis())?,
            boot_id: boot_id.to_owned(),
            discovery,
            swept_us: now.boot_us,
            readers: Readers {
                cgroups: ReadContext::new(descriptors),
                processes,
                pss,
                skipped: Vec::new(),
            },
            alive: BTreeMap::new(),
            ended: Vec::new(),
            happened: Vec::new(),
            changes,
            stored: Some(stored),
            started_us: now.boot_us,
            health,
        };
        readings.health.set_notice(readings.discovery.notice());
        // What runs already is read with the first tick; its limits are read now.
        readings.take_changes(now, false);
        Ok(readings)
    }

    /// Readable when something happened in the tree; `None` where only sweeps can tell.
    pub(crate) fn as_fd(&self) -> Option<BorrowedFd<'_>> {
        self.discovery.as_fd()
    }

    /// Reads what was born, is about to end or has news of its memory.
    pub(crate) fn look_between_ticks(&mut self) {
        self.discovery.poll(&mut self.changes);
        self.take_changes(clock::now(), true);
    }

    /// Whether an instance ended that was read since its last row.
    pub(crate) fn has_ended_rows(&self) -> bool {
        !self.ended.is_empty()
    }

    /// Reads everything; rows and events go to `tick` and `events`.
    pub fn tick(&mut self, tick: &mut Tick, maker: &EventMaker, events: &mut Vec<Event>) {
        let now = clock::now();
        let mut cpu = PartClock::start(&self.health);

        if now.boot_us - self.swept_us >= micros(self.discovery.sweep_interval()) {
            self.discovery.sweep(&mut self.changes);
            self.swept_us = now.boot_us;
            self.health.set_notice(self.discovery.notice());
        } else {
            self.discovery.poll(&mut self.changes);
        }
        self.take_changes(now, true);
        if let Some(warning) = self.discovery.take_warning() {
            tracing::warn!("{warning}");
        }
        cpu.end(Part::Discovery);

        for alive in self.alive.values_mut() {
            alive.read_cgroup(now.boot_us, &mut self.readers);
        }
        cpu.end(Part::Cgroups);

        self.readers.processes.start_tick(clock::boot_time(now));
        for alive in self.alive.values_mut() {
            alive.read_processes(now, &mut self.readers);
            let instance = alive.instance();
            events.extend(self.readers.skipped.drain(..).map(|skipped| {
                self.health.pss_skipped.inc();
                maker.pss_skipped(instance, now.wall_us / 1000, &skipped)
            }));
        }
        self.readers.pss.end_tick();
        cpu.end(Part::Processes);

        tick.rows.clear();
        let (time_ms, clock_epoch) = (tick.time_ms, tick.clock_epoch);
        for (id, alive) in &mut self.alive {
            if alive.undecided && self.discovery.is_undecided(*id) {
                // Perhaps a sandbox: its readings wait until that is known.
                continue;
            }
            alive.undecided = false;
            tick.rows
                .extend(alive.subject.row(time_ms, clock_epoch, self.interval_ms));
        }
        self.take_ended(tick, maker, events);
        cpu.end(Part::Rows);
        self.tell_health(now);
    }

    /// Adds the last rows of what has ended, and the events that waited.
    pub(crate) fn take_ended(
        &mut self,
        tick: &mut Tick,
        maker: &EventMaker,
        events: &mut Vec<Event>,
    ) {
        let (time_ms, clock_epoch) = (tick.time_ms, tick.clock_epoch);
        for mut subject in self.ended.drain(..) {
            tick.rows
                .extend(subject.row(time_ms, clock_epoch, self.interval_ms));
        }
        events.extend(self.happened.drain(..).map(|happened| match happened {
            Happened::Started {
                instance,
                time_ms,
                born,
            } => maker.started(&instance, time_ms, born),
            Happened::Ended { instance, time_ms } => maker.ended(&instance, time_ms),
        }));
    }

    fn take_changes(&mut self, now: Now, born: bool) {
        let mut changes = std::mem::take(&mut self.changes);
        for change in changes.drain(..) {
            match change {
                Change::Born { id, found } => self.begin(id, &found, now, born),
                Change::LeftOut { id } => {
                    self.alive.remove(&id);
                }
                Change::Ended { id } => self.end(id, now),
                Change::LimitsWritten { id } => {
                    if let Some(alive) = self.alive.get_mut(&id) {
                        alive.read_limits(&mut self.readers);
                    }
                }
                Change::MemoryEvents { id } => {
                    if let Some(alive) = self.alive.get_mut(&id)
                        && alive.may_read_between(now.boot_us)
                    {
                        alive.read_between_ticks(now, &mut self.readers);
                    }
                }
                Change::Unpopulated { id } => {
                    if let Some(alive) = self.alive.get_mut(&id) {
                        alive.read_between_ticks(now, &mut self.readers);
                    }
                }
            }
        }
        self.changes = changes;
    }

    fn begin(&mut self, id: CgroupId, found: &Found, now: Now, born: bool) {
        // Pod cgroups have a table of their own.
        if found.kind == Kind::Pod {
            return;
        }
        let Some(reader) = self.discovery.reader(id) else {
            return;
        };
        let instance = Arc::new(found.instance(&self.boot_id));
        let mut alive = Alive::new(Arc::clone(&instance), reader, now, born, &mut self.readers);
        alive.undecided = self.discovery.is_undecided(id);
        let stored = self.stored.as_ref().and_then(|stored| {
            let key = (instance.container_id.clone(), instance.life.clone());
            stored.rows.get(&key).zip(stored.last_time_ms)
        });
        match stored {
            Some((values, stored_ms)) => alive.resume(values, stored_ms, now),
            None => self.happened.push(Happened::Started {
                instance,
                time_ms: now.wall_us / 1000,
                born,
            }),
        }
        if born {
            alive.read_between_ticks(now, &mut self.readers);
        }
        self.alive.insert(id, alive);
    }

    fn end(&mut self, id: CgroupId, now: Now) {
        let Some(alive) = self.alive.remove(&id) else {
            return;
        };
        self.happened.push(Happened::Ended {
            instance: Arc::clone(alive.instance()),
            time_ms: now.wall_us / 1000,
        });
        self.ended.push(alive.subject);
    }

    fn tell_health(&mut self, now: Now) {
        let health = &self.health;
        let gauge = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        health.containers.set(gauge(self.alive.len()));
        health.watches.set(gauge(self.discovery.watch_count()));
        let readers = &self.readers;
        health
            .kept_descriptors
            .set(gauge(readers.cgroups.descriptors.kept()));
        health.set_refusals("cgroup", readers.cgroups.refusals.iter());
        health.set_refusals("discovery", self.discovery.refusals().iter());
        health.set_refusals("proc", readers.processes.refusals().iter());
        health.set_refusals("pss", readers.pss.refusals().iter());
        health.set_pss(readers.pss.usage());
        if now.boot_us - self.started_us > REMEMBER_STORED_US {
            self.stored = None;
        }
    }
}

/// Gives each part of a tick its CPU time.
struct PartClock {
    health: Arc<Health>,
    since: Duration,
}

impl PartClock {
    fn start(health: &Arc<Health>) -> Self {
        Self {
            health: Arc::clone(health),
            since: clock::thread_cpu(),
        }
    }

    fn end(&mut self, part: Part) {
        let now = clock::thread_cpu();
        self.health
            .add_tick_cpu(part, now.saturating_sub(self.since));
        self.since = now;
    }
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}
