//! `fgm-lab`: see [`fgm_lab::cli`].

use clap::Parser;
use std::process::ExitCode;
use fgm_lab::cli::Cli;

fn main() -> ExitCode {
    match Cli::parse().run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
