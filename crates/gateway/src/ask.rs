//! Asking one node, or all of them at once.

use crate::node::{Node, Nodes, Reach};
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};
use futures_util::{StreamExt, stream};
use serde_json::Value;
use std::time::Duration;
use tower::ServiceExt;

/// A viewer's own deadline is 20 s: a node that says nothing for longer is not at work.
const ANSWER_TIME: Duration = Duration::from_secs(25);
/// A list does not wait for the slowest.
const LIST_TIME: Duration = Duration::from_secs(4);
const AT_ONCE: usize = 16;
/// An answer that a list is made of.
const LARGEST_ANSWER: usize = 4 << 20;

/// Tells a viewer below which path it is seen.
pub(crate) const BASE: HeaderName = HeaderName::from_static("x-fgm-base");

/// A request without what belongs to one connection.
pub(crate) struct Question {
    pub(crate) method: axum::http::Method,
    /// Path and query, with a leading slash.
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// Why a node gave no answer, as one sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Away {
    /// It is not there.
    Unreachable(String),
    /// It is there and says nothing.
    Silent,
    /// It does not take this gateway's token.
    Refused,
}

impl std::fmt::Display for Away {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unreachable(why) => write!(f, "cannot be reached: {why}"),
            Self::Silent => f.write_str("does not answer in time"),
            Self::Refused => f.write_str("does not take the token of this gateway"),
        }
    }
}

impl Nodes {
    /// Asks a node; the body of its answer comes as it is sent.
    pub(crate) async fn ask(
        &self,
        node: &Node,
        question: Question,
    ) -> Result<Response<Body>, Away> {
        let answer = match &node.reach {
            Reach::Own(site) => own(site.clone(), node, question).await,
            Reach::Peer(url) => {
                let answer = self.peer(url, node, question);
                tokio::time::timeout(ANSWER_TIME, answer)
                    .await
                    .map_err(|_| Away::Silent)??
            }
            Reach::Away(why) => return Err(Away::Unreachable(why.clone())),
        };
        Ok(answer)
    }

    async fn peer(
        &self,
        url: &reqwest::Url,
        node: &Node,
        question: Question,
    ) -> Result<Response<Body>, Away> {
        let base = url.as_str().trim_end_matches('/');
        let mut headers = question.headers;
        headers.insert(BASE, base_of(node));
        let bearer = self.token.as_ref().map(|token| token.bearer());
        let bearer = bearer.and_then(|bearer| HeaderValue::try_from(bearer).ok());
        if let Some(mut bearer) = bearer {
            bearer.set_sensitive(true);
            headers.insert(header::AUTHORIZATION, bearer);
        }
        let answer = self
            .client
            .request(question.method, format!("{base}{}", question.path))
            .headers(headers)
            .body(question.body)
            .send()
            .await
            .map_err(|error| away(&error))?;
        if answer.status() == StatusCode::UNAUTHORIZED {
            return Err(Away::Refused);
        }
        Ok(Response::<reqwest::Body>::from(answer).map(Body::new))
    }

    /// What these nodes say to a question, each as JSON or as the reason why not; in their order.
    pub(crate) async fn ask_all(
        &self,
        nodes: &[Node],
        path: impl Fn(&Node) -> Option<String>,
    ) -> Vec<Option<Result<Value, String>>> {
        let mut questions = Vec::new();
        for node in nodes {
            let path = path(node);
            questions.push(async move { Some(self.json(node, path?).await) });
        }
        stream::iter(questions)
            .buffered(AT_ONCE)
            .collect::<Vec<_>>()
            .await
    }

    /// One node's answer as JSON.
    async fn json(&self, node: &Node, path: String) -> Result<Value, String> {
        let question = Question {
            method: axum::http::Method::GET,
            path,
            headers: HeaderMap::new(),
            body: Bytes::new(),
        };
        let answer = async {
            let answer = self
                .ask(node, question)
                .await
                .map_err(|away| away.to_string())?;
            let status = answer.status();
            let body = to_bytes(answer.into_body(), LARGEST_ANSWER)
                .await
                .map_err(|error| format!("broke off: {error}"))?;
            let value: Value = serde_json::from_slice(&body)
                .map_err(|_| format!("answers {status}, and no JSON"))?;
            if status.is_success() {
                return Ok(value);
            }
            let detail = value.get("detail").and_then(Value::as_str);
            Err(format!("answers {status}: {}", detail.unwrap_or_default()))
        };
        tokio::time::timeout(LIST_TIME, answer)
            .await
            .unwrap_or_else(|_| Err(Away::Silent.to_string()))
    }
}

/// The own site is behind the same guard as this gateway: it asks no more.
async fn own(site: axum::Router, node: &Node, question: Question) -> Response<Body> {
    let mut request = Request::new(Body::from(question.body));
    *request.method_mut() = question.method;
    *request.headers_mut() = question.headers;
    request.headers_mut().insert(BASE, base_of(node));
    // What came as an address is one.
    *request.uri_mut() = question.path.parse().unwrap_or_default();
    let Ok(answer) = site.oneshot(request).await;
    answer
}

fn base_of(node: &Node) -> HeaderValue {
    HeaderValue::try_from(format!("/node/{}/", node.name))
        .unwrap_or_else(|_| HeaderValue::from_static("/"))
}

/// The innermost cause says most, and the address is nobody's business.
fn away(error: &reqwest::Error) -> Away {
    if error.is_timeout() {
        return Away::Silent;
    }
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    Away::Unreachable(cause.to_string())
}
