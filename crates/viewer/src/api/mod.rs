//! The endpoints below `/api/v1`.

pub(crate) mod containers;
pub(crate) mod dashboards;
pub(crate) mod diff;
pub(crate) mod events;
pub(crate) mod export;
pub(crate) mod find;
pub(crate) mod heatmap;
pub(crate) mod meta;
pub(crate) mod notes;
pub(crate) mod overview;
pub(crate) mod rank;
mod scan;
pub(crate) mod series;

use crate::answers;
use crate::params::Params;
use crate::problem::Problem;
use crate::state::AppState;
use axum::body::Bytes;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use fgm_store::reader::{Reader, Status};
use serde::Serialize;

/// Pixels across, at most.
pub(crate) const MOST_PX: i64 = 4096;
/// Series in a frame, at most.
pub(crate) const MOST_TOP: usize = 1000;
/// Values in an answer, at most.
pub(crate) const MOST_CELLS: usize = 20_000_000;

/// The media type of frames.
const MEDIA_TYPE: HeaderValue = HeaderValue::from_static("application/vnd.fgm.fgmf");
const FOREVER: HeaderValue = HeaderValue::from_static("private, max-age=86400, immutable");
const ASK_AGAIN: HeaderValue = HeaderValue::from_static("no-cache");

/// Answers with JSON that is asked for again each time, but sent only when it changed.
async fn json<T: Serialize + Send + 'static>(
    state: &AppState,
    endpoint: &'static str,
    params: &Params,
    headers: &HeaderMap,
    answer: impl FnOnce(&Reader, &dyn Fn() -> bool) -> Result<T, Problem> + Send + 'static,
) -> Result<Response, Problem> {
    let pulse = state.read(|reader, _| Ok(reader.pulse()?)).await?;
    let key = answers::key_of(&(endpoint, params.all()), pulse);
    let etag = answers::etag(key);
    if answers::is_known(headers, &etag) {
        return Ok(answers::unchanged(etag));
    }
    let made = state.telemetry.made.clone();
    let make = state.read(move |reader, keep_going| {
        made.inc();
        let answer = answer(reader, keep_going)?;
        let bytes = serde_json::to_vec(&answer).map_err(Problem::internal)?;
        Ok(Bytes::from(bytes))
    });
    let body = state.answers.get(key, make).await?;
    let headers = [
        (
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/json"),
        ),
        (header::ETAG, etag),
        (header::CACHE_CONTROL, ASK_AGAIN),
    ];
    Ok((headers, body).into_response())
}

/// Answers with frames. What is sealed stays as it is for as long as the address names this
/// generation; anything else is asked for again each time.
async fn frames(
    state: &AppState,
    endpoint: &'static str,
    params: &Params,
    headers: &HeaderMap,
    end_ms: i64,
    make: impl FnOnce(&Reader, &Status, &dyn Fn() -> bool) -> Result<Vec<u8>, Problem> + Send + 'static,
) -> Result<Response, Problem> {
    let (pulse, status) = state
        .read(|reader, _| Ok((reader.pulse()?, reader.status()?)))
        .await?;
    let key = answers::key_of(&(endpoint, params.all()), pulse);
    let etag = answers::etag(key);
    if answers::is_known(headers, &etag) {
        return Ok(answers::unchanged(etag));
    }
    let is_sealed = status
        .sealed_until_ms
        .is_some_and(|sealed| end_ms <= sealed);
    let cache = if is_sealed && params.get("g") == Some(status.generation.as_str()) {
        FOREVER
    } else {
        ASK_AGAIN
    };
    let made = state.telemetry.made.clone();
    let make = state.read(move |reader, keep_going| {
        made.inc();
        Ok(Bytes::from(make(reader, &status, keep_going)?))
    });
    let body = state.answers.get(key, make).await?;
    let headers = [
        (header::CONTENT_TYPE, MEDIA_TYPE),
        (header::CACHE_CONTROL, cache),
        (header::ETAG, etag),
    ];
    Ok((headers, body).into_response())
}
