//! Everything that is read: births, readings and ends of containers, their pods, the node.

use crate::alive::Alive;
use crate::clock;
use crate::config::{self, Config};
use crate::events::EventMaker;
use crate::facts::{Began, Facts};
use crate::grid::Now;
use crate::health::{Health, Part};
use crate::identity::Pods;
use crate::kmsg::{self, KernelLog};
use crate::node::Node;
use crate::part_clock::PartClock;
use crate::pod_cgroups::PodCgroups;
use crate::readers::Readers;
use crate::subject::Subject;
use crate::tables::Tables;
use fgm_cgroup::{CgroupId, Change, Discovery, Found, Kind, Mount, ProcCommands, Scope};
use fgm_kernfile::Descriptors;
use fgm_model::{Event, Instance};
use fgm_store::LastRows;
use rustix::fd::BorrowedFd;
use std::collections::BTreeMap;
use std::path::Path;
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
    pod_cgroups: PodCgroups,
    node: Node,
    /// Gone, but read since their last row.
    ended: Vec<Subject>,
    /// What happened, for the events.
    facts: Facts,
    kernel_log: Option<KernelLog>,
    changes: Vec<Change>,
    stored: Option<LastRows>,
    pods: Pods,
    /// The version of the names that instances bear.
    named_version: u64,
    started_us: i64,
    health: Arc<Health>,
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
        facts: Facts,
        pods: Pods,
        health: Arc<Health>,
    ) -> anyhow::Result<Self> {
        let mount = Mount::find(&config.proc_root, config.cgroup_root.as_deref())?;
        let scope = match config.scope {
            Some(config::Scope::All) => Scope::All,
            Some(config::Scope::Containers) | None => Scope::Containers,
        };
        let descriptors = Descriptors::new(config.max_open_files);
        let mut readers = Readers::open(config, &descriptors)?;
        let mut changes = Vec::new();
        let discovery = Discovery::start(
            &mount,
            scope,
            Box::new(ProcCommands::new(config.proc_root.clone())),
            descriptors,
            &mut changes,
        )?;
        let now = clock::now();
        let node = Node::open(&mount, boot_id, now, &mut readers)?;
        let mut readings = Self {
            interval_ms: i64::try_from(config.interval.as_millis())?,
            boot_id: boot_id.to_owned(),
            discovery,
            swept_us: now.boot_us,
            readers,
            alive: BTreeMap::new(),
            pod_cgroups: PodCgroups::default(),
            node,
            ended: Vec::new(),
            facts,
            kernel_log: kernel_log(&stored),
            changes,
            stored: Some(stored),
            named_version: pods.version(),
            pods,
            started_us: now.boot_us,
            health,
        };
        readings.health.set_notice(readings.discovery.notice());
        // What runs already is read with the first tick; its limits are read now.
        readings.take_changes(now, false);
        readings.facts.all_found();
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
        !self.ended.is_empty() || self.pod_cgroups.has_ended_rows()
    }

    /// Reads everything; rows and events are added to `tables` and `events`.
    pub fn tick(&mut self, tables: &mut Tables, maker: &EventMaker, events: &mut Vec<Event>) {
        let now = clock::now();
        let mut cpu = PartClock::start(&self.health);

        self.discovery.poll(&mut self.changes);
        self.take_changes(now, true);
        self.take_names();
        cpu.end(Part::Discovery);

        // Before their containers, which then explain what the pods' counters tell.
        self.pod_cgroups.read(now, &mut self.readers);
        self.pod_cgroups.tell_all(&mut self.facts);
        cpu.end(Part::Pods);

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
        let time_ms = tables.metrics.time_ms;
        for alive in self.alive.values() {
            alive.tell(&mut self.facts, Some(time_ms), self.interval_ms);
        }
        cpu.end(Part::Processes);

        self.pod_cgroups
            .read_networks(&mut self.readers, &self.alive);
        cpu.end(Part::Pods);
        self.node.read(now, &mut self.readers);
        self.node.tell(&mut self.facts);
        cpu.end(Part::Node);

        let tick = &mut tables.metrics;
        let (time_ms, clock_epoch) = (tick.time_ms, tick.clock_epoch);
        for (id, alive) in &mut self.alive {
            if alive.undecided && self.discovery.is_undecided(*id) {
                // Perhaps a sandbox: its readings wait until that is known.
                continue;
            }
            if std::mem::take(&mut alive.undecided) {
                self.facts.decided(alive.instance());
            }
            tick.rows
                .extend(alive.subject().row(time_ms, clock_epoch, self.interval_ms));
        }
        self.pod_cgroups.rows(&mut tables.pods, self.interval_ms);
        self.node.row(&mut tables.node, self.interval_ms);
        self.take_ended(tables, maker, events);
        cpu.end(Part::Rows);

        self.sweep_if_due(now);
        cpu.end(Part::Discovery);
        self.tell_health(now);
    }

    /// Looks at the whole tree, which takes milliseconds: after the reading, so that it makes no
    /// tick late. What it finds is read at once and gets its row with the next tick.
    fn sweep_if_due(&mut self, now: Now) {
        if now.boot_us - self.swept_us >= micros(self.discovery.sweep_interval()) {
            self.discovery.sweep(&mut self.changes);
            self.swept_us = now.boot_us;
            self.take_changes(clock::now(), true);
            self.health.set_notice(self.discovery.notice());
        }
        if let Some(warning) = self.discovery.take_warning() {
            tracing::warn!("{warning}");
        }
    }

    /// Adds the last rows of what has ended, and the events that waited.
    pub(crate) fn take_ended(
        &mut self,
        tables: &mut Tables,
        maker: &EventMaker,
        events: &mut Vec<Event>,
    ) {
        self.pod_cgroups
            .ended_rows(&mut tables.pods, self.interval_ms);
        let tick = &mut tables.metrics;
        let (time_ms, clock_epoch) = (tick.time_ms, tick.clock_epoch);
        for mut subject in self.ended.drain(..) {
            tick.rows
                .extend(subject.row(time_ms, clock_epoch, self.interval_ms));
        }
        self.take_news();
        self.facts.take(maker, events);
    }

    fn take_changes(&mut self, now: Now, born: bool) {
        let mut changes = std::mem::take(&mut self.changes);
        for change in changes.drain(..) {
            match change {
                Change::Born { id, found } => self.begin(id, &found, now, born),
                Change::LeftOut { id } => {
                    if let Some(alive) = self.remove(id) {
                        self.facts.left_out(alive.instance());
                        self.pods.left_out(alive.instance());
                    }
                }
                Change::Ended { id } => self.end(id, now),
                Change::LimitsWritten { id } => {
                    if let Some(alive) = self.alive.get_mut(&id) {
                        alive.read_limits(&mut self.readers);
                    }
                    self.pod_cgroups.read_limits(id, &mut self.readers);
                }
                Change::MemoryEvents { id } => {
                    if let Some(alive) = self.alive.get_mut(&id)
                        && alive.may_read_between(now.boot_us)
                    {
                        alive.read_between_ticks(now, &mut self.readers);
                        alive.tell(&mut self.facts, None, self.interval_ms);
                    }
                }
                Change::Unpopulated { id } => {
                    if let Some(alive) = self.alive.get_mut(&id) {
                        alive.read_between_ticks(now, &mut self.readers);
                        alive.tell(&mut self.facts, None, self.interval_ms);
                    }
                    self.pod_cgroups
                        .read_unpopulated(id, now, &mut self.readers);
                    self.pod_cgroups.tell(id, &mut self.facts);
                }
            }
        }
        self.changes = changes;
    }

    /// Gives every instance the name that is known of it by now.
    fn take_names(&mut self) {
        let version = self.pods.version();
        if version == self.named_version {
            return;
        }
        self.named_version = version;
        for alive in self.alive.values_mut() {
            alive.take_name(&self.pods);
        }
        self.pod_cgroups.take_names(&self.pods);
    }

    /// Takes what names, pod statuses and the kernel's log tell.
    fn take_news(&mut self) {
        for instance in self.pods.take_named() {
            self.facts.named(&instance);
        }
        for status in self.pods.take_statuses() {
            self.facts.status(&status);
        }
        if let Some(log) = &mut self.kernel_log {
            let facts = &mut self.facts;
            log.read(clock::log_time(), &mut |record| facts.kernel_kill(&record));
        }
    }

    fn begin(&mut self, id: CgroupId, found: &Found, now: Now, born: bool) {
        let Some(reader) = self.discovery.reader(id) else {
            return;
        };
        let instance = found.instance(&self.boot_id);
        if found.kind == Kind::Pod {
            let (readers, names) = (&mut self.readers, &self.pods);
            self.pod_cgroups
                .begin(id, instance, reader, now, born, readers, names);
            if let Some(instance) = self.pod_cgroups.instance(id) {
                let began = began(self.stored.as_ref(), instance, born);
                self.facts.pod_found(instance, began);
            }
            if born {
                self.pod_cgroups.tell(id, &mut self.facts);
            }
            return;
        }
        let instance = Arc::new(instance);
        let mut alive = Alive::new(Arc::clone(&instance), reader, now, born, &mut self.readers);
        alive.undecided = self.discovery.is_undecided(id);
        alive.pod = self.pod_cgroups.join(id, &found.path);
        alive.take_name(&self.pods);
        let began = began(self.stored.as_ref(), alive.instance(), born);
        let held = alive.undecided;
        self.facts
            .found(alive.instance(), now.wall_us / 1000, began, held);
        if let Began::Stored {
            values, time_ms, ..
        } = began
        {
            alive.resume(values, time_ms, now);
        }
        if born {
            alive.read_between_ticks(now, &mut self.readers);
            alive.tell(&mut self.facts, None, self.interval_ms);
        }
        self.alive.insert(id, alive);
    }

    fn end(&mut self, id: CgroupId, now: Now) {
        if let Some(instance) = self.pod_cgroups.instance(id) {
            self.facts.pod_ended(instance);
        }
        if self.pod_cgroups.end(id) {
            return;
        }
        let Some(alive) = self.remove(id) else {
            return;
        };
        if alive.undecided {
            // It gets its row; it was no sandbox for all that is known.
            self.facts.decided(alive.instance());
        }
        self.facts.ended(alive.instance(), now.wall_us / 1000);
        self.ended.push(alive.into_subject());
    }

    fn remove(&mut self, id: CgroupId) -> Option<Alive> {
        let alive = self.alive.remove(&id)?;
        if let Some(pod) = alive.pod {
            self.pod_cgroups.leave(pod, id);
        }
        Some(alive)
    }

    fn tell_health(&mut self, now: Now) {
        let health = &self.health;
        health.identity.set_staleness(self.pods.staleness());
        let gauge = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        health.containers.set(gauge(self.alive.len()));
        health.pods.set(gauge(self.pod_cgroups.len()));
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

/// From where the counters of an instance count.
fn began<'a>(stored: Option<&'a LastRows>, instance: &Instance, born: bool) -> Began<'a> {
    let key = (instance.container_id.clone(), instance.life.clone());
    match stored.and_then(|stored| Some((stored.rows.get(&key)?, stored.last_time_ms?))) {
        Some((values, time_ms)) => Began::stored(time_ms, values),
        None if born => Began::Born,
        None => Began::Found,
    }
}

/// The kernel's log, from where an earlier recorder ended.
fn kernel_log(stored: &LastRows) -> Option<KernelLog> {
    let begin = match stored.last_time_ms {
        Some(time_ms) => kmsg::Begin::Since(time_ms),
        None => kmsg::Begin::Now,
    };
    match KernelLog::open(Path::new(kmsg::PATH), begin) {
        Ok(log) => Some(log),
        Err(error) => {
            tracing::info!("{error}");
            None
        }
    }
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}
