//! Numbers, times and columns as text.

use chrono::DateTime;
use std::fmt::{self, Formatter, Write as _};

/// Where lists of names are wrapped.
const LINE: usize = 100;

pub(super) fn bytes(count: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
    let count_float = count as f64;
    let units = ["KiB", "MiB", "GiB", "TiB"];
    if count < 1024 {
        return format!("{count} B");
    }
    let mut value = count_float / 1024.0;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < units.len() {
        value /= 1024.0;
        unit += 1;
    }
    format!("{value:.1} {}", units[unit])
}

pub(super) fn time(time_ms: i64) -> String {
    DateTime::from_timestamp_millis(time_ms).map_or_else(
        || format!("{time_ms} ms"),
        |time| time.format("%Y-%m-%d %H:%M:%S%.3f").to_string(),
    )
}

pub(super) fn span(range_ms: Option<(i64, i64)>) -> String {
    range_ms.map_or_else(
        || "no rows".to_owned(),
        |(first, last)| format!("{} to {} UTC", time(first), time(last)),
    )
}

pub(super) fn plural(count: u64, one: &str) -> String {
    let s = if count == 1 { "" } else { "s" };
    format!("{count} {one}{s}")
}

/// Right-aligned columns but for the first ones, two spaces apart.
pub(super) fn table(f: &mut Formatter<'_>, left: usize, rows: &[Vec<String>]) -> fmt::Result {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<_> = (0..columns).map(width).collect();
    for row in rows {
        let mut line = String::new();
        for (column, (cell, width)) in row.iter().zip(&widths).enumerate() {
            if column < left {
                write!(line, "  {cell:<width$}")?;
            } else {
                write!(line, "  {cell:>width$}")?;
            }
        }
        writeln!(f, "{}", line.trim_end())?;
    }
    Ok(())
}

pub(super) fn cells<const N: usize>(cells: [&str; N]) -> Vec<String> {
    cells.map(str::to_owned).into()
}

pub(super) fn tail_of(text: &str, most: usize) -> String {
    let length = text.chars().count();
    if length <= most {
        return text.to_owned();
    }
    let end: String = text.chars().skip(length - most + 1).collect();
    format!("…{end}")
}

/// A title and names, wrapped and indented.
pub(super) fn list_names(f: &mut Formatter<'_>, title: &str, names: &[&str]) -> fmt::Result {
    let mut line = format!("  {title}");
    for (index, name) in names.iter().enumerate() {
        let comma = if index + 1 < names.len() { "," } else { "" };
        if line.len() + name.len() > LINE {
            writeln!(f, "{line}")?;
            line = "   ".to_owned();
        }
        write!(line, " {name}{comma}")?;
    }
    writeln!(f, "{line}")
}

pub(super) fn clock(time_ms: i64) -> String {
    let full = time(time_ms);
    full.get(11..).map_or(full.clone(), str::to_owned)
}
