//! Many nodes behind one origin.
//!
//! ```text
//! /                       the own node's page, or /nodes
//! /nodes                  a page: who is there, how fresh its data are, who stands out
//! /node/<name>/...        that node's viewer, with the token added
//! /api/v1/nodes           the same list as JSON
//! /api/v1/find?q=         a container on any node
//! /api/v1/openapi.json    the two above; each viewer describes itself
//! ```
//!
//! It passes on what viewers say, streams and downloads too, and reads of it only what the list
//! and the search need. Who may ask is decided before: see [`fgm_service::access`].

mod ask;
mod find;
mod list;
mod list_page;
mod node;
pub mod pods;
mod proxy;

pub use node::{Node, NodeList, Peer, client};

use axum::Router;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};
use fgm_service::problem::Problem;
use fgm_service::token::Token;
use node::Nodes;
use std::sync::Arc;

/// The nodes of one origin. `token` is given to each peer.
///
/// # Errors
/// When no client can be made.
pub fn router(nodes: NodeList, token: Option<Arc<Token>>) -> anyhow::Result<Router> {
    let nodes = Nodes::new(nodes, token)?;
    Ok(Router::new()
        .route("/", get(home))
        .route("/nodes", get(list_page::page))
        .route("/api/v1/nodes", get(list::list))
        .route("/api/v1/find", get(find::find))
        .route("/api/v1/openapi.json", get(openapi))
        .route("/node/{name}", get(with_slash))
        .route("/node/{name}/", any(proxy::pass))
        .route("/node/{name}/{*path}", any(proxy::pass))
        .route("/healthz", get(proxy::own))
        .route("/readyz", get(proxy::own))
        .route("/metrics", get(proxy::own))
        .method_not_allowed_fallback(async || Problem::wrong_method())
        .fallback(async || {
            Problem::not_found_here("nodes are listed at /nodes, each lies below /node/<name>/")
        })
        .with_state(Arc::new(nodes)))
}

/// `GET /api/v1/openapi.json`: kept by hand; a story holds it against the answers.
async fn openapi() -> impl IntoResponse {
    let headers = [
        (header::CONTENT_TYPE, "application/json"),
        (header::CACHE_CONTROL, "no-cache"),
    ];
    (headers, include_str!("../openapi.json"))
}

/// `GET /`
async fn home(State(nodes): State<Arc<Nodes>>) -> Response {
    match nodes.own() {
        Some(own) => see_other(&format!("node/{}/", own.name)),
        None => see_other("nodes"),
    }
}

/// `GET /node/NAME`: everything in a page is relative to its folder.
async fn with_slash(
    State(nodes): State<Arc<Nodes>>,
    name: Result<Path<String>, PathRejection>,
) -> Result<Response, Problem> {
    let Path(name) = name.map_err(|_| Problem::not_found())?;
    let node = nodes.get(&name)?;
    Ok(see_other(&format!("{}/", node.name)))
}

/// A relative address: this may itself be mounted below a path.
fn see_other(to: &str) -> Response {
    let to = [(header::LOCATION, to.to_owned())];
    (axum::http::StatusCode::SEE_OTHER, to).into_response()
}
