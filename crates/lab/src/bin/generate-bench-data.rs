//! `generate-bench-data`: see [`fgm_lab::bench_data`].

use clap::Parser;
use fgm_lab::bench_data::GenerateBenchData;
use std::process::ExitCode;

fn main() -> ExitCode {
    match GenerateBenchData::parse().run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {}", fgm_collector::run::explain(&error));
            ExitCode::FAILURE
        }
    }
}
