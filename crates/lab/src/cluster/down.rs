//! `fgm-lab cluster down`.

use super::tools::Kind;
use super::{CLUSTER, kubeconfig, say};

pub(super) fn run() -> anyhow::Result<()> {
    let kind = Kind::find()?;
    if !kind.has_cluster()? {
        say(&format!("there is no cluster {CLUSTER:?}"));
        return Ok(());
    }
    kind.delete(&kubeconfig()?)?;
    say("deleted, with all that was recorded in it");
    Ok(())
}
