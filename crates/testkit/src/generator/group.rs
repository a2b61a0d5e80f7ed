//! Sums: the rows of a pod's cgroup and of the node, made of the containers' own.
//!
//! A cgroup keeps the totals of children that are gone, so a counter of a pod never falls.

use super::random::Random;
use fgm_model::rate::{ReadAt, increase, millicores, step_us};
use fgm_model::{Instance, Metric, Row, Values};
use std::sync::Arc;

/// Waiting of several containers at a time is waited once: pressure is no sum.
const PRESSURE: [Metric; 6] = [
    Metric::CpuPsiSomeUsec,
    Metric::CpuPsiFullUsec,
    Metric::MemoryPsiSomeUsec,
    Metric::MemoryPsiFullUsec,
    Metric::IoPsiSomeUsec,
    Metric::IoPsiFullUsec,
];

/// What is the same in all children, or has no sum.
const NOT_SUMMED: [Metric; 5] = [
    Metric::CpuPeriodUsec,
    Metric::CpuWeight,
    Metric::CpuUsageMillicores,
    Metric::MemoryPeak,
    Metric::MemoryPssAgeMs,
];

/// A cgroup above containers.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) instance: Arc<Instance>,
    /// Totals of children that are gone.
    ended: Values,
    pressure: [i64; PRESSURE.len()],
    peak: i64,
    network: Option<Network>,
    last: Option<(ReadAt, i64)>,
}

/// The network counters of a pod or the node.
#[derive(Debug, Clone, Default)]
pub(super) struct Network {
    bytes_per_cpu_us: f64,
    rx: [i64; 4],
    tx: [i64; 4],
}

impl Network {
    pub(super) fn new(random: &mut Random) -> Self {
        Self {
            bytes_per_cpu_us: random.log_between(0.05, 20.0),
            ..Self::default()
        }
    }

    fn step(&mut self, random: &mut Random, used_usec: i64) {
        if used_usec <= 0 {
            return;
        }
        let bytes = used_usec as f64 * self.bytes_per_cpu_us;
        for (counters, share) in [(&mut self.rx, 1.0), (&mut self.tx, 0.6)] {
            let bytes = (bytes * share * random.between(0.5, 1.5)) as i64;
            counters[0] += bytes;
            counters[1] += bytes / 700 + 1;
            counters[3] += i64::from(random.chance(0.0005));
        }
    }
}

/// The children's numbers of one tick, added up.
#[derive(Debug, Default)]
pub(super) struct Sum {
    values: Values,
    pressure: [i64; PRESSURE.len()],
    children: usize,
    unknown: [bool; ALL_OR_NONE.len()],
    used_usec: i64,
}

/// A limit of all is none when one has none; a count is unknown when one's is.
const ALL_OR_NONE: [Metric; 5] = [
    Metric::CpuQuotaUsec,
    Metric::MemoryMax,
    Metric::PidsMax,
    Metric::ContextSwitchesVoluntary,
    Metric::ContextSwitchesInvoluntary,
];
/// The first of them are limits.
const LIMITS: usize = 3;

impl Sum {
    /// Adds a child: what it read last, and what it had read before.
    pub(super) fn add(&mut self, before: &Values, now: &Values) {
        self.children += 1;
        for metric in Metric::ALL {
            let Some(value) = now.get(metric) else {
                continue;
            };
            let sum = self.values.get(metric).unwrap_or(0);
            self.values.set(metric, Some(sum + value));
        }
        for (unknown, metric) in self.unknown.iter_mut().zip(ALL_OR_NONE) {
            *unknown |= now.get(metric).is_none();
        }
        for (gained, metric) in self.pressure.iter_mut().zip(PRESSURE) {
            let gain = now.get(metric).unwrap_or(0) - before.get(metric).unwrap_or(0);
            *gained = (*gained).max(gain);
        }
        for metric in [Metric::CpuUserUsec, Metric::CpuSystemUsec] {
            self.used_usec += now.get(metric).unwrap_or(0) - before.get(metric).unwrap_or(0);
        }
    }
}

impl Group {
    pub(super) fn new(instance: Arc<Instance>, network: Network) -> Self {
        Self {
            instance,
            ended: Values::default(),
            pressure: [0; PRESSURE.len()],
            peak: 0,
            network: Some(network),
            last: None,
        }
    }

    /// A child is gone; its totals stay.
    pub(super) fn keep(&mut self, child: &Values) {
        for metric in Metric::ALL {
            if metric.def().kind.is_cumulative()
                && let Some(value) = child.get(metric)
            {
                let sum = self.ended.get(metric).unwrap_or(0);
                self.ended.set(metric, Some(sum + value));
            }
        }
    }

    /// The row of this tick.
    pub(super) fn row(
        &mut self,
        random: &mut Random,
        sum: &Sum,
        (time_ms, offset_us): (i64, i64),
        interval_ms: i64,
        limited: bool,
    ) -> Row {
        let mut values = sum.values.clone();
        for metric in Metric::ALL {
            if let Some(ended) = self.ended.get(metric) {
                let live = values.get(metric).unwrap_or(0);
                values.set(metric, Some(live + ended));
            }
        }
        for metric in NOT_SUMMED {
            values.set(metric, None);
        }
        if sum.children == 0 {
            // Between two lives of its containers a pod is there and holds nothing.
            values.set(Metric::MemoryCurrent, Some(0));
            values.set(Metric::ProcessCount, Some(0));
        }
        for (place, (unknown, metric)) in sum.unknown.iter().zip(ALL_OR_NONE).enumerate() {
            if *unknown || (place < LIMITS && !limited) {
                values.set(metric, None);
            }
        }
        for ((total, gained), metric) in self.pressure.iter_mut().zip(sum.pressure).zip(PRESSURE) {
            *total += gained;
            values.set(metric, Some(*total));
        }
        let current = values.get(Metric::MemoryCurrent).unwrap_or(0);
        self.peak = self.peak.max(current);
        values.set(Metric::MemoryPeak, Some(self.peak));
        values.set(Metric::CpuPeriodUsec, Some(super::cpu::PERIOD_US));
        self.network(random, sum.used_usec, &mut values);
        let at = ReadAt { time_ms, offset_us };
        let usage = values.get(Metric::CpuUserUsec).unwrap_or(0)
            + values.get(Metric::CpuSystemUsec).unwrap_or(0);
        let millicores = self.last.and_then(|(last, before)| {
            let step_us = step_us(last, at, interval_ms)?;
            Some(millicores(increase(before, usage)?, step_us))
        });
        values.set(Metric::CpuUsageMillicores, millicores);
        self.last = Some((at, usage));
        Row {
            instance: Arc::clone(&self.instance),
            read_offset_us: offset_us,
            limits_known: true,
            values,
        }
    }

    fn network(&mut self, random: &mut Random, used_usec: i64, values: &mut Values) {
        let Some(network) = &mut self.network else {
            return;
        };
        network.step(random, used_usec);
        let metrics = [
            [
                Metric::NetworkRxBytes,
                Metric::NetworkRxPackets,
                Metric::NetworkRxErrors,
                Metric::NetworkRxDrops,
            ],
            [
                Metric::NetworkTxBytes,
                Metric::NetworkTxPackets,
                Metric::NetworkTxErrors,
                Metric::NetworkTxDrops,
            ],
        ];
        for (metrics, counters) in metrics.iter().zip([network.rx, network.tx]) {
            for (metric, counter) in metrics.iter().zip(counters) {
                values.set(*metric, Some(counter));
            }
        }
    }
}
