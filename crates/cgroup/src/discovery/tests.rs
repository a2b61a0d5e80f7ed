use super::*;
use crate::found::Found;
use crate::sandbox::ProcCommands;
use fgm_testkit::cgroup_tree::{CgroupTree, FakeCgroup, Layout};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

const POD: &str = "6f0b2d8e-52c1-4e5a-9d3b-1a2b3c4d5e6f";

struct Fixture {
    tree: CgroupTree,
    discovery: Discovery,
    live: BTreeMap<CgroupId, Found>,
}

impl Fixture {
    fn start(tree: CgroupTree, scope: Scope) -> Self {
        let mount = Mount::find(&tree.proc_root(), Some(tree.root())).expect("mount");
        let mut changes = Vec::new();
        let discovery = Discovery::start(
            &mount,
            scope,
            Box::new(ProcCommands::new(tree.proc_root())),
            Descriptors::new(100),
            &mut changes,
        )
        .expect("start");
        let mut fixture = Self {
            tree,
            discovery,
            live: BTreeMap::new(),
        };
        fixture.take_in(&changes);
        fixture
    }

    fn take_in(&mut self, changes: &[Change]) {
        for change in changes {
            match change {
                Change::Born { id, found } => {
                    assert_eq!(self.live.insert(*id, (**found).clone()), None);
                }
                Change::Ended { id } | Change::LeftOut { id } => {
                    assert!(self.live.remove(id).is_some());
                }
                _ => {}
            }
        }
    }

    fn poll(&mut self) -> Vec<Change> {
        let mut changes = Vec::new();
        self.discovery.poll(&mut changes);
        self.take_in(&changes);
        changes
    }

    fn sweep(&mut self) -> Vec<Change> {
        let mut changes = Vec::new();
        self.discovery.sweep(&mut changes);
        self.take_in(&changes);
        changes
    }

    fn paths(&self) -> BTreeSet<String> {
        self.live.values().map(|found| found.path.clone()).collect()
    }

    fn id_of(&self, cgroup: &FakeCgroup) -> CgroupId {
        let found = self
            .live
            .iter()
            .find(|(_, found)| found.path == cgroup.path());
        *found.expect("has a row").0
    }
}

/// A container of the layout with an ID of its own.
fn container(tree: &CgroupTree, layout: Layout, number: u32) -> FakeCgroup {
    tree.make_container_of(layout, POD, &format!("{number:064x}"), number)
}

#[test]
fn every_layout_is_found_at_start_and_when_it_is_made() {
    for layout in Layout::ALL {
        let tree = CgroupTree::new();
        tree.set_command(1, "app");
        tree.set_command(2, "app");
        let first = container(&tree, *layout, 1);
        let mut f = Fixture::start(tree, Scope::Containers);
        let second = container(&f.tree, *layout, 2);
        f.poll();
        let mut expected: BTreeSet<_> = [&first, &second]
            .map(|cgroup| cgroup.path().to_owned())
            .into();
        expected.extend(layout.pod(POD, &format!("{:064x}", 1)));
        assert_eq!(f.paths(), expected, "{}", layout.help());
        assert_eq!(f.discovery.notice(), None);
        first.remove();
        f.poll();
        assert!(!f.paths().contains(first.path()), "{}", layout.help());
    }
}

#[test]
fn changes_are_told_by_the_kernel() {
    let mut f = Fixture::start(CgroupTree::new(), Scope::Containers);
    let cgroup = container(&f.tree, Layout::DockerSystemd, 1);
    f.poll();
    let id = f.id_of(&cgroup);
    cgroup.write("memory.max", "5\n");
    cgroup.write("cpu.max", "1 2\n");
    assert_eq!(f.poll(), [Change::LimitsWritten { id }]);
    cgroup.set_key("memory.events", "oom_kill", 1);
    assert_eq!(f.poll(), [Change::MemoryEvents { id }]);
    cgroup.set_populated(false);
    assert!(f.poll().contains(&Change::Unpopulated { id }));
    cgroup.remove();
    assert_eq!(f.poll().last(), Some(&Change::Ended { id }));
    assert!(f.discovery.reader(id).is_none());
    assert_eq!(f.poll(), []);
}

#[test]
fn a_replacement_at_the_same_path_is_another() {
    let mut f = Fixture::start(CgroupTree::new(), Scope::Containers);
    let first = container(&f.tree, Layout::DockerSystemd, 1);
    f.poll();
    let id = f.id_of(&first);
    first.remove();
    let second = container(&f.tree, Layout::DockerSystemd, 1);
    let changes = f.poll();
    assert!(changes.contains(&Change::Ended { id }));
    assert_ne!(f.id_of(&second), id);
}

#[test]
fn a_reader_reads_what_was_born() {
    let mut f = Fixture::start(CgroupTree::new(), Scope::Containers);
    let cgroup = container(&f.tree, Layout::SystemdGuaranteed, 7);
    f.poll();
    let mut context = ReadContext::new(Descriptors::new(100));
    let mut values = fgm_model::Values::default();
    let mut reader = f.discovery.reader(f.id_of(&cgroup)).expect("reader");
    assert_eq!(
        reader.read(&mut values, &mut context),
        crate::Outcome::Alive
    );
    assert_eq!(reader.pids(), [7]);
    assert_eq!(f.discovery.row_count(), 2, "the pod and the container");
}

#[test]
fn a_reader_knows_of_cgroups_made_below() {
    for told in [true, false] {
        let tree = CgroupTree::new();
        let cgroup = container(&tree, Layout::SystemdContainerd, 1);
        let mut f = Fixture::start(tree, Scope::Containers);
        let id = f.id_of(&cgroup);
        let mut reader = f.discovery.reader(id).expect("reader");
        let mut context = ReadContext::new(Descriptors::new(100));
        let mut pids = |f: &mut Fixture| {
            if told {
                f.poll();
            } else {
                f.sweep();
            }
            let mut values = fgm_model::Values::default();
            let outcome = reader.read(&mut values, &mut context);
            assert_eq!(outcome, crate::Outcome::Alive);
            reader.pids().to_vec()
        };
        let before = pids(&mut f);
        if !told {
            f.discovery.watcher = None;
        }
        let below = f.tree.make(&format!("{}/below", cgroup.path()));
        below.set_pids(&[77]);
        assert_eq!(pids(&mut f), [before.clone(), vec![77]].concat());
        below.remove();
        assert_eq!(pids(&mut f), before);
    }
}

#[test]
fn a_sandbox_is_left_out() {
    let tree = CgroupTree::new();
    tree.set_command(1, "pause");
    tree.set_command(2, "app");
    let sandbox = container(&tree, Layout::SystemdContainerd, 1);
    let mut f = Fixture::start(tree, Scope::Containers);
    let app = container(&f.tree, Layout::SystemdContainerd, 2);
    f.poll();
    assert!(!f.paths().contains(sandbox.path()));
    assert!(f.paths().contains(app.path()));
}

#[test]
fn a_sandbox_seen_at_its_birth_is_taken_back() {
    let mut f = Fixture::start(CgroupTree::new(), Scope::Containers);
    f.tree.set_command(1, "runc:[2:INIT]");
    let sandbox = container(&f.tree, Layout::SystemdContainerd, 1);
    f.poll();
    let id = f.id_of(&sandbox);
    assert!(f.discovery.is_undecided(id));
    f.tree.set_command(1, "pause");
    assert_eq!(f.poll(), [Change::LeftOut { id }]);
    assert!(!f.discovery.is_undecided(id));
}

#[test]
fn scope_all_shows_units_and_leaves() {
    let tree = CgroupTree::new();
    for path in [
        "/system.slice/nginx.service/workers",
        "/user.slice/user-1.slice/user@1.service/app.slice/a.service",
        "/box/inner",
        "/empty.slice",
    ] {
        tree.make(path);
    }
    let docker = container(&tree, Layout::DockerSystemd, 1);
    let mut f = Fixture::start(tree, Scope::All);
    let mut expected: BTreeSet<String> = [
        "/system.slice/nginx.service",
        "/user.slice/user-1.slice/user@1.service/app.slice/a.service",
        "/box/inner",
        docker.path(),
    ]
    .map(str::to_owned)
    .into();
    assert_eq!(f.paths(), expected);
    // A cgroup that gets another below it is no leaf any more, and becomes one again.
    f.tree.make("/box/inner/most");
    f.poll();
    expected.remove("/box/inner");
    expected.insert("/box/inner/most".to_owned());
    assert_eq!(f.paths(), expected);
    f.tree.make("/box/inner/most").remove();
    f.poll();
    assert!(f.paths().contains("/box/inner"));
}

#[test]
fn a_bare_machine_is_one_row_and_says_why() {
    let mut f = Fixture::start(CgroupTree::new(), Scope::All);
    assert_eq!(f.paths(), BTreeSet::from(["/".to_owned()]));
    let root = f.tree.root().display().to_string();
    let mut notices = vec![f.discovery.notice().expect("notice")];
    f.tree.make("/system.slice/cron.service");
    f.poll();
    assert!(!f.paths().contains("/"));
    notices.push(f.discovery.notice().expect("notice"));
    let f = Fixture::start(CgroupTree::new(), Scope::Containers);
    assert!(f.paths().is_empty());
    let notice = f.discovery.notice().expect("notice");
    notices.push(notice.replace(&f.tree.root().display().to_string(), "ROOT"));
    insta::assert_snapshot!(notices.join("\n").replace(&root, "ROOT"));
}

#[test]
fn without_inotify_sweeps_find_everything() {
    let mut f = Fixture::start(CgroupTree::new(), Scope::Containers);
    f.discovery.watcher = None;
    let cgroup = container(&f.tree, Layout::DockerSystemd, 1);
    assert_eq!(f.poll(), []);
    assert_eq!(f.discovery.sweep_interval(), SWEEP_UNWATCHED);
    f.sweep();
    let id = f.id_of(&cgroup);
    cgroup.set_populated(false);
    assert_eq!(f.sweep(), [Change::Unpopulated { id }]);
    cgroup.remove();
    assert_eq!(f.sweep(), [Change::Ended { id }]);
}

#[test]
fn a_lack_of_watches_is_said_once() {
    let mut f = Fixture::start(CgroupTree::new(), Scope::Containers);
    assert_eq!(f.discovery.take_warning(), None);
    f.discovery.warning = Some(Warning::NoWatch(Errno::NOSPC));
    assert_eq!(
        f.discovery.take_warning(),
        Some(Warning::NoWatch(Errno::NOSPC))
    );
    assert_eq!(f.discovery.take_warning(), None);
}

#[test]
fn after_lost_events_a_poll_sweeps() {
    let mut f = Fixture::start(CgroupTree::new(), Scope::Containers);
    // As if the queue had overflowed: the making is never told.
    f.discovery.told.push(Told::Overflow);
    let hidden = f.discovery.watcher.take();
    container(&f.tree, Layout::DockerSystemd, 1);
    f.poll();
    assert_eq!(f.paths().len(), 1);
    drop(hidden);
}

fn open_files() -> usize {
    std::fs::read_dir("/proc/self/fd").expect("list").count()
}

#[test]
fn thousands_of_lives_leak_nothing() {
    // Also descriptors of other tests of this process come and go: only a leak of one for
    // each life would show.
    const LIVES: u32 = 2000;
    let mut f = Fixture::start(CgroupTree::new(), Scope::All);
    let directories = |f: &Fixture| f.discovery.watch_count();
    container(&f.tree, Layout::Kind, 0);
    f.poll();
    let (watches, files) = (directories(&f), open_files());
    let slice = f.live.values().find(|found| found.kind == Kind::Pod);
    let pod = slice.expect("pod").path.clone();
    for number in 0..LIVES {
        let directory = f
            .tree
            .root()
            .join(&pod[1..])
            .join(format!("{number}.scope"));
        std::fs::create_dir(&directory).expect("make");
        if number % 3 > 0 {
            f.poll();
        }
        std::fs::remove_dir(&directory).expect("remove");
        if number % 2 > 0 {
            f.poll();
        }
    }
    f.poll();
    assert_eq!(directories(&f), watches);
    assert_eq!(f.discovery.row_count(), 2);
    assert!(open_files() < files + LIVES as usize / 2);
}

#[derive(Debug, Clone)]
enum Step {
    Make(u32, usize),
    Remove(u32, usize),
    Poll,
    Sweep,
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    /// On a real file system with real inotify: whatever happens, the rows become those that
    /// a fresh start finds.
    #[test]
    fn converges_to_a_fresh_start(
        steps in proptest::collection::vec(prop_oneof![
            4 => (0..3_u32, 0..Layout::ALL.len()).prop_map(|(n, l)| Step::Make(n, l)),
            3 => (0..3_u32, 0..Layout::ALL.len()).prop_map(|(n, l)| Step::Remove(n, l)),
            2 => Just(Step::Poll),
            1 => Just(Step::Sweep),
        ], 0..25),
        all: bool,
    ) {
        let scope = if all { Scope::All } else { Scope::Containers };
        let mut f = Fixture::start(CgroupTree::new(), scope);
        for step in steps {
            match step {
                Step::Make(number, layout) => {
                    let path = Layout::ALL[layout].boundary(POD, &format!("{number:064x}"));
                    f.tree.make_bare(&path);
                }
                Step::Remove(number, layout) => {
                    let path = Layout::ALL[layout].boundary(POD, &format!("{number:064x}"));
                    let directory = f.tree.root().join(&path[1..]);
                    if directory.exists() {
                        std::fs::remove_dir_all(directory).expect("remove");
                    }
                }
                Step::Poll => {
                    f.poll();
                }
                Step::Sweep => {
                    f.sweep();
                }
            }
        }
        f.poll();
        let found: BTreeSet<_> = f.live.values().map(|found| (found.path.clone(), found.inode)).collect();
        let watches = f.discovery.watch_count();
        let fresh = Fixture::start(f.tree, scope);
        let truth: BTreeSet<_> = fresh.live.values().map(|found| (found.path.clone(), found.inode)).collect();
        prop_assert_eq!(found, truth);
        prop_assert_eq!(watches, fresh.discovery.watch_count());
    }
}
