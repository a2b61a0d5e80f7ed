//! The scenarios: those built in, and folders of a person's own.

use super::dashboard::Dashboard;
use crate::expect::Expectations;
use anyhow::{Context, bail};
use std::fs;
use std::path::Path;

/// The files of a scenario.
#[derive(Debug, Clone)]
pub(crate) struct Scenario {
    pub(crate) name: String,
    /// `deploy.yaml`: plain Kubernetes.
    pub(crate) deploy: String,
    /// `expect.toml`.
    pub(crate) expect: String,
    /// `dashboard.json`.
    pub(crate) dashboard: String,
}

/// Their texts are in the program, so that an installed one needs no folder beside it.
macro_rules! built_in {
    ($($name:literal),* $(,)?) => {
        const BUILT_IN: &[(&str, &str, &str, &str)] = &[$((
            $name,
            include_str!(concat!("../../../../scenarios/", $name, "/deploy.yaml")),
            include_str!(concat!("../../../../scenarios/", $name, "/expect.toml")),
            include_str!(concat!("../../../../scenarios/", $name, "/dashboard.json")),
        )),*];
    };
}
built_in!(
    "cpu-throttle",
    "crash-loop",
    "memory-leak",
    "memory-pressure",
    "noisy-neighbour",
    "oom-kill",
    "sigpipe-crash",
    "todo-app",
);

impl Scenario {
    /// Those built in, by name.
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        BUILT_IN
            .iter()
            .map(|(name, deploy, expect, dashboard)| Self {
                name: (*name).to_owned(),
                deploy: (*deploy).to_owned(),
                expect: (*expect).to_owned(),
                dashboard: (*dashboard).to_owned(),
            })
    }

    /// The one with that name, or the one in that folder.
    ///
    /// # Errors
    /// There is none, and which there are.
    pub(crate) fn find(name: &str) -> anyhow::Result<Self> {
        if name.contains('/') {
            return Self::read(Path::new(name));
        }
        let Some(found) = Self::all().find(|one| one.name == name) else {
            let known: Vec<_> = BUILT_IN.iter().map(|one| one.0).collect();
            bail!(
                "no scenario {name:?}: there are {}; a folder of your own is named with a slash \
                 (./{name})",
                known.join(", ")
            );
        };
        Ok(found)
    }

    /// The one in that folder.
    ///
    /// # Errors
    /// With the file that cannot be read.
    pub(crate) fn read(folder: &Path) -> anyhow::Result<Self> {
        let read = |file: &str| {
            let path = folder.join(file);
            fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))
        };
        let whole = folder.canonicalize();
        let whole = whole.with_context(|| format!("cannot find {}", folder.display()))?;
        let name = whole.file_name().and_then(|name| name.to_str());
        Ok(Self {
            name: dns_label(name.unwrap_or_default()),
            deploy: read("deploy.yaml")?,
            expect: read("expect.toml")?,
            dashboard: read("dashboard.json")?,
        })
    }

    /// Writes its files into a folder.
    ///
    /// # Errors
    /// With the file that cannot be written.
    pub(crate) fn write(&self, folder: &Path) -> anyhow::Result<()> {
        for (file, text) in [
            ("deploy.yaml", &self.deploy),
            ("expect.toml", &self.expect),
            ("dashboard.json", &self.dashboard),
        ] {
            let path = folder.join(file);
            fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
        }
        Ok(())
    }

    /// # Errors
    /// What is wrong with `expect.toml`.
    pub(crate) fn expectations(&self) -> anyhow::Result<Expectations> {
        Expectations::parse(&self.expect)
            .with_context(|| format!("expect.toml of {} is wrong", self.name))
    }

    /// # Errors
    /// What is wrong with `dashboard.json`.
    pub(crate) fn dashboard(&self) -> anyhow::Result<Dashboard> {
        Dashboard::parse(&self.dashboard)
            .with_context(|| format!("dashboard.json of {} is wrong", self.name))
    }
}

/// A name as Kubernetes takes it for a namespace.
fn dns_label(name: &str) -> String {
    let plain = |c: char| {
        if c.is_ascii_alphanumeric() {
            c.to_ascii_lowercase()
        } else {
            '-'
        }
    };
    let label: String = name.chars().map(plain).take(30).collect();
    match label.trim_matches('-') {
        "" => "scenario".to_owned(),
        label => label.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::manifest::Manifest;

    #[test]
    fn every_folder_is_built_in_and_whole() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scenarios");
        let mut folders: Vec<_> = fs::read_dir(root)
            .expect("scenarios/")
            .map(|entry| entry.expect("an entry").path())
            .collect();
        folders.sort();
        let names: Vec<_> = folders
            .iter()
            .filter_map(|folder| folder.file_name()?.to_str())
            .collect();
        let built_in: Vec<_> = BUILT_IN.iter().map(|one| one.0).collect();
        assert_eq!(names, built_in);
        for (folder, scenario) in folders.iter().zip(Scenario::all()) {
            let readme = fs::read_to_string(folder.join("README.md")).expect("README.md");
            assert!(
                (8..=14).contains(&readme.lines().count()),
                "ten lines: {readme}"
            );
            scenario.expectations().expect("expect.toml");
            scenario.dashboard().expect("dashboard.json");
            Manifest::parse(&scenario.deploy).expect("deploy.yaml");
        }
    }

    /// Restricted pod security and resources, as the cluster's admission would ask for.
    #[test]
    fn every_pod_is_restricted_and_bounded_and_labelled() {
        let mut containers = 0;
        for scenario in Scenario::all() {
            let manifest = Manifest::parse(&scenario.deploy).expect("deploy.yaml");
            for pod in &manifest.pods {
                let text = serde_json::to_value(&pod.spec).expect("JSON");
                let security = &text["securityContext"];
                assert_eq!(security["runAsNonRoot"], true, "{}", scenario.name);
                assert_eq!(security["seccompProfile"]["type"], "RuntimeDefault");
                assert!(
                    pod.labels.contains_key("fgm.dev/run-id"),
                    "{}",
                    scenario.name
                );
                for container in text["containers"].as_array().expect("containers") {
                    let security = &container["securityContext"];
                    assert_eq!(security["allowPrivilegeEscalation"], false);
                    assert_eq!(security["capabilities"]["drop"][0], "ALL");
                    assert_eq!(security["readOnlyRootFilesystem"], true);
                    let resources = &container["resources"];
                    for (kind, what) in [
                        ("requests", "cpu"),
                        ("requests", "memory"),
                        ("limits", "memory"),
                    ] {
                        assert!(
                            resources[kind][what].is_string(),
                            "{}: {kind} {what}",
                            scenario.name
                        );
                    }
                    containers += 1;
                }
            }
        }
        assert!(containers > 7);
    }

    #[test]
    fn an_unknown_one_is_told_which_there_are() {
        let error = Scenario::find("oom").expect_err("no such scenario");
        assert!(error.to_string().contains("oom-kill"), "{error}");
    }

    #[test]
    fn any_folder_makes_a_name_for_a_namespace() {
        assert_eq!(dns_label("My Case_2"), "my-case-2");
        assert_eq!(dns_label("___"), "scenario");
    }
}
