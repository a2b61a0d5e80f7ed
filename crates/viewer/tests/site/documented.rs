//! The OpenAPI document is true: its paths are those that are served, its words those that are
//! understood, its limits those that hold. What answers look like is judged by a story.

use crate::data::*;
use axum::http::StatusCode;
use serde_json::Value;
use std::collections::BTreeSet;

async fn document(site: &axum::Router) -> Value {
    let answer = get(site, "/api/v1/openapi.json").await;
    assert_eq!(answer.status, StatusCode::OK);
    answer.json()
}

/// The query parameters of an operation, whole.
fn parameters<'a>(document: &'a Value, operation: &'a Value) -> Vec<&'a Value> {
    let list = operation["parameters"].as_array().unwrap();
    list.iter()
        .map(|one| match one["$ref"].as_str() {
            Some(place) => document.pointer(place.trim_start_matches('#')).unwrap(),
            None => one,
        })
        .filter(|one| one["in"] == "query")
        .collect()
}

/// An address that is answered, from what the document demands.
fn address(path: &str, parameters: &[&Value]) -> String {
    let mut address = format!("/api/v1{path}?");
    for one in parameters.iter().filter(|one| one["required"] == true) {
        let value = match one["name"].as_str().unwrap() {
            "start" => START.to_string(),
            _ => one["example"].as_str().unwrap().to_owned(),
        };
        address.push_str(&format!("{}={value}&", one["name"].as_str().unwrap()));
    }
    address
}

#[tokio::test]
async fn every_route_is_documented_and_every_documented_path_is_a_route() {
    let recording = Recording::new();
    let document = document(&recording.site()).await;
    assert_eq!(document["info"]["version"], env!("CARGO_PKG_VERSION"));
    let documented: BTreeSet<_> = document["paths"]
        .as_object()
        .unwrap()
        .keys()
        .cloned()
        .collect();
    let source = include_str!("../../src/lib.rs");
    let (_, api) = source.split_once("let api = Router::new()").unwrap();
    let (api, _) = api.split_once(';').unwrap();
    let served: BTreeSet<_> = api
        .split(".route(")
        .skip(1)
        .map(|route| route.split('"').nth(1).unwrap().to_owned())
        .collect();
    assert_eq!(documented, served);
}

#[tokio::test]
async fn the_words_and_limits_of_the_document_are_those_that_hold() {
    let recording = Recording::new();
    let site = recording.site();
    let document = document(&site).await;
    let (mut words_tried, mut limits_tried) = (0, 0);
    for (path, item) in document["paths"].as_object().unwrap() {
        let operation = &item["get"];
        let is_plain = path != "/tail" && !path.contains('{');
        if operation.is_null() || !is_plain {
            continue;
        }
        let parameters = parameters(&document, operation);
        let address = address(path, &parameters);
        let answer = get(&site, &address).await;
        assert_eq!(answer.status, StatusCode::OK, "{address}");
        for one in &parameters {
            let (name, schema) = (one["name"].as_str().unwrap(), &one["schema"]);
            if let Some(words) = schema["enum"].as_array() {
                let words: Vec<_> = words.iter().map(|word| word.as_str().unwrap()).collect();
                for word in &words {
                    let answer = get(&site, &format!("{address}{name}={word}")).await;
                    assert_eq!(answer.status, StatusCode::OK, "{address}{name}={word}");
                    words_tried += 1;
                }
                let answer = get(&site, &format!("{address}{name}=nonsense")).await;
                assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{address}{name}");
                let known = answer.json()["detail"].as_str().unwrap().to_owned();
                let mut known: Vec<_> = known
                    .split(" none of ")
                    .nth(1)
                    .unwrap()
                    .split(", ")
                    .collect();
                let mut words = words.clone();
                known.sort_unstable();
                words.sort_unstable();
                assert_eq!(known, words, "{path} {name}");
            }
            let (least, most) = (schema["minimum"].as_i64(), schema["maximum"].as_i64());
            if let (Some(least), Some(most), false) = (least, most, matches!(name, "start" | "end"))
            {
                for (value, want) in [
                    (least - 1, StatusCode::BAD_REQUEST),
                    (least, StatusCode::OK),
                    (most, StatusCode::OK),
                    (most + 1, StatusCode::PAYLOAD_TOO_LARGE),
                ] {
                    let answer = get(&site, &format!("{address}{name}={value}")).await;
                    assert_eq!(answer.status, want, "{address}{name}={value}");
                    limits_tried += 1;
                }
            }
        }
    }
    assert!(
        words_tried > 20 && limits_tried > 10,
        "{words_tried} {limits_tried}"
    );
}
