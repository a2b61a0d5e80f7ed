//! Stories over real files: written by the store's own writer, damaged by hand.

mod damage;
mod levels;
mod live;
mod questions;
mod roll_up_file;
mod split;
mod stories;

use super::*;
use crate::{Spool, seal};
use fgm_model::{Instance, Metric, Recorder, Row, Tick, Values};
use std::path::Path;
use std::sync::Arc;
use tempfile::TempDir;
use ulid::Ulid;

/// A full hour, UTC.
const HOUR: i64 = 1_795_420_800_000;
const SECOND: i64 = 1000;

struct Data {
    temp: TempDir,
    dir: DataDir,
    recorder: Recorder,
}

impl Data {
    fn new() -> Self {
        let temp = tempfile::tempdir().unwrap();
        let dir = DataDir::create(temp.path()).unwrap();
        Self {
            dir,
            temp,
            recorder: recorder("fgm-a"),
        }
    }

    fn path(&self) -> &Path {
        self.temp.path()
    }

    fn reader(&self) -> Reader {
        Reader::open(self.path())
    }

    fn spool(&self) -> Spool {
        Spool::create(&self.dir, &self.recorder, SECOND).unwrap()
    }

    /// A spool of these ticks, closed but not sealed.
    fn spooled(&self, ticks: &[Tick]) -> Ulid {
        let mut spool = self.spool();
        for tick in ticks {
            spool.append_tick(Table::Metrics, tick).unwrap();
        }
        spool.close().unwrap().ulid
    }

    fn sealed(&self, ticks: &[Tick]) -> PathBuf {
        let report = seal(&self.dir, self.spooled(ticks)).unwrap();
        report.published[0].path.clone()
    }
}

fn recorder(pod: &str) -> Recorder {
    Recorder {
        node: "node-1".into(),
        boot_id: "boot".into(),
        recorder: pod.into(),
    }
}

fn instance(id: &str, life: &str, name: Option<&str>) -> Arc<Instance> {
    Arc::new(Instance {
        container_id: id.into(),
        life: life.into(),
        cgroup_path: format!("/kubepods/{id}"),
        pod_uid: name.map(|name| format!("uid-{name}")),
        container_name: name.map(str::to_owned),
        namespace: name.map(|_| "shop".into()),
        pod_name: name.map(|name| format!("{name}-0")),
        ..Instance::default()
    })
}

fn row(instance: &Arc<Instance>, memory: i64, read_bytes: i64) -> Row {
    let mut values = Values::default();
    values.set(Metric::MemoryCurrent, Some(memory));
    values.set(Metric::IoReadBytes, Some(read_bytes));
    Row {
        instance: Arc::clone(instance),
        read_offset_us: 0,
        limits_known: true,
        values,
    }
}

fn tick(time_ms: i64, rows: Vec<Row>) -> Tick {
    Tick {
        time_ms,
        clock_epoch: 0,
        rows,
    }
}

fn query(start_ms: i64, end_ms: i64) -> SeriesQuery {
    let signal = |id| Signal::from_id(id).unwrap();
    SeriesQuery {
        table: Table::Metrics,
        signals: vec![signal("memory_current"), signal("io_read_bytes")],
        start_ms,
        end_ms,
        series: None,
    }
}

/// The bits, so that "no data" equals itself.
fn bits(values: &[f64]) -> Vec<u64> {
    values.iter().map(|value| value.to_bits()).collect()
}

const NAN: f64 = f64::NAN;
