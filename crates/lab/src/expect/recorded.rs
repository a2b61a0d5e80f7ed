//! What was recorded of a run, wherever that is asked for.

use fgm_model::{Signal, Table};
use fgm_store::reader::{Container, Reader, SeriesQuery};
use serde_json::Value;
use std::collections::HashMap;
use std::fmt;
use std::path::Path;

/// A container of a run.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Who {
    pub(crate) pod: String,
    pub(crate) container: String,
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.pod, self.container)
    }
}

/// What happened to one.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Happened {
    pub(crate) who: Who,
    pub(crate) kind: String,
    /// When, milliseconds UTC.
    pub(crate) time_ms: i64,
    pub(crate) detail: Value,
}

/// What was read of one.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Samples {
    pub(crate) who: Who,
    /// Between two ticks.
    pub(crate) interval_ms: i64,
    /// Milliseconds UTC.
    pub(crate) times_ms: Vec<i64>,
    /// For each signal a value per time, NaN = no data.
    pub(crate) values: Vec<Vec<f64>>,
}

/// A range of milliseconds UTC, its end inclusive.
pub(crate) type Range = (i64, i64);

/// Where a run's containers are asked for.
pub(crate) trait Recorded {
    /// Up to when there are rows.
    ///
    /// # Errors
    /// When nobody tells.
    fn last_ms(&self) -> anyhow::Result<Option<i64>>;

    /// Those with a row in the range.
    ///
    /// # Errors
    /// When nobody tells.
    fn containers(&self, range: Range) -> anyhow::Result<Vec<Who>>;

    /// What happened to them, oldest first; of each event the highest revision.
    ///
    /// # Errors
    /// When nobody tells.
    fn events(&self, range: Range) -> anyhow::Result<Vec<Happened>>;

    /// What was read of them.
    ///
    /// # Errors
    /// When nobody tells.
    fn samples(&self, signals: &[Signal], range: Range) -> anyhow::Result<Vec<Samples>>;
}

/// A data directory that is reachable from here.
#[derive(Debug)]
pub(crate) struct Stored {
    reader: Reader,
    /// The run's: names by UID.
    pods: HashMap<String, String>,
}

impl Stored {
    pub(crate) fn open(data_dir: &Path, pods: HashMap<String, String>) -> Self {
        Self {
            reader: Reader::open(data_dir),
            pods,
        }
    }

    fn who(&self, pod_uid: Option<&String>, container: &str) -> Option<Who> {
        Some(Who {
            pod: self.pods.get(pod_uid?)?.clone(),
            container: container.to_owned(),
        })
    }

    fn of_run(&self, range: Range) -> anyhow::Result<Vec<(Who, Container)>> {
        let all = self.reader.containers(range.0, range.1)?;
        let named = all.into_iter().filter_map(|one| {
            let identity = &one.identity;
            let who = self.who(identity.pod_uid.as_ref(), identity.display_name())?;
            Some((who, one))
        });
        Ok(named.collect())
    }
}

impl Recorded for Stored {
    fn last_ms(&self) -> anyhow::Result<Option<i64>> {
        Ok(self.reader.status()?.last_ms)
    }

    fn containers(&self, range: Range) -> anyhow::Result<Vec<Who>> {
        let all = self.of_run(range)?.into_iter();
        Ok(all.map(|(who, _)| who).collect())
    }

    fn events(&self, range: Range) -> anyhow::Result<Vec<Happened>> {
        let all = self.reader.events(range.0, range.1)?.into_iter();
        let of_run = all.filter_map(|event| {
            let instance = event.instance.as_ref()?;
            Some(Happened {
                who: self.who(instance.pod_uid.as_ref(), instance.display_name())?,
                kind: event.kind,
                time_ms: event.time_ms,
                detail: event.detail,
            })
        });
        Ok(of_run.collect())
    }

    fn samples(&self, signals: &[Signal], range: Range) -> anyhow::Result<Vec<Samples>> {
        let of_run = self.of_run(range)?.into_iter();
        let ids: Vec<_> = of_run.map(|(_, one)| one.id).collect();
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let series = self.reader.series(&SeriesQuery {
            table: Table::Metrics,
            signals: signals.to_vec(),
            start_ms: range.0,
            end_ms: range.1,
            series: Some(ids),
        })?;
        let named = series.into_iter().filter_map(|one| {
            let identity = &one.identity;
            Some(Samples {
                who: self.who(identity.pod_uid.as_ref(), identity.display_name())?,
                interval_ms: one.interval_ms,
                times_ms: one.times_ms,
                values: one.values,
            })
        });
        Ok(named.collect())
    }
}
