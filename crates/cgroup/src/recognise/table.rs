//! The names that runtimes, the kubelet and systemd give to cgroups.

use super::{Boundary, Pod, Runtime};
use fgm_model::QosClass;

/// What stands before and behind a container's ID.
struct Pattern {
    before: &'static str,
    behind: &'static str,
    runtime: Runtime,
}

/// Scopes of the systemd driver, then plain directories of the cgroupfs driver.
const CONTAINERS: &[Pattern] = &[
    pattern("cri-containerd-", ".scope", Runtime::Containerd),
    pattern("crio-", ".scope", Runtime::Crio),
    pattern("docker-", ".scope", Runtime::Docker),
    pattern("libpod-", ".scope", Runtime::Podman),
    pattern("nerdctl-", ".scope", Runtime::Containerd),
    pattern("crio-", "", Runtime::Crio),
    // `podman --cgroups=split`, as Quadlet uses it: beside it is `supervisor` with conmon.
    pattern("libpod-payload-", "", Runtime::Podman),
    pattern("libpod-", "", Runtime::Podman),
];

/// What stands before the ID of a helper that is no container.
const HELPERS: &[&str] = &["crio-conmon-", "libpod-conmon-"];

/// What stands between the colons where runc wrote the systemd form of a path literally.
const COLON_NAMES: &[(&str, Runtime)] = &[
    ("cri-containerd", Runtime::Containerd),
    ("crio", Runtime::Crio),
    ("docker", Runtime::Docker),
];

/// Plain directories that only hold others.
const GROUPS: &[&str] = &["docker", "libpod_parent", "kubelet"];

const fn pattern(before: &'static str, behind: &'static str, runtime: Runtime) -> Pattern {
    Pattern {
        before,
        behind,
        runtime,
    }
}

/// The container that the name stands for.
pub(super) fn container<'name>(
    name: &'name str,
    parent: &str,
) -> Option<(&'name str, Option<Runtime>)> {
    if let Some((_, after)) = name.split_once(".slice:") {
        let (runtime, id) = after.split_once(':')?;
        let (_, runtime) = COLON_NAMES.iter().find(|(known, _)| *known == runtime)?;
        return Some((id, Some(*runtime)));
    }
    for pattern in CONTAINERS {
        let id = name
            .strip_prefix(pattern.before)
            .and_then(|rest| rest.strip_suffix(pattern.behind));
        // A scope is only made by the runtime; without that mark the ID must look like one.
        if let Some(id) = id
            && (is_id(id) || (pattern.behind == ".scope" && !id.is_empty()))
        {
            return Some((id, Some(pattern.runtime)));
        }
    }
    // cgroupfs driver of Docker and containerd; the parent may be named at will.
    is_id(name).then(|| (name, (parent == "docker").then_some(Runtime::Docker)))
}

/// 64 hex digits, as every runtime makes them.
fn is_id(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Whether the name is that of a runtime's helper.
pub(super) fn is_helper(name: &str) -> bool {
    name == "conmon" || HELPERS.iter().any(|before| name.starts_with(before))
}

/// The pod of a slice of the systemd driver: `[anything-]kubepods[-class]-pod<uid>.slice`, or
/// of a Podman pod: `[anything-]libpod_pod_<id>.slice`.
pub(super) fn pod_slice(name: &str) -> Option<Pod> {
    let name = name.strip_suffix(".slice")?;
    if let Some((_, id)) = name.rsplit_once("libpod_pod_") {
        return is_id(id).then(|| Pod {
            uid: id.to_owned(),
            qos_class: None,
        });
    }
    let (level, uid) = name.rsplit_once("-pod")?;
    let (base, qos_class) = if let Some(base) = level.strip_suffix("-burstable") {
        (base, QosClass::Burstable)
    } else if let Some(base) = level.strip_suffix("-besteffort") {
        (base, QosClass::BestEffort)
    } else {
        (level, QosClass::Guaranteed)
    };
    let kubepods = base == "kubepods" || base.ends_with("-kubepods");
    (kubepods && !uid.is_empty()).then(|| Pod {
        // A dash in a slice's name means a level, so the kubelet writes underscores.
        uid: uid.replace('_', "-"),
        qos_class: Some(qos_class),
    })
}

/// The pod in `<pod slice>:<runtime>:<id>`.
pub(super) fn pod_before_colon(name: &str) -> Option<Pod> {
    pod_slice(name.split_once(':')?.0)
}

/// The class of a level of the cgroupfs driver.
pub(super) fn level(name: &str) -> Option<QosClass> {
    match name {
        "burstable" => Some(QosClass::Burstable),
        "besteffort" => Some(QosClass::BestEffort),
        _ => None,
    }
}

/// `<container>-<restart>` of the local lab.
pub(super) fn lab_container(name: &str, pod: &Pod) -> Boundary {
    let split = name
        .rsplit_once('-')
        .and_then(|(name, restart)| Some((name, restart.parse().ok()?)));
    let (name, restart_count) = split.map_or((name, None), |(name, count)| (name, Some(count)));
    Boundary {
        container_id: None,
        runtime: Some(Runtime::Lab),
        pod: Some(pod.clone()),
        name: Some(name.to_owned()),
        restart_count,
    }
}

/// Whether it only holds other cgroups.
pub(super) fn is_group(name: &str) -> bool {
    name.ends_with(".slice") || GROUPS.contains(&name)
}

/// A user's service manager: a unit that holds units.
pub(super) fn is_user_manager(name: &str) -> bool {
    name.starts_with("user@") && name.ends_with(".service")
}

/// Whether systemd made it for a unit that has processes.
pub(super) fn is_unit(name: &str) -> bool {
    name.ends_with(".service") || name.ends_with(".scope")
}
