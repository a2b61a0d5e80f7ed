//! `/metrics`: how the viewer itself is doing.

use crate::state::AppState;
use axum::extract::{MatchedPath, Request, State};
use axum::http::header;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use fgm_service::registry::new;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};
use std::time::Instant;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct AnswerLabel {
    endpoint: String,
    status: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct EndpointLabel {
    endpoint: String,
}

/// What is counted; each is set where it happens.
#[derive(Debug)]
pub(crate) struct Telemetry {
    registry: Registry,
    requests: Family<AnswerLabel, Counter>,
    seconds: Family<EndpointLabel, Histogram>,
    pub(crate) made: Counter,
    pub(crate) tails: Gauge,
    pub(crate) reads: Gauge,
    pub(crate) exports: Gauge,
}

impl Default for Telemetry {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("fgm_viewer");
        let to = &mut registry;
        let seconds = Family::new_with_constructor(duration as fn() -> Histogram);
        to.register_with_unit(
            "request_duration",
            "From a request to the head of its answer",
            Unit::Seconds,
            seconds.clone(),
        );
        Self {
            requests: new(to, "requests", "Requests answered"),
            seconds,
            made: new(
                to,
                "answers_made",
                "Answers made from the data; equal questions share one",
            ),
            tails: new(to, "tails", "Open streams of new ticks"),
            reads: new(to, "reads", "Reads of the data that go on"),
            exports: new(to, "exports", "Downloads of the data that go on"),
            registry,
        }
    }
}

fn duration() -> Histogram {
    Histogram::new([
        0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 20.0,
    ])
}

/// Something that goes on until this is dropped.
#[derive(Debug)]
pub(crate) struct Ongoing(Gauge);

impl Ongoing {
    pub(crate) fn of(gauge: &Gauge) -> Self {
        gauge.inc();
        Self(gauge.clone())
    }
}

impl Drop for Ongoing {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// Counts every answer by its route: a path that nobody serves has no name of its own.
pub(crate) async fn count(State(state): State<AppState>, request: Request, next: Next) -> Response {
    let began = Instant::now();
    let path = request.extensions().get::<MatchedPath>();
    let endpoint = path.map_or("none", MatchedPath::as_str).to_owned();
    let response = next.run(request).await;
    let telemetry = &state.telemetry;
    let answer = AnswerLabel {
        endpoint: endpoint.clone(),
        status: response.status().as_u16(),
    };
    telemetry.requests.get_or_create(&answer).inc();
    telemetry
        .seconds
        .get_or_create(&EndpointLabel { endpoint })
        .observe(began.elapsed().as_secs_f64());
    response
}

/// `GET /metrics`
pub(crate) async fn metrics(State(state): State<AppState>) -> impl IntoResponse {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = encode(&mut text, &state.telemetry.registry);
    let content_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, content_type)], text)
}
