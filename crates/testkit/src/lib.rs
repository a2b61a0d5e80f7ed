//! Fake cgroup trees and /proc folders for hermetic tests.

pub mod cgroup_tree;
pub mod proc_tree;
