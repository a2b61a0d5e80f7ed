//! Runs in a cluster: a namespace of its own for each, taken away as a whole.
//!
//! The pods are made as `deploy.yaml` says, with the run's label. What is recorded of them is told by
//! the viewers of their nodes ([`super::viewers`]), or read from a data directory that is reachable.

mod logs;

use super::book::Scenario;
use super::manifest::Manifest;
use super::now_ms;
use super::record::{Place, Record};
use super::viewers::{self, Viewers};
use crate::api_server;
use crate::cluster::images;
use crate::state_dir::Process;
use anyhow::{Context, bail, ensure};
use chrono::Utc;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Namespace, Pod, Secret, Service};
use kube::api::{DeleteParams, ListParams, PostParams};
use kube::{Api, Client};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;

const POLL: Duration = Duration::from_millis(500);
const PATIENCE: Duration = Duration::from_secs(240);

/// A pod of which every container has started once.
struct Started {
    uid: String,
    name: String,
    node: Option<String>,
    /// When the first of them did, as the kubelet tells, in whole seconds.
    at_ms: i64,
}

impl Started {
    fn of(pod: &Pod) -> Option<Self> {
        let statuses = pod.status.as_ref()?.container_statuses.as_ref()?;
        let mut first_ms = None;
        for status in statuses {
            let states = [&status.last_state, &status.state];
            let times = states.into_iter().flatten().filter_map(|state| {
                let running = state.running.as_ref().map(|it| &it.started_at);
                let ended = state.terminated.as_ref().map(|it| &it.started_at);
                Some(running.or(ended)?.as_ref()?.0.as_millisecond())
            });
            // One without has not started, and neither has the pod.
            let of_container = times.min()?;
            first_ms = Some(first_ms.map_or(of_container, |first: i64| first.min(of_container)));
        }
        Some(Self {
            uid: pod.metadata.uid.clone()?,
            name: pod.metadata.name.clone()?,
            node: pod.spec.as_ref().and_then(|spec| spec.node_name.clone()),
            at_ms: first_ms?,
        })
    }
}

/// Why a container of it does not start.
fn trouble(pod: &Pod) -> Option<String> {
    let statuses = pod.status.as_ref()?.container_statuses.as_ref()?;
    statuses.iter().find_map(|status| {
        let waiting = status.state.as_ref()?.waiting.as_ref()?;
        let reason = waiting.reason.as_deref()?;
        Some(format!(", {} is in {reason}", status.name))
    })
}

/// Loads what it names into the cluster's nodes, and puts the tags in. What has no archive is an
/// image that the nodes pull.
fn load_images(manifest: &mut Manifest, folder: &Path) -> anyhow::Result<()> {
    let mut images = manifest.untagged_images();
    let mut archives = images::archives(folder)?;
    archives.retain(|archive| images.iter().any(|image| **image == archive.name));
    images::load(&archives)?;
    for archive in archives {
        for image in images.iter_mut().filter(|image| ***image == archive.name) {
            **image = format!("{}:{}", archive.name, archive.tag);
        }
    }
    Ok(())
}

/// A cluster and a way to ask it.
pub(crate) struct Cluster {
    runtime: Runtime,
    client: Client,
    place: Place,
}

impl Cluster {
    /// The lab's own by its private kubeconfig, or the one of a context of the person's.
    ///
    /// # Errors
    /// There is none, and what to do.
    pub(crate) fn find(context: Option<&str>) -> anyhow::Result<Self> {
        let kubeconfig = api_server::own_kubeconfig(context)
            .context("--local runs it on this machine without a cluster")?;
        Self::open(kubeconfig, context.map(str::to_owned))
    }

    /// The one of a run.
    ///
    /// # Errors
    /// It cannot be reached.
    pub(crate) fn of(
        kubeconfig: Option<&PathBuf>,
        context: Option<&String>,
    ) -> anyhow::Result<Self> {
        Self::open(kubeconfig.cloned(), context.cloned())
    }

    fn open(kubeconfig: Option<PathBuf>, context: Option<String>) -> anyhow::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .context("cannot start the runtime")?;
        let client = api_server::client(kubeconfig.as_deref(), context.as_deref());
        let client = runtime.block_on(client)?;
        Ok(Self {
            runtime,
            client,
            place: Place::Cluster {
                kubeconfig,
                context,
            },
        })
    }

    fn is_the_labs(&self) -> bool {
        let kubeconfig = match &self.place {
            Place::Cluster { kubeconfig, .. } => kubeconfig.as_ref(),
            _ => None,
        };
        kubeconfig.is_some()
    }

    /// In words.
    pub(crate) fn name(&self) -> String {
        match &self.place {
            Place::Cluster {
                kubeconfig: Some(file),
                ..
            } => format!("the lab's cluster ({})", file.display()),
            place => format!("the cluster of context {}", place.name()),
        }
    }

    /// Makes the run's namespace and its pods; in the lab's own cluster of those images.
    ///
    /// # Errors
    /// What kind or the API server refuses; nothing is left behind then.
    pub(crate) fn start(
        &self,
        scenario: &Scenario,
        images: Option<&Path>,
        data_dir: Option<&Path>,
        duration: Duration,
    ) -> anyhow::Result<Record> {
        let mut manifest = Manifest::parse(&scenario.deploy)?.with_fresh_secrets()?;
        if data_dir.is_none() {
            self.runtime.block_on(viewers::token(&self.client))?;
        }
        if let Some(folder) = images.filter(|_| self.is_the_labs()) {
            load_images(&mut manifest, folder)?;
        }
        let (run, folder) = Record::reserve(&scenario.name, Utc::now())?;
        scenario.write(&folder)?;
        let mut record = Record {
            namespace: format!("fgm-{run}"),
            run,
            scenario: scenario.name.clone(),
            place: self.place.clone(),
            started_ms: now_ms(),
            duration_ms: i64::try_from(duration.as_millis()).unwrap_or(i64::MAX),
            ended_ms: None,
            data_dir: data_dir.map(std::path::absolute).transpose()?,
            url: super::USUAL_PAGE.to_owned(),
            pods: HashMap::new(),
            supervisor: Process::own()?,
            notes: Vec::new(),
            verdict: None,
            interrupted: false,
        };
        record.save()?;
        let made = self.make(&manifest, &record);
        match made {
            Ok(pods) => {
                // A cluster takes its time to start them: the run begins when they have.
                let first_ms = pods.iter().map(|pod| pod.at_ms).min();
                record.started_ms = first_ms.unwrap_or(record.started_ms);
                // As `fgm-lab viewer` has it.
                if let Some(node) = pods.iter().find_map(|pod| pod.node.as_ref()) {
                    record.url = format!("{}node/{node}/", super::USUAL_PAGE);
                }
                record.pods = pods.into_iter().map(|pod| (pod.uid, pod.name)).collect();
            }
            Err(error) => {
                self.clean_up(&record)?;
                let _ = std::fs::remove_dir_all(&folder);
                return Err(error);
            }
        }
        record.save()?;
        Ok(record)
    }

    /// Makes it all and waits until its pods have started.
    fn make(&self, manifest: &Manifest, record: &Record) -> anyhow::Result<Vec<Started>> {
        let namespace: Namespace = serde_json::from_value(json!({
            "metadata": {"name": record.namespace, "labels": {
                "fgm.dev/run-id": record.run,
                "pod-security.kubernetes.io/enforce": "restricted",
            }},
        }))?;
        self.runtime.block_on(async {
            let all: Api<Namespace> = Api::all(self.client.clone());
            all.create(&PostParams::default(), &namespace)
                .await
                .context("cannot make a namespace")?;
            for document in &manifest.documents {
                self.create(document, record).await?;
            }
            let pods: Api<Pod> = Api::namespaced(self.client.clone(), &record.namespace);
            let asked = Instant::now();
            loop {
                let list = pods.list(&ListParams::default()).await?.items;
                let started: Vec<_> = list.iter().filter_map(Started::of).collect();
                if started.len() >= manifest.pods.len() {
                    return Ok(started);
                }
                ensure!(
                    asked.elapsed() < PATIENCE,
                    "{} of {} pods have started{}: kubectl -n {} describe pods",
                    started.len(),
                    manifest.pods.len(),
                    list.iter().filter_map(trouble).collect::<String>(),
                    record.namespace
                );
                tokio::time::sleep(POLL).await;
            }
        })
    }

    async fn create(&self, document: &Value, record: &Record) -> anyhow::Result<()> {
        let mut document = document.clone();
        let label = Value::from(record.run.clone());
        let asked = Instant::now();
        loop {
            let namespace = &record.namespace;
            let client = self.client.clone();
            let kind = document["kind"].as_str().unwrap_or_default().to_owned();
            let created = match kind.as_str() {
                "Pod" => {
                    document["metadata"]["labels"]["fgm.dev/run-id"] = label.clone();
                    let pod = serde_json::from_value(document.clone())?;
                    let api: Api<Pod> = Api::namespaced(client, namespace);
                    api.create(&PostParams::default(), &pod).await.map(|_| ())
                }
                "Deployment" => {
                    document["spec"]["template"]["metadata"]["labels"]["fgm.dev/run-id"] =
                        label.clone();
                    let deployment = serde_json::from_value(document.clone())?;
                    let api: Api<Deployment> = Api::namespaced(client, namespace);
                    api.create(&PostParams::default(), &deployment)
                        .await
                        .map(|_| ())
                }
                "Secret" => {
                    let secret = serde_json::from_value(document.clone())?;
                    let api: Api<Secret> = Api::namespaced(client, namespace);
                    api.create(&PostParams::default(), &secret)
                        .await
                        .map(|_| ())
                }
                _ => {
                    let service = serde_json::from_value(document.clone())?;
                    let api: Api<Service> = Api::namespaced(client, namespace);
                    api.create(&PostParams::default(), &service)
                        .await
                        .map(|_| ())
                }
            };
            match created {
                Ok(()) => return Ok(()),
                // The account of a new namespace comes a moment after it.
                Err(kube::Error::Api(status))
                    if status.code == 403
                        && status.message.contains("serviceaccount")
                        && asked.elapsed() < PATIENCE =>
                {
                    tokio::time::sleep(POLL).await;
                }
                Err(error) => {
                    let name = &document["metadata"]["name"];
                    return Err(error).with_context(|| format!("cannot make {kind} {name}"));
                }
            }
        }
    }

    /// What the viewers of its nodes tell of a run.
    ///
    /// # Errors
    /// FGM does not run in this cluster.
    pub(crate) fn viewers(self, record: &Record) -> anyhow::Result<Viewers> {
        Viewers::of(self.runtime, self.client, &record.namespace)
    }

    /// A pod of a run as the API server shows it; `None` when it is gone.
    pub(crate) fn pod(&self, record: &Record, name: &str) -> anyhow::Result<Option<Value>> {
        let pods: Api<Pod> = Api::namespaced(self.client.clone(), &record.namespace);
        let pod = self.runtime.block_on(pods.get_opt(name))?;
        Ok(pod.map(serde_json::to_value).transpose()?)
    }

    /// Tells what the containers of a run wrote, by pod and container and line; with `follow` also
    /// what they write until `over`.
    ///
    /// # Errors
    /// The pods cannot be listed, or their logs not be read.
    pub(crate) fn logs(
        &self,
        record: &Record,
        follow: bool,
        over: impl Fn() -> bool,
        tell: logs::Tell,
    ) -> anyhow::Result<()> {
        let pods: Api<Pod> = Api::namespaced(self.client.clone(), &record.namespace);
        self.runtime.block_on(logs::tell(pods, follow, over, tell))
    }

    /// Takes the run's namespace away and waits until it is gone.
    ///
    /// # Errors
    /// It does not go.
    pub(crate) fn clean_up(&self, record: &Record) -> anyhow::Result<()> {
        let all: Api<Namespace> = Api::all(self.client.clone());
        let name = &record.namespace;
        self.runtime.block_on(async {
            match all.delete(name, &DeleteParams::default()).await {
                Err(kube::Error::Api(status)) if status.code == 404 => return Ok(()),
                deleted => deleted.with_context(|| format!("cannot delete namespace {name}"))?,
            };
            let asked = Instant::now();
            while all.get_opt(name).await?.is_some() {
                if asked.elapsed() > PATIENCE {
                    bail!("namespace {name} does not go: kubectl describe namespace {name}");
                }
                tokio::time::sleep(POLL).await;
            }
            Ok(())
        })
    }
}
