//! Overview, heat map, ranking, search and export.

use crate::data::*;
use arrow::array::AsArray;
use arrow::datatypes::TimestampMillisecondType;
use arrow::util::display::array_value_to_string;
use axum::body::Bytes;
use axum::http::{StatusCode, header};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::{Value, json};

#[tokio::test]
async fn the_difference_tells_who_changed_in_what() {
    let recording = Recording::new();
    let site = recording.site();
    let minute = |first: i64| {
        format!(
            "{}..{}",
            START + first * SECOND,
            START + (first + 60) * SECOND - 1
        )
    };
    let url = format!("/api/v1/diff?a={}&b={}", minute(0), minute(60));
    let both = get(&site, &url).await.json();
    insta::assert_json_snapshot!(both);
    // Memory rises all the time; the CPU's one spike is no difference.
    let rows = both["rows"].as_array().unwrap();
    assert!(
        rows.iter()
            .any(|row| row["metric"] == "memory_current" && row["delta"] == 1.0)
    );
    assert!(
        rows.iter()
            .all(|row| row["metric"] != "cpu_usage_millicores")
    );
    let same = get(&site, &format!("/api/v1/diff?a={0}&b={0}", minute(0)))
        .await
        .json();
    assert_eq!(same["rows"], json!([]));
    let one = get(&site, &format!("{url}&sel=cart&n=1")).await.json();
    assert_eq!(one["rows"].as_array().unwrap().len(), 1);
    assert_eq!(
        (&one["rows"][0]["name"], &one["matched"]),
        (&"cart".into(), &1.into())
    );
    for bad in ["", "a=1..2", "a=prev&b=1..2", "a=9..1&b=1..2"] {
        let answer = get(&site, &format!("/api/v1/diff?{bad}")).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{bad}");
    }
}

fn range() -> String {
    format!("start={START}&end={}", START + 119 * SECOND)
}

async fn frame(path: &str) -> Value {
    let recording = Recording::new();
    let answer = get(&recording.site(), path).await;
    assert_eq!(answer.status, StatusCode::OK, "{path}");
    let mut frame = answer.frames().remove(0);
    frame["generation"] = "[generation]".into();
    frame
}

#[tokio::test]
async fn the_overview_is_the_extremes_and_the_mean_of_everything() {
    let frame = frame("/api/v1/overview?metric=cpu_usage_millicores&px=60").await;
    insta::assert_json_snapshot!(frame);
    // The one second at 950 is in it, whatever the step.
    assert_eq!(frame["series"][0]["max"], 950.0);
    assert_eq!(frame["matched"], 3);
}

#[tokio::test]
async fn the_heat_map_has_a_row_per_container_the_largest_on_top() {
    let url = format!(
        "/api/v1/heatmap?metric=memory_current&{}&px=60&sort=max",
        range()
    );
    let frame = frame(&url).await;
    insta::assert_json_snapshot!(frame);
    let rows = frame["series"].as_array().unwrap();
    let max: Vec<_> = rows
        .iter()
        .map(|row| row["max"].as_f64().unwrap())
        .collect();
    assert!(max.is_sorted_by(|a, b| a >= b), "{max:?}");
    assert!(rows.iter().all(|row| row["enc"] == 6));
    assert_eq!(frame["scale"], json!([0.0, max[0]]));
}

#[tokio::test]
async fn the_ranking_tells_what_changed() {
    let recording = Recording::new();
    let site = recording.site();
    let second_minute = format!("start={}&end={}", START + 60 * SECOND, START + 119 * SECOND);
    let url = format!("/api/v1/rank?metric=memory_current&{second_minute}&by=avg&base=prev");
    let ranking = get(&site, &url).await.json();
    insta::assert_json_snapshot!(ranking);
    let base = format!("{}..{}", START, START + 59 * SECOND);
    let chosen = url.replace("base=prev", &format!("base={base}"));
    let chosen = get(&site, &chosen).await.json();
    assert_eq!(chosen["base"]["start_ms"], START);
    assert_eq!(chosen["rows"][0]["before"], ranking["rows"][0]["before"]);
    let alone = get(&site, &url.replace("&base=prev", "&n=1")).await.json();
    assert_eq!(alone["rows"].as_array().unwrap().len(), 1);
    assert_eq!(
        (&alone["matched"], &alone["base"]),
        (&3.into(), &Value::Null)
    );
    for bad in ["then", "9..1", "..", "1..99999999999999999"] {
        let answer = get(&site, &url.replace("base=prev", &format!("base={bad}"))).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{bad}");
    }
}

#[tokio::test]
async fn roll_ups_answer_as_the_rows_do_and_quantiles_are_named_as_theirs() {
    let recording = Recording::new();
    let site = recording.site();
    // Two slots of a minute.
    let urls = [
        format!(
            "/api/v1/series?metric=memory_current,io_read_bytes&{}&px=2",
            range()
        ),
        format!(
            "/api/v1/series?metric=memory_current&{}&px=2&agg=avg",
            range()
        ),
        format!(
            "/api/v1/heatmap?metric=cpu_usage_millicores&{}&px=2",
            range()
        ),
        "/api/v1/overview?metric=cpu_usage_millicores&px=2".to_owned(),
    ];
    let ask = async || {
        let mut frames = Vec::new();
        for url in &urls {
            frames.extend(get(&site, url).await.frames());
        }
        for frame in &mut frames {
            assert_eq!((&frame["step"], &frame["n"]), (&60_000.into(), &2.into()));
            for changed in ["generation", "sealed"] {
                frame[changed] = Value::Null;
            }
            for series in frame["series"].as_array_mut().unwrap() {
                // Of roll-ups they are other numbers.
                series["p99"] = Value::Null;
                series["last"] = Value::Null;
            }
        }
        frames
    };
    let raw = ask().await;
    recording.consolidate();
    let mut rolled = ask().await;
    // The overview, the last, tells no quantile.
    let (_, with_quantiles) = rolled.split_last_mut().unwrap();
    for frame in with_quantiles {
        assert_eq!(frame["quantiles_of"], "max_60s");
        frame["quantiles_of"] = "samples".into();
    }
    assert_eq!(raw, rolled);
}

#[tokio::test]
async fn a_container_is_found_by_what_is_known_of_it() {
    let recording = Recording::new();
    let site = recording.site();
    let names = async |text: &str| {
        let found = get(&site, &format!("/api/v1/find?q={text}")).await.json();
        let list = found["containers"].as_array().unwrap().clone();
        list.iter()
            .map(|one| one["name"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(names("redis").await, ["redis"]);
    assert_eq!(names("shop+cart").await, ["cart"]);
    assert_eq!(names("redis:1").await, ["redis"], "by its image");
    assert_eq!(names("dddddddd").await, ["agent"], "by its container id");
    assert_eq!(names("").await.len(), 3);
    assert!(names("no-such-thing").await.is_empty());
    let list = get(&site, &format!("/api/v1/containers?{}", range()))
        .await
        .json();
    let id = list["containers"][0]["id"].as_str().unwrap();
    assert_eq!(
        names(id).await,
        [list["containers"][0]["name"].as_str().unwrap()]
    );
}

#[tokio::test]
async fn has_selects_by_what_happened() {
    let recording = Recording::new();
    let site = recording.site();
    for (sel, want) in [
        ("has:oom", 1),
        ("has:throttle", 0),
        ("has:oom%7Crestart", 1),
        ("has:oom+redis", 0),
    ] {
        let url = format!("/api/v1/containers?{}&sel={sel}", range());
        assert_eq!(get(&site, &url).await.json()["matched"], want, "{sel}");
        let url = format!("/api/v1/series?metric=memory_current&{}&sel={sel}", range());
        assert_eq!(get(&site, &url).await.frames()[0]["matched"], want, "{sel}");
    }
}

#[tokio::test]
async fn the_samples_come_as_csv() {
    let recording = Recording::new();
    let site = recording.site();
    let end = START + 61 * SECOND;
    let url = format!(
        "/api/v1/export.csv?metric=memory_current,io_read_bytes&start={}&end={end}&sel=redis",
        START + 58 * SECOND
    );
    let answer = get(&site, &url).await;
    assert_eq!(
        answer.header(header::CONTENT_TYPE),
        "text/csv; charset=utf-8"
    );
    let disposition = answer.header(header::CONTENT_DISPOSITION);
    assert!(
        disposition.starts_with("attachment; filename=\"fgm-"),
        "{disposition}"
    );
    insta::assert_snapshot!(String::from_utf8(answer.body).unwrap());
    let all = format!("/api/v1/export.csv?metric=memory_current&{}", range());
    let lines = String::from_utf8(get(&site, &all).await.body)
        .unwrap()
        .lines()
        .count();
    assert_eq!(lines, 1 + 3 * 120);
}

/// The same rows as in the CSV, with a unit per column.
#[tokio::test]
async fn the_samples_come_as_parquet() {
    let recording = Recording::new();
    let site = recording.site();
    let query = format!("metric=memory_current,io_read_bytes&{}", range());
    let answer = get(&site, &format!("/api/v1/export.parquet?{query}")).await;
    assert_eq!(
        answer.header(header::CONTENT_TYPE),
        "application/vnd.apache.parquet"
    );
    let file = ParquetRecordBatchReaderBuilder::try_new(Bytes::from(answer.body)).unwrap();
    let unit = file.schema().field_with_name("io_read_bytes").unwrap();
    assert_eq!(unit.metadata().get("unit").unwrap(), "bytes_per_s");
    let mut rows = Vec::new();
    for batch in file.build().unwrap() {
        let batch = batch.unwrap();
        let times = batch.column(0).as_primitive::<TimestampMillisecondType>();
        for row in 0..batch.num_rows() {
            let mut texts = vec![times.value(row).to_string()];
            for column in &batch.columns()[1..] {
                let text = array_value_to_string(column, row).unwrap();
                texts.push(text.trim_end_matches(".0").to_owned());
            }
            rows.push(texts.join(","));
        }
    }
    let csv = get(&site, &format!("/api/v1/export.csv?{query}")).await;
    let csv = String::from_utf8(csv.body).unwrap();
    let lines = csv.lines().skip(1);
    let lines: Vec<_> = lines.map(|line| line.split_once(',').unwrap().1).collect();
    assert_eq!(rows, lines);
    assert_eq!(rows.len(), 3 * 120);
}

/// What compresses a stream asks for more after its end.
#[tokio::test]
async fn a_compressed_export_comes_to_its_end() {
    let recording = Recording::new();
    let site = recording.site();
    let url = format!("/api/v1/export.csv?metric=memory_current&{}", range());
    for coding in ["gzip", "br", "zstd"] {
        let mut asked = request(&url);
        let accepted = coding.parse().unwrap();
        asked
            .headers_mut()
            .insert(header::ACCEPT_ENCODING, accepted);
        let answer = ask(&site, asked).await;
        assert_eq!(answer.header(header::CONTENT_ENCODING), coding);
        assert!(answer.body.len() > 100, "{coding}");
    }
}

#[tokio::test]
async fn dashboards_are_listed_and_found() {
    let recording = Recording::new();
    let site = recording.site();
    let list = get(&site, "/api/v1/dashboards").await.json();
    insta::assert_json_snapshot!(list);
    let one = get(&site, "/api/v1/dashboards/memory").await.json();
    assert_eq!(one["title"], "Memory and OOM");
    for missing in ["nothing", "..%2f..%2fetc%2fpasswd"] {
        let answer = get(&site, &format!("/api/v1/dashboards/{missing}")).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{missing}");
    }
}
