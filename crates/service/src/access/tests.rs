use super::*;
use axum::body::{Body, to_bytes};
use std::path::Path;
use tower::ServiceExt;

const TOKEN: &str = "0123456789abcdef";

fn token(dir: &Path) -> Arc<Token> {
    let path = dir.join("token");
    std::fs::write(&path, TOKEN).unwrap();
    Arc::new(Token::read(path).unwrap())
}

fn site(access: Access) -> Router {
    let site = Router::new()
        .route("/", get(async || "page").put(async || "written"))
        .route("/healthz", get(async || "ok"));
    access.guard(site)
}

/// Asks as `METHOD path`, with headers beside a good Host.
async fn ask(site: &Router, what: &str, headers: &[(&str, &str)], body: String) -> Response {
    let (method, path) = what.split_once(' ').unwrap();
    let mut request = Request::builder().method(method).uri(path);
    if headers.iter().all(|(name, _)| *name != "host") {
        request = request.header("host", "127.0.0.1:8050");
    }
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Body::from(body)).unwrap();
    site.clone().oneshot(request).await.unwrap()
}

async fn status(site: &Router, what: &str, headers: &[(&str, &str)]) -> u16 {
    ask(site, what, headers, String::new())
        .await
        .status()
        .as_u16()
}

const RIGHT: (&str, &str) = ("authorization", "Bearer 0123456789abcdef");
const WRONG: (&str, &str) = ("authorization", "Bearer 0123456789abcdee");
const FOREIGN: (&str, &str) = ("host", "evil.example");

#[test]
fn addresses_and_known_names_pass_and_other_names_do_not() {
    let known = ["viewer.example".to_owned()];
    let passes = |host: &str| {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, host.parse().unwrap());
        is_known_host(&headers, &known)
    };
    for host in [
        "localhost",
        "LocalHost:8050",
        "127.0.0.1:8050",
        "[::1]:8050",
        "10.0.0.7",
        "viewer.example",
        "Viewer.Example:80",
        "a.localhost",
    ] {
        assert!(passes(host), "{host}");
    }
    for host in [
        "evil.example",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "",
        "[evil]",
        "xlocalhost",
        "127.0.0.1@evil.example",
    ] {
        assert!(!passes(host), "{host}");
    }
    assert!(!is_known_host(&HeaderMap::new(), &known));
}

#[tokio::test]
async fn on_this_machine_the_token_is_not_asked_for_but_judged() {
    let temp = tempfile::tempdir().unwrap();
    let site = site(Access::open(Vec::new(), Some(token(temp.path()))));
    assert_eq!(status(&site, "GET /", &[]).await, 200);
    assert_eq!(status(&site, "GET /", &[FOREIGN]).await, 403);
    assert_eq!(status(&site, "GET /", &[FOREIGN, RIGHT]).await, 200);
    assert_eq!(status(&site, "GET /", &[WRONG]).await, 401);
    assert_eq!(status(&site, "GET /login", &[]).await, 404);
    assert_eq!(status(&site, "GET /healthz", &[FOREIGN]).await, 200);
}

#[tokio::test]
async fn by_token_alone() {
    let temp = tempfile::tempdir().unwrap();
    let site = site(Access::by_token(Vec::new(), token(temp.path())));
    for headers in [
        &[][..],
        &[WRONG],
        &[("authorization", "Basic x")],
        &[("authorization", "B")],
    ] {
        let answer = ask(&site, "GET /", headers, String::new()).await;
        assert_eq!(answer.status(), 401, "{headers:?}");
        assert_eq!(answer.headers()[header::WWW_AUTHENTICATE], "Bearer");
    }
    assert_eq!(status(&site, "GET /", &[RIGHT]).await, 200);
    assert_eq!(
        status(
            &site,
            "GET /",
            &[("authorization", "bearer 0123456789abcdef")]
        )
        .await,
        200
    );
    assert_eq!(status(&site, "GET /healthz", &[]).await, 200);
    assert_eq!(status(&site, "GET /login", &[]).await, 401);
}

#[tokio::test]
async fn a_browser_logs_in_by_a_code_and_stays_by_its_cookie() {
    let temp = tempfile::tempdir().unwrap();
    let token = token(temp.path());
    let access = Access::by_login(Vec::new(), Arc::clone(&token), 8050).unwrap();
    let link = access.login_link().unwrap();
    let here = site(access.clone());
    let refused = ask(
        &here,
        "GET /",
        &[("accept", "text/html,*/*")],
        String::new(),
    )
    .await;
    assert_eq!(refused.status(), 401);
    let text = to_bytes(refused.into_body(), 9999).await.unwrap();
    assert!(String::from_utf8_lossy(&text).contains("login#..."));

    let page = ask(&here, "GET /login", &[], String::new()).await;
    let policy = page.headers()[header::CONTENT_SECURITY_POLICY]
        .to_str()
        .unwrap();
    let nonce = policy
        .split("'nonce-")
        .nth(1)
        .unwrap()
        .split('\'')
        .next()
        .unwrap()
        .to_owned();
    let text = to_bytes(page.into_body(), 9999).await.unwrap();
    assert!(String::from_utf8_lossy(&text).contains(&format!("<script nonce=\"{nonce}\">")));

    let code = link.strip_prefix("login#").unwrap().to_owned();
    let marked = ("x-fgm-write", "1");
    let foreign = [marked, ("sec-fetch-site", "cross-site")];
    assert_eq!(
        ask(&here, "POST /login", &[], code.clone()).await.status(),
        403
    );
    assert_eq!(
        ask(&here, "POST /login", &foreign, code.clone())
            .await
            .status(),
        403
    );
    assert_eq!(
        ask(&here, "POST /login", &[marked], "x".into())
            .await
            .status(),
        401
    );
    let done = ask(&here, "POST /login", &[marked], code.clone()).await;
    assert_eq!(done.status(), 204);
    let cookie = done.headers()[header::SET_COOKIE].to_str().unwrap();
    let cookie = ("cookie", cookie.split(';').next().unwrap());
    assert_eq!(status(&here, "GET /", &[cookie]).await, 200);
    assert_eq!(status(&here, "GET /", &[cookie, FOREIGN]).await, 403);
    assert_eq!(
        ask(&here, "POST /login", &[marked], code).await.status(),
        401
    );
    assert_ne!(access.login_link().unwrap(), link);

    let elsewhere = site(Access::by_login(Vec::new(), token, 8050).unwrap());
    assert_eq!(status(&elsewhere, "GET /", &[cookie]).await, 401);
}

#[tokio::test]
async fn a_browser_writes_from_its_own_origin_alone() {
    let site = site(Access::open(Vec::new(), None));
    let write = async |headers: &[(&str, &str)]| status(&site, "PUT /", headers).await;
    assert_eq!(write(&[]).await, 200);
    assert_eq!(write(&[("origin", "http://127.0.0.1:8050")]).await, 200);
    for origin in ["http://127.0.0.1:9999", "http://evil.example", "null", ""] {
        assert_eq!(write(&[("origin", origin)]).await, 403, "{origin}");
    }
    assert_eq!(write(&[("sec-fetch-site", "same-site")]).await, 403);
}

#[test]
fn markup_becomes_text() {
    assert_eq!(
        escape("<b a=\"x\" c='y'>&"),
        "&lt;b a=&quot;x&quot; c=&#39;y&#39;&gt;&amp;"
    );
}
