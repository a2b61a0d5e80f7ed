//! What the flake relies on, and what README says of it.

use fgm_stories::needs::require_or_skip;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

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
    let folders = root().join("scenarios");
    for scenario in scenarios {
        match scenario.strip_prefix("scenario-") {
            Some(name) => assert!(folders.join(name).is_dir(), "README names {scenario}"),
            None => assert!(folders.is_dir(), "README names {scenario}"),
        }
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
