//! Where a page is served, and to whom: the flags of every program that has one.

use crate::access::Access;
use crate::token::Token;
use anyhow::{Context, bail};
use clap::Args;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::net::TcpListener;

/// Flags of a program that serves a page.
#[derive(Debug, Clone, Args)]
pub struct Listen {
    /// Address of the page
    #[arg(
        long,
        env = "FGM_LISTEN",
        value_name = "ADDRESS",
        hide_env_values = true,
        default_value = "127.0.0.1:8050"
    )]
    pub listen: SocketAddr,

    /// A file with a token, sent as `Authorization: Bearer`. On an address that other machines
    /// reach everybody needs it, and a browser logs in by the link in the log; on 127.0.0.1
    /// nobody does. Read again when it changes
    #[arg(
        long,
        env = "FGM_TOKEN_FILE",
        value_name = "FILE",
        hide_env_values = true
    )]
    pub token_file: Option<PathBuf>,

    /// No logging in: the token itself, on any address
    #[arg(
        long,
        env = "FGM_BEARER_ONLY",
        requires = "token_file",
        hide_env_values = true
    )]
    pub bearer_only: bool,

    /// Listen where other machines reach it without a token: all of them see the data
    #[arg(
        long,
        env = "FGM_INSECURE_LISTEN",
        conflicts_with = "token_file",
        hide_env_values = true
    )]
    pub insecure_listen: bool,

    /// A host name under which the page may be opened, beside localhost and any address
    #[arg(
        long,
        env = "FGM_ALLOW_HOST",
        value_delimiter = ',',
        value_name = "NAME",
        hide_env_values = true
    )]
    pub allow_host: Vec<String>,
}

/// A place to serve a page.
#[derive(Debug)]
pub struct Place {
    /// Connections come here.
    pub listener: TcpListener,
    /// Who may ask.
    pub access: Access,
    /// The page, as others may be told.
    pub url: String,
    /// What a person opens: with the code that logs in, where that is asked for.
    pub link: String,
}

/// Listens there, and tells where that is.
///
/// # Errors
/// When the address is taken.
pub async fn bind(address: SocketAddr) -> anyhow::Result<(TcpListener, SocketAddr)> {
    let listener = TcpListener::bind(address)
        .await
        .with_context(|| format!("cannot listen on {address}: choose another --listen"))?;
    let address = listener
        .local_addr()
        .context("cannot tell the own address")?;
    Ok((listener, address))
}

impl Listen {
    /// Listens.
    ///
    /// # Errors
    /// When the address is taken or reachable by everybody, or the token file holds no token.
    pub async fn open(&self) -> anyhow::Result<Place> {
        let token = self.token_file.as_ref().map(Token::read).transpose()?;
        let is_here = self.listen.ip().is_loopback();
        if !is_here && token.is_none() && !self.insecure_listen {
            bail!(
                "other machines reach {}: give --token-file FILE, or --insecure-listen if all of \
                 them may see the data",
                self.listen
            );
        }
        let (listener, address) = bind(self.listen).await?;
        let mut hosts = self.allow_host.clone();
        let mut shown = address.to_string();
        if address.ip().is_unspecified() {
            let name = rustix::system::uname();
            let name = name.nodename().to_string_lossy();
            shown = format!("{name}:{}", address.port());
            hosts.push(name.into_owned());
        }
        let access = match token.map(Arc::new) {
            Some(token) if self.bearer_only => Access::by_token(hosts, token),
            Some(token) if !is_here => Access::by_login(hosts, token, address.port())
                .context("the kernel gives no random numbers")?,
            token => Access::open(hosts, token),
        };
        let url = format!("http://{shown}/");
        let link = access.login_link().unwrap_or_default();
        Ok(Place {
            listener,
            access,
            link: format!("{url}{link}"),
            url,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Debug, Parser)]
    struct Program {
        #[command(flatten)]
        listen: Listen,
    }

    async fn open(flags: &[&str]) -> anyhow::Result<Place> {
        let all = ["program"].iter().chain(flags);
        Program::try_parse_from(all)?.listen.open().await
    }

    async fn refusal(flags: &[&str]) -> String {
        crate::explain(&open(flags).await.unwrap_err())
    }

    #[tokio::test]
    async fn beyond_this_machine_only_with_a_token_or_on_purpose() {
        let temp = tempfile::tempdir().unwrap();
        let file = temp.path().join("token");
        std::fs::write(&file, "0123456789abcdef").unwrap();
        let file = file.to_str().unwrap();
        let all = ["--listen", "0.0.0.0:0"];

        let refused = refusal(&all).await;
        assert!(
            refused.contains("--token-file FILE, or --insecure-listen"),
            "{refused}"
        );
        let open_to_all = open(&[all[0], all[1], "--insecure-listen"]).await.unwrap();
        assert!(open_to_all.link.ends_with('/'));
        let by_login = open(&[all[0], all[1], "--token-file", file]).await.unwrap();
        assert!(by_login.link.contains("/login#"), "{}", by_login.link);
        assert!(!by_login.url.contains("login"), "{}", by_login.url);
        let flags = [all[0], all[1], "--bearer-only", "--token-file", file];
        assert!(open(&flags).await.unwrap().link.ends_with('/'));
        let here = open(&["--listen", "127.0.0.1:0", "--token-file", file])
            .await
            .unwrap();
        assert!(here.link.starts_with("http://127.0.0.1:") && here.link.ends_with('/'));

        let none = refusal(&["--listen", "[::1]:0", "--token-file", "/nowhere"]).await;
        assert!(
            none.contains("cannot read the token file /nowhere"),
            "{none}"
        );
        let taken = here.listener.local_addr().unwrap().to_string();
        assert!(
            refusal(&["--listen", &taken])
                .await
                .contains("choose another --listen")
        );
    }
}
