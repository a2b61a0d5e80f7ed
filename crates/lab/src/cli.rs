//! The commands of `fgm-lab` and their flags.

use crate::cluster::Cluster;
use crate::{inspect, sql, up};
use clap::{Parser, Subcommand};
use std::path::PathBuf;

/// Record the containers and services of this machine, look at them, and look into the files.
#[derive(Debug, Parser)]
#[command(name = "fgm-lab", version, max_term_width = 100)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Record this machine and show it live in the browser
    Up(Box<up::Up>),
    /// Run Fine-Grained Monitor on every node of a cluster of its own, made by kind
    #[command(subcommand)]
    Cluster(Cluster),
    /// Say what a file or a data directory holds
    Inspect {
        /// A Parquet file, a spool stream (.arrows) or a data directory
        path: PathBuf,
    },
    /// Print SQL views over a data directory: pipe them into duckdb
    Sql {
        /// The data directory [default: the one that `fgm` records into]
        #[arg(env = "FGM_DATA_DIR")]
        dir: Option<PathBuf>,
    },
}

impl Cli {
    /// Carries out the command.
    ///
    /// # Errors
    /// What went wrong and what to do about it, for a person.
    pub fn run(self) -> anyhow::Result<()> {
        match self.command {
            Command::Up(up) => up.run(),
            Command::Cluster(cluster) => cluster.run(),
            Command::Inspect { path } => inspect::run(&path),
            Command::Sql { dir } => sql::run(dir),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn help() {
        let mut command = Cli::command();
        insta::assert_snapshot!("help", command.render_long_help());
        for name in ["up", "inspect", "sql"] {
            let sub = command.find_subcommand_mut(name).expect("a command");
            insta::assert_snapshot!(format!("help_{name}"), sub.render_long_help());
        }
        let cluster = command.find_subcommand_mut("cluster").expect("a command");
        insta::assert_snapshot!("help_cluster", cluster.render_long_help());
        let up = cluster.find_subcommand_mut("up").expect("a command");
        insta::assert_snapshot!("help_cluster_up", up.render_long_help());
    }
}
