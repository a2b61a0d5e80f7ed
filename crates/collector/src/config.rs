//! The flags of `fgm`, each also an environment variable, and the settings they make.

use clap::{Args, ValueEnum};
use fgm_service::flags::{Retention, bounded};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

/// How to record. `fgm` takes all of it from its command line; `fgm-lab up` sets its own defaults.
#[derive(Debug, Clone, Args)]
pub struct Config {
    /// Where the data lie [default: /var/lib/fgm as root, else $XDG_STATE_HOME/fgm]
    #[arg(long, env = "FGM_DATA_DIR", value_name = "DIR")]
    pub data_dir: Option<PathBuf>,

    /// Time between two readings, 100ms to 60s
    #[arg(long, env = "FGM_INTERVAL", value_name = "DURATION", default_value = "1s", value_parser = interval)]
    pub interval: Duration,

    /// The cgroup v2 tree to watch [default: what the mount table names]
    #[arg(long, env = "FGM_CGROUP_ROOT", value_name = "DIR")]
    pub cgroup_root: Option<PathBuf>,

    /// The process tree to read
    #[arg(
        long,
        env = "FGM_PROC_ROOT",
        value_name = "DIR",
        default_value = "/proc"
    )]
    pub proc_root: PathBuf,

    /// This node's name in every row, and at the API server (spec.nodeName of its pods)
    /// [default: the host name]
    #[arg(long, env = "FGM_NODE_NAME", value_name = "NAME")]
    pub node_name: Option<String>,

    /// The recording pod or host: the partition pod=NAME [default: the host name]
    #[arg(long, env = "FGM_POD_NAME", value_name = "NAME")]
    pub pod_name: Option<String>,

    /// Learn the names of this node's pods from Pod objects as JSON in DIR, one per <uid>.json,
    /// and not from the API server
    #[arg(long, env = "FGM_PODS_DIR", value_name = "DIR")]
    pub pods_dir: Option<PathBuf>,

    /// Learn them from the API server that FILE names, for the node of --node-name [default: in a
    /// pod, its service account; elsewhere none, KUBECONFIG is not used]
    #[arg(long, env = "FGM_KUBECONFIG", value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,

    /// How often the spool becomes a Parquet segment, 1s to 1h
    #[arg(long, env = "FGM_SEAL", value_name = "DURATION", default_value = "60s", value_parser = seal)]
    pub seal: Duration,

    /// CPU time per second for reading the proportional set size of processes, or `off`
    #[arg(
        long,
        env = "FGM_PSS_BUDGET",
        value_name = "DURATION|off",
        default_value = "5ms"
    )]
    pub pss_budget: PssBudget,

    /// How many kernel files may be kept open (each holds about 4.5 kB of kernel memory)
    #[arg(
        long,
        env = "FGM_MAX_OPEN_FILES",
        value_name = "N",
        default_value_t = 4096
    )]
    pub max_open_files: usize,

    /// What is kept.
    #[command(flatten)]
    pub retention: Retention,

    /// What gets rows [default: containers; of `fgm-lab up`: all]
    #[arg(long, env = "FGM_SCOPE", value_name = "SCOPE")]
    pub scope: Option<Scope>,
}

/// The flags of the `fgm` binary alone.
#[derive(Debug, Clone, Args)]
pub struct Listen {
    /// Address of /healthz, /readyz and the recorder's own /metrics
    #[arg(
        long,
        env = "FGM_LISTEN",
        value_name = "ADDRESS",
        default_value = "127.0.0.1:8051"
    )]
    pub listen: SocketAddr,
}

/// What gets rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Scope {
    /// Containers of Kubernetes, Docker, Podman and containerd.
    Containers,
    /// Also systemd services and scopes, and every leaf cgroup outside a container.
    All,
}

/// CPU time per second of wall time that PSS may cost; `None` reads none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PssBudget(pub Option<Duration>);

impl FromStr for PssBudget {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "off" {
            return Ok(Self(None));
        }
        let budget = humantime::parse_duration(text)
            .map_err(|error| format!("{error}; give CPU time per second such as 5ms, or off"))?;
        if budget.is_zero() || budget > Duration::from_secs(1) {
            return Err("give CPU time per second above 0 and up to 1s, or off".to_owned());
        }
        Ok(Self(Some(budget)))
    }
}

fn interval(text: &str) -> Result<Duration, String> {
    let interval = bounded(text, Duration::from_millis(100), Duration::from_secs(60))?;
    if interval.subsec_nanos() % 1_000_000 == 0 {
        Ok(interval)
    } else {
        Err("give whole milliseconds: rows carry times in milliseconds".to_owned())
    }
}

fn seal(text: &str) -> Result<Duration, String> {
    bounded(text, Duration::from_secs(1), Duration::from_secs(3600))
}

impl Config {
    /// The data directory: as given, else /var/lib/fgm for root and the XDG state directory
    /// for everybody else.
    ///
    /// # Errors
    /// When nothing is given and neither `XDG_STATE_HOME` nor `HOME` is set.
    pub fn data_dir(&self) -> anyhow::Result<PathBuf> {
        match &self.data_dir {
            Some(dir) => Ok(dir.clone()),
            None => default_data_dir(),
        }
    }
}

/// Where the data lie when nobody says so.
///
/// # Errors
/// When nothing tells a place.
pub fn default_data_dir() -> anyhow::Result<PathBuf> {
    fgm_service::flags::data_dir(None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::{CommandFactory, Parser};

    #[derive(Parser)]
    #[command(name = "fgm")]
    struct Cli {
        #[command(flatten)]
        config: Config,
        #[command(flatten)]
        listen: Listen,
    }

    fn parse(arguments: &[&str]) -> Result<Config, String> {
        Cli::try_parse_from([&["fgm"], arguments].concat())
            .map(|cli| cli.config)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn every_flag_is_also_a_variable() {
        for argument in Cli::command().get_arguments() {
            let id = argument.get_id().as_str();
            if !matches!(id, "help" | "version") {
                let variable = format!("FGM_{}", id.to_uppercase());
                assert_eq!(argument.get_env(), Some(variable.as_ref()), "{id}");
            }
        }
    }

    #[test]
    fn defaults() {
        let config = parse(&[]).expect("defaults parse");
        insta::assert_debug_snapshot!(config);
    }

    #[test]
    fn bad_values_say_what_to_give() {
        let errors: Vec<_> = [
            ["--interval", "10ms"],
            ["--interval", "61s"],
            ["--interval", "1500us"],
            ["--interval", "soon"],
            ["--seal", "2h"],
            ["--pss-budget", "2s"],
            ["--pss-budget", "fast"],
            ["--min-free-disk", "101%"],
            ["--min-free-disk", "lots"],
            ["--scope", "pods"],
        ]
        .into_iter()
        .map(|arguments| parse(&arguments).expect_err("refused"))
        .collect();
        insta::assert_snapshot!(errors.join("\n---\n"));
    }
}
