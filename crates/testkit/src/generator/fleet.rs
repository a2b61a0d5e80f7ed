//! Names as a cluster has them: workloads, their pods, the cgroup path of each container.

use super::random::Random;
use fgm_model::identity::{life, life_hash};
use fgm_model::{Instance, QosClass, SeriesId};
use std::sync::Arc;

/// The node of all generated data.
pub const NODE: &str = "node-7";
/// Its recorder.
pub const RECORDER: &str = "fgm-generated";

/// A workload: namespace, name, and the containers of its pods.
pub(super) type Workload = (
    &'static str,
    &'static str,
    &'static [(&'static str, &'static str)],
);

const SIDECAR: (&str, &str) = ("istio-proxy", "docker.io/istio/proxyv2:1.27.1");

/// What runs on the node, again and again in this order.
pub(super) const WORKLOADS: &[Workload] = &[
    (
        "shop",
        "storefront",
        &[("app", "registry.example/shop/storefront:4.12.0"), SIDECAR],
    ),
    (
        "shop",
        "checkout",
        &[("app", "registry.example/shop/checkout:2.3.1"), SIDECAR],
    ),
    (
        "shop",
        "catalog",
        &[("app", "registry.example/shop/catalog:1.9.7")],
    ),
    (
        "shop",
        "cart",
        &[
            ("app", "registry.example/shop/cart:0.31.2"),
            ("redis", "docker.io/library/redis:8.2"),
        ],
    ),
    (
        "payments",
        "ledger",
        &[("app", "registry.example/pay/ledger:7.0.3"), SIDECAR],
    ),
    (
        "payments",
        "fraud-model",
        &[("model", "registry.example/pay/fraud:2026.10")],
    ),
    (
        "search",
        "indexer",
        &[("indexer", "registry.example/search/indexer:3.4.4")],
    ),
    (
        "search",
        "query",
        &[
            ("query", "registry.example/search/query:3.4.4"),
            ("cache", "docker.io/library/memcached:1.6"),
        ],
    ),
    (
        "data",
        "postgres",
        &[
            ("postgres", "docker.io/library/postgres:18.1"),
            (
                "exporter",
                "quay.io/prometheuscommunity/postgres-exporter:v0.18.1",
            ),
        ],
    ),
    (
        "data",
        "kafka",
        &[("kafka", "docker.io/apache/kafka:4.1.0")],
    ),
    (
        "batch",
        "report",
        &[("report", "registry.example/batch/report:5.5.0")],
    ),
    (
        "monitoring",
        "prometheus",
        &[
            ("prometheus", "quay.io/prometheus/prometheus:v3.7.0"),
            (
                "reloader",
                "quay.io/prometheus-operator/prometheus-config-reloader:v0.86.1",
            ),
        ],
    ),
    (
        "monitoring",
        "log-shipper",
        &[("fluent-bit", "docker.io/fluent/fluent-bit:4.1.1")],
    ),
    (
        "kube-system",
        "coredns",
        &[("coredns", "registry.k8s.io/coredns/coredns:v1.13.0")],
    ),
    (
        "ingress",
        "gateway",
        &[
            ("envoy", "docker.io/envoyproxy/envoy:v1.36.0"),
            ("certs", "registry.example/ingress/certs:1.2.0"),
        ],
    ),
];

/// A pod's identity.
#[derive(Debug, Clone)]
pub(super) struct PodName {
    pub(super) workload: &'static Workload,
    pub(super) name: String,
    pub(super) uid: String,
    pub(super) qos: QosClass,
    labels: String,
    cgroup_path: String,
}

impl PodName {
    /// A new pod of that workload.
    pub(super) fn new(random: &mut Random, workload: &'static Workload, qos: QosClass) -> Self {
        let (_, app, _) = workload;
        let hash = random.hex(9);
        let uid = random.hex(32);
        let (a, b, c, d, e) = (
            &uid[..8],
            &uid[8..12],
            &uid[13..16],
            &uid[17..20],
            &uid[20..],
        );
        let uid = format!("{a}-{b}-4{c}-a{d}-{e}");
        let slice = match qos {
            QosClass::Guaranteed => String::new(),
            QosClass::Burstable => "kubepods-burstable.slice/".to_owned(),
            QosClass::BestEffort => "kubepods-besteffort.slice/".to_owned(),
        };
        let prefix = slice.trim_end_matches(".slice/");
        let prefix = if prefix.is_empty() {
            "kubepods"
        } else {
            prefix
        };
        Self {
            workload,
            name: format!("{app}-{hash}-{}", random.suffix(5)),
            qos,
            labels: format!(r#"{{"app":"{app}","pod-template-hash":"{hash}"}}"#),
            cgroup_path: format!(
                "/kubepods.slice/{slice}{prefix}-pod{}.slice",
                uid.replace('-', "_")
            ),
            uid,
        }
    }

    /// The identity of the pod's own cgroup.
    pub(super) fn instance(&self, boot_id: &str, inode: u64) -> Arc<Instance> {
        let (namespace, _, _) = self.workload;
        Arc::new(Instance {
            container_id: life_hash(boot_id, inode, &self.cgroup_path),
            life: life(boot_id, inode, &self.cgroup_path),
            cgroup_path: self.cgroup_path.clone(),
            pod_uid: Some(self.uid.clone()),
            qos_class: Some(self.qos),
            namespace: Some((*namespace).to_owned()),
            pod_name: Some(self.name.clone()),
            pod_labels: Some(self.labels.clone()),
            ..Instance::default()
        })
    }

    /// The identity of a new life of one of its containers.
    pub(super) fn container(
        &self,
        random: &mut Random,
        boot_id: &str,
        inode: u64,
        (name, image): (&str, &str),
        restart_count: i64,
    ) -> Arc<Instance> {
        let container_id = random.hex(64);
        let cgroup_path = format!("{}/cri-containerd-{container_id}.scope", self.cgroup_path);
        Arc::new(Instance {
            life: life(boot_id, inode, &cgroup_path),
            container_id,
            cgroup_path,
            container_name: Some(name.to_owned()),
            image: Some(image.to_owned()),
            restart_count: Some(restart_count),
            ..Instance::clone(&self.instance(boot_id, inode))
        })
    }

    /// The series of one of its containers.
    pub(super) fn series(&self, container: &str) -> SeriesId {
        SeriesId::of(NODE, &self.uid, container)
    }
}

/// The node's own identity.
pub(super) fn node_instance(boot_id: &str) -> Arc<Instance> {
    Arc::new(Instance {
        container_id: life_hash(boot_id, 1, "/"),
        life: life(boot_id, 1, "/"),
        cgroup_path: "/".to_owned(),
        ..Instance::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identities_look_like_a_clusters() {
        let mut random = Random::of(1, 0);
        let pod = PodName::new(&mut random, &WORKLOADS[0], QosClass::Burstable);
        let container = pod.container(&mut random, "boot", 77, WORKLOADS[0].2[0], 2);
        assert_eq!(container.container_id.len(), 64);
        assert_eq!(container.pod_uid.as_deref(), Some(pod.uid.as_str()));
        assert_eq!(
            pod.uid.split('-').map(str::len).collect::<Vec<_>>(),
            [8, 4, 4, 4, 12]
        );
        assert!(
            container
                .cgroup_path
                .starts_with("/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod")
        );
        assert!(container.cgroup_path.contains(&container.container_id));
        assert_eq!(container.series(NODE), pod.series("app"));
        let guaranteed = PodName::new(&mut random, &WORKLOADS[1], QosClass::Guaranteed);
        assert!(
            guaranteed
                .cgroup_path
                .starts_with("/kubepods.slice/kubepods-pod")
        );
        let labels: serde_json::Value =
            serde_json::from_str(container.pod_labels.as_deref().expect("labels")).expect("JSON");
        assert_eq!(labels["app"], "storefront");
    }
}
