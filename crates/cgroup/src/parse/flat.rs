//! "Key value" files: `cpu.stat`, `memory.stat`, `memory.events`, `cgroup.events`.

use fgm_kernfile::KeyedLayout;
use fgm_model::{Metric, Values};

/// `cpu.stat` by the kernel's names; `usage_usec` is the sum of the first two.
const CPU_STAT: [(&[u8], Metric); 7] = [
    (b"user_usec", Metric::CpuUserUsec),
    (b"system_usec", Metric::CpuSystemUsec),
    (b"nr_periods", Metric::CpuNrPeriods),
    (b"nr_throttled", Metric::CpuNrThrottled),
    (b"throttled_usec", Metric::CpuThrottledUsec),
    (b"nr_bursts", Metric::CpuNrBursts),
    (b"burst_usec", Metric::CpuBurstUsec),
];

/// `memory.stat` by the kernel's names.
const MEMORY_STAT: [(&[u8], Metric); 23] = [
    (b"anon", Metric::MemoryAnon),
    (b"file", Metric::MemoryFile),
    (b"kernel", Metric::MemoryKernel),
    (b"kernel_stack", Metric::MemoryKernelStack),
    (b"pagetables", Metric::MemoryPagetables),
    (b"sock", Metric::MemorySock),
    (b"shmem", Metric::MemoryShmem),
    (b"file_mapped", Metric::MemoryFileMapped),
    (b"file_dirty", Metric::MemoryFileDirty),
    (b"file_writeback", Metric::MemoryFileWriteback),
    (b"anon_thp", Metric::MemoryAnonThp),
    (b"inactive_anon", Metric::MemoryInactiveAnon),
    (b"active_anon", Metric::MemoryActiveAnon),
    (b"inactive_file", Metric::MemoryInactiveFile),
    (b"active_file", Metric::MemoryActiveFile),
    (b"slab_reclaimable", Metric::MemorySlabReclaimable),
    (b"slab_unreclaimable", Metric::MemorySlabUnreclaimable),
    (b"pgfault", Metric::MemoryPgfault),
    (b"pgmajfault", Metric::MemoryPgmajfault),
    (b"pgscan", Metric::MemoryPgscan),
    (b"pgsteal", Metric::MemoryPgsteal),
    (
        b"workingset_refault_anon",
        Metric::MemoryWorkingsetRefaultAnon,
    ),
    (
        b"workingset_refault_file",
        Metric::MemoryWorkingsetRefaultFile,
    ),
];

/// `memory.events` by the kernel's names.
const MEMORY_EVENTS: [(&[u8], Metric); 6] = [
    (b"low", Metric::MemoryEventsLow),
    (b"high", Metric::MemoryEventsHigh),
    (b"max", Metric::MemoryEventsMax),
    (b"oom", Metric::MemoryEventsOom),
    (b"oom_kill", Metric::MemoryEventsOomKill),
    (b"oom_group_kill", Metric::MemoryEventsOomGroupKill),
];

/// A "key value" file whose wanted keys are metrics.
#[derive(Debug, Clone)]
pub struct MetricFile<const WANTED: usize> {
    layout: KeyedLayout<WANTED>,
    metrics: [Metric; WANTED],
}

impl<const WANTED: usize> MetricFile<WANTED> {
    fn new(keys: &[(&'static [u8], Metric); WANTED]) -> Self {
        Self {
            layout: KeyedLayout::new(keys.map(|(key, _)| key)),
            metrics: keys.map(|(_, metric)| metric),
        }
    }

    /// Sets each metric to what the file says; to "unknown" where it does not say.
    pub fn parse(&mut self, bytes: &[u8], values: &mut Values) {
        let read = self.layout.parse(bytes);
        for (metric, value) in self.metrics.iter().zip(read) {
            values.set_u64(*metric, value);
        }
    }

    /// Sets each metric to "unknown": the file was not read.
    pub fn unknown(&self, values: &mut Values) {
        for metric in self.metrics {
            values.set(metric, None);
        }
    }

    /// The metrics it sets.
    #[must_use]
    pub const fn metrics(&self) -> &[Metric; WANTED] {
        &self.metrics
    }
}

/// What was learned of the kernel's files: the same for all cgroups, so it is shared.
#[derive(Debug, Clone)]
pub struct Layouts {
    /// `cpu.stat` without and with the lines of the cpu controller. Which of them a cgroup has
    /// is its own matter, and one layout for both would be learned anew at each read.
    pub cpu_stat: [MetricFile<7>; 2],
    /// `memory.stat`.
    pub memory_stat: MetricFile<23>,
    /// `memory.events`.
    pub memory_events: MetricFile<6>,
}

impl Default for Layouts {
    fn default() -> Self {
        Self {
            cpu_stat: [MetricFile::new(&CPU_STAT), MetricFile::new(&CPU_STAT)],
            memory_stat: MetricFile::new(&MEMORY_STAT),
            memory_events: MetricFile::new(&MEMORY_EVENTS),
        }
    }
}

/// `populated` of `cgroup.events`: whether it or a cgroup below it has a process.
#[must_use]
pub fn populated(bytes: &[u8]) -> Option<bool> {
    let lines = bytes.strip_suffix(b"\n")?;
    lines
        .split(|&byte| byte == b'\n')
        .find_map(|line| match line.strip_prefix(b"populated ")? {
            b"0" => Some(false),
            b"1" => Some(true),
            _ => None,
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use fgm_testkit::cgroup_tree::{CgroupTree, Layout};
    use proptest::prelude::*;

    #[test]
    fn every_key_is_the_end_of_its_metrics_name() {
        for (keys, prefix) in [
            (&CPU_STAT[..], "cpu_"),
            (&MEMORY_STAT[..], "memory_"),
            (&MEMORY_EVENTS[..], "memory_events_"),
        ] {
            for (key, metric) in keys {
                let key = std::str::from_utf8(key).expect("key is text");
                assert_eq!(metric.name(), format!("{prefix}{key}"));
            }
        }
    }

    #[test]
    fn every_key_is_found_in_a_real_file() {
        let tree = CgroupTree::new();
        let cgroup = tree.make_container(Layout::DockerSystemd, 7);
        let mut layouts = Layouts::default();
        let mut values = Values::default();
        layouts.cpu_stat[1].parse(cgroup.read("cpu.stat").as_bytes(), &mut values);
        layouts
            .memory_stat
            .parse(cgroup.read("memory.stat").as_bytes(), &mut values);
        layouts
            .memory_events
            .parse(cgroup.read("memory.events").as_bytes(), &mut values);
        for (_, metric) in CPU_STAT.iter().chain(&MEMORY_STAT).chain(&MEMORY_EVENTS) {
            assert!(values.get(*metric).is_some(), "{}", metric.name());
        }
        assert_eq!(values.get(Metric::MemoryEventsMax), Some(12));
    }

    #[test]
    fn a_key_that_vanished_is_unknown() {
        let mut layouts = Layouts::default();
        let mut values = Values::default();
        layouts
            .memory_events
            .parse(b"low 1\noom_kill 2\n", &mut values);
        assert_eq!(values.get(Metric::MemoryEventsOomKill), Some(2));
        layouts.memory_events.parse(b"low 1\n", &mut values);
        assert_eq!(values.get(Metric::MemoryEventsOomKill), None);
    }

    #[test]
    fn populated_or_not() {
        assert_eq!(populated(b"populated 1\nfrozen 0\n"), Some(true));
        assert_eq!(populated(b"frozen 0\npopulated 0\n"), Some(false));
        for bytes in [b"".as_slice(), b"populated 1", b"populated 2\n", b"x\n"] {
            assert_eq!(populated(bytes), None);
        }
    }

    proptest! {
        #[test]
        fn rubbish_never_panics(bytes: Vec<u8>) {
            let mut values = Values::default();
            Layouts::default().memory_stat.parse(&bytes, &mut values);
            let _ = populated(&bytes);
        }
    }
}
