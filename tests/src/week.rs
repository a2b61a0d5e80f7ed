//! A week of three quiet containers, consolidated, in which one sample stands out.

use crate::must;
use fgm_model::{Instance, Metric, QosClass, Recorder, Row, Table, Tick, Values};
use fgm_store::merge::{consolidate, due};
use fgm_store::{DataDir, Spool, seal};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

const HOUR_MS: i64 = 3_600_000;
const START_MS: i64 = 490_000 * HOUR_MS;
/// Seven days, and an hour on which the last of them ends.
const HOURS: i64 = 7 * 24 + 1;
const INTERVAL_MS: i64 = 30_000;
/// The fourth day, and on no grid but that of the ticks.
const SPIKE_MS: i64 = START_MS + 83 * HOUR_MS + 1_590_000;
/// Who has it.
pub const SPIKY: &str = "spiky";

fn instance((place, name): (usize, &str)) -> Arc<Instance> {
    Arc::new(Instance {
        container_id: format!("{place:064x}"),
        life: "1".into(),
        cgroup_path: format!("/kubepods.slice/{name}"),
        pod_uid: Some(format!("uid-{name}")),
        pod_name: Some(format!("{name}-0")),
        namespace: Some("shop".into()),
        container_name: Some(name.into()),
        qos_class: Some(QosClass::Burstable),
        ..Instance::default()
    })
}

/// Records it, and gives when the sample was taken.
///
/// # Panics
/// When it fails.
#[must_use]
pub fn record(root: &Path) -> i64 {
    let dir = must(DataDir::create(root), "a data directory");
    let recorder = Recorder {
        node: "kind-worker2".into(),
        boot_id: "boot".into(),
        recorder: "fgm-7x2kq".into(),
    };
    let names = [SPIKY, "calm", "quiet"].into_iter();
    let containers: Vec<_> = names.enumerate().map(instance).collect();
    // Of all time that one used, microseconds.
    let mut used_usec = [0; 3];
    for hour in 0..HOURS {
        let first_ms = START_MS + hour * HOUR_MS;
        let spool = Spool::create(&dir, &recorder, INTERVAL_MS);
        let mut spool = must(spool, "a spool");
        for tick in 0..HOUR_MS / INTERVAL_MS {
            let time_ms = first_ms + tick * INTERVAL_MS;
            let rows = containers.iter().zip(&mut used_usec).map(|(of, used)| {
                let is_spike = time_ms == SPIKE_MS && of.container_name.as_deref() == Some(SPIKY);
                // A tenth of a core, two cores; three threads, sixty.
                *used += if is_spike { 60_000_000 } else { 3_000_000 };
                let mut values = Values::default();
                values.set(Metric::CpuUserUsec, Some(*used));
                values.set(Metric::PidsCurrent, Some(if is_spike { 60 } else { 3 }));
                Row {
                    instance: Arc::clone(of),
                    read_offset_us: 0,
                    limits_known: true,
                    values,
                }
            });
            let tick = Tick {
                time_ms,
                clock_epoch: 0,
                rows: rows.collect(),
            };
            must(spool.append_tick(Table::Metrics, &tick), "a tick");
        }
        let closed = must(spool.close(), "a closed spool");
        must(seal(&dir, closed.ulid), "a segment");
    }
    let now_ms = START_MS + (HOURS + 2) * HOUR_MS;
    for hour in must(due(&dir, now_ms, Duration::from_secs(120), false), "hours") {
        must(consolidate(&dir, &hour, &|| false), "an hourly file");
    }
    SPIKE_MS
}
