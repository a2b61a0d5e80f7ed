//! `/node/<name>/...`: that node's viewer, as if it were here.

use crate::ask::{BASE, Question};
use crate::node::{Node, Nodes};
use axum::body::to_bytes;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use fgm_service::access::{escape, wants_page};
use fgm_service::problem::Problem;
use std::sync::Arc;

/// A note is the largest thing that anybody may send; the viewer says where it ends.
const LARGEST_BODY: usize = 64 << 10;

/// What belongs to one connection, or to this origin alone. The guard has judged where a write
/// comes from; to the peer the origin would be a foreign one.
const KEPT_HERE: [HeaderName; 16] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    header::HOST,
    header::CONTENT_LENGTH,
    header::AUTHORIZATION,
    header::COOKIE,
    header::ORIGIN,
    header::REFERER,
    BASE,
];

/// The same of an answer.
const KEPT_THERE: [HeaderName; 7] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    header::SET_COOKIE,
    header::WWW_AUTHENTICATE,
];

/// Any request to a node.
pub(crate) async fn pass(
    State(nodes): State<Arc<Nodes>>,
    parts: Result<Path<Vec<(String, String)>>, PathRejection>,
    request: Request,
) -> Result<Response, Problem> {
    let Path(parts) = parts.map_err(|_| Problem::not_found())?;
    let name = parts.first().map_or("", |(_, name)| name.as_str());
    let node = nodes.get(name)?;
    // The rest as it was written: what is decoded twice means something else.
    let rest = request
        .uri()
        .path()
        .splitn(4, '/')
        .nth(3)
        .unwrap_or_default();
    if rest.split('/').any(is_dots) {
        return Err(Problem::not_found());
    }
    let path = match request.uri().query() {
        Some(query) => format!("/{rest}?{query}"),
        None => format!("/{rest}"),
    };
    to(&nodes, &node, path, request).await
}

/// What the own node says of the whole program.
pub(crate) async fn own(
    State(nodes): State<Arc<Nodes>>,
    request: Request,
) -> Result<Response, Problem> {
    let Some(node) = nodes.own() else {
        return Ok("ok\n".into_response());
    };
    let path = request.uri().path().to_owned();
    to(&nodes, &node, path, request).await
}

async fn to(
    nodes: &Nodes,
    node: &Node,
    path: String,
    request: Request,
) -> Result<Response, Problem> {
    let is_page = wants_page(request.headers());
    let (head, body) = request.into_parts();
    let body = to_bytes(body, LARGEST_BODY).await.map_err(|_| {
        Problem::too_much(
            format!("a body beyond {LARGEST_BODY} bytes, or one that broke off"),
            "send less",
        )
    })?;
    let question = Question {
        method: head.method,
        path,
        headers: without(head.headers, &KEPT_HERE),
        body,
    };
    match nodes.ask(node, question).await {
        Ok(answer) => {
            let (mut head, body) = answer.into_parts();
            head.headers = without(head.headers, &KEPT_THERE);
            Ok(Response::from_parts(head, body))
        }
        Err(away) => {
            let detail = format!("node {} {away}", node.name);
            Ok(if is_page {
                away_page(&detail)
            } else {
                Problem::of(
                    StatusCode::BAD_GATEWAY,
                    detail,
                    "look at it in /nodes, and try again",
                )
                .into_response()
            })
        }
    }
}

fn without(mut headers: HeaderMap, names: &[HeaderName]) -> HeaderMap {
    // A connection may name more of its own.
    let named: Vec<HeaderName> = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    for name in names.iter().chain(&named) {
        headers.remove(name);
    }
    headers
}

/// `.` and `..`, also encoded: a client would leave the node's path by them.
fn is_dots(segment: &str) -> bool {
    let segment = segment.to_ascii_lowercase().replace("%2e", ".");
    segment == "." || segment == ".." || segment.contains('\\')
}

fn away_page(detail: &str) -> Response {
    let page = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Away</title>\
         <p>{}.</p><p><a href=\"../../nodes\">All nodes</a></p></html>\n",
        escape(detail)
    );
    (StatusCode::BAD_GATEWAY, Html(page)).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_segment_leaves_the_node() {
        for bad in ["..", ".", "%2e%2E", ".%2e", "%2E", "a\\b"] {
            assert!(is_dots(bad), "{bad}");
        }
        for good in ["", "api", "...", "a.b", "%2e%2e%2e"] {
            assert!(!is_dots(good), "{good}");
        }
    }

    #[test]
    fn what_belongs_to_a_connection_stays_there() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("connection", "close, x-hop"),
            ("x-hop", "1"),
            ("cookie", "a=b"),
            ("authorization", "Bearer x"),
            ("accept", "*/*"),
        ] {
            headers.insert(name, value.parse().unwrap());
        }
        let kept = without(headers, &KEPT_HERE);
        assert_eq!(kept.keys().collect::<Vec<_>>(), [header::ACCEPT]);
    }
}
