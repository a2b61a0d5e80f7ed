//! `fgm-viewer`: shows what `fgm` recorded, in a browser.

use clap::Parser;
use fgm_gateway::{Node, NodeList, Peer};
use fgm_service::listen::Listen;
use fgm_service::{flags, log, signal};
use fgm_viewer::AppState;
use std::path::PathBuf;
use std::process::ExitCode;

/// Shows recorded containers in a browser.
#[derive(Debug, Parser)]
#[command(version)]
struct Args {
    /// The directory that fgm writes [default: /var/lib/fgm as root, else $XDG_STATE_HOME/fgm]
    #[arg(long, env = "FGM_DATA_DIR", value_name = "DIR", hide_env_values = true)]
    data_dir: Option<PathBuf>,
    #[command(flatten)]
    listen: Listen,
    /// Another node's viewer, shown below /node/NAME/; may be given several times. It is sent the
    /// token of --token-file
    #[arg(
        long,
        env = "FGM_PEER",
        value_delimiter = ',',
        value_name = "NAME=URL",
        hide_env_values = true
    )]
    peer: Vec<Peer>,
    /// A directory of dashboards: JSON files, beside those built in.
    #[arg(
        long,
        env = "FGM_DASHBOARDS",
        value_name = "DIR",
        hide_env_values = true
    )]
    dashboards: Option<PathBuf>,
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
    let place = args.listen.open().await?;
    tracing::info!(url = %place.link, data_dir = %data_dir.display(), "viewer is up");
    let state = AppState::new(data_dir).with_dashboards(args.dashboards);
    let site = fgm_viewer::router(state.clone());
    let site = if args.peer.is_empty() {
        site
    } else {
        let own = Node::own(&own_name(&state), site).map_err(anyhow::Error::msg)?;
        let peers = args.peer.into_iter().map(Node::from);
        let token = place.access.token().cloned();
        let nodes = NodeList::fixed(std::iter::once(own).chain(peers).collect())?;
        fgm_gateway::router(nodes, token)?
    };
    fgm_viewer::serve_site(place, site, &state, signal::stop_signal()).await;
    Ok(())
}

/// By the name of the node whose data these are, else of this machine.
fn own_name(state: &AppState) -> String {
    state.node().unwrap_or_else(|| {
        let name = rustix::system::uname();
        name.nodename().to_string_lossy().into_owned()
    })
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
