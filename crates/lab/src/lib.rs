//! The lab on this machine: record and look, and inspect what was recorded.
