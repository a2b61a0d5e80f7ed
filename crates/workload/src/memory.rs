//! Memory: a leak and a burst.

use anyhow::Context;
use bytesize::ByteSize;
use clap::Args;
use std::hint::black_box;
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

/// The smallest page of Linux; one byte written makes it resident.
const PAGE_BYTES: usize = 4096;
/// A leak grows in steps this often.
const STEP: Duration = Duration::from_millis(100);

#[derive(Debug, Args)]
pub(crate) struct Leak {
    /// Memory lost per second
    #[arg(long, value_name = "BYTES", default_value = "4MiB")]
    rate: ByteSize,

    /// Lose no more than that, and hold it
    #[arg(long, value_name = "BYTES", default_value = "1GiB")]
    ceiling: ByteSize,
}

#[derive(Debug, Args)]
pub(crate) struct Oom {
    /// Memory in use before the burst
    #[arg(long, value_name = "BYTES", default_value = "16MiB")]
    base: ByteSize,

    /// How long before the burst
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = humantime::parse_duration)]
    after: Duration,

    /// Memory of the burst
    #[arg(long, value_name = "BYTES", default_value = "1GiB")]
    burst: ByteSize,

    /// Let a child have the burst, and run on when it was killed (its parent, PID 1, lives on,
    /// so Kubernetes shows nothing)
    #[arg(long)]
    in_child: bool,

    /// After a child's end, how long until the next one's burst
    #[arg(long, value_name = "DURATION", default_value = "1h", value_parser = humantime::parse_duration)]
    every: Duration,

    /// Given to the child
    #[arg(long, hide = true)]
    is_child: bool,
}

impl Leak {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        let ceiling = bytes(self.ceiling)?;
        let per_second = bytes(self.rate)?;
        anyhow::ensure!(per_second > 0, "--rate is zero: give the bytes per second");
        let start = Instant::now();
        let mut lost: Vec<Vec<u8>> = Vec::new();
        let mut total = 0;
        while total < ceiling {
            std::thread::sleep(STEP);
            // By the clock, so that a process that was throttled catches up.
            let due = start.elapsed().as_millis() * per_second as u128 / 1000;
            let due = usize::try_from(due).unwrap_or(usize::MAX).min(ceiling);
            if due >= total + PAGE_BYTES || due == ceiling {
                lost.push(resident(due - total));
                total = due;
            }
        }
        tracing::info!("{} are lost and held", ByteSize(total as u64));
        hold(&lost)
    }
}

impl Oom {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        if self.is_child {
            crate::die_with_parent()?;
        }
        let base = resident(bytes(self.base)?);
        let burst = bytes(self.burst)?;
        std::thread::sleep(self.after);
        if !self.in_child {
            tracing::info!("taking {} more", self.burst);
            let burst = resident(burst);
            tracing::info!("nothing killed this: is there a memory limit below that?");
            hold(&[base, burst]);
        }
        loop {
            let program = std::env::current_exe().context("find the own program")?;
            tracing::info!("a child takes {}", self.burst);
            let ended = Command::new(program)
                .args([
                    "oom",
                    "--is-child",
                    "--base",
                    "0",
                    "--after",
                    "0s",
                    "--burst",
                ])
                .arg(burst.to_string())
                .status()
                .context("start a child")?;
            tracing::info!("the child ended: {ended}");
            std::thread::sleep(self.every);
        }
    }
}

fn bytes(size: ByteSize) -> anyhow::Result<usize> {
    usize::try_from(size.as_u64()).context("more memory than this machine can address")
}

/// So much memory, every page of it in use and none like another, so that KSM merges none.
fn resident(bytes: usize) -> Vec<u8> {
    let mut memory = vec![0; bytes];
    for (number, page) in memory.chunks_mut(PAGE_BYTES).enumerate() {
        for (byte, digit) in page.iter_mut().zip(number.to_le_bytes()) {
            *byte = digit;
        }
    }
    black_box(memory)
}

/// Holds the memory until a signal ends the program.
fn hold(memory: &[Vec<u8>]) -> ! {
    loop {
        black_box(memory);
        std::thread::park();
    }
}
