//! The last seconds of a container: how much memory it held, how fast that rose, and how hard
//! it was to get. Of fixed size: a steady tick allocates nothing.

use fgm_model::{Metric, Values};

/// Over how long a rise is judged.
const SPAN_MS: i64 = 10_000;
/// Readings closer together than this are not kept apart.
const APART_MS: i64 = 900;
const KEPT: usize = 12;

#[derive(Debug, Clone, Copy, Default)]
struct Moment {
    at_ms: i64,
    working_set: Option<i64>,
    psi_some_usec: Option<i64>,
    psi_full_usec: Option<i64>,
}

impl Moment {
    fn of(at_ms: i64, values: &Values) -> Self {
        Self {
            at_ms,
            working_set: values
                .get(Metric::MemoryCurrent)
                .zip(values.get(Metric::MemoryInactiveFile))
                .map(|(current, inactive)| (current - inactive).max(0)),
            psi_some_usec: values.get(Metric::MemoryPsiSomeUsec),
            psi_full_usec: values.get(Metric::MemoryPsiFullUsec),
        }
    }
}

/// The last readings.
#[derive(Debug, Clone, Default)]
pub(super) struct Recent {
    moments: [Moment; KEPT],
    /// How many were kept so far.
    count: usize,
    memory_peak: Option<i64>,
    memory_max: Option<i64>,
}

/// What the last seconds were like.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Scene {
    pub(super) working_set_bytes: Option<i64>,
    pub(super) memory_peak_bytes: Option<i64>,
    pub(super) allocation_bytes_per_s: Option<i64>,
    pub(super) psi_some_percent: Option<f64>,
    pub(super) psi_full_percent: Option<f64>,
    pub(super) memory_max_bytes: Option<i64>,
}

impl Recent {
    /// Keeps a reading.
    pub(super) fn add(&mut self, at_ms: i64, values: &Values) {
        let known = |metric, before: &mut Option<i64>| {
            if let Some(value) = values.get(metric) {
                *before = Some(value);
            }
        };
        known(Metric::MemoryPeak, &mut self.memory_peak);
        known(Metric::MemoryMax, &mut self.memory_max);
        let moment = Moment::of(at_ms, values);
        if moment.working_set.is_none() && moment.psi_full_usec.is_none() {
            return;
        }
        // The newest is replaced while the one before it is close.
        let close = self
            .back(1)
            .is_some_and(|before| at_ms - before.at_ms < APART_MS);
        if !close {
            self.count += 1;
        }
        self.moments[(self.count - 1) % KEPT] = moment;
    }

    /// The seconds before now, or before a reading that saw what happened.
    pub(super) fn scene(&self, seen: Option<(i64, &Values)>) -> Scene {
        let seen_moment = seen.map(|(at_ms, values)| Moment::of(at_ms, values));
        let newest = self.back(0).copied();
        let oldest = newest.and_then(|newest| {
            let kept = (0..KEPT).rev().filter_map(|back| self.back(back));
            kept.copied()
                .find(|moment| newest.at_ms - moment.at_ms <= SPAN_MS)
        });
        // Pressure is a sum, so the last second counts too; memory is freed by the kill.
        let pressure = |of: fn(&Moment) -> Option<i64>| {
            let oldest = oldest?;
            let mut last = [seen_moment, newest].into_iter().flatten();
            let (at_ms, usec) = last.find_map(|last| Some((last.at_ms, of(&last)?)))?;
            share(usec - of(&oldest)?, at_ms - oldest.at_ms)
        };
        let value = |metric| seen.and_then(|(_, values)| values.get(metric));
        Scene {
            working_set_bytes: newest.or(seen_moment).and_then(|moment| moment.working_set),
            memory_peak_bytes: value(Metric::MemoryPeak).or(self.memory_peak),
            allocation_bytes_per_s: oldest.zip(newest).and_then(|(oldest, newest)| {
                let elapsed_ms = newest.at_ms - oldest.at_ms;
                let rise = newest.working_set? - oldest.working_set?;
                (elapsed_ms > 0).then(|| rise.saturating_mul(1000) / elapsed_ms)
            }),
            psi_some_percent: pressure(|moment| moment.psi_some_usec),
            psi_full_percent: pressure(|moment| moment.psi_full_usec),
            memory_max_bytes: value(Metric::MemoryMax).or(self.memory_max),
        }
    }

    /// The kept reading that many before the newest.
    fn back(&self, back: usize) -> Option<&Moment> {
        let place = self.count.checked_sub(back + 1)?;
        (back < KEPT).then(|| &self.moments[place % KEPT])
    }
}

/// Microseconds of so many milliseconds in percent, to a tenth.
fn share(usec: i64, elapsed_ms: i64) -> Option<f64> {
    #[expect(clippy::cast_precision_loss, reason = "some seconds")]
    (elapsed_ms > 0 && usec >= 0).then(|| (usec as f64 / elapsed_ms as f64).round() / 10.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(current: i64, full_usec: i64) -> Values {
        let mut values = Values::default();
        values.set(Metric::MemoryCurrent, Some(current));
        values.set(Metric::MemoryInactiveFile, Some(100));
        values.set(Metric::MemoryPsiSomeUsec, Some(2 * full_usec));
        values.set(Metric::MemoryPsiFullUsec, Some(full_usec));
        values
    }

    #[test]
    fn the_last_ten_seconds_before_the_kill() {
        let mut recent = Recent::default();
        for second in 0..30 {
            // Read ten times a second: as good as once.
            for part in 0..10 {
                let values = reading(1100 + 50 * second, 100_000 * second + 10_000 * part);
                recent.add(second * 1000 + part * 100, &values);
            }
        }
        let scene = recent.scene(Some((30_000, &reading(400, 3_000_000))));
        assert_eq!(scene.working_set_bytes, Some(1000 + 50 * 29));
        let rate = scene.allocation_bytes_per_s.expect("a rate");
        assert!((45..=55).contains(&rate), "{rate}");
        assert_eq!(scene.psi_full_percent, Some(10.0));
        assert_eq!(scene.psi_some_percent, Some(20.0));
    }

    #[test]
    fn what_is_not_known_is_null() {
        assert_eq!(Recent::default().scene(None), Scene::default());
        let mut recent = Recent::default();
        recent.add(1000, &reading(600, 5));
        let scene = recent.scene(None);
        assert_eq!(scene.working_set_bytes, Some(500));
        assert_eq!(scene.allocation_bytes_per_s, None);
        assert_eq!(scene.psi_full_percent, None);
    }
}
