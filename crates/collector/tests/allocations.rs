//! A steady tick allocates nothing: the same containers and processes, read again and again.
//!
//! Alone in its file, since it counts every allocation of the test program. The sweep over the
//! tree, once in ten seconds, lists directories and is not a steady tick.

use clap::Parser;
use fgm_collector::config::Config;
use fgm_collector::events::EventMaker;
use fgm_collector::facts::Facts;
use fgm_collector::health::Health;
use fgm_collector::identity::Pods;
use fgm_collector::readings::Readings;
use fgm_collector::tables::Tables;
use fgm_model::{Metric, Recorder, Row};
use fgm_store::LastRows;
use fgm_testkit::cgroup_tree::{CgroupTree, Layout};
use fgm_testkit::proc_tree::{FakeProcess, ProcTree};
use std::sync::Arc;
use std::time::Duration;

#[global_allocator]
static ALLOCATOR: dhat::Alloc = dhat::Alloc;

const CONTAINERS: u32 = 40;
const TICKS: i64 = 100;

#[derive(Parser)]
struct Cli {
    #[command(flatten)]
    config: Config,
}

/// A recorder's readings of that tree, with some files kept and some opened for each read.
fn readings(cgroups: &CgroupTree, processes: &ProcTree) -> anyhow::Result<Readings> {
    let Cli { config } = Cli::try_parse_from([
        "fgm".as_ref(),
        "--cgroup-root".as_ref(),
        cgroups.root().as_os_str(),
        "--proc-root".as_ref(),
        processes.path().as_os_str(),
        "--max-open-files".as_ref(),
        "500".as_ref(),
    ])?;
    let health = Arc::new(Health::new(config.interval));
    let pods = Pods::new(false, config.seal);
    Readings::new(
        &config,
        "boot",
        LastRows::default(),
        Facts::default(),
        pods,
        health,
    )
}

#[test]
fn a_steady_tick_allocates_nothing() {
    let cgroups = CgroupTree::new();
    let processes = ProcTree::new().unwrap();
    processes.write_machine().unwrap();
    processes.write_net_dev(1, &[("eth0", 9, 9)]).unwrap();
    for number in 2..2 + CONTAINERS {
        let pod_uid = format!("{number:08x}-0000-4000-8000-000000000000");
        // CRI-O's processes are in a cgroup below the container's.
        let layout = if number % 4 == 0 {
            Layout::SystemdCrio
        } else {
            Layout::SystemdContainerd
        };
        let container =
            cgroups.make_container_of(layout, &pod_uid, &format!("{number:064x}"), number);
        processes.write(&FakeProcess::new(number, 5)).unwrap();
        processes.write_smaps_rollup(number, 40, 20).unwrap();
        std::fs::write(processes.process(number).join("comm"), "app\n").unwrap();
        if number % 6 == 0 {
            processes.share_net_dev(number, 1).unwrap();
        } else {
            processes.write_net_dev(number, &[("eth0", 7, 7)]).unwrap();
        }
        if number % 5 == 0 {
            // A read that is refused at each tick (it is a directory) is counted without more.
            container.remove_file("memory.peak");
            std::fs::create_dir(container.directory().join("memory.peak")).unwrap();
        }
    }
    let mut readings = readings(&cgroups, &processes).unwrap();
    let mut maker = EventMaker::new(Recorder {
        node: "node".to_owned(),
        boot_id: "boot".to_owned(),
        recorder: "fgm".to_owned(),
    });
    let mut tables = Tables::default();
    let mut events = Vec::new();
    let mut take = |tables: &mut Tables| {
        tables.begin(tables.metrics.time_ms + 1000, 0);
        maker.set_tick(tables.metrics.time_ms, 0);
        events.clear();
        readings.tick(tables, &maker, &mut events);
        assert_eq!(tables.metrics.rows.len(), CONTAINERS as usize);
        assert_eq!(tables.pods.rows.len(), CONTAINERS as usize);
        assert_eq!(tables.node.rows.len(), 1);
    };
    let known = |tables: &Tables, metric| {
        let mut rows = tables.metrics.rows.iter();
        rows.all(|row| row.values.get(metric).is_some())
    };
    // Until everything was opened, learned, scanned and told.
    loop {
        take(&mut tables);
        if known(&tables, Metric::MemoryPss) && known(&tables, Metric::ContextSwitchesVoluntary) {
            break;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    for _ in 0..10 {
        take(&mut tables);
    }

    // The test harness may allocate beside us now and then; what we allocate comes in each round.
    let fewest = (0..5).map(|_| {
        let _profiler = dhat::Profiler::builder().testing().build();
        for _ in 0..TICKS {
            take(&mut tables);
        }
        dhat::HeapStats::get().total_blocks
    });
    assert_eq!(fewest.min(), Some(0));
    assert!(known(&tables, Metric::MemoryAnon) && known(&tables, Metric::IoRchar));
    let with_network = |row: &&Row| row.values.get(Metric::NetworkRxBytes) == Some(7);
    let with_network = tables.pods.rows.iter().filter(with_network).count();
    assert_eq!(
        with_network,
        (2..2 + CONTAINERS).filter(|number| number % 6 != 0).count()
    );
    assert!(tables.node.rows[0].values.get(Metric::Load1Milli).is_some());
}
