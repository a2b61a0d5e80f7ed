//! The page, and what probes ask.

use crate::answers::{is_known, unchanged};
use crate::problem::Problem;
use crate::state::AppState;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};

/// `GET /`
pub(crate) async fn index(headers: HeaderMap) -> Response {
    let page = fgm_web::page();
    let etag = HeaderValue::from_static(page.etag);
    // A browser takes the headers of "unchanged" for those of the page that it keeps.
    let csp = [(
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(page.csp),
    )];
    if is_known(&headers, &etag) {
        return (csp, unchanged(etag)).into_response();
    }
    let gzip = headers
        .get(header::ACCEPT_ENCODING)
        .and_then(|value| value.to_str().ok())
        .is_some_and(accepts_gzip);
    let common = [
        (
            header::CONTENT_TYPE,
            HeaderValue::from_static("text/html; charset=utf-8"),
        ),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
        (header::VARY, HeaderValue::from_static("accept-encoding")),
        (header::ETAG, etag),
    ];
    if gzip {
        let encoding = [(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"))];
        (common, csp, encoding, page.gzip).into_response()
    } else {
        (common, csp, page.html).into_response()
    }
}

fn accepts_gzip(value: &str) -> bool {
    value.split(',').any(|coding| {
        let mut parts = coding.split(';').map(str::trim);
        parts.next() == Some("gzip") && parts.all(|part| part != "q=0")
    })
}

/// `GET /healthz`: the process answers.
pub(crate) async fn healthz() -> &'static str {
    "ok\n"
}

/// `GET /readyz`: the data directory can be listed.
pub(crate) async fn readyz(State(state): State<AppState>) -> Result<&'static str, Problem> {
    state.read(|reader, _| Ok(reader.pulse()?)).await?;
    Ok("ready\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_page_that_a_browser_keeps_may_still_run() {
        let first = index(HeaderMap::new()).await;
        let policy = |response: &Response| {
            response
                .headers()
                .get(header::CONTENT_SECURITY_POLICY)
                .cloned()
        };
        let mut again = HeaderMap::new();
        again.insert(header::IF_NONE_MATCH, first.headers()[header::ETAG].clone());
        let unchanged = index(again).await;
        assert_eq!(unchanged.status(), axum::http::StatusCode::NOT_MODIFIED);
        assert_eq!(policy(&unchanged), policy(&first));
    }

    #[test]
    fn gzip_is_sent_to_who_takes_it() {
        assert!(accepts_gzip("gzip, deflate, br"));
        assert!(accepts_gzip("br;q=1.0, gzip;q=0.8"));
        assert!(!accepts_gzip("br, deflate"));
        assert!(!accepts_gzip("gzip;q=0"));
    }
}
