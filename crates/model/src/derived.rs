//! Signals that are computed from stored columns.
//!
//! A derived signal's id is a metric id like any other. Its formula is data, so that the reader,
//! roll-ups and SQL views all compute the same thing.

use crate::catalogue::{Category, Metric, Unit};
use crate::rate::PER_SECOND;

/// How a derived signal is computed from the stored columns.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Formula {
    /// `100 x increase(part) / increase(whole)`; null when the whole stood still.
    PercentOfIncrease {
        /// The counter of the part.
        part: Metric,
        /// The counter of the whole.
        whole: Metric,
    },
    /// `scale x increase(counter) / microseconds`.
    Rate {
        /// The counter.
        counter: Metric,
        /// What makes its unit (see [`rate_of`](crate::rate::rate_of)).
        scale: f64,
    },
    /// `100 x value / limit`, the limit being another column.
    PercentOf {
        /// The gauge.
        value: Metric,
        /// What it is judged against.
        limit: Metric,
    },
    /// `100 x cpu_usage_millicores / (1000 x quota / period)`.
    PercentOfCpuQuota,
    /// `value - part`, not below 0.
    Difference {
        /// The gauge.
        value: Metric,
        /// What is taken off.
        part: Metric,
    },
}

/// One derived signal.
#[derive(Debug, Clone, Copy)]
pub struct DerivedDef {
    /// The id everywhere.
    pub name: &'static str,
    /// What a person calls it.
    pub title: &'static str,
    /// The group it is listed under.
    pub category: Category,
    /// The unit of the result.
    pub unit: Unit,
    /// One sentence for a person.
    pub help: &'static str,
    /// The stored limit it is judged against, where it has the same unit.
    pub limit: Option<Metric>,
    /// How it is computed.
    pub formula: Formula,
}

/// Every derived signal.
pub static DERIVED: &[DerivedDef] = &[
    DerivedDef {
        name: "cpu_throttled_percent",
        title: "CPU throttled",
        category: Category::Cpu,
        unit: Unit::Percent,
        help: "Share of the quota periods in which the cgroup ran out of quota.",
        limit: None,
        formula: Formula::PercentOfIncrease {
            part: Metric::CpuNrThrottled,
            whole: Metric::CpuNrPeriods,
        },
    },
    DerivedDef {
        name: "cpu_throttled_ms_per_s",
        title: "CPU time lost to throttling",
        category: Category::Cpu,
        unit: Unit::MsPerSecond,
        help: "Time held back for lack of quota in each second, summed over CPUs.",
        limit: None,
        // Of microseconds to milliseconds.
        formula: Formula::Rate {
            counter: Metric::CpuThrottledUsec,
            scale: PER_SECOND / 1e3,
        },
    },
    DerivedDef {
        name: "cpu_percent_of_limit",
        title: "CPU of limit",
        category: Category::Cpu,
        unit: Unit::Percent,
        help: "CPU usage as a share of the quota.",
        limit: None,
        formula: Formula::PercentOfCpuQuota,
    },
    DerivedDef {
        name: "cpu_percent_of_request",
        title: "CPU of request",
        category: Category::Cpu,
        unit: Unit::Percent,
        help: "CPU usage as a share of what the pod specification requests.",
        limit: None,
        formula: Formula::PercentOf {
            value: Metric::CpuUsageMillicores,
            limit: Metric::CpuRequestMillicores,
        },
    },
    DerivedDef {
        name: "memory_working_set",
        title: "Memory working set",
        category: Category::Memory,
        unit: Unit::Bytes,
        help: "memory_current less the inactive page cache: what the kernel cannot simply drop.",
        limit: Some(Metric::MemoryMax),
        formula: Formula::Difference {
            value: Metric::MemoryCurrent,
            part: Metric::MemoryInactiveFile,
        },
    },
    DerivedDef {
        name: "memory_percent_of_limit",
        title: "Memory of limit",
        category: Category::Memory,
        unit: Unit::Percent,
        help: "memory_current as a share of memory_max.",
        limit: None,
        formula: Formula::PercentOf {
            value: Metric::MemoryCurrent,
            limit: Metric::MemoryMax,
        },
    },
    psi(
        "cpu_psi_some_percent",
        "CPU pressure, some",
        Category::Cpu,
        Metric::CpuPsiSomeUsec,
        "Share of the time in which at least one task waited for a CPU.",
    ),
    psi(
        "cpu_psi_full_percent",
        "CPU pressure, full",
        Category::Cpu,
        Metric::CpuPsiFullUsec,
        "Share of the time in which every non-idle task waited for a CPU.",
    ),
    psi(
        "memory_psi_some_percent",
        "Memory pressure, some",
        Category::Memory,
        Metric::MemoryPsiSomeUsec,
        "Share of the time in which at least one task waited for memory.",
    ),
    psi(
        "memory_psi_full_percent",
        "Memory pressure, full",
        Category::Memory,
        Metric::MemoryPsiFullUsec,
        "Share of the time in which every non-idle task waited for memory.",
    ),
    psi(
        "io_psi_some_percent",
        "I/O pressure, some",
        Category::Io,
        Metric::IoPsiSomeUsec,
        "Share of the time in which at least one task waited for I/O.",
    ),
    psi(
        "io_psi_full_percent",
        "I/O pressure, full",
        Category::Io,
        Metric::IoPsiFullUsec,
        "Share of the time in which every non-idle task waited for I/O.",
    ),
];

const fn psi(
    name: &'static str,
    title: &'static str,
    category: Category,
    total: Metric,
    help: &'static str,
) -> DerivedDef {
    DerivedDef {
        name,
        title,
        category,
        unit: Unit::Percent,
        help,
        limit: None,
        // Of microseconds in microseconds.
        formula: Formula::Rate {
            counter: total,
            scale: 100.0,
        },
    }
}
