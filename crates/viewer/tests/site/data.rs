//! The recording, and how it is asked.

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Request, StatusCode, header};
use fgm_model::{Event, EventKind, Instance, Metric, QosClass, Recorder, Row, Table, Tick, Values};
use fgm_store::merge::{consolidate, due};
use fgm_store::{DataDir, Spool, seal};
use fgm_viewer::AppState;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use tower::ServiceExt;

pub(crate) const START: i64 = 1_795_420_800_000;
pub(crate) const SECOND: i64 = 1000;

pub(crate) struct Recording {
    pub(crate) temp: TempDir,
    pub(crate) dir: DataDir,
}

pub(crate) fn who(id: &str, namespace: &str, name: &str, qos: QosClass) -> Arc<Instance> {
    Arc::new(Instance {
        container_id: id.repeat(16),
        life: format!("life-{id}"),
        cgroup_path: format!("/kubepods/{id}"),
        pod_uid: Some(format!("uid-{name}")),
        qos_class: Some(qos),
        container_name: Some(name.into()),
        namespace: Some(namespace.into()),
        pod_name: Some(format!("{name}-0")),
        image: Some(format!("{name}:1")),
        restart_count: Some(0),
        pod_labels: Some(format!("{{\"app\":\"{name}\"}}")),
    })
}

pub(crate) fn row(instance: &Arc<Instance>, second: i64) -> Row {
    let mut values = Values::default();
    let base = i64::from(instance.container_id.as_bytes()[0]);
    values.set(Metric::MemoryCurrent, Some(base * 1000 + second * 10));
    values.set(Metric::MemoryMax, Some(1 << 20));
    values.set(
        Metric::CpuUsageMillicores,
        Some(if second == 33 { 950 } else { 50 }),
    );
    values.set(Metric::IoReadBytes, Some(second * 4096));
    Row {
        instance: Arc::clone(instance),
        read_offset_us: 0,
        limits_known: true,
        values,
    }
}

pub(crate) fn event(
    id: &str,
    kind: EventKind,
    second: i64,
    instance: Option<&Arc<Instance>>,
) -> Event {
    Event {
        event_id: id.into(),
        revision: 1,
        kind,
        time_ms: START + second * SECOND,
        recorded_at_ms: START + second * SECOND,
        clock_epoch: 0,
        instance: instance.cloned(),
        detail: json!({ "second": second }),
    }
}

impl Recording {
    /// Two minutes of three containers, one of which is killed and starts again in the 50th
    /// second; the first minute is sealed.
    pub(crate) fn new() -> Self {
        let temp = tempfile::tempdir().unwrap();
        let dir = DataDir::create(temp.path()).unwrap();
        let recording = Self { temp, dir };
        let cart = who("aaaa", "shop", "cart", QosClass::Burstable);
        let cart_again = who("bbbb", "shop", "cart", QosClass::Burstable);
        let redis = who("cccc", "shop", "redis", QosClass::BestEffort);
        let agent = who("dddd", "datadog", "agent", QosClass::Guaranteed);
        let rows = |second| {
            let cart = if second < 50 { &cart } else { &cart_again };
            vec![row(cart, second), row(&redis, second), row(&agent, second)]
        };
        for minute in 0..2 {
            let mut spool = recording.spool();
            for second in minute * 60..minute * 60 + 60 {
                let tick = Tick {
                    time_ms: START + second * SECOND,
                    clock_epoch: 0,
                    rows: rows(second),
                };
                spool.append_tick(Table::Metrics, &tick).unwrap();
            }
            if minute == 0 {
                let events = [
                    event("e0", EventKind::RecorderStarted, 0, None),
                    event("e1", EventKind::Started, 0, Some(&cart)),
                    event("e2", EventKind::OomKill, 49, Some(&cart)),
                ];
                spool.append_events(&events).unwrap();
                seal(&recording.dir, spool.close().unwrap().ulid).unwrap();
            } else {
                let events = [event("e3", EventKind::Restarted, 50, Some(&cart_again))];
                spool.append_events(&events).unwrap();
            }
        }
        recording
    }

    /// Makes the hour's file and its roll-ups, as of a recording that has ended.
    pub(crate) fn consolidate(&self) {
        let later_ms = START + 2 * 3_600_000;
        for hour in due(&self.dir, later_ms, Duration::ZERO, false).unwrap() {
            consolidate(&self.dir, &hour, &|| false).unwrap();
        }
    }

    pub(crate) fn spool(&self) -> Spool {
        let recorder = Recorder {
            node: "node-1".into(),
            boot_id: "boot".into(),
            recorder: "fgm-a".into(),
        };
        Spool::create(&self.dir, &recorder, SECOND).unwrap()
    }

    /// The site for everybody on this machine.
    pub(crate) fn site(&self) -> Router {
        fgm_service::access::Access::default()
            .guard(fgm_viewer::router(AppState::new(self.temp.path())))
    }

    /// A port of this machine, for everybody on it.
    pub(crate) async fn place(&self) -> fgm_service::listen::Place {
        fgm_service::listen::Place {
            listener: tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap(),
            access: fgm_service::access::Access::default(),
            url: String::new(),
            link: String::new(),
        }
    }
}

pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn header(&self, name: header::HeaderName) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// The header of each frame.
    pub(crate) fn frames(&self) -> Vec<Value> {
        let mut frames = Vec::new();
        let mut rest = self.body.as_slice();
        while !rest.is_empty() {
            assert_eq!(&rest[..4], b"FGMF");
            let length = u32::from_le_bytes(rest[8..12].try_into().unwrap()) as usize;
            let header: Value = serde_json::from_slice(&rest[16..16 + length]).unwrap();
            let body = usize::try_from(header["body"].as_u64().unwrap()).unwrap();
            rest = &rest[16 + length + body..];
            frames.push(header);
        }
        frames
    }
}

pub(crate) async fn ask(site: &Router, request: Request<Body>) -> Answer {
    let response = site.clone().oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    Answer {
        status: parts.status,
        headers: parts.headers,
        body: to_bytes(body, usize::MAX).await.unwrap().to_vec(),
    }
}

pub(crate) fn request(url: &str) -> Request<Body> {
    let request = Request::get(url).header(header::HOST, "127.0.0.1:8050");
    request.body(Body::empty()).unwrap()
}

pub(crate) async fn get(site: &Router, url: &str) -> Answer {
    ask(site, request(url)).await
}
