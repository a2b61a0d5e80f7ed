//! Holds expectations against what was recorded of a run.

use super::text::{Op, Stat, Threshold, Window};
use super::{About, Claim, Expectations};
use fgm_model::{EventKind, Signal, Table};
use fgm_store::reader::{EventRow, ReadError, Reader, SeriesData, SeriesQuery};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::HashMap;

/// What of the store belongs to a run.
#[derive(Debug, Clone)]
pub(crate) struct Observed<'a> {
    pub(crate) reader: &'a Reader,
    /// The run's pods: names by UID.
    pub(crate) pods: &'a HashMap<String, String>,
    /// When the run began, milliseconds UTC.
    pub(crate) start_ms: i64,
    /// When it ended, or now.
    pub(crate) end_ms: i64,
}

/// Whether a claim holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Outcome {
    Pass,
    Fail,
}

/// One claim and what was seen of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct VerdictRow {
    pub(crate) id: String,
    pub(crate) is_forbidden: bool,
    pub(crate) outcome: Outcome,
    /// Whether the rest of the run can still change it.
    pub(crate) is_final: bool,
    /// The claim in words.
    pub(crate) claim: String,
    /// What was seen.
    pub(crate) evidence: String,
    /// When that was, milliseconds UTC.
    pub(crate) at_ms: Option<i64>,
}

/// Every claim of a scenario.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Verdict {
    pub(crate) rows: Vec<VerdictRow>,
}

impl Verdict {
    pub(crate) fn passed(&self) -> bool {
        self.rows.iter().all(|row| row.outcome == Outcome::Pass)
    }
}

/// What was found for a claim.
struct Found {
    /// Whether what it says holds; `None` where nothing is known.
    holds: Option<bool>,
    is_final: bool,
    evidence: String,
    at_ms: Option<i64>,
}

impl Found {
    fn nothing(evidence: String) -> Self {
        Self {
            holds: None,
            is_final: false,
            evidence,
            at_ms: None,
        }
    }
}

impl Expectations {
    /// The verdict by what is recorded now.
    ///
    /// # Errors
    /// When the data directory cannot be listed.
    pub(crate) fn judge(&self, observed: &Observed<'_>) -> Result<Verdict, ReadError> {
        let events = observed.events()?;
        let mut rows = Vec::new();
        for claim in &self.claims {
            let found = match &claim.about {
                About::Event { .. } => claim.judge_event(&events, observed)?,
                About::Metric { .. } => claim.judge_metric(observed)?,
            };
            let outcome = match found.holds {
                Some(holds) if holds != claim.is_forbidden => Outcome::Pass,
                _ => Outcome::Fail,
            };
            rows.push(VerdictRow {
                id: claim.id.clone(),
                is_forbidden: claim.is_forbidden,
                outcome,
                is_final: found.is_final,
                claim: claim.in_words(),
                evidence: found.evidence,
                at_ms: found.at_ms,
            });
        }
        Ok(Verdict { rows })
    }
}

impl Observed<'_> {
    fn pod_of(&self, uid: Option<&String>) -> Option<&str> {
        self.pods.get(uid?).map(String::as_str)
    }

    /// Events of the run's containers.
    fn events(&self) -> Result<Vec<EventRow>, ReadError> {
        let mut events = self.reader.events(self.start_ms, self.end_ms)?;
        events.retain(|event| {
            let uid = event.instance.as_ref().and_then(|one| one.pod_uid.as_ref());
            self.pod_of(uid).is_some()
        });
        Ok(events)
    }

    /// The series of those containers of the run that the claim is about.
    fn series(
        &self,
        claim: &Claim,
        signals: Vec<Signal>,
        (start_ms, end_ms): (i64, i64),
    ) -> Result<Vec<(String, SeriesData)>, ReadError> {
        let containers = self.reader.containers(start_ms, end_ms)?;
        let mut ids = Vec::new();
        for container in &containers {
            let who = &container.identity;
            let pod = self.pod_of(who.pod_uid.as_ref());
            if pod.is_some_and(|pod| claim.container.matches(pod, who.display_name())) {
                ids.push(container.id.clone());
            }
        }
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let query = SeriesQuery {
            table: Table::Metrics,
            signals,
            start_ms,
            end_ms,
            series: Some(ids),
        };
        let series = self.reader.series(&query)?;
        let named = series.into_iter().map(|one| {
            let pod = self.pod_of(one.identity.pod_uid.as_ref());
            let name = format!("{}/{}", pod.unwrap_or("?"), one.identity.display_name());
            (name, one)
        });
        Ok(named.collect())
    }

    /// Whether nothing more can happen in that window.
    fn is_over(&self, window: Window) -> bool {
        let to = window.to.map(|to| self.start_ms.saturating_add(to.ms()));
        to.is_some_and(|to_ms| to_ms <= self.end_ms)
    }

    /// A window of the run as times.
    fn times(&self, window: Window) -> (i64, i64) {
        let at = |offset: i64| self.start_ms.saturating_add(offset);
        let start_ms = window.from.map_or(self.start_ms, |from| at(from.ms()));
        let end_ms = window.to.map_or(self.end_ms, |to| at(to.ms()));
        (start_ms, end_ms.min(self.end_ms))
    }
}

impl Claim {
    fn in_words(&self) -> String {
        match &self.about {
            About::Event {
                kind,
                count,
                within,
                detail,
            } => {
                let mut text = format!("{} {} of {}", count, kind.as_str(), self.container);
                if let Some(within) = within {
                    text.push_str(&format!(" within {within}"));
                }
                for (key, value) in detail {
                    text.push_str(&format!(", {key} {value}"));
                }
                text
            }
            About::Metric {
                signal,
                stat,
                op,
                value,
                during,
            } => {
                let mut text = format!("{stat} {} of {} {op} {value}", signal.id(), self.container);
                if *during != Window::default() {
                    text.push_str(&format!(" in {during}"));
                }
                text
            }
        }
    }

    fn judge_event(
        &self,
        events: &[EventRow],
        observed: &Observed<'_>,
    ) -> Result<Found, ReadError> {
        let About::Event {
            kind,
            count,
            within,
            detail,
        } = &self.about
        else {
            return Ok(Found::nothing(String::new()));
        };
        let window = Window {
            from: None,
            to: *within,
        };
        let (start_ms, end_ms) = observed.times(window);
        let of_kind: Vec<_> = events
            .iter()
            .filter(|event| event.kind == kind.as_str())
            .filter(|event| (start_ms..=end_ms).contains(&event.time_ms))
            .filter(|event| self.is_about(event, observed))
            .collect();
        let matching: Vec<_> = of_kind
            .iter()
            .filter(|event| holds_subset(&event.detail, detail))
            .collect();
        let number = matching.len() as u64;
        if number == 0 && self.series(observed, (start_ms, end_ms))?.is_empty() {
            return Ok(Found::nothing("no rows recorded".to_owned()));
        }
        let holds = count.holds(number);
        let evidence = match (matching.first(), of_kind.first()) {
            (Some(event), _) => format!("{number}: {}", tell(*kind, event)),
            (None, Some(event)) => format!("0, but {}", tell(*kind, event)),
            (None, None) => "0".to_owned(),
        };
        // What is seen stays seen; what is not may still come.
        Ok(Found {
            holds: Some(holds),
            is_final: (holds && count.is_open()) || observed.is_over(window),
            evidence,
            at_ms: matching.first().map(|event| event.time_ms),
        })
    }

    fn series(
        &self,
        observed: &Observed<'_>,
        times: (i64, i64),
    ) -> Result<Vec<(String, SeriesData)>, ReadError> {
        observed.series(self, Vec::new(), times)
    }

    fn is_about(&self, event: &EventRow, observed: &Observed<'_>) -> bool {
        event.instance.as_ref().is_some_and(|instance| {
            let pod = observed.pod_of(instance.pod_uid.as_ref());
            pod.is_some_and(|pod| self.container.matches(pod, instance.display_name()))
        })
    }

    fn judge_metric(&self, observed: &Observed<'_>) -> Result<Found, ReadError> {
        let About::Metric {
            signal,
            stat,
            op,
            value,
            during,
        } = &self.about
        else {
            return Ok(Found::nothing(String::new()));
        };
        let times = observed.times(*during);
        let mut signals = vec![*signal];
        signals.extend(value.of);
        let mut seen: Option<(bool, String)> = None;
        for (name, series) in observed.series(self, signals, times)? {
            let Some((holds, text)) = compare(&name, &series, *stat, *op, *value) else {
                continue;
            };
            // The one that decides is shown: the first that breaks an expectation or a ban.
            let decides = holds == self.is_forbidden;
            if seen.is_none() || (decides && seen.as_ref().is_some_and(|one| one.0 != holds)) {
                seen = Some((holds, text));
            }
        }
        let Some((holds, evidence)) = seen else {
            return Ok(Found::nothing("no rows recorded".to_owned()));
        };
        let stays = match (stat, op) {
            (Stat::Max, Op::Greater | Op::GreaterOrEqual)
            | (Stat::Min, Op::Less | Op::LessOrEqual) => holds,
            _ => false,
        };
        Ok(Found {
            holds: Some(holds),
            is_final: stays || observed.is_over(*during),
            evidence,
            at_ms: None,
        })
    }
}

/// Whether the comparison holds for a series, and in words; `None` where a side has no data.
fn compare(
    name: &str,
    series: &SeriesData,
    stat: Stat,
    op: Op,
    value: Threshold,
) -> Option<(bool, String)> {
    let left = stat.of(series.values.first()?)?;
    let base = match value.of {
        Some(_) => Stat::Last.of(series.values.get(1)?)?,
        None => 1.0,
    };
    let right = value.factor * base;
    let text = if value.of.is_some() {
        format!("{} against {} ({name})", number(left), number(right))
    } else {
        format!("{} ({name})", number(left))
    };
    Some((op.holds(left, right), text))
}

/// With thin spaces it would not be found by a search; plain digits are.
fn number(value: f64) -> String {
    if value.fract() == 0.0 || value.abs() >= 1000.0 {
        format!("{value:.0}")
    } else {
        format!("{value:.2}")
    }
}

/// One sentence about an event.
fn tell(kind: EventKind, event: &EventRow) -> String {
    let text = |key: &str| match &event.detail[key] {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    };
    let mut parts = vec![super::clock(event.time_ms)];
    if let Some(instance) = &event.instance {
        parts.push(instance.display_name().to_owned());
    }
    let keys: &[&str] = match kind {
        EventKind::OomKill => &["scope", "limit_bytes", "processes_killed", "survivors"],
        EventKind::ThrottlingStarted | EventKind::ThrottlingEnded => &["throttled_percent"],
        EventKind::Ended | EventKind::Restarted => &["reason", "exit_code", "signal"],
        _ => &[],
    };
    let known = keys
        .iter()
        .filter_map(|key| Some(format!("{key} {}", text(key)?)));
    parts.extend(known);
    parts.join(", ")
}

/// Whether all of `part` is in `whole`; numbers are equal by value.
fn holds_subset(whole: &Value, part: &serde_json::Map<String, Value>) -> bool {
    part.iter()
        .all(|(key, wanted)| match (&whole[key], wanted) {
            (found, Value::Object(wanted)) => holds_subset(found, wanted),
            (Value::Number(found), Value::Number(wanted)) => found.as_f64() == wanted.as_f64(),
            (found, wanted) => found == wanted,
        })
}
