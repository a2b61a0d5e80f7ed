//! The keeper thread: what the disk needs, off the path of the samples.
//!
//! Every 10 s the open spool is synced (a power cut loses at most that); a closed spool is
//! sealed at once, and again later if that failed; every minute retention and the free-disk
//! guard are looked after. What a viewer should know of the recording is kept beside the data.

use crate::clock;
use crate::health::Health;
use crate::identity::Pods;
use crate::report::Repeated;
use fgm_service::flags::Retention;
use fgm_store::retain;
use fgm_store::state::{self, Recording};
use fgm_store::{DataDir, StoreError, seal_named, spool};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant, SystemTime};
use ulid::Ulid;

const SYNC_EVERY: Duration = Duration::from_secs(10);
const RETAIN_EVERY: Duration = Duration::from_secs(60);
const RETRY_EVERY: Duration = Duration::from_secs(10);

/// What the writer tells the keeper.
#[derive(Debug)]
pub(crate) enum ToKeeper {
    /// A spool was begun.
    Opened(Ulid),
    /// A spool is complete: seal it.
    Closed(Ulid),
}

/// What the keeper needs to know.
#[derive(Debug)]
pub(crate) struct Keeper {
    pub(crate) dir: DataDir,
    pub(crate) pods: Pods,
    pub(crate) health: Arc<Health>,
    pub(crate) retention: Retention,
    pub(crate) no_space: Arc<AtomicBool>,
}

#[derive(Debug, Default)]
struct Work {
    open: Option<Ulid>,
    unsealed: Vec<Ulid>,
    seal_trouble: Repeated,
    sync_trouble: Repeated,
    retain_trouble: Repeated,
    state_trouble: Repeated,
    told: Option<Recording>,
}

impl Keeper {
    /// Works until the writer is gone and what it left is sealed.
    pub(crate) fn run(self, messages: &Receiver<ToKeeper>) {
        let mut work = Work::default();
        let mut synced = Instant::now();
        let mut retained = None::<Instant>;
        let mut tried = Instant::now();
        loop {
            match messages.recv_timeout(Duration::from_secs(1)) {
                Ok(ToKeeper::Opened(ulid)) => work.open = Some(ulid),
                Ok(ToKeeper::Closed(ulid)) => {
                    work.open = None;
                    work.unsealed.push(ulid);
                    self.seal_all(&mut work);
                    tried = Instant::now();
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => {
                    self.seal_all(&mut work);
                    return;
                }
            }
            self.tell_state(&mut work);
            if synced.elapsed() >= SYNC_EVERY {
                self.sync(&mut work);
                synced = Instant::now();
            }
            if !work.unsealed.is_empty() && tried.elapsed() >= RETRY_EVERY {
                self.seal_all(&mut work);
                tried = Instant::now();
            }
            let retain_every = if self.no_space.load(Ordering::Relaxed) {
                RETRY_EVERY
            } else {
                RETAIN_EVERY
            };
            if retained.is_none_or(|at| at.elapsed() >= retain_every) {
                self.retain(&mut work);
                retained = Some(Instant::now());
            }
        }
    }

    /// Keeps what a viewer should tell a person beside the data.
    fn tell_state(&self, work: &mut Work) {
        let recording = Recording {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            notice: self.health.notice(),
        };
        if work.told.as_ref() == Some(&recording) {
            return;
        }
        match state::write(&self.dir, state::RECORDING, &recording) {
            Ok(()) => work.told = Some(recording),
            Err(error) if work.state_trouble.again(1) => tracing::warn!("{error}"),
            Err(_) => {}
        }
    }

    fn sync(&self, work: &mut Work) {
        let Some(ulid) = work.open else { return };
        match spool::sync(&self.dir, ulid) {
            Ok(()) => {
                work.sync_trouble.over();
            }
            Err(error) if work.sync_trouble.again(1) => {
                tracing::warn!("{error}");
            }
            Err(_) => {}
        }
    }

    fn seal_all(&self, work: &mut Work) {
        let began = clock::thread_cpu();
        let mut waiting = Vec::new();
        for ulid in work.unsealed.drain(..) {
            match seal_named(&self.dir, ulid, &|id, life| self.pods.late(id, life)) {
                Ok(report) => {
                    for file in &report.published {
                        self.health.segments.inc();
                        self.health.segment_bytes.inc_by(file.bytes);
                    }
                    work.seal_trouble.over();
                }
                Err(error) => {
                    self.health.seal_failures.inc();
                    if work.seal_trouble.again(1) {
                        tracing::error!(
                            "cannot seal a spool, its rows stay in _spool and are sealed later: {error}"
                        );
                    }
                    waiting.push(ulid);
                }
            }
        }
        work.unsealed = waiting;
        let spent = clock::thread_cpu().saturating_sub(began);
        self.health.seal_cpu.inc_by(spent.as_secs_f64());
    }

    fn retain(&self, work: &mut Work) {
        match self.try_retain() {
            Ok(()) => {
                work.retain_trouble.over();
            }
            Err(error) if work.retain_trouble.again(1) => {
                tracing::error!("retention failed and is tried again: {error}");
            }
            Err(_) => {}
        }
    }

    fn try_retain(&self) -> Result<(), StoreError> {
        let policy = self.retention.policy(&self.dir)?;
        let retained = retain::retain(&self.dir, &policy, SystemTime::now())?;
        self.health
            .deleted_hours
            .inc_by(u64::try_from(retained.units).unwrap_or(u64::MAX));
        self.health.deleted_bytes.inc_by(retained.bytes);
        let stop = retained.stop_recording;
        match (self.no_space.swap(stop, Ordering::Relaxed), stop) {
            (false, true) => tracing::error!(
                "recording stops: too little free disk and nothing older to delete; \
                 free space or lower --min-free-disk"
            ),
            (true, false) => tracing::info!("enough free disk again: recording goes on"),
            _ => {}
        }
        Ok(())
    }
}
