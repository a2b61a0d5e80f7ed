//! Builds the page: from `FGM_WEB_DIST`, as a stub, or with npm in a copy of `ui/` below `OUT_DIR`.
//!
//! The source tree is never written to, so that it may be read-only.

use flate2::{Compression, GzBuilder};
use sha2::{Digest, Sha256};
use std::error::Error;
use std::fmt::Write as _;
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::{env, fs};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// What the bundler needs; Debian 12 has 18.
const NODE_AT_LEAST: (u32, u32) = (20, 19);

/// Runs a newer Node than the installed one. Its install script fetches the binary, hence the one
/// exception from "no scripts".
const NEWER_NODE: [&str; 5] = [
    "exec",
    "--yes",
    "--ignore-scripts=false",
    "--package=node@22",
    "--",
];

/// Folders of `ui/` that make up the page.
const SOURCE_DIRS: [&str; 5] = ["data", "plot", "state", "style", "ui"];

/// Files of `ui/` itself that make up the page.
const SOURCE_FILES: [&str; 7] = [
    ".npmrc",
    "index.html",
    "main.tsx",
    "package-lock.json",
    "package.json",
    "tsconfig.json",
    "vite.config.ts",
];

const STUB_PAGE: &str = "<!doctype html><html lang=\"en\"><title>Fine-Grained Monitor</title>\
    <p>Built with FGM_WEB=stub: this binary has the API but not the page.</p></html>\n";

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\nthe web page could not be built: {error}\n");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=FGM_WEB");
    println!("cargo::rerun-if-env-changed=FGM_WEB_DIST");
    let out = PathBuf::from(env::var("OUT_DIR")?);
    let stub = env::var("FGM_WEB").is_ok_and(|value| value == "stub");
    let (html, is_stub) = if let Some(dist) = env::var_os("FGM_WEB_DIST") {
        let page = Path::new(&dist).join("index.html");
        println!("cargo::rerun-if-changed={}", page.display());
        (read(&page)?, false)
    } else if stub {
        if env::var("PROFILE")? == "release" {
            println!("cargo::warning=FGM_WEB=stub is for checks only: these programs have no page");
        }
        (STUB_PAGE.to_owned(), true)
    } else {
        (build(&out)?, false)
    };
    embed(&out, &html, is_stub)
}

/// Writes the page, its gzip form and what must be known of it.
fn embed(out: &Path, html: &str, is_stub: bool) -> Result<()> {
    fs::write(out.join("index.html"), html)?;
    // No time stamp and no name: the same page gives the same bytes.
    let mut gzip = GzBuilder::new().write(Vec::new(), Compression::best());
    gzip.write_all(html.as_bytes())?;
    fs::write(out.join("index.html.gz"), gzip.finish()?)?;
    let mut etag = String::new();
    for byte in &Sha256::digest(html.as_bytes())[..8] {
        write!(etag, "{byte:02x}")?;
    }
    let csp = format!(
        "default-src 'none'; script-src {}; style-src {}; img-src 'self' data: blob:; \
         connect-src 'self'; worker-src blob:; base-uri 'none'; form-action 'self'; \
         frame-ancestors 'none'",
        hashes(html, "script"),
        hashes(html, "style"),
    );
    let code = format!(
        "const ETAG: &str = {:?};\nconst CSP: &str = {csp:?};\nconst IS_STUB: bool = {is_stub};\n",
        format!("\"{etag}\""),
    );
    fs::write(out.join("page.rs"), code)?;
    Ok(())
}

/// The sources of a policy that allow the page's own `element`s.
fn hashes(html: &str, element: &str) -> String {
    let (open, close) = (format!("<{element}"), format!("</{element}>"));
    let mut sources = Vec::new();
    let mut rest = html;
    while let Some(at) = rest.find(&open) {
        rest = &rest[at..];
        let Some(body) = rest.find('>') else { break };
        let end = rest.find(&close).unwrap_or(rest.len());
        let digest = Sha256::digest(&rest.as_bytes()[(body + 1).min(end)..end]);
        sources.push(format!("'sha256-{}'", base64(&digest)));
        rest = &rest[end..];
    }
    if sources.is_empty() {
        return "'none'".to_owned();
    }
    sources.join(" ")
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let at = |i: usize| u32::from(three.get(i).copied().unwrap_or(0));
        let bits = at(0) << 16 | at(1) << 8 | at(2);
        for digit in 0..4 {
            let six = (bits >> (18 - 6 * digit)) & 63;
            text.push(if digit <= three.len() {
                char::from(DIGITS[six as usize])
            } else {
                '='
            });
        }
    }
    text
}

/// Builds with npm and gives the page.
fn build(out: &Path) -> Result<String> {
    let source = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?).join("ui");
    let copy = out.join("web");
    copy_sources(&source, &copy)?;
    let npm = Npm::find(&copy)?;
    // Installing again costs seconds: only when the lock file is another.
    let lock = read(&copy.join("package-lock.json"))?;
    let installed = copy.join("node_modules/.installed");
    let is_current = fs::read_to_string(&installed).is_ok_and(|before| before == lock);
    if !is_current {
        npm.run(&[
            "ci",
            "--omit=dev",
            "--ignore-scripts",
            "--prefer-offline",
            "--no-audit",
            "--no-fund",
        ])?;
        fs::write(&installed, lock)?;
    }
    npm.run(&["run", "build"])?;
    read(&copy.join("dist/index.html"))
}

fn copy_sources(source: &Path, copy: &Path) -> Result<()> {
    fs::create_dir_all(copy)?;
    for name in SOURCE_FILES {
        let from = source.join(name);
        println!("cargo::rerun-if-changed={}", from.display());
        fs::write(copy.join(name), read(&from)?)?;
    }
    for name in SOURCE_DIRS {
        let (from, to) = (source.join(name), copy.join(name));
        println!("cargo::rerun-if-changed={}", from.display());
        // A file that is gone from the sources must be gone here.
        match fs::remove_dir_all(&to) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error.into()),
            _ => fs::create_dir_all(&to)?,
        }
        for entry in fs::read_dir(&from)? {
            let file = entry?.path();
            println!("cargo::rerun-if-changed={}", file.display());
            if let Some(name) = file.file_name() {
                fs::write(to.join(name), read(&file)?)?;
            }
        }
    }
    Ok(())
}

/// npm in the copy, with a Node that is new enough.
struct Npm<'a> {
    folder: &'a Path,
    newer_node: bool,
}

impl<'a> Npm<'a> {
    fn find(folder: &'a Path) -> Result<Self> {
        let installed = output(Command::new("node").arg("--version"));
        if installed.as_deref().ok().and_then(version) >= Some(NODE_AT_LEAST) {
            return Ok(Self {
                folder,
                newer_node: false,
            });
        }
        let npm = Self {
            folder,
            newer_node: true,
        };
        // npm may quietly run the old one: what counts is what then answers.
        let answer = output(npm.command().args(["node", "--version"])).map_err(advice)?;
        if version(&answer) < Some(NODE_AT_LEAST) {
            return Err(advice(format!(
                "npm gave Node {answer} where 22 was asked for"
            )));
        }
        Ok(npm)
    }

    fn command(&self) -> Command {
        let mut command = Command::new(npm());
        command.current_dir(self.folder);
        if self.newer_node {
            command.args(NEWER_NODE);
        }
        command
    }

    fn run(&self, args: &[&str]) -> Result<()> {
        let mut command = self.command();
        if self.newer_node {
            command.arg(npm());
        }
        output(command.args(args))
            .map(|_| ())
            .map_err(|error| match error.not_found {
                true => advice(error),
                false => format!(
                    "{error}\n\nWithout network access set FGM_WEB_DIST to a folder with a built \
                     index.html."
                )
                .into(),
            })
    }
}

fn npm() -> &'static str {
    if cfg!(windows) { "npm.cmd" } else { "npm" }
}

/// `v20.19.2` as (20, 19).
fn version(text: &str) -> Option<(u32, u32)> {
    let mut parts = text.trim().strip_prefix('v')?.split('.');
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

/// A command that did not end well.
struct Failure {
    text: String,
    not_found: bool,
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}

/// What the command printed.
fn output(command: &mut Command) -> std::result::Result<String, Failure> {
    let shown = format!("{command:?}");
    let done = command.output().map_err(|error| Failure {
        text: format!("{shown}: {error}"),
        not_found: error.kind() == ErrorKind::NotFound,
    })?;
    let stdout = String::from_utf8_lossy(&done.stdout);
    if done.status.success() {
        return Ok(stdout.trim().to_owned());
    }
    let stderr = String::from_utf8_lossy(&done.stderr);
    Err(Failure {
        text: format!("{shown}: {}\n{stdout}{stderr}", done.status),
        not_found: false,
    })
}

/// The reason, and the one line that removes it.
fn advice(reason: impl std::fmt::Display) -> Box<dyn Error> {
    format!(
        "{reason}\n\n\
         It needs npm (with Node {}.{} or newer; an older Node fetches one through npm):\n  \
         Debian, Ubuntu   sudo apt-get install npm\n  \
         Fedora           sudo dnf install nodejs-npm\n  \
         macOS            brew install node\n  \
         Nix              nix-shell -p nodejs\n\
         or a page that is already built: FGM_WEB_DIST=<folder with index.html>",
        NODE_AT_LEAST.0, NODE_AT_LEAST.1,
    )
    .into()
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()).into())
}
