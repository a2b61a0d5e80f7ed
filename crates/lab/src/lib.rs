//! The lab on this machine: record and look (`up`), and look into what was recorded (`inspect`).

pub mod cli;
mod inspect;
mod up;
