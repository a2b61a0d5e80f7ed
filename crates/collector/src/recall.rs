//! What recorders before this one told and stored, brought back at the start.

use crate::facts::{Began, Facts};
use fgm_model::Table;
use fgm_store::LastRows;
use fgm_store::reader::{ReadError, Reader};
use std::path::Path;

/// Facts of this age are gone on with.
const EVENTS_MS: i64 = 24 * 3600 * 1000;

/// The last rows are those of the newest hour.
const ROWS_MS: i64 = 3600 * 1000;

/// Facts that go on from what lies in that data directory.
///
/// # Errors
/// The data directory cannot be listed.
pub(crate) fn facts(data_dir: &Path, rows: &LastRows, now_ms: i64) -> Result<Facts, ReadError> {
    let mut facts = Facts::default();
    let Some(last_ms) = rows.last_time_ms else {
        return Ok(facts);
    };
    let reader = Reader::open(data_dir);
    let from_ms = now_ms.min(last_ms).saturating_sub(EVENTS_MS);
    facts.reload(reader.events(from_ms, i64::MAX)?);
    for table in [Table::Metrics, Table::Pods] {
        let stored = reader.containers_of(table, last_ms.saturating_sub(ROWS_MS), last_ms)?;
        for span in stored.iter().flat_map(|stored| &stored.instances) {
            let instance = &span.instance;
            let key = (instance.container_id.clone(), instance.life.clone());
            let Some(values) = rows.rows.get(&key) else {
                continue;
            };
            let began = Began::stored(span.last_ms, values);
            match table {
                Table::Pods => facts.pod_stored(instance, began),
                _ => facts.stored(instance, began),
            }
        }
    }
    Ok(facts)
}
