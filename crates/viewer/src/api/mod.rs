//! The endpoints below `/api/v1`.

pub(crate) mod containers;
pub(crate) mod events;
pub(crate) mod meta;
pub(crate) mod series;

use crate::answers;
use crate::params::Params;
use crate::problem::Problem;
use crate::state::AppState;
use axum::Json;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use fgm_store::reader::Reader;
use serde::Serialize;

/// Pixels across, at most.
pub(crate) const MOST_PX: i64 = 4096;
/// Series in a frame, at most.
pub(crate) const MOST_TOP: usize = 1000;
/// Values in an answer, at most.
pub(crate) const MOST_CELLS: usize = 20_000_000;

/// Answers with JSON that is asked for again each time, but sent only when it changed.
async fn json<T: Serialize + Send + 'static>(
    state: &AppState,
    endpoint: &'static str,
    params: &Params,
    headers: &HeaderMap,
    answer: impl FnOnce(&Reader) -> Result<T, Problem> + Send + 'static,
) -> Result<Response, Problem> {
    let pulse = state.read(|reader, _| Ok(reader.pulse()?)).await?;
    let etag = answers::etag(answers::key_of(&(endpoint, params.all()), pulse));
    if answers::is_known(headers, &etag) {
        return Ok(answers::unchanged(etag));
    }
    let answer = state.read(|reader, _| answer(reader)).await?;
    let headers = [
        (header::ETAG, etag),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
    ];
    Ok((headers, Json(answer)).into_response())
}
