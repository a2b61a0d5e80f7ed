//! What [`crate::scenario::disrupt`] asks for, done to the pods of a run.

use super::container::State;
use super::make::{Maker, new_uid};
use super::network::Delay;
use super::pod::Pod;
use super::{postgres, program};
use crate::scenario::disrupt::{Answer, Kind, Request, folder, requests};
use crate::scenario::manifest::Planned;
use crate::scenario::record::Record;
use crate::state_dir;
use crate::terminal::say;
use anyhow::{Context, ensure};
use serde_json::json;
use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

const HOG: &str = "cpu-hog";

/// What goes on.
pub(super) struct Disruptions {
    folder: PathBuf,
    network: Delay,
    slow_until: Option<Instant>,
    hog: Option<(Pod, Instant)>,
}

impl Disruptions {
    pub(super) fn new(record: &Record, network: Delay) -> anyhow::Result<Self> {
        Ok(Self {
            folder: folder(record)?,
            network,
            slow_until: None,
            hog: None,
        })
    }

    /// Begins what is asked for, and ends what has lasted long enough.
    ///
    /// # Errors
    /// Files of the run's folder, or a pod that does not start.
    pub(super) fn step(&mut self, pods: &[Pod], maker: &Maker) -> anyhow::Result<()> {
        for (answer, request) in requests(&self.folder)? {
            let done = self.begin(&request, pods, maker);
            let done = done.unwrap_or_else(|error| Answer::Refused(format!("{error:#}")));
            if let Answer::Done { what, .. } = &done {
                say(&format!("disrupted: {what}"));
            }
            state_dir::write_json(&answer, &done)?;
        }
        if self.slow_until.is_some_and(|until| Instant::now() >= until) {
            self.network.set(Duration::ZERO);
            self.slow_until = None;
        }
        if let Some((pod, until)) = &mut self.hog {
            let over = Instant::now() >= *until;
            if over {
                pod.end();
            }
            pod.step(&maker.slice, &maker.pods_dir)?;
            if over && pod.is_gone() {
                pod.forget(&maker.pods_dir);
                let (uid, name) = (&pod.uid, &pod.planned.name);
                fs::remove_dir(maker.cgroup.join(uid)).context("cannot remove a cgroup")?;
                fs::remove_dir_all(maker.volumes.join(name)).context("cannot remove a folder")?;
                self.hog = None;
            }
        }
        Ok(())
    }

    fn begin(&mut self, request: &Request, pods: &[Pod], maker: &Maker) -> anyhow::Result<Answer> {
        let lasts = Duration::from_millis(request.lasts_ms);
        match request.kind {
            Kind::KillDatabase => kill_database(pods),
            Kind::SlowNetwork => {
                ensure!(
                    !maker.neighbours.ways().is_empty(),
                    "the pods of this run have no Services: nothing goes from one to another"
                );
                if lasts.is_zero() {
                    self.network.set(Duration::ZERO);
                    self.slow_until = None;
                    return Ok(Answer::done("the network is fast again".to_owned(), None));
                }
                let delay = Duration::from_millis(request.delay_ms);
                self.network.set(delay);
                self.slow_until = Some(Instant::now() + lasts);
                let what = format!("the network between pods is slow, {delay:?} each way");
                Ok(Answer::done(what, Some(lasts)))
            }
            Kind::CpuHog => {
                ensure!(self.hog.is_none(), "a CPU hog runs already");
                let cpus = std::thread::available_parallelism().map_or(1, usize::from);
                let pod = maker.pod(&hog(cpus)?, &new_uid())?;
                self.hog = Some((pod, Instant::now() + lasts));
                let what = format!("a CPU hog keeps {cpus} CPUs busy");
                Ok(Answer::done(what, Some(lasts)))
            }
        }
    }
}

fn kill_database(pods: &[Pod]) -> anyhow::Result<Answer> {
    let containers = pods.iter().flat_map(|pod| {
        let with_pod = |container| (&pod.planned.name, container);
        pod.containers.iter().map(with_pod)
    });
    let mut databases = containers
        .filter(|(_, one)| program::program_of(&one.plan.image) == postgres::NAME)
        .peekable();
    ensure!(databases.peek().is_some(), "this run has no database");
    let running = databases.find_map(|(pod, one)| match &one.state {
        State::Running(instance) => Some((pod, &one.plan.name, instance)),
        _ => None,
    });
    let running = running.context("the database does not run now: it waits to be restarted");
    let (pod, container, instance) = running?;
    instance.kill();
    let what = format!("the database {pod}/{container} was killed");
    Ok(Answer::done(what, None))
}

/// A pod that wants every CPU, and more of them than others.
fn hog(cpus: usize) -> anyhow::Result<Planned> {
    let spec = json!({
        "restartPolicy": "Never",
        "containers": [{
            "name": "hog",
            "image": "localhost/fgm-workload",
            "args": ["throttle", "--duty", "1", "--threads", cpus.to_string()],
            "resources": {"requests": {"cpu": cpus.to_string()}},
        }],
    });
    Ok(Planned {
        name: HOG.to_owned(),
        labels: BTreeMap::from([("app".to_owned(), HOG.to_owned())]),
        spec: serde_json::from_value(spec)?,
    })
}
