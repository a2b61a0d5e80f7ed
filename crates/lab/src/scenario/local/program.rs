//! What a container of a `deploy.yaml` is on this machine: a program beside this one, with
//! arguments and environment in which paths and names of the cluster are replaced.
//!
//! An emptyDir is a directory of the pod, which is also the working directory of its containers:
//! paths stay short enough for Unix sockets. Pods and Services have loopback addresses of their
//! own; [`super::network`] leads from these to those.

use super::network::Forward;
use super::postgres;
use super::user::User;
use crate::scenario::manifest::{Manifest, Planned};
use anyhow::{Context, bail, ensure};
use k8s_openapi::api::core::v1::{Container, EnvVar, PodSpec, ServiceSpec};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use std::collections::{BTreeMap, HashMap};
use std::env;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

/// The last byte of addresses: pods come first.
const MOST_PODS: u8 = 200;
const MOST_SERVICES: usize = 50;

/// A process to start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Program {
    pub(crate) path: PathBuf,
    pub(crate) arguments: Vec<String>,
    pub(crate) environment: BTreeMap<String, String>,
    /// Whom its volumes belong to, where it runs as somebody else.
    pub(crate) user: Option<User>,
}

/// What the containers of a run see of each other.
#[derive(Debug, Clone)]
pub(crate) struct Neighbourhood {
    /// Addresses by the pod's name.
    addresses: HashMap<String, Ipv4Addr>,
    /// Addresses by the Service's name.
    services: BTreeMap<String, Ipv4Addr>,
    forwards: Vec<Forward>,
    secrets: BTreeMap<String, BTreeMap<String, String>>,
}

impl Neighbourhood {
    /// Gives every pod and Service an address; `seed` tells this run from others.
    ///
    /// # Errors
    /// A Service that leads nowhere.
    pub(crate) fn of(manifest: &Manifest, seed: u16) -> anyhow::Result<Self> {
        let [high, low] = seed.to_be_bytes();
        // Not 127.0: others listen there.
        let at = |last| Ipv4Addr::new(127, 64 | (high & 63), low, last);
        ensure!(
            manifest.pods.len() <= MOST_PODS.into() && manifest.services.len() <= MOST_SERVICES,
            "at most {MOST_PODS} pods and {MOST_SERVICES} Services run here"
        );
        let addresses: HashMap<_, _> = (1..)
            .zip(&manifest.pods)
            .map(|(last, pod)| (pod.name.clone(), at(last)))
            .collect();
        let mut all = Self {
            addresses,
            services: BTreeMap::new(),
            forwards: Vec::new(),
            secrets: manifest.secrets.clone(),
        };
        for (last, (name, service)) in (MOST_PODS + 1..).zip(&manifest.services) {
            all.services.insert(name.clone(), at(last));
            let forwards = all.forwards(manifest, (at(last), name), service);
            let forwards = forwards.with_context(|| format!("Service {name}"))?;
            all.forwards.extend(forwards);
        }
        Ok(all)
    }

    fn forwards(
        &self,
        manifest: &Manifest,
        (address, name): (Ipv4Addr, &str),
        service: &ServiceSpec,
    ) -> anyhow::Result<Vec<Forward>> {
        let selected = |pod: &&Planned| {
            let mut wanted = service.selector.iter().flatten();
            wanted.all(|(key, value)| pod.labels.get(key) == Some(value))
        };
        let pods: Vec<_> = manifest.pods.iter().filter(selected).collect();
        ensure!(!pods.is_empty(), "it selects no pod");
        let mut forwards = Vec::new();
        for port in service.ports.iter().flatten() {
            let mut targets = Vec::new();
            for pod in &pods {
                let target = match &port.target_port {
                    None => port.port,
                    Some(IntOrString::Int(number)) => *number,
                    Some(IntOrString::String(name)) => named_port(&pod.spec, name)?,
                };
                targets.push((self.address(pod), number(target)?).into());
            }
            forwards.push(Forward {
                service: name.to_owned(),
                listen: SocketAddr::from((address, number(port.port)?)),
                targets,
            });
        }
        Ok(forwards)
    }

    /// From Services to pods.
    pub(crate) fn ways(&self) -> &[Forward] {
        &self.forwards
    }

    /// The address of a pod.
    pub(crate) fn address(&self, pod: &Planned) -> Ipv4Addr {
        let known = self.addresses.get(&pod.name);
        known.copied().unwrap_or(Ipv4Addr::LOCALHOST)
    }

    /// What to start for a container.
    ///
    /// # Errors
    /// What has no meaning on this machine.
    pub(crate) fn program(&self, pod: &Planned, container: &Container) -> anyhow::Result<Program> {
        let image = container.image.as_deref().context("it has no image")?;
        ensure!(
            container.command.iter().flatten().next().is_none(),
            "command is not understood here: give args for the image's own"
        );
        let mut mounts = Vec::new();
        for mount in container.volume_mounts.iter().flatten() {
            let mut volumes = pod.spec.volumes.iter().flatten();
            let volume = volumes.find(|volume| volume.name == mount.name);
            let is_empty_dir = volume.is_some_and(|volume| volume.empty_dir.is_some());
            ensure!(is_empty_dir, "volume {} is no emptyDir", mount.name);
            mounts.push((mount.mount_path.trim_end_matches('/'), mount.name.as_str()));
        }
        let place = |text: &str| {
            let text = self.with_addresses(pod, text);
            mounts.iter().fold(text, |text, (mount, volume)| {
                replace_path(&text, mount, &volume_folder(volume))
            })
        };
        let mut environment = BTreeMap::new();
        for variable in container.env.iter().flatten() {
            let value = place(&self.value(pod, variable)?);
            let value = expand(&value, &environment);
            environment.insert(variable.name.clone(), value);
        }
        let arguments = container.args.iter().flatten();
        let arguments = arguments
            .map(|argument| place(&expand(argument, &environment)))
            .collect();
        environment
            .entry("PATH".to_owned())
            .or_insert_with(|| "/usr/local/bin:/usr/bin:/bin".to_owned());
        if program_of(image) == postgres::NAME {
            return postgres::program(image, self.address(pod), arguments, environment);
        }
        Ok(Program {
            path: find(program_of(image))?,
            arguments,
            environment,
            user: None,
        })
    }

    fn value(&self, pod: &Planned, variable: &EnvVar) -> anyhow::Result<String> {
        if let Some(value) = &variable.value {
            return Ok(value.clone());
        }
        let source = variable.value_from.as_ref();
        if let Some(key) = source.and_then(|source| source.secret_key_ref.as_ref()) {
            let secret = self.secrets.get(&key.name);
            let value = secret.and_then(|values| values.get(&key.key));
            return value
                .cloned()
                .with_context(|| format!("no Secret {} with the key {}", key.name, key.key));
        }
        let field = source.and_then(|source| source.field_ref.as_ref());
        match field.map(|field| field.field_path.as_str()) {
            Some("metadata.name") => Ok(pod.name.clone()),
            Some("status.podIP") => Ok(self.address(pod).to_string()),
            _ => bail!("the variable {} has no value here", variable.name),
        }
    }

    /// Names of Services before a port become addresses; what listens everywhere listens at the
    /// pod's address.
    fn with_addresses(&self, pod: &Planned, text: &str) -> String {
        let own = format!("{}:", self.address(pod));
        let text = text.replace("0.0.0.0:", &own);
        self.services.iter().fold(text, |text, (name, address)| {
            replace_host(&text, name, &address.to_string())
        })
    }
}

/// Where a volume lies below the pod's directory.
pub(crate) fn volume_folder(volume: &str) -> String {
    format!("volumes/{volume}")
}

/// `localhost/fgm-workload:1.2` without registry and tag.
pub(crate) fn program_of(image: &str) -> &str {
    let name = image.rsplit('/').next().unwrap_or(image);
    name.split([':', '@']).next().unwrap_or(name)
}

/// The port of that name.
fn named_port(spec: &PodSpec, name: &str) -> anyhow::Result<i32> {
    let mut ports = spec
        .containers
        .iter()
        .flat_map(|container| container.ports.iter().flatten());
    let port = ports.find(|port| port.name.as_deref() == Some(name));
    Ok(port
        .with_context(|| format!("its pod has no port {name:?}"))?
        .container_port)
}

fn number(port: i32) -> anyhow::Result<u16> {
    u16::try_from(port).with_context(|| format!("{port} is no port"))
}

/// The program beside this one, or on the path.
pub(crate) fn find(name: &str) -> anyhow::Result<PathBuf> {
    let own = env::current_exe().context("cannot find this program")?;
    let beside = own.parent().map(Path::to_owned);
    let on_path = env::var_os("PATH").unwrap_or_default();
    let mut folders = beside.into_iter().chain(env::split_paths(&on_path));
    let found = folders.find_map(|folder| {
        let program = folder.join(name);
        program.is_file().then_some(program)
    });
    found.with_context(|| {
        format!(
            "{name}, which the image of that name stands for, is neither beside {} nor on the \
             PATH: cargo build --bin {name}",
            own.display()
        )
    })
}

/// `$(NAME)` becomes the value of that variable; an unknown one stays, as in Kubernetes.
fn expand(text: &str, environment: &BTreeMap<String, String>) -> String {
    let known = environment.iter();
    known.fold(text.to_owned(), |text, (name, value)| {
        text.replace(&format!("$({name})"), value)
    })
}

/// Replaces a path where it stands as a whole: at the beginning or after `=`, up to `/` or the end.
fn replace_path(text: &str, from: &str, to: &str) -> String {
    let mut parts: Vec<String> = Vec::new();
    for part in text.split('=') {
        let rest = part.strip_prefix(from);
        let whole = rest.filter(|rest| rest.is_empty() || rest.starts_with('/'));
        parts.push(whole.map_or_else(|| part.to_owned(), |rest| format!("{to}{rest}")));
    }
    parts.join("=")
}

/// Replaces a host name where it stands as a whole before a port.
fn replace_host(text: &str, from: &str, to: &str) -> String {
    let with_port = format!("{from}:");
    let mut replaced = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(&with_port) {
        let (before, after) = rest.split_at(at);
        let is_part = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.';
        let ends = before.chars().next_back().is_none_or(|c| !is_part(c));
        let has_port = after
            .chars()
            .nth(with_port.len())
            .is_some_and(|c| c.is_ascii_digit());
        replaced.push_str(before);
        replaced.push_str(if ends && has_port { to } else { from });
        rest = after.strip_prefix(from).unwrap_or_default();
    }
    replaced + rest
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn pod(value: serde_json::Value) -> Planned {
        Planned {
            name: "p".to_owned(),
            labels: BTreeMap::from([("app".to_owned(), "a".to_owned())]),
            spec: serde_json::from_value(value).expect("a pod's spec"),
        }
    }

    #[test]
    fn paths_names_and_variables_of_the_cluster_are_replaced() {
        let pod = pod(json!({
            "volumes": [{"name": "socket", "emptyDir": {}}],
            "containers": [{
                "name": "main",
                "image": "localhost:5000/x/sh:1",
                "args": ["--socket=/shared/s", "/sharedother/s", "--to", "db:5432", "http://web-db:80/",
                         "--listen", "0.0.0.0:80", "$(WHO)-$(NOBODY)"],
                "env": [{"name": "WHO", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
                        {"name": "PASSWORD", "valueFrom": {"secretKeyRef": {"name": "s", "key": "password"}}},
                        {"name": "URL", "value": "postgres://u:$(PASSWORD)@db:5432/$(WHO)"}],
                "ports": [{"name": "sql", "containerPort": 5433}],
                "volumeMounts": [{"name": "socket", "mountPath": "/shared/"}],
            }],
        }));
        let service =
            json!({"selector": {"app": "a"}, "ports": [{"port": 5432, "targetPort": "sql"}]});
        let service = serde_json::from_value(service).expect("a Service's spec");
        let secret = BTreeMap::from([("password".to_owned(), "geheim".to_owned())]);
        let manifest = Manifest {
            services: BTreeMap::from([("db".to_owned(), service)]),
            secrets: BTreeMap::from([("s".to_owned(), secret)]),
            pods: vec![pod.clone()],
            documents: Vec::new(),
        };
        let all = Neighbourhood::of(&manifest, 7).expect("addresses");
        let program = all
            .program(&pod, &pod.spec.containers[0])
            .expect("a program");
        assert!(program.path.ends_with("sh"), "{program:?}");
        assert_eq!(
            program.arguments,
            [
                "--socket=volumes/socket/s",
                "/sharedother/s",
                "--to",
                "127.64.7.201:5432",
                "http://web-db:80/",
                "--listen",
                "127.64.7.1:80",
                "p-$(NOBODY)"
            ]
        );
        assert_eq!(
            program.environment["URL"],
            "postgres://u:geheim@127.64.7.201:5432/p"
        );
        let [way] = all.ways() else {
            panic!("one way: {all:?}")
        };
        assert_eq!(way.listen, ([127, 64, 7, 201], 5432).into());
        assert_eq!(way.targets, [([127, 64, 7, 1], 5433).into()]);
    }

    #[test]
    fn what_has_no_meaning_here_is_refused() {
        let refused = |spec: serde_json::Value| {
            let pod = pod(spec);
            let manifest = Manifest {
                services: BTreeMap::new(),
                secrets: BTreeMap::new(),
                pods: vec![pod.clone()],
                documents: Vec::new(),
            };
            let all = Neighbourhood::of(&manifest, 0).expect("addresses");
            let error = all.program(&pod, &pod.spec.containers[0]);
            error.expect_err("refused").to_string()
        };
        let image = "localhost/no-such-program:1";
        let error = refused(json!({"containers": [{"name": "m", "image": image}]}));
        assert!(
            error.contains("cargo build --bin no-such-program"),
            "{error}"
        );
        let error =
            refused(json!({"containers": [{"name": "m", "image": "sh", "command": ["x"]}]}));
        assert!(error.contains("command"), "{error}");
        let error = refused(json!({
            "volumes": [{"name": "v", "hostPath": {"path": "/"}}],
            "containers": [{"name": "m", "image": "sh", "volumeMounts": [{"name": "v", "mountPath": "/v"}]}],
        }));
        assert!(error.contains("emptyDir"), "{error}");
        let secret = json!({"secretKeyRef": {"name": "s", "key": "k"}});
        let error = refused(json!({
            "containers": [{"name": "m", "image": "sh", "env": [{"name": "P", "valueFrom": secret}]}],
        }));
        assert!(error.contains("no Secret s"), "{error}");
    }
}
