//! Where names come from, and the thread that fetches them.

use crate::clock;
use crate::config::Config;
use crate::health::Health;
use crate::identity::{IdentityMetrics, Pods, kube_watch, pods_dir, runtimes};
use anyhow::Context;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::Notify;

/// What a pod's service account is given.
const TOKEN: &str = "/var/run/secrets/kubernetes.io/serviceaccount/token";

/// How often what is of no use any more is forgotten, and the CPU time told.
const TIDY_EVERY: Duration = Duration::from_secs(10);

/// Where Pod objects come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A directory of Pod objects as JSON.
    Directory(PathBuf),
    /// The API server that a kubeconfig names.
    Kubeconfig(PathBuf),
    /// The API server of the cluster that this process runs in.
    InCluster,
    /// Nowhere.
    None,
}

impl Source {
    /// The flags decide; without them, whether this is a pod with a service account.
    #[must_use]
    pub fn of(config: &Config) -> Self {
        if let Some(dir) = &config.pods_dir {
            return Self::Directory(dir.clone());
        }
        if let Some(file) = &config.kubeconfig {
            return Self::Kubeconfig(file.clone());
        }
        let in_pod = std::env::var_os("KUBERNETES_SERVICE_HOST").is_some();
        if in_pod && std::path::Path::new(TOKEN).exists() {
            return Self::InCluster;
        }
        if in_pod {
            tracing::warn!(
                "this is a pod without a service account token: names of containers are not \
                 asked from the API server; set automountServiceAccountToken"
            );
        }
        Self::None
    }
}

/// The thread that learns names; it ends when this is dropped.
#[derive(Debug)]
pub struct Identity {
    pods: Pods,
    stop: Arc<Notify>,
    thread: Option<JoinHandle<()>>,
}

impl Identity {
    /// Starts to learn the names of what runs on that node.
    ///
    /// # Errors
    /// There is no thread or no runtime for it. A source that is away is no error.
    pub fn start(config: &Config, node: &str, health: &Health) -> anyhow::Result<Self> {
        let source = Source::of(config);
        let pods = Pods::new(source != Source::None, config.seal);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .max_blocking_threads(1)
            .build()
            .context("cannot start the runtime of names")?;
        let stop = Arc::new(Notify::new());
        let (shared, stopped) = (pods.clone(), Arc::clone(&stop));
        let (metrics, node) = (health.identity.clone(), node.to_owned());
        let thread = std::thread::Builder::new()
            .name("fgm-identity".to_owned())
            .spawn(move || {
                let host = runtimes::Host::default();
                runtime.block_on(async {
                    tokio::select! {
                        () = stopped.notified() => {}
                        () = learn(&source, &node, &shared, &metrics) => {}
                        () = runtimes::answer(&shared, &host) => {}
                        () = tidy(&shared, &metrics) => {}
                    }
                });
                // A name may be being resolved, which cannot be interrupted.
                runtime.shutdown_background();
            })
            .context("cannot start the thread fgm-identity")?;
        Ok(Self {
            pods,
            stop,
            thread: Some(thread),
        })
    }

    /// The names.
    #[must_use]
    pub const fn pods(&self) -> &Pods {
        &self.pods
    }
}

impl Drop for Identity {
    fn drop(&mut self) {
        self.stop.notify_one();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread fgm-identity panicked; names may be missing");
        }
    }
}

async fn learn(source: &Source, node: &str, pods: &Pods, metrics: &IdentityMetrics) {
    match source {
        Source::Directory(dir) => pods_dir::follow(dir, pods, metrics).await,
        Source::Kubeconfig(_) | Source::InCluster => {
            kube_watch::follow(source, node, pods, metrics).await;
        }
        Source::None => std::future::pending().await,
    }
}

async fn tidy(pods: &Pods, metrics: &IdentityMetrics) {
    let mut too_many = false;
    loop {
        tokio::time::sleep(TIDY_EVERY).await;
        pods.forget();
        metrics.set_cpu(clock::thread_cpu());
        if pods.refused() > 0 && !too_many {
            too_many = true;
            tracing::warn!(
                "more pods on this node than any kubelet runs: those beyond {} get no names",
                crate::identity::book::MOST_PODS
            );
        }
    }
}
