//! What can be shown: every stored metric and the signals derived from several of them.

use crate::catalogue::{Category, Kind, Metric, MetricDef, Unit};
use crate::derived::{DERIVED, DerivedDef, Formula};
use crate::rate::{PER_SECOND, ReadAt, increase, rate_of, step_us};
use serde::Serialize;

/// A metric id as the API takes it: a stored metric or a derived signal.
#[derive(Debug, Clone, Copy)]
pub enum Signal {
    /// A stored column; a cumulative one is shown as its rate.
    Stored(&'static MetricDef, Metric),
    /// A signal computed from columns.
    Derived(&'static DerivedDef),
}

/// What a person is told of a signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct SignalInfo {
    /// The id.
    pub id: &'static str,
    /// The friendly name.
    pub title: &'static str,
    /// The group.
    pub category: Category,
    /// `gauge`, `counter` or `accumulated` as stored; derived signals are gauges.
    pub kind: Kind,
    /// The unit as shown: of the rate where the metric is cumulative.
    pub unit: Unit,
    /// One sentence.
    pub help: &'static str,
    /// The id of the limit it is judged against.
    pub limit: Option<&'static str>,
    /// Whether it is computed rather than stored.
    pub derived: bool,
}

/// One row as a formula sees it.
#[derive(Debug, Clone, Copy)]
pub struct Point<'a> {
    /// When it was read.
    pub at: ReadAt,
    /// The columns named by [`Signal::inputs`], in that order.
    pub inputs: &'a [Option<i64>],
}

impl Signal {
    /// No signal has more inputs.
    pub const MOST_INPUTS: usize = 3;

    /// Every signal: stored metrics in column order, then derived ones.
    pub fn all() -> impl Iterator<Item = Self> {
        Metric::ALL
            .into_iter()
            .map(|metric| Self::Stored(metric.def(), metric))
            .chain(DERIVED.iter().map(Self::Derived))
    }

    /// The signal with that id.
    #[must_use]
    pub fn from_id(id: &str) -> Option<Self> {
        Self::all().find(|signal| signal.id() == id)
    }

    /// The id.
    #[must_use]
    pub const fn id(self) -> &'static str {
        match self {
            Self::Stored(def, _) => def.name,
            Self::Derived(def) => def.name,
        }
    }

    /// What a person is told.
    #[must_use]
    pub fn info(self) -> SignalInfo {
        match self {
            Self::Stored(def, _) => SignalInfo {
                id: def.name,
                title: def.title,
                category: def.category,
                kind: def.kind,
                unit: if def.kind.is_cumulative() {
                    def.unit.per_second()
                } else {
                    def.unit
                },
                help: def.help,
                limit: def.limit.map(Metric::name),
                derived: false,
            },
            Self::Derived(def) => SignalInfo {
                id: def.name,
                title: def.title,
                category: def.category,
                kind: Kind::Gauge,
                unit: def.unit,
                help: def.help,
                limit: def.limit.map(Metric::name),
                derived: true,
            },
        }
    }

    /// The columns that [`Signal::eval`] needs, in the order of [`Point::inputs`].
    #[must_use]
    pub fn inputs(self) -> Vec<Metric> {
        match self {
            Self::Stored(_, metric) => vec![metric],
            Self::Derived(def) => match def.formula {
                Formula::PercentOfIncrease { part, whole } => vec![part, whole],
                Formula::Rate { counter, .. } => vec![counter],
                Formula::PercentOf { value, limit } => vec![value, limit],
                Formula::PercentOfCpuQuota => vec![
                    Metric::CpuUsageMillicores,
                    Metric::CpuQuotaUsec,
                    Metric::CpuPeriodUsec,
                ],
                Formula::Difference { value, part } => vec![value, part],
            },
        }
    }

    /// The scale that makes the signal of its only input's gain (see [`rate_of`]); `None` for a
    /// signal that is no such rate.
    #[must_use]
    pub const fn rate_scale(self) -> Option<f64> {
        match self {
            Self::Stored(def, _) if def.kind.is_cumulative() => Some(PER_SECOND),
            Self::Stored(..) => None,
            Self::Derived(def) => match def.formula {
                Formula::Rate { scale, .. } => Some(scale),
                _ => None,
            },
        }
    }

    /// Whether a value is made of two rows.
    #[must_use]
    pub const fn needs_earlier(self) -> bool {
        match self {
            Self::Stored(def, _) => def.kind.is_cumulative(),
            Self::Derived(def) => match def.formula {
                Formula::Rate { .. } | Formula::PercentOfIncrease { .. } => true,
                Formula::PercentOf { .. }
                | Formula::PercentOfCpuQuota
                | Formula::Difference { .. } => false,
            },
        }
    }

    /// The value at `later`, as shown: a rate where the signal is made of counters.
    ///
    /// `earlier` is the previous row of the same instance and clock epoch. `None` is "no data".
    #[must_use]
    pub fn eval(
        self,
        earlier: Option<Point<'_>>,
        later: Point<'_>,
        interval_ms: i64,
    ) -> Option<f64> {
        let now = |input: usize| later.inputs.get(input).copied().flatten();
        let gained = |input: usize| {
            let before = earlier?.inputs.get(input).copied().flatten()?;
            increase(before, now(input)?)
        };
        let step = || step_us(earlier?.at, later.at, interval_ms);
        let rate = |scale| Some(rate_of(gained(0)?, float(step()?), scale));
        match self {
            Self::Stored(def, _) if def.kind.is_cumulative() => rate(PER_SECOND),
            Self::Stored(..) => now(0).map(float),
            Self::Derived(def) => match def.formula {
                Formula::PercentOfIncrease { .. } => {
                    step()?;
                    let whole = gained(1)?;
                    (whole > 0.0).then_some(100.0 * gained(0)? / whole)
                }
                Formula::Rate { scale, .. } => rate(scale),
                Formula::PercentOf { .. } => percent(now(0)?, float(now(1)?)),
                Formula::PercentOfCpuQuota => {
                    percent(now(0)?, 1000.0 * float(now(1)?) / float(now(2)?))
                }
                Formula::Difference { .. } => Some(float(now(0)?.saturating_sub(now(1)?).max(0))),
            },
        }
    }
}

fn percent(value: i64, limit: f64) -> Option<f64> {
    (limit > 0.0).then(|| 100.0 * float(value) / limit)
}

#[expect(clippy::cast_precision_loss, reason = "display needs 53 bits at most")]
fn float(value: i64) -> f64 {
    value as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn eval(id: &str, before: &[Option<i64>], after: &[Option<i64>]) -> Option<f64> {
        let signal = Signal::from_id(id).expect("known id");
        assert_eq!(signal.inputs().len(), after.len(), "{id}");
        let at = |time_ms| ReadAt {
            time_ms,
            offset_us: 0,
        };
        let earlier = Point {
            at: at(0),
            inputs: before,
        };
        signal.eval(
            Some(earlier),
            Point {
                at: at(2000),
                inputs: after,
            },
            1000,
        )
    }

    #[test]
    fn ids_are_unique() {
        let mut ids: Vec<_> = Signal::all().map(Signal::id).collect();
        ids.sort_unstable();
        let all = ids.len();
        ids.dedup();
        assert_eq!(ids.len(), all);
    }

    #[test]
    fn no_signal_has_more_inputs() {
        let most = Signal::all().map(|signal| signal.inputs().len()).max();
        assert_eq!(most, Some(Signal::MOST_INPUTS));
    }

    #[test]
    fn formulas() {
        let some = |list: &[i64]| list.iter().copied().map(Some).collect::<Vec<_>>();
        let check = |id, before: &[i64], after: &[i64], want| {
            assert_eq!(eval(id, &some(before), &some(after)), want, "{id}");
        };
        check("memory_current", &[1], &[7], Some(7.0));
        check("io_read_bytes", &[100], &[300], Some(100.0));
        check("io_read_bytes", &[300], &[100], None);
        check("cpu_throttled_percent", &[5, 10], &[8, 20], Some(30.0));
        check("cpu_throttled_percent", &[5, 10], &[5, 10], None);
        check("cpu_throttled_ms_per_s", &[0], &[500_000], Some(250.0));
        check("cpu_psi_some_percent", &[0], &[500_000], Some(25.0));
        check(
            "cpu_percent_of_limit",
            &[0, 0, 0],
            &[100, 20_000, 100_000],
            Some(50.0),
        );
        check("cpu_percent_of_request", &[0, 0], &[100, 0], None);
        check("memory_percent_of_limit", &[0, 0], &[50, 200], Some(25.0));
        check("memory_working_set", &[0, 0], &[50, 20], Some(30.0));
        check("memory_working_set", &[0, 0], &[20, 50], Some(0.0));
    }

    #[test]
    fn a_missing_input_gives_no_data() {
        for signal in Signal::all() {
            let nothing = vec![None; signal.inputs().len()];
            assert_eq!(
                eval(signal.id(), &nothing, &nothing),
                None,
                "{}",
                signal.id()
            );
        }
    }

    #[test]
    fn what_a_person_is_told() {
        let list: Vec<_> = DERIVED
            .iter()
            .map(|def| Signal::Derived(def).info())
            .collect();
        insta::assert_json_snapshot!(list);
    }
}
