//! What a 6.x kernel writes into a cgroup's files.

/// The files of the root cgroup: there is no limit, no `memory.current`, no `cgroup.events`.
pub(super) const ROOT_FILES: &[(&str, &str)] = &[
    ("cgroup.controllers", "cpuset cpu io memory pids\n"),
    ("cgroup.procs", "1\n2\n"),
    ("cgroup.stat", "nr_descendants 0\nnr_dying_descendants 0\n"),
    ("cgroup.subtree_control", "cpu io memory pids\n"),
    ("cpu.pressure", PRESSURE),
    ("cpu.stat", CPU_STAT),
    ("io.pressure", PRESSURE),
    ("io.stat", IO_STAT),
    ("memory.pressure", PRESSURE),
    ("memory.stat", MEMORY_STAT),
];

/// The files of any other cgroup with all controllers.
pub(super) const FILES: &[(&str, &str)] = &[
    ("cgroup.controllers", "cpu io memory pids\n"),
    ("cgroup.events", "populated 0\nfrozen 0\n"),
    ("cgroup.procs", ""),
    ("cgroup.subtree_control", ""),
    ("cgroup.type", "domain\n"),
    ("cpu.max", "max 100000\n"),
    ("cpu.pressure", PRESSURE),
    ("cpu.stat", CPU_STAT),
    ("cpu.weight", "100\n"),
    ("io.pressure", PRESSURE),
    ("io.stat", IO_STAT),
    ("memory.current", "25214976\n"),
    ("memory.events", MEMORY_EVENTS),
    ("memory.high", "max\n"),
    ("memory.low", "0\n"),
    ("memory.max", "max\n"),
    ("memory.min", "0\n"),
    ("memory.peak", "31416320\n"),
    ("memory.pressure", PRESSURE),
    ("memory.stat", MEMORY_STAT),
    ("memory.swap.current", "0\n"),
    ("memory.swap.max", "max\n"),
    ("memory.zswap.current", "0\n"),
    ("pids.current", "3\n"),
    ("pids.max", "max\n"),
    ("pids.peak", "5\n"),
];

const CPU_STAT: &str = "\
usage_usec 860120
user_usec 710080
system_usec 150040
nice_usec 0
core_sched.force_idle_usec 0
nr_periods 46
nr_throttled 41
throttled_usec 3260000
nr_bursts 2
burst_usec 1500
";

const PRESSURE: &str = "\
some avg10=0.00 avg60=0.12 avg300=0.05 total=512340
full avg10=0.00 avg60=0.10 avg300=0.04 total=310220
";

const IO_STAT: &str = "\
8:0 rbytes=4096000 wbytes=8388608 rios=100 wios=73 dbytes=0 dios=0
259:1 rbytes=1024 wbytes=2048 rios=1 wios=2 dbytes=512 dios=1
";

const MEMORY_EVENTS: &str = "\
low 0
high 3
max 12
oom 0
oom_kill 0
oom_group_kill 0
";

const MEMORY_STAT: &str = "\
anon 18710528
file 4907008
kernel 1548288
kernel_stack 49152
pagetables 184320
sec_pagetables 0
percpu 1440
sock 8192
vmalloc 0
shmem 4096
zswap 0
zswapped 0
file_mapped 2564096
file_dirty 12288
file_writeback 0
swapcached 0
anon_thp 2097152
file_thp 0
shmem_thp 0
inactive_anon 18726912
active_anon 8192
inactive_file 3522560
active_file 1380352
unevictable 0
slab_reclaimable 612400
slab_unreclaimable 402616
slab 1015016
workingset_refault_anon 0
workingset_refault_file 17
workingset_activate_anon 0
workingset_activate_file 9
workingset_restore_anon 0
workingset_restore_file 4
workingset_nodereclaim 0
pgdemote_kswapd 0
pgdemote_direct 0
pgdemote_khugepaged 0
pgscan 812
pgsteal 640
pgscan_kswapd 500
pgscan_direct 312
pgscan_khugepaged 0
pgsteal_kswapd 400
pgsteal_direct 240
pgsteal_khugepaged 0
pgfault 55170
pgmajfault 21
pgrefill 120
pgactivate 229
pgdeactivate 110
pglazyfree 0
pglazyfreed 0
swpin_zero 0
swpout_zero 0
zswpin 0
zswpout 0
zswpwb 0
thp_fault_alloc 3
thp_collapse_alloc 0
thp_swpout 0
thp_swpout_fallback 0
";
