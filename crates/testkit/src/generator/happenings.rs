//! Events in the shapes that the recorder gives them (DATA.md section 5).

use super::container::{Container, Oom};
use super::fleet::{NODE, RECORDER};
use super::truth::{End, Gap, Life};
use fgm_model::event::{Subject, event_id};
use fgm_model::throttling::{Change, Periods};
use fgm_model::{Event, EventKind, Instance, Metric, Recorder};
use serde_json::{Value, json};
use std::sync::Arc;

/// Makes events and keeps those of a tick.
#[derive(Debug)]
pub(super) struct Happenings {
    recorder: Recorder,
    recorded_at_ms: i64,
    pub(super) events: Vec<Event>,
}

impl Happenings {
    pub(super) fn new(boot_id: &str) -> Self {
        Self {
            recorder: Recorder {
                node: NODE.to_owned(),
                boot_id: boot_id.to_owned(),
                recorder: RECORDER.to_owned(),
            },
            recorded_at_ms: 0,
            events: Vec::new(),
        }
    }

    pub(super) const fn recorder(&self) -> &Recorder {
        &self.recorder
    }

    /// The tick that records the following events.
    pub(super) const fn set_tick(&mut self, time_ms: i64) {
        self.recorded_at_ms = time_ms;
    }

    pub(super) fn recorder_started(&mut self) {
        let detail = json!({ "version": env!("CARGO_PKG_VERSION"), "pid": 1 });
        self.of_node(EventKind::RecorderStarted, detail);
    }

    pub(super) fn recorder_stopped(&mut self) {
        self.of_node(EventKind::RecorderStopped, json!({ "pid": 1 }));
    }

    pub(super) fn missed(&mut self, gap: Gap) {
        self.of_node(EventKind::TickMissed, json!({ "count": gap.missed }));
    }

    pub(super) fn late(&mut self, late_us: i64) {
        self.of_node(EventKind::TickLate, json!({ "late_us": late_us }));
    }

    pub(super) fn started(&mut self, instance: &Arc<Instance>, at_us: i64, born: bool) {
        let detail = json!({ "born": born });
        self.of_instance(EventKind::Started, instance, at_us / 1000, detail);
    }

    /// The instance ended, of itself or not.
    pub(super) fn ended(&mut self, instance: &Arc<Instance>, at_us: i64, end: End) {
        let mut detail = termination(Some(end), at_us);
        detail["away"] = json!(false);
        self.of_instance(EventKind::Ended, instance, at_us / 1000, detail);
    }

    pub(super) fn oom_kill(&mut self, container: &Container, oom: Oom) {
        let (current, peak) = container.memory();
        let profile = &container.profile;
        let survivors = (profile.processes - oom.processes_killed).max(0);
        let inactive = container.values.get(Metric::MemoryInactiveFile);
        let mut detail = termination(oom.is_end.then_some(End::OomKilled), oom.at_us);
        let known = json!({
            "oom_kill_before": oom.before,
            "scope": "container",
            "limit_bytes": profile.memory_limit,
            "oom_cgroup": container.instance.cgroup_path,
            "victim": null,
            "processes_killed": oom.processes_killed,
            "group_kill": oom.processes_killed > 1,
            "survivors": if oom.is_end { 0 } else { survivors },
            "working_set_bytes": current - inactive.unwrap_or(0),
            "memory_peak_bytes": peak,
            "allocation_bytes_per_s": profile.leak as i64,
            "memory_psi_some_percent": null,
            "memory_psi_full_percent": null,
            "node_processes_killed": oom.processes_killed,
            "sources": ["container", "pod"],
        });
        if let (Some(detail), Value::Object(known)) = (detail.as_object_mut(), known) {
            detail.extend(known);
        }
        let instance = &container.instance;
        let id = event_id(Subject::Instance(instance), EventKind::OomKill, oom.before);
        let time_ms = oom.at_us / 1000;
        let instance = Some(Arc::clone(instance));
        self.push(id, EventKind::OomKill, time_ms, instance, detail);
    }

    pub(super) fn throttling(&mut self, instance: &Arc<Instance>, change: Change) {
        let sums = |periods: Option<Periods>| {
            json!({
                "throttled_percent": periods.and_then(Periods::percent),
                "nr_periods": periods.map(|periods| periods.periods),
                "nr_throttled": periods.map(|periods| periods.throttled),
                "throttled_usec": periods.map(|periods| periods.throttled_usec),
            })
        };
        let (kind, time_ms, detail) = match change {
            Change::Started { time_ms, window } => {
                (EventKind::ThrottlingStarted, time_ms, sums(Some(window)))
            }
            Change::Ended {
                time_ms,
                started_ms,
                total,
            } => {
                let mut detail = sums(total);
                detail["started_at_ms"] = json!(started_ms);
                (EventKind::ThrottlingEnded, time_ms, detail)
            }
        };
        self.of_instance(kind, instance, time_ms, detail);
    }

    /// A container was started again in the same pod, after that life.
    pub(super) fn restarted(&mut self, instance: &Arc<Instance>, at_us: i64, previous: &Life) {
        let ended_us = previous.ended_us.unwrap_or(at_us);
        let mut detail = termination(Some(previous.end), ended_us);
        detail["previous_container_id"] = json!(previous.container_id);
        detail["previous_life"] = json!(previous.life);
        detail["restart_count"] = json!(instance.restart_count);
        self.of_instance(EventKind::Restarted, instance, at_us / 1000, detail);
    }

    fn of_node(&mut self, kind: EventKind, detail: Value) {
        let time_ms = self.recorded_at_ms;
        let subject = Subject::Node {
            node: &self.recorder.node,
            boot_id: &self.recorder.boot_id,
        };
        let id = event_id(subject, kind, time_ms);
        self.push(id, kind, time_ms, None, detail);
    }

    fn of_instance(
        &mut self,
        kind: EventKind,
        instance: &Arc<Instance>,
        time_ms: i64,
        detail: Value,
    ) {
        let id = event_id(Subject::Instance(instance), kind, time_ms);
        self.push(id, kind, time_ms, Some(Arc::clone(instance)), detail);
    }

    fn push(
        &mut self,
        event_id: String,
        kind: EventKind,
        time_ms: i64,
        instance: Option<Arc<Instance>>,
        detail: Value,
    ) {
        self.events.push(Event {
            event_id,
            revision: 0,
            kind,
            time_ms,
            recorded_at_ms: self.recorded_at_ms,
            clock_epoch: 0,
            instance,
            detail,
        });
    }
}

/// How the main process ended, as the pod's status tells; all unknown while it runs.
fn termination(end: Option<End>, at_us: i64) -> Value {
    let (reason, exit_code) = match end {
        Some(End::OomKilled) => (Some("OOMKilled"), Some(137)),
        Some(End::Crashed) => (Some("Error"), Some(1)),
        Some(End::Completed | End::RolledOut) => (Some("Completed"), Some(0)),
        Some(End::Running) | None => (None, None),
    };
    json!({
        "reason": reason,
        "exit_code": exit_code,
        "signal": null,
        "started_at_ms": null,
        "finished_at_ms": exit_code.map(|_| at_us / 1000),
    })
}
