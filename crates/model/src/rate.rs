//! Rates, defined once for the reader, SQL and roll-ups (DATA.md section 2, "Rates").

/// The longest gap between the `time`s of two rows over which a rate is still made, in
/// milliseconds: `max(3 s, 3 intervals)`.
#[must_use]
pub const fn max_gap_ms(interval_ms: i64) -> i64 {
    if interval_ms > 1000 {
        3 * interval_ms
    } else {
        3000
    }
}

/// When a row was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReadAt {
    /// The row's `time`, milliseconds UTC.
    pub time_ms: i64,
    /// The row's `read_offset_us`.
    pub offset_us: i64,
}

/// The microseconds between two reads, if a rate may be made over them.
///
/// The gap is judged by the rows' grid times and measured by the real reads.
#[inline]
#[must_use]
pub fn step_us(earlier: ReadAt, later: ReadAt, interval_ms: i64) -> Option<i64> {
    let gap_ms = later.time_ms.checked_sub(earlier.time_ms)?;
    if gap_ms <= 0 || gap_ms > max_gap_ms(interval_ms) {
        return None;
    }
    let elapsed_us = (gap_ms * 1000)
        .checked_add(later.offset_us)?
        .checked_sub(earlier.offset_us)?;
    (elapsed_us > 0).then_some(elapsed_us)
}

/// The increase of a counter between two rows; `None` when it fell (a reset).
#[must_use]
pub fn increase(earlier: i64, later: i64) -> Option<f64> {
    let increase = later.checked_sub(earlier)?;
    #[expect(clippy::cast_precision_loss, reason = "an increase, not a total")]
    (increase >= 0).then_some(increase as f64)
}

/// The scale of a rate per second, there being so many microseconds in one.
pub const PER_SECOND: f64 = 1e6;

/// `scale x gained / step_us`: a gain over a step of that many microseconds as a rate, in the unit
/// that the scale gives it.
///
/// One division: of a rate's arithmetic it takes the most time.
#[inline]
#[must_use]
pub const fn rate_of(gained: f64, step_us: f64, scale: f64) -> f64 {
    gained * scale / step_us
}

/// `cpu_usage_millicores`: CPU time gained over a step, rounded to thousandths of a CPU.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "rounded by intent, casts saturate; a few seconds in microseconds"
)]
#[must_use]
pub fn millicores(gained_usec: f64, step_us: i64) -> i64 {
    rate_of(gained_usec, step_us as f64, 1e3).round() as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(time_ms: i64, offset_us: i64) -> ReadAt {
        ReadAt { time_ms, offset_us }
    }

    #[test]
    fn real_read_times_make_the_rate() {
        let step_us = step_us(at(0, 100), at(1000, 200_100), 1000);
        assert_eq!(step_us, Some(1_200_000));
        assert_eq!(rate_of(6.0, 1_200_000.0, PER_SECOND), 5.0);
    }

    #[test]
    fn a_long_gap_gives_no_rate() {
        assert!(step_us(at(0, 0), at(3000, 9), 1000).is_some());
        assert_eq!(step_us(at(0, 0), at(4000, 0), 1000), None);
        assert!(step_us(at(0, 0), at(180_000, 0), 60_000).is_some());
        assert_eq!(step_us(at(0, 0), at(180_001, 0), 60_000), None);
    }

    #[test]
    fn time_that_stands_or_runs_back_gives_no_rate() {
        assert_eq!(step_us(at(1000, 0), at(1000, 5), 1000), None);
        assert_eq!(step_us(at(1000, 0), at(0, 0), 1000), None);
        assert_eq!(step_us(at(0, 2_000_000), at(1000, 0), 1000), None);
        assert_eq!(step_us(at(0, i64::MIN), at(1000, i64::MAX), 1000), None);
    }

    #[test]
    fn millicores_are_rounded() {
        assert_eq!(millicores(300_000.0, 1_500_000), 200);
        assert_eq!(millicores(1499.0, 1_000_000), 1);
        assert_eq!(millicores(1500.0, 1_000_000), 2);
    }

    #[test]
    fn a_counter_that_fell_was_reset() {
        assert_eq!(increase(5, 7), Some(2.0));
        assert_eq!(increase(7, 5), None);
        assert_eq!(increase(i64::MIN, i64::MAX), None);
    }
}
