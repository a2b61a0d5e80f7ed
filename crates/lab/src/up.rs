//! `fgm-lab up`: recorder, viewer and consolidator in one process on this machine, no cluster.

use crate::state_dir::{Process, UpFile};
use crate::terminal::{open_in_browser, say};
use anyhow::Context;
use clap::Args;
use fgm_collector::config::{Config, Scope};
use fgm_collector::health::Health;
use fgm_collector::run::{Recording, stop_signal};
use fgm_consolidator::config::Settings;
use fgm_consolidator::progress::Progress;
use fgm_consolidator::run::Consolidation;
use fgm_service::listen::Listen;
use fgm_viewer::AppState;
use rustix::process::{Signal, set_parent_process_death_signal};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Flags of `fgm-lab up`.
#[derive(Debug, Args)]
pub(crate) struct Up {
    #[command(flatten)]
    config: Config,

    #[command(flatten)]
    listen: Listen,

    /// Open the page in the browser
    #[arg(long)]
    open: bool,

    /// Stop by itself after that time
    #[arg(long = "for", value_name = "DURATION", value_parser = humantime::parse_duration)]
    run_for: Option<Duration>,

    /// Stop when the program that started this one is gone
    #[arg(long, hide = true)]
    with_parent: bool,
}

impl Up {
    pub(crate) fn run(self) -> anyhow::Result<()> {
        fgm_collector::run::start_log();
        if self.with_parent {
            set_parent_process_death_signal(Some(Signal::TERM))
                .context("cannot ask for the end of the parent")?;
        }
        tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .context("cannot start the runtime")?
            .block_on(self.record_and_show())
    }

    async fn record_and_show(self) -> anyhow::Result<()> {
        let mut config = self.config;
        config.scope.get_or_insert(Scope::All);
        // For the runs of scenarios on this machine; in a pod the API server knows the names.
        let in_pod = std::env::var_os("KUBERNETES_SERVICE_HOST").is_some();
        if config.pods_dir.is_none() && config.kubeconfig.is_none() && !in_pod {
            config.pods_dir = own_pods_dir();
        }
        let data_dir = config.data_dir()?;
        let place = self.listen.open().await?;
        let health = Arc::new(Health::new(config.interval));
        let mut recording = Recording::start(&config, Arc::clone(&health)).await?;

        // Others are told the page, and not the code that logs in.
        let up = UpFile {
            process: Process::own()?,
            url: place.url.clone(),
            data_dir: std::path::absolute(&data_dir)?,
            pods_dir: config.pods_dir.clone(),
            cgroup_root: config.cgroup_root.clone(),
        };
        if let Err(error) = up.publish() {
            tracing::warn!("scenarios will not find this recorder: {error:#}");
        }
        say(&format!("recording into {}", data_dir.display()));
        if let Some(notice) = health.notice() {
            say(&format!("note: {notice}"));
        }
        say(&format!("open {}   (Ctrl-C stops and seals)", place.link));
        if self.open {
            open_in_browser(&place.link);
        }

        let (stop, stopped) = tokio::sync::watch::channel(false);
        let settings = Settings::new(data_dir.clone(), config.retention);
        let mut consolidation =
            Consolidation::start(settings, Arc::default(), Progress::hidden(), false);
        let viewer = tokio::spawn(fgm_viewer::serve(
            place,
            AppState::new(data_dir),
            until(stopped),
        ));
        let mut consolidates = true;
        let failed = {
            let mut end = std::pin::pin!(async {
                tokio::select! {
                    () = stop_signal() => None,
                    () = elapsed(self.run_for) => None,
                    failure = recording.failure() => Some(failure),
                }
            });
            loop {
                tokio::select! {
                    failed = &mut end => break failed,
                    ended = consolidation.ended(), if consolidates => {
                        consolidates = false;
                        // Another one may be at work here: recording and looking go on.
                        if let Err(error) = ended {
                            let why = fgm_collector::run::explain(&error);
                            tracing::warn!("not consolidating: {why}");
                        }
                    }
                }
            }
        };
        up.withdraw();
        say("stopping: the last rows are sealed");
        let _ = stop.send(true);
        recording.stop().await?;
        if consolidates {
            consolidation.stop().await?;
        }
        viewer.await.context("the viewer panicked")?;
        failed.map_or(Ok(()), Err)
    }
}

async fn until(mut stopped: tokio::sync::watch::Receiver<bool>) {
    // An error means that the sender is gone: the end as well.
    let _ = stopped.wait_for(|stop| *stop).await;
}

async fn elapsed(duration: Option<Duration>) {
    match duration {
        Some(duration) => tokio::time::sleep(duration).await,
        None => std::future::pending().await,
    }
}

/// A directory for the Pod objects of scenarios; `None` where it cannot be made.
fn own_pods_dir() -> Option<PathBuf> {
    let dir = crate::state_dir::path().ok()?.join("pods");
    std::fs::create_dir_all(&dir).ok()?;
    Some(dir)
}
