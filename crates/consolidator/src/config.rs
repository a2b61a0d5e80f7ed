//! The flags of `fgm-consolidator`, each also an environment variable, and the settings they
//! make.

use crate::archive::ArchiveUrl;
use clap::Args;
use clap::builder::FalseyValueParser;
use fgm_service::flags::{Retention, bounded, data_dir};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// Every flag of the binary.
#[derive(Debug, Clone, Args)]
pub struct Config {
    /// Where the data lie [default: /var/lib/fgm as root, else $XDG_STATE_HOME/fgm]
    #[arg(long, env = "FGM_DATA_DIR", value_name = "DIR")]
    pub data_dir: Option<PathBuf>,

    /// Do all that is due once and end, without listening
    #[arg(long, env = "FGM_ONCE", value_parser = FalseyValueParser::new())]
    pub once: bool,

    /// Say what would be done, and do nothing
    #[arg(long, env = "FGM_DRY_RUN", value_parser = FalseyValueParser::new())]
    pub dry_run: bool,

    /// Time between two rounds, 1s to 1day
    #[arg(long, env = "FGM_INTERVAL", value_name = "DURATION", default_value = "5m", value_parser = interval)]
    pub interval: Duration,

    /// How long after its end an hour is merged, so that what is sealed late goes with it; up
    /// to 1day
    #[arg(long, env = "FGM_MIN_AGE", value_name = "DURATION", default_value = "2m", value_parser = min_age)]
    pub min_age: Duration,

    /// What is kept.
    #[command(flatten)]
    pub retention: Retention,

    /// Copy finished hours to file:///FOLDER, s3://BUCKET/PREFIX, gs://BUCKET/PREFIX or
    /// az://CONTAINER/PREFIX; credentials come from the usual environment variables. Age and
    /// size then delete only what is there
    #[arg(long, env = "FGM_ARCHIVE", value_name = "URL")]
    pub archive: Option<ArchiveUrl>,

    /// Address of /healthz, /readyz and the consolidator's own /metrics
    #[arg(
        long,
        env = "FGM_LISTEN",
        value_name = "ADDRESS",
        default_value = "127.0.0.1:8052"
    )]
    pub listen: SocketAddr,
}

/// What a consolidator does, and how often.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The data directory.
    pub data_dir: PathBuf,
    /// Time between two rounds.
    pub interval: Duration,
    /// How long after its end an hour is merged.
    pub min_age: Duration,
    /// What is kept.
    pub retention: Retention,
    /// Where finished hours are copied to.
    pub archive: Option<ArchiveUrl>,
}

impl Settings {
    /// The defaults over a data directory.
    #[must_use]
    pub fn new(data_dir: PathBuf, retention: Retention) -> Self {
        Self {
            data_dir,
            interval: Duration::from_mins(5),
            min_age: Duration::from_mins(2),
            retention,
            archive: None,
        }
    }
}

impl Config {
    /// The settings that the flags make.
    ///
    /// # Errors
    /// When there is no place for the data.
    pub fn settings(&self) -> anyhow::Result<Settings> {
        Ok(Settings {
            data_dir: data_dir(self.data_dir.as_ref())?,
            interval: self.interval,
            min_age: self.min_age,
            retention: self.retention,
            archive: self.archive.clone(),
        })
    }
}

const DAY: Duration = Duration::from_hours(24);

fn interval(text: &str) -> Result<Duration, String> {
    bounded(text, Duration::from_secs(1), DAY)
}

fn min_age(text: &str) -> Result<Duration, String> {
    bounded(text, Duration::ZERO, DAY)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::{CommandFactory, Parser};

    #[derive(Parser)]
    #[command(name = "fgm-consolidator")]
    struct Cli {
        #[command(flatten)]
        config: Config,
    }

    fn parse(arguments: &[&str]) -> Result<Config, String> {
        Cli::try_parse_from([&["fgm-consolidator"], arguments].concat())
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
        let config = parse(&[]).unwrap();
        insta::assert_debug_snapshot!(config);
        let settings = config.settings().unwrap();
        let retention = config.retention;
        assert_eq!(
            settings,
            Settings::new(settings.data_dir.clone(), retention)
        );
    }

    #[test]
    fn bad_values_say_what_to_give() {
        let errors: Vec<_> = [
            ["--interval", "10ms"],
            ["--interval", "soon"],
            ["--min-age", "2days"],
            ["--min-free-disk", "101%"],
            ["--archive", "ftp://host/x"],
            ["--archive", "archive"],
        ]
        .into_iter()
        .map(|arguments| parse(&arguments).unwrap_err())
        .collect();
        insta::assert_snapshot!(errors.join("\n---\n"));
    }
}
