//! Equal questions about equal data are answered once, and not again for who has the answer.

use crate::problem::Problem;
use axum::body::Bytes;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use std::collections::VecDeque;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::OnceCell;

/// Answers that are kept: all panels of some open pages.
const MOST_ANSWERS: usize = 32;
/// A larger answer is not kept.
const LARGEST_BYTES: usize = 4 << 20;

type Slot = Arc<OnceCell<Bytes>>;

/// The answers of late.
#[derive(Debug, Default)]
pub(crate) struct Answers {
    slots: Mutex<VecDeque<(u64, Slot)>>,
}

impl Answers {
    /// The answer under that key, made now if it is not there. Who asks meanwhile waits for it.
    pub(crate) async fn get(
        &self,
        key: u64,
        make: impl Future<Output = Result<Bytes, Problem>>,
    ) -> Result<Bytes, Problem> {
        let slot = self.slot(key);
        let answer = slot.get_or_try_init(|| make).await?.clone();
        if answer.len() > LARGEST_BYTES {
            self.lock().retain(|(known, _)| *known != key);
        }
        Ok(answer)
    }

    fn slot(&self, key: u64) -> Slot {
        let mut slots = self.lock();
        if let Some((_, slot)) = slots.iter().find(|(known, _)| *known == key) {
            return Arc::clone(slot);
        }
        if slots.len() >= MOST_ANSWERS {
            slots.pop_front();
        }
        let slot = Slot::default();
        slots.push_back((key, Arc::clone(&slot)));
        slot
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, VecDeque<(u64, Slot)>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The key of a question about one state of the data, by this build.
pub(crate) fn key_of(question: &impl Hash, pulse: u64) -> u64 {
    let mut hash = DefaultHasher::new();
    question.hash(&mut hash);
    pulse.hash(&mut hash);
    env!("CARGO_PKG_VERSION").hash(&mut hash);
    hash.finish()
}

/// The strong entity tag of that key.
pub(crate) fn etag(key: u64) -> HeaderValue {
    HeaderValue::from_str(&format!("\"{key:016x}\"")).unwrap_or(HeaderValue::from_static("\"\""))
}

/// Whether the client has that answer already.
pub(crate) fn is_known(headers: &HeaderMap, etag: &HeaderValue) -> bool {
    let asked = headers.get_all(header::IF_NONE_MATCH).iter();
    asked
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|tag| tag.trim().trim_start_matches("W/") == etag.to_str().unwrap_or_default())
}

/// "Not modified".
pub(crate) fn unchanged(etag: HeaderValue) -> Response {
    let headers = [
        (header::ETAG, etag),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
    ];
    (StatusCode::NOT_MODIFIED, headers).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[tokio::test]
    async fn equal_questions_are_answered_once() {
        let answers = Answers::default();
        let made = AtomicUsize::new(0);
        let make = || async {
            made.fetch_add(1, Ordering::SeqCst);
            tokio::task::yield_now().await;
            Ok(Bytes::from_static(b"x"))
        };
        let key = key_of(&"q", 1);
        let (a, b) = tokio::join!(answers.get(key, make()), answers.get(key, make()));
        assert_eq!((a, b), (Ok("x".into()), Ok("x".into())));
        assert_eq!(made.load(Ordering::SeqCst), 1);
        answers.get(key_of(&"q", 2), make()).await.unwrap();
        assert_eq!(made.load(Ordering::SeqCst), 2);
    }

    #[tokio::test]
    async fn a_failure_is_not_kept_and_old_answers_go() {
        let answers = Answers::default();
        let failed = answers.get(0, async { Err(Problem::too_busy()) }).await;
        assert!(failed.is_err());
        for key in 0..2 * MOST_ANSWERS as u64 {
            let answer = answers.get(key, async { Ok(Bytes::new()) }).await;
            assert!(answer.is_ok());
        }
        assert_eq!(answers.lock().len(), MOST_ANSWERS);
        let large = Bytes::from(vec![0; LARGEST_BYTES + 1]);
        answers.get(99, async { Ok(large) }).await.unwrap();
        assert!(answers.lock().iter().all(|(key, _)| *key != 99));
    }

    #[test]
    fn a_known_tag_is_seen_in_any_list() {
        let tag = etag(7);
        let mut headers = HeaderMap::new();
        assert!(!is_known(&headers, &tag));
        let list = format!("\"x\", W/{}", tag.to_str().unwrap());
        headers.insert(header::IF_NONE_MATCH, list.parse().unwrap());
        assert!(is_known(&headers, &tag));
        assert!(!is_known(&headers, &etag(8)));
    }
}
