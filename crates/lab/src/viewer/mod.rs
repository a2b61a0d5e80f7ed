//! `fgm-lab viewer`: all nodes of a cluster behind one origin on this machine.
//!
//! Each node's viewer is reached by port-forwards through the API server, so what reaches the API
//! server reaches the data. The gateway bears the cluster's token; browsers log in by a link.

pub(crate) mod forward;

use crate::api_server;
use crate::cluster::{NAMESPACE, TOKEN_SECRET, VIEWER_LABELS};
use crate::state_dir;
use crate::terminal::{open_in_browser, say};
use anyhow::Context;
use clap::Args;
use fgm_collector::run::stop_signal;
use fgm_gateway::{Node, NodeList, pods};
use fgm_service::access::Access;
use fgm_service::listen::bind;
use fgm_service::token::Token;
use forward::Forwards;
use futures_util::StreamExt;
use k8s_openapi::api::core::v1::{Pod, Secret};
use kube::Api;
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{Config, Event, watcher};
use std::fs;
use std::io::Write;
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::sync::watch;

/// Flags of `fgm-lab viewer`.
#[derive(Debug, Args)]
pub(crate) struct Viewer {
    /// A context of your own kubeconfig, instead of the lab's cluster
    #[arg(long, value_name = "NAME")]
    context: Option<String>,

    /// Where FGM runs in it
    #[arg(long, value_name = "NAME", default_value = NAMESPACE)]
    namespace: String,

    /// Address of the page
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8050")]
    listen: SocketAddr,

    /// Open the page in the browser
    #[arg(long)]
    open: bool,
}

impl Viewer {
    pub(crate) fn run(self) -> anyhow::Result<()> {
        fgm_collector::run::start_log();
        tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .context("cannot start the runtime")?
            .block_on(self.show())
    }

    async fn show(self) -> anyhow::Result<()> {
        let context = self.context.as_deref();
        let kubeconfig = api_server::own_kubeconfig(context)?;
        let client = api_server::client(kubeconfig.as_deref(), context).await?;
        let (listener, address) = bind(self.listen).await?;

        let copy = TokenCopy::make()?;
        let secrets = Api::<Secret>::namespaced(client.clone(), &self.namespace);
        let secret = secrets.get(TOKEN_SECRET).await.with_context(|| {
            format!(
                "cannot read the secret {TOKEN_SECRET} of namespace {}: is FGM deployed there? \
                 (nix run .#deploy)",
                self.namespace
            )
        })?;
        copy.write(&secret)?;
        let token = Arc::new(Token::read(&copy.path)?);
        let access = Access::by_login(Vec::new(), Arc::clone(&token), address.port())
            .context("the kernel gives no random numbers")?;

        let (tell, told) = watch::channel(Arc::from([]));
        let site = fgm_gateway::router(NodeList::told(told), Some(token))?;
        let link = access.login_link().unwrap_or_default();
        let link = format!("http://{address}/{link}");
        say(&format!(
            "open {link}   (once; the next link is in the log)"
        ));
        if self.open {
            open_in_browser(&link);
        }

        let serving = fgm_service::http::serve(listener, access.guard(site), stop_signal());
        let pods = Api::<Pod>::namespaced(client, &self.namespace);
        tokio::select! {
            () = serving => {}
            () = follow(pods, &tell) => {}
            () = copy.follow(secrets) => {}
        }
        Ok(())
    }
}

/// Keeps the list of nodes.
async fn follow(pods: Api<Pod>, tell: &watch::Sender<Arc<[Node]>>) {
    let mut forwards = Forwards::new(pods.clone());
    pods::follow(pods, VIEWER_LABELS, |viewers| {
        tell.send_replace(forwards.nodes(&viewers));
    })
    .await;
}

/// What a cluster's viewers ask for.
///
/// # Errors
/// The secret is another one.
pub(crate) fn token_of(secret: &Secret) -> anyhow::Result<&str> {
    let data = secret.data.as_ref().and_then(|data| data.get("token"));
    let text = data.and_then(|data| std::str::from_utf8(&data.0).ok());
    text.map(str::trim)
        .with_context(|| format!("the secret {TOKEN_SECRET} holds no token"))
}

/// The cluster's token in a file that nobody else can read, for as long as this runs.
struct TokenCopy {
    path: PathBuf,
}

impl TokenCopy {
    fn make() -> anyhow::Result<Self> {
        let folder = state_dir::path()?;
        fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        let path = folder.join(format!("viewer-token.{}", std::process::id()));
        Ok(Self { path })
    }

    fn write(&self, secret: &Secret) -> anyhow::Result<()> {
        let token = token_of(secret)?;
        let new = self.path.with_extension("new");
        let write = |path: &Path| {
            let mut options = fs::OpenOptions::new();
            options.write(true).create(true).truncate(true).mode(0o600);
            options.open(path)?.write_all(token.as_bytes())?;
            fs::rename(path, &self.path)
        };
        write(&new).with_context(|| format!("cannot write {}", self.path.display()))
    }

    /// Takes over a new token when the cluster gets one.
    async fn follow(&self, secrets: Api<Secret>) {
        let selected = Config::default().fields(&format!("metadata.name={TOKEN_SECRET}"));
        let mut events = watcher(secrets, selected).default_backoff().boxed();
        while let Some(event) = events.next().await {
            let secret = match event {
                Ok(Event::InitApply(secret) | Event::Apply(secret)) => secret,
                _ => continue,
            };
            if let Err(error) = self.write(&secret) {
                let why = fgm_service::explain(&error);
                tracing::warn!("the token stays as it was: {why}");
            }
        }
    }
}

impl Drop for TokenCopy {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}
