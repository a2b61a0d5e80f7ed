//! The consolidator: merges the finished hours of a data directory, rolls them up, archives
//! them, and deletes what is too old or too much (DATA.md section 4).
//!
//! How an hour is merged is the store's business (`fgm_store::merge`). Here is when, in which
//! order, what is told of it, and the [`archive`]. A round can be given up or killed at any
//! point; the next one does the rest. [`run`] starts and stops all of it, for the binary
//! `fgm-consolidator` and for `fgm-lab up`, which consolidates in its own process.

pub mod archive;
pub mod config;
mod dry_run;
pub mod health;
pub mod progress;
mod round;
pub mod run;
