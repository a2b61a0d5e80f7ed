//! A steady tick allocates nothing: the same processes, read again and again.
//!
//! Alone in its file, since it counts every allocation of the test program.

use fgm_kernfile::Descriptors;
use fgm_model::{Metric, Values};
use fgm_proc::{
    BootTime, Listed, MachineReader, PodNetwork, ProcReader, Processes, Pss, PssConfig, ReadLimits,
};
use fgm_testkit::proc_tree::{FakeProcess, ProcTree};
use std::time::Duration;

#[global_allocator]
static ALLOCATOR: dhat::Alloc = dhat::Alloc;

#[test]
fn a_steady_tick_allocates_nothing() {
    let tree = ProcTree::new().unwrap();
    let pids: Vec<u32> = (1..=100).collect();
    for &pid in &pids {
        let mut process = FakeProcess::new(pid, 5);
        // Every third has threads, whose files are read as well.
        if pid % 3 == 0 {
            process.threads = vec![(pid, 1, 1), (pid + 1000, 1, 1)];
        }
        tree.write(&process).unwrap();
        tree.write_smaps_rollup(pid, 40, 20).unwrap();
    }
    tree.write_machine().unwrap();
    for pid in [1, 98, 100] {
        tree.write_net_dev(pid, &[("lo", 1, 1), ("eth0", 10, 20)])
            .unwrap();
    }
    // Some of the files are kept, some are opened for each read.
    let mut reader =
        ProcReader::open(tree.path(), Descriptors::new(200), ReadLimits::default()).unwrap();
    let mut processes = Processes::found();
    let mut pss = Pss::start(tree.path(), PssConfig::default()).unwrap();
    let (mut machine, mut values) = (MachineReader::default(), Values::default());
    let mut networks = [98, 100].map(|pid| (pid, PodNetwork::default()));
    let mut skipped = Vec::new();
    let mut seconds = 1000;
    let mut tick = |pss: &mut Pss| {
        seconds += 1;
        let now = BootTime::after_boot(Duration::from_secs(seconds));
        reader.start_tick(now);
        processes.read(Listed::new(&pids), &mut reader, now, &mut values);
        pss.fill(&processes, now, &mut values, &mut skipped);
        pss.end_tick();
        let (pss, switches) = (
            values.get(Metric::MemoryPss),
            values.get(Metric::ContextSwitchesVoluntary),
        );
        machine.read(&mut reader, now, &mut values);
        assert_eq!(values.get(Metric::NetworkRxBytes), Some(10));
        for (pid, network) in &mut networks {
            let is_member = |member| pids.binary_search(&member).is_ok();
            network.read(std::iter::once(*pid), is_member, &mut reader, &mut values);
            assert_eq!(values.get(Metric::NetworkTxBytes), Some(20));
        }
        (pss, switches)
    };
    let mut known = (None, None);
    while known.0.is_none() || known.1.is_none() {
        known = tick(&mut pss);
        std::thread::sleep(Duration::from_millis(5));
    }
    for _ in 0..30 {
        tick(&mut pss);
    }

    // The test harness may allocate beside us now and then; what we allocate comes in each round.
    let fewest = (0..5).map(|_| {
        let _profiler = dhat::Profiler::builder().testing().build();
        for _ in 0..100 {
            tick(&mut pss);
        }
        dhat::HeapStats::get().total_blocks
    });
    assert_eq!(fewest.min(), Some(0));
    assert_eq!(known, (Some(100 * 20 * 1024), Some(0)));
}
