//! /proc/<pid>: bytes to numbers per container, and the PSS budget.
