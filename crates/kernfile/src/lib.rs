//! Reading kernel pseudo-files (cgroup v2 and `/proc`) at the kernel's own price.
//!
//! Opening and closing such a file costs several times what its answer costs, so a hot file is
//! opened once and read by `pread` at 0 into one reused [`Buffer`]; a steady read allocates
//! nothing. A kept descriptor holds about 4.5 kB of kernel memory that is charged to us, so
//! [`Descriptors`] caps how many are kept; beyond the cap a file is opened for each read,
//! relative to its directory. Parsers work on bytes. Nothing here knows what the numbers mean.

mod buffer;
mod descriptors;
mod digits;
mod file;
mod keyed;
mod pressure;
mod refusals;

pub use buffer::Buffer;
pub use descriptors::Descriptors;
pub use digits::{leading_u64, only_u64};
pub use file::{KernelFile, ReadError};
pub use keyed::KeyedLayout;
pub use pressure::{PressureTotals, pressure_totals};
pub use refusals::Refusals;
