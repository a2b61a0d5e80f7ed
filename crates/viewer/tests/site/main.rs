//! The site as a browser sees it, over a small recording made by the store's own writer.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

mod answers;
mod data;
mod documented;
mod hostile;
mod live;
mod questions;
mod writing;
