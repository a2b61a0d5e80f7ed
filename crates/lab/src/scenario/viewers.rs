//! What the viewers of a cluster's nodes tell of a run, through port-forwards.

use crate::cluster::{NAMESPACE, TOKEN_SECRET, VIEWER_LABELS};
use crate::expect::recorded::{Happened, Range, Recorded, Samples, Who};
use crate::viewer::forward::Forwards;
use anyhow::{Context, bail};
use arrow::array::{Array, ArrayRef, AsArray, DictionaryArray, StringArray};
use arrow::datatypes::{Float64Type, Int32Type, TimestampMillisecondType};
use bytes::Bytes;
use fgm_gateway::pods::by_node;
use fgm_model::Signal;
use k8s_openapi::api::core::v1::{Pod, Secret};
use kube::api::ListParams;
use kube::{Api, Client};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde::Deserialize;
use serde_json::Value;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;

/// A viewer that is replaced is away for so long at most.
const PATIENCE: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(500);

/// The viewers of the nodes on which a run's pods are, or were.
pub(super) struct Viewers {
    runtime: Runtime,
    /// The run's.
    pods: Api<Pod>,
    namespace: String,
    viewers: Api<Pod>,
    http: reqwest::Client,
    bearer: String,
    seen: RefCell<Seen>,
}

struct Seen {
    nodes: BTreeSet<String>,
    forwards: Forwards,
}

/// What they ask for.
///
/// # Errors
/// FGM does not run in this cluster.
pub(super) async fn token(client: &Client) -> anyhow::Result<String> {
    let secrets = Api::<Secret>::namespaced(client.clone(), NAMESPACE);
    let secret = secrets
        .get(TOKEN_SECRET)
        .await
        .context("FGM does not run in this cluster: nix run .#deploy, or give --data-dir")?;
    Ok(crate::viewer::token_of(&secret)?.to_owned())
}

impl Viewers {
    /// Those of that namespace's pods.
    ///
    /// # Errors
    /// FGM does not run in this cluster.
    pub(super) fn of(runtime: Runtime, client: Client, namespace: &str) -> anyhow::Result<Self> {
        let token = runtime.block_on(token(&client))?;
        let viewers = Api::namespaced(client.clone(), NAMESPACE);
        Ok(Self {
            bearer: format!("Bearer {token}"),
            pods: Api::namespaced(client, namespace),
            namespace: namespace.to_owned(),
            http: fgm_gateway::client()?,
            seen: RefCell::new(Seen {
                nodes: BTreeSet::new(),
                forwards: Forwards::new(viewers.clone()),
            }),
            viewers,
            runtime,
        })
    }

    /// What each of them says to a question.
    fn ask(&self, path: &str) -> anyhow::Result<Vec<Bytes>> {
        let begun = Instant::now();
        loop {
            match self.runtime.block_on(self.ask_once(path)) {
                Err(_) if begun.elapsed() < PATIENCE => std::thread::sleep(PAUSE),
                answers => return answers,
            }
        }
    }

    async fn ask_once(&self, path: &str) -> anyhow::Result<Vec<Bytes>> {
        let of_run = self.pods.list(&ListParams::default()).await?;
        let placed = of_run.into_iter().filter_map(|pod| pod.spec?.node_name);
        let labels = ListParams::default().labels(VIEWER_LABELS);
        let viewers = by_node(self.viewers.list(&labels).await?.iter());
        let mut addresses = Vec::new();
        {
            let mut seen = self.seen.borrow_mut();
            let Seen { nodes, forwards } = &mut *seen;
            nodes.extend(placed);
            for node in nodes.iter() {
                let viewer = viewers.iter().find(|viewer| viewer.node == *node);
                let viewer = viewer.with_context(|| format!("no viewer on node {node}"))?;
                if let Some(trouble) = &viewer.trouble {
                    bail!("the viewer on node {node} does not answer: {trouble}");
                }
                addresses.push((node.clone(), forwards.address_of(viewer)?));
            }
        }
        let mut answers = Vec::new();
        for (node, address) in addresses {
            let question = self
                .http
                .get(format!("http://{address}/api/v1/{path}"))
                .header("authorization", &self.bearer)
                .send();
            let answer = async {
                let answer = question.await?;
                let status = answer.status();
                let body = answer.bytes().await?;
                if status.is_success() {
                    return Ok(body);
                }
                bail!("{status}: {}", String::from_utf8_lossy(&body))
            };
            let answer = answer.await;
            answers.push(answer.with_context(|| format!("the viewer on node {node}"))?);
        }
        Ok(answers)
    }

    fn query(&self, what: &str, (start_ms, end_ms): Range) -> String {
        let namespace = &self.namespace;
        format!("{what}?sel=ns:{namespace}&start={start_ms}&end={end_ms}")
    }

    fn metas(&self) -> anyhow::Result<Vec<Meta>> {
        let answers = self.ask("meta")?;
        let parsed = answers.iter().map(|body| serde_json::from_slice(body));
        Ok(parsed.collect::<Result<_, _>>()?)
    }
}

#[derive(Deserialize)]
struct Meta {
    last_ms: Option<i64>,
    interval_ms: i64,
}

#[derive(Deserialize)]
struct Containers {
    containers: Vec<Named>,
}

#[derive(Deserialize)]
struct Named {
    pod: Option<String>,
    name: Option<String>,
}

impl Named {
    fn who(self) -> Option<Who> {
        Some(Who {
            pod: self.pod?,
            container: self.name?,
        })
    }
}

#[derive(Deserialize)]
struct Events {
    events: Vec<EventItem>,
}

#[derive(Deserialize)]
struct EventItem {
    #[serde(flatten)]
    named: Named,
    kind: String,
    time_ms: i64,
    detail: Value,
}

impl Recorded for Viewers {
    fn last_ms(&self) -> anyhow::Result<Option<i64>> {
        let metas = self.metas()?;
        // None before some.
        Ok(metas.into_iter().map(|meta| meta.last_ms).min().flatten())
    }

    fn containers(&self, range: Range) -> anyhow::Result<Vec<Who>> {
        let mut all = Vec::new();
        for body in self.ask(&self.query("containers", range))? {
            let list: Containers = serde_json::from_slice(&body)?;
            all.extend(list.containers.into_iter().filter_map(Named::who));
        }
        Ok(all)
    }

    fn events(&self, range: Range) -> anyhow::Result<Vec<Happened>> {
        let mut all = Vec::new();
        for body in self.ask(&self.query("events", range))? {
            let list: Events = serde_json::from_slice(&body)?;
            all.extend(list.events.into_iter().filter_map(|item| {
                Some(Happened {
                    who: item.named.who()?,
                    kind: item.kind,
                    time_ms: item.time_ms,
                    detail: item.detail,
                })
            }));
        }
        all.sort_by_key(|event: &Happened| event.time_ms);
        Ok(all)
    }

    fn samples(&self, signals: &[Signal], range: Range) -> anyhow::Result<Vec<Samples>> {
        let metas = self.metas()?.into_iter();
        let interval_ms = metas.map(|meta| meta.interval_ms).max().unwrap_or(1000);
        let metrics: Vec<_> = signals.iter().map(|signal| signal.id()).collect();
        let query = self.query("export.parquet", range);
        let mut all = Vec::new();
        for body in self.ask(&format!("{query}&metric={}", metrics.join(",")))? {
            all.extend(samples_of(body, &metrics, interval_ms)?);
        }
        Ok(all)
    }
}

/// A viewer's export, by container.
fn samples_of(body: Bytes, metrics: &[&str], interval_ms: i64) -> anyhow::Result<Vec<Samples>> {
    let mut by_series: BTreeMap<String, Samples> = BTreeMap::new();
    for batch in ParquetRecordBatchReaderBuilder::try_new(body)?.build()? {
        let batch = batch?;
        let column = |name: &str| -> anyhow::Result<&ArrayRef> {
            batch
                .column_by_name(name)
                .with_context(|| format!("the export has no column {name}"))
        };
        let [series, pod, container] = ["series", "pod", "container"].map(|name| {
            let texts = column(name)?.as_dictionary_opt::<Int32Type>();
            let texts = texts.and_then(DictionaryArray::downcast_dict::<StringArray>);
            texts.with_context(|| format!("column {name} of the export holds no texts"))
        });
        let (series, pod, container) = (series?, pod?, container?);
        let times = column("time")?
            .as_primitive_opt::<TimestampMillisecondType>()
            .context("the export's times are none")?;
        let mut values = Vec::new();
        for metric in metrics {
            let numbers = column(metric)?.as_primitive_opt::<Float64Type>();
            values.push(numbers.with_context(|| format!("{metric} of the export is no number"))?);
        }
        let texts = series.into_iter().zip(pod).zip(container);
        for (row, ((series, pod), container)) in texts.enumerate() {
            let samples = by_series
                .entry(series.unwrap_or_default().to_owned())
                .or_insert_with(|| Samples {
                    who: Who {
                        pod: pod.unwrap_or_default().to_owned(),
                        container: container.unwrap_or_default().to_owned(),
                    },
                    interval_ms,
                    times_ms: Vec::new(),
                    values: vec![Vec::new(); metrics.len()],
                });
            samples.times_ms.push(times.value(row));
            for (to, from) in samples.values.iter_mut().zip(&values) {
                let known = from.is_valid(row);
                to.push(if known { from.value(row) } else { f64::NAN });
            }
        }
    }
    Ok(by_series.into_values().collect())
}
