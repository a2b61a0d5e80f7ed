//! cgroup v2: find container cgroups and turn their files into numbers.
//!
//! - [`mount`]: where the tree is, and a clear error where there is none.
//! - [`recognise`]: what a cgroup is, by its path: the tables of all runtimes.
//! - [`tree`]: what is known of the tree, a pure state machine.
//! - [`discovery`]: inotify and sweeps around it; births, ends and changes come out.
//! - [`reader`]: the files of one cgroup to one row's numbers; [`parse`] has the formats.
//!
//! Nothing here knows of Kubernetes objects, storage, rates or clocks.

mod directory;
pub mod discovery;
pub mod found;
pub mod limits;
pub mod mount;
pub mod parse;
mod processes;
pub mod reader;
pub mod recognise;
pub mod sandbox;
pub mod tree;
mod watcher;

pub use discovery::{Discovery, DiscoveryError, Warning};
pub use found::{Found, Kind};
pub use limits::Limits;
pub use mount::{Mount, MountError};
pub use reader::{CgroupReader, Outcome, Processes, ReadContext};
pub use recognise::Runtime;
pub use sandbox::{Commands, ProcCommands};
pub use tree::{CgroupId, Change, Scope};
