//! What must not stay behind: removed at the end, at Ctrl-C and SIGTERM, and, where the bench
//! itself was killed, by the next one.

use anyhow::Context;
use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::io::PipeWriter;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};

static LITTER: Mutex<Litter> = Mutex::new(Litter {
    leash: Vec::new(),
    recorder: None,
    cgroups: Vec::new(),
    folders: Vec::new(),
});

/// Everything that was made.
struct Litter {
    /// Processes read from these pipes and end with them: when they are dropped, at the latest
    /// when this process ends in whatever way.
    leash: Vec<PipeWriter>,
    recorder: Option<Pid>,
    /// Directories of cgroups with one level of cgroups below.
    cgroups: Vec<PathBuf>,
    folders: Vec<PathBuf>,
}

fn litter() -> MutexGuard<'static, Litter> {
    LITTER.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Processes that read from its other end are to go.
pub(crate) fn note_leash(leash: PipeWriter) {
    litter().leash.push(leash);
}

/// The running recorder, or none any more.
pub(crate) fn note_recorder(pid: Option<Pid>) {
    litter().recorder = pid;
}

/// A cgroup with one level below.
pub(crate) fn note_cgroup(directory: &Path) {
    litter().cgroups.push(directory.to_owned());
}

/// A temporary folder that would be left by a signal.
pub(crate) fn note_folder(folder: &Path) {
    litter().folders.push(folder.to_owned());
}

/// Removes everything noted.
pub(crate) fn remove() {
    let mut litter = litter();
    if let Some(pid) = litter.recorder.take() {
        let _ = kill_process(pid, Signal::KILL);
    }
    litter.leash.clear();
    for directory in litter.cgroups.drain(..) {
        remove_cgroup(&directory);
    }
    for folder in litter.folders.drain(..) {
        // Most are gone with the objects that they belong to.
        let _ = fs::remove_dir_all(folder);
    }
}

/// Removes a cgroup and those below it, waiting for their processes to end.
pub(crate) fn remove_cgroup(directory: &Path) {
    for _ in 0..100 {
        for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                let _ = fs::remove_dir(entry.path());
            }
        }
        if fs::remove_dir(directory).is_ok() || !directory.exists() {
            return;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    eprintln!("cannot remove {}: remove it by hand", directory.display());
}

/// From now on a signal that ends this process removes everything first.
pub(crate) fn removed_on_signals() -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    std::thread::Builder::new()
        .name("signals".to_owned())
        .spawn(move || {
            runtime.block_on(async {
                let Ok(mut term) = signal(SignalKind::terminate()) else {
                    return;
                };
                tokio::select! {
                    _ = term.recv() => {}
                    _ = tokio::signal::ctrl_c() => {}
                }
                remove();
                std::process::exit(130);
            });
        })?;
    Ok(())
}
