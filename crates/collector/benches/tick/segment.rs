//! Writing a minute of containers of which some are busy: the spool's ticks, then the seal.

use crate::table::Table;
use fgm_model::{Instance, Metric, Recorder, Row, Table as DataTable, Tick, Values};
use fgm_store::{DataDir, Spool, seal};
use rustix::time::{ClockId, clock_gettime};
use std::sync::Arc;
use std::time::Duration;

const SECONDS: i64 = 60;
/// A whole minute inside an hour.
const START_MS: i64 = 1_790_000_040_000;

/// 15 % of the containers never change, 35 % idle, 30 % light, 15 % moderate, 5 % heavy: the
/// share of metrics that move in a second, in percent, and by how much.
const CLASSES: [(usize, u64, u64); 5] = [
    (15, 0, 0),
    (35, 10, 50),
    (30, 30, 1 << 10),
    (15, 60, 1 << 16),
    (5, 90, 1 << 24),
];

/// CPU time of both.
pub(crate) fn measure(count: usize, table: &mut Table) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let dir = DataDir::create(folder.path())?;
    let recorder = Recorder {
        node: "node".to_owned(),
        boot_id: "boot".to_owned(),
        recorder: "bench".to_owned(),
    };
    let mut random = Random(1);
    let mut tick = Tick {
        time_ms: START_MS,
        clock_epoch: 0,
        rows: (0..count).map(|number| row(number, &mut random)).collect(),
    };
    let mut spool = Spool::create(&dir, &recorder, 1000)?;
    let mut append = Duration::ZERO;
    for _ in 0..SECONDS {
        append += timed(|| spool.append_tick(DataTable::Metrics, &tick))?;
        tick.time_ms += 1000;
        for (number, row) in tick.rows.iter_mut().enumerate() {
            let (_, share, step) = class(number, count);
            for metric in DataTable::Metrics.metrics() {
                let value = row.values.get(metric).unwrap_or(0);
                if random.below(100) < share {
                    let step = i64::try_from(random.below(step))?;
                    row.values.set(metric, Some(value.wrapping_add(step)));
                }
            }
        }
    }
    let ulid = spool.close()?.ulid;
    let mut bytes = 0;
    let seal = timed(|| {
        seal(&dir, ulid).map(|report| bytes = report.published.iter().map(|file| file.bytes).sum())
    })?;
    let ms = |time: Duration| time.as_secs_f64() * 1000.0;
    let measured = format!(
        "{:.0} ms for {} rows, {} kB; before that {:.2} ms per tick for the spool",
        ms(seal),
        count as i64 * SECONDS,
        bytes / 1000,
        ms(append) / SECONDS as f64
    );
    let what = "CPU of sealing a segment of 60 s, a mix of idle and busy containers";
    if count <= 250 {
        table.judge(count, what, measured, "<= 200 ms", ms(seal) <= 200.0);
    } else {
        table.add(count, what, measured);
    }
    Ok(())
}

fn timed<T, E>(work: impl FnOnce() -> Result<T, E>) -> Result<Duration, E> {
    let cpu = || Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).unwrap_or_default();
    let before = cpu();
    work()?;
    Ok(cpu().saturating_sub(before))
}

fn row(number: usize, random: &mut Random) -> Row {
    let mut values = Values::default();
    for metric in DataTable::Metrics.metrics() {
        if metric != Metric::MemoryMax {
            values.set_u64(metric, Some(random.below(1 << 30)));
        }
    }
    Row {
        instance: Arc::new(Instance {
            container_id: format!("{number:064x}"),
            life: format!("{number:016x}"),
            cgroup_path: format!("/kubepods.slice/cri-containerd-{number:064x}.scope"),
            ..Instance::default()
        }),
        read_offset_us: 500,
        limits_known: true,
        values,
    }
}

fn class(number: usize, count: usize) -> (usize, u64, u64) {
    let mut place = number * 100 / count.max(1);
    for class in CLASSES {
        if place < class.0 {
            return class;
        }
        place -= class.0;
    }
    CLASSES[0]
}

/// The same numbers in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (self.0 >> 33) % end.max(1)
    }
}
