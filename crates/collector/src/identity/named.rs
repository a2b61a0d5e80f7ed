//! What a container or a pod is called.

use fgm_model::{Instance, QosClass};
use std::sync::Arc;

/// What is known of a container, or of a pod's own cgroup, beyond its path.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Named {
    /// The pod's namespace.
    pub namespace: Option<String>,
    /// The pod's name.
    pub pod_name: Option<String>,
    /// The UID in the pod's cgroup path.
    pub pod_uid: Option<String>,
    /// The pod's class.
    pub qos_class: Option<QosClass>,
    /// The pod's labels as a JSON object.
    pub pod_labels: Option<Arc<str>>,
    /// The container's name; `None` for a pod, and for a container whose pod is known but
    /// whose ID no status has told yet.
    pub container_name: Option<String>,
    /// The image as the pod, or the runtime, names it.
    pub image: Option<String>,
    /// Restarts so far.
    pub restart_count: Option<i64>,
    /// Requests and limits of the specification.
    pub resources: Resources,
}

/// Requests and limits of a specification; `None` where it has none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Resources {
    /// Thousandths of a CPU.
    pub cpu_request_millicores: Option<i64>,
    /// Bytes.
    pub memory_request_bytes: Option<i64>,
    /// Thousandths of a CPU.
    pub cpu_limit_millicores: Option<i64>,
    /// Bytes.
    pub memory_limit_bytes: Option<i64>,
}

impl Named {
    /// The instance with what is known; what the path told stays where nothing better is.
    #[must_use]
    pub fn fill(&self, found: &Instance) -> Instance {
        let text = |known: &Option<String>, path: &Option<String>| {
            known.as_ref().or(path.as_ref()).cloned()
        };
        Instance {
            container_id: found.container_id.clone(),
            life: found.life.clone(),
            cgroup_path: found.cgroup_path.clone(),
            // The path's own is what the series of the rows so far was made of.
            pod_uid: text(&found.pod_uid, &self.pod_uid),
            qos_class: found.qos_class.or(self.qos_class),
            container_name: text(&self.container_name, &found.container_name),
            namespace: text(&self.namespace, &found.namespace),
            pod_name: text(&self.pod_name, &found.pod_name),
            image: text(&self.image, &found.image),
            restart_count: self.restart_count.or(found.restart_count),
            pod_labels: self
                .pod_labels
                .as_deref()
                .map(str::to_owned)
                .or_else(|| found.pod_labels.clone()),
        }
    }
}
