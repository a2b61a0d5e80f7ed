//! The backend's way to PostgreSQL: a pool of connections that outlives the server's restarts.

use super::Item;
use anyhow::Context;
use deadpool_postgres::{Manager, ManagerConfig, Object, Pool, RecyclingMethod};
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout};
use tokio_postgres::types::ToSql;
use tokio_postgres::{Config, NoTls, Row};

/// How long a question waits for a server that starts.
const PATIENCE: Duration = Duration::from_secs(10);
/// Between two attempts to reach it, at first and at most.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// One attempt to connect, and one statement.
const CONNECT_TIME: Duration = Duration::from_secs(2);
const STATEMENT_TIME: Duration = Duration::from_secs(5);
/// The most that a list shows.
const MOST_ROWS: i64 = 1000;

const SCHEMA: &str = "CREATE TABLE IF NOT EXISTS todos (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    text TEXT NOT NULL,
    done BOOLEAN NOT NULL DEFAULT FALSE
)";

/// Why the database did not answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum Away {
    /// Nothing was sent.
    #[error("the database cannot be reached: {0}")]
    Unreachable(String),
    /// Whether it was done is not known.
    #[error("the database did not confirm: {0}")]
    Unconfirmed(String),
}

/// A pool of connections.
#[derive(Debug, Clone)]
pub(super) struct Database {
    pool: Pool,
}

impl Database {
    /// Nothing is connected yet.
    ///
    /// # Errors
    /// The URL is none.
    pub(super) fn new(url: &str, connections: usize) -> anyhow::Result<Self> {
        let mut config: Config = url.parse().context(
            "the database's URL is wrong, give postgres://USER:PASSWORD@HOST:PORT/DATABASE",
        )?;
        config
            .connect_timeout(CONNECT_TIME)
            .application_name("todo-backend");
        let recycle = ManagerConfig {
            recycling_method: RecyclingMethod::Fast,
        };
        let manager = Manager::from_config(config, NoTls, recycle);
        let pool = Pool::builder(manager).max_size(connections).build();
        Ok(Self {
            pool: pool.context("make the pool")?,
        })
    }

    /// Makes the table, as soon as there is a server.
    pub(super) async fn prepare(&self) {
        let mut pause = FIRST_PAUSE;
        loop {
            match self.rows(SCHEMA, &[]).await {
                Ok(_) => return tracing::info!("the database is ready"),
                Err(error) => tracing::warn!("{error}"),
            }
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Whether it answers now.
    pub(super) async fn is_there(&self) -> bool {
        let connection = timeout(CONNECT_TIME, self.pool.get()).await;
        let Ok(Ok(connection)) = connection else {
            return false;
        };
        answer(connection, "SELECT", &[]).await.is_ok()
    }

    /// The newest whose text begins so.
    pub(super) async fn list(&self, beginning: &str) -> Result<Vec<Item>, Away> {
        let sql = "SELECT id, text, done FROM todos WHERE starts_with(text, $2)
            ORDER BY id DESC LIMIT $1";
        let rows = self.rows(sql, &[&MOST_ROWS, &beginning]).await?;
        Ok(rows.iter().map(item).collect())
    }

    pub(super) async fn get(&self, id: i64) -> Result<Option<Item>, Away> {
        let sql = "SELECT id, text, done FROM todos WHERE id = $1";
        self.one(sql, &[&id]).await
    }

    pub(super) async fn create(&self, text: &str) -> Result<Option<Item>, Away> {
        let sql = "INSERT INTO todos (text) VALUES ($1) RETURNING id, text, done";
        self.one(sql, &[&text]).await
    }

    pub(super) async fn change(&self, id: i64, done: bool) -> Result<Option<Item>, Away> {
        let sql = "UPDATE todos SET done = $2 WHERE id = $1 RETURNING id, text, done";
        self.one(sql, &[&id, &done]).await
    }

    pub(super) async fn delete(&self, id: i64) -> Result<Option<Item>, Away> {
        let sql = "DELETE FROM todos WHERE id = $1 RETURNING id, text, done";
        self.one(sql, &[&id]).await
    }

    async fn one(&self, sql: &str, values: &[&(dyn ToSql + Sync)]) -> Result<Option<Item>, Away> {
        Ok(self.rows(sql, values).await?.first().map(item))
    }

    /// Waits for a connection, and asks once: what was sent may have been done.
    async fn rows(&self, sql: &str, values: &[&(dyn ToSql + Sync)]) -> Result<Vec<Row>, Away> {
        let until = Instant::now() + PATIENCE;
        let mut pause = FIRST_PAUSE;
        let connection = loop {
            let why = match timeout(PATIENCE, self.pool.get()).await {
                Ok(Ok(connection)) => break connection,
                Ok(Err(error)) => error.to_string(),
                Err(_) => "every connection is in use".to_owned(),
            };
            if Instant::now() + pause >= until {
                return Err(Away::Unreachable(why));
            }
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        };
        answer(connection, sql, values).await
    }
}

async fn answer(
    connection: Object,
    sql: &str,
    values: &[&(dyn ToSql + Sync)],
) -> Result<Vec<Row>, Away> {
    let why = match timeout(STATEMENT_TIME, connection.query(sql, values)).await {
        Ok(Ok(rows)) => return Ok(rows),
        Ok(Err(error)) => match error.as_db_error() {
            Some(answer) => answer.to_string(),
            None => error.to_string(),
        },
        Err(_) => "it takes too long".to_owned(),
    };
    // Not back into the pool: nobody knows what state it is in.
    drop(Object::take(connection));
    Err(Away::Unconfirmed(why))
}

fn item(row: &Row) -> Item {
    Item {
        id: row.get(0),
        text: row.get(1),
        done: row.get(2),
    }
}
