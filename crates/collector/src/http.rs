//! The recorder's own three pages: `/healthz`, `/readyz`, `/metrics`.

use crate::clock;
use crate::health::Health;
use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use fgm_proc::facts;
use std::path::Path;
use std::sync::Arc;

/// The routes over that health.
pub fn router(health: Arc<Health>) -> Router {
    Router::new()
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .with_state(health)
}

async fn healthz(State(health): State<Arc<Health>>) -> impl IntoResponse {
    answer(health.alive(clock::now().boot_us))
}

async fn readyz(State(health): State<Arc<Health>>) -> impl IntoResponse {
    answer(health.ready(clock::now().boot_us))
}

fn answer(state: Result<(), String>) -> (StatusCode, String) {
    match state {
        Ok(()) => (StatusCode::OK, "ok\n".to_owned()),
        Err(reason) => (StatusCode::SERVICE_UNAVAILABLE, format!("{reason}\n")),
    }
}

async fn metrics(State(health): State<Arc<Health>>) -> impl IntoResponse {
    if let Ok(memory) = facts::own_memory(Path::new("/proc")) {
        health.set_own_memory(memory.rss_bytes, memory.anon_bytes);
    }
    let content_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    (
        [(header::CONTENT_TYPE, content_type)],
        health.metrics_text(),
    )
}
