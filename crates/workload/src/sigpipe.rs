//! A server on a Unix socket that goes away, and a client that dies of SIGPIPE.
//!
//! Two things stand in the way of that death. PID 1 of a container is not killed by a signal
//! that it has no handler for, so the client writes in a child, and its parent ends with the
//! status that shells give an end by SIGPIPE: 141. And Rust programs ignore SIGPIPE from their
//! start, so the child restores the default first, and writes by `write(2)`: the standard
//! library's socket writes suppress the signal each time (`MSG_NOSIGNAL`).

use crate::{die_with_parent, ended_by};
use anyhow::{Context, bail};
use clap::Args;
use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

/// Time between two writes.
const PAUSE: Duration = Duration::from_millis(100);

#[derive(Debug, Args)]
pub(crate) struct Server {
    /// The socket to serve on
    #[arg(long, value_name = "PATH")]
    socket: PathBuf,

    /// How long to read from each client before going away
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = humantime::parse_duration)]
    serve_for: Duration,
}

#[derive(Debug, Args)]
pub(crate) struct Client {
    /// The socket to write to
    #[arg(long, value_name = "PATH")]
    socket: PathBuf,

    /// How long to wait for the server
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = humantime::parse_duration)]
    wait: Duration,
}

impl Server {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        match std::fs::remove_file(&self.socket) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                return Err(error)
                    .with_context(|| format!("remove the old {}", self.socket.display()));
            }
            _ => {}
        }
        let listener = UnixListener::bind(&self.socket)
            .with_context(|| format!("serve on {}", self.socket.display()))?;
        loop {
            let (mut client, _) = listener.accept().context("wait for a client")?;
            tracing::info!("serving a client for {:?}", self.serve_for);
            let until = Instant::now() + self.serve_for;
            client
                .set_read_timeout(Some(PAUSE))
                .context("set the time to wait")?;
            let mut buffer = [0; 4096];
            while Instant::now() < until {
                match client.read(&mut buffer) {
                    Ok(0) => break,
                    Ok(_) => {}
                    Err(error)
                        if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                    Err(error) => return Err(error).context("read from the client"),
                }
            }
            tracing::info!("going away while the client writes");
        }
    }
}

impl Client {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        let program = std::env::current_exe().context("find the own program")?;
        let ended = Command::new(program)
            .arg("sigpipe-writer")
            .arg("--socket")
            .arg(&self.socket)
            .arg("--wait")
            .arg(format!("{}ms", self.wait.as_millis()))
            .status()
            .context("start the writer")?;
        tracing::info!("the writer ended: {ended}");
        if let Some(signal) = ended.signal().and_then(|signal| u8::try_from(signal).ok()) {
            return Ok(ended_by(signal));
        }
        let code = ended.code().and_then(|code| u8::try_from(code).ok());
        Ok(code.map_or(ExitCode::FAILURE, ExitCode::from))
    }
}

/// The child of [`Client::run`]: writes until the server goes away, which kills it.
pub(crate) fn write(client: &Client) -> anyhow::Result<ExitCode> {
    sigpipe::reset();
    die_with_parent()?;
    let until = Instant::now() + client.wait;
    let stream = loop {
        match UnixStream::connect(&client.socket) {
            Ok(stream) => break stream,
            Err(error) if Instant::now() >= until => {
                return Err(error).with_context(|| {
                    format!(
                        "no server on {} for {:?}",
                        client.socket.display(),
                        client.wait
                    )
                });
            }
            Err(_) => std::thread::sleep(PAUSE),
        }
    };
    let mut stream = File::from(OwnedFd::from(stream));
    loop {
        if let Err(error) = stream.write_all(b"one more line\n") {
            bail!("the write failed without a signal: {error}");
        }
        std::thread::sleep(PAUSE);
    }
}
