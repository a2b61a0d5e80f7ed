//! The one secret: a token in a file, which may be replaced while the program runs.

use anyhow::{Context, bail};
use std::fs;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use subtle::ConstantTimeEq;

/// A shorter one can be guessed.
const FEWEST_LETTERS: usize = 16;
/// A longer file is something else.
const LARGEST_BYTES: u64 = 4096;

/// What tells one state of the file from another: an editor renames, a Secret of Kubernetes is
/// another file behind the same link.
type Stamp = (u64, u64, u64, i64, i64);

#[derive(Debug)]
struct State {
    stamp: Option<Stamp>,
    text: String,
    generation: u64,
}

/// A token that is read again when its file changes.
#[derive(Debug)]
pub struct Token {
    path: PathBuf,
    state: Mutex<State>,
}

impl Token {
    /// Reads the token, which is the file's text without the white space around it.
    ///
    /// # Errors
    /// When the file cannot be read, or what it holds is no token.
    pub fn read(path: impl Into<PathBuf>) -> anyhow::Result<Self> {
        let path = path.into();
        let stamp = stamp(&path);
        let text = read(&path)?;
        let state = State {
            stamp,
            text,
            generation: 0,
        };
        Ok(Self {
            path,
            state: Mutex::new(state),
        })
    }

    /// Whether somebody gave this token. How long that takes tells nothing of it but its length.
    pub fn is(&self, given: &[u8]) -> bool {
        let state = self.current();
        state.text.as_bytes().ct_eq(given).into()
    }

    /// The token as the value of an `Authorization` header.
    pub fn bearer(&self) -> String {
        format!("Bearer {}", self.current().text)
    }

    /// Grows with each new token: what the old one opened is closed.
    pub fn generation(&self) -> u64 {
        self.current().generation
    }

    /// A file that is gone or half written leaves the token as it was: it is replaced, not revoked.
    fn current(&self) -> MutexGuard<'_, State> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let stamp = stamp(&self.path);
        if stamp != state.stamp {
            state.stamp = stamp;
            match read(&self.path) {
                Ok(text) if text == state.text => {}
                Ok(text) => {
                    state.text = text;
                    state.generation += 1;
                    tracing::info!(file = %self.path.display(), "the token was replaced");
                }
                Err(error) => {
                    let why = crate::explain(&error);
                    tracing::warn!("the token stays as it was: {why}");
                }
            }
        }
        state
    }
}

fn stamp(path: &Path) -> Option<Stamp> {
    let found = fs::metadata(path).ok()?;
    let changed = (found.ctime(), found.ctime_nsec());
    Some((found.dev(), found.ino(), found.size(), changed.0, changed.1))
}

fn read(path: &Path) -> anyhow::Result<String> {
    let shown = path.display();
    let mut text = String::new();
    fs::File::open(path)
        .and_then(|file| file.take(LARGEST_BYTES + 1).read_to_string(&mut text))
        .with_context(|| format!("cannot read the token file {shown}"))?;
    let token = text.trim();
    if token.len() < FEWEST_LETTERS {
        bail!(
            "the token file {shown} holds {} letters, {FEWEST_LETTERS} at least are wanted: make \
             one by `head -c 32 /dev/urandom | base64 > FILE`",
            token.len()
        );
    }
    if text.len() as u64 > LARGEST_BYTES || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        bail!("the token file {shown} holds no token: one word of printable ASCII is wanted");
    }
    Ok(token.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "0123456789abcdef";
    const OTHER: &str = "fedcba9876543210";

    #[test]
    fn a_replaced_token_replaces_the_old_one_and_a_broken_file_does_not() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("token");
        fs::write(&path, format!("{ONE}\n")).unwrap();
        let token = Token::read(&path).unwrap();
        assert!(token.is(ONE.as_bytes()));
        assert!(!token.is(b"") && !token.is(OTHER.as_bytes()));
        assert_eq!(token.bearer(), format!("Bearer {ONE}"));

        for broken in ["", "short", "two words of some length"] {
            fs::write(&path, broken).unwrap();
            assert!(token.is(ONE.as_bytes()), "{broken}");
        }
        fs::remove_file(&path).unwrap();
        assert!(token.is(ONE.as_bytes()));
        assert_eq!(token.generation(), 0);

        let draft = temp.path().join("draft");
        fs::write(&draft, OTHER).unwrap();
        fs::rename(&draft, &path).unwrap();
        assert!(token.is(OTHER.as_bytes()) && !token.is(ONE.as_bytes()));
        assert_eq!(token.generation(), 1);
    }

    #[test]
    fn what_is_no_token_is_told_with_its_file() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("token");
        let error = |text: &[u8]| {
            fs::write(&path, text).unwrap();
            let error = Token::read(&path).unwrap_err();
            let text = crate::explain(&error);
            assert!(text.contains("/token"), "{text}");
            text
        };
        assert!(error(b" \n").contains("holds 0 letters"));
        assert!(error(b"a b 0123456789abcdef").contains("one word"));
        assert!(error(&[b'x'; 5000]).contains("no token"));
        assert!(error(&[0xff; 20]).contains("cannot read"));
        let missing = Token::read(temp.path().join("none")).unwrap_err();
        assert!(crate::explain(&missing).contains("No such file"));
        let folder = Token::read(temp.path()).unwrap_err();
        assert!(crate::explain(&folder).contains("directory"));
    }
}
