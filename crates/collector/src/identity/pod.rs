//! What is kept of a Pod object: a few hundred bytes of its ten thousand.

use crate::identity::named::{Named, Resources};
use crate::identity::quantity;
use fgm_model::QosClass;
use k8s_openapi::api::core::v1::{
    Container, ContainerStateTerminated, ContainerStatus, EphemeralContainer, Pod, PodSpec,
    ResourceRequirements,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The kubelet names a static pod's cgroup by this, not by the UID of the mirror pod that the
/// API server shows.
const CONFIG_HASH: &str = "kubernetes.io/config.hash";

/// Labels are kept up to this size as JSON; a pod with more keeps the first of them.
const MOST_LABEL_BYTES: usize = 16 << 10;

/// What is kept of a pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PodInfo {
    /// The UID of the API object.
    pub uid: String,
    /// The UID in the cgroup's path: another one for static pods.
    pub cgroup_uid: String,
    /// Its controller.
    pub owner: Option<Owner>,
    /// What rows of the pod's own cgroup are called.
    pub named: Arc<Named>,
    /// What rows of a container in it are called whose ID no status has told yet.
    pub some_container: Arc<Named>,
    /// Its containers: init, sidecar, regular, ephemeral, in the order of the specification.
    pub containers: Vec<ContainerInfo>,
}

/// What made a pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    /// Such as `ReplicaSet` or `Node` (of a static pod).
    pub kind: String,
    /// Its name.
    pub name: String,
}

/// What is kept of a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerInfo {
    /// Its part in the pod.
    pub role: Role,
    /// What its rows are called, with the restarts so far.
    pub named: Arc<Named>,
    /// The runtime's ID of its latest instance.
    pub container_id: Option<String>,
    /// Terminations that the status tells of: of the latest instance, and of the one before.
    pub terminations: Vec<Termination>,
}

/// The part a container plays in its pod.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Runs to its end before the regular ones start.
    Init,
    /// An init container that goes on running beside the regular ones.
    Sidecar,
    /// Does the pod's work.
    Regular,
    /// Added later, to look around.
    Ephemeral,
}

/// How an instance of a container ended, as the kubelet tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Termination {
    /// The runtime's ID.
    pub container_id: String,
    /// Restarts before it.
    pub restart_count: i64,
    /// Such as `OOMKilled`, `Error` or `Completed`.
    pub reason: Option<String>,
    /// The exit code; 128 + signal where a signal ended it.
    pub exit_code: i64,
    /// The signal, where the runtime tells.
    pub signal: Option<i64>,
    /// When it started, milliseconds UTC.
    pub started_at_ms: Option<i64>,
    /// When it ended, milliseconds UTC.
    pub finished_at_ms: Option<i64>,
}

impl PodInfo {
    /// What is worth keeping; `None` for an object without UID or name, which the API server
    /// never shows.
    #[must_use]
    pub fn of(pod: &Pod) -> Option<Self> {
        let meta = &pod.metadata;
        let uid = meta.uid.as_ref().filter(|uid| !uid.is_empty())?;
        let name = meta.name.as_ref().filter(|name| !name.is_empty())?;
        let hash = meta.annotations.as_ref().and_then(|of| of.get(CONFIG_HASH));
        let cgroup_uid = hash.unwrap_or(uid);
        let owners = meta.owner_references.iter().flatten();
        let owner = owners
            .clone()
            .find(|owner| owner.controller == Some(true))
            .map(|owner| Owner {
                kind: owner.kind.clone(),
                name: owner.name.clone(),
            });
        let status = pod.status.as_ref();
        let named = Named {
            namespace: meta.namespace.clone(),
            pod_name: Some(name.clone()),
            pod_uid: Some(cgroup_uid.clone()),
            qos_class: status.and_then(|status| qos_class(status.qos_class.as_deref()?)),
            pod_labels: meta.labels.as_ref().and_then(labels_json),
            resources: pod.spec.as_ref().map(of_pod).unwrap_or_default(),
            ..Named::default()
        };
        let statuses: BTreeMap<&str, &ContainerStatus> = status
            .into_iter()
            .flat_map(|status| {
                [
                    &status.init_container_statuses,
                    &status.container_statuses,
                    &status.ephemeral_container_statuses,
                ]
            })
            .flatten()
            .flatten()
            .map(|status| (status.name.as_str(), status))
            .collect();
        let containers = pod.spec.iter().flat_map(containers_of);
        let containers = containers
            .map(|of| of.info(&named, statuses.get(of.name).copied()))
            .collect();
        Some(Self {
            uid: uid.clone(),
            cgroup_uid: cgroup_uid.clone(),
            owner,
            some_container: Arc::new(Named {
                resources: Resources::default(),
                ..named.clone()
            }),
            named: Arc::new(named),
            containers,
        })
    }
}

/// What the kinds of containers have in common in a specification.
struct Specified<'pod> {
    role: Role,
    name: &'pod str,
    image: Option<&'pod str>,
    resources: Option<&'pod ResourceRequirements>,
}

impl Specified<'_> {
    fn info(&self, pod: &Named, status: Option<&ContainerStatus>) -> ContainerInfo {
        let image = self.image.filter(|image| !image.is_empty());
        let restart_count = status.map(|status| i64::from(status.restart_count));
        let named = Named {
            container_name: Some(self.name.to_owned()),
            // Image volumes aside, a container always has one; the status knows it too.
            image: image
                .or(status.map(|status| status.image.as_str()))
                .map(str::to_owned),
            restart_count,
            resources: of_container(self.resources),
            ..pod.clone()
        };
        let container_id = status
            .and_then(|status| status.container_id.as_deref())
            .and_then(bare_id);
        let restart_count = restart_count.unwrap_or_default();
        let terminations = status
            .into_iter()
            .flat_map(|status| [&status.last_state, &status.state])
            .flatten()
            .filter_map(|state| state.terminated.as_ref())
            .filter_map(|ended| termination(ended, container_id, restart_count))
            .collect();
        ContainerInfo {
            role: self.role,
            named: Arc::new(named),
            container_id: container_id.map(str::to_owned),
            terminations,
        }
    }
}

fn termination(
    ended: &ContainerStateTerminated,
    latest: Option<&str>,
    restart_count: i64,
) -> Option<Termination> {
    let container_id = bare_id(ended.container_id.as_deref()?)?;
    let at = |time: &Option<k8s_openapi::apimachinery::pkg::apis::meta::v1::Time>| {
        let ms = time.as_ref()?.0.as_millisecond();
        // The kubelet writes the year 1 or 1970 where the runtime told nothing.
        (ms > 0).then_some(ms)
    };
    Some(Termination {
        container_id: container_id.to_owned(),
        // While it waits to be restarted, the latest instance is the one that ended.
        restart_count: if latest == Some(container_id) {
            restart_count
        } else {
            (restart_count - 1).max(0)
        },
        reason: ended.reason.clone().filter(|reason| !reason.is_empty()),
        exit_code: i64::from(ended.exit_code),
        signal: ended.signal.map(i64::from).filter(|signal| *signal != 0),
        started_at_ms: at(&ended.started_at),
        finished_at_ms: at(&ended.finished_at),
    })
}

/// `containerd://<id>` without the scheme.
fn bare_id(id: &str) -> Option<&str> {
    let (_, id) = id.split_once("://")?;
    (!id.is_empty()).then_some(id)
}

fn containers_of(spec: &PodSpec) -> impl Iterator<Item = Specified<'_>> {
    let init = spec.init_containers.iter().flatten();
    let ephemeral = spec.ephemeral_containers.iter().flatten();
    init.map(|container| specified(role_of_init(container), container))
        .chain(
            spec.containers
                .iter()
                .map(|container| specified(Role::Regular, container)),
        )
        .chain(ephemeral.map(|container: &EphemeralContainer| Specified {
            role: Role::Ephemeral,
            name: &container.name,
            image: container.image.as_deref(),
            resources: container.resources.as_ref(),
        }))
}

const fn specified(role: Role, container: &Container) -> Specified<'_> {
    Specified {
        role,
        name: container.name.as_str(),
        image: match &container.image {
            Some(image) => Some(image.as_str()),
            None => None,
        },
        resources: container.resources.as_ref(),
    }
}

fn role_of_init(container: &Container) -> Role {
    if container.restart_policy.as_deref() == Some("Always") {
        Role::Sidecar
    } else {
        Role::Init
    }
}

fn qos_class(text: &str) -> Option<QosClass> {
    [
        QosClass::Guaranteed,
        QosClass::Burstable,
        QosClass::BestEffort,
    ]
    .into_iter()
    .find(|class| class.as_str() == text)
}

fn labels_json(labels: &BTreeMap<String, String>) -> Option<Arc<str>> {
    let mut bytes = 0;
    let kept: BTreeMap<_, _> = labels
        .iter()
        .take_while(|(key, value)| {
            bytes += key.len() + value.len() + 6;
            bytes <= MOST_LABEL_BYTES
        })
        .collect();
    serde_json::to_string(&kept).ok().map(Arc::from)
}

type Quantities = Option<BTreeMap<String, Quantity>>;

fn cpu(of: &Quantities) -> Option<i64> {
    quantity::millis(&of.as_ref()?.get("cpu")?.0)
}

fn memory(of: &Quantities) -> Option<i64> {
    quantity::whole(&of.as_ref()?.get("memory")?.0)
}

fn of_container(resources: Option<&ResourceRequirements>) -> Resources {
    resources.map_or_else(Resources::default, |resources| Resources {
        cpu_request_millicores: cpu(&resources.requests),
        memory_request_bytes: memory(&resources.requests),
        cpu_limit_millicores: cpu(&resources.limits),
        memory_limit_bytes: memory(&resources.limits),
    })
}

/// What the scheduler reckons with: the specification of the pod itself where it has one, else
/// the greater of what runs together and what the init containers need in their turn.
fn of_pod(spec: &PodSpec) -> Resources {
    let own = of_container(spec.resources.as_ref());
    let total = |of: fn(&Resources) -> Option<i64>| {
        let (mut together, mut sidecars, mut alone) = (None, None, None);
        for container in containers_of(spec) {
            let wanted = of(&of_container(container.resources));
            match container.role {
                Role::Regular => together = sum(together, wanted),
                Role::Sidecar => sidecars = sum(sidecars, wanted),
                Role::Init => alone = alone.max(sum(sidecars, wanted)),
                Role::Ephemeral => {}
            }
        }
        sum(together, sidecars).max(alone)
    };
    // A limit is one only if each container has it.
    let limit = |of: fn(&Resources) -> Option<i64>| {
        let all = containers_of(spec)
            .filter(|container| container.role != Role::Ephemeral)
            .all(|container| of(&of_container(container.resources)).is_some());
        all.then(|| total(of)).flatten()
    };
    let with_overhead = |total: Option<i64>, overhead: Option<i64>| {
        total.map(|total| total.saturating_add(overhead.unwrap_or_default()))
    };
    let (cpu_overhead, memory_overhead) = (cpu(&spec.overhead), memory(&spec.overhead));
    Resources {
        cpu_request_millicores: with_overhead(
            own.cpu_request_millicores
                .or_else(|| total(|of| of.cpu_request_millicores)),
            cpu_overhead,
        ),
        memory_request_bytes: with_overhead(
            own.memory_request_bytes
                .or_else(|| total(|of| of.memory_request_bytes)),
            memory_overhead,
        ),
        cpu_limit_millicores: with_overhead(
            own.cpu_limit_millicores
                .or_else(|| limit(|of| of.cpu_limit_millicores)),
            cpu_overhead,
        ),
        memory_limit_bytes: with_overhead(
            own.memory_limit_bytes
                .or_else(|| limit(|of| of.memory_limit_bytes)),
            memory_overhead,
        ),
    }
}

fn sum(one: Option<i64>, other: Option<i64>) -> Option<i64> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.saturating_add(other)),
        (one, other) => one.or(other),
    }
}

#[cfg(test)]
mod tests;
