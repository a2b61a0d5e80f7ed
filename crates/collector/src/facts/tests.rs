use super::detail::{OomKill, Scope, Source};
use super::*;
use fgm_model::{EventKind, Recorder};
use fgm_store::reader::EventRow;

mod merge;
mod shapes;
mod stories;

const POD: &str = "6f0b2d8e-52c1-4e5a-9d3b-1a2b3c4d5e6f";
const SECOND: i64 = 1000;

fn container(number: u32) -> Arc<Instance> {
    Arc::new(Instance {
        container_id: format!("{number:064x}"),
        life: format!("life-{number}"),
        cgroup_path: format!("/pod/{number}"),
        pod_uid: Some(POD.to_owned()),
        ..Instance::default()
    })
}

fn named(instance: &Arc<Instance>, restart_count: i64) -> Arc<Instance> {
    Arc::new(Instance {
        namespace: Some("default".to_owned()),
        pod_name: Some("web-0".to_owned()),
        container_name: Some("app".to_owned()),
        restart_count: Some(restart_count),
        ..Instance::clone(instance)
    })
}

fn pod() -> Arc<Instance> {
    Arc::new(Instance {
        container_id: "podpod".to_owned(),
        life: "pod".to_owned(),
        cgroup_path: "/pod".to_owned(),
        pod_uid: Some(POD.to_owned()),
        ..Instance::default()
    })
}

/// The counters of an OOM, and some memory.
fn values(kills: i64, groups: i64, ooms: i64, processes: i64) -> Values {
    let mut values = Values::default();
    for (metric, value) in [
        (Metric::MemoryEventsOomKill, kills),
        (Metric::MemoryEventsOomGroupKill, groups),
        (Metric::MemoryEventsOom, ooms),
        (Metric::ProcessCount, processes),
        (Metric::MemoryMax, 32 << 20),
        (Metric::MemoryPeak, 32 << 20),
    ] {
        values.set(metric, Some(value));
    }
    values
}

fn calm(memory: i64) -> Values {
    let mut values = values(0, 0, 0, 1);
    values.set(Metric::MemoryCurrent, Some(memory));
    values.set(Metric::MemoryInactiveFile, Some(0));
    values.set(Metric::MemoryPsiSomeUsec, Some(memory));
    values.set(Metric::MemoryPsiFullUsec, Some(memory / 2));
    values
}

const fn at(at_ms: i64) -> Reading {
    Reading {
        at_ms,
        tick_ms: None,
        interval_ms: SECOND,
        limits_known: true,
        whole: true,
    }
}

fn status(number: u32, finished_at_ms: i64) -> ContainerStatusFact {
    ContainerStatusFact {
        container_id: format!("{number:064x}"),
        pod_uid: POD.to_owned(),
        container_name: "app".to_owned(),
        reason: Some("OOMKilled".to_owned()),
        exit_code: 137,
        signal: None,
        started_at_ms: Some(0),
        finished_at_ms: Some(finished_at_ms),
        restart_count: 0,
        observed_at_ms: finished_at_ms + 700,
    }
}

fn record(number: u32, at_ms: i64) -> OomRecord {
    OomRecord {
        sequence: 5,
        at_ms,
        oom_cgroup: Some(format!("/pod/{number}")),
        limit_bytes: None,
        task_cgroup: format!("/pod/{number}"),
        victim: crate::kmsg::Killed {
            pid: 42,
            name: "hog".to_owned(),
            uid: Some(0),
            anon_rss_bytes: Some(31 << 20),
            ..crate::kmsg::Killed::default()
        },
        processes_killed: 1,
        group_kill: false,
    }
}

/// Facts, and the highest revision of all that was told.
struct Bed {
    facts: Facts,
    maker: EventMaker,
    told: Vec<Event>,
}

impl Bed {
    fn new() -> Self {
        Self {
            facts: Facts::default(),
            maker: EventMaker::new(Recorder {
                node: "node".to_owned(),
                boot_id: "boot".to_owned(),
                recorder: "fgm".to_owned(),
            }),
            told: Vec::new(),
        }
    }

    /// The events of the tick at that time.
    fn take(&mut self, time_ms: i64) -> Vec<Event> {
        self.maker.set_tick(time_ms, 0);
        let mut events = Vec::new();
        self.facts.take(&self.maker, &mut events);
        self.told.extend(events.iter().cloned());
        events
    }

    /// The highest revision of each event of that kind, the earliest first.
    fn highest(&self, kind: EventKind) -> Vec<&Event> {
        let mut highest: Vec<&Event> = Vec::new();
        for event in self.told.iter().filter(|event| event.kind == kind) {
            match highest
                .iter_mut()
                .find(|known| known.event_id == event.event_id)
            {
                Some(known) => {
                    assert_eq!(event.revision, known.revision + 1, "revisions are in order");
                    *known = event;
                }
                None => {
                    assert_eq!(event.revision, 0);
                    highest.push(event);
                }
            }
        }
        highest.sort_by_key(|event| event.time_ms);
        highest
    }

    fn kills(&self) -> Vec<(String, OomKill)> {
        self.highest(EventKind::OomKill)
            .into_iter()
            .map(|event| {
                let instance = event.instance.as_ref().expect("whose it is");
                let detail = serde_json::from_value(event.detail.clone()).expect("a detail");
                (instance.container_id.clone(), detail)
            })
            .collect()
    }

    /// What a store gives back of it.
    fn rows(&self) -> Vec<EventRow> {
        let mut rows: HashMap<String, EventRow> = HashMap::new();
        for event in &self.told {
            rows.insert(
                event.event_id.clone(),
                EventRow {
                    event_id: event.event_id.clone(),
                    revision: event.revision,
                    kind: event.kind.as_str().to_owned(),
                    time_ms: event.time_ms,
                    recorded_at_ms: event.recorded_at_ms,
                    node: "node".into(),
                    instance: event.instance.clone(),
                    series: None,
                    detail: event.detail.clone(),
                },
            );
        }
        rows.into_values().collect()
    }
}
