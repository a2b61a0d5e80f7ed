//! A cluster's API server: the lab's own cluster, or one of the person's.

use crate::state_dir;
use anyhow::{Context, ensure};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use std::path::{Path, PathBuf};

/// How a person comes to a cluster.
pub(crate) const HOW_TO_GET_ONE: &str =
    "nix run .#deploy makes one; --context NAME takes another of your own";

/// The private kubeconfig of the lab's own cluster; `None` where a context of the person's is
/// asked for.
///
/// # Errors
/// There is no cluster of the lab, and what to do.
pub(crate) fn own_kubeconfig(context: Option<&str>) -> anyhow::Result<Option<PathBuf>> {
    if context.is_some() {
        return Ok(None);
    }
    let own = state_dir::path()?.join("kubeconfig");
    ensure!(
        own.is_file(),
        "there is no cluster of the lab: {HOW_TO_GET_ONE}"
    );
    Ok(Some(own))
}

/// A client of the cluster that this kubeconfig names, or the person's own one.
///
/// # Errors
/// The kubeconfig cannot be read, or what it says cannot be done.
pub(crate) async fn client(
    kubeconfig: Option<&Path>,
    context: Option<&str>,
) -> anyhow::Result<Client> {
    let options = KubeConfigOptions {
        context: context.map(str::to_owned),
        ..KubeConfigOptions::default()
    };
    let config = match kubeconfig {
        Some(file) => Kubeconfig::read_from(file),
        None => Kubeconfig::read(),
    };
    let config = config.with_context(|| format!("cannot read the kubeconfig: {HOW_TO_GET_ONE}"))?;
    let config = Config::from_custom_kubeconfig(config, &options).await?;
    Ok(Client::try_from(config)?)
}
