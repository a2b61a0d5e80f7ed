//! What the image of PostgreSQL is on this machine: the system's own server, as its image starts
//! it. The image's variables `POSTGRES_USER`, `POSTGRES_PASSWORD`, `POSTGRES_DB` and `PGDATA` have
//! the same meaning here.

use super::program::Program;
use super::user::User;
use anyhow::{Context, anyhow, bail, ensure};
use clap::Args;
use std::collections::BTreeMap;
use std::io::Write;
use std::net::Ipv4Addr;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::{env, fs};
use tokio::signal::unix::{SignalKind, signal};

/// The last part of the image's name.
pub(super) const NAME: &str = "postgres";
/// Where Debian keeps what is not on the path: a folder per version.
const DEBIAN: &str = "/usr/lib/postgresql";

/// The program for a container of that image: this one, which becomes the server.
///
/// # Errors
/// It is not installed, and how to.
pub(super) fn program(
    image: &str,
    address: Ipv4Addr,
    arguments: Vec<String>,
    environment: BTreeMap<String, String>,
) -> anyhow::Result<Program> {
    let path = env::var_os("PATH").unwrap_or_default();
    let server = find(env::split_paths(&path), Path::new(DEBIAN)).with_context(|| {
        format!(
            "{NAME}, which the image {image} stands for, is neither on the PATH nor in \
             {DEBIAN}/*/bin: apt install postgresql"
        )
    })?;
    for variable in ["PGDATA", "POSTGRES_USER", "POSTGRES_PASSWORD"] {
        ensure!(
            environment.contains_key(variable),
            "a container of {image} needs {variable}"
        );
    }
    let user = User::if_root()?;
    let server = server.to_str().context("a path that is no UTF-8")?;
    let mut own = vec!["start-postgres".to_owned(), server.to_owned()];
    own.push(address.to_string());
    if let Some(user) = user {
        own.push(format!("--uid={}", user.uid));
        own.push(format!("--gid={}", user.gid));
    }
    own.push("--".to_owned());
    // The image takes the name of the server as the first argument, or none.
    let rest = arguments.into_iter();
    own.extend(rest.skip_while(|argument| argument == NAME));
    Ok(Program {
        path: env::current_exe().context("cannot find this program")?,
        arguments: own,
        environment,
        user,
    })
}

/// The server with its `initdb` beside it: of those on the path the first, else the latest.
fn find(on_path: impl Iterator<Item = PathBuf>, debian: &Path) -> Option<PathBuf> {
    let versions = fs::read_dir(debian).into_iter().flatten().flatten();
    let mut versions: Vec<_> = versions
        .filter_map(|entry| {
            let version: u32 = entry.file_name().to_str()?.parse().ok()?;
            Some((version, entry.path().join("bin")))
        })
        .collect();
    versions.sort();
    let versions = versions.into_iter().rev().map(|(_, folder)| folder);
    on_path.chain(versions).find_map(|folder| {
        // Links are followed: the server finds its own files by where it lies.
        let server = folder.join(NAME).canonicalize().ok()?;
        server.with_file_name("initdb").is_file().then_some(server)
    })
}

/// Become a PostgreSQL server, as the start of its image does.
#[derive(Debug, Args)]
pub(crate) struct StartPostgres {
    server: PathBuf,
    listen: Ipv4Addr,
    #[arg(long, requires = "gid")]
    uid: Option<u32>,
    #[arg(long, requires = "uid")]
    gid: Option<u32>,
    #[arg(last = true)]
    arguments: Vec<String>,
}

impl StartPostgres {
    /// Returns only if that fails.
    pub(crate) fn become_it(&self) -> anyhow::Error {
        match self.prepared_in_peace() {
            Ok(data) => {
                let error = self
                    .command(&self.server)
                    .arg("-D")
                    .arg(data)
                    .args(["-c", &format!("listen_addresses={}", self.listen)])
                    .args(["-c", "unix_socket_directories="])
                    .args(&self.arguments)
                    .exec();
                anyhow!(error).context(format!("cannot become {}", self.server.display()))
            }
            Err(error) => error,
        }
    }

    /// An end that is asked for meanwhile waits: `initdb` and what it starts would leave shared
    /// memory behind.
    fn prepared_in_peace(&self) -> anyhow::Result<PathBuf> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .context("cannot listen to signals")?;
        let mut terminate = runtime.block_on(async { signal(SignalKind::terminate()) })?;
        let data = self.prepared()?;
        let asked = runtime.block_on(async {
            tokio::select! {
                biased;
                _ = terminate.recv() => true,
                () = tokio::task::yield_now() => false,
            }
        });
        ensure!(!asked, "asked to end before the server was started");
        Ok(data)
    }

    /// The directory of the data, filled at the first start.
    fn prepared(&self) -> anyhow::Result<PathBuf> {
        let variable = |name: &str| env::var(name).with_context(|| format!("{name} is not set"));
        let data = std::path::absolute(variable("PGDATA")?)?;
        if data.join("PG_VERSION").is_file() {
            return Ok(data);
        }
        // Whole or not at all: what a killed start left is begun again.
        let draft = data.with_extension("draft");
        if draft.exists() {
            fs::remove_dir_all(&draft).context("cannot remove a half-made database")?;
        }
        let parent = data.parent().context("PGDATA is no directory")?;
        let password_file = parent.join(".password");
        let _ = fs::remove_file(&password_file);
        let user = variable("POSTGRES_USER")?;
        fs::write(&password_file, variable("POSTGRES_PASSWORD")?).context("cannot write")?;
        std::os::unix::fs::chown(&password_file, self.uid, self.gid)?;
        let mut initdb = self.command(&self.server.with_file_name("initdb"));
        initdb
            .arg("--pgdata")
            .arg(&draft)
            .args(["--username", &user, "--auth=scram-sha-256"])
            .arg("--pwfile")
            .arg(&password_file)
            .args(["--encoding=UTF8", "--locale=C"]);
        let made = run(initdb, "");
        fs::remove_file(&password_file).context("cannot remove the password")?;
        made?;
        let name = env::var("POSTGRES_DB").unwrap_or_else(|_| user.clone());
        if name != "postgres" {
            let mut server = self.command(&self.server);
            server.arg("--single").arg("-D").arg(&draft).arg("postgres");
            let quoted = name.replace('"', "\"\"");
            run(server, &format!("CREATE DATABASE \"{quoted}\";\n"))?;
        }
        fs::rename(&draft, &data).context("cannot name the database")?;
        Ok(data)
    }

    fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        if let (Some(uid), Some(gid)) = (self.uid, self.gid) {
            // Without any other group.
            command.uid(uid).gid(gid);
        }
        command
    }
}

fn run(mut command: Command, input: &str) -> anyhow::Result<()> {
    let program = PathBuf::from(command.get_program());
    let mut child = command
        .stdin(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start {}", program.display()))?;
    if let Some(mut pipe) = child.stdin.take() {
        pipe.write_all(input.as_bytes())?;
    }
    let status = child.wait()?;
    if !status.success() {
        bail!("{} ended with {status}", program.display());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_of_debians_is_found_and_the_path_comes_first() {
        let folder = tempfile::tempdir().expect("temporary directory");
        let root = folder.path().canonicalize().expect("its path");
        let install = |bin: &Path, programs: &[&str]| {
            fs::create_dir_all(bin).expect("a folder");
            for program in programs {
                fs::write(bin.join(program), "").expect("a file");
            }
        };
        assert_eq!(find(std::iter::empty(), &root), None);
        install(&root.join("9/bin"), &["postgres", "initdb"]);
        install(&root.join("15/bin"), &["postgres", "initdb"]);
        install(&root.join("17/bin"), &["postgres"]);
        let latest = find(std::iter::empty(), &root).expect("found");
        assert_eq!(latest, root.join("15/bin/postgres"));
        let path = [root.join("17/bin"), root.join("9/bin")];
        let first = find(path.into_iter(), &root).expect("found");
        assert_eq!(first, root.join("9/bin/postgres"));
    }
}
