//! `/dashboards`: views that have a name, those built in and those of a directory.
//!
//! A dashboard is the state of the page's address as JSON, so that any view can be made one.

use crate::problem::Problem;
use crate::state::AppState;
use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use fgm_model::Signal;
use serde::{Deserialize, Serialize};
use std::fs;
use std::path::Path as FilePath;

const VERSION: u32 = 1;
const MOST_DASHBOARDS: usize = 200;
const LARGEST_BYTES: u64 = 64 << 10;
const MOST_PANELS: usize = 8;

/// A view: keys as in the page's address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Dashboard {
    version: u32,
    title: String,
    /// One sentence: what it answers.
    #[serde(default)]
    help: String,
    /// Panels from top to bottom, `metric` or `metric:flags`.
    m: Vec<String>,
    /// The selection.
    #[serde(default)]
    f: String,
    /// The heat map, `metric:sort`, or `off`.
    #[serde(default)]
    hm: Option<String>,
    /// The time, as in the address; without one the page's own stays.
    #[serde(default)]
    t: Option<String>,
}

#[derive(Serialize)]
struct List {
    dashboards: Vec<Item>,
    /// Files that are no dashboards, and why.
    skipped: Vec<Skipped>,
}

#[derive(Serialize)]
struct Item {
    name: String,
    #[serde(flatten)]
    dashboard: Dashboard,
}

#[derive(Serialize)]
struct Skipped {
    file: String,
    reason: String,
}

/// name, title, help, panels, heat map
type BuiltIn = (
    &'static str,
    &'static str,
    &'static str,
    &'static [&'static str],
    &'static str,
);

const BUILT_IN: [BuiltIn; 6] = [
    (
        "overview",
        "Overview",
        "Who uses how much, who is held back, and who is near a limit.",
        &[
            "cpu_usage_millicores",
            "cpu_throttled_percent",
            "memory_current",
        ],
        "cpu_usage_millicores:p99",
    ),
    (
        "throttling",
        "CPU throttling",
        "Who ran out of quota, how long it waited, and how close to the limit it runs.",
        &[
            "cpu_throttled_percent",
            "cpu_throttled_ms_per_s",
            "cpu_percent_of_limit",
            "cpu_psi_some_percent",
        ],
        "cpu_throttled_percent:p99",
    ),
    (
        "memory",
        "Memory and OOM",
        "What filled the memory, how close to the limit, and who waits for it.",
        &[
            "memory_breakdown",
            "memory_percent_of_limit",
            "memory_working_set",
            "memory_psi_some_percent",
        ],
        "memory_percent_of_limit:max",
    ),
    (
        "io",
        "Disk",
        "Who reads and writes, and who waits for the disk.",
        &[
            "io_read_bytes",
            "io_write_bytes",
            "io_psi_some_percent",
            "memory_workingset_refault_file",
        ],
        "io_psi_some_percent:p99",
    ),
    (
        "pressure",
        "Pressure",
        "Who waits for CPU, memory or disk, as a share of the time.",
        &[
            "cpu_psi_some_percent",
            "memory_psi_some_percent",
            "io_psi_some_percent",
        ],
        "cpu_psi_some_percent:p99",
    ),
    (
        "processes",
        "Processes",
        "Tasks against their limit, threads, and context switches.",
        &[
            "pids_current",
            "thread_count",
            "context_switches_involuntary",
            "memory_pgmajfault",
        ],
        "pids_current:max",
    ),
];

/// `GET /api/v1/dashboards`
pub(crate) async fn list(State(state): State<AppState>) -> Result<Response, Problem> {
    let list = tokio::task::spawn_blocking(move || all(state.dashboards.as_deref()))
        .await
        .map_err(Problem::internal)?;
    let fresh = [(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"))];
    Ok((fresh, Json(list)).into_response())
}

/// `GET /api/v1/dashboards/NAME`
pub(crate) async fn one(
    State(state): State<AppState>,
    Path(name): Path<String>,
) -> Result<Response, Problem> {
    let list = tokio::task::spawn_blocking(move || all(state.dashboards.as_deref()))
        .await
        .map_err(Problem::internal)?;
    let found = list.dashboards.into_iter().find(|one| one.name == name);
    let found = found.ok_or_else(|| {
        Problem::of(
            axum::http::StatusCode::NOT_FOUND,
            "no dashboard has this name",
            "GET dashboards lists them",
        )
    })?;
    let fresh = [(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"))];
    Ok((fresh, Json(found)).into_response())
}

/// Those built in, then those of the directory; of equal names the directory's.
fn all(dir: Option<&FilePath>) -> List {
    let mut list = List {
        dashboards: BUILT_IN.iter().map(built_in).collect(),
        skipped: Vec::new(),
    };
    let Some(dir) = dir else { return list };
    let mut names: Vec<_> = match fs::read_dir(dir) {
        Ok(entries) => entries
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .filter(|name| name.ends_with(".json"))
            .collect(),
        Err(error) => {
            list.skipped.push(Skipped {
                file: String::new(),
                reason: format!("the directory cannot be read: {error}"),
            });
            return list;
        }
    };
    names.sort();
    for file in names.into_iter().take(MOST_DASHBOARDS) {
        match read(&dir.join(&file)) {
            Ok(dashboard) => {
                let name = file.trim_end_matches(".json").to_owned();
                list.dashboards.retain(|known| known.name != name);
                list.dashboards.push(Item { name, dashboard });
            }
            Err(reason) => list.skipped.push(Skipped { file, reason }),
        }
    }
    list
}

fn built_in((name, title, help, m, hm): &BuiltIn) -> Item {
    Item {
        name: (*name).to_owned(),
        dashboard: Dashboard {
            version: VERSION,
            title: (*title).to_owned(),
            help: (*help).to_owned(),
            m: m.iter().map(|metric| (*metric).to_owned()).collect(),
            f: String::new(),
            hm: Some((*hm).to_owned()),
            t: None,
        },
    }
}

fn read(path: &FilePath) -> Result<Dashboard, String> {
    let found = path.metadata().map_err(|error| error.to_string())?;
    if !found.is_file() || found.len() > LARGEST_BYTES {
        return Err(format!("no file of at most {LARGEST_BYTES} bytes"));
    }
    let bytes = fs::read(path).map_err(|error| error.to_string())?;
    let dashboard: Dashboard = serde_json::from_slice(&bytes).map_err(|error| error.to_string())?;
    check(&dashboard)?;
    Ok(dashboard)
}

fn check(dashboard: &Dashboard) -> Result<(), String> {
    if dashboard.version != VERSION {
        return Err(format!("version {} is not {VERSION}", dashboard.version));
    }
    if dashboard.m.is_empty() || dashboard.m.len() > MOST_PANELS {
        return Err(format!("m names 1 to {MOST_PANELS} panels"));
    }
    for panel in &dashboard.m {
        let metric = panel.split(':').next().unwrap_or_default();
        if Signal::from_id(metric).is_none() && super::meta::group(metric).is_none() {
            return Err(format!("no such metric: {metric}"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_built_in_are_dashboards() {
        for item in BUILT_IN.iter().map(built_in) {
            assert_eq!(check(&item.dashboard), Ok(()), "{}", item.name);
        }
    }

    #[test]
    fn a_directory_adds_and_replaces_and_says_what_it_could_not_read() {
        let temp = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| fs::write(temp.path().join(name), text).unwrap();
        write(
            "mine.json",
            r#"{"version":1,"title":"Mine","m":["memory_current:o"],"f":"ns:shop"}"#,
        );
        write(
            "io.json",
            r#"{"version":1,"title":"My disk","m":["io_read_bytes"]}"#,
        );
        write("torn.json", r#"{"version":1,"#);
        write(
            "later.json",
            r#"{"version":2,"title":"L","m":["memory_current"]}"#,
        );
        write("odd.json", r#"{"version":1,"title":"O","m":["nonsense"]}"#);
        write("note.txt", "not asked");
        let list = all(Some(temp.path()));
        let title = |name: &str| {
            let mut found = list.dashboards.iter().filter(|one| one.name == name);
            let first = found.next().map(|one| one.dashboard.title.as_str());
            assert!(found.next().is_none());
            first
        };
        assert_eq!(
            (title("mine"), title("io")),
            (Some("Mine"), Some("My disk"))
        );
        assert_eq!(title("overview"), Some("Overview"));
        let skipped: Vec<_> = list.skipped.iter().map(|one| one.file.as_str()).collect();
        assert_eq!(skipped, ["later.json", "odd.json", "torn.json"]);
        assert_eq!(all(Some(FilePath::new("/nowhere"))).skipped.len(), 1);
    }
}
