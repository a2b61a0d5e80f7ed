//! What a person at a terminal sees of a round; nothing where standard error is no terminal.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::{self, Write};
use std::time::Duration;

/// A bar on standard error. Clones draw the same bar.
#[derive(Debug, Clone)]
pub struct Progress {
    bar: ProgressBar,
}

impl Progress {
    /// A bar for a person; it hides itself where nobody looks.
    #[must_use]
    pub fn on_terminal() -> Self {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        // A constant that parses; otherwise the default does as well.
        if let Ok(style) = ProgressStyle::with_template("{spinner} {pos}/{len} {wide_msg}") {
            bar.set_style(style);
        }
        Self { bar }
    }

    /// No bar: another program draws.
    #[must_use]
    pub fn hidden() -> Self {
        Self {
            bar: ProgressBar::hidden(),
        }
    }

    /// So many steps begin.
    pub(crate) fn begin(&self, steps: usize) {
        self.bar.reset();
        self.bar
            .set_length(u64::try_from(steps).unwrap_or(u64::MAX));
        self.bar.enable_steady_tick(Duration::from_millis(200));
    }

    /// What is being done now.
    pub(crate) fn doing(&self, what: String) {
        self.bar.set_message(what);
    }

    /// A step is done.
    pub(crate) fn done(&self) {
        self.bar.inc(1);
    }

    /// The steps are over.
    pub(crate) fn end(&self) {
        self.bar.finish_and_clear();
    }

    /// Standard error for the log: the bar makes way for each line.
    #[must_use]
    pub fn log_writer(&self) -> LogWriter {
        LogWriter {
            bar: self.bar.clone(),
        }
    }
}

/// Writes to standard error around a bar.
#[derive(Debug)]
pub struct LogWriter {
    bar: ProgressBar,
}

impl Write for LogWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.bar.suspend(|| io::stderr().write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}
