//! Lines for the person at the terminal.

use std::io::Write;

/// A line on standard output; it does not matter if nobody listens.
pub(crate) fn line(text: &str) {
    let _ = writeln!(std::io::stdout(), "{text}");
}

/// A line that says who says it.
pub(crate) fn say(text: &str) {
    line(&format!("fgm-lab: {text}"));
}
