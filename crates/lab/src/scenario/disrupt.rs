//! `fgm-lab disrupt`: what a person does to a run while it goes on, noted on the timeline.
//!
//! The run's own process does it ([`super::local`]), which is asked by a file in the run's folder
//! and answers by another: whatever is made belongs to the run then, and goes with it.

use super::now_ms;
use super::record::{Place, Record};
use crate::expect::Span;
use crate::state_dir;
use crate::terminal::say;
use anyhow::{Context, bail, ensure};
use clap::{Args, ValueEnum};
use serde::{Deserialize, Serialize};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long the run may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);
const POLL: Duration = Duration::from_millis(50);

/// What can be done to a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Kind {
    /// Kill every process of the database at once; it is started again
    KillDatabase,
    /// Delay all data between pods
    SlowNetwork,
    /// Start a pod that keeps every CPU busy
    CpuHog,
}

/// Flags of `fgm-lab disrupt`.
#[derive(Debug, Args)]
pub(crate) struct Disrupt {
    /// Which run
    run: String,

    /// What to do to it
    kind: Kind,

    /// How long the network is slow, or the CPUs are busy; a slow network is fast again by 0s
    #[arg(long = "for", value_name = "DURATION", default_value = "20s")]
    lasts: Span,

    /// How long data are on their way, in each direction
    #[arg(long, value_name = "DURATION", default_value = "200ms")]
    delay: Span,
}

/// What the run's process is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Request {
    pub(crate) kind: Kind,
    pub(crate) lasts_ms: u64,
    pub(crate) delay_ms: u64,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Answer {
    /// It was done: what, from when until when (milliseconds UTC).
    Done {
        what: String,
        time_ms: i64,
        end_ms: Option<i64>,
    },
    /// Why it was not.
    Refused(String),
}

/// Where both lie.
pub(crate) fn folder(record: &Record) -> anyhow::Result<PathBuf> {
    Ok(record.folder()?.join("disruptions"))
}

const REQUEST: &str = "request.json";
const ANSWER: &str = "answer.json";

impl Disrupt {
    pub(crate) fn run(self) -> anyhow::Result<()> {
        let record = Record::find(Some(&self.run))?;
        if let Place::Cluster { .. } = record.place {
            bail!(
                "{} runs in {}: only runs on this machine (--local) are disrupted",
                record.run,
                record.place.name()
            );
        }
        ensure!(
            record.is_running(),
            "{} does not run any more: start one by fgm-lab scenario run {} --local --keep",
            record.run,
            record.scenario
        );
        let data_dir = record.data_dir.as_ref();
        let data_dir = data_dir.context("the run's record names no data")?;
        let id = ulid::Ulid::generate().to_string().to_lowercase();
        let folder = folder(&record)?;
        let request = Request {
            kind: self.kind,
            lasts_ms: milliseconds(self.lasts),
            delay_ms: milliseconds(self.delay),
        };
        state_dir::write_json(&folder.join(format!("{id}.{REQUEST}")), &request)?;
        let (what, time_ms, end_ms) = match self.answer(&folder, &id)? {
            Answer::Done {
                what,
                time_ms,
                end_ms,
            } => (what, time_ms, end_ms),
            Answer::Refused(why) => bail!("{why}"),
        };
        let text = format!("{}: {what}", record.run);
        fgm_viewer::pin_note(data_dir, &format!("disrupt-{id}"), (time_ms, end_ms), &text)
            .with_context(|| format!("done ({what}), but not noted on the timeline"))?;
        say(&format!("{what}; noted on the timeline"));
        Ok(())
    }

    fn answer(&self, folder: &Path, id: &str) -> anyhow::Result<Answer> {
        let file = folder.join(format!("{id}.{ANSWER}"));
        let asked = Instant::now();
        loop {
            if let Some(answer) = state_dir::read_json(&file)? {
                return Ok(answer);
            }
            if asked.elapsed() > PATIENCE {
                // Not later, when nobody waits for it.
                let _ = fs::remove_file(folder.join(format!("{id}.{REQUEST}")));
                bail!("{} does not answer: is it ending?", self.run);
            }
            std::thread::sleep(POLL);
        }
    }
}

/// Requests that nobody has answered yet, each with what answers it.
///
/// # Errors
/// With the file that cannot be read.
pub(crate) fn requests(folder: &Path) -> anyhow::Result<Vec<(PathBuf, Request)>> {
    let mut requests = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let id = name.to_str().and_then(|name| name.strip_suffix(REQUEST));
        let Some(id) = id else { continue };
        // It may have been taken back.
        if let Some(request) = state_dir::read_json(&entry.path())? {
            fs::remove_file(entry.path()).context("cannot take a request")?;
            requests.push((folder.join(format!("{id}{ANSWER}")), request));
        }
    }
    Ok(requests)
}

impl Answer {
    /// Done now, and for that long where it lasts.
    pub(crate) fn done(what: String, lasts: Option<Duration>) -> Self {
        let time_ms = now_ms();
        let lasts_ms = lasts.and_then(|lasts| i64::try_from(lasts.as_millis()).ok());
        Self::Done {
            what,
            time_ms,
            end_ms: lasts_ms.map(|lasts_ms| time_ms.saturating_add(lasts_ms)),
        }
    }
}

fn milliseconds(span: Span) -> u64 {
    u64::try_from(span.0.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_taken_once() {
        let folder = tempfile::tempdir().expect("temporary directory");
        let request = Request {
            kind: Kind::SlowNetwork,
            lasts_ms: 1000,
            delay_ms: 20,
        };
        let asked = folder.path().join("a.request.json");
        state_dir::write_json(&asked, &request).expect("written");
        let taken = requests(folder.path()).expect("readable");
        assert_eq!(taken, [(folder.path().join("a.answer.json"), request)]);
        assert_eq!(requests(folder.path()).expect("readable"), []);
        assert_eq!(requests(&folder.path().join("none")).expect("none"), []);
    }
}
