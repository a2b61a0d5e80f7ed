//! The API: create, read, update and delete over HTTP. What it confirms is on the database's disk.

use super::database::{Away, Database};
use super::{Change, Item, MOST_LETTERS, NewItem};
use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use clap::Args;
use serde::Deserialize;
use serde_json::json;
use std::net::SocketAddr;
use std::process::ExitCode;

#[derive(Debug, Args)]
pub(crate) struct Backend {
    /// Where to serve
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8081")]
    listen: SocketAddr,

    /// The database: postgres://USER:PASSWORD@HOST:PORT/DATABASE
    #[arg(long, value_name = "URL", env = "DATABASE_URL", hide_env_values = true)]
    database: String,

    /// Connections to the database, at most
    #[arg(long, value_name = "N", default_value_t = 8)]
    connections: usize,
}

impl Backend {
    pub(super) async fn serve(self, ended: impl Future<Output = u8>) -> anyhow::Result<ExitCode> {
        let database = Database::new(&self.database, self.connections)?;
        let preparing = database.clone();
        tokio::spawn(async move { preparing.prepare().await });
        super::serve(self.listen, site(database), ended).await
    }
}

fn site(database: Database) -> Router {
    Router::new()
        .route("/api/todos", get(list).post(create))
        .route("/api/todos/{id}", get(one).patch(change).delete(delete))
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .with_state(database)
}

/// Why there is no answer.
enum Refusal {
    Input(String),
    Missing(i64),
    Away(Away),
}

impl From<Away> for Refusal {
    fn from(away: Away) -> Self {
        Self::Away(away)
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let (status, why) = match self {
            Self::Input(why) => (StatusCode::BAD_REQUEST, why),
            Self::Missing(id) => (StatusCode::NOT_FOUND, format!("there is no todo {id}")),
            Self::Away(away) => {
                tracing::warn!("{away}");
                (StatusCode::SERVICE_UNAVAILABLE, away.to_string())
            }
        };
        let mut response = (status, Json(json!({"error": why}))).into_response();
        if status == StatusCode::SERVICE_UNAVAILABLE {
            let later = header::HeaderValue::from_static("1");
            response.headers_mut().insert(header::RETRY_AFTER, later);
        }
        response
    }
}

/// Which todos a list is to have.
#[derive(Debug, Deserialize)]
struct Filter {
    /// How their texts begin.
    #[serde(default)]
    text: String,
}

async fn list(
    State(database): State<Database>,
    Query(filter): Query<Filter>,
) -> Result<Json<Vec<Item>>, Refusal> {
    // PostgreSQL has no text with that byte.
    if filter.text.contains('\0') {
        return Err(Refusal::Input("no todo begins so".to_owned()));
    }
    Ok(Json(database.list(&filter.text).await?))
}

async fn create(
    State(database): State<Database>,
    new: Result<Json<NewItem>, JsonRejection>,
) -> Result<(StatusCode, Json<Item>), Refusal> {
    let Json(new) = new.map_err(|error| Refusal::Input(error.body_text()))?;
    let text = new.text.trim();
    if text.is_empty() || text.chars().count() > MOST_LETTERS || text.contains('\0') {
        let why = format!("a todo has 1 to {MOST_LETTERS} letters");
        return Err(Refusal::Input(why));
    }
    let made = database.create(text).await?;
    let made = made.ok_or_else(|| Away::Unconfirmed("no row came back".to_owned()))?;
    Ok((StatusCode::CREATED, Json(made)))
}

async fn one(State(database): State<Database>, Path(id): Path<i64>) -> Result<Json<Item>, Refusal> {
    let found = database.get(id).await?;
    found.map(Json).ok_or(Refusal::Missing(id))
}

async fn change(
    State(database): State<Database>,
    Path(id): Path<i64>,
    change: Result<Json<Change>, JsonRejection>,
) -> Result<Json<Item>, Refusal> {
    let Json(change) = change.map_err(|error| Refusal::Input(error.body_text()))?;
    let changed = database.change(id, change.done).await?;
    changed.map(Json).ok_or(Refusal::Missing(id))
}

async fn delete(
    State(database): State<Database>,
    Path(id): Path<i64>,
) -> Result<StatusCode, Refusal> {
    let deleted = database.delete(id).await?;
    deleted
        .map(|_| StatusCode::NO_CONTENT)
        .ok_or(Refusal::Missing(id))
}

async fn ready(State(database): State<Database>) -> (StatusCode, &'static str) {
    if database.is_there().await {
        (StatusCode::OK, "ok\n")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "the database is away\n")
    }
}
