//! Who may ask, and what a browser may do with the answer.
//!
//! A page of another site can point its own name at this address (DNS rebinding) and would then
//! count as the same origin. Only names can be pointed elsewhere, so any address is fine, and of
//! names only those that are known.

use crate::problem::Problem;
use crate::state::AppState;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use std::net::{IpAddr, Ipv6Addr};

/// Answers that probes read: they send whatever host they like.
const OPEN_PATHS: [&str; 2] = ["/healthz", "/readyz"];

/// What every write carries.
const WRITE_HEADER: HeaderName = HeaderName::from_static("x-fgm-write");

const HEADERS: [(HeaderName, HeaderValue); 4] = [
    (
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    ),
    (header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
    (
        header::REFERRER_POLICY,
        HeaderValue::from_static("no-referrer"),
    ),
    // What is not the page loads and runs nothing.
    (
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'"),
    ),
];

/// Refuses foreign hosts and adds the headers that every answer carries.
pub(crate) async fn guard(State(state): State<AppState>, request: Request, next: Next) -> Response {
    let open = OPEN_PATHS.contains(&request.uri().path());
    let mut response = if open || is_known_host(request.headers(), &state.hosts) {
        next.run(request).await
    } else {
        Problem::wrong_host().into_response()
    };
    for (name, value) in HEADERS {
        response.headers_mut().entry(name).or_insert(value);
    }
    response
}

/// Refuses writes that another site could make a browser send: a foreign form or script cannot
/// set this header, and browsers tell where a request comes from.
pub(crate) fn may_write(headers: &HeaderMap) -> Result<(), Problem> {
    let marked = headers.get(WRITE_HEADER).is_some_and(|value| value == "1");
    let site = headers.get("sec-fetch-site");
    if marked && site.is_none_or(|site| site == "same-origin") {
        return Ok(());
    }
    Err(Problem::foreign_write())
}

fn is_known_host(headers: &HeaderMap, known: &[String]) -> bool {
    let mut hosts = headers.get_all(header::HOST).iter();
    let (Some(host), None) = (hosts.next(), hosts.next()) else {
        return false;
    };
    let Ok(host) = host.to_str() else {
        return false;
    };
    if let Some(rest) = host.strip_prefix('[') {
        let address = rest.split(']').next().unwrap_or_default();
        return address.parse::<Ipv6Addr>().is_ok();
    }
    let name = host.split(':').next().unwrap_or_default();
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    name == "localhost"
        || name.ends_with(".localhost")
        || name.parse::<IpAddr>().is_ok()
        || known.iter().any(|known| known.eq_ignore_ascii_case(&name))
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
