//! The archives of the images, and the names that are in them.

use super::say;
use super::tools::{Kind, ask};
use anyhow::{Context, bail};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// An archive as `kind/images.sh` and Nix make them.
#[derive(Debug)]
pub(crate) struct Archive {
    pub(super) path: PathBuf,
    /// Without its tag.
    pub(crate) name: String,
    pub(crate) tag: String,
}

/// All archives of a folder, by name.
///
/// # Errors
/// When there is none, or one that is none.
pub(crate) fn archives(folder: &Path) -> anyhow::Result<Vec<Archive>> {
    let how = "make them by kind/images.sh DIR and name them by --images DIR";
    let shown = folder.display();
    let entries = fs::read_dir(folder).with_context(|| format!("no images in {shown}: {how}"))?;
    let mut paths = Vec::new();
    for entry in entries {
        let path = entry
            .with_context(|| format!("cannot list {shown}"))?
            .path();
        if path.extension().is_some_and(|extension| extension == "tar") {
            paths.push(path);
        }
    }
    if paths.is_empty() {
        bail!("no images in {shown}: {how}");
    }
    paths.sort();
    paths.into_iter().map(Archive::open).collect()
}

/// Loads archives into the nodes of the lab's cluster.
///
/// # Errors
/// There is no such cluster, or what kind says.
pub(crate) fn load(archives: &[Archive]) -> anyhow::Result<()> {
    let kind = Kind::find()?;
    kind.must_have_cluster()?;
    archives.iter().try_for_each(|archive| archive.load(&kind))
}

impl Archive {
    pub(super) fn load(&self, kind: &Kind) -> anyhow::Result<()> {
        say(&format!("loading {}:{}", self.name, self.tag));
        kind.load(&self.path)
    }

    fn open(path: PathBuf) -> anyhow::Result<Self> {
        let (name, tag) = named(&path)
            .with_context(|| format!("{} is no archive of an image", path.display()))?;
        Ok(Self { path, name, tag })
    }
}

/// What `docker load` would call it.
fn named(path: &Path) -> anyhow::Result<(String, String)> {
    // With or without "./": tar takes names as they were written.
    let list = ask(Command::new("tar").arg("-tf").arg(path), "")?;
    let member = list
        .lines()
        .find(|name| name.trim_start_matches("./") == "manifest.json")
        .context("it has no manifest.json")?;
    let text = ask(Command::new("tar").arg("-xOf").arg(path).arg(member), "")?;
    let manifest: Value = serde_json::from_str(&text).context("its manifest.json is no JSON")?;
    let tag = manifest[0]["RepoTags"][0]
        .as_str()
        .context("its manifest.json names no image")?;
    let (name, tag) = tag.rsplit_once(':').context("its image has no tag")?;
    Ok((name.to_owned(), tag.to_owned()))
}
