//! HTTP API over the stored data, and the page that shows it.
//!
//! Everything is a GET over one data directory that somebody else writes; nothing is kept here
//! but small caches. Answers are JSON, or [`fgmf`] frames for values. Reads run on threads that
//! may block, a few at a time and against a deadline. The same code runs as `fgm-viewer` and
//! inside `fgm-lab up`.

mod answers;
mod api;
pub mod fgmf;
mod guard;
mod notes;
mod page;
mod params;
mod problem;
mod reduce;
mod sel;
mod state;
mod tail;

pub use state::AppState;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware;
use axum::routing::get;
use problem::Problem;
use std::io;
use std::path::PathBuf;
use tokio::net::TcpListener;
use tower_http::CompressionLevel;
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::{NotForContentType, Predicate, SizeAbove};

/// A smaller answer is not worth compressing.
const WORTH_COMPRESSING: u64 = 1024;

/// A note is the largest thing that anybody may send.
const LARGEST_BODY_BYTES: usize = 32 << 10;

/// The whole site.
pub fn router(state: AppState) -> Router {
    let api = Router::new()
        .route("/meta", get(api::meta::meta))
        .route("/metrics", get(api::meta::metrics))
        .route("/containers", get(api::containers::containers))
        .route("/series", get(api::series::series))
        .route("/overview", get(api::overview::overview))
        .route("/heatmap", get(api::heatmap::heatmap))
        .route("/rank", get(api::rank::rank))
        .route("/find", get(api::find::find))
        .route("/export.csv", get(api::export::csv))
        .route("/dashboards", get(api::dashboards::list))
        .route("/dashboards/{name}", get(api::dashboards::one))
        .route("/notes", get(api::notes::list))
        .route(
            "/notes/{id}",
            get(api::notes::get)
                .put(api::notes::put)
                .delete(api::notes::delete),
        )
        .route("/events", get(api::events::events))
        .route("/tail", get(tail::tail));
    let worth = || SizeAbove::new(WORTH_COMPRESSING).and(NotForContentType::SSE);
    Router::new()
        .route("/", get(page::index))
        .route("/healthz", get(page::healthz))
        .route("/readyz", get(page::readyz))
        .nest("/api/v1", api)
        .fallback(async || Problem::not_found())
        .method_not_allowed_fallback(async || Problem::wrong_method())
        // The inner one is asked first: zstd where it is taken, it is the cheaper by far.
        .layer(
            CompressionLayer::new()
                .no_gzip()
                .quality(CompressionLevel::Precise(3))
                .compress_when(worth()),
        )
        .layer(
            CompressionLayer::new()
                .no_zstd()
                .quality(CompressionLevel::Precise(1))
                .compress_when(worth()),
        )
        .layer(DefaultBodyLimit::max(LARGEST_BODY_BYTES))
        .layer(middleware::from_fn_with_state(state.clone(), guard::guard))
        .with_state(state)
}

/// Serves a data directory until `shutdown` ends.
///
/// # Errors
/// When the listener fails.
pub async fn serve(
    listener: TcpListener,
    data_dir: impl Into<PathBuf>,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    serve_state(listener, AppState::new(data_dir), shutdown).await
}

/// The same with a state made by the caller.
///
/// # Errors
/// When the listener fails.
pub async fn serve_state(
    listener: TcpListener,
    state: AppState,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let closing = state.closing.clone();
    axum::serve(listener, router(state))
        .with_graceful_shutdown(async move {
            shutdown.await;
            // Streams never end by themselves.
            closing.send_replace(true);
        })
        .await
}
