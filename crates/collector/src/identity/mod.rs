//! Who it is: names for what is recorded by ID (DESIGN.md section 3, step 4).
//!
//! A cgroup's path gives pod UID and container ID at once; all else comes from somewhere that
//! may be slow, away or never there: the API server or `--pods-dir` (`kube_watch`, `pods_dir`;
//! both end in `book`), and without Kubernetes the state files of the container runtimes
//! (`runtimes`). They are asked on a thread of their own. The tick thread takes what is known
//! and never waits; [`Pods`] is what both share. What was recorded before its name was known is
//! completed when its spool is sealed ([`Pods::late`]).

mod awaited;
mod book;
mod kube_watch;
pub(crate) mod metrics;
mod named;
mod pod;
mod pods_dir;
mod quantity;
mod runtimes;
mod source;
#[cfg(test)]
mod tests;

pub use book::ContainerStatusFact;
pub use metrics::IdentityMetrics;
pub use named::{Named, Resources};
pub use pod::{ContainerInfo, Owner, PodInfo, Role, Termination};
pub use source::{Identity, Source};

use crate::clock;
use awaited::{Awaited, Question};
use book::{Book, Told};
use fgm_model::Instance;
use k8s_openapi::api::core::v1::Pod;
use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;

/// Names are kept at least this long after what bore them is gone.
const LEAST_KEPT: Duration = Duration::from_secs(15 * 60);

/// The names known so far: a handle that the threads of the recorder share.
#[derive(Debug, Clone)]
pub struct Pods(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    version: AtomicU64,
    /// Somebody asks for the name of an instance.
    asked: Notify,
    kept_us: i64,
}

#[derive(Debug)]
struct State {
    book: Book,
    awaited: Awaited,
    /// Pods come from somewhere.
    has_source: bool,
    step: Step,
}

/// Whether the source of names is in step with us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    In,
    /// Since then, microseconds since boot.
    Out(i64),
}

/// How stale the names are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Staleness {
    /// Whether pods come from somewhere at all.
    pub has_source: bool,
    /// For how long the source has been out of reach; zero while it is in step.
    pub stale: Duration,
    /// Pods of this node that are known.
    pub pods: usize,
    /// Instances whose name is awaited.
    pub unnamed: usize,
}

impl Pods {
    /// Nothing is known yet. `seal` is how long rows may wait to be sealed; without a source,
    /// only what the host offers is asked for names.
    #[must_use]
    pub fn new(has_source: bool, seal: Duration) -> Self {
        let kept = LEAST_KEPT.max(2 * seal);
        Self(Arc::new(Shared {
            state: Mutex::new(State {
                book: Book::default(),
                awaited: Awaited::default(),
                has_source,
                step: Step::Out(clock::now().boot_us),
            }),
            version: AtomicU64::new(0),
            asked: Notify::new(),
            kept_us: i64::try_from(kept.as_micros()).unwrap_or(i64::MAX),
        }))
    }

    /// What is known of that instance now. One that is not fully known is remembered: its name
    /// is looked for, and told by [`Self::take_named`].
    #[must_use]
    pub fn name(&self, found: &Instance) -> Option<Arc<Named>> {
        let mut state = self.lock();
        let named = state.name(found);
        if !state.is_complete(found, named.as_deref()) {
            let now_us = clock::now().boot_us;
            if state.awaited.insert(found, named.clone(), now_us) {
                drop(state);
                self.0.asked.notify_one();
            }
        }
        named
    }

    /// The instance turned out to be none of ours (a pod's sandbox).
    pub(crate) fn left_out(&self, found: &Instance) {
        self.lock().awaited.remove(found);
    }

    /// Changes whenever an answer of [`Self::name`] may have changed.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.0.version.load(Ordering::Acquire)
    }

    /// The instances whose names were learned after they were asked for, also those that have
    /// ended meanwhile, as they are known now.
    #[must_use]
    pub fn take_named(&self) -> Vec<Arc<Instance>> {
        self.lock().awaited.take_named()
    }

    /// What is known of an instance whose rows may lack it: to be asked when a spool is sealed.
    #[must_use]
    pub fn late(&self, container_id: &str, life: &str) -> Option<Instance> {
        let state = self.lock();
        let found = state.awaited.instance(container_id, life)?;
        Some(state.name(found)?.fill(found))
    }

    /// How instances ended, as pod statuses tell; each end is told once, and again when it is
    /// told otherwise.
    #[must_use]
    pub fn take_statuses(&self) -> Vec<ContainerStatusFact> {
        self.lock().book.take_statuses()
    }

    /// The pod with that UID in its cgroup's path.
    #[must_use]
    pub fn pod(&self, cgroup_uid: &str) -> Option<PodInfo> {
        self.lock().book.by_cgroup_uid(cgroup_uid).cloned()
    }

    /// How stale the names are.
    #[must_use]
    pub fn staleness(&self) -> Staleness {
        let state = self.lock();
        let stale_us = match state.step {
            Step::In => 0,
            Step::Out(_) if !state.has_source => 0,
            Step::Out(since_us) => clock::now().boot_us - since_us,
        };
        Staleness {
            has_source: state.has_source,
            stale: Duration::from_micros(u64::try_from(stale_us).unwrap_or_default()),
            pods: state.book.live(),
            unnamed: state.awaited.unnamed(),
        }
    }

    /// The pod as it is now. An object that cannot be one is passed over.
    pub(crate) fn apply(&self, pod: &Pod) -> Option<String> {
        let info = PodInfo::of(pod)?;
        let uid = info.uid.clone();
        self.change(|state, told| state.book.apply(info, told));
        Some(uid)
    }

    /// The pod is gone; its last status may still tell something.
    pub(crate) fn delete(&self, pod: &Pod) {
        let Some(info) = PodInfo::of(pod) else { return };
        self.change(|state, told| {
            let uid = info.uid.clone();
            let changed = state.book.apply(info, told);
            state.book.delete(&uid, told) | changed
        });
    }

    /// These are all there are: the source is in step.
    pub(crate) fn keep_only(&self, uids: &HashSet<String>) {
        self.change(|state, told| {
            state.step = Step::In;
            state.book.keep_only(uids, told)
        });
    }

    /// The source is out of reach.
    pub(crate) fn out_of_step(&self) {
        let mut state = self.lock();
        if state.step == Step::In {
            state.step = Step::Out(clock::now().boot_us);
        }
    }

    /// Pods that were too many to be taken.
    pub(crate) fn refused(&self) -> u64 {
        self.lock().book.refused()
    }

    /// Waits until somebody asks for a name.
    pub(crate) async fn asked(&self) {
        self.0.asked.notified().await;
    }

    /// The questions that are due, and when the next one is (microseconds since boot).
    pub(crate) fn questions(&self) -> (Vec<Question>, Option<i64>) {
        self.lock().awaited.questions(clock::now().boot_us)
    }

    /// A runtime's answer.
    pub(crate) fn answer(&self, question: &Question, named: Named) {
        self.change(|state, _| state.awaited.answer(question, Arc::new(named)));
    }

    /// Forgets what is of no use any more.
    pub(crate) fn forget(&self) {
        let before_us = clock::now().boot_us - self.0.kept_us;
        let mut state = self.lock();
        state.book.forget(before_us);
        state.awaited.forget(before_us);
    }

    fn change(&self, change: impl FnOnce(&mut State, Told) -> bool) {
        let now = clock::now();
        let told = Told {
            boot_us: now.boot_us,
            wall_ms: now.wall_us / 1000,
        };
        let mut state = self.lock();
        if change(&mut state, told) {
            state.settle(now.boot_us);
            drop(state);
            self.0.version.fetch_add(1, Ordering::Release);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn name(&self, found: &Instance) -> Option<Arc<Named>> {
        best_name(&self.book, found, self.awaited.by_runtime(found))
    }

    fn is_complete(&self, found: &Instance, named: Option<&Named>) -> bool {
        is_complete(self.has_source, found, named)
    }

    /// Tells what became known of those that wait for it.
    fn settle(&mut self, now_us: i64) {
        let (book, has_source) = (&self.book, self.has_source);
        self.awaited.settle(now_us, |found, by_runtime| {
            let named = best_name(book, found, by_runtime);
            let complete = is_complete(has_source, found, named.as_deref());
            (named, complete)
        });
    }
}

/// A pod's word counts more than a runtime's, which fills in what the pod does not tell yet.
fn best_name(book: &Book, found: &Instance, by_runtime: Option<&Arc<Named>>) -> Option<Arc<Named>> {
    match (book.name(found), by_runtime) {
        (Some(of_pod), Some(of_runtime)) if of_pod.container_name.is_none() => {
            Some(Arc::new(Named {
                container_name: of_runtime.container_name.clone(),
                image: of_runtime.image.clone(),
                restart_count: of_runtime.restart_count,
                ..of_pod.as_ref().clone()
            }))
        }
        (of_pod, of_runtime) => of_pod.or_else(|| of_runtime.cloned()),
    }
}

/// Whether nothing more is to be learned.
fn is_complete(has_source: bool, found: &Instance, named: Option<&Named>) -> bool {
    let known = |of: fn(&Named) -> &Option<String>, by_path: &Option<String>| {
        by_path.is_some() || named.is_some_and(|named| of(named).is_some())
    };
    let has_pod = known(|named| &named.pod_name, &found.pod_name);
    let has_name = known(|named| &named.container_name, &found.container_name);
    let wants_pod = has_source && found.pod_uid.is_some();
    (has_pod || !wants_pod) && (has_name || is_pod_cgroup(found))
}

/// Whether it is a pod's own cgroup, which has no container ID of a runtime.
fn is_pod_cgroup(found: &Instance) -> bool {
    found.pod_uid.is_some()
        && found.container_name.is_none()
        && found.container_id.starts_with(&found.life)
}
