//! What lies on disk: spool, segments, partition layout, recovery, retention and the reader.
//!
//! ```text
//! <data>/metrics/dt=YYYY-MM-DD/pod=<recorder>/<start>-<end>-<ulid>.parquet   also pods/ node/ events/
//! <data>/_spool/<ulid>/<table>.arrows                                        the last minute
//! <data>/_tmp/ _quarantine/ _notes/ _state/ _lock/
//! ```
//!
//! The way of a row: [`spool`] appends every tick at once; [`mod@seal`] turns a closed spool into
//! sorted, verified Parquet; [`mod@recover`] does the same for what a killed process left behind.
//! At every moment of that way [`set_rule`] tells which of two files that hold the same rows
//! counts, so that a kill at any point neither loses nor doubles one. [`listing`] applies the
//! rule for readers, [`retain`] for deletion.
//!
//! What this crate does not know: where numbers come from (`collector`), and what they mean
//! (`model`).

mod encode;
pub mod error;
mod file_bytes;
#[cfg(test)]
mod fixture;
pub mod footer;
pub mod inspect;
pub mod last_rows;
pub mod layout;
pub mod listing;
pub mod lock;
pub mod merge;
pub mod quarantine;
pub mod reader;
pub mod recover;
pub mod retain;
mod rollup;
pub mod rotation;
pub mod seal;
pub mod set_rule;
pub mod spool;
pub mod sql;
pub mod state;
pub mod stream;
mod table_file;

pub use error::StoreError;
pub use inspect::{inspect_dir, inspect_file};
pub use last_rows::{LastRows, last_rows};
pub use layout::{DataDir, Role};
pub use lock::{Lock, LockError};
pub use recover::{RecoveryReport, recover};
pub use rotation::Rotation;
pub use seal::{Names, SealReport, seal, seal_named};
pub use spool::{ClosedSpool, Spool};
