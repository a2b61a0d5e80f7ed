//! What a story may lack on a machine: it is then skipped with one line that tells how to enable
//! it, and fails where nothing may be skipped (`FGM_REQUIRE_ALL=1`, as the gate sets it).

use crate::must;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

/// The folder of the test bed (`uml-run`): `FGM_TESTBED`, or beside the repository.
#[must_use]
pub fn test_bed() -> Option<PathBuf> {
    let beside = || {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        root.join("shared/testbed").canonicalize().ok()
    };
    let folder = variable("FGM_TESTBED").map(PathBuf::from).or_else(beside);
    let usable = folder.filter(|folder| folder.join("uml-run").is_file());
    require_or_skip(
        usable,
        "stories on a kernel of their own",
        "FGM_TESTBED=FOLDER, the one with uml-run, after its setup",
    )
}

/// A Nix that runs its subcommands on the flake in the current directory: `FGM_FLAKE`, or beside
/// the test bed or the repository.
#[must_use]
pub fn flake() -> Option<PathBuf> {
    let named = variable("FGM_FLAKE").map(PathBuf::from);
    let shared = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/testbed");
    let beds = [variable("FGM_TESTBED").map(PathBuf::from), Some(shared)];
    let beside = beds.into_iter().flatten();
    let beside = beside.map(|bed| bed.join("../nix/flake"));
    let usable = named.into_iter().chain(beside).find(|file| file.is_file());
    require_or_skip(
        usable,
        "stories of the flake's apps",
        "FGM_FLAKE=PROGRAM, which runs `nix SUBCOMMAND` on the flake where it is started",
    )
}

/// The Kubernetes manifests of one overlay of `kind/` as they would be applied: of a folder that
/// holds them rendered (`FGM_MANIFESTS`), or rendered by kustomize (`FGM_KUSTOMIZE`, or on the path).
#[must_use]
pub fn manifests(overlay: &str) -> Option<String> {
    if let Some(folder) = variable("FGM_MANIFESTS") {
        let path = Path::new(&folder).join(format!("{overlay}.yaml"));
        return Some(must(fs::read_to_string(path), "read rendered manifests"));
    }
    let program = variable("FGM_KUSTOMIZE").unwrap_or_else(|| "kustomize".to_owned());
    let kind = Path::new(env!("CARGO_MANIFEST_DIR")).join("../kind/overlays");
    let output = Command::new(program)
        .arg("build")
        .arg(kind.join(overlay))
        .output();
    let rendered = match output {
        Ok(output) => {
            assert!(output.status.success(), "kustomize: {output:?}");
            Some(must(String::from_utf8(output.stdout), "UTF-8"))
        }
        Err(_) => None,
    };
    require_or_skip(
        rendered,
        "stories of the manifests",
        "FGM_KUSTOMIZE=kustomize, version 5",
    )
}

/// A Python that has the packages of `tests/requirements.txt`: `FGM_PYTHON`.
#[must_use]
pub fn python() -> Option<PathBuf> {
    require_or_skip(
        variable("FGM_PYTHON").map(PathBuf::from),
        "stories of DuckDB, pandas and Polars",
        "FGM_PYTHON=python3, with pip install -r tests/requirements.txt",
    )
}

/// The command of schemathesis: `FGM_SCHEMATHESIS`.
#[must_use]
pub fn schemathesis() -> Option<PathBuf> {
    require_or_skip(
        variable("FGM_SCHEMATHESIS").map(PathBuf::from),
        "the story of the OpenAPI document",
        "FGM_SCHEMATHESIS=VENV/bin/schemathesis, after pip install schemathesis",
    )
}

/// Pythons that have pyspark: `FGM_SPARK_PYTHONS`, separated by colons.
#[must_use]
pub fn sparks() -> Option<Vec<PathBuf>> {
    let list = variable("FGM_SPARK_PYTHONS");
    require_or_skip(
        list.map(|list| list.split(':').map(PathBuf::from).collect()),
        "stories of Spark",
        "FGM_SPARK_PYTHONS=VENV/bin/python:OTHER/bin/python, each with pip install pyspark, and Java 17 or later",
    )
}

/// A PostgreSQL server as the lab finds it, and a cgroup v2 tree that this user may write to.
#[must_use]
pub fn postgres() -> Option<()> {
    let path = env::var_os("PATH").unwrap_or_default();
    let debian = fs::read_dir("/usr/lib/postgresql").into_iter().flatten();
    let debian = debian.flatten().map(|entry| entry.path().join("bin"));
    let mut folders = env::split_paths(&path).chain(debian);
    let is_there = folders.any(|folder| folder.join("postgres").is_file());
    let is_root = rustix::process::geteuid().is_root();
    require_or_skip(
        (is_there && is_root).then_some(()),
        "stories of the todo app",
        "nothing, but run them as root and install PostgreSQL: apt install postgresql",
    )
}

/// A Chromium: `FGM_CHROMIUM`.
#[must_use]
pub fn chromium() -> Option<PathBuf> {
    require_or_skip(
        variable("FGM_CHROMIUM").map(PathBuf::from),
        "stories in a browser",
        "FGM_CHROMIUM=/usr/bin/chromium",
    )
}

/// A Node that runs the page's browser tests: `FGM_NODE`, or the one on the path. Their packages
/// must be there.
#[must_use]
pub fn node() -> Option<PathBuf> {
    let ui = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/web/ui");
    let packages = ui.join("node_modules/playwright-core");
    let node = PathBuf::from(variable("FGM_NODE").unwrap_or_else(|| "node".to_owned()));
    require_or_skip(
        packages.is_dir().then_some(node),
        "the page's own browser tests",
        "nothing, but install their packages: npm ci --ignore-scripts in crates/web/ui",
    )
}

/// Passes on what is there. Where it is missing, says in one line how to enable what needs it.
///
/// # Panics
/// Where nothing may be skipped.
pub fn require_or_skip<T>(there: Option<T>, what: &str, how: &str) -> Option<T> {
    if there.is_none() {
        let required = variable("FGM_REQUIRE_ALL").is_some_and(|value| value == "1");
        assert!(!required, "{what} cannot run: set {how}");
        say(&format!("skipped: {what}; to run them set {how}"));
    }
    there
}

/// A line for the person who runs the tests, also when the test passes.
pub fn say(line: &str) {
    // Not by eprintln, which a passing test keeps to itself.
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// The value of a variable that is set to something.
#[must_use]
pub fn variable(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}
