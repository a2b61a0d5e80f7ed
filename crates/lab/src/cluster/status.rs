//! `fgm-lab cluster status`.

use super::{DAEMON_SET, connect, say};

pub(super) fn run() -> anyhow::Result<()> {
    let kubectl = connect()?;
    kubectl.show(&["get", "nodes"])?;
    kubectl.show(&["get", DAEMON_SET, "-o", "wide"])?;
    kubectl.show(&["get", "pods", "-o", "wide"])?;
    say(&format!("more by `{} describe pods`", kubectl.typed()));
    Ok(())
}
