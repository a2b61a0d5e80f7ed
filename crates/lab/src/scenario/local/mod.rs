//! Runs on this machine: a scenario's `deploy.yaml` as processes in cgroups of the lab's own.
//!
//! [`start`] makes everything and gives a [`Local`]; a thread of its own keeps its containers
//! running until it is stopped. What a killed process leaves behind, [`clean_up`] takes away.

pub(crate) mod cgroups;
pub(crate) mod container;
mod pod;
mod program;
pub(crate) mod recorder;

use super::book::Scenario;
use super::manifest::{Manifest, Planned};
use super::record::{Place, Record, log_file};
use crate::state_dir::Process;
use anyhow::{Context, bail, ensure};
use cgroups::{Cgroup, Slice};
use chrono::Utc;
use container::{Container, Plan, RestartPolicy};
use fgm_collector::identity::{PodInfo, Resources};
use k8s_openapi::api::core::v1 as api;
use pod::Pod;
use program::{Neighbourhood, volume_folder};
use recorder::Recorder;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How often containers are looked after.
const STEP: Duration = Duration::from_millis(50);
/// How long killed processes may take to be gone.
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) use super::now_ms;

/// A run whose containers are kept running.
pub(crate) struct Local {
    pub(crate) record: Record,
    stop: Arc<AtomicBool>,
    thread: JoinHandle<anyhow::Result<()>>,
}

/// Makes cgroups and folders of a run and starts its pods.
///
/// # Errors
/// What of the scenario cannot run here; nothing is left behind then.
pub(crate) fn start(
    scenario: &Scenario,
    recorder: &Recorder,
    duration: Duration,
) -> anyhow::Result<Local> {
    let manifest = Manifest::parse(&scenario.deploy)?;
    let slice = Slice::make(recorder.cgroup_root.as_deref())?;
    let (run, folder) = Record::reserve(&scenario.name, Utc::now())?;
    scenario.write(&folder)?;
    let record = Record {
        place: Place::Local {
            cgroup: slice.path().join(&run),
            pods_dir: recorder.pods_dir.clone(),
        },
        namespace: format!("fgm-{run}"),
        scenario: scenario.name.clone(),
        started_ms: now_ms(),
        duration_ms: i64::try_from(duration.as_millis()).unwrap_or(i64::MAX),
        ended_ms: None,
        data_dir: Some(recorder.data_dir.clone()),
        url: recorder.url.clone(),
        pods: manifest
            .pods
            .iter()
            .map(|pod| (new_uid(), pod.name.clone()))
            .collect(),
        supervisor: Process::own()?,
        notes: unset_limits(&manifest, &slice),
        verdict: None,
        interrupted: false,
        run,
    };
    // Before anything is made that a crash would leave behind.
    record.save()?;
    let cgroup = slice.path().join(&record.run);
    let made = make_pods(
        &manifest,
        &record,
        (&slice, &cgroup),
        &folder,
        &recorder.pods_dir,
    );
    let pods = match made {
        Ok(pods) => pods,
        Err(error) => {
            record.clean_up()?;
            let _ = fs::remove_dir_all(&folder);
            return Err(error);
        }
    };
    let stop = Arc::new(AtomicBool::new(false));
    let (stopped, pods_dir) = (Arc::clone(&stop), recorder.pods_dir.clone());
    let thread = std::thread::Builder::new()
        .name("fgm-supervisor".to_owned())
        .spawn(move || supervise(pods, &slice, &pods_dir, &stopped))
        .context("cannot start a thread")?;
    Ok(Local {
        record,
        stop,
        thread,
    })
}

impl Local {
    /// Whether its containers are still looked after.
    pub(crate) fn is_alive(&self) -> bool {
        !self.thread.is_finished()
    }

    /// Ends its containers and takes everything away that it made; the record stays.
    ///
    /// # Errors
    /// Why containers were not looked after any more, or what could not be taken away.
    pub(crate) fn stop(self) -> anyhow::Result<Record> {
        self.stop.store(true, Ordering::Relaxed);
        let supervised = self.thread.join();
        self.record.clean_up()?;
        match supervised {
            Ok(result) => result?,
            Err(_) => bail!("the thread that looks after containers panicked"),
        }
        Ok(self.record)
    }
}

/// Keeps the containers running until it is told to stop.
fn supervise(
    mut pods: Vec<Pod>,
    slice: &Slice,
    pods_dir: &Path,
    stopped: &AtomicBool,
) -> anyhow::Result<()> {
    while !stopped.load(Ordering::Relaxed) {
        for pod in &mut pods {
            let stepped = pod.step(slice, pods_dir);
            stepped.with_context(|| format!("pod {}", pod.planned.name))?;
        }
        std::thread::sleep(STEP);
    }
    Ok(())
}

/// Takes away what a run made: processes, cgroups, Pod objects, volumes. Only what is its own.
///
/// # Errors
/// Processes that do not go.
pub(crate) fn clean_up(record: &Record, path: &Path, pods_dir: &Path) -> anyhow::Result<()> {
    if let Some(cgroup) = Cgroup::open(path) {
        let asked = Instant::now();
        // Again and again: a process that was just started may enter only now.
        loop {
            cgroup.kill();
            if cgroup.is_empty() {
                // A moment for the recorder to read what ended.
                std::thread::sleep(container::LINGER);
                match cgroup.remove() {
                    Ok(()) => break,
                    Err(error) => ensure!(
                        asked.elapsed() < PATIENCE,
                        "cannot remove {}: {error}",
                        path.display()
                    ),
                }
            }
            ensure!(
                asked.elapsed() < PATIENCE,
                "processes in {} do not end",
                path.display()
            );
            std::thread::sleep(STEP);
        }
        if let Some(slice) = path.parent() {
            // Others may have runs in it.
            let _ = fs::remove_dir(slice);
        }
    }
    for uid in record.pods.keys() {
        let _ = fs::remove_file(pods_dir.join(format!("{uid}.json")));
    }
    let folder = record.folder()?;
    let _ = fs::remove_dir_all(folder.join("pods"));
    Ok(())
}

/// What the manifest limits and this tree cannot.
fn unset_limits(manifest: &Manifest, slice: &Slice) -> Vec<String> {
    let missing = slice.missing();
    let mut unset: Vec<String> = Vec::new();
    for pod in &manifest.pods {
        for container in &pod.spec.containers {
            let limits = container
                .resources
                .as_ref()
                .and_then(|of| of.limits.as_ref());
            for (what, limit) in limits.into_iter().flatten() {
                if missing.contains(&what.as_str()) {
                    unset.push(format!(
                        "{what} {} of {}/{}",
                        limit.0, pod.name, container.name
                    ));
                }
            }
        }
    }
    if unset.is_empty() {
        return Vec::new();
    }
    vec![format!(
        "limits are not set here: {}; the cgroup v2 tree at {} has no controller for {}",
        unset.join(", "),
        slice.path().parent().unwrap_or(slice.path()).display(),
        missing.join(" and ")
    )]
}

fn make_pods(
    manifest: &Manifest,
    record: &Record,
    (slice, cgroup): (&Slice, &Path),
    folder: &Path,
    pods_dir: &Path,
) -> anyhow::Result<Vec<Pod>> {
    fs::create_dir_all(folder.join("logs")).context("cannot make a folder for logs")?;
    fs::create_dir_all(pods_dir).with_context(|| format!("cannot make {}", pods_dir.display()))?;
    slice.make_group(cgroup)?;
    let [.., high, low] = record.started_ms.to_be_bytes();
    let neighbours = Neighbourhood::of(manifest, u16::from_be_bytes([high, low]))?;
    let mut pods = Vec::new();
    for planned in &manifest.pods {
        let uid = record.pods.iter().find(|(_, name)| **name == planned.name);
        let (uid, _) = uid.context("two pods have one name")?;
        let made = make_pod(planned, uid, record, (slice, cgroup), folder, &neighbours);
        pods.push(made.with_context(|| format!("pod {}", planned.name))?);
    }
    Ok(pods)
}

fn make_pod(
    planned: &Planned,
    uid: &str,
    record: &Record,
    (slice, of_run): (&Slice, &Path),
    folder: &Path,
    neighbours: &Neighbourhood,
) -> anyhow::Result<Pod> {
    let spec = &planned.spec;
    ensure!(
        spec.init_containers.iter().flatten().next().is_none(),
        "init containers are not run here"
    );
    let own_folder = folder.join("pods").join(&planned.name);
    for volume in spec.volumes.iter().flatten() {
        let path = own_folder.join(volume_folder(&volume.name));
        fs::create_dir_all(&path).with_context(|| format!("cannot make {}", path.display()))?;
    }
    fs::create_dir_all(&own_folder)
        .with_context(|| format!("cannot make {}", own_folder.display()))?;
    let (of_pod, of_containers) = resources(planned, uid)?;
    let cgroup = slice.make_group(&of_run.join(uid))?;
    container::set_limits(&cgroup, &of_pod)?;
    let mut containers = Vec::new();
    for (container, resources) in spec.containers.iter().zip(&of_containers) {
        let program = neighbours
            .program(planned, container)
            .with_context(|| format!("container {}", container.name))?;
        containers.push(Container::new(Plan {
            name: container.name.clone(),
            image: container.image.clone().unwrap_or_default(),
            program,
            resources: *resources,
            restart: restart_policy(spec.restart_policy.as_deref())?,
            parent: cgroup.path().to_owned(),
            folder: own_folder.clone(),
            log: log_file(folder, &planned.name, &container.name),
        }));
    }
    let mut planned = planned.clone();
    planned
        .labels
        .insert("fgm.dev/run-id".to_owned(), record.run.clone());
    Ok(Pod {
        address: neighbours.address(&planned),
        qos: pod::qos(&of_containers),
        planned,
        uid: uid.to_owned(),
        namespace: record.namespace.clone(),
        containers,
        created_ms: now_ms(),
    })
}

fn restart_policy(text: Option<&str>) -> anyhow::Result<RestartPolicy> {
    Ok(match text {
        None | Some("Always") => RestartPolicy::Always,
        Some("OnFailure") => RestartPolicy::OnFailure,
        Some("Never") => RestartPolicy::Never,
        Some(other) => bail!("no restartPolicy {other:?}"),
    })
}

/// What the recorder reads of requests and limits, of the pod and of each container.
fn resources(planned: &Planned, uid: &str) -> anyhow::Result<(Resources, Vec<Resources>)> {
    let object = api::Pod {
        metadata: k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta {
            name: Some(planned.name.clone()),
            uid: Some(uid.to_owned()),
            ..Default::default()
        },
        spec: Some(planned.spec.clone()),
        status: None,
    };
    let info = PodInfo::of(&object).context("a pod without a name")?;
    let of_containers = info.containers.iter().map(|one| one.named.resources);
    Ok((info.named.resources, of_containers.collect()))
}

/// A random UID in the form of Kubernetes'.
fn new_uid() -> String {
    // Twice: the time in one of them would tell pods of one run by little.
    let random = (ulid::Ulid::generate().random() << 64) ^ ulid::Ulid::generate().random();
    let digits = format!("{random:032x}");
    let parts: Vec<_> = [(0, 8), (8, 12), (12, 16), (16, 20), (20, 32)]
        .into_iter()
        .filter_map(|(from, to)| digits.get(from..to))
        .collect();
    parts.join("-")
}
