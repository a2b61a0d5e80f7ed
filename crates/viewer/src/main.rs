//! `fgm-viewer`: shows what `fgm` recorded, in a browser.

use anyhow::Context;
use clap::Parser;
use fgm_viewer::AppState;
use std::net::SocketAddr;
use std::path::PathBuf;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

/// Shows recorded containers in a browser.
#[derive(Debug, Parser)]
#[command(version)]
struct Args {
    /// The directory that fgm writes [default: /var/lib/fgm as root, else $XDG_STATE_HOME/fgm]
    #[arg(long, env = "FGM_DATA_DIR", value_name = "DIR", hide_env_values = true)]
    data_dir: Option<PathBuf>,
    /// The address to listen on.
    #[arg(
        long,
        env = "FGM_LISTEN",
        value_name = "ADDRESS",
        hide_env_values = true,
        default_value = "127.0.0.1:8050"
    )]
    listen: SocketAddr,
    /// A directory of dashboards: JSON files, beside those built in.
    #[arg(
        long,
        env = "FGM_DASHBOARDS",
        value_name = "DIR",
        hide_env_values = true
    )]
    dashboards: Option<PathBuf>,
    /// A host name under which the page may be opened, beside localhost and any address.
    #[arg(
        long,
        env = "FGM_ALLOW_HOST",
        value_delimiter = ',',
        value_name = "NAME",
        hide_env_values = true
    )]
    allow_host: Vec<String>,
}

/// /var/lib/fgm as root, else the XDG state directory.
fn default_data_dir() -> anyhow::Result<PathBuf> {
    if rustix::process::geteuid().is_root() {
        return Ok("/var/lib/fgm".into());
    }
    let absolute = |name| {
        let path = std::env::var_os(name).map(PathBuf::from);
        path.filter(|path| path.is_absolute())
    };
    absolute("XDG_STATE_HOME")
        .or_else(|| Some(absolute("HOME")?.join(".local/state")))
        .map(|state| state.join("fgm"))
        .context("no place for the data: give --data-dir, or set HOME or XDG_STATE_HOME")
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .init();
    let args = Args::parse();
    let data_dir = args.data_dir.map_or_else(default_data_dir, Ok)?;
    let listener = TcpListener::bind(args.listen)
        .await
        .with_context(|| format!("cannot listen on {}: choose another --listen", args.listen))?;
    let address = listener
        .local_addr()
        .context("cannot tell the own address")?;
    tracing::info!(url = %format!("http://{address}/"), data_dir = %data_dir.display(), "viewer is up");
    let state = AppState::new(data_dir)
        .with_hosts(args.allow_host)
        .with_dashboards(args.dashboards);
    let mut terminate = signal(SignalKind::terminate()).context("cannot watch for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot watch for SIGINT")?;
    let shutdown = async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    };
    fgm_viewer::serve_state(listener, state, shutdown)
        .await
        .context("the viewer stopped")
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn help() {
        insta::assert_snapshot!(Args::command().render_long_help());
    }
}
