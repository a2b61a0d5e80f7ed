//! `fgm`: records every container of this node; see [`fgm_collector`].

use clap::Parser;
use fgm_collector::config::{Config, Listen};
use std::process::ExitCode;

/// Reads every container of this node each second and writes crash-safe Parquet.
#[derive(Debug, Parser)]
#[command(name = "fgm", version, max_term_width = 100)]
struct Cli {
    #[command(flatten)]
    config: Config,
    #[command(flatten)]
    listen: Listen,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    match fgm_collector::run::run(&cli.config, &cli.listen) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {}", fgm_collector::run::explain(&error));
            ExitCode::FAILURE
        }
    }
}
