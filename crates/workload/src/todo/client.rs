//! Questions over HTTP within a time, each on a connection of its own: a Service spreads connections
//! over its pods, and one that is kept would leave all but one of them idle.

use anyhow::{Context, anyhow, ensure};
use axum::body::{Body, Bytes, to_bytes};
use axum::http::uri::{PathAndQuery, Scheme};
use axum::http::{HeaderValue, Method, Request, StatusCode, Uri, header};
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
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
            .pool_max_idle_per_host(0)
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
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    #[tokio::test]
    async fn each_question_has_a_connection_of_its_own() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = Client::new(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
        let asked = tokio::spawn(async move {
            for _ in 0..2 {
                let path = PathAndQuery::from_static("/api/todos");
                client.ask(Method::GET, path, None).await.unwrap();
            }
        });
        // Neither is closed from this side.
        let mut kept = Vec::new();
        for _ in 0..2 {
            let (mut connection, _) = listener.accept().await.unwrap();
            let read = connection.read(&mut [0; 1024]).await.unwrap();
            assert!(read > 0);
            let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
            connection.write_all(answer).await.unwrap();
            kept.push(connection);
        }
        asked.await.unwrap();
    }

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
