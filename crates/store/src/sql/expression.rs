//! A signal as an SQL expression over the steps of one life: what [`Signal::eval`] computes.

use fgm_model::derived::Formula;
use fgm_model::rate::PER_SECOND;
use fgm_model::{Metric, Signal};

/// The name of a counter's value in the row before.
pub(super) fn earlier(metric: Metric) -> String {
    format!("earlier_{}", metric.name())
}

/// The expression of a signal; `step_us` is null where no rate may be made.
pub(super) fn signal(signal: Signal) -> String {
    match signal {
        Signal::Stored(def, metric) if def.kind.is_cumulative() => rate(metric, PER_SECOND),
        Signal::Stored(def, _) => def.name.to_owned(),
        Signal::Derived(def) => match def.formula {
            Formula::PercentOfIncrease { part, whole } => format!(
                "CASE WHEN step_us IS NOT NULL AND {} AND {} > {} THEN 100.0 * ({}) / ({}) END",
                grew(part),
                whole.name(),
                earlier(whole),
                gain(part),
                gain(whole)
            ),
            Formula::Rate { counter, scale } => rate(counter, scale),
            Formula::PercentOf { value, limit } => percent(value.name(), limit.name()),
            Formula::PercentOfCpuQuota => {
                let (quota, period) = (Metric::CpuQuotaUsec.name(), Metric::CpuPeriodUsec.name());
                let limit = format!("(1000.0 * {quota} / nullif({period}, 0))");
                percent(Metric::CpuUsageMillicores.name(), &limit)
            }
            Formula::Difference { value, part } => {
                let (value, part) = (value.name(), part.name());
                format!(
                    "CASE WHEN {value} IS NOT NULL AND {part} IS NOT NULL THEN greatest({value} - {part}, 0)::DOUBLE END"
                )
            }
        },
    }
}

fn grew(metric: Metric) -> String {
    format!("{} >= {}", metric.name(), earlier(metric))
}

fn gain(metric: Metric) -> String {
    format!("{} - {}", metric.name(), earlier(metric))
}

fn rate(metric: Metric, scale: f64) -> String {
    // A floating-point literal, lest the product be too large for an integer.
    format!(
        "CASE WHEN {} THEN ({}) * {scale:e} / step_us END",
        grew(metric),
        gain(metric)
    )
}

fn percent(value: &str, limit: &str) -> String {
    format!("CASE WHEN {limit} > 0 THEN 100.0 * {value} / {limit} END")
}
