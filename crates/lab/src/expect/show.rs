//! A verdict as a table for a person.

use super::{Outcome, Verdict};
use chrono::{DateTime, Utc};

/// The time of day in UTC.
pub(crate) fn clock(time_ms: i64) -> String {
    let time = DateTime::<Utc>::from_timestamp_millis(time_ms);
    time.map_or_else(String::new, |time| time.format("%H:%M:%SZ").to_string())
}

/// One line per claim, in columns.
pub(crate) fn table(verdict: &Verdict) -> String {
    let mut lines = vec![["", "", "id", "claim", "seen"].map(str::to_owned)];
    lines.extend(verdict.rows.iter().map(|row| {
        [
            match row.outcome {
                Outcome::Pass => "PASS",
                Outcome::Fail => "FAIL",
            }
            .to_owned(),
            if row.is_forbidden { "forbid" } else { "expect" }.to_owned(),
            row.id.clone(),
            row.claim.clone(),
            row.evidence.clone(),
        ]
    }));
    let mut text = String::new();
    for line in &lines {
        for (column, cell) in line.iter().enumerate() {
            let widest = lines.iter().map(|line| line[column].chars().count()).max();
            let is_last = column + 1 == line.len();
            let width = if is_last { 0 } else { widest.unwrap_or(0) };
            text.push_str(&format!("{cell:<width$}"));
            text.push_str(if is_last { "\n" } else { "  " });
        }
    }
    text
}
