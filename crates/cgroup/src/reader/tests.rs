use super::*;
use fgm_testkit::cgroup_tree::{CgroupTree, FakeCgroup, Layout};
use proptest::prelude::*;

struct Fixture {
    tree: CgroupTree,
    cgroup: FakeCgroup,
    reader: CgroupReader,
    context: ReadContext,
    values: Values,
}

fn fixture(most_descriptors: usize) -> Fixture {
    let tree = CgroupTree::new();
    let cgroup = tree.make_container(Layout::SystemdCrio, 4242);
    Fixture {
        reader: CgroupReader::open(cgroup.directory(), Processes::Listed).expect("open"),
        context: ReadContext::new(Descriptors::new(most_descriptors)),
        values: Values::default(),
        cgroup,
        tree,
    }
}

impl Fixture {
    fn read(&mut self) -> Outcome {
        self.reader.read(&mut self.values, &mut self.context)
    }

    fn read_limits(&mut self) -> Outcome {
        self.reader.read_limits(&mut self.context)
    }

    /// Known values, a line each.
    fn known(&self) -> String {
        let lines = Metric::ALL.into_iter().filter_map(|metric| {
            let value = self.values.get(metric)?;
            Some(format!("{} {value}\n", metric.name()))
        });
        lines.collect()
    }
}

#[test]
fn every_metric_of_a_real_container() {
    let mut f = fixture(100);
    f.cgroup.write("cpu.max", "20000 100000\n");
    f.cgroup.write("memory.max", "67108864\n");
    assert_eq!(f.read_limits(), Outcome::Alive);
    assert_eq!(f.read(), Outcome::Alive);
    assert!(f.reader.limits().known);
    assert_eq!(f.reader.pids(), [4242]);
    insta::assert_snapshot!(f.known());
}

#[test]
fn a_second_read_sees_what_changed() {
    for most in [0, 3, 100] {
        let mut f = fixture(most);
        assert_eq!(f.read(), Outcome::Alive);
        assert!(f.context.descriptors.kept() <= most);
        f.cgroup.write("memory.current", "77\n");
        f.cgroup.set_key("memory.events", "oom_kill", 3);
        f.cgroup.set_pressure("io.pressure", 1234, 567);
        assert_eq!(f.read(), Outcome::Alive);
        assert_eq!(f.values.get(Metric::MemoryCurrent), Some(77));
        assert_eq!(f.values.get(Metric::MemoryEventsOomKill), Some(3));
        assert_eq!(f.values.get(Metric::IoPsiFullUsec), Some(567));
    }
}

#[test]
fn the_cap_is_used_and_given_back() {
    let mut f = fixture(5);
    let _ = f.read();
    assert_eq!(f.context.descriptors.kept(), 5);
    drop(f.reader);
    assert_eq!(f.context.descriptors.kept(), 0);
}

#[test]
fn files_that_the_kernel_lacks_leave_nulls() {
    let mut f = fixture(100);
    let lacking = [
        "memory.peak",
        "memory.zswap.current",
        "cpu.pressure",
        "io.stat",
    ];
    for file in lacking {
        f.cgroup.remove_file(file);
    }
    assert_eq!(f.read(), Outcome::Alive);
    for metric in [
        Metric::MemoryPeak,
        Metric::MemoryZswapCurrent,
        Metric::CpuPsiSomeUsec,
        Metric::IoReadBytes,
    ] {
        assert_eq!(f.values.get(metric), None, "{}", metric.name());
    }
    assert_eq!(f.values.get(Metric::PidsCurrent), Some(3));
    // A controller that is enabled later is seen when it is asked for again.
    f.cgroup.write("memory.peak", "5\n");
    assert_eq!(f.read(), Outcome::Alive);
    assert_eq!(f.values.get(Metric::MemoryPeak), None);
    f.reader.ask_again();
    assert_eq!(f.read(), Outcome::Alive);
    assert_eq!(f.values.get(Metric::MemoryPeak), Some(5));
}

#[test]
fn a_value_that_became_unreadable_is_unknown_again() {
    let mut f = fixture(100);
    assert_eq!(f.read(), Outcome::Alive);
    f.cgroup.write("memory.current", "garbage\n");
    f.cgroup.write("memory.stat", "");
    assert_eq!(f.read(), Outcome::Alive);
    assert_eq!(f.values.get(Metric::MemoryCurrent), None);
    assert_eq!(f.values.get(Metric::MemoryAnon), None);
}

#[test]
fn a_refused_read_is_counted_and_null() {
    let mut f = fixture(100);
    f.cgroup.remove_file("memory.current");
    f.tree.make(&format!("{}/memory.current", f.cgroup.path()));
    assert_eq!(f.read(), Outcome::Alive);
    assert_eq!(f.values.get(Metric::MemoryCurrent), None);
    let counts: Vec<_> = f.context.refusals.iter().collect();
    assert_eq!(counts, [(Errno::ISDIR, 1)]);
}

#[test]
fn a_container_that_vanishes_keeps_what_was_read() {
    // Three descriptors are kept: these files still answer, as the kernel's would not.
    let mut f = fixture(3);
    assert_eq!(f.read(), Outcome::Alive);
    f.values.clear();
    f.cgroup.remove();
    assert_eq!(f.read(), Outcome::Ended);
    assert!(f.values.get(Metric::ProcessCount).is_some());
    assert!(f.values.get(Metric::CpuUserUsec).is_some());
    assert_eq!(f.values.get(Metric::PidsCurrent), None);
}

#[test]
fn limits_are_unlimited_unknown_or_numbers() {
    let mut f = fixture(100);
    assert_eq!(f.read(), Outcome::Alive);
    assert!(!f.reader.limits().known, "not read yet");
    assert_eq!(f.values.get(Metric::CpuWeight), None);

    assert_eq!(f.read_limits(), Outcome::Alive);
    let unlimited = *f.reader.limits();
    assert!(unlimited.known);
    assert_eq!(unlimited.memory_max, None);
    assert_eq!(unlimited.cpu_period_usec, Some(100_000));

    f.cgroup.write("memory.max", "1000\n");
    assert_eq!(f.read_limits(), Outcome::Alive);
    assert_ne!(*f.reader.limits(), unlimited);
    assert_eq!(f.read(), Outcome::Alive);
    assert_eq!(f.values.get(Metric::MemoryMax), Some(1000));

    f.cgroup.write("pids.max", "?\n");
    assert_eq!(f.read_limits(), Outcome::Alive);
    assert!(!f.reader.limits().known, "one of them is garbled");

    f.cgroup.remove();
    assert_eq!(f.read_limits(), Outcome::Ended);
    assert_eq!(f.reader.limits().memory_max, Some(1000), "kept as it was");
}

#[test]
fn the_root_cgroup_gives_what_it_has() {
    let tree = CgroupTree::new();
    let mut reader = CgroupReader::open(tree.root(), Processes::LeftOut).expect("open");
    let mut context = ReadContext::new(Descriptors::new(100));
    let mut values = Values::default();
    assert_eq!(reader.read_limits(&mut context), Outcome::Alive);
    assert_eq!(reader.read(&mut values, &mut context), Outcome::Alive);
    assert!(values.get(Metric::CpuUserUsec).is_some());
    assert!(values.get(Metric::MemoryAnon).is_some());
    assert_eq!(values.get(Metric::MemoryCurrent), None);
    assert_eq!(values.get(Metric::ProcessCount), None);
    assert!(!reader.limits().known, "there is no file that could say");
    assert_eq!(context.refusals.total(), 0);
}

#[test]
fn other_metrics_are_left_alone() {
    let mut f = fixture(100);
    f.values.set(Metric::MemoryPss, Some(9));
    f.values.set(Metric::CpuUsageMillicores, Some(7));
    assert_eq!(f.read(), Outcome::Alive);
    assert_eq!(f.values.get(Metric::MemoryPss), Some(9));
    assert_eq!(f.values.get(Metric::CpuUsageMillicores), Some(7));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    /// Whichever files are missing, cut or full of rubbish: a row with nulls, and what is left
    /// alone is read right.
    #[test]
    fn partial_rows(damages in proptest::collection::vec((any::<usize>(), 0..4_u8, any::<usize>()), 0..8)) {
        let mut f = fixture(10);
        let _ = f.read_limits();
        let _ = f.read();
        let whole = f.values.clone();
        let mut files: Vec<_> = std::fs::read_dir(f.cgroup.directory())
            .expect("list")
            .map(|entry| entry.expect("entry"))
            .filter(|entry| entry.path().is_file() && entry.file_name() != "cgroup.procs")
            .map(|entry| entry.file_name().into_string().expect("text"))
            .collect();
        files.sort();
        let mut damaged = Vec::new();
        for (which, how, at) in damages {
            let file = files.remove(which % files.len());
            let content = f.cgroup.read(&file);
            // Cut within a line: whole devices less in io.stat would be a truth as well.
            let cut = content[..at % content.len().max(1)].trim_end_matches('\n');
            match how {
                0 => f.cgroup.remove_file(&file),
                1 => f.cgroup.write(&file, if cut.is_empty() { "\n" } else { cut }),
                2 => f.cgroup.write(&file, [0xff, b'\n', 0]),
                _ => f.cgroup.write(&file, "9".repeat(30)),
            }
            damaged.push(file);
        }
        let mut reader = CgroupReader::open(f.cgroup.directory(), Processes::Listed).expect("open");
        let _ = reader.read_limits(&mut f.context);
        prop_assert_eq!(reader.read(&mut f.values, &mut f.context), Outcome::Alive);
        for metric in Metric::ALL {
            let source = metric.def().source.split(' ').next().unwrap_or_default();
            let read = f.values.get(metric);
            if damaged.iter().any(|file| file == source) {
                prop_assert!(
                    read.is_none() || read == whole.get(metric),
                    "{} is {read:?}", metric.name()
                );
            } else {
                prop_assert_eq!(read, whole.get(metric), "{}", metric.name());
            }
        }
    }
}
