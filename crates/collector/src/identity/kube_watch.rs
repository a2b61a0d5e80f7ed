//! The watch of this node's pods at the API server.
//!
//! An attempt is a fresh client (so a renewed token, CA or kubeconfig counts at once), one list
//! and the watch that follows it. Any failure ends the attempt, and after a growing pause the
//! next one lists again: only that proves to be in step, and the list is cheap (the server
//! answers from its cache, which knows pods by node). A watch that just reaches its time is
//! renewed without a list. No streaming lists: servers before 1.32 have none.

use crate::clock;
use crate::identity::metrics::Trouble;
use crate::identity::{IdentityMetrics, Pods, Source};
use crate::report::Repeated;
use futures_util::StreamExt;
use k8s_openapi::api::core::v1::Pod;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::core::Status;
use kube::runtime::watcher::{self, DefaultBackoff, Event, watcher};
use kube::{Api, Client, Config};
use std::collections::HashSet;
use std::time::Duration;

/// How long one watch lasts; a connection that died in silence is noticed by then.
const WATCH_S: u32 = 120;

/// Longer than a watch and the margin that the library gives it: for a list without an answer.
const READ_TIMEOUT: Duration = Duration::from_secs(150);

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Pods in one answer: bounds the memory of a list.
const PAGE: u32 = 50;

/// Why an attempt ended.
#[derive(Debug)]
struct Failure {
    trouble: Trouble,
    message: String,
}

/// Follows the pods of this node for ever.
pub(crate) async fn follow(source: &Source, node: &str, pods: &Pods, metrics: &IdentityMetrics) {
    let mut state = Follower {
        node,
        pods,
        metrics,
        backoff: DefaultBackoff::default(),
        trouble: Repeated::default(),
        said: None,
        warned_of_no_pods: false,
    };
    loop {
        let failure = state.attempt(source).await;
        state.tell(&failure);
        let pause = state.backoff.next().unwrap_or(CONNECT_TIMEOUT);
        tokio::time::sleep(pause).await;
    }
}

struct Follower<'a> {
    node: &'a str,
    pods: &'a Pods,
    metrics: &'a IdentityMetrics,
    backoff: DefaultBackoff,
    trouble: Repeated,
    said: Option<Trouble>,
    warned_of_no_pods: bool,
}

impl Follower<'_> {
    /// Lists and watches until something fails.
    async fn attempt(&mut self, source: &Source) -> Failure {
        let client = match client(source).await {
            Ok(client) => client,
            Err(message) => {
                return Failure {
                    trouble: Trouble::Settings,
                    message,
                };
            }
        };
        let selected = watcher::Config::default()
            .fields(&format!("spec.nodeName={}", self.node))
            .any_semantic()
            .timeout(WATCH_S)
            .page_size(PAGE);
        let mut events = watcher(Api::<Pod>::all(client), selected).boxed();
        let mut listed = HashSet::new();
        while let Some(event) = events.next().await {
            match event {
                Ok(Event::Init) => listed.clear(),
                Ok(Event::InitApply(pod)) => listed.extend(self.pods.apply(&pod)),
                Ok(Event::InitDone) => self.in_step(&listed),
                Ok(Event::Apply(pod)) => {
                    self.pods.apply(&pod);
                }
                Ok(Event::Delete(pod)) => self.pods.delete(&pod),
                Err(error) => return Failure::of(error),
            }
        }
        Failure {
            trouble: Trouble::Unreachable,
            message: "the watch ended".to_owned(),
        }
    }

    fn in_step(&mut self, listed: &HashSet<String>) {
        self.pods.keep_only(listed);
        self.metrics.relists.inc();
        self.metrics.set_notice(None);
        self.backoff = DefaultBackoff::default();
        self.said = None;
        if let Some(attempts) = self.trouble.over() {
            tracing::info!(attempts, pods = listed.len(), "names are up to date again");
        }
        // The kubelet's own static pods, a CNI and a proxy run on every node.
        if listed.is_empty() && !std::mem::replace(&mut self.warned_of_no_pods, true) {
            tracing::warn!(
                "the API server knows no pod on node {:?}: if that is not the node's name, give \
                 --node-name (in a pod: FGM_NODE_NAME from spec.nodeName)",
                self.node
            );
        }
    }

    /// Says each kind of trouble once, until it is over.
    fn tell(&mut self, failure: &Failure) {
        self.pods.out_of_step();
        let Failure { trouble, message } = failure;
        let wall_ms = clock::wall_us() / 1000;
        self.metrics.failed(*trouble, message, wall_ms);
        // The server forgets by design, and the next attempt lists.
        if *trouble == Trouble::Expired {
            return;
        }
        let text = format!(
            "names of containers are not up to date, recording goes on: {message}{}",
            advice(*trouble)
        );
        self.trouble.again(1);
        if self.said.replace(*trouble) != Some(*trouble) {
            tracing::warn!("{text}");
        }
        self.metrics.set_notice(Some(text));
    }
}

const fn advice(trouble: Trouble) -> &'static str {
    match trouble {
        Trouble::Forbidden => {
            "; allow the account to get, list and watch pods (kind/base/rbac.yaml has the role)"
        }
        Trouble::Unauthorized => "; give a kubeconfig or service account whose token is valid",
        Trouble::Settings => "; give --kubeconfig a file that kubectl can use",
        _ => "",
    }
}

async fn client(source: &Source) -> Result<Client, String> {
    let mut config = match source {
        Source::Kubeconfig(file) => {
            let named = |error| format!("cannot use {}: {error}", file.display());
            let kubeconfig =
                Kubeconfig::read_from(file).map_err(|error| named(error.to_string()))?;
            Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default())
                .await
                .map_err(|error| named(error.to_string()))?
        }
        _ => Config::incluster().map_err(|error| error.to_string())?,
    };
    config.connect_timeout = Some(CONNECT_TIMEOUT);
    config.read_timeout = Some(READ_TIMEOUT);
    config.reset_reader_on_write = true;
    // An attempt fails at once; the pause between them is ours.
    config.default_retry = false;
    Client::try_from(config).map_err(|error| error.to_string())
}

impl Failure {
    fn of(error: watcher::Error) -> Self {
        match error {
            watcher::Error::WatchError(status) => Self::of_status(&status),
            watcher::Error::InitialListFailed(error)
            | watcher::Error::WatchStartFailed(error)
            | watcher::Error::WatchFailed(error) => Self::of_client(&error),
            watcher::Error::NoResourceVersion => Self {
                trouble: Trouble::Refused,
                message: error.to_string(),
            },
        }
    }

    fn of_client(error: &kube::Error) -> Self {
        match error {
            kube::Error::Api(status) => Self::of_status(status),
            other => Self {
                trouble: Trouble::Unreachable,
                message: format!("the API server does not answer: {}", chain(other)),
            },
        }
    }

    fn of_status(status: &Status) -> Self {
        let (trouble, what) = match status.code {
            401 => (Trouble::Unauthorized, "does not accept our token"),
            403 => (Trouble::Forbidden, "forbids to watch pods"),
            410 => (Trouble::Expired, "asks to list again"),
            _ => (Trouble::Refused, "answers with an error"),
        };
        Self {
            trouble,
            message: format!("the API server {what} ({} {})", status.code, status.message),
        }
    }
}

/// The causes, each said once.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        next = cause.source();
    }
    text
}
