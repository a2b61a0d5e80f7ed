//! Runs on this machine: a scenario's `deploy.yaml` as processes in cgroups of the lab's own.
//!
//! [`start`] makes everything and gives a [`Local`]; a thread of its own keeps its containers
//! running until it is stopped. What a killed process leaves behind, [`clean_up`] takes away.

pub(crate) mod cgroups;
pub(crate) mod container;
mod disruptions;
mod make;
mod network;
mod pod;
pub(crate) mod postgres;
mod program;
pub(crate) mod recorder;
mod user;

use super::book::Scenario;
use super::manifest::Manifest;
use super::record::{Place, Record};
use crate::state_dir::{self, Process};
use anyhow::{Context, bail, ensure};
use cgroups::{Cgroup, Slice};
use chrono::Utc;
use disruptions::Disruptions;
use make::{Maker, new_uid, place_of_volumes};
use network::Network;
use program::Neighbourhood;
use recorder::Recorder;
use serde_json::Value;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How often containers are looked after.
const STEP: Duration = Duration::from_millis(50);
/// What is asked to end may end by itself within that; a cluster gives it 30 s.
const GRACE: Duration = Duration::from_secs(15);
/// How long killed processes may take to be gone.
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) use super::now_ms;

/// A run whose containers are kept running.
pub(crate) struct Local {
    pub(crate) record: Record,
    stop: Arc<AtomicBool>,
    /// Until the last program has ended.
    _network: Network,
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
    let manifest = Manifest::parse(&scenario.deploy)?.with_fresh_secrets()?;
    let slice = Slice::make(recorder.cgroup_root.as_deref())?;
    let (run, folder) = Record::reserve(&scenario.name, Utc::now())?;
    scenario.write(&folder)?;
    let cgroup = slice.path().join(&run);
    let volumes = place_of_volumes(&manifest, &run, &folder);
    let mut record = Record {
        place: Place::Local {
            cgroup: cgroup.clone(),
            pods_dir: recorder.pods_dir.clone(),
            volumes: volumes.clone(),
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
    let [.., high, low] = record.started_ms.to_be_bytes();
    let neighbours = Neighbourhood::of(&manifest, u16::from_be_bytes([high, low]));
    let made = neighbours.and_then(|neighbours| {
        let ways = neighbours.ways().iter();
        let at = ways.map(|way| format!("Service {} is at {}", way.service, way.listen));
        record.notes.extend(at);
        // Before anything is made that a crash would leave behind.
        record.save()?;
        let network = Network::start(neighbours.ways())?;
        let maker = Maker {
            record: record.clone(),
            slice,
            cgroup,
            volumes,
            pods_dir: recorder.pods_dir.clone(),
            neighbours,
        };
        let pods = maker.pods(&manifest)?;
        let disruptions = Disruptions::new(&record, network.delay.clone())?;
        Ok((
            Supervised {
                pods,
                disruptions,
                maker,
            },
            network,
        ))
    });
    let (supervised, network) = match made {
        Ok(made) => made,
        Err(error) => {
            record.clean_up()?;
            let _ = fs::remove_dir_all(&folder);
            return Err(error);
        }
    };
    let stop = Arc::new(AtomicBool::new(false));
    let stopped = Arc::clone(&stop);
    let thread = std::thread::Builder::new()
        .name("fgm-supervisor".to_owned())
        .spawn(move || supervised.look_after(&stopped))
        .context("cannot start a thread")?;
    Ok(Local {
        record,
        stop,
        _network: network,
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

/// What is kept running.
struct Supervised {
    pods: Vec<pod::Pod>,
    disruptions: Disruptions,
    maker: Maker,
}

impl Supervised {
    /// Keeps the containers running until it is told to stop.
    fn look_after(mut self, stopped: &AtomicBool) -> anyhow::Result<()> {
        while !stopped.load(Ordering::Relaxed) {
            for pod in &mut self.pods {
                let stepped = pod.step(&self.maker.slice, &self.maker.pods_dir);
                stepped.with_context(|| format!("pod {}", pod.planned.name))?;
            }
            self.disruptions.step(&self.pods, &self.maker)?;
            std::thread::sleep(STEP);
        }
        Ok(())
    }
}

/// Takes away what a run made: processes, cgroups, Pod objects, volumes. Only what is its own.
///
/// # Errors
/// Processes that do not go.
pub(crate) fn clean_up(
    record: &Record,
    path: &Path,
    pods_dir: &Path,
    volumes: &Path,
) -> anyhow::Result<()> {
    if let Some(cgroup) = Cgroup::open(path) {
        let asked = Instant::now();
        // A database that is killed leaves shared memory behind.
        cgroup.terminate();
        while !cgroup.is_empty() && asked.elapsed() < GRACE {
            std::thread::sleep(STEP);
        }
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
    }
    if let Some(slice) = path.parent() {
        // Others may have runs in it.
        let _ = fs::remove_dir(slice);
    }
    // Those of disruptions too, of which the record does not know.
    for entry in fs::read_dir(pods_dir).into_iter().flatten().flatten() {
        let pod = state_dir::read_json::<Value>(&entry.path());
        if let Ok(Some(pod)) = pod
            && pod["metadata"]["namespace"] == *record.namespace
        {
            let _ = fs::remove_file(entry.path());
        }
    }
    match fs::remove_dir_all(volumes) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", volumes.display()))
        }
        _ => Ok(()),
    }
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
