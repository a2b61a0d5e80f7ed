//! The gates of the page: what it is made from, and what came out.

mod lock;
mod page;
