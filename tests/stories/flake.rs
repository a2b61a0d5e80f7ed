//! What the flake relies on, and what README says of it.

#![expect(
    clippy::expect_used,
    reason = "a failed expectation is how a story fails"
)]

use fgm_stories::needs::{self, require_or_skip};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Nix fetches each crate by its checksum, one by one.
#[test]
fn every_crate_is_pinned_by_checksum() {
    let lock = fs::read_to_string(root().join("Cargo.lock")).expect("Cargo.lock");
    let sources = lock.lines().filter(|line| line.starts_with("source = "));
    let sources: Vec<_> = sources.collect();
    let checksums = lock.lines().filter(|line| line.starts_with("checksum = "));
    assert!(sources.len() > 100, "{}", sources.len());
    assert_eq!(sources.len(), checksums.count());
    let registry = "source = \"registry+https://github.com/rust-lang/crates.io-index\"";
    let others: Vec<_> = sources.iter().filter(|line| **line != registry).collect();
    assert!(others.is_empty(), "{others:?}");
}

/// README names each app of the flake, and no other.
#[test]
fn readme_names_every_app() {
    let there = root().join("README.md").is_file();
    let what = "the comparison of README and flake";
    if require_or_skip(
        there.then_some(()),
        what,
        "nothing, but run it in the sources",
    )
    .is_none()
    {
        return;
    }
    let read = |name: &str| fs::read_to_string(root().join(name)).expect("a source");
    let apps = read("nix/cluster.nix");
    let apps = apps.lines().filter_map(|line| {
        let (name, rest) = line.strip_prefix("  ")?.split_once(" = ")?;
        rest.starts_with("app \"").then(|| name.to_owned())
    });
    let mut apps: BTreeSet<_> = apps.collect();
    assert!(apps.len() > 3, "{apps:?}");

    let readme = read("README.md");
    let named = readme.split(".#").skip(1).map(|rest| {
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '-');
        rest[..end.unwrap_or(rest.len())].to_owned()
    });
    let (scenarios, named): (BTreeSet<_>, BTreeSet<_>) =
        named.partition(|name| name.starts_with("scenario"));
    let folders = scenario_folders();
    assert!(
        scenarios.contains("scenario"),
        "README does not name .#scenario"
    );
    for scenario in scenarios {
        if let Some(name) = scenario.strip_prefix("scenario-") {
            assert!(folders.contains(name), "README names {scenario}");
        }
    }
    for name in folders {
        assert!(
            readme.contains(&format!("`{name}`")),
            "README does not name the scenario {name}"
        );
    }
    // Packages are named where they are built.
    let packages: BTreeSet<_> = named.difference(&apps).cloned().collect();
    for package in packages {
        assert!(
            readme.contains(&format!("nix build .#{package}")),
            "{package} is no app"
        );
    }
    apps.retain(|app| !named.contains(app));
    assert!(apps.is_empty(), "README does not name {apps:?}");
}

fn scenario_folders() -> BTreeSet<String> {
    let entries = fs::read_dir(root().join("scenarios")).expect("scenarios/");
    let entries = entries.map(|entry| entry.expect("an entry"));
    let folders = entries.filter(|entry| entry.path().is_dir());
    folders
        .map(|folder| folder.file_name().into_string().expect("UTF-8"))
        .collect()
}

/// The words between two others.
fn between<'a>(text: &'a str, before: &str, after: &str) -> BTreeSet<&'a str> {
    let (_, rest) = text.split_once(before).expect("the beginning of a list");
    let (list, _) = rest.split_once(after).expect("the end of a list");
    list.split_whitespace()
        .map(|word| word.trim_matches('"'))
        .collect()
}

/// With Nix and without it the same images are made, and all that scenarios run are among them.
#[test]
fn every_image_of_a_scenario_is_built() {
    let there = root().join("nix").is_dir();
    let how = "nothing, but run it in the sources";
    let what = "the comparison of images";
    if require_or_skip(there.then_some(()), what, how).is_none() {
        return;
    }
    let read = |name: &str| fs::read_to_string(root().join(name)).expect("a source");
    let (nix, script) = (read("nix/images.nix"), read("kind/images.sh"));
    let built = between(&nix, "programs = lib.genAttrs [ ", " ]");
    assert_eq!(built, between(&script, "programs=(", ")"));
    for name in scenario_folders() {
        let deploy = read(&format!("scenarios/{name}/deploy.yaml"));
        let images: Vec<_> = deploy.split("image: localhost/").skip(1).collect();
        assert!(!images.is_empty(), "{name}");
        for image in images {
            let image = image.lines().next().unwrap_or_default();
            assert!(built.contains(image), "{name}: nobody builds {image}");
        }
    }
}

/// A change of documents and of the page compiles no Rust for the checks again.
#[test]
fn documents_and_page_rebuild_no_rust() {
    let Some(flake) = needs::flake() else { return };
    let copy = tempfile::tempdir().expect("a temporary directory");
    let run = |command: &mut Command| {
        let output = command.current_dir(copy.path()).output().expect("it runs");
        assert!(output.status.success(), "{command:?}: {output:?}");
        String::from_utf8(output.stdout).expect("UTF-8")
    };
    let git = |arguments: &[&str]| run(Command::new("git").args(arguments));
    let files = Command::new("git")
        .args(["ls-files", "-z"])
        .current_dir(root())
        .output()
        .expect("git");
    let files = String::from_utf8(files.stdout).expect("UTF-8");
    for file in files.split_terminator('\0') {
        let (from, to) = (root().join(file), copy.path().join(file));
        fs::create_dir_all(to.parent().expect("a folder")).expect("made");
        // One that is deleted and not yet committed is no part of the sources.
        if from.is_file() {
            fs::copy(from, to).expect("copied");
        }
    }
    git(&["init", "-q"]);
    let checks = || -> BTreeMap<String, String> {
        git(&["add", "-A"]);
        let mut eval = Command::new(&flake);
        eval.args(["eval", "--json"])
            .arg(format!(".#checks.{}-linux", std::env::consts::ARCH))
            .args(["--apply", "builtins.mapAttrs (_: check: check.drvPath)"]);
        serde_json::from_str(&run(&mut eval)).expect("JSON")
    };
    let before = checks();
    for file in [
        "README.md",
        "specs/design.md",
        "crates/web/ui/index.html",
        "kind/base/namespace.yaml",
    ] {
        let path = copy.path().join(file);
        let text = fs::read_to_string(&path).expect("a source");
        fs::write(path, text + "\n").expect("written");
    }
    let after = checks();
    for rust in ["tested", "clippy", "fmt", "deny"] {
        assert_eq!(before[rust], after[rust], "{rust} would be built again");
    }
    for other in ["web", "manifests", "end-to-end"] {
        assert_ne!(
            before[other], after[other],
            "{other} does not see its files"
        );
    }
}
