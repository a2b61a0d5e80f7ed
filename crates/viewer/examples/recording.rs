//! Writes a recording whose every value is known, for the browser tests: `recording DIR [HOURS]`,
//! and with `--live` goes on with a tick a second until it is ended.
//!
//! Two dozen containers in three namespaces. `cart-redis` fills its memory for 15 minutes, is
//! killed and starts again; `agent` and its kin burst every minute and are throttled; `payments`
//! has a spike of one second, off every grid, once every 1,847 seconds.

#![expect(
    clippy::unwrap_used,
    reason = "a tool of the tests: whatever fails, fails them"
)]

use fgm_model::{Event, EventKind, Instance, Metric, QosClass, Recorder, Row, Table, Tick, Values};
use fgm_store::{DataDir, Spool, seal};
use serde_json::json;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const MIB: f64 = 1024.0 * 1024.0;
const FILL_SECONDS: i64 = 900;

/// name, namespace, class, millicores, seconds from burst to burst, MiB, limit MiB, quota
/// millicores; 0 = none
type Kind = (
    &'static str,
    &'static str,
    QosClass,
    f64,
    i64,
    f64,
    f64,
    f64,
);

const KINDS: [Kind; 14] = [
    (
        "agent",
        "datadog",
        QosClass::Burstable,
        420.0,
        60,
        410.0,
        512.0,
        600.0,
    ),
    (
        "trace-agent",
        "datadog",
        QosClass::Burstable,
        260.0,
        60,
        230.0,
        512.0,
        500.0,
    ),
    (
        "checkout",
        "shop",
        QosClass::Burstable,
        210.0,
        0,
        300.0,
        640.0,
        400.0,
    ),
    (
        "cart-redis",
        "shop",
        QosClass::Guaranteed,
        90.0,
        0,
        180.0,
        256.0,
        250.0,
    ),
    (
        "frontend",
        "shop",
        QosClass::Burstable,
        150.0,
        300,
        120.0,
        256.0,
        0.0,
    ),
    (
        "postgres",
        "shop",
        QosClass::Guaranteed,
        180.0,
        0,
        520.0,
        1024.0,
        1000.0,
    ),
    (
        "process-agent",
        "datadog",
        QosClass::Burstable,
        70.0,
        30,
        90.0,
        256.0,
        0.0,
    ),
    (
        "search",
        "shop",
        QosClass::Burstable,
        120.0,
        0,
        260.0,
        0.0,
        0.0,
    ),
    (
        "payments",
        "shop",
        QosClass::Guaranteed,
        100.0,
        0,
        180.0,
        256.0,
        3000.0,
    ),
    (
        "worker-0",
        "shop",
        QosClass::BestEffort,
        60.0,
        20,
        140.0,
        0.0,
        0.0,
    ),
    (
        "worker-1",
        "shop",
        QosClass::BestEffort,
        55.0,
        20,
        130.0,
        0.0,
        0.0,
    ),
    (
        "coredns",
        "kube-system",
        QosClass::Burstable,
        12.0,
        0,
        40.0,
        170.0,
        0.0,
    ),
    (
        "kube-proxy",
        "kube-system",
        QosClass::BestEffort,
        6.0,
        0,
        32.0,
        0.0,
        0.0,
    ),
    (
        "mailer",
        "shop",
        QosClass::BestEffort,
        30.0,
        0,
        60.0,
        0.0,
        0.0,
    ),
];
const REDIS: usize = 3;
const PAYMENTS: usize = 8;
const OTHERS: usize = 12;

/// A number in 0..1 that depends on its arguments alone.
fn noise(a: i64, b: i64) -> f64 {
    let mut x =
        a.wrapping_mul(0x9E37_79B9_7F4A_7C15_u64.cast_signed()) ^ b.wrapping_mul(0x1656_67B1);
    x = (x ^ (x >> 29)).wrapping_mul(0x94D0_49BB_1331_11EB_u64.cast_signed());
    ((x ^ (x >> 32)) & 0xffff) as f64 / 65536.0
}

/// Smooth noise with a knot every `every` seconds.
fn wander(second: i64, seed: i64, every: i64) -> f64 {
    let knot = second.div_euclid(every);
    let f = second.rem_euclid(every) as f64 / every as f64;
    let ease = f * f * (3.0 - 2.0 * f);
    noise(knot, seed) * (1.0 - ease) + noise(knot + 1, seed) * ease
}

struct Container {
    place: i64,
    kind: Kind,
    instance: Arc<Instance>,
    /// Sums of counters so far: CPU, throttled time, throttled periods, waiting for CPU and
    /// memory, bytes read and written.
    sums: [f64; 7],
}

fn instance(place: usize, kind: &Kind, life: i64) -> Arc<Instance> {
    let (name, namespace, qos, ..) = *kind;
    let id = format!("{:064x}", (place as i64 + 1) * 0x1_0000_0001 + life * 0x77);
    Arc::new(Instance {
        cgroup_path: format!("/kubepods.slice/pod{place}/{}", &id[52..]),
        container_id: id,
        life: format!("life-{life}"),
        pod_uid: Some(format!("uid-{place}")),
        qos_class: Some(qos),
        container_name: Some(name.into()),
        namespace: Some(namespace.into()),
        pod_name: Some(format!("{name}-7c9f-{place}")),
        image: Some(format!("registry.example/{namespace}/{name}:1.4")),
        restart_count: Some(life),
        pod_labels: Some(json!({ "app": name, "note": "<b>not markup</b>" }).to_string()),
    })
}

impl Container {
    fn usage(&self, second: i64) -> f64 {
        let (_, _, _, cpu, every, ..) = self.kind;
        if self.place == PAYMENTS as i64 && second.rem_euclid(1847) == 613 {
            return 2450.0;
        }
        let mut value = cpu
            * (0.55
                + 0.5 * wander(second, self.place, 40)
                + 0.35 * wander(second, self.place + 99, 7));
        if every > 0 {
            let phase = (second + self.place * 3).rem_euclid(every);
            if phase >= 5 && (phase - 5) * 5 < every {
                value += cpu * (0.5 + 0.3 * noise(second, self.place));
            }
        }
        value
    }

    fn memory(&self, second: i64) -> f64 {
        let (.., memory, _, _) = self.kind;
        let mib = match self.place {
            3 => 70.0 + 186.0 * second.rem_euclid(FILL_SECONDS) as f64 / FILL_SECONDS as f64,
            2 => memory + second.rem_euclid(7200) as f64 * 0.03,
            _ => memory + 6.0 * wander(second, self.place, 90) + noise(second, self.place),
        };
        mib * MIB
    }

    fn row(&mut self, second: i64) -> Row {
        let (.., limit, quota) = self.kind;
        let wanted = self.usage(second);
        let used = if quota > 0.0 {
            wanted.min(quota)
        } else {
            wanted
        };
        let held = if quota > 0.0 {
            (wanted / quota - 0.9).clamp(0.0, 1.0)
        } else {
            0.0
        };
        let memory = self.memory(second);
        let near = if limit > 0.0 {
            (memory / MIB / limit - 0.8).max(0.0)
        } else {
            0.0
        };
        let steps = [
            used * 1000.0,
            held * 300_000.0,
            (held * 10.0).min(10.0).round(),
            held * 120_000.0 + 9000.0 * wander(second, self.place + 5, 20),
            near * 900_000.0,
            wander(second, self.place + 1, 15).powi(5) * 40.0 * MIB,
            wander(second, self.place + 2, 9).powi(4) * 9.0 * MIB,
        ];
        for (sum, step) in self.sums.iter_mut().zip(steps) {
            *sum += step;
        }
        let whole = |value: f64| Some(value.round() as i64);
        let positive = |value: f64| whole(value).filter(|value| *value > 0);
        let [
            cpu,
            throttled,
            periods,
            cpu_wait,
            memory_wait,
            read,
            written,
        ] = self.sums;
        let mut values = Values::default();
        for (metric, value) in [
            (Metric::CpuUsageMillicores, whole(used)),
            (Metric::CpuUserUsec, whole(cpu * 0.7)),
            (Metric::CpuSystemUsec, whole(cpu * 0.3)),
            (Metric::CpuQuotaUsec, positive(quota * 100.0)),
            (Metric::CpuPeriodUsec, (quota > 0.0).then_some(100_000)),
            (Metric::CpuNrPeriods, (quota > 0.0).then_some(second * 10)),
            (
                Metric::CpuNrThrottled,
                whole(periods).filter(|_| quota > 0.0),
            ),
            (
                Metric::CpuThrottledUsec,
                whole(throttled).filter(|_| quota > 0.0),
            ),
            (Metric::CpuPsiSomeUsec, whole(cpu_wait)),
            (Metric::MemoryCurrent, whole(memory)),
            (Metric::MemoryMax, positive(limit * MIB)),
            (Metric::MemoryAnon, whole(memory * 0.62)),
            (Metric::MemoryFile, whole(memory * 0.29)),
            (Metric::MemoryInactiveFile, whole(memory * 0.2)),
            (Metric::MemoryKernel, whole(memory * 0.07)),
            (Metric::MemorySock, whole(memory * 0.02)),
            (Metric::MemoryPsiSomeUsec, whole(memory_wait)),
            (Metric::IoReadBytes, whole(read)),
            (Metric::IoWriteBytes, whole(written)),
            (Metric::PidsCurrent, Some(3 + self.place % 17)),
        ] {
            values.set(metric, value);
        }
        Row {
            instance: Arc::clone(&self.instance),
            read_offset_us: 0,
            limits_known: true,
            values,
        }
    }
}

fn event(kind: EventKind, second: i64, who: &Arc<Instance>, detail: serde_json::Value) -> Event {
    Event {
        event_id: format!("{:032x}", second * 64 + kind as i64),
        revision: 1,
        kind,
        time_ms: second * 1000,
        recorded_at_ms: second * 1000,
        clock_epoch: 0,
        instance: Some(Arc::clone(who)),
        detail,
    }
}

struct Writer {
    dir: DataDir,
    spool: Option<Spool>,
    containers: Vec<Container>,
    kills: i64,
}

impl Writer {
    fn tick(&mut self, second: i64) {
        let time_ms = second * 1000;
        if self
            .spool
            .as_ref()
            .is_some_and(|spool| !spool.accepts(time_ms))
        {
            self.seal();
        }
        let mut events = Vec::new();
        if second.rem_euclid(FILL_SECONDS) == 0 {
            let limit = json!({ "scope": "container", "limit_bytes": 256 << 20, "processes_killed": 1,
                "victim": { "pid": 4711, "name": "redis-server", "anon_rss_bytes": 250 << 20 },
                "reason": "OOMKilled", "exit_code": 137, "sources": ["container", "kernel"] });
            let redis = &mut self.containers[REDIS];
            events.push(event(EventKind::OomKill, second, &redis.instance, limit));
            self.kills += 1;
            redis.instance = instance(REDIS, &redis.kind, self.kills);
            redis.sums = [0.0; 7];
            let again =
                json!({ "restart_count": self.kills, "exit_code": 137, "reason": "OOMKilled" });
            events.push(event(
                EventKind::Restarted,
                second + 2,
                &redis.instance,
                again,
            ));
        }
        if second.rem_euclid(1380) == 0 {
            let agent = &self.containers[0].instance;
            let detail = json!({ "throttled_percent": 61.0, "nr_periods": 600, "nr_throttled": 366,
                "throttled_usec": 15_738_000 });
            events.push(event(EventKind::ThrottlingStarted, second, agent, detail));
        }
        if second.rem_euclid(2777) == 0 {
            let change = json!({ "limit": "memory_max", "before": 512 << 20, "after": 640 << 20 });
            let detail = json!({ "changes": [change] });
            let checkout = &self.containers[2].instance;
            events.push(event(EventKind::LimitChanged, second, checkout, detail));
        }
        // A starting container takes two seconds.
        let starting = second.rem_euclid(FILL_SECONDS) < 2;
        let places = 0..self.containers.len();
        let rows = places.filter(|place| !(starting && *place == REDIS));
        let rows = rows.collect::<Vec<_>>();
        let rows = rows
            .into_iter()
            .map(|place| self.containers[place].row(second))
            .collect();
        let tick = Tick {
            time_ms,
            clock_epoch: 0,
            rows,
        };
        let spool = self.spool.get_or_insert_with(|| {
            let recorder = Recorder {
                node: "kind-worker2".into(),
                boot_id: "boot".into(),
                recorder: "fgm-7x2kq".into(),
            };
            Spool::create(&self.dir, &recorder, 1000).unwrap()
        });
        spool.append_tick(Table::Metrics, &tick).unwrap();
        if !events.is_empty() {
            spool.append_events(&events).unwrap();
        }
    }

    fn seal(&mut self) {
        if let Some(spool) = self.spool.take() {
            seal(&self.dir, spool.close().unwrap().ulid).unwrap();
        }
    }
}

fn now() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_secs()
        .cast_signed()
}

fn main() {
    let mut args: Vec<_> = std::env::args().skip(1).collect();
    let live = args.iter().any(|arg| arg == "--live");
    args.retain(|arg| arg != "--live");
    let hours: f64 = args.get(1).map_or(1.0, |text| text.parse().unwrap());
    let named = KINDS.into_iter();
    let others = (0..OTHERS).map(|i| {
        let part = noise(i as i64, 3);
        (
            "job",
            "batch",
            QosClass::BestEffort,
            4.0 + part * 40.0,
            60,
            20.0 + part * 60.0,
            0.0,
            0.0,
        )
    });
    let containers = named
        .chain(others)
        .enumerate()
        .map(|(place, kind)| Container {
            place: place as i64,
            kind,
            instance: instance(place, &kind, 0),
            sums: [0.0; 7],
        });
    let mut writer = Writer {
        dir: DataDir::create(args.first().unwrap()).unwrap(),
        spool: None,
        containers: containers.collect(),
        kills: 0,
    };
    let end = now();
    let mut next = end - (hours * 3600.0) as i64;
    while next < end {
        writer.tick(next);
        next += 1;
    }
    writer.seal();
    if !live {
        return;
    }
    loop {
        while next <= now() {
            writer.tick(next);
            next += 1;
            // As the recorder does.
            if next % 60 == 0 {
                writer.seal();
            }
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}
