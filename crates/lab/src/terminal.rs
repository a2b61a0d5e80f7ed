//! The person at the terminal: lines, and the browser beside it.

use std::io::Write;
use std::process::{Command, Stdio};

/// A line on standard output; it does not matter if nobody listens.
pub(crate) fn line(text: &str) {
    let _ = writeln!(std::io::stdout(), "{text}");
}

/// A line that says who says it.
pub(crate) fn say(text: &str) {
    line(&format!("fgm-lab: {text}"));
}

/// Opens a page in the person's browser.
pub(crate) fn open_in_browser(url: &str) {
    let opener = if cfg!(target_os = "macos") {
        "open"
    } else {
        "xdg-open"
    };
    let started = Command::new(opener)
        .arg(url)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    if let Err(error) = started {
        say(&format!("cannot open a browser by {opener}: {error}"));
    }
}
