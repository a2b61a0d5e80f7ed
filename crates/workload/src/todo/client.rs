//! Questions over HTTP within a time, on kept connections.

use anyhow::{Context, anyhow, ensure};
use axum::body::{Body, Bytes, to_bytes};
use axum::http::uri::{PathAndQuery, Scheme};
use axum::http::{HeaderValue, Method, Request, StatusCode, Uri, header};
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use std::time::Duration;

/// One question with its answer. More than the backend waits for its database.
const ANSWER_TIME: Duration = Duration::from_secs(20);
const CONNECT_TIME: Duration = Duration::from_secs(2);
/// An answer beyond this is none.
const LARGEST_ANSWER: usize = 4 << 20;

/// A status, the content type and a body.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) content_type: Option<HeaderValue>,
    pub(super) body: Bytes,
}

/// One server, by its address.
#[derive(Clone)]
pub(super) struct Client {
    http: legacy::Client<HttpConnector, Body>,
    server: Uri,
}

impl Client {
    /// # Errors
    /// The address is none.
    pub(super) fn new(url: &str) -> anyhow::Result<Self> {
        let server: Uri = url
            .parse()
            .with_context(|| format!("{url:?} is no address"))?;
        ensure!(
            server.scheme() == Some(&Scheme::HTTP) && server.path() == "/",
            "{url:?} is no address: give http://HOST:PORT"
        );
        let mut connector = HttpConnector::new();
        connector.set_connect_timeout(Some(CONNECT_TIME));
        connector.set_nodelay(true);
        let http = legacy::Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(Duration::from_secs(10))
            .build(connector);
        Ok(Self { http, server })
    }

    /// Asks for a path, with a body and its type where there is one.
    ///
    /// # Errors
    /// There is no whole answer; whether the server did what it was asked is not known then.
    pub(super) async fn ask(
        &self,
        method: Method,
        path: PathAndQuery,
        body: Option<(HeaderValue, Bytes)>,
    ) -> anyhow::Result<Answer> {
        let mut parts = self.server.clone().into_parts();
        parts.path_and_query = Some(path);
        let mut request = Request::builder()
            .method(method)
            .uri(Uri::from_parts(parts)?);
        let body = match body {
            Some((content_type, body)) => {
                request = request.header(header::CONTENT_TYPE, content_type);
                Body::from(body)
            }
            None => Body::empty(),
        };
        let request = request.body(body)?;
        let answer = async {
            let response = self.http.request(request).await;
            // Its own text is "client error (Connect)": the reason is below.
            let response = response.map_err(|error| anyhow!(reason(&error)))?;
            let (head, body) = response.into_parts();
            Ok(Answer {
                status: head.status,
                content_type: head.headers.get(header::CONTENT_TYPE).cloned(),
                body: to_bytes(Body::new(body), LARGEST_ANSWER).await?,
            })
        };
        let answer = tokio::time::timeout(ANSWER_TIME, answer).await;
        let answer = answer.unwrap_or_else(|_| Err(anyhow!("no answer for {ANSWER_TIME:?}")));
        answer.with_context(|| format!("{} does not answer", self.server))
    }
}

/// The innermost cause.
fn reason(error: &dyn std::error::Error) -> String {
    let mut innermost = error;
    while let Some(below) = innermost.source() {
        innermost = below;
    }
    innermost.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_address_is_refused() {
        assert!(Client::new("http://todo-backend:8081").is_ok());
        for wrong in [
            "todo-backend:8081",
            "https://a:1",
            "http://a:1/api",
            "",
            "http://",
        ] {
            assert!(Client::new(wrong).is_err(), "{wrong:?}");
        }
    }
}
