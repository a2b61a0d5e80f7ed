//! Being asked to end.

use tokio::signal::unix::{SignalKind, signal};

/// Ends at SIGTERM or SIGINT.
pub async fn stop_signal() {
    let term = async {
        match signal(SignalKind::terminate()) {
            Ok(mut term) => {
                term.recv().await;
            }
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        () = term => {}
        _ = tokio::signal::ctrl_c() => {}
    }
}
