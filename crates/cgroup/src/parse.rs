//! Bytes of cgroup files to numbers, one module per format.
//!
//! No parser panics, allocates in a steady read, or makes a number of what is not one: cut off,
//! garbled and missing all give `None`.

pub mod flat;
pub mod io_stat;
pub mod limit;
pub mod pids;
pub mod psi;
