//! Generated events against the recorder's own shapes of `detail`.

use fgm_collector::facts::detail;
use fgm_model::EventKind;
use fgm_testkit::generator::{Batch, Generator, Scenario, Settings};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::collections::HashSet;

/// What the recorder's type makes of a detail: the same, if it has every key and no other.
fn again<T: Serialize + DeserializeOwned>(value: &Value) -> Value {
    let typed: T = serde_json::from_value(value.clone()).expect("the recorder's shape");
    serde_json::to_value(typed).expect("JSON")
}

#[test]
fn details_have_the_recorders_shape() {
    let mut compared = HashSet::new();
    for scenario in [Scenario::Churn, Scenario::Throttle, Scenario::Leak] {
        let mut generator = Generator::new(Settings {
            scenario,
            seed: 2,
            containers: 12,
            start_ms: 1_800_000_000_000,
            duration_ms: 3_600_000,
            interval_ms: 5000,
        });
        let mut batch = Batch::default();
        while generator.next_tick(&mut batch).is_some() {
            for event in &batch.events {
                let of = match event.kind {
                    EventKind::Started => again::<detail::Started>,
                    EventKind::Ended => again::<detail::Ended>,
                    EventKind::Restarted => again::<detail::Restarted>,
                    EventKind::OomKill => again::<detail::OomKill>,
                    EventKind::ThrottlingStarted => again::<detail::ThrottlingStarted>,
                    EventKind::ThrottlingEnded => again::<detail::ThrottlingEnded>,
                    _ => continue,
                };
                assert_eq!(event.detail, of(&event.detail), "{event:?}");
                compared.insert(event.kind);
            }
        }
    }
    assert_eq!(compared.len(), 6, "{compared:?}");
}
