//! Pods of a run on this machine, made of a manifest: cgroups, folders, programs.

use super::cgroups::Slice;
use super::container::{self, Container, Plan, RestartPolicy};
use super::pod::{self, Pod};
use super::program::{Neighbourhood, volume_folder};
use super::user::all_may_pass;
use super::{now_ms, postgres, program};
use crate::scenario::manifest::{Manifest, Planned};
use crate::scenario::record::{Record, log_file};
use anyhow::{Context, bail, ensure};
use fgm_collector::identity::{PodInfo, Resources};
use k8s_openapi::api::core::v1 as api;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// For data that others than root must reach, where the state directory is root's alone.
const OPEN_TO_ALL: &str = "/var/tmp";

/// All that a pod of a run is made of.
pub(super) struct Maker {
    pub(super) record: Record,
    pub(super) slice: Slice,
    /// The run's.
    pub(super) cgroup: PathBuf,
    /// Where the pods' own folders are.
    pub(super) volumes: PathBuf,
    pub(super) pods_dir: PathBuf,
    pub(super) neighbours: Neighbourhood,
}

impl Maker {
    /// Makes the pods of a manifest; nothing of them is started yet.
    ///
    /// # Errors
    /// What cannot run here.
    pub(super) fn pods(&self, manifest: &Manifest) -> anyhow::Result<Vec<Pod>> {
        let logs = self.record.folder()?.join("logs");
        fs::create_dir_all(logs).context("cannot make a folder for logs")?;
        let pods_dir = &self.pods_dir;
        fs::create_dir_all(pods_dir)
            .with_context(|| format!("cannot make {}", pods_dir.display()))?;
        self.slice.make_group(&self.cgroup)?;
        make_folder(&self.volumes)?;
        let mut pods = Vec::new();
        for planned in &manifest.pods {
            let mut known = self.record.pods.iter();
            let uid = known.find(|(_, name)| **name == planned.name);
            let (uid, _) = uid.context("two pods have one name")?;
            let made = self.pod(planned, uid);
            pods.push(made.with_context(|| format!("pod {}", planned.name))?);
        }
        Ok(pods)
    }

    /// Makes one.
    ///
    /// # Errors
    /// What of it cannot run here.
    pub(super) fn pod(&self, planned: &Planned, uid: &str) -> anyhow::Result<Pod> {
        let spec = &planned.spec;
        ensure!(
            spec.init_containers.iter().flatten().next().is_none(),
            "init containers are not run here"
        );
        let own_folder = self.volumes.join(&planned.name);
        make_folder(&own_folder)?;
        make_folder(&own_folder.join(volume_folder("")))?;
        let (of_pod, of_containers) = resources(planned, uid)?;
        let cgroup = self.slice.make_group(&self.cgroup.join(uid))?;
        container::set_limits(&cgroup, &of_pod)?;
        let mut containers = Vec::new();
        let mut user = None;
        for (container, resources) in spec.containers.iter().zip(&of_containers) {
            let program = self
                .neighbours
                .program(planned, container)
                .with_context(|| format!("container {}", container.name))?;
            user = user.or(program.user);
            containers.push(Container::new(Plan {
                name: container.name.clone(),
                image: container.image.clone().unwrap_or_default(),
                program,
                resources: *resources,
                restart: restart_policy(spec.restart_policy.as_deref())?,
                parent: cgroup.path().to_owned(),
                folder: own_folder.clone(),
                log: log_file(&self.record.folder()?, &planned.name, &container.name),
            }));
        }
        for volume in spec.volumes.iter().flatten() {
            let folder = own_folder.join(volume_folder(&volume.name));
            make_folder(&folder)?;
            if let Some(user) = user {
                user.give(&folder)?;
            }
        }
        let mut planned = planned.clone();
        let run = self.record.run.clone();
        planned.labels.insert("fgm.dev/run-id".to_owned(), run);
        Ok(Pod {
            address: self.neighbours.address(&planned),
            qos: pod::qos(&of_containers),
            planned,
            uid: uid.to_owned(),
            namespace: self.record.namespace.clone(),
            containers,
            created_ms: now_ms(),
        })
    }
}

/// Where the pods of a run have their folders: in the run's own, unless a program among them is
/// not root's and could not get there.
pub(super) fn place_of_volumes(manifest: &Manifest, run: &str, folder: &Path) -> PathBuf {
    let mut containers = manifest.pods.iter().flat_map(|pod| &pod.spec.containers);
    let is_postgres = |one: &api::Container| {
        let image = one.image.as_deref().unwrap_or_default();
        program::program_of(image) == postgres::NAME
    };
    let is_root = rustix::process::geteuid().is_root();
    if is_root && containers.any(is_postgres) && !all_may_pass(folder) {
        // Nobody can be there first: the run's time alone does not make the name.
        Path::new(OPEN_TO_ALL).join(format!("fgm-{run}-{}", new_uid()))
    } else {
        folder.join("pods")
    }
}

/// A directory that others may pass through and not list.
fn make_folder(path: &Path) -> anyhow::Result<()> {
    let made = fs::create_dir(path)
        .and_then(|()| fs::set_permissions(path, fs::Permissions::from_mode(0o711)));
    made.with_context(|| format!("cannot make {}", path.display()))
}

fn restart_policy(text: Option<&str>) -> anyhow::Result<RestartPolicy> {
    Ok(match text {
        None | Some("Always") => RestartPolicy::Always,
        Some("OnFailure") => RestartPolicy::OnFailure,
        Some("Never") => RestartPolicy::Never,
        Some(other) => bail!("no restartPolicy {other:?}"),
    })
}

/// What the recorder reads of requests and limits, of the pod and of each container.
fn resources(planned: &Planned, uid: &str) -> anyhow::Result<(Resources, Vec<Resources>)> {
    let object = api::Pod {
        metadata: k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta {
            name: Some(planned.name.clone()),
            uid: Some(uid.to_owned()),
            ..Default::default()
        },
        spec: Some(planned.spec.clone()),
        status: None,
    };
    let info = PodInfo::of(&object).context("a pod without a name")?;
    let of_containers = info.containers.iter().map(|one| one.named.resources);
    Ok((info.named.resources, of_containers.collect()))
}

/// A random UID in the form of Kubernetes'.
pub(super) fn new_uid() -> String {
    // Twice: the time in one of them would tell pods of one run by little.
    let random = (ulid::Ulid::generate().random() << 64) ^ ulid::Ulid::generate().random();
    let digits = format!("{random:032x}");
    let parts: Vec<_> = [(0, 8), (8, 12), (12, 16), (16, 20), (20, 32)]
        .into_iter()
        .filter_map(|(from, to)| digits.get(from..to))
        .collect();
    parts.join("-")
}
