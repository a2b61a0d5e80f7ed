//! What the stories share: the built programs, a running `fgm`, a guest with a kernel of its own,
//! and the rows that lie on disk.
//!
//! A story is a test about the whole, told from outside: it starts the programs as a person does
//! and judges what it finds on disk and over HTTP. What a story needs and a machine may lack (the
//! test bed, Python, Chromium) is asked for by [`needs`], which skips with one line.
//!
//! What cannot be set up or read panics with the reason: that is how a story fails.

pub mod api_server;
pub mod cluster;
pub mod fgm;
pub mod generated;
pub mod guest;
pub mod http;
pub mod machine;
pub mod needs;
pub mod process;
pub mod programs;
pub mod random;
pub mod stored;
pub mod viewer;
pub mod week;

/// Asks again and again until there is an answer.
///
/// # Panics
/// After a minute without one: on any machine something is wrong then.
pub fn wait_for<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let asked = std::time::Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(asked.elapsed().as_secs() < 60, "waited a minute for {what}");
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
}

/// The value, or the failure of the story.
pub(crate) fn must<T, E: std::fmt::Display>(result: Result<T, E>, what: &str) -> T {
    match result {
        Ok(value) => value,
        Err(error) => panic!("{what}: {error}"),
    }
}
