//! The todo app: a page, an API behind it, PostgreSQL behind that, and a load generator before it
//! all. It does not fail by itself; it is there to be disrupted, and to lose nothing then.

mod backend;
mod client;
mod database;
mod frontend;
mod ledger;
mod load;

use anyhow::Context;
use axum::Router;
use clap::Subcommand;
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;
use tokio::net::TcpListener;

/// What was asked before the end is answered within that time.
const DRAIN_TIME: Duration = Duration::from_secs(5);
/// Letters of a todo, at most.
const MOST_LETTERS: usize = 500;

/// A part of the todo app.
#[derive(Debug, Subcommand)]
pub(crate) enum Todo {
    /// The todo app's API over PostgreSQL
    #[command(name = "todo-backend")]
    Backend(backend::Backend),
    /// The todo app's page, which passes questions on to its API
    #[command(name = "todo-frontend")]
    Frontend(frontend::Frontend),
    /// Use the todo app like people do, and end with an error when it lost what it had confirmed
    #[command(name = "todo-load")]
    Load(load::Load),
}

impl Todo {
    /// Works until `ended` tells a signal, or something is wrong for good.
    ///
    /// # Errors
    /// What is wrong.
    pub(crate) async fn run(self, ended: impl Future<Output = u8>) -> anyhow::Result<ExitCode> {
        match self {
            Self::Backend(backend) => backend.serve(ended).await,
            Self::Frontend(frontend) => frontend.serve(ended).await,
            Self::Load(load) => tokio::select! {
                lost = load.run() => Err(lost),
                signal = ended => Ok(crate::ended_by(signal)),
            },
        }
    }
}

/// A todo, as the API shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Item {
    id: i64,
    text: String,
    done: bool,
}

/// A todo that is to be.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct NewItem {
    text: String,
}

/// What is to become of a todo.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Change {
    done: bool,
}

/// Serves until a signal comes, and then answers what was asked.
async fn serve(
    listen: SocketAddr,
    site: Router,
    ended: impl Future<Output = u8>,
) -> anyhow::Result<ExitCode> {
    let listener = TcpListener::bind(listen).await;
    let listener = listener.with_context(|| format!("cannot listen on {listen}"))?;
    tracing::info!("listening on {}", listener.local_addr()?);
    let (stop, mut stopped) = tokio::sync::watch::channel(false);
    let graceful = async move {
        // An error means that the sender is gone: the end as well.
        let _ = stopped.wait_for(|stop| *stop).await;
    };
    let server = axum::serve(listener, site).with_graceful_shutdown(graceful);
    let mut server = tokio::spawn(async move { server.await });
    let signal = tokio::select! {
        failed = &mut server => {
            failed.context("the server panicked")?.context("cannot serve any more")?;
            return Ok(ExitCode::SUCCESS);
        }
        signal = ended => signal,
    };
    tracing::info!("ending by signal {signal}");
    stop.send_replace(true);
    if tokio::time::timeout(DRAIN_TIME, server).await.is_err() {
        tracing::warn!("some requests were not answered before the end");
    }
    Ok(ExitCode::SUCCESS)
}
