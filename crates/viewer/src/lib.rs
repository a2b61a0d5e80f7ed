//! HTTP API over the stored data, and the page that shows it.
