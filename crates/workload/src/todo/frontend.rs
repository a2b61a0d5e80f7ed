//! The page, and a way through to the backend for what the page asks.

use super::client::Client;
use anyhow::Context;
use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{any, get};
use axum::{Json, Router};
use clap::Args;
use serde_json::json;
use std::net::SocketAddr;
use std::process::ExitCode;

/// What a browser may send.
const LARGEST_BODY_BYTES: usize = 16 << 10;

#[derive(Debug, Args)]
pub(crate) struct Frontend {
    /// Where to serve
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,

    /// The backend
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8081")]
    backend: String,
}

impl Frontend {
    pub(super) async fn serve(self, ended: impl Future<Output = u8>) -> anyhow::Result<ExitCode> {
        let backend = Client::new(&self.backend)?;
        super::serve(self.listen, site(backend), ended).await
    }
}

fn site(backend: Client) -> Router {
    Router::new()
        .route("/", get(|| async { Html(include_str!("page.html")) }))
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/api/{*path}", any(pass_on))
        .layer(DefaultBodyLimit::max(LARGEST_BODY_BYTES))
        .with_state(backend)
}

async fn pass_on(
    State(backend): State<Client>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let path = uri.path_and_query().cloned().context("no path");
    // As it came: what is no JSON is refused, so no form of another site writes here.
    let body = headers
        .get(header::CONTENT_TYPE)
        .map(|of| (of.clone(), body));
    let answer = match path {
        Ok(path) => backend.ask(method, path, body).await,
        Err(error) => Err(error),
    };
    match answer {
        Ok(answer) => {
            let mut response = Response::new(Body::from(answer.body));
            *response.status_mut() = answer.status;
            if let Some(content_type) = answer.content_type {
                response
                    .headers_mut()
                    .insert(header::CONTENT_TYPE, content_type);
            }
            response
        }
        Err(error) => {
            tracing::warn!("{error:#}");
            let why = json!({"error": format!("{error:#}")});
            (StatusCode::BAD_GATEWAY, Json(why)).into_response()
        }
    }
}
