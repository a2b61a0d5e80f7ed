//! A cluster of one node with a kubelet and containerd, in a guest (the test bed's `cluster`), with
//! FGM in it as its manifests say.

use crate::must;
use crate::needs::{manifests, require_or_skip, test_bed};
use crate::programs;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// What `fgm-lab cluster up` makes once.
pub const TOKEN: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

/// What every script begins with.
const PRELUDE: &str = include_str!("cluster_guest.sh");

/// What the cluster is made of, and what its script left.
#[derive(Debug)]
pub struct Cluster {
    folder: TempDir,
    bed: PathBuf,
}

impl Cluster {
    /// One of the programs that cargo built; `None` where this machine cannot have it.
    ///
    /// # Panics
    /// When images or manifests cannot be made.
    #[must_use]
    pub fn new() -> Option<Self> {
        let bed = test_bed()?;
        let rendered = manifests("kind")?;
        let folder = must(tempfile::tempdir(), "temporary directory");
        let cluster = Self { folder, bed };
        must(fs::create_dir(cluster.folder().join("manifests")), "made");
        let programs = programs::fgm();
        let made = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("../kind/images.sh"))
            .arg(cluster.folder().join("images"))
            .args(programs.parent())
            .output();
        let made = must(made, "the script runs");
        assert!(made.status.success(), "{made:?}");
        // The tags of these images, as `fgm-lab` puts them in.
        let images = String::from_utf8_lossy(&made.stdout).into_owned();
        let tagged: Vec<_> = rendered
            .lines()
            .map(|line| match line.split_once("image: ") {
                Some((before, name)) => {
                    let image = images
                        .lines()
                        .find(|image| image.rsplit_once(':').map(|parts| parts.0) == Some(name));
                    let image = image.unwrap_or_else(|| panic!("no image {name} among {images}"));
                    format!("{before}image: {image}")
                }
                None => line.to_owned(),
            })
            .collect();
        cluster.put("manifests/10-fgm.yaml", &tagged.join("\n"));
        let token = format!(
            "apiVersion: v1\nkind: Secret\nmetadata: {{name: fgm-token, namespace: \
             fine-grained-monitor}}\nstringData: {{token: {TOKEN}}}\n"
        );
        cluster.put("manifests/20-token.yaml", &token);
        Some(cluster)
    }

    /// The folder that the guest sees as `/host`.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// What the script left as `/host/out/<name>`.
    #[must_use]
    pub fn out(&self, name: &str) -> PathBuf {
        self.folder().join("out").join(name)
    }

    /// The text of a file that the script left; empty where there is none.
    #[must_use]
    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.out(name)).unwrap_or_default()
    }

    /// Writes a file that the guest sees as `/host/<name>`.
    pub fn put(&self, name: &str, text: &str) {
        must(fs::write(self.folder().join(name), text), name);
    }

    /// Gives it a program, for runs beside the cluster. Without its symbols: the guest's disk and
    /// memory are small.
    ///
    /// # Panics
    /// When that fails.
    pub fn put_program(&self, program: &Path) {
        let name = program.file_name().unwrap_or_default();
        let strip = Command::new("strip")
            .arg("-o")
            .arg(self.folder().join(name))
            .arg(program)
            .status();
        assert!(must(strip, "strip runs").success());
    }

    /// Makes an image of a program that was given, as `localhost/<name>:latest`.
    ///
    /// # Panics
    /// When that fails.
    pub fn image(&self, name: &str) {
        let made = Command::new(self.bed.join("mkimage"))
            .arg(self.folder().join(format!("images/{name}-latest.tar")))
            .arg(format!("localhost/{name}:latest"))
            .arg(format!("/bin/{name}"))
            .arg("--libs")
            .arg(format!(
                "{}=/bin/{name}",
                self.folder().join(name).display()
            ))
            .status();
        assert!(must(made, "mkimage runs").success());
    }

    /// Boots it and runs that script after the prelude, as its administrator; `None` where the test bed cannot.
    ///
    /// # Panics
    /// When the script fails or does not end; those logs of it are told then.
    #[must_use]
    pub fn run(&self, script: &str, logs: &[&str]) -> Option<()> {
        self.put("run.sh", &format!("{PRELUDE}\n{script}"));
        let output = Command::new(self.bed.join("cluster"))
            .arg(self.folder())
            .args(["--timeout", "900"])
            .output();
        let output = must(output, "the test bed runs");
        let console = String::from_utf8_lossy(&output.stdout);
        if output.status.code() == Some(125) {
            let reason = String::from_utf8_lossy(&output.stderr).into_owned();
            let what = format!("a cluster ({} {})", reason.trim(), console.trim());
            return require_or_skip(None, &what, "FGM_TESTBED, after its setup --root-image");
        }
        let logs: Vec<_> = logs.iter().map(|name| self.read(name)).collect();
        assert!(
            output.status.success(),
            "{console}\n{}\n{}",
            self.read("cluster/state.txt"),
            logs.join("\n")
        );
        Some(())
    }
}
