//! The catalogue as a document for people: `specs/metrics.md`.

use crate::catalogue::{Metric, Table};
use crate::event::EventKind;
use crate::signal::{DERIVED, Signal};
use std::fmt::Write;

/// The whole document, in Markdown.
#[must_use]
pub fn markdown() -> String {
    let mut out = String::from(
        "# Metrics, signals and events\n\n\
         Made from `crates/model`; a test keeps this file equal to it \
         (`FGM_UPDATE_DOCS=1 cargo test -p fgm-model` writes it anew).\n\n\
         ## Stored metrics\n\n\
         Columns of the tables, `int64`, null where the kernel did not say. Counters and accumulated \
         totals are shown as their rate per second under the same id.\n\n\
         | metric | title | kind | unit | tables | source | judged against | what it says |\n\
         |---|---|---|---|---|---|---|---|\n",
    );
    for metric in Metric::ALL {
        let def = metric.def();
        let tables: Vec<_> = Table::ALL
            .into_iter()
            .filter(|table| metric.is_in(*table))
            .map(Table::as_str)
            .collect();
        // Writing to a string cannot fail.
        let _ = writeln!(
            out,
            "| `{}` | {} | {} | {} | {} | {} | {} | {} |",
            def.name,
            def.title,
            def.kind.as_str(),
            def.unit.as_str(),
            tables.join(", "),
            def.source,
            def.limit
                .map_or(String::new(), |limit| format!("`{}`", limit.name())),
            def.help
        );
    }
    out.push_str(
        "\n## Derived signals\n\nComputed when data are read.\n\n\
         | signal | title | unit | made of | what it says |\n|---|---|---|---|---|\n",
    );
    for def in DERIVED {
        let inputs: Vec<_> = Signal::Derived(def)
            .inputs()
            .into_iter()
            .map(|metric| format!("`{}`", metric.name()))
            .collect();
        let _ = writeln!(
            out,
            "| `{}` | {} | {} | {} | {} |",
            def.name,
            def.title,
            def.unit.as_str(),
            inputs.join(", "),
            def.help
        );
    }
    out.push_str("\n## Events\n\n| kind | what it says |\n|---|---|\n");
    for kind in EventKind::ALL {
        let _ = writeln!(out, "| `{}` | {} |", kind.as_str(), kind.help());
    }
    out
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_document_is_true() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../specs/metrics.md");
        let document = super::markdown();
        if std::env::var_os("FGM_UPDATE_DOCS").is_some() {
            std::fs::write(path, &document).expect("write specs/metrics.md");
        }
        let written = std::fs::read_to_string(path).expect("read specs/metrics.md");
        assert!(
            written == document,
            "specs/metrics.md is not what the catalogue says: FGM_UPDATE_DOCS=1 cargo test -p fgm-model"
        );
    }
}
