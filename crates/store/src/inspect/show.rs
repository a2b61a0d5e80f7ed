//! Reports as text for a terminal.

use super::directory::{DirReport, StreamLine, TableReport};
use super::file::{ColumnReport, FileReport, Format, SetState};
use super::tally::InstanceReport;
use super::text::{bytes, cells, clock, list_names, plural, span, table, tail_of, time};
use crate::stream::Tail;
use std::fmt::{self, Display, Formatter};

/// Instances shown by name; the rest is counted.
const MOST_INSTANCES: usize = 40;
/// The end of a cgroup's path tells more than its beginning.
const LONGEST_NAME: usize = 44;
/// Spools shown by ULID.
const MOST_SPOOLS: usize = 4;

fn tail(tail: &Tail) -> Option<String> {
    match tail {
        Tail::Clean => None,
        Tail::Torn { at, bytes } => Some(format!(
            "{bytes} bytes from byte {at} are the beginning of a tick"
        )),
        Tail::Damaged { at, bytes, reason } => Some(format!(
            "{bytes} bytes from byte {at} cannot be read: {reason}"
        )),
    }
}

impl Display for FileReport {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.path.display())?;
        let mut lines = vec![cells(["content", &self.content()])];
        lines.push(cells(["time", &span(self.range_ms)]));
        match &self.origin {
            Some(origin) => {
                let by = &origin.recorder;
                lines.push(cells(["interval", &format!("{} ms", origin.interval_ms)]));
                let recorder = format!(
                    "{} on {} (boot {}), format {}",
                    by.recorder, by.node, by.boot_id, origin.format_version
                );
                lines.push(cells(["recorder", &recorder]));
            }
            None => lines.push(cells(["recorder", "not a file of fgm: it has no fgm keys"])),
        }
        if let Format::Parquet {
            created_by,
            row_groups,
        } = &self.format
        {
            let groups = plural(*row_groups as u64, "row group");
            lines.push(cells(["written by", &format!("{created_by}, {groups}")]));
        }
        lines.push(cells(["spools", &self.spools()]));
        lines.push(cells(["set rule", &self.set_rule()]));
        if self.kinds.is_empty() {
            lines.push(cells(["gaps", &self.gaps()]));
        }
        if let Format::Stream { tail: after } = &self.format
            && let Some(text) = tail(after)
        {
            lines.push(cells(["tail", &text]));
        }
        table(f, 2, &lines)?;
        self.show_kinds(f)?;
        self.show_instances(f)?;
        self.show_columns(f)
    }
}

impl FileReport {
    fn content(&self) -> String {
        let rows = plural(self.rows, "row");
        let instances = plural(self.instances.len() as u64, "container");
        let kind = match self.format {
            Format::Parquet { .. } => format!("Parquet {}", self.level.as_str()),
            Format::Stream { .. } => "Arrow stream in the spool".to_owned(),
        };
        format!("{kind}, {rows} of {instances}, {}", bytes(self.bytes))
    }

    fn spools(&self) -> String {
        let mut shown: Vec<_> = self
            .spools
            .iter()
            .take(MOST_SPOOLS)
            .map(ToString::to_string)
            .collect();
        if self.spools.len() > shown.len() {
            shown.push(format!("and {} more", self.spools.len() - shown.len()));
        }
        if shown.is_empty() {
            shown.push("none: the file stands for itself".to_owned());
        }
        shown.join(" ")
    }

    fn set_rule(&self) -> String {
        let generation = format!(
            "level {}, generation {}",
            self.level.as_str(),
            self.generation
        );
        match &self.state {
            SetState::Counts => format!("counts ({generation})"),
            SetState::NotListed => format!("not in a data directory ({generation})"),
            SetState::SupersededBy(files) => {
                let names: Vec<_> = files
                    .iter()
                    .filter_map(|path| path.file_name())
                    .map(|name| name.to_string_lossy())
                    .collect();
                format!("superseded by {} ({generation})", names.join(" "))
            }
        }
    }

    fn gaps(&self) -> String {
        let gaps: usize = self
            .instances
            .iter()
            .map(|instance| instance.gaps.len())
            .sum();
        let missing = self.instances.iter().map(InstanceReport::missing).sum();
        match gaps {
            0 => "none".to_owned(),
            gaps => format!(
                "{} without a row in {}",
                plural(missing, "tick"),
                plural(gaps as u64, "gap")
            ),
        }
    }

    fn show_kinds(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if self.kinds.is_empty() {
            return Ok(());
        }
        writeln!(f)?;
        let mut lines = vec![cells(["event", "rows"])];
        let kinds = self.kinds.iter();
        lines.extend(kinds.map(|(kind, rows)| cells([kind, &rows.to_string()])));
        table(f, 1, &lines)
    }

    fn show_instances(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if self.instances.is_empty() {
            return Ok(());
        }
        writeln!(f)?;
        let header = ["container", "id", "life", "rows", "from", "to", "missing"];
        let mut lines = vec![cells(header)];
        for instance in self.instances.iter().take(MOST_INSTANCES) {
            let short = |text: &str, length| text.chars().take(length).collect::<String>();
            lines.push(vec![
                tail_of(&instance.name, LONGEST_NAME),
                short(&instance.container_id, 12),
                short(&instance.life, 8),
                instance.rows.to_string(),
                clock(instance.first_ms),
                clock(instance.last_ms),
                missing(instance),
            ]);
        }
        table(f, 3, &lines)?;
        let more = self.instances.len().saturating_sub(MOST_INSTANCES);
        if more > 0 {
            writeln!(f, "  and {more} more")?;
        }
        Ok(())
    }

    /// Largest first; columns without any value in one line.
    fn show_columns(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f)?;
        let (empty, mut filled): (Vec<_>, Vec<_>) = self
            .columns
            .iter()
            .partition(|column| column.nulls == self.rows && self.rows > 0);
        let is_parquet = matches!(self.format, Format::Parquet { .. });
        let mut lines = Vec::new();
        if is_parquet {
            filled.sort_by_key(|column| std::cmp::Reverse(column.bytes));
            lines.push(cells([
                "column", "type", "encoding", "bytes", "share", "nulls",
            ]));
            lines.extend(filled.into_iter().map(|column| self.column_line(column)));
            let in_columns: u64 = self.columns.iter().filter_map(|column| column.bytes).sum();
            let rest = self.bytes.saturating_sub(in_columns);
            let rest = [bytes(rest), self.share(rest)];
            lines.push(cells(["(footer)", "", "", &rest[0], &rest[1], ""]));
        } else {
            lines.push(cells(["column", "type", "", "nulls"]));
            lines.extend(filled.into_iter().map(|column| {
                cells([
                    &column.name,
                    &column.data_type,
                    "",
                    &column.nulls.to_string(),
                ])
            }));
        }
        table(f, 3, &lines)?;
        if !empty.is_empty() {
            let names: Vec<_> = empty.iter().map(|column| column.name.as_str()).collect();
            let count = plural(empty.len() as u64, "column");
            writeln!(f)?;
            list_names(f, &format!("{count} without a value:"), &names)?;
        }
        Ok(())
    }

    fn share(&self, bytes: u64) -> String {
        let permille = bytes.saturating_mul(1000) / self.bytes.max(1);
        format!("{}.{} %", permille / 10, permille % 10)
    }

    fn column_line(&self, column: &ColumnReport) -> Vec<String> {
        let stored = column.bytes.unwrap_or_default();
        vec![
            column.name.clone(),
            column.data_type.clone(),
            column.encoding.clone(),
            bytes(stored),
            self.share(stored),
            column.nulls.to_string(),
        ]
    }
}

fn missing(instance: &InstanceReport) -> String {
    match instance.gaps.as_slice() {
        [] => "0".to_owned(),
        [gap, rest @ ..] => {
            let more = if rest.is_empty() { "" } else { ", ..." };
            format!(
                "{} (after {}{more})",
                instance.missing(),
                clock(gap.after_ms)
            )
        }
    }
}

impl Display for DirReport {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let ranges = self
            .tables
            .iter()
            .map(|table| table.range_ms)
            .chain(self.streams.iter().map(|stream| stream.range_ms));
        let whole = ranges.flatten().reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)));
        writeln!(f, "{}", self.root.display())?;
        writeln!(f, "  {}", span(whole))?;
        if !self.tables.is_empty() {
            writeln!(f)?;
            let header = [
                "table",
                "recorders",
                "files",
                "superseded",
                "hours",
                "rows",
                "bytes",
                "from",
                "to",
            ];
            let mut lines = vec![cells(header)];
            lines.extend(self.tables.iter().map(table_line));
            table(f, 1, &lines)?;
        }
        if !self.streams.is_empty() {
            writeln!(f)?;
            let header = ["spool", "table", "rows", "bytes", "from", "to", "state"];
            let mut lines = vec![cells(header)];
            lines.extend(self.streams.iter().map(stream_line));
            table(f, 2, &lines)?;
        }
        let list = |f: &mut Formatter<'_>, title: &str, items: &[(String, String)]| {
            if items.is_empty() {
                return Ok(());
            }
            writeln!(f, "\n  {title}")?;
            items
                .iter()
                .try_for_each(|(name, reason)| writeln!(f, "    {name}: {reason}"))
        };
        let skipped: Vec<_> = self
            .skipped
            .iter()
            .map(|(path, reason)| {
                let name = path.strip_prefix(&self.root).unwrap_or(path);
                (name.display().to_string(), reason.clone())
            })
            .collect();
        list(f, "cannot be read", &skipped)?;
        list(f, "set aside in _quarantine", &self.quarantined)?;
        if self.unfinished > 0 {
            let files = plural(self.unfinished as u64, "unfinished file");
            writeln!(f, "\n  {files} in _tmp")?;
        }
        Ok(())
    }
}

fn ends(range_ms: Option<(i64, i64)>) -> [String; 2] {
    range_ms.map_or([const { String::new() }; 2], |(first, last)| {
        [time(first), time(last)]
    })
}

fn table_line(report: &TableReport) -> Vec<String> {
    let [from, to] = ends(report.range_ms);
    vec![
        report.table.as_str().to_owned(),
        report.recorders.len().to_string(),
        report.files.to_string(),
        report.superseded.to_string(),
        report.hours.to_string(),
        report.rows.to_string(),
        bytes(report.bytes),
        from,
        to,
    ]
}

fn stream_line(stream: &StreamLine) -> Vec<String> {
    let [from, to] = ends(stream.range_ms);
    let state = if stream.superseded {
        "superseded".to_owned()
    } else {
        tail(&stream.tail).unwrap_or_else(|| "whole".to_owned())
    };
    vec![
        stream.ulid.to_string(),
        stream.table.as_str().to_owned(),
        stream.rows.to_string(),
        bytes(stream.bytes),
        from,
        to,
        state,
    ]
}
