//! The output.

use crate::tree::Tree;
use std::fmt;

/// Figures in the order in which they were measured.
#[derive(Debug, Default)]
pub(crate) struct Table {
    rows: Vec<Row>,
    stand_ins: Option<String>,
}

#[derive(Debug)]
struct Row {
    containers: usize,
    what: String,
    measured: String,
    target: Option<(&'static str, bool)>,
}

impl Table {
    /// A figure that is only told.
    pub(crate) fn add(
        &mut self,
        containers: usize,
        what: impl Into<String>,
        measured: impl Into<String>,
    ) {
        self.push(containers, what.into(), measured.into(), None);
    }

    /// A figure with a target.
    pub(crate) fn judge(
        &mut self,
        containers: usize,
        what: impl Into<String>,
        measured: impl Into<String>,
        target: &'static str,
        met: bool,
    ) {
        self.push(
            containers,
            what.into(),
            measured.into(),
            Some((target, met)),
        );
    }

    /// Which files are not what they would be on a machine with every controller.
    pub(crate) fn note_stand_ins(&mut self, tree: &Tree) {
        let list: Vec<String> = tree
            .stand_ins()
            .iter()
            .map(|(name, what)| format!("{name}: {what}"))
            .collect();
        self.stand_ins = (!list.is_empty()).then(|| list.join("; "));
    }

    fn push(
        &mut self,
        containers: usize,
        what: String,
        measured: String,
        target: Option<(&'static str, bool)>,
    ) {
        eprintln!("{containers} containers: {what}: {measured}");
        self.rows.push(Row {
            containers,
            what,
            measured,
            target,
        });
    }
}

impl fmt::Display for Table {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(stand_ins) = &self.stand_ins {
            writeln!(to, "stand-ins for what v2 lacks here: {stand_ins}\n")?;
        }
        writeln!(to, "| containers | figure | measured | target | |")?;
        writeln!(to, "|--:|---|---|---|---|")?;
        for row in &self.rows {
            let (target, met) = match row.target {
                Some((target, met)) => (target, if met { "met" } else { "MISSED" }),
                None => ("", ""),
            };
            writeln!(
                to,
                "| {} | {} | {} | {target} | {met} |",
                row.containers, row.what, row.measured
            )?;
        }
        Ok(())
    }
}
