//! `/tail`: tells when new rows are there. One look serves all who wait, and nobody waits when
//! nobody looks.

use crate::state::AppState;
use crate::telemetry::Ongoing;
use axum::extract::State;
use axum::response::IntoResponse;
use axum::response::sse::{Event, KeepAlive, Sse};
use fgm_store::reader::Reader;
use futures_util::stream;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::watch;

/// Between two looks at the spool.
const LOOK: Duration = Duration::from_millis(150);
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// Follows the newest spooled row while somebody listens.
#[derive(Debug)]
pub(crate) struct Ticker {
    reader: Arc<Reader>,
    newest: watch::Sender<Option<i64>>,
    running: Mutex<bool>,
}

impl Ticker {
    pub(crate) fn new(reader: Arc<Reader>) -> Self {
        Self {
            reader,
            newest: watch::Sender::new(None),
            running: Mutex::new(false),
        }
    }

    fn listen(self: &Arc<Self>) -> watch::Receiver<Option<i64>> {
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
        {
            self.newest.send_if_modified(|newest| {
                let moved = *newest != status.live_until_ms && status.live_until_ms.is_some();
                if moved {
                    *newest = status.live_until_ms;
                }
                moved
            });
        }
        pulse
    }
}

/// `GET /api/v1/tail`
pub(crate) async fn tail(State(state): State<AppState>) -> impl IntoResponse {
    let mut ticks = state.ticker.listen();
    // The newest known tick is told at once.
    ticks.mark_changed();
    let closing = state.closing.subscribe();
    let ongoing = Ongoing::of(&state.telemetry.tails);
    let start = (ticks, closing, ongoing);
    let events = stream::unfold(start, |(mut ticks, mut closing, ongoing)| async move {
        loop {
            tokio::select! {
                _ = closing.wait_for(|closing| *closing) => return None,
                changed = ticks.changed() => changed.ok()?,
            }
            let newest = *ticks.borrow_and_update();
            if let Some(newest) = newest {
                let data = format!("{{\"live_until_ms\":{newest}}}");
                let event = Event::default().event("tick").data(data);
                return Some((Ok::<_, Infallible>(event), (ticks, closing, ongoing)));
            }
        }
    });
    Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE))
}
