//! A gateway over viewers that are stand-ins: what is passed on, what is not, and what is said of
//! a node that is away.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Path, Request};
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, put};
use axum::{Json, Router};
use fgm_gateway::{Node, NodeList, Peer};
use fgm_service::token::Token;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::net::TcpListener;
use tower::ServiceExt;

const TOKEN: &str = "0123456789abcdef";

/// What a viewer was sent, told back.
async fn echo(request: Request) -> Json<Value> {
    let headers = request.headers().iter();
    let headers = headers.map(|(name, value)| (name.as_str(), value.to_str().unwrap_or("")));
    Json(json!({
        "uri": request.uri().to_string(),
        "method": request.method().as_str(),
        "headers": headers.collect::<std::collections::BTreeMap<_, _>>(),
    }))
}

fn site(node: &'static str) -> Router {
    let meta = json!({ "node": node, "version": "1", "first_ms": 1000, "last_ms": 2000 });
    let found = |name: &str| json!({ "id": "abcdefabcdef", "name": name, "node": node });
    let found = json!({ "containers": [found("best"), found("second")], "matched": 2 });
    let rank =
        json!({ "rows": [{ "id": "abcdefabcdef", "namespace": "<b>", "name": "x", "max": 99.0 }] });
    Router::new()
        .route(
            "/",
            get(async || ([(header::SET_COOKIE, "a=b")], "the page")),
        )
        .route("/api/v1/meta", get(async move || Json(meta)))
        .route("/api/v1/find", get(async move || Json(found)))
        .route("/api/v1/rank", get(async move || Json(rank)))
        .route("/echo/{*rest}", get(echo).put(echo))
        .route("/healthz", get(async || "ok"))
        .route(
            "/api/v1/notes/{id}",
            put(async |Path(id): Path<String>, body: Bytes| {
                (StatusCode::CREATED, format!("{id} {}", body.len()))
            }),
        )
        .route(
            "/guarded",
            get(async |headers: HeaderMap| {
                let is_right = headers
                    .get("authorization")
                    .is_some_and(|v| v == "Bearer 0123456789abcdef");
                if is_right {
                    StatusCode::OK
                } else {
                    StatusCode::UNAUTHORIZED
                }
            }),
        )
        .route("/ticks", get(ticks))
}

/// Two pieces, the second when the first was taken.
async fn ticks() -> Response {
    let pieces = futures_util::stream::unfold(0, async |piece| {
        let data = Ok::<_, std::io::Error>(format!("event: tick\ndata: {piece}\n\n"));
        (piece < 2).then_some((data, piece + 1))
    });
    (
        [(header::CONTENT_TYPE, "text/event-stream")],
        Body::from_stream(pieces),
    )
        .into_response()
}

async fn serve(site: Router) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, site).await.unwrap() });
    url
}

/// An address where nobody listens.
async fn nobody() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

fn peer(name: &str, url: &str) -> Node {
    let peer: Peer = format!("{name}={url}").parse().unwrap();
    peer.into()
}

async fn gateway(token: Option<Arc<Token>>) -> Router {
    let below = Router::new().nest("/ui/", site("node-below"));
    let nodes = vec![
        Node::own("here", site("node-here")).unwrap(),
        peer("there", &serve(site("node-there")).await),
        peer("below", &format!("{}/ui/", serve(below).await)),
        peer("gone", &nobody().await),
    ];
    fgm_gateway::router(NodeList::fixed(nodes).unwrap(), token).unwrap()
}

async fn ask(site: &Router, request: Request) -> (StatusCode, HeaderMap, String) {
    let answer = site.clone().oneshot(request).await.unwrap();
    let (head, body) = answer.into_parts();
    let body = to_bytes(body, usize::MAX).await.unwrap();
    (
        head.status,
        head.headers,
        String::from_utf8(body.to_vec()).unwrap(),
    )
}

async fn get_text(site: &Router, path: &str) -> (StatusCode, HeaderMap, String) {
    ask(site, Request::get(path).body(Body::empty()).unwrap()).await
}

async fn get_json(site: &Router, path: &str) -> Value {
    serde_json::from_str(&get_text(site, path).await.2).unwrap()
}

#[tokio::test]
async fn each_node_lies_below_its_name() {
    let site = gateway(None).await;
    for (path, to) in [("/", "node/here/"), ("/node/there", "there/")] {
        let (status, headers, _) = get_text(&site, path).await;
        assert_eq!(
            (status, &headers[header::LOCATION]),
            (StatusCode::SEE_OTHER, &to.parse().unwrap())
        );
    }
    for node in ["here", "there", "below"] {
        let (status, headers, body) = get_text(&site, &format!("/node/{node}/")).await;
        assert_eq!(
            (status, body.as_str()),
            (StatusCode::OK, "the page"),
            "{node}"
        );
        assert!(
            !headers.contains_key(header::SET_COOKIE) || node == "here",
            "{node}"
        );
        let meta = get_json(&site, &format!("/node/{node}/api/v1/meta")).await;
        assert_eq!(meta["node"], format!("node-{node}"));
    }
    let (_, _, healthy) = get_text(&site, "/healthz").await;
    assert_eq!(healthy, "ok");
    for missing in [
        "/node/other/",
        "/nowhere",
        "/node/there/../gone/",
        "/node/below/%2e%2e/healthz",
    ] {
        let (status, headers, _) = get_text(&site, missing).await;
        assert_eq!(status, StatusCode::NOT_FOUND, "{missing}");
        assert_eq!(headers[header::CONTENT_TYPE], "application/problem+json");
    }
}

#[tokio::test]
async fn a_request_arrives_as_it_was_but_for_what_is_ours() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("token");
    std::fs::write(&path, TOKEN).unwrap();
    let site = gateway(Some(Arc::new(Token::read(path).unwrap()))).await;
    let request = Request::put("/node/there/echo/a%2Fb/%20?q=a%26b&x=%zz")
        .header("cookie", "fgm-8050=secret")
        .header("authorization", "Bearer of-a-browser")
        .header("origin", "http://gateway")
        .header("x-fgm-base", "/forged/")
        .header("x-fgm-write", "1")
        .header("if-match", "\"1\"");
    let (status, _, body) = ask(&site, request.body(Body::from("x")).unwrap()).await;
    assert_eq!(status, StatusCode::OK);
    let told: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(told["uri"], "/echo/a%2Fb/%20?q=a%26b&x=%zz");
    assert_eq!(told["method"], "PUT");
    let headers = &told["headers"];
    assert_eq!(headers["authorization"], format!("Bearer {TOKEN}"));
    assert_eq!(headers["x-fgm-base"], "/node/there/");
    assert_eq!(
        (&headers["x-fgm-write"], &headers["if-match"]),
        (&json!("1"), &json!("\"1\""))
    );
    assert!(headers.get("cookie").is_none() && headers.get("origin").is_none());
    assert_ne!(headers["host"], "gateway");

    let note = Request::put("/node/there/api/v1/notes/n1")
        .body(Body::from("12345"))
        .unwrap();
    let (status, _, body) = ask(&site, note).await;
    assert_eq!((status, body.as_str()), (StatusCode::CREATED, "n1 5"));
    let large = Request::put("/node/there/api/v1/notes/n1")
        .body(Body::from(vec![0; 1 << 20]))
        .unwrap();
    assert_eq!(ask(&site, large).await.0, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(
        get_text(&site, "/node/there/guarded").await.0,
        StatusCode::OK
    );
    let without = gateway(None).await;
    let (status, _, body) = get_text(&without, "/node/there/guarded").await;
    assert_eq!(status, StatusCode::BAD_GATEWAY);
    assert!(body.contains("does not take the token"), "{body}");
}

#[tokio::test]
async fn a_stream_passes_through() {
    let site = gateway(None).await;
    for node in ["here", "there"] {
        let (status, headers, body) = get_text(&site, &format!("/node/{node}/ticks")).await;
        assert_eq!(status, StatusCode::OK);
        assert_eq!(headers[header::CONTENT_TYPE], "text/event-stream");
        assert_eq!(body, "event: tick\ndata: 0\n\nevent: tick\ndata: 1\n\n");
    }
}

#[tokio::test]
async fn a_node_that_is_away_is_a_message() {
    let site = gateway(None).await;
    let (status, headers, body) = get_text(&site, "/node/gone/api/v1/meta").await;
    assert_eq!(status, StatusCode::BAD_GATEWAY);
    assert_eq!(headers[header::CONTENT_TYPE], "application/problem+json");
    assert!(body.contains("node gone cannot be reached"), "{body}");
    let page = Request::get("/node/gone/")
        .header("accept", "text/html")
        .body(Body::empty())
        .unwrap();
    let (status, _, body) = ask(&site, page).await;
    assert_eq!(status, StatusCode::BAD_GATEWAY);
    assert!(body.contains("<a href=\"../../nodes\">"), "{body}");
}

#[tokio::test]
async fn all_nodes_are_listed_and_searched() {
    let site = gateway(None).await;
    let mut list = get_json(&site, "/api/v1/nodes").await;
    for node in list["nodes"].as_array_mut().unwrap() {
        assert!(node["age_ms"].is_null() || node["age_ms"].as_i64() > Some(1_000_000));
        node["age_ms"] = "[age]".into();
        if node["up"] == false {
            assert!(
                node["reason"]
                    .as_str()
                    .unwrap()
                    .contains("cannot be reached")
            );
            node["reason"] = "[reason]".into();
        }
    }
    insta::assert_json_snapshot!(list);

    let found = get_json(&site, "/api/v1/find?q=best%20of").await;
    let hits: Vec<_> = found["containers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|hit| {
            format!(
                "{} {}",
                hit["at"].as_str().unwrap(),
                hit["name"].as_str().unwrap()
            )
        })
        .collect();
    let want = [
        "below best",
        "here best",
        "there best",
        "below second",
        "here second",
        "there second",
    ];
    assert_eq!(hits, want);
    assert_eq!(
        (&found["matched"], &found["failed"][0]["node"]),
        (&json!(6), &json!("gone"))
    );

    let (status, headers, page) = get_text(&site, "/nodes").await;
    assert_eq!(status, StatusCode::OK);
    assert!(
        page.contains("✕ away") && page.contains("▲ stale"),
        "{page}"
    );
    assert!(page.contains("<a href=\"node/there/#v=1&amp;t=live:900&amp;m=cpu_throttled_percent&amp;c=abcdefabcdef\">&lt;b&gt;/x</a> 99 %"));
    assert!(!page.contains("NONCE") && !page.contains("<b>"));
    assert!(
        headers[header::CONTENT_SECURITY_POLICY]
            .to_str()
            .unwrap()
            .contains("'nonce-")
    );
}

/// What may stand between two slashes: names, ways out, and rubbish.
fn segment() -> impl Strategy<Value = String> {
    const KNOWN: [&str; 22] = [
        "node", "here", "there", "below", "gone", "other", "nodes", "api", "v1", "find", "meta",
        "echo", "", ".", "..", "%2e%2e", ".%2E", "%2f..%2f", "..%5c", "%00", "%ff", "%zz",
    ];
    prop_oneof![
        6 => prop::sample::select(&KNOWN[..]).prop_map(str::to_owned),
        1 => "[ -~]{0,20}".prop_map(|text| text.replace(['#', '?', ' ', '/'], "x")),
        1 => "(%[0-9a-fA-F]{2}){1,6}",
    ]
}

fn url() -> impl Strategy<Value = String> {
    let below = prop::sample::select(&["", "/node/here", "/node/below", "/node/gone"][..]);
    let rest = prop::collection::vec(segment(), 0..6);
    let query = prop_oneof!["(q|start|x)=[a-z%0-9]{0,8}", "q=[ -~]{0,30}"];
    (below, rest, query).prop_map(|(below, rest, query)| {
        let query = query.replace(['#', ' '], "+");
        format!("{below}/{}?{query}", rest.join("/"))
    })
}

#[test]
fn no_address_is_a_server_error_or_leaves_its_node() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    // Beside what the node may be asked for lies what nobody may.
    let left = Arc::new(AtomicUsize::new(0));
    let site = runtime.block_on(async {
        let beside = {
            let left = Arc::clone(&left);
            move || {
                left.fetch_add(1, Ordering::Relaxed);
                std::future::ready("not yours")
            }
        };
        let below = Router::new()
            .nest(
                "/ui/",
                site("node-below").fallback(async || StatusCode::NOT_FOUND),
            )
            .route("/", get(beside.clone()))
            .fallback(beside);
        let nodes = vec![
            Node::own("here", site("node-here")).unwrap(),
            peer("below", &format!("{}/ui/", serve(below).await)),
            peer("gone", &nobody().await),
        ];
        fgm_gateway::router(NodeList::fixed(nodes).unwrap(), None).unwrap()
    });
    let mut runner = TestRunner::new(ProptestConfig::with_cases(800));
    let answered = std::cell::Cell::new(0);
    runner
        .run(&url(), |url| {
            let Ok(uri) = url.parse::<Uri>() else {
                return Ok(());
            };
            let is_gone = uri.path().starts_with("/node/gone/");
            let request = Request::get(uri).body(Body::empty()).unwrap();
            let (status, headers, body) = runtime.block_on(ask(&site, request));
            prop_assert!(
                !status.is_server_error() || (is_gone && status == StatusCode::BAD_GATEWAY),
                "{url} {status}"
            );
            let is_ours = !url.starts_with("/node/here/") && !url.starts_with("/node/below/");
            if is_ours && !status.is_success() && !status.is_redirection() {
                prop_assert_eq!(
                    &headers[header::CONTENT_TYPE],
                    "application/problem+json",
                    "{} {}",
                    url,
                    body
                );
            }
            prop_assert_eq!(left.swap(0, Ordering::Relaxed), 0, "{} left the node", url);
            answered.set(answered.get() + u32::from(status.is_success()));
            Ok(())
        })
        .unwrap();
    assert!(answered.get() > 0);
}
