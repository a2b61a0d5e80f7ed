//! What is kept of a run: `runs/<run>/` of the state directory, with `run.json`, the scenario's
//! files and `logs/`.

use super::book::Scenario;
use super::cluster::Cluster;
use crate::expect::recorded::{Recorded, Stored};
use crate::expect::{Observed, Verdict};
use crate::state_dir::{self, Process};
use crate::terminal::say;
use anyhow::{Context, bail};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::HashMap;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Where a run takes place, and by what it is taken away.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Place {
    /// On this machine.
    Local {
        /// The run's own.
        cgroup: PathBuf,
        /// Where its Pod objects are.
        pods_dir: PathBuf,
        /// Where its pods' folders are.
        volumes: PathBuf,
    },
    /// In a cluster, in the namespace.
    Cluster {
        /// The lab's own; `None` for the person's.
        kubeconfig: Option<PathBuf>,
        /// In it; `None` for its current one.
        context: Option<String>,
    },
}

impl Place {
    /// In a word.
    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Local { .. } => "local",
            Self::Cluster { context, .. } => context.as_deref().unwrap_or("the lab's cluster"),
        }
    }
}

/// A run of a scenario.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Record {
    pub(crate) run: String,
    pub(crate) scenario: String,
    /// Where it ran.
    pub(crate) place: Place,
    /// The namespace of its pods.
    pub(crate) namespace: String,
    /// When its pods were started, milliseconds UTC.
    pub(crate) started_ms: i64,
    /// How long it is looked at.
    pub(crate) duration_ms: i64,
    /// When it was over.
    pub(crate) ended_ms: Option<i64>,
    /// Where its rows are; `None` where the viewers of its nodes are asked.
    pub(crate) data_dir: Option<PathBuf>,
    /// The page.
    pub(crate) url: String,
    /// Names of its pods by UID.
    pub(crate) pods: HashMap<String, String>,
    /// The process that keeps it running.
    pub(crate) supervisor: Process,
    /// What could not be done as a cluster would.
    pub(crate) notes: Vec<String>,
    /// Once it is known.
    pub(crate) verdict: Option<Verdict>,
    /// It was ended before its time.
    pub(crate) interrupted: bool,
}

impl Record {
    fn runs_dir() -> anyhow::Result<PathBuf> {
        Ok(state_dir::path()?.join("runs"))
    }

    /// Where its files lie.
    ///
    /// # Errors
    /// When there is no state directory.
    pub(crate) fn folder(&self) -> anyhow::Result<PathBuf> {
        Ok(Self::runs_dir()?.join(&self.run))
    }

    /// A folder of a name that no other run has, and that name.
    ///
    /// # Errors
    /// When it cannot be made.
    pub(crate) fn reserve(scenario: &str, now: DateTime<Utc>) -> anyhow::Result<(String, PathBuf)> {
        let runs = Self::runs_dir()?;
        fs::create_dir_all(&runs).with_context(|| format!("cannot make {}", runs.display()))?;
        let base = format!("{scenario}-{}", now.format("%m%d-%H%M%S"));
        for number in 1..100 {
            let run = match number {
                1 => base.clone(),
                number => format!("{base}-{number}"),
            };
            let folder = runs.join(&run);
            match fs::create_dir(&folder) {
                Ok(()) => return Ok((run, folder)),
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                Err(error) => {
                    return Err(error).with_context(|| format!("cannot make {}", folder.display()));
                }
            }
        }
        bail!("a hundred runs of {scenario} in one second")
    }

    /// # Errors
    /// With the file that cannot be written.
    pub(crate) fn save(&self) -> anyhow::Result<()> {
        state_dir::write_json(&self.folder()?.join("run.json"), self)
    }

    /// Every run, the latest first.
    ///
    /// # Errors
    /// When the directory cannot be listed.
    pub(crate) fn all() -> anyhow::Result<Vec<Self>> {
        let runs = Self::runs_dir()?;
        let entries = match fs::read_dir(&runs) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.with_context(|| format!("cannot list {}", runs.display()))?,
        };
        let mut all = Vec::new();
        for entry in entries {
            // A folder without a record is that of a run that never began.
            match state_dir::read_json::<Self>(&entry?.path().join("run.json")) {
                Ok(record) => all.extend(record),
                Err(error) => say(&format!("a run is left out: {error:#}")),
            }
        }
        all.sort_by_key(|record| std::cmp::Reverse(record.started_ms));
        Ok(all)
    }

    /// The run of that name; without one, the latest.
    ///
    /// # Errors
    /// There is none, and how to find one.
    pub(crate) fn find(run: Option<&str>) -> anyhow::Result<Self> {
        let mut all = Self::all()?.into_iter();
        match run {
            None => all
                .next()
                .context("no scenario was run yet: fgm-lab scenario run NAME --local"),
            Some(run) => all
                .find(|record| record.run == run)
                .with_context(|| format!("no run {run:?}: fgm-lab scenario status lists them")),
        }
    }

    /// Its scenario as it was.
    ///
    /// # Errors
    /// With the file that cannot be read.
    pub(crate) fn scenario(&self) -> anyhow::Result<Scenario> {
        Scenario::read(&self.folder()?)
    }

    /// Where what was recorded of it is asked for.
    ///
    /// # Errors
    /// The cluster cannot be reached.
    pub(crate) fn recorded(&self) -> anyhow::Result<Box<dyn Recorded>> {
        Ok(match (&self.data_dir, &self.place) {
            (Some(dir), _) => Box::new(Stored::open(dir, self.pods.clone())),
            (
                None,
                Place::Cluster {
                    kubeconfig,
                    context,
                },
            ) => Box::new(Cluster::of(kubeconfig.as_ref(), context.as_ref())?.viewers(self)?),
            (None, Place::Local { .. }) => bail!("the record of {} names no data", self.run),
        })
    }

    /// What is known of it so far.
    pub(crate) fn observed<'a>(&self, recorded: &'a dyn Recorded) -> Observed<'a> {
        let last_ms = self.started_ms + self.duration_ms;
        Observed {
            recorded,
            start_ms: self.started_ms,
            end_ms: self.ended_ms.unwrap_or_else(super::now_ms).min(last_ms),
        }
    }

    /// Takes away what it made.
    ///
    /// # Errors
    /// What could not be taken away.
    pub(crate) fn clean_up(&self) -> anyhow::Result<()> {
        match &self.place {
            Place::Local {
                cgroup,
                pods_dir,
                volumes,
            } => super::local::clean_up(self, cgroup, pods_dir, volumes),
            Place::Cluster {
                kubeconfig,
                context,
            } => Cluster::of(kubeconfig.as_ref(), context.as_ref())?.clean_up(self),
        }
    }

    /// A pod of it as the API server shows it, or would; `None` when it is gone.
    ///
    /// # Errors
    /// When nobody tells.
    pub(crate) fn pod(&self, uid: &str, name: &str) -> anyhow::Result<Option<Value>> {
        match &self.place {
            Place::Local { pods_dir, .. } => {
                state_dir::read_json(&pods_dir.join(format!("{uid}.json")))
            }
            Place::Cluster {
                kubeconfig,
                context,
            } => Cluster::of(kubeconfig.as_ref(), context.as_ref())?.pod(self, name),
        }
    }

    /// Whether its pods run under the eyes of its own process.
    pub(crate) fn is_running(&self) -> bool {
        self.ended_ms.is_none() && self.supervisor.runs()
    }

    /// In a word.
    pub(crate) fn state(&self) -> &'static str {
        match (&self.verdict, self.interrupted) {
            (Some(_), _) if self.is_running() => "kept",
            _ if self.is_running() => "running",
            _ if self.ended_ms.is_none() => "crashed",
            (_, true) => "stopped",
            (Some(verdict), _) if verdict.passed() => "passed",
            (Some(_), _) => "failed",
            (None, _) => "stopped",
        }
    }

    /// Its length in words.
    pub(crate) fn length(&self) -> String {
        let ms = u64::try_from(self.duration_ms).unwrap_or(0);
        humantime::format_duration(Duration::from_millis(ms)).to_string()
    }
}

/// A pod's log of a container.
pub(crate) fn log_file(folder: &Path, pod: &str, container: &str) -> PathBuf {
    folder.join("logs").join(format!("{pod}_{container}.log"))
}
