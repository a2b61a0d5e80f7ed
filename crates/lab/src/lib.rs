//! The lab on this machine: record and look (`up`), the same in a cluster (`cluster`), run scenarios
//! and judge what was seen of them (`scenario`), look into what was recorded (`inspect`, `sql`), and
//! generate data with known truth
//! (`generate-bench-data`).

pub mod bench_data;
pub mod cli;
mod cluster;
mod expect;
mod inspect;
mod scenario;
mod sql;
mod state_dir;
mod terminal;
mod up;
