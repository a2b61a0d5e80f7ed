//! Who may ask, and what a browser may do with the answer.
//!
//! A page of another site can point its own name at this address (DNS rebinding) and would then
//! count as the same origin. Only names can be pointed elsewhere, so any address is fine, and of
//! names only those that are known. Beyond this machine the token is asked for as well.

#[cfg(test)]
mod tests;

use crate::login::{self, Login};
use crate::problem::Problem;
use crate::token::Token;
use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use std::io;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

/// Answers that probes read: they send whatever host they like.
const OPEN_PATHS: [&str; 2] = ["/healthz", "/readyz"];
const LOGIN_PATH: &str = "/login";

/// What every write carries.
const WRITE_HEADER: HeaderName = HeaderName::from_static("x-fgm-write");

const HEADERS: [(HeaderName, HeaderValue); 5] = [
    (
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    ),
    (header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
    (
        header::REFERRER_POLICY,
        HeaderValue::from_static("no-referrer"),
    ),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        HeaderValue::from_static("same-origin"),
    ),
    // What is not the page loads and runs nothing.
    (
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'"),
    ),
];

/// Who may ask; clones share it.
#[derive(Debug, Clone, Default)]
pub struct Access(Arc<Rules>);

#[derive(Debug, Default)]
struct Rules {
    hosts: Vec<String>,
    token: Option<Arc<Token>>,
    is_demanded: bool,
    login: Option<Login>,
}

impl Access {
    /// Everybody who reaches the address, by any address of it, as localhost, or by these names.
    /// A token is not asked for, but may be given.
    #[must_use]
    pub fn open(hosts: Vec<String>, token: Option<Arc<Token>>) -> Self {
        Self(Arc::new(Rules {
            hosts,
            token,
            ..Rules::default()
        }))
    }

    /// Those alone who give the token.
    #[must_use]
    pub fn by_token(hosts: Vec<String>, token: Arc<Token>) -> Self {
        Self(Arc::new(Rules {
            hosts,
            token: Some(token),
            is_demanded: true,
            login: None,
        }))
    }

    /// Those who give the token, and browsers that logged in by a link. `port` is where they do.
    ///
    /// # Errors
    /// When the kernel gives no random numbers.
    pub fn by_login(hosts: Vec<String>, token: Arc<Token>, port: u16) -> io::Result<Self> {
        Ok(Self(Arc::new(Rules {
            hosts,
            login: Some(Login::new(Arc::clone(&token), port)?),
            token: Some(token),
            is_demanded: true,
        })))
    }

    /// The token, which is also given to peers.
    #[must_use]
    pub fn token(&self) -> Option<&Arc<Token>> {
        self.0.token.as_ref()
    }

    /// Below the program's address, the link that logs the next browser in.
    #[must_use]
    pub fn login_link(&self) -> Option<String> {
        let login = self.0.login.as_ref()?;
        Some(format!("login#{}", login.code()))
    }

    /// That site, for those who may ask.
    pub fn guard(self, site: Router) -> Router {
        let site = if self.0.login.is_some() {
            let login = Router::new()
                .route(LOGIN_PATH, get(login_page).post(log_in))
                .with_state(self.clone());
            site.merge(login)
        } else {
            site
        };
        site.layer(middleware::from_fn_with_state(self, guard))
    }

    fn admit(&self, method: &Method, path: &str, headers: &HeaderMap) -> Result<(), Problem> {
        if OPEN_PATHS.contains(&path) {
            return Ok(());
        }
        if let Some(is_right) = self.by_bearer(headers) {
            return is_right.then_some(()).ok_or_else(|| {
                Problem::unauthorized("this is not the token", "send what the token file holds")
            });
        }
        if !is_known_host(headers, &self.0.hosts) {
            return Err(Problem::wrong_host());
        }
        let login = self.0.login.as_ref();
        let logs_in = login.is_some() && path == LOGIN_PATH;
        let is_known = || login.is_some_and(|login| login.knows(headers));
        if !self.0.is_demanded || logs_in || is_known() {
            return if is_read(method) {
                Ok(())
            } else {
                from_here(headers)
            };
        }
        Err(Problem::unauthorized(
            "a token is asked for here",
            if login.is_some() {
                "in a browser open the newest link of the program's log, which ends in \
                 login#...; elsewhere send Authorization: Bearer with the token"
            } else {
                "send Authorization: Bearer with the token"
            },
        ))
    }

    /// Whether the bearer that was sent is the right one; `None` where there is none to judge.
    fn by_bearer(&self, headers: &HeaderMap) -> Option<bool> {
        let token = self.0.token.as_ref()?;
        let given = headers.get(header::AUTHORIZATION)?.as_bytes();
        let (scheme, given) = given.split_at_checked(7)?;
        scheme
            .eq_ignore_ascii_case(b"bearer ")
            .then(|| token.is(given.trim_ascii()))
    }
}

async fn guard(State(access): State<Access>, request: Request, next: Next) -> Response {
    let (method, path) = (request.method(), request.uri().path());
    let mut response = match access.admit(method, path, request.headers()) {
        Ok(()) => next.run(request).await,
        Err(problem) if wants_page(request.headers()) => refusal_page(&problem),
        Err(problem) => problem.into_response(),
    };
    for (name, value) in HEADERS {
        response.headers_mut().entry(name).or_insert(value);
    }
    response
}

/// Refuses writes that another site could make a browser send: a foreign form or script cannot
/// set this header, and browsers tell where a request comes from.
///
/// # Errors
/// What to send instead.
pub fn may_write(headers: &HeaderMap) -> Result<(), Problem> {
    let marked = headers.get(WRITE_HEADER).is_some_and(|value| value == "1");
    if marked {
        from_here(headers)
    } else {
        Err(Problem::foreign_write())
    }
}

/// Whether a browser, if it is one, sends this for a page of this very origin.
fn from_here(headers: &HeaderMap) -> Result<(), Problem> {
    let site = headers.get("sec-fetch-site");
    let same_site = site.is_none_or(|site| site == "same-origin");
    let origin = headers.get(header::ORIGIN).map(HeaderValue::as_bytes);
    let host = headers.get(header::HOST).map(HeaderValue::as_bytes);
    let same_origin = origin.is_none_or(|origin| {
        let scheme_end = origin.windows(3).position(|three| three == b"://");
        scheme_end.and_then(|at| origin.get(at + 3..)) == host
    });
    if same_site && same_origin {
        Ok(())
    } else {
        Err(Problem::foreign_write())
    }
}

fn is_read(method: &Method) -> bool {
    method == Method::GET || method == Method::HEAD
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

/// Whether a person's browser opens an address, as against a script that fetches data.
#[must_use]
pub fn wants_page(headers: &HeaderMap) -> bool {
    let accepts = headers.get(header::ACCEPT);
    let accepts = accepts.and_then(|value| value.to_str().ok());
    accepts.is_some_and(|accepts| accepts.starts_with("text/html"))
}

fn refusal_page(problem: &Problem) -> Response {
    let page = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\">\
         <title>Fine-Grained Monitor</title><p>{}</p></html>\n",
        escape(&problem.to_string())
    );
    (problem.status(), Html(page)).into_response()
}

/// Text that stays text in a page, also within quotes.
#[must_use]
pub fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            other => safe.push(other),
        }
    }
    safe
}

/// Stands in the scripts and styles of a page; escaped text cannot hold it.
const NONCE: &str = "nonce=\"NONCE\"";

/// A page of ours, whose scripts and styles are marked by `nonce="NONCE"`: no others run.
#[must_use]
pub fn page(html: &str) -> Response {
    let Ok(nonce) = login::secret() else {
        return Problem::internal("the kernel gives no random numbers").into_response();
    };
    let policy = format!(
        "default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; \
         connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    );
    let headers = [
        (header::CONTENT_SECURITY_POLICY, policy),
        (header::CACHE_CONTROL, "no-store".to_owned()),
    ];
    let html = html.replace(NONCE, &format!("nonce=\"{nonce}\""));
    (headers, Html(html)).into_response()
}

async fn login_page() -> Response {
    page(include_str!("login.html"))
}

async fn log_in(
    State(access): State<Access>,
    headers: HeaderMap,
    code: String,
) -> Result<Response, Problem> {
    may_write(&headers)?;
    let login = access.0.login.as_ref().ok_or_else(Problem::not_found)?;
    let cookie = login.open(&code)?;
    tracing::info!(next = %format!("login#{}", login.code()), "a browser logged in");
    Ok((StatusCode::NO_CONTENT, [(header::SET_COOKIE, cookie)]).into_response())
}
