//! The lab on this machine: record and look (`up`), the same in a cluster (`cluster`, `viewer`), run
//! scenarios and judge what was seen of them (`scenario`), look into what was recorded (`inspect`,
//! `sql`), and generate data with known truth (`generate-bench-data`).

mod api_server;
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
mod viewer;
