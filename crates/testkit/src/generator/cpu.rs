//! The CPU of one container: counters that count, a quota that bites, pressure.

use super::load::{Load, Spike};
use super::random::Random;
use fgm_model::{Metric, Values};

/// The kernel's quota period, which Kubernetes leaves as it is.
pub(super) const PERIOD_US: i64 = 100_000;

/// The running totals.
#[derive(Debug, Clone, Default)]
pub(super) struct Cpu {
    user_usec: i64,
    system_usec: i64,
    pub(super) nr_periods: i64,
    pub(super) nr_throttled: i64,
    pub(super) throttled_usec: i64,
    psi_some_usec: i64,
    psi_full_usec: i64,
}

/// What one step used.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Used {
    /// CPU time.
    pub(super) usec: i64,
    /// The spike that began.
    pub(super) spike: Option<Spike>,
}

impl Cpu {
    /// The totals of a program that has run for days.
    pub(super) fn grown(random: &mut Random) -> Self {
        let usec = random.log_between(1e6, 1e12);
        Self {
            user_usec: (usec * 0.7) as i64,
            system_usec: (usec * 0.3) as i64,
            psi_some_usec: (usec * 0.01) as i64,
            psi_full_usec: (usec * 0.004) as i64,
            ..Self::default()
        }
    }

    /// CPU time so far.
    pub(super) const fn usage_usec(&self) -> i64 {
        self.user_usec + self.system_usec
    }

    /// Lets the time [from, to) pass.
    pub(super) fn step(
        &mut self,
        random: &mut Random,
        load: &mut Load,
        user_share: f64,
        limit_millicores: Option<i64>,
        (from_us, to_us): (i64, i64),
    ) -> Used {
        let window_us = (to_us - from_us).max(0);
        if load.level <= 0.0 && load.trains.is_empty() {
            return self.wake(random, limit_millicores, window_us);
        }
        let (parts, spike) = load.parts(random, from_us, to_us);
        let limit = limit_millicores.map_or(f64::INFINITY, |limit| limit as f64);
        let (mut used_us, mut held_share, mut held_us) = (0.0, 0.0, 0.0);
        for part in parts {
            let got = part.millicores.min(limit);
            used_us += part.us * got / 1000.0;
            if part.us > 0.0 && limit.is_finite() {
                let share = throttled_share(part.millicores / limit, random);
                let weight = part.us / window_us.max(1) as f64;
                held_share += weight * share;
                // Each throttled period waits for what is left of it once the quota is used up.
                let waits = (1.0 - limit / part.millicores.max(limit * 1.05)).max(0.04);
                held_us += part.us * share * waits;
            }
        }
        let usec = used_us as i64;
        self.spend(random, usec, user_share);
        if limit_millicores.is_some() {
            let periods = to_us.div_euclid(PERIOD_US) - from_us.div_euclid(PERIOD_US);
            let throttled = ((periods as f64 * held_share + random.unit()) as i64).min(periods);
            self.nr_periods += periods;
            self.nr_throttled += throttled;
            if throttled > 0 {
                self.throttled_usec += (held_us * random.between(0.9, 1.1)) as i64 + 1;
            }
        }
        let waits = (0.002 * used_us + 0.9 * held_us) * random.between(0.5, 1.5);
        let some = (waits as i64).clamp(0, window_us);
        self.psi_some_usec += some;
        self.psi_full_usec += (some as f64 * random.between(0.3, 0.8)) as i64;
        Used { usec, spike }
    }

    /// An idle program wakes now and then for a moment.
    fn wake(&mut self, random: &mut Random, limit: Option<i64>, window_us: i64) -> Used {
        let wakes = random.chance(0.25 * window_us as f64 / 1e6);
        let usec = if wakes {
            random.log_between(40.0, 1500.0) as i64
        } else {
            0
        };
        self.spend(random, usec, 0.6);
        if wakes && limit.is_some() {
            self.nr_periods += 1;
        }
        if wakes && random.chance(0.2) {
            self.psi_some_usec += random.whole(1, 60);
        }
        Used { usec, spike: None }
    }

    fn spend(&mut self, random: &mut Random, usec: i64, user_share: f64) {
        let share = (user_share + 0.04 * random.normal()).clamp(0.05, 0.98);
        let user = (usec as f64 * share) as i64;
        self.user_usec += user;
        self.system_usec += usec - user;
    }

    /// Fills in what `cpu.stat` and `cpu.pressure` say.
    pub(super) fn write(&self, values: &mut Values) {
        for (metric, value) in [
            (Metric::CpuUserUsec, self.user_usec),
            (Metric::CpuSystemUsec, self.system_usec),
            (Metric::CpuNrPeriods, self.nr_periods),
            (Metric::CpuNrThrottled, self.nr_throttled),
            (Metric::CpuThrottledUsec, self.throttled_usec),
            (Metric::CpuNrBursts, 0),
            (Metric::CpuBurstUsec, 0),
            (Metric::CpuPsiSomeUsec, self.psi_some_usec),
            (Metric::CpuPsiFullUsec, self.psi_full_usec),
        ] {
            values.set(metric, Some(value));
        }
    }
}

/// The share of periods that run out of quota when so much of it is wanted: work is never even,
/// so some do before the average reaches the quota.
fn throttled_share(of_limit: f64, random: &mut Random) -> f64 {
    let share = (of_limit - 0.75) / 0.4;
    if share <= 0.0 {
        return 0.0;
    }
    (share + 0.03 * random.normal()).clamp(0.0, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generator::load::Spikes;

    fn load(level: f64) -> Load {
        Load {
            level,
            noise: 0.0,
            daily: 0.0,
            trains: Vec::new(),
            spikes: Spikes::none(),
            wander: 0.0,
        }
    }

    #[test]
    fn a_quota_is_never_exceeded_and_bites_when_wanted_more() {
        let mut random = Random::of(1, 1);
        for (wanted, least, most) in [(50.0, 0.0, 0.0), (400.0, 0.9, 1.0)] {
            let mut cpu = Cpu::default();
            for second in 0..100 {
                let span = (second * 1_000_000, (second + 1) * 1_000_000);
                cpu.step(&mut random, &mut load(wanted), 0.7, Some(200), span);
            }
            assert!(cpu.usage_usec() <= 100 * 200_000);
            assert_eq!(cpu.nr_periods, 1000);
            let share = cpu.nr_throttled as f64 / 1000.0;
            assert!((least..=most).contains(&share), "{wanted}: {share}");
            assert_eq!(cpu.throttled_usec > 0, most > 0.0);
        }
    }
}
