//! Starting and stopping a consolidation: the lock, the worker thread, the drain.

use crate::archive::Archive;
use crate::config::{Config, Settings};
use crate::dry_run;
use crate::health::Health;
use crate::progress::Progress;
use crate::round::Rounds;
use anyhow::Context;
use fgm_service::signal::stop_signal;
use fgm_service::{log, probes};
use fgm_store::merge::Planner;
use fgm_store::{DataDir, Lock, Role, lock};
use std::io::Write;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Free disk and age are looked after at least this often, as `fgm` does when it is alone.
const RETAIN_EVERY: Duration = Duration::from_mins(1);

/// Runs `fgm-consolidator` until SIGTERM or Ctrl-C, or once.
///
/// # Errors
/// What prevents the work, and what to do about it; with `--once` also that something failed.
pub fn run(config: &Config) -> anyhow::Result<()> {
    let progress = Progress::on_terminal();
    let writer = progress.clone();
    log::start_with(move || writer.log_writer());
    let settings = config.settings()?;
    // The work has a thread of its own; one more serves probes, signals and the archive.
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")?
        .block_on(async {
            if config.dry_run {
                return show_plan(&settings).await;
            }
            consolidate(config, settings, progress).await
        })
}

async fn show_plan(settings: &Settings) -> anyhow::Result<()> {
    let plan = dry_run::plan(settings).await?;
    match std::io::stdout().lock().write_all(plan.as_bytes()) {
        // A reader such as `head` that has seen enough is no failure.
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        result => result.context("cannot write the plan"),
    }
}

async fn consolidate(
    config: &Config,
    settings: Settings,
    progress: Progress,
) -> anyhow::Result<()> {
    let health = Arc::new(Health::default());
    let mut pages = None;
    if !config.once {
        let listener = TcpListener::bind(config.listen).await.with_context(|| {
            format!(
                "cannot listen on {}: choose another address with --listen",
                config.listen
            )
        })?;
        let router = probes::router(Arc::clone(&health));
        pages = Some(tokio::spawn(
            async move { axum::serve(listener, router).await },
        ));
    }
    let mut work = Consolidation::start(settings, health, progress, config.once);
    let early = tokio::select! {
        () = stop_signal() => None,
        ended = work.ended() => Some(ended),
    };
    let result = match early {
        Some(ended) => ended,
        None => {
            tracing::info!("stopping: what is being merged is given up and merged later");
            tokio::spawn(async {
                stop_signal().await;
                std::process::exit(130);
            });
            work.stop().await
        }
    };
    if let Some(pages) = pages {
        pages.abort();
    }
    result
}

/// A running consolidation, in a thread of its own.
#[derive(Debug)]
pub struct Consolidation {
    stop: watch::Sender<bool>,
    work: JoinHandle<anyhow::Result<()>>,
}

impl Consolidation {
    /// Begins: takes the lock (waiting up to 30 s for a predecessor), then works round after
    /// round, or only once.
    ///
    /// To be called within a runtime.
    #[must_use]
    pub fn start(settings: Settings, health: Arc<Health>, progress: Progress, once: bool) -> Self {
        let (stop, stopped) = watch::channel(false);
        let runtime = Handle::current();
        let work = tokio::task::spawn_blocking(move || {
            work(&settings, &health, progress, once, &runtime, &stopped)
        });
        Self { stop, work }
    }

    /// Ends when the work cannot go on, or is done.
    ///
    /// # Errors
    /// Why it cannot go on.
    pub async fn ended(&mut self) -> anyhow::Result<()> {
        (&mut self.work).await.context("the work ended badly")?
    }

    /// Gives up what is being done, at a point from which it can be repeated, and lets go of
    /// the lock.
    ///
    /// # Errors
    /// When the work had ended with a failure.
    pub async fn stop(self) -> anyhow::Result<()> {
        self.stop.send_replace(true);
        self.work.await.context("the work ended badly")?
    }
}

fn work(
    settings: &Settings,
    health: &Arc<Health>,
    progress: Progress,
    once: bool,
    runtime: &Handle,
    stopped: &watch::Receiver<bool>,
) -> anyhow::Result<()> {
    let dir = DataDir::create(&settings.data_dir)?;
    let archive = settings.archive.as_ref().map(Archive::open).transpose()?;
    let Some(lock) = acquire(&dir, stopped)? else {
        return Ok(());
    };
    health.set_locked();
    let mut rounds = Rounds {
        dir,
        settings: settings.clone(),
        archive,
        health: Arc::clone(health),
        progress,
        runtime: runtime.clone(),
        stopped: stopped.clone(),
        planner: Planner::default(),
        said: std::collections::BTreeSet::new(),
    };
    rounds.prepare()?;
    let mut last_round = None::<Instant>;
    loop {
        // Best effort: without it the grace of a killed consolidator is shorter.
        let _ = lock.touch();
        let failures = if last_round.is_none_or(|at| at.elapsed() >= settings.interval) {
            last_round = Some(Instant::now());
            rounds.round()
        } else {
            rounds.retain_only()
        };
        if once {
            anyhow::ensure!(
                failures == 0,
                "{failures} of what was due failed, see above; it is left as it was and can be \
                 tried again"
            );
            return Ok(());
        }
        let until_round = last_round.map_or(Duration::ZERO, |at| {
            settings.interval.saturating_sub(at.elapsed())
        });
        if rounds.wait(until_round.min(RETAIN_EVERY)) {
            return Ok(());
        }
    }
}

/// Takes the lock; `None` when the end came first.
fn acquire(dir: &DataDir, stopped: &watch::Receiver<bool>) -> anyhow::Result<Option<Lock>> {
    let began = Instant::now();
    loop {
        if *stopped.borrow() {
            return Ok(None);
        }
        match Lock::acquire(dir, Role::Consolidator, Duration::from_millis(200)) {
            Ok(lock) => return Ok(Some(lock)),
            Err(lock::LockError::Held { .. }) if began.elapsed() < lock::WAIT => {}
            Err(error) => return Err(error.into()),
        }
    }
}
