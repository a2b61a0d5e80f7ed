//! What a scenario must show, and whether it did: `expect.toml` and its judge.
//!
//! ```toml
//! duration = "40s"                     # how long a run is looked at
//!
//! [[expect]]
//! id = "killed"
//! container = "main"                   # a glob over container names, or over pod/container
//! event = "oom_kill"
//! count = ">=1"                        # also 1 or "1..3"; without it at least one
//! within = "30s"                       # from the start of the run
//! detail = { scope = "container" }     # what the event's detail holds, among other things
//!
//! [[forbid]]
//! id = "above-its-limit"
//! container = "*"
//! metric = "memory_current"
//! stat = "max"                         # min, max, avg, p95 or last
//! op = ">"
//! value = "1.05*memory_max"            # a number, a metric, or a multiple of one
//! during = "10s..60s"                  # of the run; without it all of it
//! ```
//!
//! An expectation about a metric must hold for every container of the run that the glob names, a
//! forbidden one for none. Where nothing was recorded nothing is known: both fail then.

mod judge;
pub(crate) mod recorded;
mod show;
mod text;

pub(crate) use judge::{Observed, Outcome, Verdict, VerdictRow};
pub(crate) use show::{clock, table};
pub(crate) use text::Span;

use anyhow::{Context, bail, ensure};
use fgm_model::{EventKind, Signal};
use serde::Deserialize;
use std::collections::HashSet;
use text::{Count, Names, Op, Stat, Threshold, Window};

/// The content of an `expect.toml`.
#[derive(Debug, Clone)]
pub(crate) struct Expectations {
    /// How long a run is looked at.
    pub(crate) duration: Span,
    /// In the order of the file, those expected first.
    claims: Vec<Claim>,
}

/// One `[[expect]]` or `[[forbid]]`.
#[derive(Debug, Clone)]
struct Claim {
    id: String,
    is_forbidden: bool,
    container: Names,
    about: About,
}

#[derive(Debug, Clone)]
enum About {
    Event {
        kind: EventKind,
        count: Count,
        within: Option<Span>,
        detail: serde_json::Map<String, serde_json::Value>,
    },
    Metric {
        signal: Signal,
        stat: Stat,
        op: Op,
        value: Threshold,
        during: Window,
    },
}

/// The file as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    duration: Span,
    #[serde(default)]
    expect: Vec<Written>,
    #[serde(default)]
    forbid: Vec<Written>,
}

/// A claim as it is written: of an event or of a metric.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    id: String,
    container: Names,
    event: Option<String>,
    count: Option<Count>,
    within: Option<Span>,
    detail: Option<serde_json::Map<String, serde_json::Value>>,
    metric: Option<String>,
    stat: Option<Stat>,
    op: Option<Op>,
    value: Option<Threshold>,
    during: Option<Window>,
}

impl Expectations {
    /// Reads the text of an `expect.toml`.
    ///
    /// # Errors
    /// What is wrong and where.
    pub(crate) fn parse(text: &str) -> anyhow::Result<Self> {
        let file: File = toml::from_str(text)?;
        let mut claims = Vec::new();
        let mut ids = HashSet::new();
        for (written, is_forbidden) in [(file.expect, false), (file.forbid, true)]
            .into_iter()
            .flat_map(|(list, is_forbidden)| list.into_iter().map(move |one| (one, is_forbidden)))
        {
            let id = written.id.clone();
            ensure!(ids.insert(id.clone()), "the id {id:?} is there twice");
            claims.push(
                written
                    .claim(is_forbidden)
                    .with_context(|| format!("{id:?}"))?,
            );
        }
        ensure!(
            claims.iter().any(|claim| !claim.is_forbidden),
            "there is no [[expect]]: a run of which nothing is expected shows nothing"
        );
        Ok(Self {
            duration: file.duration,
            claims,
        })
    }
}

impl Written {
    fn claim(self, is_forbidden: bool) -> anyhow::Result<Claim> {
        let about = match (self.event, self.metric) {
            (Some(event), None) => {
                ensure!(
                    self.stat.is_none()
                        && self.op.is_none()
                        && self.value.is_none()
                        && self.during.is_none(),
                    "an event has count, within and detail, but no stat, op, value or during"
                );
                let kind = EventKind::ALL.iter().find(|kind| kind.as_str() == event);
                let Some(kind) = kind else {
                    let known: Vec<_> = EventKind::ALL.iter().map(|kind| kind.as_str()).collect();
                    bail!("no event {event:?}: there are {}", known.join(", "));
                };
                About::Event {
                    kind: *kind,
                    count: self.count.unwrap_or_default(),
                    within: self.within,
                    detail: self.detail.unwrap_or_default(),
                }
            }
            (None, Some(metric)) => {
                ensure!(
                    self.count.is_none() && self.within.is_none() && self.detail.is_none(),
                    "a metric has stat, op, value and during, but no count, within or detail"
                );
                About::Metric {
                    signal: text::signal(&metric).map_err(anyhow::Error::msg)?,
                    stat: self.stat.context("a metric needs a stat")?,
                    op: self.op.context("a metric needs an op")?,
                    value: self.value.context("a metric needs a value")?,
                    during: self.during.unwrap_or_default(),
                }
            }
            _ => bail!("give either an event or a metric"),
        };
        Ok(Claim {
            id: self.id,
            is_forbidden,
            container: self.container,
            about,
        })
    }
}

#[cfg(test)]
mod tests;
