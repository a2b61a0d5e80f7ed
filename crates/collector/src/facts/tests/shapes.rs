//! Readers of years to come parse `detail`: its shape per kind is a contract.

use super::super::detail::{
    Ended, LimitChange, LimitChanged, Restarted, Started, ThrottlingEnded, ThrottlingStarted,
    Victim,
};
use super::*;
use serde::Serialize;

fn shape(kind: EventKind, detail: &impl Serialize) -> String {
    let detail = serde_json::to_string_pretty(detail).expect("a detail");
    format!("{}: {detail}", kind.as_str())
}

#[test]
fn details_have_a_stable_shape() {
    let shapes = [
        shape(EventKind::Started, &Started::default()),
        shape(EventKind::Ended, &Ended::default()),
        shape(EventKind::Restarted, &Restarted::default()),
        shape(
            EventKind::LimitChanged,
            &LimitChanged {
                changes: vec![LimitChange::default()],
            },
        ),
        shape(EventKind::ThrottlingStarted, &ThrottlingStarted::default()),
        shape(EventKind::ThrottlingEnded, &ThrottlingEnded::default()),
        shape(EventKind::OomKill, &OomKill::default()),
        shape(
            EventKind::OomKill,
            &OomKill {
                scope: Some(Scope::Container),
                victim: Some(Victim::default()),
                sources: vec![
                    Source::Container,
                    Source::Pod,
                    Source::Status,
                    Source::Kernel,
                    Source::Node,
                ],
                ..OomKill::default()
            },
        ),
    ];
    insta::assert_snapshot!(shapes.join("\n"));
}
