//! `fgm-lab`: see [`fgm_lab::cli`].

use clap::Parser;
use fgm_lab::cli::Cli;
use std::process::ExitCode;

fn main() -> ExitCode {
    match Cli::parse().run() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {}", fgm_collector::run::explain(&error));
            ExitCode::FAILURE
        }
    }
}
