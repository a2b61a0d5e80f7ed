//! Events that the recorder makes of its own running (DATA.md section 5).

use fgm_model::event::{Subject, event_id};
use fgm_model::{Event, EventKind, Instance, Recorder};
use fgm_proc::PssSkipped;
use serde_json::json;
use std::sync::Arc;

/// Makes events for one recorder.
#[derive(Debug, Clone)]
pub struct EventMaker {
    recorder: Recorder,
    /// The tick that records them: its time is `recorded_at`, so that an event lies in the same
    /// hour as the rows beside it.
    recorded_at_ms: i64,
    clock_epoch: i64,
}

impl EventMaker {
    /// For that recorder, before its first tick.
    #[must_use]
    pub const fn new(recorder: Recorder) -> Self {
        Self {
            recorder,
            recorded_at_ms: 0,
            clock_epoch: 0,
        }
    }

    /// The tick with which the following events are recorded.
    pub const fn set_tick(&mut self, time_ms: i64, clock_epoch: i64) {
        self.recorded_at_ms = time_ms;
        self.clock_epoch = clock_epoch;
    }

    pub(crate) fn recorder_started(&self, time_ms: i64, version: &str) -> Event {
        let detail = json!({ "version": version, "pid": std::process::id() });
        self.of_node(EventKind::RecorderStarted, time_ms, detail)
    }

    pub(crate) fn recorder_stopped(&self, time_ms: i64) -> Event {
        let detail = json!({ "pid": std::process::id() });
        self.of_node(EventKind::RecorderStopped, time_ms, detail)
    }

    /// A tick began `late_us` after its grid instant.
    pub(crate) fn tick_late(&self, time_ms: i64, late_us: i64) -> Event {
        self.of_node(EventKind::TickLate, time_ms, json!({ "late_us": late_us }))
    }

    /// `count` instants before the tick at `time_ms` have no reading.
    pub(crate) fn tick_missed(&self, time_ms: i64, count: i64) -> Event {
        self.of_node(EventKind::TickMissed, time_ms, json!({ "count": count }))
    }

    pub(crate) fn clock_step(&self, time_ms: i64, step_us: i64) -> Event {
        self.of_node(EventKind::ClockStep, time_ms, json!({ "step_us": step_us }))
    }

    /// A process was found too large to scan.
    pub(crate) fn pss_skipped(
        &self,
        instance: &Arc<Instance>,
        time_ms: i64,
        skipped: &PssSkipped,
    ) -> Event {
        let detail = json!({
            "pid": skipped.key.pid,
            "resident_bytes": skipped.resident_bytes,
            "predicted_cost_us": u64::try_from(skipped.predicted_cost.as_micros()).unwrap_or(u64::MAX),
        });
        self.of_instance(EventKind::PssSkipped, instance, time_ms, detail)
    }

    /// When the events that are made now are recorded.
    pub(crate) const fn recorded_at_ms(&self) -> i64 {
        self.recorded_at_ms
    }

    /// A revision of a fact about an instance.
    pub(crate) fn fact(
        &self,
        event_id: String,
        revision: i64,
        kind: EventKind,
        time_ms: i64,
        instance: &Arc<Instance>,
        detail: serde_json::Value,
    ) -> Event {
        Event {
            revision,
            ..self.event(event_id, kind, time_ms, Some(Arc::clone(instance)), detail)
        }
    }

    fn of_node(&self, kind: EventKind, time_ms: i64, detail: serde_json::Value) -> Event {
        let subject = Subject::Node {
            node: &self.recorder.node,
            boot_id: &self.recorder.boot_id,
        };
        self.event(
            event_id(subject, kind, time_ms),
            kind,
            time_ms,
            None,
            detail,
        )
    }

    fn of_instance(
        &self,
        kind: EventKind,
        instance: &Arc<Instance>,
        time_ms: i64,
        detail: serde_json::Value,
    ) -> Event {
        let id = event_id(Subject::Instance(instance), kind, time_ms);
        self.event(id, kind, time_ms, Some(Arc::clone(instance)), detail)
    }

    fn event(
        &self,
        event_id: String,
        kind: EventKind,
        time_ms: i64,
        instance: Option<Arc<Instance>>,
        detail: serde_json::Value,
    ) -> Event {
        Event {
            event_id,
            revision: 0,
            kind,
            time_ms,
            recorded_at_ms: self.recorded_at_ms,
            clock_epoch: self.clock_epoch,
            instance,
            detail,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fgm_proc::ProcessKey;
    use std::time::Duration;

    /// Readers of years to come parse `detail`: its shape per kind is a contract.
    #[test]
    fn details_have_a_stable_shape() {
        let mut maker = EventMaker::new(Recorder {
            node: "node-1".to_owned(),
            boot_id: "boot".to_owned(),
            recorder: "fgm-1".to_owned(),
        });
        maker.set_tick(10_000, 2);
        let instance = Arc::new(Instance::default());
        let list: Vec<_> = [
            maker.recorder_started(1, "0.1.0"),
            maker.recorder_stopped(2),
            maker.tick_late(3, 400_000),
            maker.tick_missed(4, 7),
            maker.clock_step(5, -60_000_000),
            maker.pss_skipped(
                &instance,
                8,
                &PssSkipped {
                    key: ProcessKey {
                        pid: 42,
                        start_ticks: 7,
                    },
                    resident_bytes: 8 << 30,
                    predicted_cost: Duration::from_millis(108),
                },
            ),
        ]
        .into_iter()
        .map(|event| {
            let mut detail = event.detail;
            if let Some(pid) = detail.get_mut("pid") {
                *pid = json!(1);
            }
            format!(
                "{} at {} recorded {} epoch {}: {detail}",
                event.kind.as_str(),
                event.time_ms,
                event.recorded_at_ms,
                event.clock_epoch
            )
        })
        .collect();
        insta::assert_snapshot!(list.join("\n"));
    }
}
