//! What a cgroup is, told by its path alone.
//!
//! The path is read from the root downwards, and the first container on it is the *boundary*:
//! all below it (crun's `container`, the `init.scope` of a systemd inside, what Docker in
//! Docker runs) belongs to that container. The tables in `table` are the whole knowledge of
//! runtimes.
//!
//! One thing a path cannot tell: a pod's sandbox (`pause`) has the same kind of name as a
//! container. [`Boundary::may_be_sandbox`] says when to ask its process; see
//! [`crate::sandbox`].

mod table;

use fgm_model::QosClass;

/// What a path is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Recognised {
    /// A container's own cgroup, where its limits sit.
    Container(Boundary),
    /// A pod's cgroup.
    Pod(Pod),
    /// A systemd service or scope that is no container; the name tells it from all others.
    Unit(String),
    /// A cgroup below a boundary.
    InContainer,
    /// A cgroup below a unit.
    InUnit,
    /// A runtime's helper (conmon): never shown.
    Helper,
    /// Holds other cgroups by its nature (a slice, `kubepods`): never shown itself.
    Group,
    /// Anything else, the root included.
    Other,
}

/// What the path tells of a container.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Boundary {
    /// The runtime's ID.
    pub container_id: Option<String>,
    /// Which runtime made it, where the name tells.
    pub runtime: Option<Runtime>,
    /// The pod it is in.
    pub pod: Option<Pod>,
    /// The container's name, where the path has it (the local lab).
    pub name: Option<String>,
    /// Restarts so far, where the path has them (the local lab).
    pub restart_count: Option<i64>,
}

impl Boundary {
    /// Whether this may be the pod's sandbox, which only its process can tell.
    #[must_use]
    pub const fn may_be_sandbox(&self) -> bool {
        // The lab has no sandboxes, and a lone container is in no pod.
        self.pod.is_some() && self.name.is_none()
    }
}

/// What the path tells of a pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pod {
    /// The UID with dashes as the API server writes it; 32 hex digits for a static pod; the
    /// pod's ID in Podman.
    pub uid: String,
    /// The class, where there is Kubernetes.
    pub qos_class: Option<QosClass>,
}

/// A container runtime.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Runtime {
    /// containerd, by the CRI or nerdctl.
    Containerd,
    /// CRI-O.
    Crio,
    /// Docker.
    Docker,
    /// Podman.
    Podman,
    /// The local lab.
    Lab,
}

impl Runtime {
    /// The scheme that Kubernetes writes before a container ID (`containerd://...`).
    #[must_use]
    pub const fn scheme(self) -> &'static str {
        match self {
            Self::Containerd => "containerd",
            Self::Crio => "cri-o",
            Self::Docker => "docker",
            Self::Podman => "podman",
            Self::Lab => "fgm-lab",
        }
    }
}

/// What the path's parts so far have led to.
enum Place {
    /// Nothing known.
    Plain,
    /// `kubepods` or one of its levels, cgroupfs driver.
    Kubepods(QosClass),
    /// In a pod's cgroup.
    Pod(Pod),
    /// In the lab's slice, this many levels down.
    Lab(usize),
    /// In a pod of the lab.
    LabPod(Pod),
    /// In a unit that is no service manager.
    Unit,
}

/// Tells what the cgroup at `path` (below the mount, with a leading slash) is.
#[must_use]
pub fn recognise(path: &str) -> Recognised {
    let mut place = Place::Plain;
    let mut last = Recognised::Other;
    // Whose units they are: unit names are unique for each service manager only.
    let mut manager = None;
    let mut parent = "";
    for name in path.split('/').filter(|name| !name.is_empty()) {
        match last {
            Recognised::Container(_) | Recognised::InContainer => return Recognised::InContainer,
            Recognised::Helper => return Recognised::Helper,
            _ => {}
        }
        (place, last) = step(place, parent, name, manager);
        if table::is_user_manager(name) {
            manager = Some(name);
        }
        parent = name;
    }
    last
}

fn step(place: Place, parent: &str, name: &str, manager: Option<&str>) -> (Place, Recognised) {
    match place {
        Place::Lab(0) => return (Place::Lab(1), Recognised::Group),
        Place::Lab(_) => {
            let pod = Pod {
                uid: name.to_owned(),
                qos_class: None,
            };
            return (Place::LabPod(pod.clone()), Recognised::Pod(pod));
        }
        Place::LabPod(pod) => {
            let boundary = table::lab_container(name, &pod);
            return (Place::LabPod(pod), Recognised::Container(boundary));
        }
        _ => {}
    }
    if table::is_helper(name) {
        return (place, Recognised::Helper);
    }
    if let Some((container_id, runtime)) = table::container(name, parent) {
        let pod = match &place {
            Place::Pod(pod) => Some(pod.clone()),
            _ => table::pod_before_colon(name),
        };
        let boundary = Boundary {
            container_id: Some(container_id.to_owned()),
            runtime,
            pod,
            ..Boundary::default()
        };
        return (place, Recognised::Container(boundary));
    }
    match &place {
        Place::Pod(pod) => {
            // Nobody but the runtime makes cgroups here, so this is a container too.
            let boundary = Boundary {
                container_id: Some(name.to_owned()),
                pod: Some(pod.clone()),
                ..Boundary::default()
            };
            return (place, Recognised::Container(boundary));
        }
        Place::Kubepods(class) => {
            if let Some(class) = table::level(name) {
                return (Place::Kubepods(class), Recognised::Group);
            }
            if let Some(uid) = name.strip_prefix("pod").filter(|uid| !uid.is_empty()) {
                let pod = Pod {
                    uid: uid.to_owned(),
                    qos_class: Some(*class),
                };
                return (Place::Pod(pod.clone()), Recognised::Pod(pod));
            }
        }
        _ => {}
    }
    if let Some(pod) = table::pod_slice(name) {
        return (Place::Pod(pod.clone()), Recognised::Pod(pod));
    }
    match name {
        "kubepods" => (Place::Kubepods(QosClass::Guaranteed), Recognised::Group),
        "fgm-lab.slice" => (Place::Lab(0), Recognised::Group),
        _ if matches!(place, Place::Unit) => (place, Recognised::InUnit),
        _ if table::is_group(name) || table::is_user_manager(name) => {
            (Place::Plain, Recognised::Group)
        }
        _ if table::is_unit(name) => {
            let full = match manager {
                Some(manager) => format!("{manager}/{name}"),
                None => name.to_owned(),
            };
            (Place::Unit, Recognised::Unit(full))
        }
        _ => (Place::Plain, Recognised::Other),
    }
}

#[cfg(test)]
mod tests;
