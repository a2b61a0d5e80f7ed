//! `fgm-consolidator`: merges, rolls up, archives and expires; see [`fgm_consolidator`].

use clap::Parser;
use fgm_consolidator::config::Config;
use std::process::ExitCode;

/// Merges the finished hours of a data directory, rolls them up, archives them, and deletes what
/// is too old or too much.
#[derive(Debug, Parser)]
#[command(name = "fgm-consolidator", version, max_term_width = 100)]
struct Cli {
    #[command(flatten)]
    config: Config,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    match fgm_consolidator::run::run(&cli.config) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {}", fgm_service::explain(&error));
            ExitCode::FAILURE
        }
    }
}
