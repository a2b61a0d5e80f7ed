//! The pods' own cgroups: the rows of the table `pods`.
//!
//! A pod's `memory.events` counts what happened below it and outlives its containers, so it is
//! read at each tick. Between ticks it is read when the pod is born and when its last process
//! has ended; what moves its counters meanwhile is seen by the next tick, whereas a container may
//! be gone by then. The processes are the containers' and have their sums there.

use crate::alive::Alive;
use crate::clock;
use crate::facts::Facts;
use crate::grid::Now;
use crate::identity::Pods;
use crate::readers::Readers;
use crate::subject::Subject;
use crate::watched::Watched;
use fgm_cgroup::{CgroupId, CgroupReader};
use fgm_model::{Instance, Tick};
use fgm_proc::PodNetwork;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// All pods.
#[derive(Default)]
pub(crate) struct PodCgroups {
    alive: BTreeMap<CgroupId, Pod>,
    by_path: HashMap<String, CgroupId>,
    /// Gone, but read since their last row.
    ended: Vec<Subject>,
}

struct Pod {
    watched: Watched,
    network: PodNetwork,
    /// Its containers, through whose processes the network is read.
    containers: Vec<CgroupId>,
}

impl Pod {
    fn tell(&self, facts: &mut Facts) {
        // Of one that is gone the values are those of an earlier reading.
        if self.watched.outcome().is_some() {
            let subject = &self.watched.subject;
            facts.pod_seen(&subject.instance, clock::wall_us() / 1000, &subject.values);
        }
    }
}

impl PodCgroups {
    /// A pod was found; `born` when its birth was seen: then it is read at once.
    #[expect(
        clippy::too_many_arguments,
        reason = "what was found, when, and what all readings share"
    )]
    pub(crate) fn begin(
        &mut self,
        id: CgroupId,
        instance: Instance,
        reader: CgroupReader,
        now: Now,
        born: bool,
        readers: &mut Readers,
        names: &Pods,
    ) {
        self.by_path.insert(instance.cgroup_path.clone(), id);
        let mut pod = Pod {
            watched: Watched::new(Arc::new(instance), reader, now, readers),
            network: PodNetwork::default(),
            containers: Vec::new(),
        };
        pod.watched.take_name(names);
        if born {
            pod.watched.read(now.boot_us, readers, |_, _| {});
        }
        self.alive.insert(id, pod);
    }

    /// A pod ended; `false` if it is none.
    pub(crate) fn end(&mut self, id: CgroupId) -> bool {
        let Some(pod) = self.alive.remove(&id) else {
            return false;
        };
        let path = &pod.watched.instance().cgroup_path;
        // Another may stand at the same place by now.
        if self.by_path.get(path) == Some(&id) {
            self.by_path.remove(path);
        }
        self.ended.push(pod.watched.subject);
        true
    }

    /// A container was found at that path: the pod it is in.
    pub(crate) fn join(&mut self, container: CgroupId, path: &str) -> Option<CgroupId> {
        let (parent, _) = path.rsplit_once('/')?;
        let id = *self.by_path.get(parent)?;
        self.alive.get_mut(&id)?.containers.push(container);
        Some(id)
    }

    /// A container of that pod ended.
    pub(crate) fn leave(&mut self, pod: CgroupId, container: CgroupId) {
        if let Some(pod) = self.alive.get_mut(&pod) {
            pod.containers.retain(|id| *id != container);
        }
    }

    pub(crate) fn read_limits(&mut self, id: CgroupId, readers: &mut Readers) {
        if let Some(pod) = self.alive.get_mut(&id) {
            pod.watched.read_limits(readers);
        }
    }

    /// The last process of a pod has ended: it may be gone before the next tick.
    pub(crate) fn read_unpopulated(&mut self, id: CgroupId, now: Now, readers: &mut Readers) {
        if let Some(pod) = self.alive.get_mut(&id) {
            // Without the network: there is nobody to read it through.
            pod.watched.read(now.boot_us, readers, |_, _| {});
        }
    }

    /// Gives every pod the name that is known of it by now.
    pub(crate) fn take_names(&mut self, names: &Pods) {
        for pod in self.alive.values_mut() {
            pod.watched.take_name(names);
        }
    }

    /// Reads the cgroups of all pods.
    pub(crate) fn read(&mut self, now: Now, readers: &mut Readers) {
        for pod in self.alive.values_mut() {
            pod.watched.read(now.boot_us, readers, |_, _| {});
        }
    }

    /// Adds the network of all pods, after the containers of this tick were read.
    pub(crate) fn read_networks(
        &mut self,
        readers: &mut Readers,
        containers: &BTreeMap<CgroupId, Alive>,
    ) {
        for pod in self.alive.values_mut() {
            let own = || pod.containers.iter().filter_map(|id| containers.get(id));
            let members = own().flat_map(|container| container.pids().iter().copied());
            let is_member =
                |pid| own().any(|container| container.pids().binary_search(&pid).is_ok());
            let values = &mut pod.watched.subject.values;
            pod.network
                .read(members, is_member, &mut readers.processes, values);
        }
    }

    /// Tells what was read of a pod just now.
    pub(crate) fn tell(&self, id: CgroupId, facts: &mut Facts) {
        if let Some(pod) = self.alive.get(&id) {
            pod.tell(facts);
        }
    }

    /// Tells what was read of all pods just now.
    pub(crate) fn tell_all(&self, facts: &mut Facts) {
        for pod in self.alive.values() {
            pod.tell(facts);
        }
    }

    /// Who the pod is.
    pub(crate) fn instance(&self, id: CgroupId) -> Option<&Arc<Instance>> {
        self.alive.get(&id).map(|pod| pod.watched.instance())
    }

    /// The rows of a tick.
    pub(crate) fn rows(&mut self, tick: &mut Tick, interval_ms: i64) {
        let (time_ms, clock_epoch) = (tick.time_ms, tick.clock_epoch);
        for pod in self.alive.values_mut() {
            let row = pod.watched.subject.row(time_ms, clock_epoch, interval_ms);
            tick.rows.extend(row);
        }
    }

    /// The last rows of what has ended.
    pub(crate) fn ended_rows(&mut self, tick: &mut Tick, interval_ms: i64) {
        let (time_ms, clock_epoch) = (tick.time_ms, tick.clock_epoch);
        for mut subject in self.ended.drain(..) {
            tick.rows
                .extend(subject.row(time_ms, clock_epoch, interval_ms));
        }
    }

    /// Whether a pod ended that was read since its last row.
    pub(crate) fn has_ended_rows(&self) -> bool {
        !self.ended.is_empty()
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.alive.len()
    }
}
