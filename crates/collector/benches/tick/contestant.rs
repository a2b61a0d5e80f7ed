//! A reader in a process of its own, which reads when it is told to.

use crate::role::Role;
use anyhow::Context;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};

/// The process; it ends with this.
pub(crate) struct Contestant {
    child: Child,
    // Dropped first in `drop`: the end of its input ends it.
    orders: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

/// What some rounds cost.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cost {
    pub(crate) cpu_ms: f64,
    /// As the kernel accounts them, in hundredths of a second.
    pub(crate) user: u64,
    pub(crate) system: u64,
}

impl Contestant {
    /// Starts it.
    pub(crate) fn start(role: &Role) -> anyhow::Result<Self> {
        let mut child = role
            .command()?
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot start a reader")?;
        Ok(Self {
            orders: child.stdin.take(),
            answers: BufReader::new(child.stdout.take().context("no output")?),
            child,
        })
    }

    /// Lets it read everything so many times.
    pub(crate) fn read(&mut self, rounds: usize) -> anyhow::Result<Cost> {
        let [cpu_ns, user, system] = self.ask(rounds)?;
        Ok(Cost {
            cpu_ms: cpu_ns as f64 / 1e6,
            user,
            system,
        })
    }

    /// How many files it keeps open.
    pub(crate) fn kept(&mut self) -> anyhow::Result<u64> {
        let [kept, ..] = self.ask(0)?;
        Ok(kept)
    }

    fn ask(&mut self, rounds: usize) -> anyhow::Result<[u64; 3]> {
        let orders = self.orders.as_mut().context("the reader ended")?;
        writeln!(orders, "{rounds}")?;
        let mut line = String::new();
        self.answers.read_line(&mut line)?;
        let numbers: Vec<u64> = line
            .split_whitespace()
            .map(str::parse)
            .collect::<Result<_, _>>()?;
        <[u64; 3]>::try_from(numbers)
            .map_err(|_| anyhow::anyhow!("a reader ended, see its message above"))
    }
}

impl Drop for Contestant {
    fn drop(&mut self) {
        drop(self.orders.take());
        let _ = self.child.wait();
    }
}
