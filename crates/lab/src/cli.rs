//! The commands of `fgm-lab` and their flags.

use crate::cluster::Cluster;
use crate::{inspect, scenario, sql, up, viewer};
use clap::{Parser, Subcommand};
use std::path::PathBuf;
use std::process::ExitCode;

/// Record the containers and services of this machine, look at them, see them fail in known ways,
/// and look into the files.
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
    /// Show all nodes of a cluster in the browser, through port-forwards
    Viewer(viewer::Viewer),
    /// Run experiments that fail in one known way, with a verdict on what was recorded of them
    #[command(subcommand)]
    Scenario(scenario::Command),
    /// Disturb a run of the todo app on this machine, and note it on the timeline
    Disrupt(scenario::disrupt::Disrupt),
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
    /// Become a program in a cgroup
    #[command(hide = true)]
    EnterCgroup {
        cgroup: PathBuf,
        #[arg(last = true)]
        program: Vec<String>,
    },
    /// Become a PostgreSQL server
    #[command(hide = true)]
    StartPostgres(scenario::local::postgres::StartPostgres),
}

impl Cli {
    /// Carries out the command; the status tells of a verdict.
    ///
    /// # Errors
    /// What went wrong and what to do about it, for a person.
    pub fn run(self) -> anyhow::Result<ExitCode> {
        match self.command {
            Command::Up(up) => up.run()?,
            Command::Cluster(cluster) => cluster.run()?,
            Command::Viewer(viewer) => viewer.run()?,
            Command::Scenario(command) => return command.run(),
            Command::Disrupt(disrupt) => disrupt.run()?,
            Command::Inspect { path } => inspect::run(&path)?,
            Command::Sql { dir } => sql::run(dir)?,
            Command::EnterCgroup { cgroup, program } => {
                return Err(scenario::local::container::enter(&cgroup, &program));
            }
            Command::StartPostgres(start) => return Err(start.become_it()),
        }
        Ok(ExitCode::SUCCESS)
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
        for name in ["up", "viewer", "scenario", "disrupt", "inspect", "sql"] {
            let sub = command.find_subcommand_mut(name).expect("a command");
            insta::assert_snapshot!(format!("help_{name}"), sub.render_long_help());
        }
        let cluster = command.find_subcommand_mut("cluster").expect("a command");
        insta::assert_snapshot!("help_cluster", cluster.render_long_help());
        let up = cluster.find_subcommand_mut("up").expect("a command");
        insta::assert_snapshot!("help_cluster_up", up.render_long_help());
        let scenario = command.find_subcommand_mut("scenario").expect("a command");
        for name in ["run", "status", "logs", "stop", "verify", "watch"] {
            let sub = scenario.find_subcommand_mut(name).expect("a command");
            insta::assert_snapshot!(format!("help_scenario_{name}"), sub.render_long_help());
        }
    }
}
