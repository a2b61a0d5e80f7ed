//! The catalogue: the only place where a metric is declared.
//!
//! Every column name is a contract (files written years ago carry it), so a line may be added
//! but a name is never reused for something else.

use serde::Serialize;

/// What the numbers of a metric mean over time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A state at the moment of the read.
    Gauge,
    /// The kernel's own running total, stored as the kernel gave it.
    Counter,
    /// A running total that the collector keeps: the sum of each process's non-negative
    /// increases, so that it does not fall when a process exits.
    Accumulated,
}

impl Kind {
    /// Whether the metric is shown as its per-second rate.
    #[must_use]
    pub const fn is_cumulative(self) -> bool {
        matches!(self, Self::Counter | Self::Accumulated)
    }

    /// The name in documents and in the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Gauge => "gauge",
            Self::Counter => "counter",
            Self::Accumulated => "accumulated",
        }
    }
}

/// The unit of a stored value; a cumulative metric's rate has this unit per second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Unit {
    /// Thousandths of one CPU.
    Millicores,
    /// Microseconds.
    Usec,
    /// Milliseconds.
    Ms,
    /// Bytes.
    Bytes,
    /// A plain number of things.
    Count,
    /// Thousandths of a plain number.
    Thousandths,
    /// Percent, 0 to 100 (or beyond, of a limit).
    Percent,
    /// Milliseconds in each second.
    MsPerSecond,
    /// Bytes in each second.
    BytesPerSecond,
    /// Things in each second.
    CountPerSecond,
    /// Microseconds in each second.
    UsecPerSecond,
}

impl Unit {
    /// The name in documents and in the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Millicores => "millicores",
            Self::Usec => "usec",
            Self::Ms => "ms",
            Self::Bytes => "bytes",
            Self::Count => "count",
            Self::Thousandths => "thousandths",
            Self::Percent => "percent",
            Self::MsPerSecond => "ms_per_s",
            Self::BytesPerSecond => "bytes_per_s",
            Self::CountPerSecond => "per_s",
            Self::UsecPerSecond => "usec_per_s",
        }
    }

    /// The unit of this unit's increase per second.
    #[must_use]
    pub const fn per_second(self) -> Self {
        match self {
            Self::Bytes => Self::BytesPerSecond,
            Self::Count => Self::CountPerSecond,
            Self::Usec => Self::UsecPerSecond,
            Self::Ms => Self::MsPerSecond,
            other => other,
        }
    }
}

impl Serialize for Unit {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// The group a metric is listed under.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Category {
    /// CPU time, quota and pressure.
    Cpu,
    /// Memory, its limits, events and pressure.
    Memory,
    /// Block and file I/O.
    Io,
    /// Processes and threads.
    Processes,
    /// Network of a pod or the node.
    Network,
    /// What the pod specification asks for.
    Requests,
}

impl Category {
    /// The name in documents and in the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Memory => "memory",
            Self::Io => "io",
            Self::Processes => "processes",
            Self::Network => "network",
            Self::Requests => "requests",
        }
    }
}

/// A directory of the data set; each has one schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Table {
    /// A row per container and tick.
    Metrics,
    /// A row per pod cgroup and tick: the same columns, and the pod's network.
    Pods,
    /// A row for the node and tick: the same columns, and the node's network.
    Node,
    /// A row per event and revision.
    Events,
}

impl Table {
    /// Every table.
    pub const ALL: [Self; 4] = [Self::Metrics, Self::Pods, Self::Node, Self::Events];

    /// The name of the table's directory and of its spool stream.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Metrics => "metrics",
            Self::Pods => "pods",
            Self::Node => "node",
            Self::Events => "events",
        }
    }

    /// The table of that directory name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|table| table.as_str() == name)
    }

    /// The metrics that are columns of this table, in column order.
    pub fn metrics(self) -> impl Iterator<Item = Metric> + Clone {
        Metric::ALL
            .into_iter()
            .filter(move |metric| metric.is_in(self))
    }
}

/// One line of the catalogue.
#[derive(Debug, Clone, Copy)]
pub struct MetricDef {
    /// The column name and the id everywhere.
    pub name: &'static str,
    /// What a person calls it; for a cumulative metric the name of its rate.
    pub title: &'static str,
    /// The group it is listed under.
    pub category: Category,
    /// What the number means over time.
    pub kind: Kind,
    /// The unit as stored.
    pub unit: Unit,
    /// Where the kernel (or the pod) says it.
    pub source: &'static str,
    /// One sentence for a person.
    pub help: &'static str,
    /// The limit it is judged against, where there is one in the same unit.
    pub limit: Option<Metric>,
}

macro_rules! catalogue {
    ($( $variant:ident $name:literal $title:literal $category:ident $kind:ident $unit:ident $source:literal $help:literal $(limit $limit:ident)? ; )*) => {
        /// A stored metric; its discriminant is its place in the catalogue.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum Metric {
            $( #[doc = $help] $variant, )*
        }

        impl Metric {
            /// How many metrics there are.
            pub const COUNT: usize = [$( Self::$variant ),*].len();
            /// The catalogue, in column order.
            pub const ALL: [Self; Self::COUNT] = [$( Self::$variant ),*];
        }

        static DEFINITIONS: [MetricDef; Metric::COUNT] = [$( MetricDef {
            name: $name,
            title: $title,
            category: Category::$category,
            kind: Kind::$kind,
            unit: Unit::$unit,
            source: $source,
            help: $help,
            limit: catalogue!(@limit $($limit)?),
        } ),*];
    };
    (@limit) => { None };
    (@limit $limit:ident) => { Some(Metric::$limit) };
}

catalogue! {
    CpuUsageMillicores "cpu_usage_millicores" "CPU usage" Cpu Gauge Millicores "cpu.stat" "CPU used since the previous row, rounded; the counters hold what is exact.";
    CpuUserUsec "cpu_user_usec" "CPU time in user mode" Cpu Counter Usec "cpu.stat user_usec" "CPU time spent in user mode.";
    CpuSystemUsec "cpu_system_usec" "CPU time in the kernel" Cpu Counter Usec "cpu.stat system_usec" "CPU time spent in the kernel.";
    CpuNrPeriods "cpu_nr_periods" "CPU quota periods" Cpu Counter Count "cpu.stat nr_periods" "Quota periods in which the cgroup was runnable.";
    CpuNrThrottled "cpu_nr_throttled" "CPU throttled periods" Cpu Counter Count "cpu.stat nr_throttled" "Quota periods in which the cgroup ran out of quota.";
    CpuThrottledUsec "cpu_throttled_usec" "CPU throttled time" Cpu Counter Usec "cpu.stat throttled_usec" "Time the cgroup was held back for lack of quota, summed over CPUs.";
    CpuNrBursts "cpu_nr_bursts" "CPU bursts" Cpu Counter Count "cpu.stat nr_bursts" "Periods in which saved-up quota was used.";
    CpuBurstUsec "cpu_burst_usec" "CPU burst time" Cpu Counter Usec "cpu.stat burst_usec" "CPU time used above the quota in bursts.";
    CpuQuotaUsec "cpu_quota_usec" "CPU quota" Cpu Gauge Usec "cpu.max" "CPU time allowed in each period; null when unlimited.";
    CpuPeriodUsec "cpu_period_usec" "CPU quota period" Cpu Gauge Usec "cpu.max" "Length of a quota period.";
    CpuWeight "cpu_weight" "CPU weight" Cpu Gauge Count "cpu.weight" "Share of contended CPU relative to siblings, 1 to 10000.";
    CpuPsiSomeUsec "cpu_psi_some_usec" "CPU pressure, some" Cpu Counter Usec "cpu.pressure some total" "Time in which at least one task waited for a CPU.";
    CpuPsiFullUsec "cpu_psi_full_usec" "CPU pressure, full" Cpu Counter Usec "cpu.pressure full total" "Time in which every non-idle task waited for a CPU.";

    MemoryCurrent "memory_current" "Memory" Memory Gauge Bytes "memory.current" "All memory charged to the cgroup, page cache included." limit MemoryMax;
    MemoryPeak "memory_peak" "Memory peak" Memory Gauge Bytes "memory.peak" "Highest memory.current since the cgroup was made." limit MemoryMax;
    MemoryMax "memory_max" "Memory limit" Memory Gauge Bytes "memory.max" "Hard limit, at which the OOM killer acts; null when unlimited.";
    MemoryHigh "memory_high" "Memory throttle limit" Memory Gauge Bytes "memory.high" "Limit above which the cgroup is slowed and reclaimed; null when unlimited.";
    MemoryLow "memory_low" "Memory soft protection" Memory Gauge Bytes "memory.low" "Memory protected from reclaim while others have some to give.";
    MemoryMin "memory_min" "Memory hard protection" Memory Gauge Bytes "memory.min" "Memory never reclaimed.";
    MemorySwapCurrent "memory_swap_current" "Swap" Memory Gauge Bytes "memory.swap.current" "Swap used by the cgroup." limit MemorySwapMax;
    MemorySwapMax "memory_swap_max" "Swap limit" Memory Gauge Bytes "memory.swap.max" "Swap limit; null when unlimited.";
    MemoryZswapCurrent "memory_zswap_current" "Compressed swap" Memory Gauge Bytes "memory.zswap.current" "Memory used by the compressed swap cache.";
    MemoryAnon "memory_anon" "Anonymous memory" Memory Gauge Bytes "memory.stat anon" "Heap, stack and other memory without a file." limit MemoryMax;
    MemoryFile "memory_file" "Page cache" Memory Gauge Bytes "memory.stat file" "Cached file data, tmpfs and shared memory included." limit MemoryMax;
    MemoryKernel "memory_kernel" "Kernel memory" Memory Gauge Bytes "memory.stat kernel" "Kernel memory charged to the cgroup.";
    MemoryKernelStack "memory_kernel_stack" "Kernel stacks" Memory Gauge Bytes "memory.stat kernel_stack" "Kernel stacks of its threads.";
    MemoryPagetables "memory_pagetables" "Page tables" Memory Gauge Bytes "memory.stat pagetables" "Page tables of its processes.";
    MemorySock "memory_sock" "Socket buffers" Memory Gauge Bytes "memory.stat sock" "Network buffers charged to the cgroup.";
    MemoryShmem "memory_shmem" "Shared memory" Memory Gauge Bytes "memory.stat shmem" "tmpfs and shared memory, which only swap can evict.";
    MemoryFileMapped "memory_file_mapped" "Mapped files" Memory Gauge Bytes "memory.stat file_mapped" "Page cache mapped into processes.";
    MemoryFileDirty "memory_file_dirty" "Dirty pages" Memory Gauge Bytes "memory.stat file_dirty" "Page cache not yet written back.";
    MemoryFileWriteback "memory_file_writeback" "Pages in write-back" Memory Gauge Bytes "memory.stat file_writeback" "Page cache being written back.";
    MemoryAnonThp "memory_anon_thp" "Transparent huge pages" Memory Gauge Bytes "memory.stat anon_thp" "Anonymous memory in transparent huge pages.";
    MemoryInactiveAnon "memory_inactive_anon" "Inactive anonymous" Memory Gauge Bytes "memory.stat inactive_anon" "Anonymous memory on the inactive list.";
    MemoryActiveAnon "memory_active_anon" "Active anonymous" Memory Gauge Bytes "memory.stat active_anon" "Anonymous memory on the active list.";
    MemoryInactiveFile "memory_inactive_file" "Inactive page cache" Memory Gauge Bytes "memory.stat inactive_file" "Page cache that is reclaimed first.";
    MemoryActiveFile "memory_active_file" "Active page cache" Memory Gauge Bytes "memory.stat active_file" "Page cache in frequent use.";
    MemorySlabReclaimable "memory_slab_reclaimable" "Reclaimable slab" Memory Gauge Bytes "memory.stat slab_reclaimable" "Kernel caches that can be reclaimed (dentries, inodes).";
    MemorySlabUnreclaimable "memory_slab_unreclaimable" "Unreclaimable slab" Memory Gauge Bytes "memory.stat slab_unreclaimable" "Kernel objects that cannot be reclaimed.";
    MemoryPgfault "memory_pgfault" "Page faults" Memory Counter Count "memory.stat pgfault" "Page faults.";
    MemoryPgmajfault "memory_pgmajfault" "Major page faults" Memory Counter Count "memory.stat pgmajfault" "Page faults that waited for a disk.";
    MemoryPgscan "memory_pgscan" "Pages scanned" Memory Counter Count "memory.stat pgscan" "Pages looked at by reclaim.";
    MemoryPgsteal "memory_pgsteal" "Pages reclaimed" Memory Counter Count "memory.stat pgsteal" "Pages taken back by reclaim.";
    MemoryWorkingsetRefaultAnon "memory_workingset_refault_anon" "Anonymous refaults" Memory Counter Count "memory.stat workingset_refault_anon" "Evicted anonymous pages that were soon needed again.";
    MemoryWorkingsetRefaultFile "memory_workingset_refault_file" "Page cache refaults" Memory Counter Count "memory.stat workingset_refault_file" "Evicted file pages that were soon needed again.";
    MemoryEventsLow "memory_events_low" "Reclaims below memory.low" Memory Counter Count "memory.events low" "Times it was reclaimed although below its soft protection.";
    MemoryEventsHigh "memory_events_high" "Throttled at memory.high" Memory Counter Count "memory.events high" "Times its tasks were slowed at memory.high.";
    MemoryEventsMax "memory_events_max" "Hits of the memory limit" Memory Counter Count "memory.events max" "Times usage was about to pass memory.max.";
    MemoryEventsOom "memory_events_oom" "Out of memory" Memory Counter Count "memory.events oom" "Times an allocation was about to fail at the limit.";
    MemoryEventsOomKill "memory_events_oom_kill" "OOM kills" Memory Counter Count "memory.events oom_kill" "Processes killed by any OOM killer.";
    MemoryEventsOomGroupKill "memory_events_oom_group_kill" "OOM group kills" Memory Counter Count "memory.events oom_group_kill" "Times the whole cgroup was killed (memory.oom.group).";
    MemoryPsiSomeUsec "memory_psi_some_usec" "Memory pressure, some" Memory Counter Usec "memory.pressure some total" "Time in which at least one task waited for memory.";
    MemoryPsiFullUsec "memory_psi_full_usec" "Memory pressure, full" Memory Counter Usec "memory.pressure full total" "Time in which every non-idle task waited for memory.";
    MemoryRss "memory_rss" "Resident set" Memory Gauge Bytes "/proc/<pid>/statm resident" "Resident memory summed over the processes; shared pages count once for each." limit MemoryMax;
    MemoryPss "memory_pss" "Proportional set" Memory Gauge Bytes "/proc/<pid>/smaps_rollup Pss" "Resident memory with shared pages divided among their users; null while a process was never scanned." limit MemoryMax;
    MemoryPssAnon "memory_pss_anon" "Proportional set, anonymous" Memory Gauge Bytes "/proc/<pid>/smaps_rollup Pss_Anon" "The anonymous part of the proportional set.";
    MemoryPssFile "memory_pss_file" "Proportional set, files" Memory Gauge Bytes "/proc/<pid>/smaps_rollup Pss_File" "The file-backed part of the proportional set.";
    MemoryPssShmem "memory_pss_shmem" "Proportional set, shared memory" Memory Gauge Bytes "/proc/<pid>/smaps_rollup Pss_Shmem" "The shared-memory part of the proportional set.";
    MemorySwapPss "memory_swap_pss" "Proportional swap" Memory Gauge Bytes "/proc/<pid>/smaps_rollup SwapPss" "Swap with shared pages divided among their users.";
    MemoryPssAgeMs "memory_pss_age_ms" "Age of the proportional set" Memory Gauge Ms "collector" "Age of the oldest scan behind memory_pss.";

    IoReadBytes "io_read_bytes" "Disk read" Io Counter Bytes "io.stat rbytes" "Bytes read from block devices, over all devices.";
    IoWriteBytes "io_write_bytes" "Disk write" Io Counter Bytes "io.stat wbytes" "Bytes written to block devices, over all devices.";
    IoDiscardBytes "io_discard_bytes" "Disk discard" Io Counter Bytes "io.stat dbytes" "Bytes discarded on block devices, over all devices.";
    IoReadOps "io_read_ops" "Disk read operations" Io Counter Count "io.stat rios" "Read operations, over all devices.";
    IoWriteOps "io_write_ops" "Disk write operations" Io Counter Count "io.stat wios" "Write operations, over all devices.";
    IoPsiSomeUsec "io_psi_some_usec" "I/O pressure, some" Io Counter Usec "io.pressure some total" "Time in which at least one task waited for I/O.";
    IoPsiFullUsec "io_psi_full_usec" "I/O pressure, full" Io Counter Usec "io.pressure full total" "Time in which every non-idle task waited for I/O.";
    IoRchar "io_rchar" "Bytes read by calls" Io Accumulated Bytes "/proc/<pid>/io rchar" "Bytes that read calls returned, from cache, pipes and sockets too.";
    IoWchar "io_wchar" "Bytes written by calls" Io Accumulated Bytes "/proc/<pid>/io wchar" "Bytes passed to write calls, to pipes and sockets too.";

    PidsCurrent "pids_current" "Tasks" Processes Gauge Count "pids.current" "Tasks (threads) charged to the cgroup." limit PidsMax;
    PidsMax "pids_max" "Task limit" Processes Gauge Count "pids.max" "Limit of tasks; null when unlimited.";
    PidsPeak "pids_peak" "Task peak" Processes Gauge Count "pids.peak" "Highest pids.current since the cgroup was made." limit PidsMax;
    ProcessCount "process_count" "Processes" Processes Gauge Count "cgroup.procs" "Processes in the cgroup and those below it.";
    ProcessReadCount "process_read_count" "Processes read" Processes Gauge Count "collector" "Processes whose files were read this tick: the coverage of the sums over processes.";
    ThreadCount "thread_count" "Threads" Processes Gauge Count "/proc/<pid>/stat num_threads" "Threads summed over the processes.";
    ContextSwitchesVoluntary "context_switches_voluntary" "Voluntary context switches" Processes Accumulated Count "/proc/<pid>/task/<tid>/status voluntary_ctxt_switches" "Switches in which a thread gave up the CPU to wait; null where reading every thread is over budget.";
    ContextSwitchesInvoluntary "context_switches_involuntary" "Involuntary context switches" Processes Accumulated Count "/proc/<pid>/task/<tid>/status nonvoluntary_ctxt_switches" "Switches in which a thread was preempted; null where reading every thread is over budget.";

    CpuRequestMillicores "cpu_request_millicores" "CPU request" Requests Gauge Millicores "pod spec" "CPU that the pod specification requests.";
    MemoryRequest "memory_request" "Memory request" Requests Gauge Bytes "pod spec" "Memory that the pod specification requests.";

    NetworkRxBytes "network_rx_bytes" "Network bytes received" Network Counter Bytes "/proc/<pid>/net/dev" "Bytes received over all interfaces but loopback.";
    NetworkRxPackets "network_rx_packets" "Network packets received" Network Counter Count "/proc/<pid>/net/dev" "Packets received.";
    NetworkRxErrors "network_rx_errors" "Network errors received" Network Counter Count "/proc/<pid>/net/dev" "Packets received with an error.";
    NetworkRxDrops "network_rx_drops" "Network drops received" Network Counter Count "/proc/<pid>/net/dev" "Packets dropped instead of being received.";
    NetworkTxBytes "network_tx_bytes" "Network bytes sent" Network Counter Bytes "/proc/<pid>/net/dev" "Bytes sent over all interfaces but loopback.";
    NetworkTxPackets "network_tx_packets" "Network packets sent" Network Counter Count "/proc/<pid>/net/dev" "Packets sent.";
    NetworkTxErrors "network_tx_errors" "Network errors sent" Network Counter Count "/proc/<pid>/net/dev" "Packets sent with an error.";
    NetworkTxDrops "network_tx_drops" "Network drops sent" Network Counter Count "/proc/<pid>/net/dev" "Packets dropped instead of being sent.";

    Load1Milli "load1_milli" "Load average, 1 min" Cpu Gauge Thousandths "/proc/loadavg" "Tasks that run, want to run or wait for a disk, averaged over a minute, in thousandths.";
    CpuStealUsec "cpu_steal_usec" "CPU time stolen" Cpu Counter Usec "/proc/stat steal" "Time in which the hypervisor ran others although a CPU of this machine had work, summed over CPUs.";
    MemoryAvailable "memory_available" "Available memory" Memory Gauge Bytes "/proc/meminfo MemAvailable" "What the kernel estimates can be given to new programs without swapping.";
}

impl Metric {
    /// The catalogue's line for this metric.
    #[must_use]
    pub fn def(self) -> &'static MetricDef {
        &DEFINITIONS[self.index()]
    }

    /// The column name.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.def().name
    }

    /// The place in the catalogue, below [`Metric::COUNT`].
    #[must_use]
    pub const fn index(self) -> usize {
        self as usize
    }

    /// The metric with that column name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|metric| metric.name() == name)
    }

    /// Whether the metric is a column of the table.
    #[must_use]
    pub fn is_in(self, table: Table) -> bool {
        let of_node_only = matches!(
            self,
            Self::Load1Milli | Self::CpuStealUsec | Self::MemoryAvailable
        );
        match table {
            // A container shares its pod's network namespace: there is no number of its own.
            Table::Metrics => !of_node_only && self.def().category != Category::Network,
            Table::Pods => !of_node_only,
            Table::Node => true,
            Table::Events => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn names_are_unique_and_found_again() {
        let names: HashSet<_> = Metric::ALL.iter().map(|m| m.name()).collect();
        assert_eq!(names.len(), Metric::COUNT);
        for metric in Metric::ALL {
            assert_eq!(Metric::from_name(metric.name()), Some(metric));
        }
    }

    #[test]
    fn a_limit_has_the_unit_of_what_it_limits() {
        for metric in Metric::ALL {
            if let Some(limit) = metric.def().limit {
                assert_eq!(limit.def().unit, metric.def().unit, "{}", metric.name());
            }
        }
    }

    #[test]
    fn values_fit_their_mask() {
        const { assert!(Metric::COUNT <= 128) }
    }
}
