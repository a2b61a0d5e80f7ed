//! What is in a file or a data directory, for a person: `fgm-lab inspect`.
//!
//! Everything is read and counted anew; nothing a footer claims is taken for granted, but for
//! the list of spools.

mod directory;
mod file;
mod show;
mod tally;
mod text;

pub use directory::{DirReport, StreamLine, TableReport, inspect_dir};
pub use file::{ColumnReport, FileReport, Format, SetState, inspect_file};
pub use tally::{Gap, InstanceReport};

#[cfg(test)]
mod tests;
