//! A pod on this machine, and the Pod object by which the recorder knows it.

use super::cgroups::Slice;
use super::container::{Container, Ended, State};
use crate::scenario::manifest::Planned;
use chrono::{DateTime, SecondsFormat, Utc};
use fgm_model::QosClass;
use serde_json::{Value, json};
use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

/// A pod and its containers.
#[derive(Debug)]
pub(crate) struct Pod {
    pub(crate) planned: Planned,
    pub(crate) uid: String,
    pub(crate) namespace: String,
    pub(crate) address: Ipv4Addr,
    pub(crate) qos: QosClass,
    pub(crate) containers: Vec<Container>,
    pub(crate) created_ms: i64,
}

impl Pod {
    /// Does what is due, and tells the recorder when something changed.
    ///
    /// # Errors
    /// A container cannot be started, or the object not be written.
    pub(crate) fn step(&mut self, slice: &Slice, pods_dir: &Path) -> anyhow::Result<()> {
        let mut changed = false;
        for container in &mut self.containers {
            changed |= container.step(slice)?;
        }
        if changed {
            self.tell(pods_dir)?;
        }
        Ok(())
    }

    /// Ends it: what runs is killed, and nothing is started any more.
    pub(crate) fn end(&self) {
        for container in &self.containers {
            if let State::Running(instance) = &container.state {
                instance.kill();
            }
        }
    }

    /// Whether all has ended for good and its cgroups are removed.
    pub(crate) fn is_gone(&self) -> bool {
        self.containers.iter().all(Container::is_gone)
    }

    /// Takes the Pod object away.
    pub(crate) fn forget(&self, pods_dir: &Path) {
        // It may not have been told yet.
        let _ = fs::remove_file(self.object_file(pods_dir));
    }

    fn object_file(&self, pods_dir: &Path) -> PathBuf {
        pods_dir.join(format!("{}.json", self.uid))
    }

    /// Writes the Pod object.
    ///
    /// # Errors
    /// With the file.
    pub(crate) fn tell(&self, pods_dir: &Path) -> anyhow::Result<()> {
        crate::state_dir::write_json(&self.object_file(pods_dir), &self.object())
    }

    /// The object as the API server would show it.
    fn object(&self) -> Value {
        let runs = |one: &Container| matches!(one.state, State::Running(_));
        let done = |one: &Container| matches!(one.state, State::Done);
        let failed = |one: &Container| one.last.as_ref().is_some_and(|last| last.exit_code != 0);
        let phase = if self.containers.iter().all(done) {
            if self.containers.iter().any(failed) {
                "Failed"
            } else {
                "Succeeded"
            }
        } else if self
            .containers
            .iter()
            .any(|one| runs(one) || one.last.is_some())
        {
            "Running"
        } else {
            "Pending"
        };
        let statuses: Vec<_> = self.containers.iter().map(status).collect();
        json!({
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {
                "name": self.planned.name,
                "namespace": self.namespace,
                "uid": self.uid,
                "labels": self.planned.labels,
                "creationTimestamp": time(self.created_ms),
            },
            "spec": self.planned.spec,
            "status": {
                "phase": phase,
                "qosClass": self.qos.as_str(),
                "podIP": self.address,
                "startTime": time(self.created_ms),
                "containerStatuses": statuses,
            },
        })
    }
}

fn status(container: &Container) -> Value {
    let id = |id: &str| format!("fgm-lab://{id}");
    let ended = |ended: &Ended| {
        json!({"terminated": {
            "containerID": id(&ended.container_id),
            "exitCode": ended.exit_code,
            "signal": ended.signal,
            "reason": ended.reason,
            "startedAt": time(ended.started_ms),
            "finishedAt": time(ended.finished_ms),
        }})
    };
    let last = container.last.as_ref();
    let (state, last_state, container_id) = match &container.state {
        State::Running(instance) => (
            json!({"running": {"startedAt": time(instance.started_ms)}}),
            last.map(ended),
            Some(id(&instance.container_id)),
        ),
        State::Done => (
            last.map_or(Value::Null, ended),
            None,
            last.map(|last| id(&last.container_id)),
        ),
        State::Waiting(_) => {
            let reason = match last {
                None => "ContainerCreating",
                Some(_) => "CrashLoopBackOff",
            };
            (
                json!({"waiting": {"reason": reason}}),
                last.map(ended),
                last.map(|last| id(&last.container_id)),
            )
        }
    };
    json!({
        "name": container.plan.name,
        "image": container.plan.image,
        "imageID": "",
        "ready": matches!(container.state, State::Running(_)),
        "restartCount": container.restarts,
        "containerID": container_id,
        "state": state,
        "lastState": last_state,
    })
}

/// With milliseconds, which a kubelet does not tell.
fn time(time_ms: i64) -> Option<String> {
    let time = DateTime::<Utc>::from_timestamp_millis(time_ms)?;
    Some(time.to_rfc3339_opts(SecondsFormat::Millis, true))
}

/// The class as Kubernetes decides it: requests that are not given are the limits.
pub(crate) fn qos(resources: &[fgm_collector::identity::Resources]) -> QosClass {
    let has_any = |of: &fgm_collector::identity::Resources| {
        of.cpu_request_millicores.is_some()
            || of.memory_request_bytes.is_some()
            || of.cpu_limit_millicores.is_some()
            || of.memory_limit_bytes.is_some()
    };
    let is_fixed = |request: Option<i64>, limit: Option<i64>| {
        limit.is_some() && request.is_none_or(|request| Some(request) == limit)
    };
    let is_guaranteed = |of: &fgm_collector::identity::Resources| {
        is_fixed(of.cpu_request_millicores, of.cpu_limit_millicores)
            && is_fixed(of.memory_request_bytes, of.memory_limit_bytes)
    };
    if !resources.iter().any(has_any) {
        QosClass::BestEffort
    } else if resources.iter().all(is_guaranteed) {
        QosClass::Guaranteed
    } else {
        QosClass::Burstable
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fgm_collector::identity::Resources;

    #[test]
    fn the_class_is_as_kubernetes_decides() {
        let none = Resources::default();
        let limits = Resources {
            cpu_limit_millicores: Some(100),
            memory_limit_bytes: Some(1),
            ..none
        };
        let both = Resources {
            cpu_request_millicores: Some(100),
            ..limits
        };
        let less = Resources {
            cpu_request_millicores: Some(50),
            ..limits
        };
        assert_eq!(qos(&[none, none]), QosClass::BestEffort);
        assert_eq!(qos(&[limits, both]), QosClass::Guaranteed);
        assert_eq!(qos(&[both, less]), QosClass::Burstable);
        assert_eq!(qos(&[both, none]), QosClass::Burstable);
    }
}
