//! A port of this machine for each node, behind which its viewer answers.
//!
//! Each connection is a port-forward of its own, to the pod that is there by then: a new version
//! of it breaks what is open, and the next connection reaches it.

use fgm_gateway::pods::ViewerPod;
use fgm_gateway::{Node, Peer};
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use std::collections::HashMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;
use tokio::io::copy_bidirectional;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// The viewer's in its pod, as in `kind/base/daemonset.yaml`.
const PORT: u16 = 8050;

/// The ports, by the names of their nodes.
pub(crate) struct Forwards {
    pods: Api<Pod>,
    open: HashMap<String, Forward>,
}

struct Forward {
    address: SocketAddr,
    /// The pod to which the next connection goes.
    pod: watch::Sender<String>,
    accepting: JoinHandle<()>,
}

impl Drop for Forward {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Forwards {
    pub(crate) fn new(pods: Api<Pod>) -> Self {
        Self {
            pods,
            open: HashMap::new(),
        }
    }

    /// The nodes by which these viewers are reached; those of before are not any more.
    pub(super) fn nodes(&mut self, viewers: &[ViewerPod]) -> Arc<[Node]> {
        let is_there = |node: &String| viewers.iter().any(|viewer| viewer.node == *node);
        self.open.retain(|node, _| is_there(node));
        let nodes = viewers.iter().filter_map(|viewer| {
            let node = self.node_of(viewer);
            // The API server's names are host names, and there are ports.
            node.inspect_err(|error| tracing::warn!("node {}: {error}", viewer.node))
                .ok()
        });
        nodes.collect()
    }

    fn node_of(&mut self, viewer: &ViewerPod) -> Result<Node, String> {
        if let Some(trouble) = &viewer.trouble {
            return Node::away(&viewer.node, trouble.clone());
        }
        let address = self.address_of(viewer).map_err(|error| error.to_string())?;
        let peer: Peer = format!("{}=http://{address}", viewer.node).parse()?;
        Ok(peer.into())
    }

    /// The port of this machine behind which that viewer answers.
    ///
    /// # Errors
    /// When no port is left.
    pub(crate) fn address_of(&mut self, viewer: &ViewerPod) -> io::Result<SocketAddr> {
        match self.open.get(&viewer.node) {
            Some(forward) => {
                forward.pod.send_replace(viewer.name.clone());
                Ok(forward.address)
            }
            None => self.open(viewer),
        }
    }

    fn open(&mut self, viewer: &ViewerPod) -> io::Result<SocketAddr> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let listener = tokio::net::TcpListener::from_std(listener)?;
        let (pod, now) = watch::channel(viewer.name.clone());
        let pods = self.pods.clone();
        let accepting = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(forward(pods.clone(), now.borrow().clone(), stream));
            }
        });
        let forward = Forward {
            address,
            pod,
            accepting,
        };
        self.open.insert(viewer.node.clone(), forward);
        Ok(address)
    }
}

async fn forward(pods: Api<Pod>, pod: String, mut here: TcpStream) {
    let through = async {
        let mut forwarder = pods.portforward(&pod, &[PORT]).await?;
        let there = forwarder.take_stream(PORT);
        let mut there = there.ok_or_else(|| anyhow::anyhow!("no stream"))?;
        // How a connection ends concerns its two ends.
        let _ = copy_bidirectional(&mut here, &mut there).await;
        drop(there);
        forwarder.join().await?;
        anyhow::Ok(())
    };
    if let Err(error) = through.await {
        let why = fgm_service::explain(&error);
        tracing::debug!("port-forward to {pod}: {why}");
    }
}
