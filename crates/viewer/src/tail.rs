//! `/tail`: tells when new rows are there, and what happened. One look serves all who wait, and
//! nobody waits when nobody looks.

use crate::api::events::Item;
use crate::params::Params;
use crate::problem::Problem;
use crate::sel::Selection;
use crate::state::AppState;
use crate::telemetry::Ongoing;
use axum::extract::State;
use axum::response::IntoResponse;
use axum::response::sse::{Event, KeepAlive, Sse};
use fgm_store::reader::{EventRow, Reader};
use futures_util::stream;
use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::watch;

/// Between two looks at the spool.
const LOOK: Duration = Duration::from_millis(150);
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// Events recorded since then are still told: a listener may have missed some ticks.
const RECENT_MS: i64 = 60_000;
/// How long before its recording what is told may have happened: a pod's status comes late.
const LATE_MS: i64 = 3_600_000;

/// What a look found.
#[derive(Debug, Clone, Default)]
struct Found {
    live_until_ms: Option<i64>,
    /// Recorded lately.
    events: Arc<[EventRow]>,
}

/// Follows the newest spooled row while somebody listens.
#[derive(Debug)]
pub(crate) struct Ticker {
    reader: Arc<Reader>,
    newest: watch::Sender<Found>,
    running: Mutex<bool>,
}

impl Ticker {
    pub(crate) fn new(reader: Arc<Reader>) -> Self {
        Self {
            reader,
            newest: watch::Sender::new(Found::default()),
            running: Mutex::new(false),
        }
    }

    fn listen(self: &Arc<Self>) -> watch::Receiver<Found> {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let receiver = self.newest.subscribe();
        if !*running {
            *running = true;
            tokio::spawn(Arc::clone(self).run());
        }
        receiver
    }

    async fn run(self: Arc<Self>) {
        let mut before = None;
        while self.is_wanted() {
            let ticker = Arc::clone(&self);
            let looked = tokio::task::spawn_blocking(move || ticker.look(before)).await;
            before = looked.unwrap_or(before);
            tokio::time::sleep(LOOK).await;
        }
    }

    fn is_wanted(&self) -> bool {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        *running = self.newest.receiver_count() > 0;
        *running
    }

    /// A directory that cannot be read now is looked at again: `/meta` tells why.
    fn look(&self, before: Option<u64>) -> Option<u64> {
        let pulse = self.reader.pulse().ok();
        if pulse.is_some()
            && pulse != before
            && let Ok(status) = self.reader.status()
            && let Some(newest_ms) = status.live_until_ms
            && self.newest.borrow().live_until_ms != Some(newest_ms)
        {
            self.newest.send_replace(Found {
                live_until_ms: Some(newest_ms),
                events: self.recorded_since(newest_ms - RECENT_MS),
            });
        }
        pulse
    }

    fn recorded_since(&self, since_ms: i64) -> Arc<[EventRow]> {
        let events = self.reader.events(since_ms - LATE_MS, i64::MAX);
        let mut events = events.unwrap_or_default();
        events.retain(|event| event.recorded_at_ms > since_ms);
        events.sort_by_key(|event| event.recorded_at_ms);
        events.into()
    }
}

/// Who listens, and to what.
struct Listener {
    found: watch::Receiver<Found>,
    closing: watch::Receiver<bool>,
    selection: Selection,
    /// Up to when events were told; `None` before the first look.
    told_ms: Option<i64>,
    waiting: VecDeque<Event>,
    _ongoing: Ongoing,
}

impl Listener {
    /// The next message; `None` at the end.
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.waiting.pop_front() {
                return Some(event);
            }
            tokio::select! {
                _ = self.closing.wait_for(|closing| *closing) => return None,
                changed = self.found.changed() => changed.ok()?,
            }
            let found = self.found.borrow_and_update().clone();
            let Some(live_until_ms) = found.live_until_ms else {
                continue;
            };
            // What was recorded before is asked for elsewhere.
            let told_ms = self.told_ms.replace(live_until_ms).unwrap_or(live_until_ms);
            let news = found.events.iter().filter(|event| {
                event.recorded_at_ms > told_ms
                    && self
                        .selection
                        .selects(&event.node, event.instance.as_deref())
            });
            let news = news.filter_map(|event| {
                let event = Event::default().event("event").json_data(Item::of(event));
                event.ok()
            });
            self.waiting.extend(news);
            // Last: who hears of the tick knows what happened by then.
            let data = format!("{{\"live_until_ms\":{live_until_ms}}}");
            self.waiting
                .push_back(Event::default().event("tick").data(data));
        }
    }
}

/// `GET /api/v1/tail`
pub(crate) async fn tail(
    State(state): State<AppState>,
    params: Params,
) -> Result<impl IntoResponse, Problem> {
    let mut listener = Listener {
        selection: params.selection()?,
        found: state.ticker.listen(),
        closing: state.closing.subscribe(),
        told_ms: None,
        waiting: VecDeque::new(),
        _ongoing: Ongoing::of(&state.telemetry.tails),
    };
    // The newest known tick is told at once.
    listener.found.mark_changed();
    let events = stream::unfold(listener, |mut listener| async move {
        let event = listener.next().await?;
        Some((Ok::<_, Infallible>(event), listener))
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)))
}
