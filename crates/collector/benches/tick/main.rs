//! What a tick costs, and what the recorder needs beside: one table of figures.
//!
//! `cargo bench -p fgm-collector --bench tick [-- 250 1000] [-- --only ticks,recorder,...]`
//!
//! Live cgroups with one process each are made in the v2 hierarchy that the machine has, so it
//! needs root. Where v2 lacks the memory, io and pids controllers, stand-in files of the same
//! size take their place, and the output says which. Readers that are compared run in processes
//! of their own (each has the whole limit of open files) and take turns, so that a busy machine
//! is busy for all of them. All of it is removed at the end, on Ctrl-C too.

#![expect(clippy::print_stdout, reason = "a bench reports on its output")]

mod cgroups;
mod contestant;
mod lateness;
mod litter;
mod machine;
mod processes;
mod recorder;
mod role;
mod segment;
mod table;
mod ticks;
mod tree;

use anyhow::Context;
use clap::{Parser, ValueEnum};
use role::Role;
use std::process::ExitCode;
use table::Table;
use tree::Tree;

/// What a tick costs, and what the recorder needs beside.
#[derive(Debug, Parser)]
struct Cli {
    /// Numbers of containers
    #[arg(default_values_t = [250, 1000])]
    containers: Vec<usize>,

    /// What to measure
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = Story::ALL)]
    only: Vec<Story>,

    /// Ticks at 1 Hz of each reader
    #[arg(long, default_value_t = 40)]
    ticks: usize,

    /// Seals of the running recorder, one a minute
    #[arg(long, default_value_t = 3)]
    seals: u64,

    /// Given by cargo
    #[arg(long, hide = true)]
    bench: bool,

    #[command(subcommand)]
    role: Option<Role>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Story {
    /// CPU of a tick against a bare read loop and against reading by paths.
    Ticks,
    /// The running `fgm`: memory, sealing, the budget of the proportional set.
    Recorder,
    /// Writing a minute of busy containers.
    Segment,
    /// How late ticks begin on busy cores.
    Lateness,
}

impl Story {
    const ALL: [Self; 4] = [Self::Ticks, Self::Recorder, Self::Segment, Self::Lateness];
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let result = match &cli.role {
        Some(role) => role.play(),
        // `cargo test --all-targets` starts benches as well.
        None if !cli.bench => {
            println!("run by `cargo bench`; takes ten minutes");
            return ExitCode::SUCCESS;
        }
        None => litter::removed_on_signals().and_then(|()| measure(&cli)),
    };
    litter::remove();
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn measure(cli: &Cli) -> anyhow::Result<()> {
    machine::raise_open_files()?;
    let mut table = Table::default();
    let asked = |story| cli.only.contains(&story);
    for &count in &cli.containers {
        if [Story::Ticks, Story::Recorder, Story::Lateness]
            .iter()
            .any(|&story| asked(story))
        {
            let mut tree =
                Tree::make(count).with_context(|| format!("cannot make {count} containers"))?;
            table.note_stand_ins(&tree);
            if asked(Story::Ticks) {
                ticks::measure(&tree, cli.ticks, &mut table)?;
            }
            // Enough with few: it is about waking up.
            if asked(Story::Lateness) && Some(&count) == cli.containers.first() {
                lateness::measure(&tree, &mut table)?;
            }
            if asked(Story::Recorder) {
                recorder::measure(&mut tree, cli.seals, &mut table)?;
            }
        }
        if asked(Story::Segment) {
            segment::measure(count, &mut table)?;
        }
    }
    println!("{}\n{table}", machine::facts());
    Ok(())
}
