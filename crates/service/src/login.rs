//! Logging in by a link: its fragment is a code that works once, and gives a cookie. So no browser
//! ever holds the token, and no proxy or log sees the code.

use crate::problem::Problem;
use crate::token::Token;
use axum::http::{HeaderMap, header};
use std::collections::VecDeque;
use std::fmt::Write as _;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use subtle::ConstantTimeEq;

/// Browsers that are logged in at once; one more logs the oldest out.
const MOST_SESSIONS: usize = 64;

#[derive(Debug)]
struct State {
    code: String,
    /// Each with the generation of the token that it was opened under.
    sessions: VecDeque<(String, u64)>,
}

/// Codes and cookies of one program; those of another mean nothing here.
#[derive(Debug)]
pub(crate) struct Login {
    token: Arc<Token>,
    cookie: String,
    state: Mutex<State>,
}

impl Login {
    /// Browsers send cookies to every port of a host: the port in its name keeps two programs
    /// from overwriting each other's.
    pub(crate) fn new(token: Arc<Token>, port: u16) -> io::Result<Self> {
        let state = State {
            code: secret()?,
            sessions: VecDeque::new(),
        };
        Ok(Self {
            token,
            cookie: format!("fgm-{port}"),
            state: Mutex::new(state),
        })
    }

    /// The code that works next.
    pub(crate) fn code(&self) -> String {
        self.lock().code.clone()
    }

    /// Takes the code and gives the value of `Set-Cookie`.
    pub(crate) fn open(&self, code: &str) -> Result<String, Problem> {
        let generation = self.token.generation();
        let mut state = self.lock();
        if !bool::from(state.code.as_bytes().ct_eq(code.trim().as_bytes())) {
            return Err(Problem::unauthorized(
                "this code is wrong, or was used already",
                "each link works once: take the newest from the program's log",
            ));
        }
        let session = secret().map_err(Problem::internal)?;
        state.code = secret().map_err(Problem::internal)?;
        if state.sessions.len() >= MOST_SESSIONS {
            state.sessions.pop_front();
        }
        let cookie = format!(
            "{}={session}; Path=/; HttpOnly; SameSite=Strict",
            self.cookie
        );
        state.sessions.push_back((session, generation));
        Ok(cookie)
    }

    /// Whether the request comes from a browser that is logged in.
    pub(crate) fn knows(&self, headers: &HeaderMap) -> bool {
        let generation = self.token.generation();
        let cookies = headers.get_all(header::COOKIE).iter();
        let mut values = cookies
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(';'))
            .filter_map(|pair| pair.trim().split_once('='))
            .filter_map(|(name, value)| (name == self.cookie).then_some(value));
        let state = self.lock();
        values.any(|value| {
            let mut sessions = state.sessions.iter();
            sessions.any(|(session, opened)| {
                *opened == generation && session.as_bytes().ct_eq(value.as_bytes()).into()
            })
        })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// 32 random bytes in hex.
pub(crate) fn secret() -> io::Result<String> {
    let mut bytes = [0_u8; 32];
    // So few come whole, without an interruption.
    rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty())?;
    let mut text = String::with_capacity(64);
    for byte in bytes {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn login(dir: &std::path::Path) -> Login {
        let path = dir.join("token");
        std::fs::write(&path, "0123456789abcdef").unwrap();
        Login::new(Arc::new(Token::read(path).unwrap()), 8050).unwrap()
    }

    fn with(cookie: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        let pair = cookie.split(';').next().unwrap();
        headers.insert(header::COOKIE, format!("a=b; {pair}").parse().unwrap());
        headers
    }

    #[test]
    fn a_code_works_once_and_its_cookie_here_alone() {
        let temp = tempfile::tempdir().unwrap();
        let login = login(temp.path());
        let code = login.code();
        assert!(login.open("").is_err() && login.open("x").is_err());
        let cookie = login.open(&code).unwrap();
        assert!(cookie.ends_with("; Path=/; HttpOnly; SameSite=Strict"));
        assert!(login.knows(&with(&cookie)));
        assert!(login.open(&code).is_err());
        assert_ne!(login.code(), code);
        let other = Login::new(Arc::clone(&login.token), 8050).unwrap();
        assert!(!other.knows(&with(&cookie)));
        assert!(!login.knows(&with("fgm-8050=")) && !login.knows(&HeaderMap::new()));
    }

    #[test]
    fn a_new_token_and_many_others_log_a_browser_out() {
        let temp = tempfile::tempdir().unwrap();
        let login = login(temp.path());
        let first = login.open(&login.code()).unwrap();
        for _ in 1..MOST_SESSIONS {
            login.open(&login.code()).unwrap();
        }
        assert!(login.knows(&with(&first)));
        let last = login.open(&login.code()).unwrap();
        assert!(!login.knows(&with(&first)) && login.knows(&with(&last)));
        std::fs::write(temp.path().join("token"), "fedcba9876543210").unwrap();
        assert!(!login.knows(&with(&last)));
    }
}
