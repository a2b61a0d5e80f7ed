//! The recorder: reads every container each tick and writes crash-safe Parquet.
//!
//! The way of a sample: [`grid`] says when, `sampler` waits and reads ([`readings`]: `alive` the
//! containers, `pod_cgroups` their pods, `node` the machine), `writer` appends the batch to the spool, `keeper` seals. [`identity`] learns the
//! names meanwhile. [`run`] starts and stops
//! all of it, for the binary `fgm` and for `fgm-lab up`, which records in its own process.

mod alive;
mod clock;
pub mod config;
pub mod events;
pub mod facts;
pub mod grid;
pub mod health;
pub mod http;
pub mod identity;
mod keeper;
pub mod kmsg;
mod node;
mod part_clock;
mod pod_cgroups;
mod readers;
pub mod readings;
mod recall;
mod report;
pub mod run;
mod sampler;
mod stop;
mod subject;
pub mod tables;
mod watched;
mod writer;
