//! Why a question could not be answered at all; a single bad file never is a reason.

use crate::StoreError;

/// A failure of a read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// A directory could not be listed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Files went away under every attempt.
    #[error("stored files keep changing while they are read: ask again")]
    Unsettled,
    /// The caller no longer wants the answer.
    #[error("the read was stopped before its end")]
    Stopped,
}
