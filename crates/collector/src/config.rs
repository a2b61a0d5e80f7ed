//! The flags of `fgm`, each also an environment variable, and the settings they make.

use bytesize::ByteSize;
use clap::{Args, ValueEnum};
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

    /// This node's name in every row [default: the host name]
    #[arg(long, env = "FGM_NODE_NAME", value_name = "NAME")]
    pub node_name: Option<String>,

    /// The recording pod or host: the partition pod=NAME [default: the host name]
    #[arg(long, env = "FGM_POD_NAME", value_name = "NAME")]
    pub pod_name: Option<String>,

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

    /// Delete what is older
    #[arg(long, env = "FGM_RETAIN_AGE", value_name = "DURATION", default_value = "30d", value_parser = humantime::parse_duration)]
    pub retain_age: Duration,

    /// Delete the oldest when the data directory grows beyond
    #[arg(
        long,
        env = "FGM_RETAIN_SIZE",
        value_name = "BYTES",
        default_value = "20GiB"
    )]
    pub retain_size: ByteSize,

    /// Delete the oldest when the file system has less free: bytes or a percentage
    /// [default: the smaller of 10% and 5GiB]
    #[arg(long, env = "FGM_MIN_FREE_DISK", value_name = "BYTES|PERCENT")]
    pub min_free_disk: Option<FreeDisk>,

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

/// How much of the file system is to stay free.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FreeDisk {
    /// A number of bytes.
    Bytes(u64),
    /// A share of the file system, 0 to 100.
    Percent(u8),
}

impl FreeDisk {
    /// The bytes to keep free on a file system of that size.
    #[must_use]
    pub fn bytes_of(self, file_system_bytes: u64) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes,
            Self::Percent(percent) => file_system_bytes / 100 * u64::from(percent),
        }
    }
}

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

impl FromStr for FreeDisk {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let help = "give bytes such as 5GiB, or a percentage such as 10%";
        match text.strip_suffix('%') {
            Some(number) => match number.trim().parse() {
                Ok(percent) if percent <= 100 => Ok(Self::Percent(percent)),
                _ => Err(help.to_owned()),
            },
            None => text
                .parse::<ByteSize>()
                .map(|size| Self::Bytes(size.as_u64()))
                .map_err(|error| format!("{error}; {help}")),
        }
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

fn bounded(text: &str, least: Duration, most: Duration) -> Result<Duration, String> {
    let duration = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    if (least..=most).contains(&duration) {
        Ok(duration)
    } else {
        Err(format!(
            "give {} to {}",
            humantime::format_duration(least),
            humantime::format_duration(most)
        ))
    }
}

impl Config {
    /// The data directory: as given, else /var/lib/fgm for root and the XDG state directory
    /// for everybody else.
    ///
    /// # Errors
    /// When nothing is given and neither `XDG_STATE_HOME` nor `HOME` is set.
    pub fn data_dir(&self) -> anyhow::Result<PathBuf> {
        if let Some(dir) = &self.data_dir {
            return Ok(dir.clone());
        }
        if rustix::process::geteuid().is_root() {
            return Ok(PathBuf::from("/var/lib/fgm"));
        }
        let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty());
        variable("XDG_STATE_HOME")
            .map(PathBuf::from)
            .or_else(|| variable("HOME").map(|home| PathBuf::from(home).join(".local/state")))
            .map(|state| state.join("fgm"))
            .ok_or_else(|| {
                anyhow::anyhow!(
                    "no place for the data: give --data-dir, or set HOME or XDG_STATE_HOME"
                )
            })
    }
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

    #[test]
    fn free_disk() {
        assert_eq!("25%".parse(), Ok(FreeDisk::Percent(25)));
        assert_eq!("1KiB".parse(), Ok(FreeDisk::Bytes(1024)));
        assert_eq!(FreeDisk::Percent(25).bytes_of(4000), 1000);
    }
}
