//! A running program of any kind, to be killed.

use crate::{must, wait_for};
use std::fs::{self, File};
use std::process::{Child, Command, ExitStatus, Stdio};
use tempfile::TempDir;

/// A process whose standard output and log are kept; dropping it kills it.
#[derive(Debug)]
pub struct Killable {
    child: Child,
    folder: TempDir,
}

impl Killable {
    /// Starts it.
    #[must_use]
    pub fn start(mut command: Command) -> Self {
        let folder = must(tempfile::tempdir(), "temporary directory");
        let file = |name: &str| must(File::create(folder.path().join(name)), name);
        let child = command
            .stdin(Stdio::null())
            .stdout(file("out"))
            .stderr(file("log"))
            .spawn();
        Self {
            child: must(child, "start a program"),
            folder,
        }
    }

    /// Its number.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Ends it as a power cut of the process would.
    ///
    /// # Panics
    /// When it had ended by itself.
    pub fn kill(&mut self) {
        let ended = must(self.child.try_wait(), "ask for a program");
        assert!(ended.is_none(), "it ended by itself:\n{}", self.log());
        must(self.child.kill(), "kill a program");
        must(self.child.wait(), "wait for a program");
    }

    /// Waits for its end.
    pub fn wait(&mut self) -> ExitStatus {
        wait_for("a program to end", || {
            must(self.child.try_wait(), "ask for a program")
        })
    }

    /// What it said so far on standard error.
    #[must_use]
    pub fn log(&self) -> String {
        must(fs::read_to_string(self.folder.path().join("log")), "log")
    }

    /// The whole lines that it wrote so far to standard output.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let text = must(fs::read_to_string(self.folder.path().join("out")), "out");
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        whole.lines().map(str::to_owned).collect()
    }
}

impl Drop for Killable {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
