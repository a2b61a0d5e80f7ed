//! HTTP API over the stored data, and the page that shows it.
//!
//! Everything is a GET over one data directory that somebody else writes; nothing is kept here
//! but small caches. Answers are JSON, or [`fgmf`] frames for values. Reads run on threads that
//! may block, a few at a time and against a deadline. The same code runs as `fgm-viewer` and
//! inside `fgm-lab up`.

mod answers;
mod api;
pub mod fgmf;
mod notes;
mod page;
mod params;
mod reduce;
mod sel;
mod state;
mod tail;
mod telemetry;

pub use notes::pin as pin_note;
pub use state::AppState;

use fgm_service::problem;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::header;
use axum::middleware;
use axum::response::IntoResponse;
use axum::routing::get;
use fgm_service::http;
use fgm_service::listen::Place;
use problem::Problem;
use tower_http::CompressionLevel;
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::{NotForContentType, Predicate, SizeAbove};

/// A smaller answer is not worth compressing.
const WORTH_COMPRESSING: u64 = 1024;

/// A note is the largest thing that anybody may send.
const LARGEST_BODY_BYTES: usize = 32 << 10;

/// The whole site, for who may ask: see [`fgm_service::access`].
pub fn router(state: AppState) -> Router {
    let api = Router::new()
        .route("/meta", get(api::meta::meta))
        .route("/metrics", get(api::meta::metrics))
        .route("/containers", get(api::containers::containers))
        .route("/series", get(api::series::series))
        .route("/overview", get(api::overview::overview))
        .route("/heatmap", get(api::heatmap::heatmap))
        .route("/rank", get(api::rank::rank))
        .route("/diff", get(api::diff::diff))
        .route("/find", get(api::find::find))
        .route("/export.csv", get(api::export::csv))
        .route("/export.parquet", get(api::export::parquet))
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
        .route("/tail", get(tail::tail))
        .route("/openapi.json", get(openapi));
    let worth = || SizeAbove::new(WORTH_COMPRESSING).and(NotForContentType::SSE);
    Router::new()
        .route("/", get(page::index))
        .route("/healthz", get(page::healthz))
        .route("/readyz", get(page::readyz))
        .route("/metrics", get(telemetry::metrics))
        .nest("/api/v1", api)
        .fallback(async || Problem::not_found())
        .method_not_allowed_fallback(async || Problem::wrong_method())
        .layer(middleware::from_fn_with_state(
            state.clone(),
            telemetry::count,
        ))
        // The inner one is asked first: zstd where it is taken, it is the cheapest by far.
        .layer(
            CompressionLayer::new()
                .no_gzip()
                .no_br()
                .quality(CompressionLevel::Precise(1))
                .compress_when(worth()),
        )
        .layer(
            CompressionLayer::new()
                .no_zstd()
                .quality(CompressionLevel::Precise(1))
                .compress_when(worth()),
        )
        .layer(DefaultBodyLimit::max(LARGEST_BODY_BYTES))
        .with_state(state)
}

/// `GET /api/v1/openapi.json`: kept by hand; tests hold it against the routes and the answers.
async fn openapi() -> impl IntoResponse {
    let headers = [
        (header::CONTENT_TYPE, "application/json"),
        (header::CACHE_CONTROL, "no-cache"),
    ];
    (headers, include_str!("../openapi.json"))
}

/// Serves a data directory until `shutdown` ends.
pub async fn serve(place: Place, state: AppState, shutdown: impl Future<Output = ()>) {
    let site = router(state.clone());
    serve_site(place, site, &state, shutdown).await;
}

/// The same with a site around it, such as a gateway of which this is one node.
pub async fn serve_site(
    place: Place,
    site: Router,
    state: &AppState,
    shutdown: impl Future<Output = ()>,
) {
    http::serve(place.listener, place.access.guard(site), async move {
        shutdown.await;
        // Streams never end by themselves.
        state.closing.send_replace(true);
    })
    .await;
}
