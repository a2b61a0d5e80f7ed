//! An error after a while.

use clap::Args;
use std::process::ExitCode;
use std::time::Duration;

#[derive(Debug, Args)]
pub(crate) struct Crash {
    /// How long to run
    #[arg(long, value_name = "DURATION", default_value = "5s", value_parser = humantime::parse_duration)]
    after: Duration,

    /// The exit status
    #[arg(long, value_name = "N", default_value_t = 1)]
    exit_code: u8,
}

impl Crash {
    pub(crate) fn run(&self) -> ExitCode {
        std::thread::sleep(self.after);
        tracing::error!("crashing with status {}", self.exit_code);
        ExitCode::from(self.exit_code)
    }
}
