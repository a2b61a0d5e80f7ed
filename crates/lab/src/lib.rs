//! The lab on this machine: record and look (`up`), the same in a cluster (`cluster`), look into what
//! was recorded (`inspect`, `sql`), and generate data with known truth (`generate-bench-data`).

pub mod bench_data;
pub mod cli;
mod cluster;
mod inspect;
mod sql;
mod up;
