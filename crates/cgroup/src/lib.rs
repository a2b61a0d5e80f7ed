//! cgroup v2: find container cgroups and turn their files into numbers.
