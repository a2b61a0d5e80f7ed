//! `fgm-viewer`: shows what `fgm` recorded, in a browser.

use anyhow::Context;
use clap::Parser;
use fgm_service::{flags, log, signal};
use fgm_viewer::AppState;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use tokio::net::TcpListener;

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

#[tokio::main]
async fn main() -> ExitCode {
    log::start();
    match run(Args::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {}", fgm_service::explain(&error));
            ExitCode::FAILURE
        }
    }
}

async fn run(args: Args) -> anyhow::Result<()> {
    let data_dir = flags::data_dir(args.data_dir.as_ref())?;
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
    fgm_viewer::serve_state(listener, state, signal::stop_signal())
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
