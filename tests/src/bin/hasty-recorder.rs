//! A recorder whose hours take a third of a second: what `fgm` does with its data directory, by
//! the store's own writer, with a clock of its own that begins a fortnight ago. It is there to
//! be killed at hour borders, which `fgm` meets too seldom.
//!
//! `hasty-recorder DATA_DIR` tells on standard output the `time` of each tick that is on disk.

use fgm_model::{Event, EventKind, Instance, Metric, Recorder, Row, Table, Tick, Values};
use fgm_store::rotation::Decision;
use fgm_store::{DataDir, Lock, Role, Rotation, Spool, last_rows, lock, recover, seal};
use std::error::Error;
use std::io::Write;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// One tick of its clock, which takes 5 ms: 60 of them are an hour.
const TICK_MS: i64 = 60_000;
const TICK_TAKES: Duration = Duration::from_millis(5);
const SEAL_MS: i64 = 10 * TICK_MS;
const BEGIN_MS: i64 = 14 * 24 * 3_600_000;
/// It must not overtake the real time.
const END_MS: i64 = 3 * 3_600_000;
const CONTAINERS: u32 = 3;

fn main() -> Result<(), Box<dyn Error>> {
    let data_dir = std::env::args_os()
        .nth(1)
        .ok_or("give the data directory")?;
    let dir = DataDir::create(data_dir)?;
    let _lock = Lock::acquire(&dir, Role::Recorder, lock::WAIT)?;
    let recovered = recover(&dir)?;
    if let Some((path, error)) = recovered.failed.first() {
        return Err(format!("{}: {error}", path.display()).into());
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?;
    let now_ms = i64::try_from(now.as_millis())?;
    let begin_ms = (now_ms - BEGIN_MS) / TICK_MS * TICK_MS;
    let last_ms = last_rows(&dir, Table::Metrics)?.last_time_ms;
    let mut time_ms = last_ms.map_or(begin_ms, |last| last + TICK_MS);
    let recorder = Recorder {
        node: "node".to_owned(),
        boot_id: "0a1b2c3d-0000-4000-8000-000000000001".to_owned(),
        recorder: "hasty".to_owned(),
    };
    let instances: Vec<_> = (1..=CONTAINERS).map(instance).collect();
    let mut rotation = Rotation::new(SEAL_MS);
    let mut spool = None::<Spool>;
    while time_ms < now_ms - END_MS {
        if rotation.decide(time_ms, 0) != Decision::Keep {
            if let Some(full) = spool.take() {
                let closed = full.close()?;
                seal(&dir, closed.ulid)?;
            }
            spool = Some(Spool::create(&dir, &recorder, TICK_MS)?);
        }
        if let Some(spool) = &mut spool {
            spool.append_tick(Table::Metrics, &tick(time_ms, &instances))?;
            spool.append_events(&[event(time_ms, instances.first())])?;
        }
        writeln!(std::io::stdout(), "{time_ms}")?;
        thread::sleep(TICK_TAKES);
        time_ms += TICK_MS;
    }
    Ok(())
}

fn instance(number: u32) -> Arc<Instance> {
    Arc::new(Instance {
        container_id: format!("{number:064x}"),
        life: format!("{number:016x}"),
        container_name: Some("named".to_owned()),
        ..Instance::default()
    })
}

fn tick(time_ms: i64, instances: &[Arc<Instance>]) -> Tick {
    let rows = instances
        .iter()
        .map(|instance| {
            let mut values = Values::default();
            values.set(Metric::MemoryCurrent, Some(time_ms));
            Row {
                instance: Arc::clone(instance),
                read_offset_us: 0,
                limits_known: true,
                values,
            }
        })
        .collect();
    Tick {
        time_ms,
        clock_epoch: 0,
        rows,
    }
}

fn event(time_ms: i64, instance: Option<&Arc<Instance>>) -> Event {
    Event {
        event_id: format!("{time_ms:032x}"),
        revision: 0,
        kind: EventKind::LimitChanged,
        time_ms,
        recorded_at_ms: time_ms,
        clock_epoch: 0,
        instance: instance.cloned(),
        detail: serde_json::json!({}),
    }
}
