use crate::data::*;
use axum::body::Body;
use axum::http::{Request, Uri, header};
use proptest::prelude::*;

/// What an attacker, a typing error or a broken client may put into a parameter.
fn value() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<i64>().prop_map(|number| number.to_string()),
        any::<u128>().prop_map(|number| number.to_string()),
        (START - 9_999_999..START + 9_999_999).prop_map(|time| time.to_string()),
        "[a-z_,:|*%.]{0,24}",
        "[ -~]{0,24}".prop_map(|text| encode(&text)),
        "(%[0-9a-fA-F]{2}){0,12}",
        Just("memory_current,io_read_bytes,cpu_throttled_percent".to_owned()),
        Just("minmax".to_owned()),
        Just("raw".to_owned()),
        Just("%00".to_owned()),
        Just("..%2f..%2f..%2fetc%2fpasswd".to_owned()),
        Just("a".repeat(5000)),
        Just("000000000000".to_owned()),
        Just("-1".to_owned()),
        Just("1e9".to_owned()),
        Just("NaN".to_owned()),
    ]
}

fn encode(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02x}")).collect()
}

fn key() -> impl Strategy<Value = String> {
    const KNOWN: [&str; 21] = [
        "a", "b", "base", "n", "sort", "stat", "q", "tz", "start", "end", "px", "metric", "sel",
        "ids", "top", "by", "agg", "table", "kinds", "g", "form",
    ];
    prop_oneof![9 => prop::sample::select(&KNOWN[..]).prop_map(str::to_owned), 1 => "[a-z%0-9]{0,6}"]
}

const PATHS: [&str; 14] = [
    "meta",
    "metrics",
    "containers",
    "series",
    "overview",
    "heatmap",
    "rank",
    "diff",
    "find",
    "events",
    "notes",
    "notes/x",
    "dashboards",
    "export.csv",
];

fn path() -> impl Strategy<Value = String> {
    prop_oneof![
        8 => prop::sample::select(&PATHS[..])
            .prop_map(|name| format!("/api/v1/{name}")),
        1 => "/[ -~]{0,40}".prop_map(|text| text.replace(['#', '?', ' '], "/")),
        1 => "(/(\\.\\.|%2e%2e|%2f|api|v1|series|%00|_spool|node)){1,6}",
    ]
}

fn url() -> impl Strategy<Value = String> {
    let pairs = prop::collection::vec((key(), value()), 0..7);
    let whole: Vec<(String, String)> = vec![
        ("metric".into(), "memory_current".into()),
        ("start".into(), START.to_string()),
    ];
    (path(), pairs, any::<bool>()).prop_map(move |(path, mut pairs, add)| {
        if add {
            pairs.extend(whole.clone());
        }
        let query: Vec<_> = pairs.into_iter().map(|(k, v)| format!("{k}={v}")).collect();
        format!("{path}?{}", query.join("&"))
    })
}

#[test]
fn no_address_is_a_server_error() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let recording = Recording::new();
    let site = recording.site();
    let mut runner = prop::test_runner::TestRunner::new(ProptestConfig::with_cases(600));
    let answered = std::cell::Cell::new(0);
    runner
        .run(&url(), |url| {
            let Ok(uri) = url.parse::<Uri>() else {
                return Ok(());
            };
            let request = Request::get(uri).header(header::HOST, "localhost");
            let answer = runtime.block_on(ask(&site, request.body(Body::empty()).unwrap()));
            prop_assert!(answer.status.as_u16() < 500, "{} {}", url, answer.status);
            answered.set(answered.get() + u32::from(answer.status.is_success()));
            Ok(())
        })
        .unwrap();
    assert!(answered.get() > 0);
}
