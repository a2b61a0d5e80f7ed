//! A guest with a Linux kernel of its own, in which a script runs (the test bed's `uml-run`).

use crate::needs::{require_or_skip, test_bed};
use crate::{must, programs};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// What every script begins with: functions for cgroups as a kubelet makes them.
const PRELUDE: &str = include_str!("guest.sh");

/// A folder that is shared with a guest.
#[derive(Debug)]
pub struct Guest {
    folder: TempDir,
    uml_run: PathBuf,
}

impl Guest {
    /// A folder with `fgm` in it; `None` where there is no test bed.
    #[must_use]
    pub fn new() -> Option<Self> {
        let uml_run = test_bed()?.join("uml-run");
        let folder = must(tempfile::tempdir(), "temporary directory");
        let guest = Self { folder, uml_run };
        guest.put(&programs::fgm());
        Some(guest)
    }

    /// Puts another program into the folder.
    pub fn put(&self, program: &Path) {
        let name = program.file_name().unwrap_or_default();
        let to = self.folder().join(name);
        if fs::hard_link(program, &to).is_err() {
            must(fs::copy(program, &to), "copy a program");
        }
    }

    /// The folder that the guest sees as `/host`.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Boots, runs that script after the prelude and gives the console; `None` where the test
    /// bed itself does not work and may be missing.
    ///
    /// # Panics
    /// When the script fails or does not end.
    #[must_use]
    pub fn run(&self, script: &str) -> Option<String> {
        let text = format!("{PRELUDE}\n{script}");
        must(fs::write(self.folder().join("run.sh"), text), "run.sh");
        let output = Command::new(&self.uml_run)
            .arg(self.folder())
            .args(["--timeout", "240"])
            .output();
        let output = must(output, "start the guest");
        let console = String::from_utf8_lossy(&output.stdout).into_owned();
        if output.status.code() == Some(125) {
            let reason = String::from_utf8_lossy(&output.stderr).into_owned();
            return require_or_skip(None, &format!("a guest ({})", reason.trim()), "FGM_TESTBED");
        }
        assert!(
            output.status.success(),
            "the guest ended with {}:\n{console}\n{}",
            output.status,
            self.read("fgm.log").unwrap_or_default()
        );
        Some(console)
    }

    /// A text that the script left in `/host`.
    #[must_use]
    pub fn read(&self, name: &str) -> Option<String> {
        let bytes = fs::read(self.folder().join(name)).ok()?;
        Some(String::from_utf8_lossy(&bytes).into_owned())
    }
}
