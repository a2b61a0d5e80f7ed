//! A cgroup that gets rows of its own.

use crate::recognise::{Boundary, Pod, Recognised, Runtime};
use fgm_model::identity::{life, life_hash};
use fgm_model::{Instance, QosClass};

/// Which table and what kind of row it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A container's boundary cgroup: a row of `metrics`.
    Container,
    /// A pod's cgroup: a row of `pods`.
    Pod,
    /// A systemd service or scope: a row of `metrics` (scope `all`).
    Unit,
    /// A cgroup without children outside any container: a row of `metrics` (scope `all`).
    Leaf,
    /// The root cgroup, where there is nothing else to show: a row of `metrics` (scope `all`).
    Machine,
}

/// What discovery found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// What it is.
    pub kind: Kind,
    /// The path below the mount, with a leading slash.
    pub path: String,
    /// The cgroup's inode: another one at the same path is another life.
    pub inode: u64,
    /// The runtime's ID of the container.
    pub container_id: Option<String>,
    /// The container's runtime, where the name tells.
    pub runtime: Option<Runtime>,
    /// The UID of the pod it is, or is in.
    pub pod_uid: Option<String>,
    /// That pod's class.
    pub qos_class: Option<QosClass>,
    /// The name that stands in for a container's name: of the unit, or the path; in the local
    /// lab the container's own.
    pub name: Option<String>,
    /// Restarts so far, where the path has them (the local lab).
    pub restart_count: Option<i64>,
}

impl Found {
    /// What stands at that path; `None` for what never gets a row.
    pub(crate) fn of(path: &str, inode: u64, recognised: &Recognised) -> Option<Self> {
        let plain = |kind, name: Option<&str>| Self {
            kind,
            path: path.to_owned(),
            inode,
            container_id: None,
            runtime: None,
            pod_uid: None,
            qos_class: None,
            name: name.map(str::to_owned),
            restart_count: None,
        };
        match recognised {
            Recognised::Container(boundary) => {
                let Boundary {
                    container_id,
                    runtime,
                    pod,
                    name,
                    restart_count,
                } = boundary.clone();
                let of_container = Self {
                    container_id,
                    runtime,
                    name,
                    restart_count,
                    ..plain(Kind::Container, None)
                };
                Some(match pod {
                    Some(pod) => of_container.in_pod(&pod),
                    None => of_container,
                })
            }
            Recognised::Pod(pod) => Some(plain(Kind::Pod, None).in_pod(pod)),
            Recognised::Unit(name) => Some(plain(Kind::Unit, Some(name))),
            Recognised::Other if path == "/" => Some(plain(Kind::Machine, Some("/"))),
            Recognised::Other => Some(plain(Kind::Leaf, Some(path))),
            Recognised::InContainer
            | Recognised::InUnit
            | Recognised::Helper
            | Recognised::Group => None,
        }
    }

    fn in_pod(mut self, pod: &Pod) -> Self {
        self.pod_uid = Some(pod.uid.clone());
        self.qos_class = pod.qos_class;
        self
    }

    /// The identity that its rows carry, as far as the path tells it.
    #[must_use]
    pub fn instance(&self, boot_id: &str) -> Instance {
        Instance {
            container_id: self
                .container_id
                .clone()
                .unwrap_or_else(|| life_hash(boot_id, self.inode, &self.path)),
            life: life(boot_id, self.inode, &self.path),
            cgroup_path: self.path.clone(),
            pod_uid: self.pod_uid.clone(),
            qos_class: self.qos_class,
            container_name: self.name.clone(),
            restart_count: self.restart_count,
            ..Instance::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recognise::recognise;
    use fgm_testkit::cgroup_tree::{CONTAINER_ID, Layout, POD_UID};

    fn found(path: &str) -> Found {
        Found::of(path, 42, &recognise(path)).expect("gets a row")
    }

    #[test]
    fn a_runtime_names_its_container() {
        let instance =
            found(&Layout::SystemdGuaranteed.boundary(POD_UID, CONTAINER_ID)).instance("boot");
        assert_eq!(instance.container_id, CONTAINER_ID);
        assert_eq!(instance.pod_uid.as_deref(), Some(POD_UID));
        assert_eq!(instance.qos_class, Some(QosClass::Guaranteed));
        assert_eq!(instance.container_name, None);
    }

    #[test]
    fn without_a_runtime_the_hash_behind_life_stands_in() {
        let path = Layout::Lab.boundary(POD_UID, CONTAINER_ID);
        let instance = found(&path).instance("boot");
        assert_eq!(instance.container_id, life_hash("boot", 42, &path));
        assert!(instance.container_id.starts_with(&instance.life));
        assert_eq!(instance.container_name.as_deref(), Some("app"));
        assert_eq!(instance.restart_count, Some(0));
    }

    #[test]
    fn another_inode_is_another_life() {
        let unit = found("/system.slice/nginx.service");
        let again = Found {
            inode: 43,
            ..unit.clone()
        };
        assert_eq!(
            unit.instance("b").container_name.as_deref(),
            Some("nginx.service")
        );
        assert_ne!(unit.instance("b").life, again.instance("b").life);
    }
}
