//! CPU time in cycles.

use anyhow::ensure;
use clap::Args;
use std::hint::black_box;
use std::process::ExitCode;
use std::time::{Duration, Instant};

#[derive(Debug, Args)]
pub(crate) struct Throttle {
    /// The part of each cycle that is busy, 0 to 1
    #[arg(long, value_name = "SHARE", default_value_t = 0.5)]
    duty: f64,

    /// Length of a cycle
    #[arg(long, value_name = "DURATION", default_value = "20s", value_parser = humantime::parse_duration)]
    cycle: Duration,

    /// How many threads are busy at once
    #[arg(long, value_name = "N", default_value_t = 1)]
    threads: usize,
}

impl Throttle {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        ensure!(
            (0.0..=1.0).contains(&self.duty),
            "--duty {} is no share: give a number from 0 to 1",
            self.duty
        );
        ensure!(
            !self.cycle.is_zero(),
            "--cycle is zero: give the length of a cycle"
        );
        ensure!(self.threads > 0, "--threads is zero: nothing would run");
        let busy = self.cycle.mul_f64(self.duty);
        let start = Instant::now();
        std::thread::scope(|scope| {
            for _ in 0..self.threads {
                scope.spawn(|| burn(start, busy, self.cycle));
            }
        });
        Ok(ExitCode::SUCCESS)
    }
}

/// Busy at the beginning of each cycle. All threads go by the same clock, so that they are busy
/// together, which is what uses up a quota.
fn burn(start: Instant, busy: Duration, cycle: Duration) -> ! {
    let mut number = 1_u64;
    loop {
        let into = Duration::from_nanos(
            u64::try_from(start.elapsed().as_nanos() % cycle.as_nanos()).unwrap_or(0),
        );
        if into < busy {
            for _ in 0..10_000 {
                number = black_box(
                    number
                        .wrapping_mul(6_364_136_223_846_793_005)
                        .wrapping_add(1),
                );
            }
        } else {
            std::thread::sleep(cycle.saturating_sub(into));
        }
    }
}
