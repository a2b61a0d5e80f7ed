//! The selection text: `ns:shop|web qos:burstable "my pod" cart`.
//!
//! Terms are separated by white space and must all hold; the alternatives of a key are separated
//! by `|`. Double quotes keep white space, `|` and `:` as they are. Letters count alike, large
//! or small. The page edits the same text, so both sides are tested with the same vectors.
//!
//! | term | holds when |
//! |---|---|
//! | `ns:` `qos:` | the name is one of these |
//! | `pod:` `container:` `node:` `image:` | the name contains one of these |
//! | `label:K=V` | the pod has that label with that value (`label:K`: with any) |
//! | `has:` | one of these happened to it in the range: `oom`, `restart`, `throttle`, `limit` |
//! | anything else | its letters occur in that order in `namespace/pod/container`, or the container's id begins with it |

use fgm_model::{EventKind, Instance};
use std::fmt;

/// The longest text: a URL holds little more.
const LONGEST: usize = 4096;

/// A parsed selection.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Selection(Vec<Term>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Term {
    key: Key,
    values: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Key {
    Namespace,
    Qos,
    Pod,
    Container,
    Node,
    Image,
    Label,
    Has,
    Word,
}

const KEYS: [(&str, Key); 8] = [
    ("has", Key::Has),
    ("ns", Key::Namespace),
    ("qos", Key::Qos),
    ("pod", Key::Pod),
    ("container", Key::Container),
    ("node", Key::Node),
    ("image", Key::Image),
    ("label", Key::Label),
];

/// What `has:` knows.
const HAS: [(&str, EventKind); 4] = [
    ("oom", EventKind::OomKill),
    ("restart", EventKind::Restarted),
    ("throttle", EventKind::ThrottlingStarted),
    ("limit", EventKind::LimitChanged),
];

/// The text is too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TooLong;

impl fmt::Display for TooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the selection is longer than {LONGEST} bytes")
    }
}

/// Splits where `at` says so, but not inside double quotes; empty pieces fall away.
fn split(text: &str, at: impl Fn(char) -> bool) -> Vec<&str> {
    let mut quoted = false;
    text.split(move |c| {
        quoted ^= c == '"';
        !quoted && at(c)
    })
    .filter(|piece| !piece.is_empty())
    .collect()
}

impl Selection {
    /// Reads the text. Every text means something; only its length is bounded.
    pub(crate) fn parse(text: &str) -> Result<Self, TooLong> {
        if text.len() > LONGEST {
            return Err(TooLong);
        }
        let plain = |text: &str| text.replace('"', "").to_lowercase();
        let mut terms = Vec::new();
        for word in split(text, char::is_whitespace) {
            let known = word.split_once(':').and_then(|(name, rest)| {
                let known = KEYS.iter().find(|(key, _)| *key == name)?;
                Some((known.1, rest))
            });
            let term = match known {
                Some((key, rest)) => Term {
                    key,
                    values: split(rest, |c| c == '|').into_iter().map(plain).collect(),
                },
                None => Term {
                    key: Key::Word,
                    values: vec![plain(word)],
                },
            };
            // A key without a value restricts nothing, nor does an empty word.
            if term.values.iter().any(|value| !value.is_empty()) {
                terms.push(term);
            }
        }
        Ok(Self(terms))
    }

    /// Whether it restricts nothing.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// For each `has:`, the kinds of events of which one must have happened.
    pub(crate) fn has(&self) -> Vec<Vec<EventKind>> {
        let terms = self.0.iter().filter(|term| term.key == Key::Has);
        terms
            .map(|term| {
                let kinds = HAS.iter().filter(|(word, _)| {
                    let mut values = term.values.iter();
                    values.any(|value| value == word)
                });
                kinds.map(|(_, kind)| *kind).collect()
            })
            .collect()
    }

    /// Whether an event is selected that happened to that instance, or to the node.
    pub(crate) fn selects(&self, node: &str, who: Option<&Instance>) -> bool {
        match who {
            Some(who) => self.matches(node, who),
            // The node's own belong to nobody's selection.
            None => self.is_empty(),
        }
    }

    /// Whether a container is selected, events apart.
    pub(crate) fn matches(&self, node: &str, who: &Instance) -> bool {
        self.0.iter().all(|term| {
            let values = term.values.iter().filter(|value| !value.is_empty());
            values
                .into_iter()
                .any(|value| term.key.holds(value, node, who))
        })
    }
}

impl Key {
    fn holds(self, value: &str, node: &str, who: &Instance) -> bool {
        let lower = |text: &Option<String>| text.as_deref().unwrap_or_default().to_lowercase();
        match self {
            Self::Namespace => lower(&who.namespace) == value,
            Self::Qos => who
                .qos_class
                .is_some_and(|class| class.as_str().to_lowercase() == value),
            Self::Pod => lower(&who.pod_name).contains(value),
            Self::Container => who.display_name().to_lowercase().contains(value),
            Self::Node => node.to_lowercase().contains(value),
            Self::Image => lower(&who.image).contains(value),
            Self::Label => has_label(who, value),
            // Decided by events: see `Selection::has`.
            Self::Has => true,
            Self::Word => {
                let name = format!(
                    "{}/{}/{}",
                    lower(&who.namespace),
                    lower(&who.pod_name),
                    who.display_name().to_lowercase()
                );
                is_subsequence(value, &name) || who.container_id.starts_with(value)
            }
        }
    }
}

fn has_label(who: &Instance, wanted: &str) -> bool {
    let labels = who.pod_labels.as_deref().unwrap_or_default();
    let Ok(serde_json::Value::Object(labels)) = serde_json::from_str(labels) else {
        return false;
    };
    labels.iter().any(|(key, value)| {
        let key = key.to_lowercase();
        match wanted.split_once('=') {
            None => key == wanted,
            Some((name, text)) => {
                key == name && value.as_str().is_some_and(|v| v.to_lowercase() == text)
            }
        }
    })
}

/// How well what a person remembers fits a container: every word must be found in its name, id,
/// labels or image; the higher the closer to its name.
pub(crate) fn fit(text: &str, id: &str, node: &str, who: &Instance) -> Option<u32> {
    let text = text.to_lowercase();
    let name = who.display_name().to_lowercase();
    let lower = |text: &Option<String>| text.as_deref().unwrap_or_default().to_lowercase();
    let place = format!("{}/{}/{name}", lower(&who.namespace), lower(&who.pod_name));
    let rest = format!(
        "{} {} {}",
        lower(&who.image),
        lower(&who.pod_labels),
        node.to_lowercase()
    );
    text.split_whitespace().try_fold(0, |sum, word| {
        let id = id.starts_with(word) || who.container_id.starts_with(word);
        let score = match () {
            () if name == word || id => 16,
            () if name.starts_with(word) => 12,
            () if name.contains(word) => 9,
            () if place.contains(word) => 6,
            () if rest.contains(word) => 3,
            () if is_subsequence(word, &place) => 1,
            () => return None,
        };
        Some(sum + score)
    })
}

fn is_subsequence(letters: &str, text: &str) -> bool {
    let mut rest = text.chars();
    letters.chars().all(|letter| rest.any(|c| c == letter))
}

#[cfg(test)]
mod tests {
    use super::*;
    use fgm_model::QosClass;
    use proptest::prelude::*;
    use serde::Deserialize;

    #[derive(Deserialize)]
    struct Vectors {
        containers: Vec<Container>,
        selections: Vec<(String, Vec<String>)>,
    }

    #[derive(Deserialize)]
    struct Container {
        name: String,
        namespace: Option<String>,
        pod: Option<String>,
        qos: Option<QosClass>,
        image: Option<String>,
        labels: Option<serde_json::Value>,
        container_id: String,
        node: String,
    }

    #[test]
    fn vectors_shared_with_the_page() {
        let text = include_str!("../../web/ui/test/sel-vectors.json");
        let vectors: Vectors = serde_json::from_str(text).unwrap();
        assert!(!vectors.selections.is_empty());
        for (text, want) in vectors.selections {
            let selection = Selection::parse(&text).unwrap();
            let got: Vec<_> = vectors
                .containers
                .iter()
                .filter(|one| {
                    let who = Instance {
                        container_id: one.container_id.clone(),
                        container_name: Some(one.name.clone()),
                        namespace: one.namespace.clone(),
                        pod_name: one.pod.clone(),
                        qos_class: one.qos,
                        image: one.image.clone(),
                        pod_labels: one.labels.as_ref().map(ToString::to_string),
                        ..Instance::default()
                    };
                    selection.matches(&one.node, &who)
                })
                .map(|one| one.name.clone())
                .collect();
            assert_eq!(got, want, "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_a_selection(text in "[a-z\"|: *=É\u{3000}]{0,40}", other in ".{0,40}") {
            for text in [text, other] {
                let selection = Selection::parse(&text).unwrap();
                selection.matches("n", &Instance::default());
            }
        }
    }

    #[test]
    fn only_length_is_refused() {
        assert_eq!(Selection::parse(&"x".repeat(4097)), Err(TooLong));
        assert!(Selection::parse(" \t ns: \"\" ").unwrap().is_empty());
    }
}
