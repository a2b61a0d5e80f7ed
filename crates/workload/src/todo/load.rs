//! People who use the todo app: a few clients that create, change, read and delete at a rate, and
//! look whether all is there that was confirmed to them.

use super::client::Client;
use super::ledger::Ledger;
use super::{Change, Item, NewItem};
use anyhow::{Context, bail, ensure};
use axum::body::Bytes;
use axum::http::uri::PathAndQuery;
use axum::http::{HeaderValue, Method, StatusCode};
use clap::Args;
use serde::Serialize;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, sleep};

/// Between two lines of the log.
const REPORT_EVERY: Duration = Duration::from_secs(10);
/// After a question without an answer.
const REST: Duration = Duration::from_millis(250);

#[derive(Debug, Args)]
pub(crate) struct Load {
    /// The todo app
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8080")]
    target: String,

    /// Clients at once
    #[arg(long, value_name = "N", default_value_t = 4)]
    clients: u32,

    /// Requests per second of all clients together
    #[arg(long, value_name = "N", default_value_t = 40.0)]
    rate: f64,

    /// Todos that each client keeps; the older ones are deleted
    #[arg(long, value_name = "N", default_value_t = 20)]
    keep: usize,
}

impl Load {
    /// Goes on until something is lost or wrong, and gives that.
    pub(super) async fn run(self) -> anyhow::Error {
        match self.start().await {
            Ok(never) => match never {},
            Err(error) => error,
        }
    }

    async fn start(self) -> anyhow::Result<std::convert::Infallible> {
        ensure!(self.clients > 0, "--clients is zero: nobody would ask");
        // The list, by which all is looked at, has an end.
        ensure!(
            (1..=500).contains(&self.keep),
            "--keep is 1 to 500: the app lists 1000 todos"
        );
        let pace = Duration::try_from_secs_f64(f64::from(self.clients) / self.rate);
        let pace = pace.ok().filter(|pace| !pace.is_zero());
        let pace = pace.with_context(|| format!("--rate {} is no rate", self.rate))?;
        let server = Client::new(&self.target)?;
        let tally = Arc::new(Tally::default());
        let mut clients = JoinSet::new();
        for number in 1..=self.clients {
            let person = Person {
                server: server.clone(),
                tally: Arc::clone(&tally),
                prefix: format!("load-{number}-"),
                keep: self.keep,
                ledger: Ledger::default(),
                made: 0,
            };
            clients.spawn(person.live(pace));
        }
        let mut report = interval(REPORT_EVERY);
        report.tick().await;
        loop {
            tokio::select! {
                _ = report.tick() => tally.report(),
                Some(ended) = clients.join_next() => {
                    tally.report();
                    return ended.context("a client panicked")?;
                }
            }
        }
    }
}

/// What happened since the last report.
#[derive(Debug, Default)]
struct Tally {
    failed: AtomicU64,
    checks: AtomicU64,
    latencies: Mutex<Vec<Duration>>,
}

impl Tally {
    fn answered(&self, after: Duration) {
        let mut latencies = self
            .latencies
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        latencies.push(after);
    }

    fn report(&self) {
        let mut latencies = {
            let mut kept = self
                .latencies
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            std::mem::take(&mut *kept)
        };
        latencies.sort_unstable();
        let quantile = |of: usize| {
            let at = latencies.len().saturating_sub(1) * of / 100;
            latencies.get(at).map_or(0, Duration::as_millis)
        };
        tracing::info!(
            "{} requests answered, {} failed, {} ms at the median, {} ms at p99; all confirmed writes there {} times",
            latencies.len(),
            self.failed.swap(0, Ordering::Relaxed),
            quantile(50),
            quantile(99),
            self.checks.swap(0, Ordering::Relaxed),
        );
    }
}

/// What came of a request.
enum Outcome {
    Done(Bytes),
    /// It may have been done.
    Unconfirmed,
    Missing,
}

/// One client.
struct Person {
    server: Client,
    tally: Arc<Tally>,
    /// So begin the texts of its todos, and in a URL they look the same.
    prefix: String,
    keep: usize,
    ledger: Ledger,
    made: u64,
}

impl Person {
    async fn live(mut self, pace: Duration) -> anyhow::Result<std::convert::Infallible> {
        let mut tick = interval(pace);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tick.tick().await;
            self.create().await?;
            tick.tick().await;
            self.change_newest().await?;
            tick.tick().await;
            self.look().await?;
            if self.ledger.there().len() > self.keep {
                tick.tick().await;
                self.delete_oldest().await?;
            }
        }
    }

    async fn create(&mut self) -> anyhow::Result<()> {
        self.made += 1;
        let new = NewItem {
            text: format!("{}{}", self.prefix, self.made),
        };
        match self.ask(Method::POST, "", Some(&new)).await? {
            Outcome::Done(body) => self.ledger.confirmed(serde_json::from_slice(&body)?),
            // Should it be there after all, the next look finds and deletes it.
            Outcome::Unconfirmed => {}
            Outcome::Missing => bail!("the app knows no todos: is --target the todo app?"),
        }
        Ok(())
    }

    async fn change_newest(&mut self) -> anyhow::Result<()> {
        let Some(id) = self.ledger.there().last().map(|item| item.id) else {
            return Ok(());
        };
        let change = Change { done: true };
        match self
            .ask(Method::PATCH, &format!("/{id}"), Some(&change))
            .await?
        {
            Outcome::Done(body) => self.ledger.confirmed(serde_json::from_slice(&body)?),
            Outcome::Unconfirmed => self.ledger.unconfirmed(id),
            Outcome::Missing => bail!("LOST: todo {id} was confirmed and is not known"),
        }
        Ok(())
    }

    async fn delete_oldest(&mut self) -> anyhow::Result<()> {
        let Some(id) = self.ledger.there().next().map(|item| item.id) else {
            return Ok(());
        };
        match self
            .ask(Method::DELETE, &format!("/{id}"), None::<&()>)
            .await?
        {
            Outcome::Done(_) => self.ledger.deleted(id),
            Outcome::Unconfirmed => self.ledger.unconfirmed(id),
            Outcome::Missing => bail!("LOST: todo {id} was confirmed and is not known"),
        }
        Ok(())
    }

    /// Whether all is there; what nobody relies on is deleted.
    async fn look(&mut self) -> anyhow::Result<()> {
        let own = format!("?text={}", self.prefix);
        let Outcome::Done(body) = self.ask(Method::GET, &own, None::<&()>).await? else {
            return Ok(());
        };
        let list: Vec<Item> = serde_json::from_slice(&body).context("the list is no list")?;
        if let Err(loss) = self.ledger.check(&list) {
            bail!("LOST: {loss}");
        }
        self.tally.checks.fetch_add(1, Ordering::Relaxed);
        let known: BTreeSet<i64> = self.ledger.there().map(|item| item.id).collect();
        let own = list
            .iter()
            .filter(|item| item.text.starts_with(&self.prefix));
        for left in own.filter(|item| !known.contains(&item.id)) {
            self.ask(Method::DELETE, &format!("/{}", left.id), None::<&()>)
                .await?;
        }
        Ok(())
    }

    async fn ask(
        &self,
        method: Method,
        path: &str,
        body: Option<&impl Serialize>,
    ) -> anyhow::Result<Outcome> {
        let path: PathAndQuery = format!("/api/todos{path}").parse()?;
        let body = body.map(serde_json::to_vec).transpose()?;
        let json = HeaderValue::from_static("application/json");
        let body = body.map(|body| (json, Bytes::from(body)));
        let asked = Instant::now();
        let why = match self.server.ask(method, path, body).await {
            Ok(answer) if answer.status.is_success() => {
                self.tally.answered(asked.elapsed());
                return Ok(Outcome::Done(answer.body));
            }
            Ok(answer) if answer.status == StatusCode::NOT_FOUND => return Ok(Outcome::Missing),
            Ok(answer) => format!(
                "{}: {}",
                answer.status,
                String::from_utf8_lossy(&answer.body)
            ),
            Err(error) => format!("{error:#}"),
        };
        if self.tally.failed.fetch_add(1, Ordering::Relaxed) == 0 {
            tracing::warn!("{why}");
        }
        sleep(REST).await;
        Ok(Outcome::Unconfirmed)
    }
}
