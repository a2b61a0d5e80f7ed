//! The parameters of a request, each checked as it is asked for.

use crate::problem::Problem;
use crate::sel::Selection;
use axum::extract::{FromRequestParts, Query};
use axum::http::request::Parts;
use fgm_model::Table;
use std::ops::RangeInclusive;
use std::str::FromStr;

/// Times that mean something: the years 1970 to 9999, milliseconds.
pub(crate) const TIMES: RangeInclusive<i64> = 0..=253_402_300_799_999;

/// The query string.
#[derive(Debug)]
pub(crate) struct Params(Vec<(String, String)>);

impl<S: Send + Sync> FromRequestParts<S> for Params {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let pairs: Vec<(String, String)> = Query::try_from_uri(&parts.uri)
            .map(|Query(pairs)| pairs)
            .map_err(|error| {
                Problem::bad_request(error, "write the query as key=value&key=value")
            })?;
        Ok(Self(pairs))
    }
}

impl Params {
    /// The first value of a key; an empty one counts as none.
    pub(crate) fn get(&self, key: &str) -> Option<&str> {
        let first = self.0.iter().find(|(known, _)| known == key);
        first
            .map(|(_, value)| value.as_str())
            .filter(|v| !v.is_empty())
    }

    /// A whole number within bounds.
    pub(crate) fn number<T>(
        &self,
        key: &str,
        bounds: &RangeInclusive<T>,
    ) -> Result<Option<T>, Problem>
    where
        T: FromStr + PartialOrd + std::fmt::Display,
    {
        let Some(text) = self.get(key) else {
            return Ok(None);
        };
        let bad = |what: &str| {
            let (low, high) = (bounds.start(), bounds.end());
            Problem::bad_request(
                format!("{key} {what}: a whole number from {low} to {high} is wanted"),
                "correct that parameter",
            )
        };
        let number = text.parse().map_err(|_| bad("is no such number"))?;
        if bounds.contains(&number) {
            Ok(Some(number))
        } else if number > *bounds.end() {
            Err(Problem::too_much(
                format!("{key} is above its limit of {}", bounds.end()),
                "ask for less at once",
            ))
        } else {
            Err(bad("is too small"))
        }
    }

    /// A time, integer milliseconds UTC.
    pub(crate) fn time(&self, key: &str) -> Result<Option<i64>, Problem> {
        let Some(text) = self.get(key) else {
            return Ok(None);
        };
        let time = text.parse().ok().filter(|time| TIMES.contains(time));
        time.map(Some).ok_or_else(|| {
            Problem::bad_request(
                format!("{key} is no time"),
                "write times as integer milliseconds since 1970 UTC",
            )
        })
    }

    /// `start` and `end`, both inclusive; without `end` up to the newest.
    pub(crate) fn range(&self) -> Result<(i64, i64), Problem> {
        let start = self.time("start")?.ok_or_else(|| {
            Problem::bad_request(
                "start is missing",
                "add start=<milliseconds since 1970 UTC>",
            )
        })?;
        let end = self.time("end")?.unwrap_or(*TIMES.end());
        if end < start {
            return Err(Problem::bad_request("end lies before start", "swap them"));
        }
        Ok((start, end))
    }

    /// One of some words.
    pub(crate) fn one_of<T: Copy>(
        &self,
        key: &str,
        words: &[(&'static str, T)],
    ) -> Result<Option<T>, Problem> {
        let Some(text) = self.get(key) else {
            return Ok(None);
        };
        let found = words.iter().find(|(word, _)| *word == text);
        found.map(|(_, value)| Some(*value)).ok_or_else(|| {
            let words: Vec<_> = words.iter().map(|(word, _)| *word).collect();
            Problem::bad_request(
                format!("{key} is none of {}", words.join(", ")),
                "correct that parameter",
            )
        })
    }

    /// `table`, the containers when it is not there.
    pub(crate) fn table(&self) -> Result<Table, Problem> {
        let tables = [Table::Metrics, Table::Pods, Table::Node].map(|t| (t.as_str(), t));
        Ok(self.one_of("table", &tables)?.unwrap_or(Table::Metrics))
    }

    /// `sel`.
    pub(crate) fn selection(&self) -> Result<Selection, Problem> {
        let text = self.get("sel").unwrap_or_default();
        Selection::parse(text).map_err(|error| {
            Problem::bad_request(error, "shorten the selection: fewer or shorter terms")
        })
    }

    /// The same with what a header says, for answers that depend on it.
    pub(crate) fn with(mut self, key: &str, value: &str) -> Self {
        self.0.retain(|(known, _)| known != key);
        self.0.push((key.to_owned(), value.to_owned()));
        self
    }

    /// Every parameter, for telling equal requests from others.
    pub(crate) fn all(&self) -> &[(String, String)] {
        &self.0
    }
}
