//! Roll-ups: what a minute and ten minutes keep of each signal (DATA.md section 4).
//!
//! A row is a partial aggregate of one instance in one bucket. A gauge keeps its extremes, sum,
//! count and last value; a cumulative metric its first and last value, its increase, and the
//! extremes of its *rate*: the extremes of a raw counter say nothing, and a spike of one second
//! must survive every level. Derived signals are kept like gauges.

use crate::catalogue::Table;
use crate::schema::{column, time_type};
use crate::signal::Signal;
use arrow::datatypes::{DataType, Field, Schema};
use serde::Serialize;

/// How much time a row stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Resolution {
    /// A row per tick.
    Raw,
    /// A row per minute.
    S60,
    /// A row per ten minutes.
    S600,
}

impl Resolution {
    /// The roll-ups, finest first. Their buckets divide an hour.
    pub const ROLL_UPS: [Self; 2] = [Self::S60, Self::S600];

    /// The length of a bucket; `None` for rows per tick.
    #[must_use]
    pub const fn bucket_ms(self) -> Option<i64> {
        match self {
            Self::Raw => None,
            Self::S60 => Some(60_000),
            Self::S600 => Some(600_000),
        }
    }

    /// The name of the directory of that table at this resolution, as `metrics_60s`.
    #[must_use]
    pub const fn directory(self, table: Table) -> &'static str {
        match (self, table) {
            (Self::S60, Table::Metrics) => "metrics_60s",
            (Self::S60, Table::Pods) => "pods_60s",
            (Self::S60, Table::Node) => "node_60s",
            (Self::S60, Table::Events) => "events_60s",
            (Self::S600, Table::Metrics) => "metrics_600s",
            (Self::S600, Table::Pods) => "pods_600s",
            (Self::S600, Table::Node) => "node_600s",
            (Self::S600, Table::Events) => "events_600s",
            (Self::Raw, table) => table.as_str(),
        }
    }
}

/// The roll-ups that a table has: events are kept as they are.
#[must_use]
pub const fn roll_ups_of(table: Table) -> &'static [Resolution] {
    match table {
        Table::Metrics | Table::Pods | Table::Node => &Resolution::ROLL_UPS,
        Table::Events => &[],
    }
}

/// Names of the columns of a roll-up that raw rows do not have.
pub mod roll_up_column {
    /// The `time` of the first row in the bucket.
    pub const FIRST_TIME: &str = "first_time";
    /// The `time` of the last row in the bucket.
    pub const LAST_TIME: &str = "last_time";
    /// Raw rows in the bucket.
    pub const ROWS: &str = "rows";
    /// The time over which increases were taken, microseconds: the sum of the real times from
    /// each row to the one before it. An average rate is increase / this.
    pub const INCREASE_TIME_US: &str = "increase_time_us";
}

/// One number that a bucket keeps of a signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Statistic {
    /// The lowest value, or rate.
    Min,
    /// The highest value, or rate.
    Max,
    /// The sum of the values, or rates.
    Sum,
    /// How many values, or rates, there are.
    Count,
    /// The first known value of a cumulative metric.
    First,
    /// The last known value.
    Last,
    /// The sum of the positive differences between successive values.
    Increase,
}

impl Statistic {
    /// What stands after the two underscores.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Min => "min",
            Self::Max => "max",
            Self::Sum => "sum",
            Self::Count => "count",
            Self::First => "first",
            Self::Last => "last",
            Self::Increase => "increase",
        }
    }
}

/// How a signal is rolled up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// A stored gauge: integers.
    Gauge,
    /// A counter or accumulated total: integers, and its rate in floats.
    Cumulative,
    /// A derived signal: floats.
    Derived,
}

impl Rule {
    /// The rule of a signal.
    #[must_use]
    pub const fn of(signal: Signal) -> Self {
        match signal {
            Signal::Stored(def, _) if def.kind.is_cumulative() => Self::Cumulative,
            Signal::Stored(..) => Self::Gauge,
            Signal::Derived(_) => Self::Derived,
        }
    }

    /// What is kept, in column order.
    #[must_use]
    pub const fn statistics(self) -> &'static [Statistic] {
        use Statistic::{Count, First, Increase, Last, Max, Min, Sum};
        match self {
            Self::Gauge | Self::Derived => &[Min, Max, Sum, Count, Last],
            Self::Cumulative => &[Min, Max, Sum, Count, First, Last, Increase],
        }
    }

    /// The type of one of its columns.
    #[must_use]
    pub const fn data_type(self, statistic: Statistic) -> DataType {
        match (self, statistic) {
            (_, Statistic::Count) | (Self::Gauge, _) => DataType::Int64,
            (Self::Cumulative, Statistic::First | Statistic::Last | Statistic::Increase) => {
                DataType::Int64
            }
            _ => DataType::Float64,
        }
    }
}

/// The signals of a table's roll-ups, in column order.
pub fn signals(table: Table) -> impl Iterator<Item = Signal> {
    Signal::all().filter(move |signal| signal.inputs().iter().all(|metric| metric.is_in(table)))
}

/// `<metric>__<statistic>`.
#[must_use]
pub fn column_name(signal: Signal, statistic: Statistic) -> String {
    format!("{}__{}", signal.id(), statistic.as_str())
}

/// The schema of a table's roll-up files: the bucket's start as `time`, what the bucket covers,
/// the identity of its last row, and what is kept of each signal.
#[must_use]
pub fn roll_up_schema(table: Table) -> Schema {
    let int = |name: &str| Field::new(name, DataType::Int64, true);
    let mut fields = vec![
        Field::new(column::TIME, time_type(), false),
        Field::new(roll_up_column::FIRST_TIME, time_type(), true),
        Field::new(roll_up_column::LAST_TIME, time_type(), true),
        int(roll_up_column::ROWS),
        int(roll_up_column::INCREASE_TIME_US),
        Field::new(column::LIMITS_KNOWN, DataType::Boolean, true),
    ];
    fields.extend(column::IDENTITY_TEXT.map(|name| Field::new(name, DataType::Utf8, true)));
    fields.push(int(column::RESTART_COUNT));
    for signal in signals(table) {
        let rule = Rule::of(signal);
        fields.extend(rule.statistics().iter().map(|statistic| {
            Field::new(
                column_name(signal, *statistic),
                rule.data_type(*statistic),
                true,
            )
        }));
    }
    Schema::new(fields)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schema_of_a_roll_up() {
        let lines: Vec<_> = roll_up_schema(Table::Metrics)
            .fields()
            .iter()
            .map(|field| format!("{}: {}", field.name(), field.data_type()))
            .collect();
        insta::assert_snapshot!(lines.join("\n"));
    }

    #[test]
    fn pods_and_node_have_the_network_too() {
        for (table, has) in [
            (Table::Metrics, false),
            (Table::Pods, true),
            (Table::Node, true),
        ] {
            let schema = roll_up_schema(table);
            let found = schema.index_of("network_rx_bytes__increase").is_ok();
            assert_eq!(found, has, "{}", table.as_str());
        }
    }

    #[test]
    fn buckets_divide_an_hour() {
        for resolution in Resolution::ROLL_UPS {
            assert_eq!(
                resolution.bucket_ms().map(|length| 3_600_000 % length),
                Some(0)
            );
            let directory = resolution.directory(Table::Metrics);
            let seconds = resolution.bucket_ms().map_or(0, |length| length / 1000);
            assert_eq!(directory, format!("metrics_{seconds}s"));
        }
    }
}
