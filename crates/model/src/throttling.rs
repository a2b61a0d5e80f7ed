//! When CPU throttling began and ended: the definition of the finding `cpu_throttling`.
//!
//! A container is throttled while, over the last 60 s, at least 10 % of its scheduling periods
//! were throttled and there were at least 100 of them. Spells less than 30 s apart are one. A
//! spell begins and ends with a throttled second, so both are known only later. A gap in the
//! readings breaks the 60 s, but not a spell that goes on within 30 s.
//!
//! The recorder feeds it reading by reading, an analysis the stored increases: both tell the
//! same spells. A pure state machine of fixed size; it allocates nothing.

/// Seconds that are judged together.
pub const WINDOW_S: i64 = 60;
/// The share of throttled periods from which on it is throttling, in percent.
pub const LEAST_PERCENT: i64 = 10;
/// Fewer periods than this in the window say nothing.
pub const LEAST_PERIODS: i64 = 100;
/// Spells with less between them are one.
pub const MERGE_S: i64 = 30;

const SLOTS: usize = 60;

/// The increase of the counters of `cpu.stat` over some time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Periods {
    /// `nr_periods`.
    pub periods: i64,
    /// `nr_throttled`.
    pub throttled: i64,
    /// `throttled_usec`.
    pub throttled_usec: i64,
}

impl Periods {
    const fn plus(self, other: Self) -> Self {
        Self {
            periods: self.periods.saturating_add(other.periods),
            throttled: self.throttled.saturating_add(other.throttled),
            throttled_usec: self.throttled_usec.saturating_add(other.throttled_usec),
        }
    }

    const fn minus(self, other: Self) -> Self {
        Self {
            periods: self.periods.saturating_sub(other.periods),
            throttled: self.throttled.saturating_sub(other.throttled),
            throttled_usec: self.throttled_usec.saturating_sub(other.throttled_usec),
        }
    }

    /// The part of one of so many seconds; all parts together are the whole.
    const fn share(self, number: i64, seconds: i64) -> Self {
        const fn up_to(value: i64, number: i64, seconds: i64) -> i64 {
            value / seconds * number + value % seconds * number / seconds
        }
        const fn part(value: i64, number: i64, seconds: i64) -> i64 {
            up_to(value, number, seconds) - up_to(value, number - 1, seconds)
        }
        Self {
            periods: part(self.periods, number, seconds),
            throttled: part(self.throttled, number, seconds),
            throttled_usec: part(self.throttled_usec, number, seconds),
        }
    }

    /// The share of throttled periods; `None` without a period.
    #[must_use]
    pub fn percent(self) -> Option<f64> {
        #[expect(clippy::cast_precision_loss, reason = "counts of periods")]
        (self.periods > 0).then(|| self.throttled as f64 * 100.0 / self.periods as f64)
    }

    const fn is_throttling(self) -> bool {
        self.periods >= LEAST_PERIODS
            && self.throttled.saturating_mul(100) >= self.periods.saturating_mul(LEAST_PERCENT)
    }
}

/// What became known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// A spell began.
    Started {
        /// The end of its first throttled second, milliseconds UTC.
        time_ms: i64,
        /// The sums over the window by which it is known.
        window: Periods,
    },
    /// A spell ended.
    Ended {
        /// The end of its first throttled second, milliseconds UTC.
        started_ms: i64,
        /// The end of its last throttled second, milliseconds UTC.
        time_ms: i64,
        /// The sums from the first to the last throttled second; `None` when the beginning was
        /// not seen by this machine.
        total: Option<Periods>,
    },
}

#[derive(Debug, Clone, Copy)]
struct Spell {
    first_s: i64,
    /// The last throttled second that is known to belong to it.
    last_s: i64,
    /// The sums up to it.
    total: Option<Periods>,
    /// The sums after it, up to the latest throttled second.
    pending: Periods,
    /// The sums after that.
    quiet: Periods,
}

/// Follows one container.
#[derive(Debug, Clone)]
pub struct Throttling {
    /// The closed seconds by their number modulo the window.
    seconds: [Periods; SLOTS],
    sum: Periods,
    /// The first second without a gap up to now, and the last closed one.
    covered: Option<(i64, i64)>,
    /// The second that is not over yet, and its readings so far.
    open: Option<(i64, Periods)>,
    /// The end of the last reading.
    read_ms: Option<i64>,
    /// The latest closed second that was throttled.
    latest_s: i64,
    spell: Option<Spell>,
}

impl Default for Throttling {
    fn default() -> Self {
        Self {
            seconds: [Periods::default(); SLOTS],
            sum: Periods::default(),
            covered: None,
            open: None,
            read_ms: None,
            latest_s: i64::MIN,
            spell: None,
        }
    }
}

impl Throttling {
    /// In the middle of a spell that an earlier machine told of; `last_ms` is the last moment
    /// that it had seen.
    #[must_use]
    pub fn resume(started_ms: i64, last_ms: i64) -> Self {
        Self {
            spell: Some(Spell {
                first_s: second_of(started_ms),
                last_s: second_of(last_ms.max(started_ms)),
                total: None,
                pending: Periods::default(),
                quiet: Periods::default(),
            }),
            ..Self::default()
        }
    }

    /// When the spell that is told as started, and not as ended, began.
    #[must_use]
    pub fn started_ms(&self) -> Option<i64> {
        self.spell.map(|spell| spell.first_s * 1000)
    }

    /// Whether a spell is told as started and not as ended.
    #[must_use]
    pub const fn is_throttled(&self) -> bool {
        self.spell.is_some()
    }

    /// Takes the increase between two readings, in the order of time. Where `from_ms` is not
    /// the end of the last one there is a gap (too long for a rate, or a reset).
    pub fn add(
        &mut self,
        from_ms: i64,
        to_ms: i64,
        increase: Periods,
        tell: &mut impl FnMut(Change),
    ) {
        if to_ms <= from_ms || self.read_ms.is_some_and(|read_ms| to_ms <= read_ms) {
            return;
        }
        if self.read_ms != Some(from_ms) {
            if let Some((open_s, periods)) = self.open.take() {
                self.close(open_s, periods, tell);
            }
            self.forget_window();
        }
        self.read_ms = Some(to_ms);
        // A reading of several seconds counts evenly for each of them.
        let (before, last) = (second_of(from_ms), second_of(to_ms));
        let seconds = (last - before).max(1);
        for number in 1..=seconds {
            let share = increase.share(number, seconds);
            self.add_to(last - seconds + number, before, share, tell);
        }
        if to_ms.rem_euclid(1000) == 0
            && let Some((open_s, periods)) = self.open.take()
        {
            self.close(open_s, periods, tell);
        }
    }

    fn add_to(&mut self, second: i64, before: i64, share: Periods, tell: &mut impl FnMut(Change)) {
        match &mut self.open {
            Some((open_s, periods)) if *open_s == second => *periods = periods.plus(share),
            Some((open_s, periods)) => {
                let (open_s, periods) = (*open_s, *periods);
                self.close(open_s, periods, tell);
                self.open = Some((second, share));
            }
            None => {
                if self.covered.is_none() {
                    self.covered = Some((before + 1, before));
                }
                self.open = Some((second, share));
            }
        }
    }

    /// The container ended, or the series: what was not over is.
    pub fn finish(&mut self, tell: &mut impl FnMut(Change)) {
        if let Some((open_s, periods)) = self.open.take() {
            self.close(open_s, periods, tell);
        }
        self.end_spell(tell);
    }

    fn forget_window(&mut self) {
        self.seconds = [Periods::default(); SLOTS];
        self.sum = Periods::default();
        self.covered = None;
    }

    fn close(&mut self, second: i64, periods: Periods, tell: &mut impl FnMut(Change)) {
        let (first_s, last_s) = self.covered.unwrap_or((second, second - 1));
        for passed in (last_s + 1..=second).rev().take(SLOTS) {
            self.put(passed, Periods::default());
        }
        self.put(second, periods);
        self.covered = Some((first_s, second));
        if periods.throttled > 0 {
            self.latest_s = second;
        }
        if let Some(spell) = &mut self.spell {
            spell.quiet = spell.quiet.plus(periods);
            if periods.throttled > 0 {
                spell.pending = spell.pending.plus(spell.quiet);
                spell.quiet = Periods::default();
            }
        }
        let judged = second - first_s + 1 >= WINDOW_S && self.sum.is_throttling();
        if self.is_over(second, judged) {
            self.end_spell(tell);
        }
        if !judged {
            return;
        }
        if let Some(spell) = &mut self.spell {
            spell.last_s = self.latest_s;
            spell.total = spell.total.map(|total| total.plus(spell.pending));
            spell.pending = Periods::default();
            return;
        }
        let Some(first_throttled_s) = self.first_throttled(second, WINDOW_S) else {
            return;
        };
        let sum = |from: i64, to: i64| {
            (from..=to).fold(Periods::default(), |sum, at| sum.plus(self.at(at)))
        };
        self.spell = Some(Spell {
            first_s: first_throttled_s,
            last_s: self.latest_s,
            total: Some(sum(first_throttled_s, self.latest_s)),
            pending: Periods::default(),
            quiet: sum(self.latest_s + 1, second),
        });
        tell(Change::Started {
            time_ms: first_throttled_s * 1000,
            window: self.sum,
        });
    }

    /// Whether nothing that may still come belongs to the spell.
    fn is_over(&self, second: i64, judged: bool) -> bool {
        let Some(spell) = &self.spell else {
            return false;
        };
        // A window that is throttling now is judged with its oldest second, a later one without.
        let seconds = if judged { WINDOW_S } else { WINDOW_S - 1 };
        match self.first_throttled(second, seconds) {
            Some(first_s) => first_s >= spell.last_s.saturating_add(MERGE_S),
            None => second >= spell.last_s.saturating_add(MERGE_S - 1),
        }
    }

    fn end_spell(&mut self, tell: &mut impl FnMut(Change)) {
        if let Some(spell) = self.spell.take() {
            tell(Change::Ended {
                started_ms: spell.first_s * 1000,
                time_ms: spell.last_s * 1000,
                total: spell.total,
            });
        }
    }

    /// The first throttled one of the last `seconds` closed seconds.
    fn first_throttled(&self, second: i64, seconds: i64) -> Option<i64> {
        (second - seconds + 1..=second).find(|at| self.at(*at).throttled > 0)
    }

    fn put(&mut self, second: i64, periods: Periods) {
        let slot = slot(second);
        self.sum = self.sum.minus(self.seconds[slot]).plus(periods);
        self.seconds[slot] = periods;
    }

    const fn at(&self, second: i64) -> Periods {
        self.seconds[slot(second)]
    }
}

/// The second that a reading up to that moment lies in, named by its end.
const fn second_of(time_ms: i64) -> i64 {
    time_ms.div_euclid(1000) + (time_ms.rem_euclid(1000) != 0) as i64
}

#[expect(clippy::cast_possible_truncation, reason = "below the window")]
const fn slot(second: i64) -> usize {
    second.rem_euclid(WINDOW_S) as usize
}

#[cfg(test)]
mod tests;
