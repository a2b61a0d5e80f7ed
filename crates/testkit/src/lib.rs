//! Fake cgroup trees and /proc folders for hermetic tests.
