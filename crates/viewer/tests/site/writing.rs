//! Notes: the one thing that can be written.

use crate::data::*;
use axum::Router;
use axum::body::Body;
use axum::http::{Method, Request, StatusCode, header};
use serde_json::json;

struct Write<'a> {
    method: Method,
    id: &'a str,
    headers: &'a [(&'a str, &'a str)],
    body: String,
}

async fn write(site: &Router, write: Write<'_>) -> Answer {
    let mut request = Request::builder()
        .method(write.method)
        .uri(format!("/api/v1/notes/{}", write.id))
        .header(header::HOST, "127.0.0.1:8050");
    for (name, value) in write.headers {
        request = request.header(*name, *value);
    }
    ask(site, request.body(Body::from(write.body)).unwrap()).await
}

fn text(text: &str) -> String {
    json!({ "time_ms": START, "text": text }).to_string()
}

/// id, headers, body, and what comes of it
type Refused<'a> = (&'a str, &'a [(&'a str, &'a str)], String, StatusCode);

const MARK: (&str, &str) = ("x-fgm-write", "1");
const NEW: (&str, &str) = ("if-none-match", "*");

#[tokio::test]
async fn a_note_is_kept_changed_and_taken_away() {
    let recording = Recording::new();
    let site = recording.site();
    let put = |headers, body: &str| Write {
        method: Method::PUT,
        id: "n1",
        headers,
        body: text(body),
    };
    let made = write(&site, put(&[MARK, NEW], "deploy <b>")).await;
    assert_eq!(made.status, StatusCode::CREATED);
    let list = get(&site, "/api/v1/notes").await.json();
    assert_eq!(list["notes"][0]["text"], "deploy <b>");
    let outside = get(&site, &format!("/api/v1/notes?start={}", START + 1))
        .await
        .json();
    assert_eq!(outside["notes"], json!([]));

    let tag = made.header(header::ETAG).to_owned();
    let again = write(&site, put(&[MARK, NEW], "x")).await;
    assert_eq!(again.status, StatusCode::PRECONDITION_FAILED);
    let known = [MARK, ("if-match", tag.as_str())];
    let changed = write(&site, put(&known, "deploy v2")).await;
    assert_eq!(changed.status, StatusCode::OK);
    let one = get(&site, "/api/v1/notes/n1").await;
    assert_eq!(one.json()["text"], "deploy v2");
    let delete = |headers| Write {
        method: Method::DELETE,
        id: "n1",
        headers,
        body: String::new(),
    };
    assert_eq!(
        write(&site, delete(&known)).await.status,
        StatusCode::PRECONDITION_FAILED
    );
    let tag = one.header(header::ETAG).to_owned();
    let known = [MARK, ("if-match", tag.as_str())];
    assert_eq!(
        write(&site, delete(&known)).await.status,
        StatusCode::NO_CONTENT
    );
    assert_eq!(
        get(&site, "/api/v1/notes/n1").await.status,
        StatusCode::NOT_FOUND
    );
}

#[tokio::test]
async fn what_is_no_proper_write_is_refused() {
    let recording = Recording::new();
    let site = recording.site();
    let refused: [Refused<'_>; 7] = [
        ("n1", &[NEW], text("x"), StatusCode::FORBIDDEN),
        (
            "n1",
            &[MARK, NEW, ("sec-fetch-site", "cross-site")],
            text("x"),
            StatusCode::FORBIDDEN,
        ),
        (
            "n1",
            &[MARK, NEW, ("sec-fetch-site", "same-site")],
            text("x"),
            StatusCode::FORBIDDEN,
        ),
        ("n1", &[MARK], text("x"), StatusCode::PRECONDITION_REQUIRED),
        ("n1", &[MARK, NEW], "{".into(), StatusCode::BAD_REQUEST),
        ("..%2fx", &[MARK, NEW], text("x"), StatusCode::BAD_REQUEST),
        (
            "n1",
            &[MARK, NEW],
            text(&"x".repeat(40_000)),
            StatusCode::PAYLOAD_TOO_LARGE,
        ),
    ];
    for (id, headers, body, want) in refused {
        let answer = write(
            &site,
            Write {
                method: Method::PUT,
                id,
                headers,
                body,
            },
        )
        .await;
        assert_eq!(answer.status, want, "{id} {headers:?}");
    }
    assert_eq!(get(&site, "/api/v1/notes").await.json()["notes"], json!([]));
    let from_page = [MARK, NEW, ("sec-fetch-site", "same-origin")];
    let put = Write {
        method: Method::PUT,
        id: "n1",
        headers: &from_page,
        body: text("x"),
    };
    assert_eq!(write(&site, put).await.status, StatusCode::CREATED);
}
