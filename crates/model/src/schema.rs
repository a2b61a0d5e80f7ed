//! The Arrow schema of each table, made from the catalogue.
//!
//! Files carry plain types that DuckDB, pandas, Polars and Spark read alike: UTF-8, `int64`,
//! boolean and millisecond timestamps in UTC.

use crate::catalogue::Table;
use arrow::datatypes::{DataType, Field, Schema, TimeUnit};

/// The version of rows and footer keys that this build writes.
pub const FORMAT_VERSION: u32 = 1;

/// Names of the columns that are not metrics.
pub mod column {
    /// The tick's grid instant (events: when it happened).
    pub const TIME: &str = "time";
    /// The real read minus `time`, microseconds.
    pub const READ_OFFSET_US: &str = "read_offset_us";
    /// Raised at each clock step.
    pub const CLOCK_EPOCH: &str = "clock_epoch";
    /// Whether null limits mean "unlimited".
    pub const LIMITS_KNOWN: &str = "limits_known";
    /// The node's name.
    pub const NODE: &str = "node";
    /// The kernel's boot ID.
    pub const BOOT_ID: &str = "boot_id";
    /// The pod's namespace.
    pub const NAMESPACE: &str = "namespace";
    /// The observed pod's name.
    pub const POD_NAME: &str = "pod_name";
    /// The pod's UID.
    pub const POD_UID: &str = "pod_uid";
    /// The container's name, or the unit or path.
    pub const CONTAINER_NAME: &str = "container_name";
    /// The runtime's ID, or a hash.
    pub const CONTAINER_ID: &str = "container_id";
    /// The life of that ID.
    pub const LIFE: &str = "life";
    /// The cgroup's path.
    pub const CGROUP_PATH: &str = "cgroup_path";
    /// The pod's class.
    pub const QOS_CLASS: &str = "qos_class";
    /// The image.
    pub const IMAGE: &str = "image";
    /// Restarts so far.
    pub const RESTART_COUNT: &str = "restart_count";
    /// Labels as JSON.
    pub const POD_LABELS: &str = "pod_labels";
    /// An event's stable id.
    pub const EVENT_ID: &str = "event_id";
    /// An event's revision.
    pub const REVISION: &str = "revision";
    /// An event's kind.
    pub const KIND: &str = "kind";
    /// When an event was recorded.
    pub const RECORDED_AT: &str = "recorded_at";
    /// An event's detail as JSON.
    pub const DETAIL: &str = "detail";

    /// The identity columns that are text, in column order; all but the first two and the
    /// three keys may be null.
    pub const IDENTITY_TEXT: [&str; 12] = [
        NODE,
        BOOT_ID,
        NAMESPACE,
        POD_NAME,
        POD_UID,
        CONTAINER_NAME,
        CONTAINER_ID,
        LIFE,
        CGROUP_PATH,
        QOS_CLASS,
        IMAGE,
        POD_LABELS,
    ];
}

/// The type of `time` and `recorded_at`.
#[must_use]
pub fn time_type() -> DataType {
    DataType::Timestamp(TimeUnit::Millisecond, Some("UTC".into()))
}

/// The schema of a table's files.
///
/// Every column but `time` may be null, so that files of another catalogue merge by name.
#[must_use]
pub fn table_schema(table: Table) -> Schema {
    let text = |name: &str| Field::new(name, DataType::Utf8, true);
    let int = |name: &str| Field::new(name, DataType::Int64, true);
    let time = |name: &str| Field::new(name, time_type(), false);
    let mut fields = vec![time(column::TIME)];
    match table {
        Table::Metrics | Table::Pods | Table::Node => {
            fields.push(int(column::READ_OFFSET_US));
            fields.push(int(column::CLOCK_EPOCH));
            fields.push(Field::new(column::LIMITS_KNOWN, DataType::Boolean, true));
        }
        Table::Events => {
            fields.push(text(column::EVENT_ID));
            fields.push(int(column::REVISION));
            fields.push(text(column::KIND));
            fields.push(time(column::RECORDED_AT));
            fields.push(int(column::CLOCK_EPOCH));
        }
    }
    fields.extend(column::IDENTITY_TEXT.map(text));
    fields.push(int(column::RESTART_COUNT));
    match table {
        Table::Metrics | Table::Pods | Table::Node => {
            fields.extend(table.metrics().map(|metric| int(metric.name())));
        }
        Table::Events => fields.push(text(column::DETAIL)),
    }
    Schema::new(fields)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schemas() {
        for table in Table::ALL {
            let lines: Vec<_> = table_schema(table)
                .fields()
                .iter()
                .map(|field| {
                    let null = if field.is_nullable() {
                        "null"
                    } else {
                        "not null"
                    };
                    format!("{}: {} {null}", field.name(), field.data_type())
                })
                .collect();
            insta::assert_snapshot!(table.as_str(), lines.join("\n"));
        }
    }
}
