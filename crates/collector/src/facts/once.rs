//! Facts that are told once and whole: limits that changed, throttling that began or ended.

use super::detail::{LimitChanged, ThrottlingEnded, ThrottlingStarted};
use super::life::{Life, News};
use crate::events::EventMaker;
use fgm_model::event::{Subject, event_id};
use fgm_model::throttling::{Change, Periods};
use fgm_model::{Event, EventKind, Instance};
use serde::Serialize;
use std::sync::Arc;

/// Such a fact.
#[derive(Debug)]
pub(super) struct Once {
    instance: Arc<Instance>,
    at_ms: i64,
    news: News,
}

impl Once {
    pub(super) fn new(life: &Life, at_ms: i64, news: News) -> Self {
        Self {
            instance: Arc::clone(&life.instance),
            at_ms,
            news,
        }
    }

    pub(super) fn tell(self, maker: &EventMaker, events: &mut Vec<Event>) {
        let Self {
            instance,
            at_ms,
            news,
        } = self;
        let (kind, time_ms, detail) = match news {
            News::Limits(changes) => {
                let detail = json(&LimitChanged { changes });
                (EventKind::LimitChanged, at_ms, detail)
            }
            News::Throttling(Change::Started { time_ms, window }) => {
                let detail = json(&ThrottlingStarted {
                    throttled_percent: percent(window),
                    nr_periods: window.periods,
                    nr_throttled: window.throttled,
                    throttled_usec: window.throttled_usec,
                });
                (EventKind::ThrottlingStarted, time_ms, detail)
            }
            News::Throttling(Change::Ended {
                started_ms,
                time_ms,
                total,
            }) => {
                let detail = json(&ThrottlingEnded {
                    started_at_ms: started_ms,
                    throttled_percent: total.and_then(percent),
                    nr_periods: total.map(|total| total.periods),
                    nr_throttled: total.map(|total| total.throttled),
                    throttled_usec: total.map(|total| total.throttled_usec),
                });
                (EventKind::ThrottlingEnded, time_ms, detail)
            }
        };
        let id = event_id(Subject::Instance(&instance), kind, time_ms);
        events.push(maker.fact(id, 0, kind, time_ms, &instance, detail));
    }
}

fn json(detail: &impl Serialize) -> serde_json::Value {
    serde_json::to_value(detail).unwrap_or_default()
}

/// To a tenth.
fn percent(periods: Periods) -> Option<f64> {
    periods
        .percent()
        .map(|percent| (percent * 10.0).round() / 10.0)
}
