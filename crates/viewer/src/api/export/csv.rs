//! Samples as text, RFC 4180.

use super::pipe::Pipe;
use super::{OWNER_COLUMNS, Owner, Plan, samples};
use crate::state::Export;
use chrono::{DateTime, SecondsFormat};
use fgm_store::reader::Chunk;
use std::fmt::Write as _;
use std::io::{self, Write as _};

pub(super) fn write(plan: &Plan, turn: &Export, mut to: Pipe) -> io::Result<()> {
    write!(to, "time,time_ms,{}", OWNER_COLUMNS.join(","))?;
    for signal in &plan.signals {
        write!(to, ",{}", signal.info().id)?;
    }
    write!(to, "\r\n")?;
    samples(plan, turn, |owner, chunk| {
        to.write_all(rows(owner, chunk).as_bytes())
    })?;
    to.flush()
}

fn rows(owner: &Owner<'_>, chunk: &Chunk<'_>) -> String {
    let mut whose = String::new();
    for part in owner.texts() {
        whose.push(',');
        field(&mut whose, &part);
    }
    let mut text = String::new();
    for (row, time_ms) in chunk.times_ms.iter().enumerate() {
        let time = DateTime::from_timestamp_millis(*time_ms).unwrap_or_default();
        text.push_str(&time.to_rfc3339_opts(SecondsFormat::Millis, true));
        // Writing to a string cannot fail.
        let _ = write!(text, ",{time_ms}{whose}");
        for values in chunk.values {
            text.push(',');
            if let Some(value) = values.get(row).filter(|value| !value.is_nan()) {
                let _ = write!(text, "{value}");
            }
        }
        text.push_str("\r\n");
    }
    text
}

/// RFC 4180; and no text that a spreadsheet would take for a formula.
fn field(text: &mut String, value: &str) {
    let formula = value.starts_with(['=', '+', '-', '@', '\t', '\r']);
    if formula || value.contains(['"', ',', '\n', '\r']) {
        text.push('"');
        if formula {
            text.push('\'');
        }
        text.push_str(&value.replace('"', "\"\""));
        text.push('"');
    } else {
        text.push_str(value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_names_stay_text() {
        let of = |value| {
            let mut text = String::new();
            field(&mut text, value);
            text
        };
        assert_eq!(of("shop"), "shop");
        assert_eq!(of("a,\"b\""), "\"a,\"\"b\"\"\"");
        assert_eq!(of("=cmd()"), "\"'=cmd()\"");
        assert_eq!(of("a\r\nb"), "\"a\r\nb\"");
    }
}
