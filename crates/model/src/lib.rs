//! Vocabulary of Fine-Grained Monitor: what is measured, whose it is, and what happened.
//!
//! One table, [`catalogue`], declares every metric; the Arrow schema, the viewer, SQL and the
//! documentation are made from it. Nothing here reads or writes anything: `model` imports no
//! other crate of the house.

pub mod catalogue;
pub mod derived;
pub mod document;
pub mod event;
pub mod identity;
pub mod rate;
pub mod rollup;
pub mod row;
pub mod schema;
pub mod signal;
pub mod throttling;

pub use catalogue::{Category, Kind, Metric, MetricDef, Table, Unit};
pub use event::{Event, EventKind};
pub use identity::{Instance, QosClass, Recorder, SeriesId};
pub use rollup::Resolution;
pub use row::{Row, Tick, Values};
pub use signal::Signal;
