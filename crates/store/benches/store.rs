//! What recording costs: a tick of 250 containers appended, a minute of them sealed.
//!
//! `cargo bench -p fgm-store`. The sizes and the memory of a large seal are printed first.
#![expect(clippy::unwrap_used, reason = "a bench that fails has no figure")]

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use fgm_model::{Instance, Kind, Metric, Recorder, Row, Table, Tick, Values};
use fgm_store::{DataDir, Spool, seal};
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use ulid::Ulid;

const HOUR_MS: i64 = 1_800_000_000_000;

fn recorder() -> Recorder {
    Recorder {
        node: "node-1".into(),
        boot_id: "0a1b2c3d-0000-4000-8000-000000000001".into(),
        recorder: "fgm-7xk2p".into(),
    }
}

fn instances(count: u64) -> Vec<Arc<Instance>> {
    (0..count)
        .map(|number| {
            // Spread over the hex digits as real ids are.
            let id = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
            Arc::new(Instance {
                container_id: format!("{id:016x}{id:016x}{id:016x}{id:016x}"),
                life: format!("{id:016x}"),
                cgroup_path: format!(
                    "/kubepods.slice/kubepods-burstable.slice/pod{number}.slice/cri-{id:064x}.scope"
                ),
                pod_uid: Some(format!("00000000-0000-4000-8000-{number:012}")),
                pod_name: Some(format!("service-{}-{id:05x}", number / 10)),
                namespace: Some(format!("team-{}", number % 7)),
                container_name: Some("app".into()),
                pod_labels: Some(format!("{{\"app\":\"service-{}\"}}", number / 10)),
                ..Instance::default()
            })
        })
        .collect()
}

/// Numbers that move as a kernel's do: a third of the containers idle, the others at a pace of
/// their own, gauges around a level in whole pages.
fn tick(instances: &[Arc<Instance>], second: i64) -> Tick {
    let mut noise = second.unsigned_abs().wrapping_mul(0x2545_f491_4f6c_dd1d) | 1;
    let mut random = |below: i64| {
        noise ^= noise << 13;
        noise ^= noise >> 7;
        noise ^= noise << 17;
        (noise >> 33).cast_signed().rem_euclid(below.max(1))
    };
    let rows = instances
        .iter()
        .zip(0_i64..)
        .map(|(instance, number)| {
            let mut values = Values::default();
            for (metric, index) in Metric::ALL.into_iter().zip(0_i64..) {
                let pace = if number % 3 == 0 {
                    0
                } else {
                    number * 37 % 1000
                };
                let value = match metric.def().kind {
                    Kind::Gauge if index % 4 == 0 => 1 << 28,
                    Kind::Gauge => (20_000 + number + random(pace / 10)) * 4096,
                    Kind::Counter | Kind::Accumulated => {
                        number * 1_000_000 + second * pace + random(pace / 8)
                    }
                };
                values.set(metric, (index % 9 != 8).then_some(value));
            }
            Row {
                instance: Arc::clone(instance),
                read_offset_us: 300 + random(2000),
                limits_known: true,
                values,
            }
        })
        .collect();
    Tick {
        time_ms: HOUR_MS + second * 1000,
        clock_epoch: 0,
        rows,
    }
}

fn ticks(containers: u64, seconds: i64) -> Vec<Tick> {
    let instances = instances(containers);
    (0..seconds)
        .map(|second| tick(&instances, second))
        .collect()
}

fn spool(dir: &DataDir, ticks: &[Tick]) -> Ulid {
    let mut spool = Spool::create(dir, &recorder(), 1000).unwrap();
    for tick in ticks {
        spool.append_tick(Table::Metrics, tick).unwrap();
    }
    spool.close().unwrap().ulid
}

/// A field of `/proc/self/status`, in kB.
fn status(field: &str) -> i64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with(field));
    line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok())
        .unwrap_or(-1)
}

fn cpu() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(
        time.tv_sec.unsigned_abs(),
        u32::try_from(time.tv_nsec).unwrap_or_default(),
    )
}

#[expect(clippy::print_stdout, reason = "figures for a person")]
fn print_sizes(path: &Path) {
    for (containers, seconds) in [(250, 60), (1000, 60)] {
        let dir = DataDir::create(path.join(containers.to_string())).unwrap();
        let mut spool = Spool::create(&dir, &recorder(), 1000).unwrap();
        let instances = instances(containers);
        let (mut bytes, mut spent) = (Vec::new(), Duration::ZERO);
        for second in 0..seconds {
            let tick = tick(&instances, second);
            let begin = cpu();
            bytes.push(spool.append_tick(Table::Metrics, &tick).unwrap());
            spent += cpu() - begin;
        }
        let ulid = spool.close().unwrap().ulid;
        // The peak so far is forgotten.
        let _ = fs::write("/proc/self/clear_refs", "5");
        let before = status("VmRSS:");
        let (begin, wall) = (cpu(), Instant::now());
        let report = seal(&dir, ulid).unwrap();
        let (spent_sealing, wall) = (cpu() - begin, wall.elapsed());
        println!(
            "{containers} containers: tick {} kB (first {} kB), {:?} CPU; sealing {} rows {spent_sealing:?} CPU, \
             {wall:?} wall, {} kB written, peak memory {} kB above the {before} kB before",
            bytes[bytes.len() / 2] / 1000,
            bytes[0] / 1000,
            spent / u32::try_from(seconds).unwrap_or(1),
            report.published[0].rows,
            report.published[0].bytes / 1000,
            status("VmHWM:") - before,
        );
    }
}

fn benches(criterion: &mut Criterion) {
    let temp = tempfile::tempdir().unwrap();
    // `cargo test --benches` only asks whether it runs.
    if !std::env::args().any(|argument| argument == "--test") {
        print_sizes(temp.path());
    }
    let dir = DataDir::create(temp.path().join("data")).unwrap();
    let minute = ticks(250, 60);

    let mut open = Spool::create(&dir, &recorder(), 1000).unwrap();
    let mut next = minute.iter().cycle();
    criterion.bench_function("append a tick of 250", |bencher| {
        bencher.iter(|| {
            next.next()
                .map(|tick| open.append_tick(Table::Metrics, tick).unwrap())
        });
    });
    drop(open);

    criterion
        .benchmark_group("seal")
        .sample_size(20)
        .bench_function("60 x 250 rows", |bencher| {
            bencher.iter_batched(
                || spool(&dir, &minute),
                |ulid| seal(&dir, ulid).unwrap(),
                BatchSize::PerIteration,
            );
        });
}

criterion_group!(store, benches);
criterion_main!(store);
