//! Whose numbers they are: recorder, instance and series (DATA.md section 2, "Identity columns").

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fmt;

/// The quality of service that Kubernetes gives a pod.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum QosClass {
    /// Every container has limits equal to its requests.
    Guaranteed,
    /// Some container has a request or a limit.
    Burstable,
    /// No container has either.
    BestEffort,
}

impl QosClass {
    /// The name as Kubernetes writes it in `status.qosClass`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Guaranteed => "Guaranteed",
            Self::Burstable => "Burstable",
            Self::BestEffort => "BestEffort",
        }
    }
}

/// What every row of a recorder shares.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recorder {
    /// The node's name.
    pub node: String,
    /// `/proc/sys/kernel/random/boot_id`.
    pub boot_id: String,
    /// The pod or host that records: the partition `pod=`.
    pub recorder: String,
}

/// One life of one container (or unit): from the birth of its cgroup to its end.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Instance {
    /// The runtime's 64-hex ID; without one, the hash behind `life`.
    pub container_id: String,
    /// Tells apart the lives of one container ID: Docker and Podman keep the ID over a restart.
    pub life: String,
    /// The cgroup's path below the mount, with a leading slash.
    pub cgroup_path: String,
    /// The pod's UID with dashes, where the path tells it.
    pub pod_uid: Option<String>,
    /// The pod's class, where the path tells it.
    pub qos_class: Option<QosClass>,
    /// The container's name in its pod; without Kubernetes the unit or path.
    pub container_name: Option<String>,
    /// The pod's namespace.
    pub namespace: Option<String>,
    /// The observed pod's name.
    pub pod_name: Option<String>,
    /// The image as the pod names it.
    pub image: Option<String>,
    /// Restarts of the container so far, as Kubernetes counts them.
    pub restart_count: Option<i64>,
    /// The pod's labels as a JSON object.
    pub pod_labels: Option<String>,
}

impl Instance {
    /// The series this instance belongs to on that node.
    #[must_use]
    pub fn series(&self, node: &str) -> SeriesId {
        match (&self.container_name, &self.pod_uid) {
            (Some(name), Some(pod_uid)) => SeriesId::of(node, pod_uid, name),
            (Some(name), None) => SeriesId::of(node, name, name),
            (None, _) => SeriesId::of(node, &self.container_id, ""),
        }
    }

    /// What a person calls it, as well as is known.
    #[must_use]
    pub fn display_name(&self) -> &str {
        self.container_name.as_deref().unwrap_or_else(|| {
            self.container_id
                .get(..12)
                .unwrap_or(self.container_id.as_str())
        })
    }
}

/// The hash behind a life: SHA-256 over boot ID, cgroup inode and path, as 64 hex digits.
///
/// It is the `container_id` of a cgroup whose runtime gives no ID; [`life`] is its head.
#[must_use]
pub fn life_hash(boot_id: &str, cgroup_inode: u64, cgroup_path: &str) -> String {
    hash_hex(&[boot_id, &cgroup_inode.to_string(), cgroup_path])
}

/// The `life` column: the first 16 digits of [`life_hash`].
#[must_use]
pub fn life(boot_id: &str, cgroup_inode: u64, cgroup_path: &str) -> String {
    let mut hash = life_hash(boot_id, cgroup_inode, cgroup_path);
    hash.truncate(16);
    hash
}

/// SHA-256 over the parts, each ended by a zero byte (no two lists give the same input).
pub(crate) fn hash_hex(parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part.as_bytes());
        hash.update([0]);
    }
    let digit = |four_bits: u8| char::from_digit(four_bits.into(), 16).unwrap_or('0');
    let bytes = hash.finalize();
    // Without `format!`: opening a week of data names 40,000 containers.
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits.map(digit).collect()
}

/// What a person calls the container, stable over its restarts: 12 hex digits.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SeriesId(String);

impl SeriesId {
    /// The id of (node, pod UID or unit path, container name).
    #[must_use]
    pub fn of(node: &str, owner: &str, container_name: &str) -> Self {
        let mut hash = hash_hex(&[node, owner, container_name]);
        hash.truncate(12);
        Self(hash)
    }

    /// An id as written in a URL.
    ///
    /// # Errors
    /// Returns the text itself when it is not 12 lowercase hex digits.
    pub fn parse(text: &str) -> Result<Self, String> {
        let hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        if text.len() == 12 && text.bytes().all(hex) {
            Ok(Self(text.to_owned()))
        } else {
            Err(text.to_owned())
        }
    }

    /// The 12 digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SeriesId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ids lie in URLs and notes: a change of the hash would break every link.
    #[test]
    fn ids_are_stable() {
        assert_eq!(
            SeriesId::of("node-1", "uid", "app").as_str(),
            "fcbb41bfe2b5"
        );
        assert_eq!(life("boot", 42, "/a"), life_hash("boot", 42, "/a")[..16]);
    }

    #[test]
    fn parts_do_not_run_into_each_other() {
        assert_ne!(SeriesId::of("a", "bc", "d"), SeriesId::of("ab", "c", "d"));
    }

    #[test]
    fn only_twelve_hex_digits_are_an_id() {
        assert!(SeriesId::parse("0123456789ab").is_ok());
        assert!(SeriesId::parse("0123456789AB").is_err());
        assert!(SeriesId::parse("../../etc/pa").is_err());
        assert!(SeriesId::parse("").is_err());
    }
}
