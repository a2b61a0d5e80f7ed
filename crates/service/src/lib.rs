//! What every program here does at its edge: the log, the signals, an error for a person, flags
//! that several programs have, its own metrics, the three pages of a daemon that is looked after,
//! and who may ask for what is served.
//!
//! It knows nothing of what a program does in between.

pub mod access;
pub mod flags;
pub mod http;
pub mod listen;
pub mod log;
mod login;
pub mod probes;
pub mod problem;
pub mod registry;
pub mod signal;
pub mod token;

/// An error for a person: what was tried, and why it failed, each said once.
#[must_use]
pub fn explain(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain().map(ToString::to_string) {
        // Errors of libraries often name their cause themselves.
        if !text.contains(&cause) {
            let separator = if text.is_empty() { "" } else { ": " };
            text = format!("{text}{separator}{cause}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::{Context, anyhow};

    #[test]
    fn a_cause_is_said_once() {
        let error: anyhow::Error = Err::<(), _>(anyhow!("b"))
            .context("cannot a: b")
            .context("giving up")
            .unwrap_err();
        assert_eq!(explain(&error), "giving up: cannot a: b");
    }
}
