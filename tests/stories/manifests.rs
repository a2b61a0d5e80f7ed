//! The manifests of `kind/` as kustomize renders them: what they grant, and nothing more.

#![expect(
    clippy::expect_used,
    reason = "a failed expectation is how a story fails"
)]

use fgm_stories::needs;
use k8s_openapi::api::apps::v1::DaemonSet;
use k8s_openapi::api::core::v1::{Container, Namespace, PodSpec, ServiceAccount};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding, Subject};
use k8s_openapi::api::scheduling::v1::PriorityClass;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::collections::BTreeSet;

const OVERLAYS: [&str; 3] = ["kind", "generic", "minimal"];

/// Of viewer and consolidator, and the group of the data.
const NOBODY_SPECIAL: i64 = 65532;

/// Everything of one overlay, typed.
#[derive(Default)]
struct Objects {
    namespace: Vec<Namespace>,
    priority: Vec<PriorityClass>,
    account: Vec<ServiceAccount>,
    role: Vec<ClusterRole>,
    binding: Vec<ClusterRoleBinding>,
    policies: Vec<NetworkPolicy>,
    daemon_set: Vec<DaemonSet>,
}

impl Objects {
    fn of(overlay: &str) -> Option<Self> {
        let text = needs::manifests(overlay)?;
        let documents: Vec<Value> = serde_saphyr::from_multiple(&text).expect("YAML");
        let mut all = Self::default();
        for document in documents {
            match document["kind"].as_str() {
                Some("Namespace") => all.namespace.push(typed(document)),
                Some("PriorityClass") => all.priority.push(typed(document)),
                Some("ServiceAccount") => all.account.push(typed(document)),
                Some("ClusterRole") => all.role.push(typed(document)),
                Some("ClusterRoleBinding") => all.binding.push(typed(document)),
                Some("NetworkPolicy") => all.policies.push(typed(document)),
                Some("DaemonSet") => all.daemon_set.push(typed(document)),
                kind => panic!("{overlay}: nobody expects a {kind:?}"),
            }
        }
        Some(all)
    }

    fn pod(&self) -> &PodSpec {
        let spec = only(&self.daemon_set).spec.as_ref().expect("a spec");
        spec.template.spec.as_ref().expect("a pod")
    }
}

/// The object, none of whose fields is unknown to its kind.
fn typed<T: DeserializeOwned>(document: Value) -> T {
    let shown = format!("{} {}", document["kind"], document["metadata"]["name"]);
    let mut unknown = Vec::new();
    let object = serde_ignored::deserialize(document, |path| unknown.push(path.to_string()));
    assert!(
        unknown.is_empty(),
        "{shown} has unknown fields: {unknown:?}"
    );
    object.unwrap_or_else(|error| panic!("{shown}: {error}"))
}

fn only<T>(list: &[T]) -> &T {
    assert_eq!(list.len(), 1, "one of a kind");
    &list[0]
}

fn each(check: impl Fn(&str, &Objects)) {
    for overlay in OVERLAYS {
        let Some(objects) = Objects::of(overlay) else {
            return;
        };
        check(overlay, &objects);
    }
}

fn names(pod: &PodSpec) -> BTreeSet<&str> {
    pod.containers.iter().map(|one| one.name.as_str()).collect()
}

#[test]
fn the_lab_is_rendered_as_reviewed() {
    let Some(text) = needs::manifests("kind") else {
        return;
    };
    // Nix and `fgm-lab` put the tag of the image in.
    let tagged: Vec<_> = text
        .lines()
        .map(|line| match line.split_once("image: localhost/") {
            Some((indent, image)) => {
                let name = image.split(':').next().unwrap_or_default();
                format!("{indent}image: localhost/{name}")
            }
            None => line.to_owned(),
        })
        .collect();
    insta::assert_snapshot!(tagged.join("\n"));
}

#[test]
fn every_overlay_has_one_of_each_and_its_containers() {
    each(|overlay, objects| {
        only(&objects.namespace);
        only(&objects.priority);
        only(&objects.account);
        let mut meant = BTreeSet::from(["fgm", "fgm-viewer"]);
        if overlay != "minimal" {
            meant.insert("fgm-consolidator");
        }
        assert_eq!(names(objects.pod()), meant, "{overlay}");
        assert_eq!(objects.pod().init_containers, None);
    });
}

/// Each image is one that is built, under the name of its program.
#[test]
fn images_are_those_that_are_built() {
    each(|overlay, objects| {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../kind/images.sh");
        let script = std::fs::read_to_string(script).expect("the script");
        let mut lines = script.lines();
        let built = lines
            .find_map(|line| line.strip_prefix("programs=("))
            .expect("a list of programs");
        let built: BTreeSet<_> = built.trim_end_matches(')').split(' ').collect();
        let registry = match overlay {
            "generic" => "registry.example",
            _ => "localhost",
        };
        for container in &objects.pod().containers {
            let image = container.image.as_deref().expect("an image");
            let name = image
                .strip_prefix(registry)
                .and_then(|rest| rest.strip_prefix('/'))
                .and_then(|rest| rest.split(':').next());
            assert_eq!(name, Some(container.name.as_str()), "{overlay}: {image}");
            assert!(built.contains(container.name.as_str()), "{built:?}");
            let policy = container.image_pull_policy.as_deref();
            assert_eq!(policy, Some("IfNotPresent"), "{overlay}");
        }
    });
}

#[test]
fn privileges_are_two_capabilities_of_the_recorder() {
    each(|overlay, objects| {
        let pod = objects.pod();
        assert_eq!(pod.host_pid, Some(true));
        assert_eq!((pod.host_network, pod.host_ipc), (None, None));
        assert_eq!(pod.automount_service_account_token, Some(false));
        let seccomp = pod.security_context.as_ref().expect("a context");
        let seccomp = seccomp.seccomp_profile.as_ref().expect("a profile");
        assert_eq!(seccomp.type_, "RuntimeDefault");
        for container in &pod.containers {
            let name = format!("{overlay}: {}", container.name);
            let context = container.security_context.as_ref().expect("a context");
            assert_eq!(context.allow_privilege_escalation, Some(false), "{name}");
            assert_eq!(context.read_only_root_filesystem, Some(true), "{name}");
            assert_eq!(context.privileged, None, "{name}");
            assert_eq!(context.seccomp_profile, None, "{name}");
            assert_eq!(context.run_as_group, Some(NOBODY_SPECIAL), "{name}");
            let capabilities = context.capabilities.as_ref().expect("capabilities");
            assert_eq!(capabilities.drop, Some(vec!["ALL".to_owned()]), "{name}");
            if container.name == "fgm" {
                assert_eq!(context.run_as_user, Some(0));
                let needed = ["SYS_PTRACE", "DAC_READ_SEARCH"].map(str::to_owned);
                assert_eq!(capabilities.add, Some(needed.to_vec()));
            } else {
                assert_eq!(context.run_as_non_root, Some(true), "{name}");
                assert_eq!(context.run_as_user, Some(NOBODY_SPECIAL), "{name}");
                assert_eq!(capabilities.add, None, "{name}");
            }
        }
    });
}

/// Who may read and write what: container, volume, path inside, whether only for reading.
#[test]
fn each_container_sees_only_what_it_works_on() {
    each(|overlay, objects| {
        let pod = objects.pod();
        let mut mounted = BTreeSet::new();
        for container in &pod.containers {
            for mount in container.volume_mounts.iter().flatten() {
                mounted.insert((
                    container.name.as_str(),
                    mount.name.as_str(),
                    mount.read_only == Some(true),
                ));
            }
        }
        let mut meant = BTreeSet::from([
            ("fgm", "api-access", true),
            ("fgm", "cgroup", true),
            ("fgm", "data", false),
            ("fgm-viewer", "data", true),
            ("fgm-viewer", "notes", false),
            ("fgm-viewer", "token", true),
        ]);
        if overlay != "minimal" {
            meant.insert(("fgm-consolidator", "data", false));
        }
        assert_eq!(mounted, meant, "{overlay}");
        let host: BTreeSet<_> = pod
            .volumes
            .iter()
            .flatten()
            .filter_map(|volume| Some(volume.host_path.as_ref()?.path.as_str()))
            .collect();
        let meant = ["/sys/fs/cgroup", "/var/lib/fgm", "/var/lib/fgm/_notes"];
        assert_eq!(host, BTreeSet::from(meant), "{overlay}");
    });
}

#[test]
fn every_container_is_probed_and_bounded() {
    each(|_, objects| {
        for container in &objects.pod().containers {
            let name = &container.name;
            let path = |probe: &Option<k8s_openapi::api::core::v1::Probe>| {
                let get = probe.as_ref()?.http_get.as_ref()?;
                get.path.clone()
            };
            assert_eq!(path(&container.liveness_probe).as_deref(), Some("/healthz"));
            assert_eq!(path(&container.readiness_probe).as_deref(), Some("/readyz"));
            let resources = container.resources.as_ref().expect("resources");
            let requests = resources.requests.as_ref().expect("requests");
            assert!(requests.contains_key("cpu") && requests.contains_key("memory"));
            let limits = resources.limits.as_ref().expect("limits");
            assert!(limits.contains_key("memory"), "{name}");
            // A throttled recorder would be late exactly when it matters.
            assert_eq!(limits.contains_key("cpu"), name != "fgm", "{name}");
        }
    });
}

/// A setting that no program knows would be ignored in silence.
#[test]
fn every_setting_is_one_of_its_program() {
    each(|_, objects| {
        for container in &objects.pod().containers {
            let help = help_of(container);
            let settings: Vec<_> = container.env.iter().flatten().collect();
            assert!(!settings.is_empty(), "{}", container.name);
            for setting in settings {
                let shown = format!("[env: {}", setting.name);
                assert!(help.contains(&shown), "{}: {}", container.name, shown);
            }
        }
    });
}

fn help_of(container: &Container) -> String {
    let program = fgm_stories::programs::named(&container.name);
    let output = std::process::Command::new(program).arg("--help").output();
    String::from_utf8(output.expect("it runs").stdout).expect("UTF-8")
}

#[test]
fn pods_may_be_read_and_nothing_else() {
    each(|_, objects| {
        let role = only(&objects.role);
        let rule = only(role.rules.as_deref().expect("rules"));
        let texts = |texts: &[&str]| Some(texts.iter().map(|&text| text.to_owned()).collect());
        assert_eq!(rule.api_groups, texts(&[""]));
        assert_eq!(rule.resources, texts(&["pods"]));
        assert_eq!(Some(rule.verbs.clone()), texts(&["get", "list", "watch"]));
        assert_eq!(rule.non_resource_urls, None);
        assert_eq!(rule.resource_names, None);
        assert_eq!(role.aggregation_rule, None);

        let binding = only(&objects.binding);
        assert_eq!(binding.role_ref.kind, "ClusterRole");
        assert_eq!(Some(&binding.role_ref.name), role.metadata.name.as_ref());
        let account = only(&objects.account);
        assert_eq!(account.automount_service_account_token, Some(false));
        let subject = Subject {
            kind: "ServiceAccount".to_owned(),
            name: account.metadata.name.clone().expect("a name"),
            namespace: account.metadata.namespace.clone(),
            api_group: None,
        };
        assert_eq!(
            objects.pod().service_account_name.as_ref(),
            Some(&subject.name)
        );
        assert_eq!(binding.subjects, Some(vec![subject]));
    });
}

/// All is refused, and the only way in is to the viewer's port for its clients.
#[test]
fn policies_refuse_all_but_the_viewers_clients() {
    each(|_, objects| {
        let specs: Vec<_> = objects
            .policies
            .iter()
            .filter_map(|policy| policy.spec.as_ref())
            .collect();
        assert_eq!(specs.len(), 3);
        let refuses_all = specs.iter().any(|spec| {
            let everyone = spec.pod_selector.clone().unwrap_or_default();
            let both = spec.policy_types.as_ref().is_some_and(|t| t.len() == 2);
            everyone == Default::default()
                && both
                && spec.ingress.is_none()
                && spec.egress.is_none()
        });
        assert!(refuses_all);
        let ways_in: Vec<_> = specs.iter().filter_map(|s| s.ingress.as_deref()).collect();
        assert_eq!(ways_in.len(), 1);
        let way = only(ways_in[0]);
        let from = only(way.from.as_deref().expect("peers"));
        assert!(from.pod_selector.is_some() && from.namespace_selector.is_none());
        let port = only(way.ports.as_deref().expect("ports")).port.clone();
        let port = serde_json::to_value(port).expect("JSON");
        assert_eq!(port, "viewer");
    });
}
