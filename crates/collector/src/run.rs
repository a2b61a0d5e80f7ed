//! Starting and stopping a recording: the lock, what was left over, the threads, the drain.

use crate::clock;
use crate::config::{Config, Listen};
use crate::events::EventMaker;
use crate::grid::Grid;
use crate::health::Health;
use crate::http;
use crate::identity::Identity;
use crate::keeper::{Keeper, ToKeeper};
use crate::readings::Readings;
use crate::recall;
use crate::report::Repeated;
use crate::sampler::Sampler;
use crate::stop::Stop;
use crate::writer::{Batch, Writer};
use anyhow::Context;
use fgm_model::{Recorder, Table};
pub use fgm_service::explain;
pub use fgm_service::log::start as start_log;
pub use fgm_service::signal::stop_signal;
use fgm_store::state::{self, Clock};
use fgm_store::{DataDir, Lock, Role, Rotation, last_rows, lock, recover};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc;
use std::thread::JoinHandle;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

/// Batches that may wait for the disk before the tick thread does.
const QUEUED_BATCHES: usize = 8;

/// Runs `fgm`: records until SIGTERM or Ctrl-C, then drains and seals.
///
/// # Errors
/// What prevents recording, and what to do about it.
pub fn run(config: &Config, listen: &Listen) -> anyhow::Result<()> {
    start_log();
    // One thread serves the probes; everything else has a plain thread of its own.
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")?
        .block_on(record(config, listen))
}

async fn record(config: &Config, listen: &Listen) -> anyhow::Result<()> {
    let health = Arc::new(Health::new(config.interval));
    let listener = TcpListener::bind(listen.listen).await.with_context(|| {
        format!(
            "cannot listen on {}: choose another address with --listen",
            listen.listen
        )
    })?;
    let pages = axum::serve(listener, http::router(Arc::clone(&health)));
    let pages = tokio::spawn(async move { pages.await });
    let mut recording = tokio::select! {
        recording = Recording::start(config, Arc::clone(&health)) => recording?,
        // Nothing was recorded yet: there is nothing to drain.
        () = stop_signal() => return Ok(()),
    };
    if let Some(notice) = health.notice() {
        tracing::warn!("{notice}");
    }
    let failed = tokio::select! {
        () = stop_signal() => None,
        failure = recording.failure() => Some(failure),
    };
    tracing::info!("stopping: the last rows are sealed; a second signal ends at once");
    tokio::spawn(async {
        stop_signal().await;
        std::process::exit(130);
    });
    recording.stop().await?;
    pages.abort();
    failed.map_or(Ok(()), Err)
}

/// A running recording.
#[derive(Debug)]
pub struct Recording {
    stop: Stop,
    tick: JoinHandle<()>,
    ended: oneshot::Receiver<anyhow::Error>,
    others: Vec<JoinHandle<()>>,
    identity: Identity,
    lock: Lock,
}

impl Recording {
    /// Takes the recorder lock (waiting up to 30 s for a predecessor), seals what was left over
    /// and starts to record.
    ///
    /// # Errors
    /// The data directory cannot be used or is another recorder's, or there is no cgroup v2
    /// tree or `/proc` to read.
    pub async fn start(config: &Config, health: Arc<Health>) -> anyhow::Result<Self> {
        let config = config.clone();
        tokio::task::spawn_blocking(move || Self::start_blocking(&config, &health))
            .await
            .context("the start was interrupted")?
    }

    fn start_blocking(config: &Config, health: &Arc<Health>) -> anyhow::Result<Self> {
        raise_open_files();
        let path = config.data_dir()?;
        let dir = DataDir::create(&path)?;
        let lock = Lock::acquire(&dir, Role::Recorder, lock::WAIT)?;
        health.set_locked();
        let recovered = recover(&dir)?;
        for (path, error) in &recovered.failed {
            tracing::error!("left for the next start: {}: {error}", path.display());
        }
        for path in &recovered.quarantined {
            tracing::warn!("not readable, moved to {}", path.display());
        }
        if !recovered.sealed.published.is_empty() {
            let rows: u64 = recovered
                .sealed
                .published
                .iter()
                .map(|file| file.rows)
                .sum();
            tracing::info!(rows, "sealed what an earlier recorder left in the spool");
        }

        let recorder = recorder(config)?;
        let mut known = last_rows(&dir, Table::Metrics)?;
        for table in [Table::Pods, Table::Node] {
            known.join(last_rows(&dir, table)?);
        }
        let stored_epoch = state::read::<Clock>(&dir, state::CLOCK)?.unwrap_or_default();
        let facts = recall::facts(dir.root(), &known, clock::wall_us() / 1000)?;
        let clock_epoch = stored_epoch.clock_epoch.max(known.clock_epoch);
        let grid = Grid::new(config.interval, clock_epoch, known.last_time_ms);

        let (stop, stopped) = Stop::pair()?;
        let identity = Identity::start(config, &recorder.node, health)?;
        let pods = identity.pods().clone();
        let readings = Readings::new(
            config,
            &recorder.boot_id,
            known,
            facts,
            pods.clone(),
            Arc::clone(health),
        )?;
        let sampler = Sampler {
            interval: config.interval,
            grid,
            readings,
            events: EventMaker::new(recorder.clone()),
            health: Arc::clone(health),
            last: None,
        };

        let interval_ms = i64::try_from(config.interval.as_millis())?;
        let seal_ms = i64::try_from(config.seal.as_millis())?;
        let no_space = Arc::new(AtomicBool::new(false));
        let (to_writer, batches) = mpsc::sync_channel::<Batch>(QUEUED_BATCHES);
        let (give_back, used) = mpsc::channel();
        let (to_keeper, messages) = mpsc::channel::<ToKeeper>();
        let keeper = Keeper {
            dir: dir.clone(),
            pods,
            health: Arc::clone(health),
            retention: config.retention,
            no_space: Arc::clone(&no_space),
        };
        let writer = Writer {
            dir,
            clock_epoch,
            recorder,
            interval_ms,
            rotation: Rotation::new(seal_ms),
            spool: None,
            health: Arc::clone(health),
            keeper: to_keeper,
            no_space,
            trouble: Repeated::default(),
        };
        let others = vec![
            thread("fgm-keeper", move || keeper.run(&messages))?,
            thread("fgm-writer", move || writer.run(&batches, &give_back))?,
        ];
        let (failed, ended) = oneshot::channel();
        let tick = thread("fgm-tick", move || {
            if let Err(error) = sampler.run(&stopped, &to_writer, &used) {
                // Nobody listens any more when the recording is being stopped.
                let _ = failed.send(error);
            }
        })?;
        Ok(Self {
            stop,
            tick,
            ended,
            others,
            identity,
            lock,
        })
    }

    /// Ends when recording cannot go on, with the reason.
    pub async fn failure(&mut self) -> anyhow::Error {
        match (&mut self.ended).await {
            Ok(error) => error,
            Err(_) => anyhow::anyhow!("the tick thread ended unexpectedly; see the log"),
        }
    }

    /// Takes the last rows, closes and seals the spool, and lets go of the lock.
    ///
    /// # Errors
    /// When a thread ended badly.
    pub async fn stop(self) -> anyhow::Result<()> {
        self.stop.request();
        tokio::task::spawn_blocking(move || {
            // Each is waited for, also after one that ended badly.
            let ends: Vec<_> = std::iter::once(self.tick)
                .chain(self.others.into_iter().rev())
                .map(JoinHandle::join)
                .collect();
            let ended_well = ends.iter().all(Result::is_ok);
            drop(self.identity);
            drop(self.lock);
            anyhow::ensure!(ended_well, "a thread of the recorder panicked; see the log");
            Ok(())
        })
        .await
        .context("the stop was interrupted")?
    }
}

fn thread(name: &str, body: impl FnOnce() + Send + 'static) -> anyhow::Result<JoinHandle<()>> {
    std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(body)
        .with_context(|| format!("cannot start the thread {name}"))
}

fn recorder(config: &Config) -> anyhow::Result<Recorder> {
    let host = rustix::system::uname()
        .nodename()
        .to_string_lossy()
        .into_owned();
    let name = |given: &Option<String>| given.clone().unwrap_or_else(|| host.clone());
    Ok(Recorder {
        node: name(&config.node_name),
        boot_id: fgm_proc::facts::boot_id(&config.proc_root)?,
        recorder: name(&config.pod_name),
    })
}

/// Kept descriptors need room: the soft limit is raised to the hard one.
fn raise_open_files() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    if limit.current != limit.maximum
        && let Err(error) = setrlimit(Resource::Nofile, raised)
    {
        tracing::warn!("cannot raise the limit of open files: {error}");
    }
}
