//! The small languages of `expect.toml`: counts, durations, windows, thresholds, globs.

use fgm_model::Signal;
use serde::Deserialize;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// Deserializes by [`FromStr`].
macro_rules! from_text {
    ($($name:ty),*) => { $(
        impl TryFrom<String> for $name {
            type Error = String;

            fn try_from(text: String) -> Result<Self, String> {
                text.parse()
            }
        }
    )* };
}
from_text!(Span, Window, Op, Names);

/// A length of time, such as `30s`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Span(pub(crate) Duration);

impl Span {
    /// In milliseconds.
    pub(crate) fn ms(self) -> i64 {
        i64::try_from(self.0.as_millis()).unwrap_or(i64::MAX)
    }
}

impl FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        humantime::parse_duration(text)
            .map(Self)
            .map_err(|error| format!("{text:?} is no duration such as \"30s\": {error}"))
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = humantime::format_duration(self.0).to_string();
        f.write_str(&text.replace(' ', ""))
    }
}

/// A part of a run: `10s..60s`, or `10s..` up to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Window {
    pub(super) from: Option<Span>,
    pub(super) to: Option<Span>,
}

impl FromStr for Window {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let Some((from, to)) = text.split_once("..") else {
            return Err(format!("{text:?} is no window such as \"10s..60s\""));
        };
        let side = |text: &str| match text.trim() {
            "" => Ok(None),
            text => text.parse::<Span>().map(Some),
        };
        let window = Self {
            from: side(from)?,
            to: side(to)?,
        };
        match (window.from, window.to) {
            (Some(from), Some(to)) if from.0 >= to.0 => {
                Err(format!("{text:?} ends before it begins"))
            }
            _ => Ok(window),
        }
    }
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let side = |span: Option<Span>| span.map_or_else(String::new, |span| span.to_string());
        write!(f, "{}..{}", side(self.from), side(self.to))
    }
}

/// How many: `1`, `">=1"`, `"<=2"` or `"1..3"`, which includes 3.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "CountText")]
pub(super) struct Count {
    least: u64,
    most: Option<u64>,
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "a count: 1, \">=1\", \"<=2\" or \"1..3\"")]
enum CountText {
    Number(u64),
    Text(String),
}

impl Default for Count {
    fn default() -> Self {
        Self {
            least: 1,
            most: None,
        }
    }
}

impl Count {
    pub(super) fn holds(self, count: u64) -> bool {
        count >= self.least && self.most.is_none_or(|most| count <= most)
    }

    /// Whether more can never be too many.
    pub(super) const fn is_open(self) -> bool {
        self.most.is_none()
    }

    const fn exactly(number: u64) -> Self {
        Self {
            least: number,
            most: Some(number),
        }
    }
}

impl TryFrom<CountText> for Count {
    type Error = String;

    fn try_from(text: CountText) -> Result<Self, String> {
        match text {
            CountText::Number(number) => Ok(Self::exactly(number)),
            CountText::Text(text) => text.parse(),
        }
    }
}

impl FromStr for Count {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = |digits: &str| {
            digits
                .trim()
                .parse::<u64>()
                .map_err(|_| format!("{text:?} is no count: give 1, \">=1\", \"<=2\" or \"1..3\""))
        };
        if let Some(least) = text.strip_prefix(">=") {
            return Ok(Self {
                least: number(least)?,
                most: None,
            });
        }
        if let Some(most) = text.strip_prefix("<=") {
            return Ok(Self {
                least: 0,
                most: Some(number(most)?),
            });
        }
        let Some((least, most)) = text.split_once("..") else {
            return number(text).map(Self::exactly);
        };
        let (least, most) = (number(least)?, number(most)?);
        if least > most {
            return Err(format!("{text:?} holds no number"));
        }
        Ok(Self {
            least,
            most: Some(most),
        })
    }
}

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.least, self.most) {
            (least, None) => write!(f, ">={least}"),
            (0, Some(most)) if most > 0 => write!(f, "<={most}"),
            (least, Some(most)) if least == most => write!(f, "{least}"),
            (least, Some(most)) => write!(f, "{least}..{most}"),
        }
    }
}

/// What a statistic is compared with: a number, a metric, or a multiple of one.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(try_from = "ThresholdText")]
pub(super) struct Threshold {
    pub(super) factor: f64,
    /// Its last value in the window.
    pub(super) of: Option<Signal>,
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "a value: 5, 0.5 or \"0.95*memory_max\"")]
enum ThresholdText {
    Whole(i64),
    Number(f64),
    Text(String),
}

impl TryFrom<ThresholdText> for Threshold {
    type Error = String;

    fn try_from(text: ThresholdText) -> Result<Self, String> {
        match text {
            // By text, so that there is one way in.
            ThresholdText::Whole(number) => number.to_string().parse(),
            ThresholdText::Number(number) => number.to_string().parse(),
            ThresholdText::Text(text) => text.parse(),
        }
    }
}

impl FromStr for Threshold {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = |text: &str| {
            let parsed = text.trim().parse::<f64>().ok();
            parsed.filter(|number| number.is_finite())
        };
        if let Some(factor) = number(text) {
            return Ok(Self { factor, of: None });
        }
        let (factor, metric) = match text.split_once('*') {
            None => (Some(1.0), text),
            Some((factor, metric)) => (number(factor), metric),
        };
        let Some(factor) = factor else {
            return Err(format!(
                "{text:?} is no value: give a number, a metric or \"0.95*memory_max\""
            ));
        };
        Ok(Self {
            factor,
            of: Some(signal(metric.trim())?),
        })
    }
}

impl fmt::Display for Threshold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.of {
            None => write!(f, "{}", self.factor),
            Some(signal) if self.factor == 1.0 => f.write_str(signal.id()),
            Some(signal) => write!(f, "{}*{}", self.factor, signal.id()),
        }
    }
}

/// The signal with that id, or what to do without one.
pub(super) fn signal(id: &str) -> Result<Signal, String> {
    Signal::from_id(id).ok_or_else(|| format!("no metric {id:?}: specs/metrics.md lists them"))
}

/// A comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(super) enum Op {
    Less,
    LessOrEqual,
    Equal,
    GreaterOrEqual,
    Greater,
}

impl Op {
    const ALL: [(Self, &'static str); 5] = [
        (Self::Less, "<"),
        (Self::LessOrEqual, "<="),
        (Self::Equal, "=="),
        (Self::GreaterOrEqual, ">="),
        (Self::Greater, ">"),
    ];

    pub(super) fn holds(self, left: f64, right: f64) -> bool {
        match self {
            Self::Less => left < right,
            Self::LessOrEqual => left <= right,
            Self::Equal => left == right,
            Self::GreaterOrEqual => left >= right,
            Self::Greater => left > right,
        }
    }
}

impl FromStr for Op {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.iter().find(|(_, sign)| *sign == text);
        found
            .map(|(op, _)| *op)
            .ok_or_else(|| format!("{text:?} is no op: give <, <=, ==, >= or >"))
    }
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let found = Self::ALL.iter().find(|(op, _)| op == self);
        f.write_str(found.map_or("", |(_, sign)| sign))
    }
}

/// A statistic of the samples of a series.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Stat {
    Min,
    Max,
    Avg,
    P95,
    Last,
}

impl Stat {
    /// Of samples in the order of time; `None` when none is a number.
    pub(super) fn of(self, samples: &[f64]) -> Option<f64> {
        let mut known: Vec<f64> = samples.iter().copied().filter(|v| !v.is_nan()).collect();
        match self {
            Self::Last => return known.last().copied(),
            #[expect(clippy::cast_precision_loss, reason = "a number of samples")]
            Self::Avg => {
                return (!known.is_empty()).then(|| known.iter().sum::<f64>() / known.len() as f64);
            }
            _ => known.sort_by(f64::total_cmp),
        }
        match self {
            Self::Min => known.first(),
            // The nearest rank.
            Self::P95 => known.get((known.len() * 95).div_ceil(100).saturating_sub(1)),
            _ => known.last(),
        }
        .copied()
    }
}

impl fmt::Display for Stat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Min => "min",
            Self::Max => "max",
            Self::Avg => "avg",
            Self::P95 => "p95",
            Self::Last => "last",
        })
    }
}

/// A glob over the names of containers; with a slash, over `pod/container`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Names(glob::Pattern);

impl Names {
    pub(super) fn matches(&self, pod: &str, container: &str) -> bool {
        if self.0.as_str().contains('/') {
            self.0.matches(&format!("{pod}/{container}"))
        } else {
            self.0.matches(container)
        }
    }
}

impl FromStr for Names {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Err("a glob over containers is empty: \"*\" names all".to_owned());
        }
        glob::Pattern::new(text)
            .map(Self)
            .map_err(|error| format!("{text:?} is no glob: {error}"))
    }
}

impl fmt::Display for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_str())
    }
}
