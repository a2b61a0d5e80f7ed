//! One instance: what is known of its beginning, its readings, its kills and its end.

use super::counter::{Counts, OomCounter};
use super::detail::{LimitChange, Termination};
use super::recent::Recent;
use super::told::Told;
use super::{Began, Reading};
use crate::identity::ContainerStatusFact;
use crate::kmsg::OomRecord;
use fgm_model::rate::max_gap_ms;
use fgm_model::throttling::{Change, Periods, Throttling};
use fgm_model::{Instance, Metric, Values};
use std::sync::Arc;

/// What a runtime writes so soon after the birth are the first limits, not a change of them.
const MAKING_MS: i64 = 3_000;

/// For so long after a kill it is looked who lived on.
pub(super) const SURVIVING_MS: i64 = 3_000;

/// The limits that are told of.
pub(super) const LIMITS: [Metric; 9] = [
    Metric::CpuQuotaUsec,
    Metric::CpuPeriodUsec,
    Metric::CpuWeight,
    Metric::MemoryMax,
    Metric::MemoryHigh,
    Metric::MemoryLow,
    Metric::MemoryMin,
    Metric::MemorySwapMax,
    Metric::PidsMax,
];

pub(super) type Limits = [Option<i64>; LIMITS.len()];

pub(super) fn limits_of(values: &Values) -> Limits {
    LIMITS.map(|metric| values.get(metric))
}

/// What `memory.events` says of OOMs; `None` when it was not read.
pub(super) fn counts_of(values: &Values) -> Option<Counts> {
    Some(Counts {
        kills: values.get(Metric::MemoryEventsOomKill)?,
        groups: values.get(Metric::MemoryEventsOomGroupKill),
        ooms: values.get(Metric::MemoryEventsOom),
    })
}

/// How an instance ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Gone {
    pub(super) time_ms: i64,
    /// While no recorder ran.
    pub(super) away: bool,
    /// Whether this is told as the event `ended`; a cgroup that could not be read any more is
    /// gone before that is told.
    pub(super) ended: bool,
}

/// What is of use only while it runs.
#[derive(Debug, Default)]
struct Running {
    limits: Option<Limits>,
    /// The counters of `cpu.stat` at that grid instant.
    periods: Option<(i64, Periods)>,
    throttling: Option<Box<Throttling>>,
}

/// What a reading told beside kills; each is told once.
#[derive(Debug, PartialEq)]
pub(super) enum News {
    Limits(Vec<LimitChange>),
    Throttling(Change),
}

/// Events of one instance that are told again with more.
#[derive(Debug, Default)]
pub(super) struct Log {
    pub(super) started: Option<Told>,
    pub(super) restarted: Option<Told>,
    pub(super) ended: Option<Told>,
    /// By ordinal.
    pub(super) kills: Vec<(i64, Option<Told>)>,
}

/// One instance.
#[derive(Debug)]
pub(super) struct Life {
    pub(super) instance: Arc<Instance>,
    pub(super) began_ms: i64,
    pub(super) born: bool,
    /// It may turn out to be a sandbox: nothing is told of it.
    pub(super) held: bool,
    /// Its beginning is to be told.
    pub(super) tells_start: bool,
    /// It was found by this recorder.
    pub(super) confirmed: bool,
    /// Something is new of it.
    pub(super) dirty: bool,
    pub(super) gone: Option<Gone>,
    pub(super) read_ms: Option<i64>,
    /// Processes at the last reading.
    processes: Option<i64>,
    /// It had processes, and at a later reading none, so that its counters are the last ones.
    /// A reading without any may also be one before the first.
    pub(super) emptied: bool,
    pub(super) counter: OomCounter,
    /// A kill that its pod's counter told of, its own being unread.
    pub(super) unread: Vec<super::counter::Kill>,
    /// Its last seconds.
    pub(super) recent: Box<Recent>,
    pub(super) status: Option<ContainerStatusFact>,
    /// An earlier recorder told of kills.
    pub(super) told_kills: bool,
    /// How it ended, as an earlier recorder told.
    pub(super) told_end: Termination,
    pub(super) records: Vec<OomRecord>,
    pub(super) log: Log,
    running: Option<Box<Running>>,
}

impl Life {
    pub(super) fn new(instance: &Arc<Instance>, began_ms: i64, began: &Began<'_>) -> Self {
        let mut running = Box::<Running>::default();
        let mut recent = Box::<Recent>::default();
        let (baseline, read_ms) = match began {
            Began::Born => (
                Some((
                    Counts {
                        groups: Some(0),
                        ooms: Some(0),
                        kills: 0,
                    },
                    None,
                )),
                None,
            ),
            Began::Found => (None, None),
            Began::Stored {
                time_ms,
                values,
                limits_known,
            } => {
                running.limits = limits_known.then(|| limits_of(values));
                recent.add(*time_ms, values);
                let counts = counts_of(values).map(|counts| (counts, Some(*time_ms)));
                (counts, Some(*time_ms))
            }
        };
        let processes = match began {
            Began::Stored { values, .. } => values.get(Metric::ProcessCount),
            Began::Born | Began::Found => None,
        };
        Self {
            instance: Arc::clone(instance),
            began_ms,
            born: matches!(began, Began::Born),
            held: false,
            tells_start: false,
            confirmed: false,
            dirty: true,
            gone: None,
            read_ms,
            processes,
            emptied: false,
            counter: OomCounter::new(baseline),
            unread: Vec::new(),
            recent,
            status: None,
            told_kills: false,
            told_end: Termination::default(),
            records: Vec::new(),
            log: Log::default(),
            running: Some(running),
        }
    }

    /// Whether that is its instance.
    pub(super) fn is(&self, instance: &Instance) -> bool {
        // Asked at each reading, nearly always with the very same.
        std::ptr::eq(&raw const *self.instance, instance)
            || (self.instance.life == instance.life
                && self.instance.container_id == instance.container_id)
    }

    /// A spell of throttling goes on that an earlier recorder told of.
    pub(super) fn resume_throttling(&mut self, started_ms: i64, last_ms: i64) {
        if let Some(running) = &mut self.running {
            running.throttling = Some(Box::new(Throttling::resume(started_ms, last_ms)));
        }
    }

    /// Takes a reading; whether anything of a kill is new.
    pub(super) fn read(
        &mut self,
        reading: Reading,
        values: &Values,
        tell: &mut impl FnMut(News),
    ) -> bool {
        let at_ms = reading.at_ms;
        let mut news = false;
        if let Some(counts) = counts_of(values) {
            let recent = &self.recent;
            news |= self
                .counter
                .read(at_ms, counts, || recent.scene(Some((at_ms, values))));
            let counted = self.counter.last_kills();
            self.unread.retain(|kill| kill.ordinal >= counted);
        }
        // Removed while it was read, its list of processes may be newer than its counters.
        if reading.whole {
            self.read_ms = Some(at_ms);
            news |= self.count_processes(at_ms, values.get(Metric::ProcessCount));
        }
        let making = self.born && at_ms - self.began_ms < MAKING_MS;
        if let Some(running) = &mut self.running {
            self.recent.add(at_ms, values);
            if reading.limits_known {
                running.judge_limits(limits_of(values), making, tell);
            }
            if let Some(tick_ms) = reading.tick_ms {
                running.judge_throttling(tick_ms, reading.interval_ms, values, tell);
            }
        }
        news
    }

    /// Takes the number of processes; whether that is news of a kill.
    fn count_processes(&mut self, at_ms: i64, processes: Option<i64>) -> bool {
        self.emptied = processes == Some(0) && (self.emptied || self.processes > Some(0));
        self.processes = processes;
        match self.counter.kills.last_mut() {
            Some(kill)
                if at_ms - kill.seen_ms <= SURVIVING_MS
                    && processes.is_some()
                    && kill.survivors != processes =>
            {
                kill.survivors = processes;
                true
            }
            _ => false,
        }
    }

    /// Notes that it cannot be read any more.
    pub(super) fn go(&mut self, gone: Gone, tell: &mut impl FnMut(News)) {
        let throttling = self.running.take().and_then(|running| running.throttling);
        if let Some(mut throttling) = throttling {
            throttling.finish(&mut |change| tell(News::Throttling(change)));
        }
        // The earlier time is nearer to the truth.
        let time_ms = self.gone.map_or(gone.time_ms, |known| known.time_ms);
        self.gone = Some(Gone { time_ms, ..gone });
    }

    /// It is there again: a cgroup that had got children has none any more.
    pub(super) fn come_back(&mut self, at_ms: i64) {
        self.gone = None;
        self.running.get_or_insert_default();
        self.began_ms = at_ms;
        self.born = false;
        self.confirmed = true;
        self.tells_start = true;
        self.dirty = true;
        self.log.started = None;
        self.log.ended = None;
    }

    /// An earlier recorder stored its last row: counters go on from there.
    pub(super) fn go_on(&mut self, began: &Began<'_>) {
        let Self {
            began_ms,
            born,
            instance,
            log,
            told_kills,
            running,
            ..
        } = std::mem::replace(
            self,
            Self::new(&Arc::clone(&self.instance), self.began_ms, began),
        );
        self.began_ms = began_ms;
        self.born = born;
        self.instance = instance;
        self.log = log;
        self.told_kills = told_kills;
        if let (Some(now), Some(before)) = (&mut self.running, running)
            && let Some(started_ms) = before.throttling.and_then(|spell| spell.started_ms())
        {
            let last_ms = self.read_ms.unwrap_or(self.began_ms);
            now.throttling = Some(Box::new(Throttling::resume(started_ms, last_ms)));
        }
    }

    /// Whether what is read now may still add to a kill.
    pub(super) fn has_fresh_kills(&self, now_ms: i64) -> bool {
        let last = self.counter.kills.last().or(self.unread.last());
        last.is_some_and(|kill| now_ms - kill.last_ms <= super::FRESH_MS)
    }

    /// Whether the kernel's record is about a process of it.
    pub(super) fn is_named_by(&self, record: &OomRecord) -> bool {
        let Instance {
            container_id,
            cgroup_path,
            life,
            ..
        } = &*self.instance;
        let path = record.task_cgroup.as_str();
        // In kind the kernel's root is above ours: the runtime's ID tells as well.
        let has_runtime_id = container_id.len() == 64 && !container_id.starts_with(life);
        path.strip_prefix(cgroup_path.as_str())
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            || (has_runtime_id && path.contains(container_id.as_str()))
    }

    /// How its main process ended.
    pub(super) fn termination(&self) -> Termination {
        match &self.status {
            Some(status) => termination_of(status),
            None => self.told_end.clone(),
        }
    }
}

pub(super) fn termination_of(status: &ContainerStatusFact) -> Termination {
    Termination {
        reason: status.reason.clone(),
        exit_code: Some(status.exit_code),
        signal: status.signal,
        started_at_ms: status.started_at_ms,
        finished_at_ms: status.finished_at_ms,
    }
}

impl Running {
    fn judge_limits(&mut self, now: Limits, making: bool, tell: &mut impl FnMut(News)) {
        let Some(before) = self.limits.replace(now) else {
            return;
        };
        if before == now || making {
            return;
        }
        let changed = LIMITS.iter().zip(before.iter().zip(now));
        let changes = changed
            .filter(|(_, (before, after))| **before != *after)
            .map(|(limit, (before, after))| LimitChange {
                limit: limit.name().to_owned(),
                before: *before,
                after,
            });
        tell(News::Limits(changes.collect()));
    }

    fn judge_throttling(
        &mut self,
        tick_ms: i64,
        interval_ms: i64,
        values: &Values,
        tell: &mut impl FnMut(News),
    ) {
        let counters = values
            .get(Metric::CpuNrPeriods)
            .zip(values.get(Metric::CpuNrThrottled))
            .zip(values.get(Metric::CpuThrottledUsec));
        let Some(((periods, throttled), throttled_usec)) = counters else {
            return;
        };
        let now = Periods {
            periods,
            throttled,
            throttled_usec,
        };
        let Some((from_ms, before)) = self.periods.replace((tick_ms, now)) else {
            return;
        };
        let increase = Periods {
            periods: now.periods - before.periods,
            throttled: now.throttled - before.throttled,
            throttled_usec: now.throttled_usec - before.throttled_usec,
        };
        if tick_ms <= from_ms {
            // The clock was set back: time begins anew.
            if let Some(mut throttling) = self.throttling.take() {
                throttling.finish(&mut |change| tell(News::Throttling(change)));
            }
            return;
        }
        // A gap, a counter that fell: the next reading begins anew.
        if tick_ms - from_ms > max_gap_ms(interval_ms)
            || increase.periods < 0
            || increase.throttled < 0
            || increase.throttled_usec < 0
        {
            return;
        }
        // Nothing is kept for one that never had a quota.
        if now.periods > 0 || self.throttling.is_some() {
            self.throttling.get_or_insert_default().add(
                from_ms,
                tick_ms,
                increase,
                &mut |change| tell(News::Throttling(change)),
            );
        }
    }
}
