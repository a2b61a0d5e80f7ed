//! `/notes`: what people wrote down, and the only thing here that can be written.

use crate::notes::{Expect, Kept, Note, NoteError, Notes};
use crate::params::Params;
use crate::problem::Problem;
use crate::state::AppState;
use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use fgm_service::access::may_write;
use serde::Serialize;

#[derive(Serialize)]
struct NoteList {
    notes: Vec<Kept>,
}

/// `GET /api/v1/notes`, of a range or all.
pub(crate) async fn list(
    State(state): State<AppState>,
    params: Params,
) -> Result<Response, Problem> {
    let start = params.time("start")?.unwrap_or(0);
    let end = params.time("end")?.unwrap_or(i64::MAX);
    let mut notes = state.notes(Notes::list).await?;
    notes.retain(|kept| {
        kept.note.time_ms <= end && kept.note.end_ms.unwrap_or(kept.note.time_ms) >= start
    });
    let fresh = [(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"))];
    Ok((fresh, Json(NoteList { notes })).into_response())
}

/// `GET /api/v1/notes/ID`
pub(crate) async fn get(
    State(state): State<AppState>,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let kept = state.notes(move |notes| notes.read(&id)).await?;
    Ok(answer(StatusCode::OK, kept.ok_or(NoteError::Missing)?))
}

/// `PUT /api/v1/notes/ID`: a new one with `If-None-Match: *`, a known one with `If-Match`.
pub(crate) async fn put(
    State(state): State<AppState>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Problem> {
    may_write(&headers)?;
    let note: Note = serde_json::from_slice(&body).map_err(|error| {
        Problem::bad_request(
            format!("not a note: {error}"),
            "send {\"time_ms\": 0, \"text\": \"...\"}, with end_ms and series if wanted",
        )
    })?;
    let expect = expected(&headers)?;
    let is_new = expect == Expect::New;
    let kept = state
        .notes(move |notes| notes.write(&id, note, &expect))
        .await?;
    let status = if is_new {
        StatusCode::CREATED
    } else {
        StatusCode::OK
    };
    Ok(answer(status, kept))
}

/// `DELETE /api/v1/notes/ID`, with `If-Match`.
pub(crate) async fn delete(
    State(state): State<AppState>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<StatusCode, Problem> {
    may_write(&headers)?;
    let Expect::Version(version) = expected(&headers)? else {
        return Err(Problem::precondition());
    };
    state
        .notes(move |notes| notes.delete(&id, &version))
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

fn answer(status: StatusCode, kept: Kept) -> Response {
    let tag = HeaderValue::from_str(&format!("\"{}\"", kept.version));
    let headers = [
        (
            header::ETAG,
            tag.unwrap_or(HeaderValue::from_static("\"\"")),
        ),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
    ];
    (status, headers, Json(kept)).into_response()
}

/// What the client knows of the note: two people must not overwrite each other unseen.
fn expected(headers: &HeaderMap) -> Result<Expect, Problem> {
    let text = |name| {
        headers
            .get(name)
            .and_then(|value: &HeaderValue| value.to_str().ok())
    };
    match (text(header::IF_MATCH), text(header::IF_NONE_MATCH)) {
        (Some(tag), None) => Ok(Expect::Version(tag.trim().trim_matches('"').to_owned())),
        (None, Some("*")) => Ok(Expect::New),
        _ => Err(Problem::precondition()),
    }
}

impl From<NoteError> for Problem {
    fn from(error: NoteError) -> Self {
        let (status, advice) = match &error {
            NoteError::Id | NoteError::Content => (StatusCode::BAD_REQUEST, "correct the note"),
            NoteError::Full => (StatusCode::INSUFFICIENT_STORAGE, "delete notes of old"),
            NoteError::Changed => (
                StatusCode::PRECONDITION_FAILED,
                "read it again, then repeat with its ETag",
            ),
            NoteError::Missing => (StatusCode::NOT_FOUND, "GET notes lists them"),
            NoteError::Write(_) => (
                StatusCode::SERVICE_UNAVAILABLE,
                "let the viewer write to _notes of the data directory",
            ),
            NoteError::Read(_) => (
                StatusCode::SERVICE_UNAVAILABLE,
                "let the viewer read _notes of the data directory",
            ),
        };
        Self::of(status, error, advice)
    }
}
