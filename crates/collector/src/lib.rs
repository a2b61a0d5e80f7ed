//! The recorder: reads every container each tick and writes crash-safe Parquet.
//!
//! The way of a sample: [`grid`] says when, `sampler` waits and reads ([`readings`], `alive`,
//! `subject`), `writer` appends the batch to the spool, `keeper` seals. [`run`] starts and stops
//! all of it, for the binary `fgm` and for `fgm-lab up`, which records in its own process.

mod alive;
mod clock;
pub mod config;
pub mod events;
pub mod grid;
pub mod health;
pub mod http;
mod keeper;
pub mod readings;
mod report;
pub mod run;
mod sampler;
mod stop;
mod subject;
mod writer;
