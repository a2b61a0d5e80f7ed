//! What the lab's scenarios run: each kind of work fails in one known way, so that what FGM
//! shows of it can be checked.
//!
//! In a container the program is PID 1, which the kernel sends no signal that it has no handler
//! for: SIGTERM and SIGINT are handled, and end the work at once with status 143 or 130. Only the
//! servers of the todo app answer first what they were asked, and end with 0.

mod cpu;
mod crash;
mod memory;
mod pressure;
mod sigpipe;
mod todo;

use anyhow::Context;
use clap::{Parser, Subcommand};
use rustix::process::{Signal, set_parent_process_death_signal};
use std::process::ExitCode;
use tokio::signal::unix::{SignalKind, signal};

/// A program that fails in one known way.
#[derive(Debug, Parser)]
#[command(name = "fgm-workload", version, max_term_width = 100)]
pub struct Cli {
    #[command(subcommand)]
    work: Work,
}

#[derive(Debug, Subcommand)]
enum Work {
    #[command(flatten)]
    Fault(Fault),
    #[command(flatten)]
    Todo(todo::Todo),
}

#[derive(Debug, Subcommand)]
enum Fault {
    /// Use more memory all the time, up to a ceiling
    Leak(memory::Leak),
    /// Use some memory, then suddenly more than the limit
    Oom(memory::Oom),
    /// Run for a while, then exit with an error
    Crash(crash::Crash),
    /// Serve on a Unix socket for a while, then go away
    SigpipeServer(sigpipe::Server),
    /// Write to a Unix socket without minding SIGPIPE, in a child; end as the child does
    SigpipeClient(sigpipe::Client),
    /// The child of sigpipe-client
    #[command(hide = true)]
    SigpipeWriter(sigpipe::Client),
    /// Use CPU in cycles: busy for a part of each
    Throttle(cpu::Throttle),
    /// Read a set of files over and over that is larger than the memory limit
    Pressure(pressure::Pressure),
}

/// Does the work until it ends by itself or a signal ends it.
///
/// # Errors
/// When the work cannot be done at all: no such directory, no such socket.
pub fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("start the runtime")?;
    let code = runtime.block_on(async {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let ended = async move {
            tokio::select! {
                _ = terminate.recv() => 15,
                _ = interrupt.recv() => 2,
            }
        };
        match cli.work {
            Work::Todo(part) => part.run(ended).await,
            Work::Fault(fault) => {
                let work = tokio::task::spawn_blocking(|| fault.run());
                tokio::select! {
                    done = work => done.context("the work panicked")?,
                    signal = ended => Ok(ended_by(signal)),
                }
            }
        }
    });
    // The work may be in the middle of anything; nothing of it needs an end.
    runtime.shutdown_background();
    code
}

impl Fault {
    fn run(self) -> anyhow::Result<ExitCode> {
        match self {
            Self::Leak(leak) => leak.run(),
            Self::Oom(oom) => oom.run(),
            Self::Crash(crash) => Ok(crash.run()),
            Self::SigpipeServer(server) => server.run(),
            Self::SigpipeClient(client) => client.run(),
            Self::SigpipeWriter(client) => sigpipe::write(&client),
            Self::Throttle(throttle) => throttle.run(),
            Self::Pressure(pressure) => pressure.run(),
        }
    }
}

/// A child that outlived its parent would be left over on a machine without containers.
fn die_with_parent() -> anyhow::Result<()> {
    set_parent_process_death_signal(Some(Signal::KILL)).context("tie the child to its parent")
}

/// The status by which shells and container runtimes tell of an end by a signal.
fn ended_by(signal: u8) -> ExitCode {
    ExitCode::from(128 + signal)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn help_of_all_work() {
        let mut command = Cli::command();
        command.build();
        let mut help = vec![command.render_long_help().to_string()];
        for work in command
            .get_subcommands_mut()
            .filter(|work| !work.is_hide_set())
        {
            help.push(work.render_help().to_string());
        }
        insta::assert_snapshot!(help.join("\n---\n"));
    }
}
