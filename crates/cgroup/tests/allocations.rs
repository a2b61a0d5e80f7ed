//! A steady tick allocates nothing. Alone in its binary: the counting allocator counts all
//! threads.

#![expect(
    clippy::expect_used,
    reason = "a failed expectation is how a test fails, in its helpers too"
)]

use fgm_cgroup::{
    CgroupReader, Change, Discovery, Mount, Outcome, ProcCommands, ReadContext, Scope,
};
use fgm_kernfile::Descriptors;
use fgm_model::{Metric, Values};
use fgm_testkit::cgroup_tree::{CgroupTree, FakeCgroup, Layout};

#[global_allocator]
static ALLOCATOR: dhat::Alloc = dhat::Alloc;

const POD: &str = "6f0b2d8e-52c1-4e5a-9d3b-1a2b3c4d5e6f";

/// One tick over all readers, the limits included, which are due now and then; gives the sum of what was read, so that a test can see that it
/// was.
fn tick(readers: &mut [CgroupReader], values: &mut Values, context: &mut ReadContext) -> i64 {
    let mut sum = 0;
    for reader in readers {
        assert_eq!(reader.read_limits(context), Outcome::Alive);
        assert_eq!(reader.read(values, context), Outcome::Alive);
        sum += values.get(Metric::MemoryCurrent).expect("read");
        sum += i64::try_from(reader.pids().len()).expect("few");
    }
    sum
}

fn steady_ticks_allocate_nothing(
    most_descriptors: usize,
    changing: &FakeCgroup,
    tree: &CgroupTree,
) {
    let mount = Mount::find(&tree.proc_root(), Some(tree.root())).expect("mount");
    let mut changes = Vec::new();
    let mut discovery = Discovery::start(
        &mount,
        Scope::All,
        Box::new(ProcCommands::new(tree.proc_root())),
        Descriptors::new(100),
        &mut changes,
    )
    .expect("start");
    let mut readers = Vec::new();
    for change in changes.drain(..) {
        if let Change::Born { id, .. } = change {
            readers.push(discovery.reader(id).expect("reader"));
        }
    }
    assert!(readers.len() > Layout::ALL.len(), "containers and pods");
    let mut context = ReadContext::new(Descriptors::new(most_descriptors));
    let mut values = Values::default();
    // The first tick opens and learns; by the second it is known who has the cpu controller.
    for _ in 0..2 {
        tick(&mut readers, &mut values, &mut context);
    }

    // The test harness may allocate beside us now and then; what we allocate comes in each round.
    let mut sums = [0; 3];
    let fewest = (0..5).map(|_| {
        let before = dhat::HeapStats::get().total_blocks;
        for sum in &mut sums {
            discovery.poll(&mut changes);
            *sum = tick(&mut readers, &mut values, &mut context);
        }
        dhat::HeapStats::get().total_blocks - before
    });
    assert_eq!(fewest.min(), Some(0));
    assert_eq!(sums[0], sums[2]);

    // It was really read: another number is seen.
    changing.write("memory.current", "99999999\n");
    let changed = tick(&mut readers, &mut values, &mut context);
    assert_ne!(changed, sums[0]);
    changing.write("memory.current", "25214976\n");
}

#[test]
fn within_and_beyond_the_cap_of_descriptors() {
    let _profiler = dhat::Profiler::builder().testing().build();
    let tree = CgroupTree::new();
    let mut changing = None;
    for (layout, pid) in Layout::ALL.iter().zip(1..) {
        tree.set_command(pid, "app");
        changing = Some(tree.make_container_of(*layout, POD, &format!("{pid:064x}"), pid));
    }
    let changing = changing.expect("layouts");
    steady_ticks_allocate_nothing(10_000, &changing, &tree);
    steady_ticks_allocate_nothing(20, &changing, &tree);
}
