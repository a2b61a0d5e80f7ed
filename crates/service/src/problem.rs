//! Errors as the API tells them: RFC 9457 problem documents that say what to do.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use fgm_store::reader::ReadError;
use serde::Serialize;
use std::fmt::{self, Display};

/// What went wrong with one request, and what would help.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    status: StatusCode,
    detail: String,
    advice: &'static str,
}

#[derive(Serialize)]
struct Document<'a> {
    r#type: &'static str,
    title: &'static str,
    status: u16,
    detail: &'a str,
    advice: &'static str,
}

impl Problem {
    /// Any status.
    #[must_use]
    pub fn of(status: StatusCode, detail: impl Display, advice: &'static str) -> Self {
        Self::new(status, detail, advice)
    }

    /// A write that does not say what it replaces.
    pub fn precondition() -> Self {
        Self::new(
            StatusCode::PRECONDITION_REQUIRED,
            "a write must say what it replaces",
            "send If-None-Match: * for a new one, or If-Match with the ETag of the known one",
        )
    }

    /// A write that another site could have made a browser send.
    pub fn foreign_write() -> Self {
        Self::new(
            StatusCode::FORBIDDEN,
            "this write may come from another site",
            "write from the page itself, or send the header X-FGM-Write: 1",
        )
    }

    /// The status that it is told by.
    #[must_use]
    pub const fn status(&self) -> StatusCode {
        self.status
    }

    fn new(status: StatusCode, detail: impl Display, advice: &'static str) -> Self {
        Self {
            status,
            detail: detail.to_string(),
            advice,
        }
    }

    /// A parameter cannot be understood.
    pub fn bad_request(detail: impl Display, advice: &'static str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, detail, advice)
    }

    /// The answer would be too large, or take too long.
    pub fn too_much(detail: impl Display, advice: &'static str) -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, detail, advice)
    }

    /// Too many questions at once.
    pub fn too_busy() -> Self {
        Self::new(
            StatusCode::TOO_MANY_REQUESTS,
            "too many questions at once",
            "ask again in a second",
        )
    }

    /// Nobody who may ask.
    #[must_use]
    pub fn unauthorized(detail: impl Display, advice: &'static str) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, detail, advice)
    }

    /// The request names a host that is not this one.
    pub fn wrong_host() -> Self {
        Self::new(
            StatusCode::FORBIDDEN,
            "the Host header names neither localhost nor an address",
            "open the page by its address, or start the viewer with --allow-host NAME",
        )
    }

    /// Nothing answers to that path.
    pub fn not_found() -> Self {
        Self::not_found_here("the API lies below /api/v1")
    }

    /// The same, with where to look instead.
    #[must_use]
    pub fn not_found_here(advice: &'static str) -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "nothing answers to this path",
            advice,
        )
    }

    /// The path answers, but not to that method.
    pub fn wrong_method() -> Self {
        Self::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "this path does not answer to that method",
            "use GET; notes alone can be written, with PUT and DELETE",
        )
    }

    /// Something that should not happen.
    pub fn internal(detail: impl Display) -> Self {
        tracing::error!(%detail, "request failed");
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            detail,
            "see the viewer's log",
        )
    }
}

impl Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.detail, self.advice)
    }
}

impl From<ReadError> for Problem {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Stopped => Self::too_much(
                "the answer takes too long to read",
                "ask for a shorter range or fewer containers",
            ),
            ReadError::Unsettled => Self::too_busy(),
            ReadError::Store(error) => Self::internal(error),
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let document = Document {
            r#type: "about:blank",
            title: self.status.canonical_reason().unwrap_or("error"),
            status: self.status.as_u16(),
            detail: &self.detail,
            advice: self.advice,
        };
        let mut response = (self.status, axum::Json(document)).into_response();
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if self.status == StatusCode::UNAUTHORIZED {
            let scheme = HeaderValue::from_static("Bearer");
            headers.insert(header::WWW_AUTHENTICATE, scheme);
        }
        if self.status == StatusCode::TOO_MANY_REQUESTS {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}
