//! The catalogue as a document for people: `specs/metrics.md`.

use crate::catalogue::{Metric, Table};
use crate::derived::DERIVED;
use crate::event::EventKind;
use crate::signal::Signal;
use std::fmt::Write;

/// Where the node's columns come from, which have no cgroup of their own.
const NODE: &str = "\n## The node's row\n\n\
    The table `node` has the same columns. At the root of the whole hierarchy `/proc` gives what \
    stands here and the root cgroup the rest; where the tree is a part of a larger one (kind), the \
    cgroup comes first. Sums over processes are null, in `pods` too: they are the containers'.\n\n\
    | columns | source |\n|---|---|\n\
    | `cpu_user_usec`, `cpu_system_usec` | root `cpu.stat`, else `/proc/stat`: user + nice, system + irq + softirq |\n\
    | `cpu_quota_usec`, `cpu_period_usec` | the CPUs online x 100 ms: what the node has is its limit |\n\
    | `memory_current`, `memory_max` | `/proc/meminfo` MemTotal - MemFree (page cache included, as in a cgroup), MemTotal |\n\
    | `memory_swap_current`, `memory_swap_max` | SwapTotal - SwapFree, SwapTotal |\n\
    | `memory_file`, `memory_kernel` | Cached + Buffers + SwapCached; KernelStack + PageTables + Slab + Percpu |\n\
    | other parts of memory | the lines of `/proc/meminfo` of that meaning |\n\
    | faults, refaults, `memory_events_oom_kill` | `/proc/vmstat`, of the whole machine |\n\
    | `memory_pgscan`, `memory_pgsteal` | `/proc/vmstat`: kswapd + direct + khugepaged + proactive |\n\
    | pressure | `/proc/pressure/*` |\n\
    | `thread_count`, `process_count` | `/proc/loadavg`; the links of `/proc` |\n\
    | network | `/proc/1/net/dev` without pods' links, bridges, bonds, tunnels and VLANs, whose bytes run over another interface as well |\n\n\
    A pod in the node's network namespace (`hostNetwork`) has no network numbers: they are the node's.\n";

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
    out.push_str(NODE);
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
