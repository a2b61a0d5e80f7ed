//! What npm may install: exactly what was reviewed, from the public registry, running nothing.

use serde_json::Value;
use std::path::Path;

fn json(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("ui").join(name);
    serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap()
}

fn packages() -> Vec<(String, Value)> {
    let lock = json("package-lock.json");
    let list: Vec<_> = lock["packages"]
        .as_object()
        .unwrap()
        .iter()
        .filter(|(name, _)| !name.is_empty())
        .map(|(name, entry)| (name.clone(), entry.clone()))
        .collect();
    assert!(list.len() > 20, "{} packages", list.len());
    list
}

#[test]
fn every_package_is_pinned_by_address_and_hash() {
    for (name, entry) in packages() {
        let resolved = entry["resolved"].as_str().unwrap_or_default();
        assert!(
            resolved.starts_with("https://registry.npmjs.org/"),
            "{name}: resolved is {resolved:?}; make the lock file anew with the .npmrc beside it"
        );
        let integrity = entry["integrity"].as_str().unwrap_or_default();
        assert!(integrity.starts_with("sha512-"), "{name}: {integrity:?}");
    }
}

#[test]
fn no_package_wants_to_run_a_script_at_install() {
    for (name, entry) in packages() {
        assert!(entry.get("hasInstallScript").is_none(), "{name}");
    }
}

/// A lock file that was made beside an installed `node_modules` names this machine's only.
#[test]
fn the_bundler_is_there_for_every_platform() {
    let names: Vec<_> = packages().into_iter().map(|(name, _)| name).collect();
    for platform in [
        "linux-x64-gnu",
        "linux-arm64-gnu",
        "linux-x64-musl",
        "darwin-arm64",
        "darwin-x64",
    ] {
        for package in ["@rolldown/binding", "lightningcss"] {
            let wanted = format!("node_modules/{package}-{platform}");
            assert!(names.contains(&wanted), "{wanted}");
        }
    }
}

#[test]
fn versions_are_exact() {
    let package = json("package.json");
    let mut seen = 0;
    for group in ["dependencies", "devDependencies"] {
        for (name, version) in package[group].as_object().unwrap() {
            let version = version.as_str().unwrap();
            assert!(
                version.starts_with(|c: char| c.is_ascii_digit()),
                "{name}: {version}"
            );
            seen += 1;
        }
    }
    assert!(seen > 0);
}
