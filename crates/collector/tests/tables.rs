//! The rows of a tick in all tables, of a fake machine.

#![expect(clippy::unwrap_used, reason = "a test ends where it fails")]

use clap::Parser;
use fgm_collector::config::Config;
use fgm_collector::events::EventMaker;
use fgm_collector::facts::Facts;
use fgm_collector::health::Health;
use fgm_collector::identity::Pods;
use fgm_collector::readings::Readings;
use fgm_collector::tables::Tables;
use fgm_model::{Event, Instance, Metric, Recorder, Row, Table};
use fgm_store::LastRows;
use fgm_testkit::cgroup_tree::{CgroupTree, FakeCgroup, Layout, POD_UID};
use fgm_testkit::proc_tree::{FakeProcess, ProcTree};
use std::path::Path;
use std::sync::Arc;

const LAYOUT: Layout = Layout::SystemdContainerd;

#[derive(Parser)]
struct Cli {
    #[command(flatten)]
    config: Config,
}

/// A machine and its recorder's readings.
struct Story {
    cgroups: CgroupTree,
    proc: ProcTree,
    readings: Option<Readings>,
    maker: EventMaker,
    tables: Tables,
    events: Vec<Event>,
}

impl Story {
    fn new() -> Self {
        let proc = ProcTree::new().unwrap();
        proc.write_machine().unwrap();
        proc.write_net_dev(1, &[("eth0", 5000, 600)]).unwrap();
        Self {
            cgroups: CgroupTree::new(),
            proc,
            readings: None,
            maker: EventMaker::new(Recorder {
                node: "node".to_owned(),
                boot_id: "boot".to_owned(),
                recorder: "fgm".to_owned(),
            }),
            tables: Tables::default(),
            events: Vec::new(),
        }
    }

    /// A container with one process.
    fn container(&self, pod_uid: &str, number: u32) -> FakeCgroup {
        self.proc.write(&FakeProcess::new(number, 5)).unwrap();
        std::fs::write(self.proc.process(number).join("comm"), "app\n").unwrap();
        self.cgroups
            .make_container_of(LAYOUT, pod_uid, &format!("{number:064x}"), number)
    }

    fn pod(&self, pod_uid: &str) -> FakeCgroup {
        self.cgroups.make(&LAYOUT.pod(pod_uid, "").unwrap())
    }

    fn start(&mut self) {
        self.readings = Some(readings(self.cgroups.root(), self.proc.path()).unwrap());
    }

    fn tick(&mut self) {
        self.tables.begin(
            self.tables.metrics.time_ms + 1000,
            self.tables.metrics.clock_epoch,
        );
        self.maker.set_tick(self.tables.metrics.time_ms, 0);
        self.events.clear();
        self.readings
            .as_mut()
            .unwrap()
            .tick(&mut self.tables, &self.maker, &mut self.events);
    }

    /// The row of the only pod.
    fn pod_row(&self) -> &Row {
        let [row] = self.tables.pods.rows.as_slice() else {
            panic!("not one pod: {:?}", self.tables.pods);
        };
        row
    }
}

fn readings(cgroup_root: &Path, proc_root: &Path) -> anyhow::Result<Readings> {
    let Cli { config } = Cli::try_parse_from([
        "fgm".as_ref(),
        "--cgroup-root".as_ref(),
        cgroup_root.as_os_str(),
        "--proc-root".as_ref(),
        proc_root.as_os_str(),
        "--pss-budget".as_ref(),
        "off".as_ref(),
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

/// Every column but those that differ from run to run.
fn shown(row: &Row, table: Table) -> String {
    let Instance {
        container_id,
        life,
        cgroup_path,
        pod_uid,
        qos_class,
        container_name,
        ..
    } = &*row.instance;
    assert!(container_id.starts_with(life.as_str()) && container_id.len() == 64);
    let mut text = format!(
        "cgroup_path: {cgroup_path}\npod_uid: {pod_uid:?}\nqos_class: {qos_class:?}\n\
         container_name: {container_name:?}\nlimits_known: {}\n",
        row.limits_known
    );
    for metric in table.metrics() {
        let value = row.values.get(metric);
        let value = value.map_or("null".to_owned(), |value| value.to_string());
        text += &format!("{}: {value}\n", metric.name());
    }
    text
}

#[test]
fn a_pods_row() {
    let mut story = Story::new();
    for number in [100, 101] {
        story.container(POD_UID, number);
        story
            .proc
            .write_net_dev(number, &[("lo", 7, 7), ("eth0", 120_000, 3400)])
            .unwrap();
    }
    let pod = story.pod(POD_UID);
    pod.set_populated(true);
    pod.write("memory.max", "67108864\n");
    pod.set_key("memory.events", "oom_kill", 2);
    story.start();
    story.tick();
    assert_eq!(story.tables.metrics.rows.len(), 2);
    insta::assert_snapshot!(shown(story.pod_row(), Table::Pods));
}

#[test]
fn the_nodes_row() {
    let mut story = Story::new();
    story.start();
    story.tick();
    // There is one even where there is no container.
    assert_eq!(story.tables.metrics.rows.len(), 0);
    let [row] = story.tables.node.rows.as_slice() else {
        panic!("not one row: {:?}", story.tables.node);
    };
    insta::assert_snapshot!(shown(row, Table::Node));
    // The same from then on, and its CPU usage is the machine's.
    let instance = Arc::clone(&row.instance);
    let root = story.cgroups.make("/");
    let stat = root.read("cpu.stat");
    root.write(
        "cpu.stat",
        stat.replace("user_usec 710080", "user_usec 810080"),
    );
    story.tick();
    let row = &story.tables.node.rows[0];
    assert!(Arc::ptr_eq(&instance, &row.instance));
    assert!(row.values.get(Metric::CpuUsageMillicores) > Some(0));
}

#[test]
fn a_nodes_part_of_the_tree_speaks_for_itself() {
    let mut story = Story::new();
    let root = story.cgroups.make("/");
    root.write("cgroup.type", "domain\n");
    root.write("memory.current", "1234567\n");
    root.write("memory.max", "max\n");
    story.start();
    story.tick();
    let row = &story.tables.node.rows[0];
    let get = |metric| row.values.get(metric);
    assert_eq!(get(Metric::MemoryCurrent), Some(1_234_567));
    assert_eq!(get(Metric::MemoryAnon), Some(18_710_528), "of memory.stat");
    // It has no limit of its own.
    assert_eq!(get(Metric::MemoryMax), Some(16_307_520 << 10));
    assert!(row.limits_known);
}

#[test]
fn a_pods_counters_outlive_its_containers() {
    let mut story = Story::new();
    let container = story.container(POD_UID, 100);
    story
        .proc
        .write_net_dev(100, &[("eth0", 1000, 2000)])
        .unwrap();
    let pod = story.pod(POD_UID);
    story.start();
    story.tick();
    let kills = |story: &Story| {
        let values = &story.pod_row().values;
        (
            values.get(Metric::MemoryEventsOomKill),
            values.get(Metric::NetworkTxBytes),
        )
    };
    assert_eq!(kills(&story), (Some(0), Some(2000)));
    // The container is killed and gone within the second.
    pod.set_key("memory.events", "oom_kill", 1);
    container.remove();
    story.proc.remove(100).unwrap();
    story.tick();
    assert_eq!(story.tables.metrics.rows.len(), 0);
    assert_eq!(kills(&story), (Some(1), None));
    // Its successor is in the same pod.
    story
        .proc
        .write_net_dev(102, &[("eth0", 1500, 2500)])
        .unwrap();
    story.container(POD_UID, 102);
    story.tick();
    assert_eq!(story.tables.metrics.rows.len(), 1);
    assert_eq!(kills(&story), (Some(1), Some(2500)));
}

#[test]
fn pods_come_and_go() {
    let mut story = Story::new();
    story.start();
    story.tick();
    assert_eq!(story.tables.pods.rows.len(), 0);

    story.container(POD_UID, 100);
    story.tick();
    let first = Arc::clone(&story.pod_row().instance);
    assert_eq!(first.pod_uid.as_deref(), Some(POD_UID));
    assert_eq!(first.container_name, None);
    assert!(story.pod_row().read_offset_us != 0);

    // The kernel tells of the last process's end before the cgroup goes: a last reading.
    let pod = story.pod(POD_UID);
    pod.set_key("memory.events", "oom_kill", 5);
    pod.set_populated(false);
    story.tick();
    let last = story.pod_row().values.get(Metric::MemoryEventsOomKill);
    assert_eq!(last, Some(5));
    pod.remove();
    story.tick();
    assert_eq!(
        story.tables.pods.rows.len(),
        0,
        "it was read by the last tick"
    );

    story.container(POD_UID, 101);
    story.tick();
    assert_ne!(story.pod_row().instance.life, first.life, "another life");
    // A pod has no events of its own.
    assert!(
        story
            .events
            .iter()
            .all(|event| event.instance.as_ref().unwrap().container_id == format!("{:064x}", 101))
    );
    assert!(!story.events.is_empty());
}

#[test]
fn a_pod_on_the_nodes_network_has_none() {
    let mut story = Story::new();
    story.container(POD_UID, 100);
    story.proc.share_net_dev(100, 1).unwrap();
    let other = "11111111-52c1-4e5a-9d3b-1a2b3c4d5e6f";
    story.container(other, 101);
    story.proc.write_net_dev(101, &[("eth0", 10, 20)]).unwrap();
    story.start();
    story.tick();
    let rx = |pod_uid: &str| {
        let mut rows = story.tables.pods.rows.iter();
        let row = rows.find(|row| row.instance.pod_uid.as_deref() == Some(pod_uid));
        row.unwrap().values.get(Metric::NetworkRxBytes)
    };
    assert_eq!(rx(POD_UID), None);
    assert_eq!(rx(other), Some(10));
    let node = &story.tables.node.rows[0];
    assert_eq!(node.values.get(Metric::NetworkRxBytes), Some(5000));
}
