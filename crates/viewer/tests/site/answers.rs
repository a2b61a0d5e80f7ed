use crate::data::*;
use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use fgm_store::state::{self, Recording as Told};
use serde_json::Value;

/// What differs from run to run is named, not shown.
fn steady(mut value: Value) -> Value {
    for key in ["generation", "bytes", "version"] {
        if let Some(field) = value.get_mut(key) {
            *field = format!("[{key}]").into();
        }
    }
    value
}

async fn json(path: &str) -> Value {
    let site = Recording::new().site_of();
    let answer = get(&site.1, path).await;
    assert_eq!(answer.status, StatusCode::OK, "{path}");
    assert_eq!(answer.header(header::CONTENT_TYPE), "application/json");
    steady(answer.json())
}

impl Recording {
    /// The site, and what it lives on.
    fn site_of(self) -> (Self, axum::Router) {
        let site = self.site();
        (self, site)
    }
}

fn range() -> String {
    format!("start={START}&end={}", START + 119 * SECOND)
}

#[tokio::test]
async fn meta() {
    insta::assert_json_snapshot!(json("/api/v1/meta").await);
}

#[tokio::test]
async fn metrics() {
    insta::assert_json_snapshot!(json("/api/v1/metrics").await);
}

#[tokio::test]
async fn containers() {
    insta::assert_json_snapshot!(json(&format!("/api/v1/containers?{}", range())).await);
}

#[tokio::test]
async fn containers_of_a_selection() {
    let url = format!("/api/v1/containers?{}&sel=ns:shop+qos:besteffort", range());
    let list = json(&url).await;
    assert_eq!((&list["matched"], &list["total"]), (&1.into(), &3.into()));
    assert_eq!(list["containers"][0]["name"], "redis");
}

#[tokio::test]
async fn events() {
    insta::assert_json_snapshot!(json(&format!("/api/v1/events?{}", range())).await);
    let list = json(&format!(
        "/api/v1/events?{}&sel=cart&kinds=oom_kill,ended",
        range()
    ))
    .await;
    assert_eq!(list["events"][0]["event_id"], "e2");
    assert_eq!(list["matched"], 1);
}

#[tokio::test]
async fn series_headers() {
    let (_data, site) = Recording::new().site_of();
    let url = format!(
        "/api/v1/series?metric=cpu_usage_millicores,io_read_bytes&{}&px=60&top=2&by=max",
        range()
    );
    let answer = get(&site, &url).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(
        answer.header(header::CONTENT_TYPE),
        "application/vnd.fgm.fgmf"
    );
    let frames: Vec<_> = answer.frames().into_iter().map(steady).collect();
    insta::assert_json_snapshot!(frames);
}

#[tokio::test]
async fn raw_series_are_exact_and_break_at_the_restart() {
    let (_data, site) = Recording::new().site_of();
    let containers = get(&site, &format!("/api/v1/containers?{}&sel=cart", range())).await;
    let id = containers.json()["containers"][0]["id"].clone();
    let id = id.as_str().unwrap();
    let url = format!(
        "/api/v1/series?metric=memory_current&{}&ids={id}&agg=raw",
        range()
    );
    let frame = get(&site, &url).await.frames().remove(0);
    assert_eq!((&frame["n"], &frame["step"]), (&120.into(), &1000.into()));
    let series = &frame["series"][0];
    assert_eq!(series["id"], id);
    assert_eq!(series["enc"], 1);
    assert_eq!(series["breaks"], serde_json::json!([50]));
    assert_eq!(series["gaps"], serde_json::json!([]));
    assert_eq!(series["last"], 99_190.0);
}

/// The live tail: one question for what is new, and only that.
#[tokio::test]
async fn without_an_end_the_grid_ends_at_the_newest_row() {
    let (_data, site) = Recording::new().site_of();
    let url = format!(
        "/api/v1/series?metric=memory_current,io_read_bytes&start={}&agg=raw",
        START + 118 * SECOND
    );
    let frames = get(&site, &url).await.frames();
    for frame in &frames {
        assert_eq!(frame["t0"], START + 118 * SECOND);
        assert_eq!(frame["returned"], 3);
    }
    // The rate of the first new row exists: the row before was read too.
    assert_eq!(frames[1]["series"][0]["min"], 4096.0);
}

#[tokio::test]
async fn a_sealed_range_of_this_generation_is_kept_for_good_and_others_are_asked_again() {
    let (_data, site) = Recording::new().site_of();
    let meta = get(&site, "/api/v1/meta").await.json();
    let generation = meta["generation"].as_str().unwrap();
    let sealed = format!(
        "metric=memory_current&start={START}&end={}",
        START + 30 * SECOND
    );
    let cache = async |query: &str| {
        let answer = get(&site, &format!("/api/v1/series?{query}")).await;
        answer.header(header::CACHE_CONTROL).to_owned()
    };
    let forever = "private, max-age=86400, immutable";
    assert_eq!(cache(&format!("{sealed}&g={generation}")).await, forever);
    assert_eq!(cache(&format!("{sealed}&g=other")).await, "no-cache");
    assert_eq!(cache(&sealed).await, "no-cache");
    let open = format!("metric=memory_current&{}&g={generation}", range());
    assert_eq!(cache(&open).await, "no-cache");
}

#[tokio::test]
async fn who_has_the_answer_is_told_so() {
    let (_data, site) = Recording::new().site_of();
    let series = format!("/api/v1/series?metric=memory_current&{}", range());
    for url in ["/", "/api/v1/meta", &series] {
        let first = get(&site, url).await;
        let tag = first.header(header::ETAG).to_owned();
        assert!(tag.starts_with('"'), "{url} {tag}");
        let mut again = request(url);
        again
            .headers_mut()
            .insert(header::IF_NONE_MATCH, tag.parse().unwrap());
        let second = ask(&site, again).await;
        assert_eq!(second.status, StatusCode::NOT_MODIFIED, "{url}");
        assert!(second.body.is_empty());
    }
}

#[tokio::test]
async fn answers_are_compressed_where_it_is_worth_it() {
    let (_data, site) = Recording::new().site_of();
    for (url, accept, want) in [
        ("/api/v1/metrics", "gzip, deflate, br, zstd", "zstd"),
        ("/api/v1/metrics", "gzip, deflate, br", "br"),
        ("/api/v1/metrics", "gzip, deflate", "gzip"),
        ("/api/v1/metrics", "identity", ""),
        ("/healthz", "gzip, zstd", ""),
        ("/", "gzip, deflate, br, zstd", "gzip"),
    ] {
        let mut asked = request(url);
        asked
            .headers_mut()
            .insert(header::ACCEPT_ENCODING, accept.parse().unwrap());
        let answer = ask(&site, asked).await;
        assert_eq!(
            answer.header(header::CONTENT_ENCODING),
            want,
            "{url} {accept}"
        );
    }
}

#[tokio::test]
async fn every_answer_carries_the_guarding_headers() {
    let (_data, site) = Recording::new().site_of();
    for url in ["/", "/api/v1/meta", "/nowhere", "/api/v1/series"] {
        let answer = get(&site, url).await;
        assert_eq!(
            answer.header(header::X_CONTENT_TYPE_OPTIONS),
            "nosniff",
            "{url}"
        );
        assert_eq!(
            answer.header(header::REFERRER_POLICY),
            "no-referrer",
            "{url}"
        );
        let csp = answer.header(header::CONTENT_SECURITY_POLICY);
        assert!(csp.contains("default-src 'none'"), "{url} {csp}");
        assert_eq!(
            answer
                .headers
                .get_all(header::CONTENT_SECURITY_POLICY)
                .iter()
                .count(),
            1
        );
        assert!(
            !answer
                .headers
                .contains_key(header::ACCESS_CONTROL_ALLOW_ORIGIN)
        );
    }
}

#[tokio::test]
async fn a_foreign_host_is_refused_but_for_probes() {
    let (_data, site) = Recording::new().site_of();
    for (url, want) in [
        ("/", StatusCode::FORBIDDEN),
        ("/api/v1/meta", StatusCode::FORBIDDEN),
        ("/healthz", StatusCode::OK),
        ("/readyz", StatusCode::OK),
    ] {
        let foreign = Request::get(url).header(header::HOST, "evil.example");
        let answer = ask(&site, foreign.body(Body::empty()).unwrap()).await;
        assert_eq!(answer.status, want, "{url}");
    }
}

/// RFC 9457, and advice in each.
#[tokio::test]
async fn problems() {
    let (_data, site) = Recording::new().site_of();
    let range = range();
    let mut problems = Vec::new();
    for url in [
        "/api/v1/series?metric=memory_current".to_owned(),
        format!("/api/v1/series?{range}"),
        format!("/api/v1/series?metric=nonsense&{range}"),
        format!("/api/v1/series?metric=memory_current&{range}&px=4097"),
        format!("/api/v1/series?metric=memory_current&{range}&px=0"),
        format!("/api/v1/series?metric=memory_current&{range}&top=1001"),
        format!("/api/v1/series?metric=memory_current&{range}&by=luck"),
        format!("/api/v1/series?metric=memory_current&{range}&ids=../../etc"),
        "/api/v1/series?metric=memory_current&start=1&agg=raw".to_owned(),
        "/api/v1/events?start=9&end=1".to_owned(),
        "/api/v1/events?start=yesterday".to_owned(),
        format!("/api/v1/events?{range}&kinds=party"),
        "/api/v1/nowhere".to_owned(),
    ] {
        let answer = get(&site, &url).await;
        assert_eq!(
            answer.header(header::CONTENT_TYPE),
            "application/problem+json",
            "{url}"
        );
        problems.push((url, answer.json()));
    }
    let posted = Request::post("/api/v1/meta").header(header::HOST, "localhost");
    let answer = ask(&site, posted.body(Body::empty()).unwrap()).await;
    problems.push(("POST /api/v1/meta".into(), answer.json()));
    insta::assert_json_snapshot!(problems);
}

#[tokio::test]
async fn the_viewer_tells_how_it_is_doing() {
    let (_data, site) = Recording::new().site_of();
    for _ in 0..3 {
        get(
            &site,
            &format!("/api/v1/rank?metric=memory_current&{}", range()),
        )
        .await;
    }
    get(&site, "/api/v1/dashboards/none").await;
    get(&site, "/../nowhere").await;
    let metrics = String::from_utf8(get(&site, "/metrics").await.body).unwrap();
    let lines = metrics.lines().filter(|line| !line.contains("duration"));
    // Labels come in any order.
    let mut lines: Vec<_> = lines.collect();
    lines.sort_unstable();
    insta::assert_snapshot!(lines.join("\n"));
}

#[tokio::test]
async fn an_empty_directory_is_an_empty_site() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("later");
    let site = fgm_viewer::router(fgm_viewer::AppState::new(&path));
    let meta = get(&site, "/api/v1/meta").await.json();
    assert_eq!(meta["live_until_ms"], Value::Null);
    assert_eq!(meta["notice"], Value::Null);
    assert_eq!(get(&site, "/readyz").await.status, StatusCode::OK);
    let url = format!("/api/v1/series?metric=memory_current&{}", range());
    let frame = get(&site, &url).await.frames().remove(0);
    assert_eq!(frame["series"], serde_json::json!([]));
}

#[tokio::test]
async fn the_recorder_tells_why_there_is_little_to_see() {
    let temp = tempfile::tempdir().unwrap();
    let dir = fgm_store::DataDir::create(temp.path()).unwrap();
    let recording = Told {
        version: "0.1.0".into(),
        notice: Some("nothing runs here".into()),
    };
    state::write(&dir, state::RECORDING, &recording).unwrap();
    let site = fgm_viewer::router(fgm_viewer::AppState::new(temp.path()));
    let meta = get(&site, "/api/v1/meta").await.json();
    assert_eq!(meta["notice"], "nothing runs here");
}
