//! What a container wants to do over time, in millicores: a level, pulse trains and spikes.
//!
//! Everything is integrated over the real time between two reads, so that a spike of 200 ms
//! between two ticks is in the counters, whole and nowhere else, as on a real kernel.

use super::random::Random;

/// Rectangular pulses that come again and again.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Train {
    /// From one start to the next.
    pub(super) period_us: f64,
    /// How long each pulse lasts.
    pub(super) width_us: f64,
    /// When the first starts, relative to the epoch of all times.
    pub(super) phase_us: f64,
    /// What is wanted during a pulse, on top of the level.
    pub(super) millicores: f64,
}

impl Train {
    /// A train whose phase is random.
    pub(super) fn new(random: &mut Random, period_s: f64, duty: f64, millicores: f64) -> Self {
        Self {
            period_us: period_s * 1e6,
            width_us: period_s * 1e6 * duty,
            phase_us: random.between(0.0, period_s * 1e6),
            millicores,
        }
    }

    /// Microseconds of pulse within [from, to).
    pub(super) fn on_us(&self, from_us: i64, to_us: i64) -> f64 {
        self.on_since_epoch(to_us) - self.on_since_epoch(from_us)
    }

    fn on_since_epoch(&self, at_us: i64) -> f64 {
        let at = at_us as f64 - self.phase_us;
        let periods = (at / self.period_us).floor();
        periods * self.width_us + (at - periods * self.period_us).min(self.width_us)
    }
}

/// One pulse that comes once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Spike {
    pub(super) start_us: i64,
    pub(super) width_us: i64,
    /// Millicores, or bytes of a memory spike.
    pub(super) size: i64,
}

impl Spike {
    /// Microseconds of it within [from, to).
    pub(super) fn on_us(&self, from_us: i64, to_us: i64) -> i64 {
        let end_us = self.start_us + self.width_us;
        (end_us.min(to_us) - self.start_us.max(from_us)).max(0)
    }
}

/// Spikes that come by chance, none of them on the grid.
#[derive(Debug, Clone)]
pub(super) struct Spikes {
    per_second: f64,
    size: (f64, f64),
    next: Option<Spike>,
}

impl Spikes {
    /// So many in an hour on average, of a size between the two.
    pub(super) fn new(per_hour: f64, smallest: f64, largest: f64) -> Self {
        Self {
            per_second: per_hour / 3600.0,
            size: (smallest, largest),
            next: None,
        }
    }

    /// None at all.
    pub(super) fn none() -> Self {
        Self::new(0.0, 1.0, 1.0)
    }

    /// The spike that falls into [from, to), and whether it begins there.
    pub(super) fn within(
        &mut self,
        random: &mut Random,
        from_us: i64,
        to_us: i64,
    ) -> Option<(Spike, bool)> {
        if self.per_second <= 0.0 {
            return None;
        }
        loop {
            let spike = match self.next {
                Some(spike) => spike,
                None => *self.next.insert(Spike {
                    start_us: from_us + random.wait_us(self.per_second),
                    // Shorter than a tick of a second, and on no grid.
                    width_us: random.whole(120_000, 480_000) | 1,
                    size: random.log_between(self.size.0, self.size.1) as i64,
                }),
            };
            if spike.start_us >= to_us {
                return None;
            }
            if spike.start_us + spike.width_us <= from_us {
                self.next = None;
                continue;
            }
            if spike.start_us + spike.width_us <= to_us {
                self.next = None;
            }
            return Some((spike, spike.start_us >= from_us));
        }
    }
}

/// A part of the time between two reads in which the same is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Part {
    pub(super) us: f64,
    pub(super) millicores: f64,
}

/// The most parts that a window is cut into: the level, trains and a spike.
pub(super) const PARTS: usize = 4;

/// What a container wants of the CPU.
#[derive(Debug, Clone)]
pub(super) struct Load {
    /// Millicores between pulses.
    pub(super) level: f64,
    /// Relative deviation of the level from second to second.
    pub(super) noise: f64,
    /// Relative swing over a day.
    pub(super) daily: f64,
    /// At most two.
    pub(super) trains: Vec<Train>,
    pub(super) spikes: Spikes,
    /// The level's slow wandering, relative.
    pub(super) wander: f64,
}

impl Load {
    /// The window [from, to) in parts, and the spike that begins in it.
    ///
    /// Pulses that overlap are taken as if one came after the other: the sum is the same.
    pub(super) fn parts(
        &mut self,
        random: &mut Random,
        from_us: i64,
        to_us: i64,
    ) -> ([Part; PARTS], Option<Spike>) {
        let mut parts = [Part::default(); PARTS];
        let window = (to_us - from_us).max(0) as f64;
        self.wander = (0.98 * self.wander + 0.04 * random.normal()).clamp(-0.6, 0.6);
        let day = std::f64::consts::TAU * (to_us as f64 / 86.4e9);
        let factor = 1.0
            + self.daily * day.sin()
            + self.noise * random.normal()
            + self.noise.min(1.0) * self.wander;
        let level = self.level * factor.max(0.02);
        let mut left = window;
        for (part, train) in parts[1..].iter_mut().zip(self.trains.iter().take(2)) {
            let us = train.on_us(from_us, to_us).clamp(0.0, left);
            left -= us;
            *part = Part {
                us,
                millicores: level + train.millicores * (1.0 + 0.03 * random.normal()),
            };
        }
        let found = self.spikes.within(random, from_us, to_us);
        if let Some((spike, _)) = found {
            let us = (spike.on_us(from_us, to_us) as f64).min(left);
            left -= us;
            parts[PARTS - 1] = Part {
                us,
                millicores: level + spike.size as f64,
            };
        }
        parts[0] = Part {
            us: left,
            millicores: level,
        };
        (
            parts,
            found.filter(|(_, begins)| *begins).map(|(spike, _)| spike),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// The closed form is the sum over every microsecond.
        #[test]
        fn a_train_is_integrated_exactly(
            period in 2_u32..500, width in 1_u32..500, phase in 0_u32..500,
            from in 0_i64..5000, length in 0_i64..2000,
        ) {
            let width = width.min(period);
            let train = Train {
                period_us: f64::from(period),
                width_us: f64::from(width),
                phase_us: f64::from(phase),
                millicores: 1.0,
            };
            let naive = (from..from + length)
                .filter(|at| (at - i64::from(phase)).rem_euclid(i64::from(period)) < i64::from(width))
                .count();
            prop_assert!((train.on_us(from, from + length) - naive as f64).abs() < 1e-6);
        }

        /// However a stretch is cut into reads, each spike is found whole and begins once.
        #[test]
        fn spikes_are_whole_however_they_are_read(seed in 0_u64..1000, steps in prop::collection::vec(1_i64..3_000_000, 1..200)) {
            let mut random = Random::of(seed, 1);
            let mut spikes = Spikes::new(1800.0, 10.0, 20.0);
            let mut begun: Vec<(Spike, i64)> = Vec::new();
            let mut at = 0;
            for step in steps {
                if let Some((spike, begins)) = spikes.within(&mut random, at, at + step) {
                    if begins {
                        begun.push((spike, 0));
                    }
                    let (last, seen) = begun.last_mut().expect("it began before");
                    prop_assert_eq!(*last, spike);
                    *seen += spike.on_us(at, at + step);
                }
                at += step;
            }
            for (spike, seen) in begun {
                prop_assert_eq!(seen, spike.width_us.min(at - spike.start_us));
            }
        }
    }
}
