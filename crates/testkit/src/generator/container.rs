//! One life of one container: its state, and the row that a read of it gives.

use super::cpu::{Cpu, PERIOD_US};
use super::load::Spike;
use super::memory::Memory;
use super::profile::{Profile, Trouble};
use super::random::Random;
use super::work::Work;
use fgm_model::rate::{ReadAt, increase, millicores, step_us};
use fgm_model::throttling::{Change, Periods, Throttling};
use fgm_model::{Instance, Metric, Row, Values};
use std::sync::Arc;

/// A running container.
#[derive(Debug)]
pub(super) struct Container {
    pub(super) instance: Arc<Instance>,
    pub(super) profile: Profile,
    random: Random,
    cpu: Cpu,
    memory: Memory,
    work: Work,
    /// Up to when time has passed for it.
    lived_us: i64,
    /// When it ends by itself.
    pub(super) ends_us: Option<i64>,
    last: Option<(ReadAt, i64)>,
    throttling: Throttling,
    fed_ms: Option<(i64, Periods)>,
    /// What the latest row says.
    pub(super) values: Values,
}

/// What happened to a container between two reads.
#[derive(Debug, Default)]
pub(super) struct Passed {
    pub(super) cpu_spike: Option<Spike>,
    pub(super) memory_spike: Option<Spike>,
    /// Killed at that moment, or one of its processes was.
    pub(super) oom: Option<Oom>,
}

/// A visit of the OOM killer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Oom {
    pub(super) at_us: i64,
    /// `memory.events oom_kill` before.
    pub(super) before: i64,
    pub(super) processes_killed: i64,
    /// Whether the container is over.
    pub(super) is_end: bool,
}

impl Container {
    /// A life that began at that moment, or long before the data do.
    pub(super) fn new(
        instance: Arc<Instance>,
        profile: Profile,
        mut random: Random,
        born_us: i64,
        fresh: bool,
    ) -> Self {
        let memory = Memory::new(&mut random, &profile, fresh);
        let ends_us = profile
            .life_s
            .map(|(least, most)| born_us + (random.log_between(least, most) * 1e6) as i64);
        Self {
            instance,
            profile,
            cpu: if fresh {
                Cpu::default()
            } else {
                Cpu::grown(&mut random)
            },
            memory,
            work: Work::default(),
            random,
            lived_us: born_us,
            ends_us,
            last: None,
            throttling: Throttling::default(),
            fed_ms: None,
            values: Values::default(),
        }
    }

    /// Lets time pass up to that moment, or to that of an OOM kill that ends the container.
    pub(super) fn live(&mut self, to_us: i64) -> Passed {
        let span = (self.lived_us, to_us.max(self.lived_us));
        let profile = &mut self.profile;
        let used = self.cpu.step(
            &mut self.random,
            &mut profile.load,
            profile.user_share,
            profile.cpu_limit_millicores,
            span,
        );
        let seconds = (span.1 - span.0) as f64 / 1e6;
        let bytes = self
            .work
            .step(&mut self.random, profile, seconds, used.usec);
        let grown = self
            .memory
            .step(&mut self.random, profile, span, (used.usec, bytes));
        self.lived_us = span.1;
        let oom = grown
            .out_of_memory_us
            .map(|at_us| self.out_of_memory(at_us));
        Passed {
            cpu_spike: used.spike,
            memory_spike: grown.spike,
            oom,
        }
    }

    fn out_of_memory(&mut self, at_us: i64) -> Oom {
        let before = self.memory.oom_kill;
        let processes = self.work.processes().max(1);
        let is_end = self.profile.trouble != Trouble::WorkerKilled;
        let processes_killed = if is_end && processes > 1 {
            self.memory.kill(processes, true);
            processes
        } else if is_end {
            self.memory.kill(1, false);
            1
        } else {
            let share = self.random.between(0.7, 0.95);
            self.memory.kill_worker(share);
            1
        };
        if is_end {
            self.lived_us = at_us;
        }
        Oom {
            at_us,
            before,
            processes_killed,
            is_end,
        }
    }

    /// The row of a read at the moment up to which it lived.
    pub(super) fn row(&mut self, time_ms: i64, interval_ms: i64) -> Row {
        let at = ReadAt {
            time_ms,
            offset_us: self.lived_us - time_ms * 1000,
        };
        let values = &mut self.values;
        self.cpu.write(values);
        self.memory.write(values, &self.profile, self.lived_us);
        self.work.write(values);
        let usage_usec = self.cpu.usage_usec();
        let millicores = self.last.and_then(|(last, before_usec)| {
            let step_us = step_us(last, at, interval_ms)?;
            Some(millicores(increase(before_usec, usage_usec)?, step_us))
        });
        values.set(Metric::CpuUsageMillicores, millicores);
        self.last = Some((at, usage_usec));
        let profile = &self.profile;
        let quota = profile
            .cpu_limit_millicores
            .map(|limit| limit * PERIOD_US / 1000);
        let weight = profile
            .cpu_request_millicores
            .map_or(1, |request| (request * 39 / 1000).max(1));
        for (metric, value) in [
            (Metric::CpuQuotaUsec, quota),
            (Metric::CpuPeriodUsec, Some(PERIOD_US)),
            (Metric::CpuWeight, Some(weight)),
            (Metric::MemoryMax, profile.memory_limit),
            (Metric::MemoryLow, Some(0)),
            (Metric::MemoryMin, Some(0)),
            (Metric::MemorySwapMax, Some(0)),
            (Metric::PidsMax, Some(4915)),
            (Metric::CpuRequestMillicores, profile.cpu_request_millicores),
            (Metric::MemoryRequest, profile.memory_request),
        ] {
            values.set(metric, value);
        }
        Row {
            instance: Arc::clone(&self.instance),
            read_offset_us: at.offset_us,
            limits_known: true,
            values: values.clone(),
        }
    }

    /// Feeds the definition of throttling with the row of that tick.
    pub(super) fn judge(&mut self, time_ms: i64, interval_ms: i64, tell: &mut impl FnMut(Change)) {
        if self.profile.cpu_limit_millicores.is_none() {
            return;
        }
        let now = Periods {
            periods: self.cpu.nr_periods,
            throttled: self.cpu.nr_throttled,
            throttled_usec: self.cpu.throttled_usec,
        };
        if let Some((from_ms, before)) = self.fed_ms
            && time_ms - from_ms <= fgm_model::rate::max_gap_ms(interval_ms)
        {
            let increase = Periods {
                periods: now.periods - before.periods,
                throttled: now.throttled - before.throttled,
                throttled_usec: now.throttled_usec - before.throttled_usec,
            };
            self.throttling.add(from_ms, time_ms, increase, tell);
        }
        self.fed_ms = Some((time_ms, now));
    }

    /// Nothing more comes: what was throttled is over.
    pub(super) fn finish(&mut self, tell: &mut impl FnMut(Change)) {
        self.throttling.finish(tell);
    }

    /// CPU time, periods, throttled periods and throttled time of this life.
    pub(super) const fn totals(&self) -> (i64, Periods) {
        let periods = Periods {
            periods: self.cpu.nr_periods,
            throttled: self.cpu.nr_throttled,
            throttled_usec: self.cpu.throttled_usec,
        };
        (self.cpu.usage_usec(), periods)
    }

    /// `memory.current` and `memory.peak`.
    pub(super) const fn memory(&self) -> (i64, i64) {
        (self.memory.current(), self.memory.peak())
    }
}
