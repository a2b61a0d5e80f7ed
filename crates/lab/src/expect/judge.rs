//! Holds expectations against what was recorded of a run.

use super::recorded::{Happened, Range, Recorded, Samples, Who};
use super::text::{Op, Stat, Threshold, Window};
use super::{About, Claim, Expectations};
use fgm_model::EventKind;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What is known of a run.
#[derive(Clone, Copy)]
pub(crate) struct Observed<'a> {
    pub(crate) recorded: &'a dyn Recorded,
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
    /// When nobody tells what was recorded.
    pub(crate) fn judge(&self, observed: &Observed<'_>) -> anyhow::Result<Verdict> {
        let range = (observed.start_ms, observed.end_ms);
        let events = observed.recorded.events(range)?;
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
    /// Whether nothing more can happen in that window.
    fn is_over(&self, window: Window) -> bool {
        let to = window.to.map(|to| self.start_ms.saturating_add(to.ms()));
        to.is_some_and(|to_ms| to_ms <= self.end_ms)
    }

    /// A window of the run as times.
    fn times(&self, window: Window) -> Range {
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

    fn judge_event(&self, events: &[Happened], observed: &Observed<'_>) -> anyhow::Result<Found> {
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
            .filter(|event| self.is_of(&event.who))
            .collect();
        let matching: Vec<_> = of_kind
            .iter()
            .filter(|event| holds_subset(&event.detail, detail))
            .collect();
        let number = matching.len() as u64;
        let is_there = || -> anyhow::Result<bool> {
            let all = observed.recorded.containers((start_ms, end_ms))?;
            Ok(all.iter().any(|who| self.is_of(who)))
        };
        if number == 0 && !is_there()? {
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

    fn is_of(&self, who: &Who) -> bool {
        self.container.matches(&who.pod, &who.container)
    }

    fn judge_metric(&self, observed: &Observed<'_>) -> anyhow::Result<Found> {
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
        let all = observed.recorded.samples(&signals, times)?;
        for samples in all.iter().filter(|samples| self.is_of(&samples.who)) {
            let Some((holds, text)) = compare(samples, *stat, *op, *value) else {
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
fn compare(samples: &Samples, stat: Stat, op: Op, value: Threshold) -> Option<(bool, String)> {
    let name = &samples.who;
    let left = stat.of(samples.values.first()?)?;
    let base = match value.of {
        Some(_) => Stat::Last.of(samples.values.get(1)?)?,
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
fn tell(kind: EventKind, event: &Happened) -> String {
    let text = |key: &str| match &event.detail[key] {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    };
    let mut parts = vec![super::clock(event.time_ms), event.who.container.clone()];
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
