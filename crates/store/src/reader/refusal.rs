//! Why a single file could not be read.

use crate::StoreError;

/// A file that gave nothing.
#[derive(Debug)]
pub(super) enum Refusal {
    /// It was deleted, or replaced, since it was listed: list again.
    Gone,
    /// Its content is bad, and stays bad as long as the file is the same.
    Damaged(String),
    /// The system refused for now.
    Unreadable(String),
}

impl Refusal {
    pub(super) fn of(error: StoreError) -> Self {
        if error.is_not_found() {
            Self::Gone
        } else if error.errno().is_some() {
            Self::Unreadable(error.to_string())
        } else {
            Self::Damaged(error.to_string())
        }
    }
}

/// A file that was deleted, or replaced, since it was listed: list again.
#[derive(Debug)]
pub(super) struct Gone;
