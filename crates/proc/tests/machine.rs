//! Stories of the machine's row and of a pod's network, told by a fake `/proc`.

#![expect(clippy::unwrap_used, reason = "a test ends where it fails")]

use fgm_kernfile::Descriptors;
use fgm_model::{Metric, Values};
use fgm_proc::{BootTime, MachineReader, PodNetwork, ProcReader, ReadLimits};
use fgm_testkit::proc_tree::ProcTree;
use std::fs;
use std::time::Duration;

/// A tree, what reads it, and the values of the last reading.
struct Story {
    tree: ProcTree,
    reader: ProcReader,
    descriptors: Descriptors,
    machine: MachineReader,
    seconds: u64,
    values: Values,
}

impl Story {
    fn new(kept: usize) -> Self {
        let tree = ProcTree::new().unwrap();
        let descriptors = Descriptors::new(kept);
        let limits = ReadLimits::default();
        Self {
            reader: ProcReader::open(tree.path(), descriptors.clone(), limits).unwrap(),
            tree,
            descriptors,
            machine: MachineReader::default(),
            seconds: 1000,
            values: Values::default(),
        }
    }

    fn read_machine(&mut self) {
        self.seconds += 1;
        let now = BootTime::after_boot(Duration::from_secs(self.seconds));
        self.machine.read(&mut self.reader, now, &mut self.values);
    }

    /// Bytes received and sent by a pod of these processes.
    fn read_pod(&mut self, network: &mut PodNetwork, pids: &[u32]) -> Option<(i64, i64)> {
        let is_member = |pid| pids.contains(&pid);
        let members = pids.iter().copied();
        network.read(members, is_member, &mut self.reader, &mut self.values);
        self.traffic()
    }

    fn traffic(&self) -> Option<(i64, i64)> {
        let rx = self.values.get(Metric::NetworkRxBytes);
        rx.zip(self.values.get(Metric::NetworkTxBytes))
    }

    fn get(&self, metric: Metric) -> Option<i64> {
        self.values.get(metric)
    }
}

#[test]
fn everything_that_proc_has_of_the_machine() {
    for kept in [0, 100] {
        let mut story = Story::new(kept);
        story.tree.write_machine().unwrap();
        let links = [("lo", 5, 5), ("eth0", 1000, 200), ("veth1", 7, 7)];
        story.tree.write_net_dev(1, &links).unwrap();
        for _ in 0..3 {
            story.read_machine();
        }
        for (metric, expected) in [
            (Metric::CpuUserUsec, 1_650_000_000),
            (Metric::CpuSystemUsec, 887_000_000),
            (Metric::CpuStealUsec, 400_000),
            (Metric::CpuQuotaUsec, 200_000),
            (Metric::CpuPeriodUsec, 100_000),
            (Metric::MemoryMax, 16_307_520 << 10),
            (Metric::MemoryCurrent, (16_307_520 - 1_020_304) << 10),
            (Metric::MemoryEventsOomKill, 3),
            (Metric::CpuPsiSomeUsec, 912_340),
            (Metric::MemoryPsiSomeUsec, 912_340),
            (Metric::IoPsiFullUsec, 710_220),
            (Metric::Load1Milli, 520),
            (Metric::ThreadCount, 813),
            (Metric::NetworkRxBytes, 1000),
            (Metric::NetworkTxBytes, 200),
            (Metric::NetworkTxDrops, 4),
        ] {
            assert_eq!(story.get(metric), Some(expected), "{}", metric.name());
        }
        assert_eq!(story.reader.refusals().total(), 0);
        assert_eq!(story.reader.refusals().unparsable(), 0);
        assert_eq!(story.descriptors.kept() > 0, kept > 0);
    }
}

#[test]
fn what_proc_does_not_say_is_unknown() {
    let mut story = Story::new(100);
    story.read_machine();
    // The directory itself is there, with nothing in it.
    assert_eq!(story.get(Metric::ProcessCount), Some(0));
    story.values.set(Metric::ProcessCount, None);
    assert!(story.values.is_empty(), "{:?}", story.values);

    story.tree.write_machine().unwrap();
    story.read_machine();
    assert_eq!(
        story.get(Metric::MemoryMax),
        None,
        "asked for once a minute"
    );
    story.machine.ask_again();
    story.read_machine();
    assert!(story.get(Metric::MemoryMax).is_some());

    for name in ["stat", "meminfo", "vmstat", "loadavg"] {
        fs::write(story.tree.path().join(name), "rubbish").unwrap();
    }
    story.read_machine();
    for metric in [
        Metric::CpuUserUsec,
        Metric::CpuQuotaUsec,
        Metric::MemoryMax,
        Metric::MemoryCurrent,
        Metric::MemoryPgfault,
        Metric::Load1Milli,
        Metric::ThreadCount,
    ] {
        assert_eq!(story.get(metric), None, "{}", metric.name());
    }
    assert_eq!(story.reader.refusals().unparsable(), 2, "stat and loadavg");
}

#[test]
fn processes_are_counted_by_the_links_of_the_directory() {
    let mut story = Story::new(100);
    story.tree.write_machine().unwrap();
    let make = |story: &Story, name: &str| fs::create_dir(story.tree.path().join(name)).unwrap();
    for name in ["1", "2", "4000000", "sys", "fs"] {
        make(&story, name);
    }
    story.read_machine();
    assert_eq!(story.get(Metric::ProcessCount), Some(3));
    make(&story, "3");
    story.read_machine();
    assert_eq!(story.get(Metric::ProcessCount), Some(4));
    // What a module adds is known a minute later at the latest.
    make(&story, "driver");
    story.seconds += 60;
    story.read_machine();
    assert_eq!(story.get(Metric::ProcessCount), Some(4));
}

#[test]
fn the_nodes_network_is_that_of_the_first_process_or_else_ours() {
    let mut story = Story::new(100);
    story.tree.write_net_dev(7, &[("eth0", 50, 60)]).unwrap();
    std::os::unix::fs::symlink("7", story.tree.path().join("self")).unwrap();
    story.read_machine();
    assert_eq!(story.traffic(), Some((50, 60)));
    story.tree.write_net_dev(1, &[("eth0", 500, 600)]).unwrap();
    story.machine.ask_again();
    story.read_machine();
    assert_eq!(story.traffic(), Some((500, 600)));
}

#[test]
fn a_pods_network_is_read_through_a_process_that_is_in_it() {
    for kept in [0, 100] {
        let mut story = Story::new(kept);
        story.tree.write_net_dev(1, &[("eth0", 1, 1)]).unwrap();
        let mut network = PodNetwork::default();
        let links = |rx| [("lo", 9, 9), ("eth0", rx, 20), ("net1", 100, 200)];
        for pid in [30, 31] {
            story.tree.write_net_dev(pid, &links(10)).unwrap();
        }
        assert_eq!(story.read_pod(&mut network, &[30, 31]), Some((110, 220)));
        story.tree.write_net_dev(30, &links(15)).unwrap();
        assert_eq!(story.read_pod(&mut network, &[30, 31]), Some((115, 220)));
        assert_eq!(story.descriptors.kept(), kept.min(1));

        // The process ends: another of the pod takes its place, though 30 may be somebody else's.
        story.tree.write_net_dev(31, &links(17)).unwrap();
        assert_eq!(story.read_pod(&mut network, &[31]), Some((117, 220)));
        // One that ended between list and read is passed over.
        fs::remove_dir_all(story.tree.process(31)).unwrap();
        story.tree.write_net_dev(40, &links(19)).unwrap();
        assert_eq!(story.read_pod(&mut network, &[33, 40]), Some((119, 220)));
        // Without a process nothing is known, and the namespace is not held.
        assert_eq!(story.read_pod(&mut network, &[]), None);
        assert_eq!(story.descriptors.kept(), 0);
        assert_eq!(story.reader.refusals().total(), 0);
    }
}

#[test]
fn a_pod_in_the_nodes_network_has_none_of_its_own() {
    let mut story = Story::new(100);
    story.tree.write_net_dev(1, &[("eth0", 1, 1)]).unwrap();
    story.tree.share_net_dev(30, 1).unwrap();
    let mut network = PodNetwork::default();
    assert_eq!(story.read_pod(&mut network, &[30]), None);
    assert_eq!(story.descriptors.kept(), 0);
    // Another pod beside it has.
    story.tree.write_net_dev(31, &[("eth0", 3, 4)]).unwrap();
    let mut other = PodNetwork::default();
    assert_eq!(story.read_pod(&mut other, &[31]), Some((3, 4)));
    // Where the node's is not known, it may be this one.
    fs::remove_dir_all(story.tree.process(1)).unwrap();
    assert_eq!(story.read_pod(&mut PodNetwork::default(), &[31]), None);
}

#[test]
fn a_garbled_list_of_interfaces_has_no_sum() {
    let mut story = Story::new(100);
    story.tree.write_net_dev(1, &[("eth0", 1, 1)]).unwrap();
    story.tree.write_net_dev(30, &[("eth0", 3, 4)]).unwrap();
    let file = story.tree.process(30).join("net/dev");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, &text[..text.len() - 5]).unwrap();
    let mut network = PodNetwork::default();
    assert_eq!(story.read_pod(&mut network, &[30]), None);
    assert_eq!(story.reader.refusals().unparsable(), 1);
    fs::write(&file, &text).unwrap();
    assert_eq!(story.read_pod(&mut network, &[30]), Some((3, 4)));
}
