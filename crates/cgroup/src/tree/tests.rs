use super::*;
use crate::sandbox::Verdict;

mod world;

const DOCKER: &str =
    "docker-4e1a9c77d0b25f3e8a6c1d94b7f02e5538c9d6a1f4b07e23951c8ad6e0f3b742.scope";

/// A small tree whose births are looked at one by one.
struct Births {
    tree: Tree,
    actions: Vec<Action>,
    next: u64,
}

impl Births {
    fn new() -> Self {
        let root = Sighting {
            inode: 1,
            watch: None,
        };
        Self {
            tree: Tree::new(Scope::Containers, root),
            actions: Vec::new(),
            next: 10,
        }
    }

    fn make(&mut self, parent: CgroupId, name: &str) -> CgroupId {
        self.next += 1;
        let found = Some(Sighting {
            inode: self.next,
            watch: Some(i32::try_from(self.next).expect("few")),
        });
        let event = Event::Looked {
            parent,
            name,
            found,
        };
        self.tree.handle(event, &mut self.actions);
        self.tree
            .watched_by(i32::try_from(self.next).expect("few"))
            .expect("known")
    }

    /// What the event leads to, but for looking around.
    fn tell(&mut self, event: Event<'_>) -> Vec<Change> {
        self.actions.clear();
        self.tree.handle(event, &mut self.actions);
        let told = self.actions.iter().filter_map(|action| match action {
            Action::Tell(change) => Some(change.clone()),
            _ => None,
        });
        told.collect()
    }

    fn probe(&mut self, id: CgroupId, verdict: Verdict) -> Vec<Change> {
        self.tell(Event::Probed { id, verdict })
    }

    fn pod(&mut self) -> CgroupId {
        let slice = self.make(self.tree.root(), "kubepods.slice");
        self.make(slice, "kubepods-podabc.slice")
    }
}

fn is_birth(changes: &[Change]) -> bool {
    matches!(changes, [Change::Born { .. }])
}

#[test]
fn a_sandbox_that_runs_is_never_born() {
    let mut births = Births::new();
    let pod = births.pod();
    let sandbox = births.make(pod, "cri-containerd-1.scope");
    assert_eq!(births.probe(sandbox, Verdict::OnlyPause), []);
    let container = births.make(pod, "cri-containerd-2.scope");
    assert!(is_birth(&births.probe(container, Verdict::Container)));
    assert_eq!(births.tree.containers(), 1);
}

#[test]
fn a_sandbox_that_starts_is_taken_back() {
    let mut births = Births::new();
    let pod = births.pod();
    let id = births.make(pod, "cri-containerd-1.scope");
    assert!(is_birth(&births.probe(id, Verdict::Unknown)));
    assert!(births.tree.is_undecided(id));
    assert_eq!(births.probe(id, Verdict::Unknown), []);
    assert_eq!(
        births.probe(id, Verdict::OnlyPause),
        [Change::LeftOut { id }]
    );
    assert!(!births.tree.is_undecided(id));
    assert_eq!(births.tree.containers(), 0);
    assert_eq!(births.probe(id, Verdict::Container), []);
}

#[test]
fn a_container_may_run_pause() {
    let mut births = Births::new();
    let pod = births.pod();
    let sandbox = births.make(pod, "cri-containerd-1.scope");
    assert_eq!(births.probe(sandbox, Verdict::OnlyPause), []);
    let container = births.make(pod, "cri-containerd-2.scope");
    assert!(is_birth(&births.probe(container, Verdict::OnlyPause)));
}

#[test]
fn what_shows_no_process_is_a_container_in_the_end() {
    let mut births = Births::new();
    let pod = births.pod();
    let id = births.make(pod, "cri-containerd-1.scope");
    births.probe(id, Verdict::Unknown);
    for _ in 0..2 {
        assert!(births.tree.is_undecided(id));
        births.tell(Event::BatchEnd { swept: true });
    }
    assert!(!births.tree.is_undecided(id));
    assert_eq!(births.probe(id, Verdict::OnlyPause), []);
    assert_eq!(births.tree.containers(), 1);
}

#[test]
fn where_a_watch_ended_is_looked_again() {
    let mut births = Births::new();
    let id = births.make(births.tree.root(), DOCKER);
    let watch = i32::try_from(births.next).expect("few");
    assert_eq!(births.tell(Event::Gone { watch }), [Change::Ended { id }]);
    // Another may stand there whose making was told before.
    let look = Action::Look {
        parent: births.tree.root(),
        name: DOCKER.to_owned(),
    };
    assert!(births.actions.contains(&look));
    assert_eq!(births.tell(Event::Gone { watch }), []);
}

#[test]
fn writes_are_told_once_a_batch() {
    let mut births = Births::new();
    let id = births.make(births.tree.root(), DOCKER);
    let watch = i32::try_from(births.next).expect("few");
    births.actions.clear();
    let mut write = |file| births.tell(Event::Written { watch, file });
    for file in ["memory.max", "cpu.max", "cpu.weight"] {
        let expected: &[Change] = if file == "memory.max" {
            &[Change::LimitsWritten { id }]
        } else {
            &[]
        };
        assert_eq!(write(file), expected, "{file}");
    }
    assert_eq!(write("memory.events"), [Change::MemoryEvents { id }]);
    assert_eq!(write("memory.events"), []);
    assert_eq!(write("cgroup.procs"), []);
    births.tell(Event::BatchEnd { swept: false });
    let again = births.tell(Event::Written {
        watch,
        file: "memory.events",
    });
    assert_eq!(again, [Change::MemoryEvents { id }]);
}

#[test]
fn unpopulated_is_told_when_the_last_process_has_gone() {
    let mut births = Births::new();
    let id = births.make(births.tree.root(), DOCKER);
    let mut says = |populated, changed| {
        births.tell(Event::Populated {
            id,
            populated,
            changed,
        })
    };
    assert_eq!(says(false, false), [], "it has just been made");
    assert_eq!(says(true, true), []);
    assert_eq!(
        says(false, false),
        [Change::Unpopulated { id }],
        "in a sweep"
    );
    assert_eq!(says(false, false), []);
    // It had a process between two looks.
    assert_eq!(says(false, true), [Change::Unpopulated { id }]);
}
