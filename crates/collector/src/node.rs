//! The node: one row for each tick, of the root cgroup and of what `/proc` says of the machine.
//!
//! The root of the whole hierarchy has few files, and its memory lacks what is charged to no
//! other cgroup (much of the kernel's own), so `/proc` comes first there; but for CPU time, which
//! the root cgroup counts in microseconds. Where the tree is a part of a larger one (kind's nodes
//! share a kernel), the cgroup speaks of this node and `/proc` of the whole machine, so the
//! cgroup comes first.

use crate::clock;
use crate::facts::Facts;
use crate::grid::Now;
use crate::readers::Readers;
use crate::watched::{LIMITS_EVERY_US, Watched};
use anyhow::Context;
use fgm_cgroup::{CgroupReader, Mount, Processes};
use fgm_model::identity::{life, life_hash};
use fgm_model::{Instance, Metric, Tick, Values};
use fgm_proc::MachineReader;
use std::os::unix::fs::MetadataExt;
use std::sync::Arc;

/// The node's reading.
pub(crate) struct Node {
    watched: Watched,
    machine: MachineReader,
    from_proc: Values,
    /// The tree is the whole hierarchy, not a part of it.
    is_whole: bool,
    ask_again_us: i64,
}

impl Node {
    /// The node whose tree that is.
    ///
    /// # Errors
    /// The root cgroup cannot be opened.
    pub(crate) fn open(
        mount: &Mount,
        boot_id: &str,
        now: Now,
        readers: &mut Readers,
    ) -> anyhow::Result<Self> {
        let path = &mount.path;
        let cannot = || format!("cannot open the root cgroup {}", path.display());
        let inode = path.metadata().with_context(cannot)?.ino();
        // Those of the root are all that are in no other cgroup.
        let reader = CgroupReader::open(path, Processes::LeftOut).with_context(cannot)?;
        let instance = Instance {
            container_id: life_hash(boot_id, inode, "/"),
            life: life(boot_id, inode, "/"),
            cgroup_path: "/".to_owned(),
            ..Instance::default()
        };
        Ok(Self {
            watched: Watched::new(Arc::new(instance), reader, now, readers),
            machine: MachineReader::default(),
            from_proc: Values::default(),
            // Every cgroup has this file but the root of all.
            is_whole: !path.join("cgroup.type").exists(),
            ask_again_us: now.boot_us + LIMITS_EVERY_US,
        })
    }

    pub(crate) fn read(&mut self, now: Now, readers: &mut Readers) {
        if now.boot_us >= self.ask_again_us {
            self.ask_again_us = now.boot_us + LIMITS_EVERY_US;
            self.machine.ask_again();
        }
        let (machine, from_proc, is_whole) =
            (&mut self.machine, &mut self.from_proc, self.is_whole);
        self.watched.read(now.boot_us, readers, |values, readers| {
            let at = clock::boot_time(now);
            machine.read(&mut readers.processes, at, from_proc);
            join(values, from_proc, is_whole);
        });
        // What the machine has is its limit, and the root cgroup can have no other.
        if self.watched.subject.values.get(Metric::MemoryMax).is_some() {
            self.watched.subject.limits_known = true;
        }
    }

    /// Tells what was read just now.
    pub(crate) fn tell(&self, facts: &mut Facts) {
        facts.node_seen(clock::wall_us() / 1000, &self.watched.subject.values);
    }

    /// The row of a tick.
    pub(crate) fn row(&mut self, tick: &mut Tick, interval_ms: i64) {
        let (time_ms, clock_epoch) = (tick.time_ms, tick.clock_epoch);
        let row = self.watched.subject.row(time_ms, clock_epoch, interval_ms);
        tick.rows.extend(row);
    }
}

/// Adds what `/proc` says to what the root cgroup says.
fn join(values: &mut Values, from_proc: &mut Values, is_whole: bool) {
    if !is_whole {
        values.fill_from(from_proc);
        return;
    }
    let cpu_time = [Metric::CpuUserUsec, Metric::CpuSystemUsec];
    if cpu_time.iter().all(|metric| values.get(*metric).is_some()) {
        for metric in cpu_time {
            from_proc.set(metric, None);
        }
    }
    from_proc.fill_from(values);
    values.clone_from(from_proc);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(of: &[(Metric, i64)]) -> Values {
        let mut values = Values::default();
        for (metric, value) in of {
            values.set(*metric, Some(*value));
        }
        values
    }

    fn joined(is_whole: bool, cgroup: &[(Metric, i64)]) -> Vec<(Metric, i64)> {
        let mut values_ = values(cgroup);
        let mut from_proc = values(&[
            (Metric::CpuUserUsec, 10_000),
            (Metric::CpuSystemUsec, 20_000),
            (Metric::MemoryAnon, 7),
            (Metric::MemoryMax, 100),
        ]);
        join(&mut values_, &mut from_proc, is_whole);
        let known = |metric: Metric| Some((metric, values_.get(metric)?));
        Metric::ALL.into_iter().filter_map(known).collect()
    }

    const CGROUP: [(Metric, i64); 4] = [
        (Metric::CpuUserUsec, 10_345),
        (Metric::CpuSystemUsec, 20_345),
        (Metric::MemoryAnon, 5),
        (Metric::MemorySock, 3),
    ];

    #[test]
    fn of_the_whole_machine_proc_knows_more_but_the_cgroups_cpu_time_is_finer() {
        assert_eq!(
            joined(true, &CGROUP),
            [
                (Metric::CpuUserUsec, 10_345),
                (Metric::CpuSystemUsec, 20_345),
                (Metric::MemoryMax, 100),
                (Metric::MemoryAnon, 7),
                (Metric::MemorySock, 3),
            ]
        );
        // The two must come from one source.
        assert_eq!(joined(true, &CGROUP[..1])[0], (Metric::CpuUserUsec, 10_000));
    }

    #[test]
    fn of_a_part_of_the_machine_the_cgroup_knows_better() {
        assert_eq!(
            joined(false, &CGROUP),
            [
                (Metric::CpuUserUsec, 10_345),
                (Metric::CpuSystemUsec, 20_345),
                (Metric::MemoryMax, 100),
                (Metric::MemoryAnon, 5),
                (Metric::MemorySock, 3),
            ]
        );
    }
}
