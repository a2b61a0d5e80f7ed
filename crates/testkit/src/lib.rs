//! Fake cgroup trees and /proc folders for hermetic tests, and synthetic data with known truth.

pub mod cgroup_tree;
pub mod generator;
pub mod proc_tree;
