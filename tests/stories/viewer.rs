//! `fgm-viewer` as a person, a browser, another program and an attacker meet it.

#![expect(
    clippy::unwrap_used,
    reason = "a failed expectation is how a story fails"
)]

use fgm_stories::generated::generate;
use fgm_stories::needs::{chromium, node, python, require_or_skip, schemathesis};
use fgm_stories::viewer::{Viewer, known_recording};
use fgm_stories::{http, wait_for, week};
use serde_json::Value;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;

const TOKEN: &str = "story-token-0123456789";

/// An hour of a node.
fn generate_some(data_dir: &Path) {
    let truth = generate(data_dir, &["--containers", "6", "--interval", "10s"]);
    drop(truth);
}

/// What a browser needs, and a viewer that has its page.
fn browser() -> Option<(PathBuf, PathBuf)> {
    let (chromium, node) = (chromium()?, node()?);
    let empty = tempfile::tempdir().unwrap();
    let viewer = Viewer::start(empty.path(), &[]);
    let page = http::get(viewer.address, "/").unwrap().text();
    let whole = (!page.contains("FGM_WEB=stub")).then_some((chromium, node));
    require_or_skip(whole, "the page, built as a stub,", "no FGM_WEB=stub")
}

/// Runs one file of the page's browser tests; none may fail, and some must have run.
fn in_browser((chromium, node): &(PathBuf, PathBuf), file: &str, env: &[(&str, &str)]) {
    let ui = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/web/ui");
    let output = Command::new(node)
        .args(["--test", &format!("e2e/{file}")])
        .current_dir(ui)
        .env("FGM_CHROMIUM", chromium)
        .envs(env.iter().copied())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{file}: {said}");
    let count = |what: &str| -> u32 {
        let line = said.lines().find_map(|line| line.strip_prefix(what));
        line.unwrap().trim().parse().unwrap()
    };
    assert!(
        count("# pass ") > 0 && count("# skipped ") == 0,
        "{file}: {said}"
    );
}

#[test]
fn a_person_debugs_directly_and_through_a_gateway() {
    let Some(browser) = browser() else { return };
    let folder = tempfile::tempdir().unwrap();
    let _recording = known_recording(folder.path());
    let there = Viewer::start(folder.path(), &[]);
    in_browser(&browser, "features.test.mjs", &[("FGM_URL", &there.url())]);

    let own = tempfile::tempdir().unwrap();
    generate_some(own.path());
    let peer = format!("there={}", there.url());
    let away = "away=http://127.0.0.1:9";
    let gateway = Viewer::start(own.path(), &["--peer", &peer, "--peer", away]);
    let below = format!("{}node/there/", gateway.url());
    in_browser(&browser, "features.test.mjs", &[("FGM_URL", &below)]);
    in_browser(
        &browser,
        "gateway.test.mjs",
        &[("FGM_GATEWAY", &gateway.url())],
    );
}

/// From the rows of an hour to the roll-ups of a week.
#[test]
fn one_sample_of_a_week_is_seen() {
    let Some(browser) = browser() else { return };
    let folder = tempfile::tempdir().unwrap();
    let spike_ms = week::record(folder.path()).to_string();
    let viewer = Viewer::start(folder.path(), &[]);
    let env = [
        ("FGM_URL", viewer.url()),
        ("FGM_SPIKE_MS", spike_ms),
        ("FGM_SPIKY", week::SPIKY.to_owned()),
    ];
    let env = env.each_ref().map(|(name, value)| (*name, value.as_str()));
    in_browser(&browser, "week.test.mjs", &env);
}

/// Sends a request with these header lines and gives the whole answer.
fn talk(viewer: &Viewer, request: &str, headers: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(viewer.address).unwrap();
    let length = body.len();
    write!(
        stream,
        "{request} HTTP/1.0\r\nHost: {}\r\nContent-Length: {length}\r\n{headers}\r\n{body}",
        viewer.address
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn beyond_this_machine_one_logs_in_or_sends_the_token() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    generate_some(&data);
    let token = folder.path().join("token");
    std::fs::write(&token, TOKEN).unwrap();
    let flags = [
        "--listen",
        "0.0.0.0:0",
        "--token-file",
        token.to_str().unwrap(),
    ];
    let (one, other) = (Viewer::start(&data, &flags), Viewer::start(&data, &flags));

    let meta = "GET /api/v1/meta";
    assert!(talk(&one, meta, "", "").contains(" 401 "));
    assert!(talk(&one, "GET /healthz", "", "").contains(" 200 "));
    let bearer = format!("Authorization: Bearer {TOKEN}\r\n");
    assert!(talk(&one, meta, &bearer, "").contains(" 200 "));

    let code = one.link.split('#').nth(1).unwrap();
    let logged_in = talk(&one, "POST /login", "X-FGM-Write: 1\r\n", code);
    assert!(logged_in.contains(" 204 "), "{logged_in}");
    let cookie = logged_in
        .lines()
        .find_map(|line| line.strip_prefix("set-cookie: "))
        .unwrap();
    assert!(cookie.contains("HttpOnly; SameSite=Strict"), "{cookie}");
    let (name, value) = cookie.split(';').next().unwrap().split_once('=').unwrap();
    assert!(talk(&one, meta, &format!("Cookie: {name}={value}\r\n"), "").contains(" 200 "));
    assert!(talk(&one, "POST /login", "X-FGM-Write: 1\r\n", code).contains(" 401 "));
    let theirs = format!(
        "Cookie: fgm-{}={value}; {name}={value}\r\n",
        other.address.port()
    );
    assert!(talk(&other, meta, &theirs, "").contains(" 401 "));

    // A new token takes the place of the old one while the viewer runs.
    std::fs::write(&token, "another-token-0123456789").unwrap();
    assert!(talk(&one, meta, &bearer, "").contains(" 401 "));
    assert!(talk(&one, meta, &format!("Cookie: {name}={value}\r\n"), "").contains(" 401 "));
    assert!(!one.log().contains(TOKEN) && !one.log().contains("another-token"));

    let Some(browser) = browser() else { return };
    let link = wait_for("the next link", || {
        let log = one.log();
        Some(
            log.rsplit_once("next=login#")?
                .1
                .split_whitespace()
                .next()?
                .to_owned(),
        )
    });
    let link = format!("{}login#{link}", one.url());
    in_browser(&browser, "login.test.mjs", &[("FGM_LOGIN", &link)]);
}

#[test]
fn what_the_flags_do_not_allow_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let empty = folder.path().join("empty");
    std::fs::write(&empty, "\n").unwrap();
    let refused = |flags: &[&str]| {
        let output = Command::new(fgm_stories::programs::fgm_viewer())
            .arg("--data-dir")
            .arg(folder.path())
            .args(flags)
            .output()
            .unwrap();
        assert!(!output.status.success(), "{flags:?}");
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let said = refused(&["--listen", "0.0.0.0:0"]);
    assert!(
        said.contains("error: other machines reach 0.0.0.0:0"),
        "{said}"
    );
    let file = empty.to_str().unwrap();
    let said = refused(&["--token-file", file]);
    assert!(said.contains("holds 0 letters"), "{said}");
    let said = refused(&["--token-file", "/nowhere/token"]);
    assert!(
        said.contains("cannot read the token file /nowhere/token"),
        "{said}"
    );
    let said = refused(&["--peer", "worker"]);
    assert!(said.contains("give NAME=URL"), "{said}");
    let twice = [
        "--listen",
        "127.0.0.1:0",
        "--peer",
        "a=http://x",
        "--peer",
        "a=http://y",
    ];
    let said = refused(&twice);
    assert!(said.contains("two nodes are called a"), "{said}");
}

/// No server error, no status, header, type or shape of an answer that the documents do not tell.
/// Whether nonsense is refused is not asked: an empty value counts as none.
#[test]
fn the_openapi_documents_are_true() {
    let Some(schemathesis) = schemathesis() else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    generate_some(&data);
    let judge = |url: &str| {
        let output = Command::new(&schemathesis)
            .current_dir(folder.path())
            .args([
                "run",
                "--seed",
                "1",
                "--max-examples",
                "10",
                "--request-timeout",
                "60",
            ])
            .args(["--phases", "examples,coverage,fuzzing", "--no-color"])
            // The stream of ticks has no end.
            .args(["--exclude-path", "/tail"])
            .args(["--checks", CHECKS])
            .args(["--url", &format!("{url}api/v1")])
            .arg(format!("{url}api/v1/openapi.json"))
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{said}");
    };
    let viewer = Viewer::start(&data, &[]);
    judge(&viewer.url());
    let metrics = http::get(viewer.address, "/metrics").unwrap().text();
    let asked = metrics
        .lines()
        .filter(|line| line.starts_with("fgm_viewer_requests_total{"));
    assert!(asked.count() > 30, "{metrics}");
    assert!(!metrics.contains("status=\"5"), "{metrics}");

    let peer = format!("there={}", viewer.url());
    let away = "away=http://127.0.0.1:9";
    judge(&Viewer::start(&data, &["--peer", &peer, "--peer", away]).url());
}

const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,\
    response_headers_conformance,response_schema_conformance,unsupported_method,\
    missing_required_header,allow_header_conformance";

#[test]
fn duckdb_reads_the_exported_parquet() {
    let Some(python) = python() else { return };
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    generate_some(&data);
    let viewer = Viewer::start(&data, &[]);
    let meta = http::get(viewer.address, "/api/v1/meta").unwrap().text();
    let meta: Value = serde_json::from_str(&meta).unwrap();
    let query = format!(
        "metric=memory_current,cpu_usage_millicores&start={}&end={}",
        meta["first_ms"], meta["last_ms"]
    );
    for format in ["csv", "parquet"] {
        let answer =
            http::get(viewer.address, &format!("/api/v1/export.{format}?{query}")).unwrap();
        assert_eq!(answer.status, 200);
        std::fs::write(folder.path().join(format!("samples.{format}")), answer.body).unwrap();
    }
    let sql = "select count(*), count(distinct series), min(epoch_ms(time)) - min(time_ms), \
               sum(abs(p.memory_current - c.memory_current)), count(p.cpu_usage_millicores) \
                   - count(c.cpu_usage_millicores) \
               from 'samples.parquet' p full join (select * exclude (time) from 'samples.csv') c \
               on epoch_ms(p.time) = c.time_ms and p.series = c.series";
    let script = format!("import duckdb; print(*duckdb.sql(\"\"\"{sql}\"\"\").fetchall()[0])");
    let script = script.replace("count(distinct series)", "count(distinct p.series)");
    let output = Command::new(python)
        .args(["-c", &script])
        .current_dir(folder.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let numbers: Vec<f64> = said
        .split_whitespace()
        .map(|n| n.parse().unwrap())
        .collect();
    let [rows, series, shifted, differing, missing] = numbers[..] else {
        panic!("{said}");
    };
    assert!(rows > 1000.0 && series > 1.0, "{said}");
    assert_eq!((shifted, differing, missing), (0.0, 0.0, 0.0), "{said}");
}
