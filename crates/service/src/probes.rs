//! The three pages of a daemon that is looked after: `/healthz`, `/readyz`, `/metrics`.

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use std::sync::Arc;

/// What a program says of itself.
pub trait Health: Send + Sync + 'static {
    /// Whether its work goes on: `/healthz`.
    ///
    /// # Errors
    /// One sentence that says what is wrong.
    fn alive(&self) -> Result<(), String>;

    /// Whether it does what it is for: `/readyz`.
    ///
    /// # Errors
    /// One sentence that says what is missing.
    fn ready(&self) -> Result<(), String>;

    /// Its metrics in the OpenMetrics text format.
    fn metrics_text(&self) -> String;
}

/// The pages over that health.
pub fn router<H: Health>(health: Arc<H>) -> Router {
    Router::new()
        .route("/healthz", get(healthz::<H>))
        .route("/readyz", get(readyz::<H>))
        .route("/metrics", get(metrics::<H>))
        .with_state(health)
}

async fn healthz<H: Health>(State(health): State<Arc<H>>) -> impl IntoResponse {
    answer(health.alive())
}

async fn readyz<H: Health>(State(health): State<Arc<H>>) -> impl IntoResponse {
    answer(health.ready())
}

fn answer(state: Result<(), String>) -> (StatusCode, String) {
    match state {
        Ok(()) => (StatusCode::OK, "ok\n".to_owned()),
        Err(reason) => (StatusCode::SERVICE_UNAVAILABLE, format!("{reason}\n")),
    }
}

async fn metrics<H: Health>(State(health): State<Arc<H>>) -> impl IntoResponse {
    let content_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    (
        [(header::CONTENT_TYPE, content_type)],
        health.metrics_text(),
    )
}
