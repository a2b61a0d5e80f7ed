//! What the figures were measured on.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::fs;

/// Kept descriptors need room: the soft limit is raised to the hard one.
pub(crate) fn raise_open_files() -> anyhow::Result<()> {
    let most = getrlimit(Resource::Nofile).maximum;
    Ok(setrlimit(
        Resource::Nofile,
        Rlimit {
            current: most,
            maximum: most,
        },
    )?)
}

/// The hard limit of open files.
pub(crate) fn most_open_files() -> usize {
    getrlimit(Resource::Nofile)
        .maximum
        .and_then(|most| usize::try_from(most).ok())
        .unwrap_or(usize::MAX)
}

/// The machine in a line.
pub(crate) fn facts() -> String {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let uname = rustix::system::uname();
    let cpus = read("/proc/cpuinfo");
    let model = cpus
        .lines()
        .find_map(|line| line.strip_prefix("model name"))
        .map_or("", |rest| rest.trim_start_matches(['\t', ':', ' ']));
    let load = read("/proc/loadavg");
    let load: Vec<&str> = load.split_whitespace().take(3).collect();
    let huge_pages = read("/sys/kernel/mm/transparent_hugepage/enabled");
    format!(
        "machine: Linux {}, {} CPUs ({model}), load at the end {}, transparent huge pages {}, \
         at most {} open files\n",
        uname.release().to_string_lossy(),
        std::thread::available_parallelism().map_or(0, usize::from),
        load.join(" "),
        huge_pages.trim(),
        most_open_files(),
    )
}
