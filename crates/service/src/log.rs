//! The log: lines on standard error.

use std::io::{IsTerminal, Stderr, Write};

/// What the libraries of the watch of pods say of each attempt is said once by whoever watches.
const LOGGED: &str = "info,kube_runtime=off,kube_client=off";

/// Logs to standard error; `RUST_LOG` chooses what, by default information and worse.
pub fn start() {
    start_with(std::io::stderr as fn() -> Stderr);
}

/// The same through a writer to standard error, for a program that draws there as well.
pub fn start_with<W: Write>(writer: impl Fn() -> W + Send + Sync + 'static) {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new(LOGGED));
    // A second call (several parts in one process) changes nothing.
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(writer)
        .with_ansi(std::io::stderr().is_terminal())
        .try_init();
}
