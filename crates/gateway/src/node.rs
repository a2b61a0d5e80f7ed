//! The nodes, and how each is reached.

use anyhow::{Context, bail};
use axum::Router;
use fgm_service::problem::Problem;
use fgm_service::token::Token;
use reqwest::{Client, Url, redirect};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// A node that is switched off does not even refuse.
const CONNECT_TIME: Duration = Duration::from_secs(3);
/// A stream of ticks says something at least every 15 s.
const SILENT_TIME: Duration = Duration::from_secs(60);
const LONGEST_NAME: usize = 253;

/// Another machine's viewer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    name: String,
    url: Url,
}

impl FromStr for Peer {
    type Err = String;

    /// Reads `name=url`.
    fn from_str(text: &str) -> Result<Self, String> {
        let help = "give NAME=URL, such as worker-1=http://10.0.0.7:8050";
        let (name, url) = text.split_once('=').ok_or(help)?;
        check_name(name)?;
        let url = Url::parse(url).map_err(|error| format!("{error}: {help}"))?;
        let is_plain = url.query().is_none() && url.fragment().is_none();
        let is_open = url.username().is_empty() && url.password().is_none();
        if !matches!(url.scheme(), "http" | "https") || !is_plain || !is_open {
            return Err(format!(
                "the URL has a scheme http or https, a host and at most a path: {help}"
            ));
        }
        Ok(Self {
            name: name.to_owned(),
            url,
        })
    }
}

/// What is also a host name, and so needs no escaping anywhere.
fn check_name(name: &str) -> Result<(), String> {
    let plain = |c: u8| c.is_ascii_alphanumeric() || c == b'-' || c == b'.' || c == b'_';
    let is_word = name.bytes().all(plain) && name.bytes().any(|c| c != b'.');
    if is_word && name.len() <= LONGEST_NAME {
        return Ok(());
    }
    Err(format!(
        "{name:?} is no node name: letters, digits, dots, dashes and underscores are"
    ))
}

/// A node by its name.
#[derive(Debug, Clone)]
pub struct Node {
    pub(crate) name: String,
    pub(crate) reach: Reach,
}

#[derive(Debug, Clone)]
pub(crate) enum Reach {
    /// In this process.
    Own(Router),
    /// Over the network.
    Peer(Url),
    /// Not at all, and why.
    Away(String),
}

impl Node {
    /// The node of this process, by its site.
    ///
    /// # Errors
    /// When the name is none.
    pub fn own(name: &str, site: Router) -> Result<Self, String> {
        check_name(name)?;
        Ok(Self {
            name: name.to_owned(),
            reach: Reach::Own(site),
        })
    }

    /// A node of which is known that nothing answers there, and why.
    ///
    /// # Errors
    /// When the name is none.
    pub fn away(name: &str, reason: String) -> Result<Self, String> {
        check_name(name)?;
        Ok(Self {
            name: name.to_owned(),
            reach: Reach::Away(reason),
        })
    }
}

impl From<Peer> for Node {
    fn from(peer: Peer) -> Self {
        Self {
            name: peer.name,
            reach: Reach::Peer(peer.url),
        }
    }
}

/// Which nodes there are, by their names; clones tell the same.
#[derive(Debug, Clone)]
pub struct NodeList(watch::Receiver<Arc<[Node]>>);

impl NodeList {
    /// These, for ever.
    ///
    /// # Errors
    /// When two have one name.
    pub fn fixed(mut nodes: Vec<Node>) -> anyhow::Result<Self> {
        nodes.sort_by(|a, b| a.name.cmp(&b.name));
        let mut pairs = nodes.iter().zip(nodes.iter().skip(1));
        if let Some((node, _)) = pairs.find(|(a, b)| a.name == b.name) {
            bail!(
                "two nodes are called {}: each needs a name of its own",
                node.name
            );
        }
        Ok(Self(watch::channel(nodes.into()).1))
    }

    /// Those that were told last.
    #[must_use]
    pub const fn told(nodes: watch::Receiver<Arc<[Node]>>) -> Self {
        Self(nodes)
    }

    pub(crate) fn now(&self) -> Arc<[Node]> {
        Arc::clone(&self.0.borrow())
    }
}

/// A client for other machines' viewers.
///
/// # Errors
/// When none can be made.
pub fn client() -> anyhow::Result<Client> {
    // Whoever was first has installed the same one.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::builder()
        .connect_timeout(CONNECT_TIME)
        .read_timeout(SILENT_TIME)
        .redirect(redirect::Policy::none())
        .no_proxy()
        .build()
        .context("cannot make a client for viewers")
}

/// All nodes, and how they are asked.
#[derive(Debug)]
pub(crate) struct Nodes {
    list: NodeList,
    pub(crate) client: Client,
    pub(crate) token: Option<Arc<Token>>,
}

impl Nodes {
    pub(crate) fn new(list: NodeList, token: Option<Arc<Token>>) -> anyhow::Result<Self> {
        Ok(Self {
            list,
            client: client()?,
            token,
        })
    }

    pub(crate) fn now(&self) -> Arc<[Node]> {
        self.list.now()
    }

    pub(crate) fn own(&self) -> Option<Node> {
        let is_own = |node: &&Node| matches!(node.reach, Reach::Own(_));
        self.now().iter().find(is_own).cloned()
    }

    pub(crate) fn get(&self, name: &str) -> Result<Node, Problem> {
        let named = |node: &&Node| node.name == name;
        let found = self.now().iter().find(named).cloned();
        found.ok_or_else(|| Problem::not_found_here("no node has this name: /nodes lists them"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_has_a_name_and_an_address() {
        let peer: Peer = "a-1.example=http://10.0.0.7:8050".parse().unwrap();
        assert_eq!(
            (peer.name.as_str(), peer.url.port()),
            ("a-1.example", Some(8050))
        );
        assert!("a=https://host/ui/".parse::<Peer>().is_ok());
        for bad in [
            "",
            "a",
            "a=",
            "a=10.0.0.7",
            "=http://h",
            "..=http://h",
            "a/b=http://h",
            "a=ftp://h",
            "a=http://u:p@h",
            "a=http://h?x=1",
        ] {
            assert!(bad.parse::<Peer>().is_err(), "{bad}");
        }
    }

    #[test]
    fn names_are_given_once() {
        let node = || Node::own("a", Router::new()).unwrap();
        assert!(NodeList::fixed(vec![node()]).is_ok());
        let error = NodeList::fixed(vec![node(), node()]).unwrap_err();
        assert!(error.to_string().contains("two nodes are called a"));
        assert!(Node::own("a b", Router::new()).is_err());
    }
}
