//! `cpu.pressure`, `memory.pressure`, `io.pressure`: the format of the kernel's pressure files.

pub use fgm_kernfile::{PressureTotals as Totals, pressure_totals as totals};
