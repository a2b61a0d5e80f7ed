//! `/proc/<pid>`: bytes to numbers, summed per container, and the PSS budget.
//!
//! The rooms, from the inside out:
//! - parsers on bytes, one module per file ([`stat`], [`statm`], [`io`], [`status`],
//!   [`smaps_rollup`], [`net_dev`], those of [`machine`]) and the cold [`facts`];
//! - [`Processes`]: the processes of one container, read each tick under a budget, their gauges
//!   summed and their counters accumulated so that no sum falls when a process exits;
//! - [`PodNetwork`]: the network of a pod, through one of its processes;
//! - [`MachineReader`]: the machine as a whole;
//! - [`pss`]: the proportional set, whose reads walk page tables, on a thread of its own under a
//!   budget of CPU time.
//!
//! Nothing here knows cgroups or Kubernetes: the list of pids comes from the caller. A number
//! that the kernel did not give for *every* process of the container is null, never a partial
//! sum. What ended between two reads is a normal event; what was refused is counted by errno.

mod accumulate;
mod clock;
pub mod facts;
mod fields;
pub mod io;
pub mod machine;
pub mod net_dev;
mod network;
mod process;
mod processes;
pub mod pss;
mod reader;
pub mod smaps_rollup;
pub mod stat;
pub mod statm;
pub mod status;
mod switches;

pub use clock::BootTime;
pub use machine::MachineReader;
pub use network::PodNetwork;
pub use process::ProcessKey;
pub use processes::{Listed, Processes};
pub use pss::{Pss, PssConfig, PssSkipped, PssUsage};
pub use reader::{OpenError, ProcReader, ReadLimits};
