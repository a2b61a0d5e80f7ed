//! What happened: the kinds of events and their identity (DATA.md section 5).

use crate::identity::{Instance, hash_hex};
use serde::Serialize;
use std::sync::Arc;

macro_rules! kinds {
    ($( $variant:ident $name:literal $help:literal; )*) => {
        /// What happened.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
        #[serde(rename_all = "snake_case")]
        pub enum EventKind {
            $( #[doc = $help] $variant, )*
        }

        impl EventKind {
            /// Every kind.
            pub const ALL: &'static [Self] = &[$( Self::$variant ),*];

            /// The name in the `kind` column.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $( Self::$variant => $name, )* }
            }

            /// One sentence for a person.
            #[must_use]
            pub const fn help(self) -> &'static str {
                match self { $( Self::$variant => $help, )* }
            }
        }
    };
}

kinds! {
    Started "started" "An instance was seen for the first time.";
    Ended "ended" "An instance's cgroup is gone or has no process left.";
    Restarted "restarted" "A container was started again in the same pod.";
    OomKill "oom_kill" "The kernel killed processes of an instance for lack of memory.";
    LimitChanged "limit_changed" "A limit of an instance was changed.";
    ThrottlingStarted "throttling_started" "CPU throttling passed the threshold of the finding.";
    ThrottlingEnded "throttling_ended" "CPU throttling fell below the threshold of the finding.";
    TickLate "tick_late" "A tick began so late that its readings are visibly off the grid.";
    TickMissed "tick_missed" "Grid instants passed without a reading.";
    ClockStep "clock_step" "The wall clock was set.";
    RecorderStarted "recorder_started" "The recorder began.";
    RecorderStopped "recorder_stopped" "The recorder ended in an orderly way.";
    PssSkipped "pss_skipped" "A process was too large to scan for its proportional set.";
}

/// One revision of an event.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// The stable hash of subject, kind and ordinal: see [`event_id`].
    pub event_id: String,
    /// Raised when more became known; the highest is the truth.
    pub revision: i64,
    /// What happened.
    pub kind: EventKind,
    /// When it happened, milliseconds UTC.
    pub time_ms: i64,
    /// When this revision was recorded, milliseconds UTC.
    pub recorded_at_ms: i64,
    /// The clock epoch it was recorded in.
    pub clock_epoch: i64,
    /// Whose event it is; the node's own when `None`.
    pub instance: Option<Arc<Instance>>,
    /// A JSON object whose keys depend on the kind alone.
    pub detail: serde_json::Value,
}

/// The identity of an event: a hash over its subject, kind and ordinal, 32 hex digits.
///
/// The subject is the instance, or node and boot ID where there is none; the ordinal is the
/// kernel counter before the move (`oom_kill`), else the time in milliseconds.
#[must_use]
pub fn event_id(subject: Subject<'_>, kind: EventKind, ordinal: i64) -> String {
    let ordinal = ordinal.to_string();
    let mut hash = match subject {
        Subject::Instance(instance) => hash_hex(&[
            "instance",
            &instance.container_id,
            &instance.life,
            kind.as_str(),
            &ordinal,
        ]),
        Subject::Node { node, boot_id } => {
            hash_hex(&["node", node, boot_id, kind.as_str(), &ordinal])
        }
    };
    hash.truncate(32);
    hash
}

/// Whom an event is about.
#[derive(Debug, Clone, Copy)]
pub enum Subject<'a> {
    /// A container.
    Instance(&'a Instance),
    /// The node, in one boot.
    Node {
        /// The node's name.
        node: &'a str,
        /// The kernel's boot ID.
        boot_id: &'a str,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_depends_on_subject_kind_and_ordinal() {
        let node = Subject::Node {
            node: "n",
            boot_id: "b",
        };
        let id = event_id(node, EventKind::TickMissed, 1);
        assert_eq!(id.len(), 32);
        assert_eq!(id, event_id(node, EventKind::TickMissed, 1));
        assert_ne!(id, event_id(node, EventKind::TickMissed, 2));
        assert_ne!(id, event_id(node, EventKind::TickLate, 1));
        assert_ne!(
            id,
            event_id(
                Subject::Instance(&Instance::default()),
                EventKind::TickMissed,
                1
            )
        );
    }

    #[test]
    fn kinds() {
        let list: Vec<_> = EventKind::ALL
            .iter()
            .map(|kind| format!("{}: {}", kind.as_str(), kind.help()))
            .collect();
        insta::assert_snapshot!(list.join("\n"));
    }
}
