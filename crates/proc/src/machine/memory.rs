//! `/proc/meminfo` and `/proc/vmstat`: the machine's memory in the terms of a cgroup.
//!
//! What the kernel says of the machine by other names keeps the cgroup's definition:
//! `memory_current` is all that is not free, page cache included, so that the working set and the
//! share of the limit mean the same in every table.

use fgm_kernfile::KeyedLayout;
use fgm_model::{Metric, Values};

/// Lines of `/proc/meminfo` that are metrics as they are.
const MEMINFO: [(&[u8], Metric); 18] = [
    (b"MemTotal", Metric::MemoryMax),
    (b"MemAvailable", Metric::MemoryAvailable),
    (b"SwapTotal", Metric::MemorySwapMax),
    (b"Zswap", Metric::MemoryZswapCurrent),
    (b"AnonPages", Metric::MemoryAnon),
    (b"Shmem", Metric::MemoryShmem),
    (b"Mapped", Metric::MemoryFileMapped),
    (b"Dirty", Metric::MemoryFileDirty),
    (b"Writeback", Metric::MemoryFileWriteback),
    (b"AnonHugePages", Metric::MemoryAnonThp),
    (b"Inactive(anon)", Metric::MemoryInactiveAnon),
    (b"Active(anon)", Metric::MemoryActiveAnon),
    (b"Inactive(file)", Metric::MemoryInactiveFile),
    (b"Active(file)", Metric::MemoryActiveFile),
    (b"KernelStack", Metric::MemoryKernelStack),
    (b"PageTables", Metric::MemoryPagetables),
    (b"SReclaimable", Metric::MemorySlabReclaimable),
    (b"SUnreclaim", Metric::MemorySlabUnreclaimable),
];

/// Lines that metrics are computed of.
const MEMINFO_PARTS: [&[u8]; 11] = [
    b"MemTotal",
    b"MemFree",
    b"SwapTotal",
    b"SwapFree",
    b"Cached",
    b"Buffers",
    b"SwapCached",
    b"KernelStack",
    b"PageTables",
    b"Slab",
    b"Percpu",
];

/// Lines of `/proc/vmstat` that are metrics as they are.
const VMSTAT: [(&[u8], Metric); 5] = [
    (b"pgfault", Metric::MemoryPgfault),
    (b"pgmajfault", Metric::MemoryPgmajfault),
    (
        b"workingset_refault_anon",
        Metric::MemoryWorkingsetRefaultAnon,
    ),
    (
        b"workingset_refault_file",
        Metric::MemoryWorkingsetRefaultFile,
    ),
    (b"oom_kill", Metric::MemoryEventsOomKill),
];

/// Reclaim by who did it; older kernels lack the last two of each.
const VMSTAT_PARTS: [&[u8]; 8] = [
    b"pgscan_kswapd",
    b"pgscan_direct",
    b"pgscan_khugepaged",
    b"pgscan_proactive",
    b"pgsteal_kswapd",
    b"pgsteal_direct",
    b"pgsteal_khugepaged",
    b"pgsteal_proactive",
];

/// The reader of both files; it learns their layouts once.
#[derive(Debug)]
pub struct MemoryFiles {
    meminfo: KeyedLayout<18>,
    meminfo_parts: KeyedLayout<11>,
    vmstat: KeyedLayout<5>,
    vmstat_parts: KeyedLayout<8>,
}

impl Default for MemoryFiles {
    fn default() -> Self {
        Self {
            meminfo: KeyedLayout::new(MEMINFO.map(|(key, _)| key)),
            meminfo_parts: KeyedLayout::new(MEMINFO_PARTS),
            vmstat: KeyedLayout::new(VMSTAT.map(|(key, _)| key)),
            vmstat_parts: KeyedLayout::new(VMSTAT_PARTS),
        }
    }
}

impl MemoryFiles {
    /// Sets what `/proc/meminfo` says, in bytes; to unknown what it does not say.
    pub fn meminfo(&mut self, bytes: &[u8], values: &mut Values) {
        let in_bytes = |kib: Option<u64>| kib?.checked_mul(1024);
        for ((_, metric), kib) in MEMINFO.iter().zip(self.meminfo.parse(bytes)) {
            values.set_u64(*metric, in_bytes(kib));
        }
        let [
            total,
            free,
            swap_total,
            swap_free,
            cached,
            buffers,
            swap_cached,
            stacks,
            page_tables,
            slab,
            percpu,
        ] = self.meminfo_parts.parse(bytes);
        let difference = |whole: Option<u64>, part: Option<u64>| whole?.checked_sub(part?);
        for (metric, kib) in [
            (Metric::MemoryCurrent, difference(total, free)),
            (Metric::MemorySwapCurrent, difference(swap_total, swap_free)),
            (Metric::MemoryFile, sum([cached, buffers, swap_cached])),
            (
                Metric::MemoryKernel,
                sum([stacks, page_tables, slab, percpu]),
            ),
        ] {
            values.set_u64(metric, in_bytes(kib));
        }
    }

    /// Sets what `/proc/vmstat` says; to unknown what it does not say.
    pub fn vmstat(&mut self, bytes: &[u8], values: &mut Values) {
        for ((_, metric), value) in VMSTAT.iter().zip(self.vmstat.parse(bytes)) {
            values.set_u64(*metric, value);
        }
        let parts = self.vmstat_parts.parse(bytes);
        let (scanned, stolen) = parts.split_at(parts.len() / 2);
        for (metric, parts) in [
            (Metric::MemoryPgscan, scanned),
            (Metric::MemoryPgsteal, stolen),
        ] {
            let (always, newer) = parts.split_at(2);
            let newer = newer.iter().map(|part| part.or(Some(0)));
            values.set_u64(metric, sum(always.iter().copied().chain(newer)));
        }
    }
}

/// `None` where a part is unknown.
fn sum(parts: impl IntoIterator<Item = Option<u64>>) -> Option<u64> {
    parts
        .into_iter()
        .try_fold(0_u64, |sum, part| sum.checked_add(part?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use fgm_testkit::proc_tree::{MEMINFO as REAL_MEMINFO, VMSTAT as REAL_VMSTAT};
    use proptest::prelude::*;

    fn read(meminfo: &str, vmstat: &str) -> Values {
        let mut files = MemoryFiles::default();
        let mut values = Values::default();
        // The second reading goes by what the first has learned.
        for _ in 0..2 {
            files.meminfo(meminfo.as_bytes(), &mut values);
            files.vmstat(vmstat.as_bytes(), &mut values);
        }
        values
    }

    /// The plain reading of a line.
    fn line(text: &str, key: &str) -> i64 {
        let line = text.lines().find_map(|line| {
            let rest = line.strip_prefix(key)?;
            rest.starts_with([':', ' ']).then_some(rest)
        });
        let digits = line.unwrap().trim_start_matches([':', ' ']);
        digits.split(' ').next().unwrap().parse().unwrap()
    }

    #[test]
    fn every_line_of_real_files_is_found() {
        let values = read(REAL_MEMINFO, REAL_VMSTAT);
        for (key, metric) in MEMINFO {
            let key = std::str::from_utf8(key).unwrap();
            let expected = line(REAL_MEMINFO, key) * 1024;
            assert_eq!(values.get(metric), Some(expected), "{key}");
        }
        for (key, metric) in VMSTAT {
            let key = std::str::from_utf8(key).unwrap();
            assert_eq!(values.get(metric), Some(line(REAL_VMSTAT, key)), "{key}");
        }
    }

    #[test]
    fn what_is_computed() {
        let of = |key| line(REAL_MEMINFO, key) * 1024;
        let values = read(REAL_MEMINFO, REAL_VMSTAT);
        for (metric, expected) in [
            (Metric::MemoryCurrent, of("MemTotal") - of("MemFree")),
            (Metric::MemorySwapCurrent, of("SwapTotal") - of("SwapFree")),
            (
                Metric::MemoryFile,
                of("Cached") + of("Buffers") + of("SwapCached"),
            ),
            (
                Metric::MemoryKernel,
                of("KernelStack") + of("PageTables") + of("Slab") + of("Percpu"),
            ),
            (Metric::MemoryPgscan, 500 + 312 + 7 + 1),
            (Metric::MemoryPgsteal, 400 + 240 + 5 + 1),
        ] {
            assert_eq!(values.get(metric), Some(expected), "{}", metric.name());
        }
    }

    #[test]
    fn what_a_kernel_does_not_say_is_unknown() {
        let values = read("MemTotal: 5 kB\n", "pgscan_kswapd 5\npgscan_direct 7\n");
        assert_eq!(values.get(Metric::MemoryMax), Some(5120));
        assert_eq!(values.get(Metric::MemoryCurrent), None);
        assert_eq!(values.get(Metric::MemoryFile), None);
        assert_eq!(values.get(Metric::MemoryPgscan), Some(12), "as before 6.1");
        assert_eq!(values.get(Metric::MemoryPgsteal), None);
        assert!(read("", "").is_empty());
        // More free than there is: no number of ours.
        let garbled = read("MemTotal: 5 kB\nMemFree: 6 kB\n", "");
        assert_eq!(garbled.get(Metric::MemoryCurrent), None);
    }

    proptest! {
        #[test]
        fn rubbish_never_panics(bytes: Vec<u8>) {
            let mut values = Values::default();
            MemoryFiles::default().meminfo(&bytes, &mut values);
            MemoryFiles::default().vmstat(&bytes, &mut values);
        }
    }
}
