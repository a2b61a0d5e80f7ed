//! The state machine in a made-up world: whatever happens, it finds the truth.

use super::*;
use proptest::prelude::*;
use std::collections::{BTreeSet, VecDeque};

const NAMES: &[&str] = &[
    "kubepods.slice",
    "kubepods-podabc.slice",
    DOCKER,
    "cri-containerd-1.scope",
    "crio-conmon-1.scope",
    "a",
    "web.service",
    "user@1.service",
    "fgm-lab.slice",
];

/// A directory as an object: a new one at each making, whatever its inode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Directory {
    object: u64,
    inode: u64,
}

enum Told {
    Entry { watch: i32, name: String },
    Gone { watch: i32 },
}

/// A file system with inotify, and the looking that discovery does in the real one.
struct World {
    directories: BTreeMap<String, Directory>,
    /// Live watches by object.
    watches: BTreeMap<u64, i32>,
    queue: VecDeque<Told>,
    next: u64,
    /// How the kernel's cgroup file system is: it reuses no inode, and a watch outlives its
    /// directory. Other file systems do the opposite.
    kernfs: bool,
    most_watches: usize,
    lost: bool,
    tree: Tree,
    live: BTreeMap<CgroupId, String>,
}

impl World {
    fn new(scope: Scope, kernfs: bool, most_watches: usize) -> Self {
        let root = Directory {
            object: 0,
            inode: 1,
        };
        let unseen = Sighting {
            inode: 1,
            watch: None,
        };
        let mut world = Self {
            directories: BTreeMap::from([(String::new(), root)]),
            watches: BTreeMap::new(),
            queue: VecDeque::new(),
            next: 1,
            kernfs,
            most_watches,
            lost: false,
            tree: Tree::new(scope, unseen),
            live: BTreeMap::new(),
        };
        world.sweep();
        world
    }

    fn children(&self, path: &str) -> Vec<String> {
        let prefix = format!("{path}/");
        let below = self.directories.range(prefix.clone()..);
        below
            .take_while(|(child, _)| child.starts_with(&prefix))
            .filter(|(child, _)| !child[prefix.len()..].contains('/'))
            .map(|(child, _)| child.clone())
            .collect()
    }

    fn tell_parent(&mut self, path: &str) {
        let (parent, name) = path.rsplit_once('/').expect("not the root");
        let parent = self.directories[parent].object;
        if let Some(watch) = self.watches.get(&parent) {
            self.queue.push_back(Told::Entry {
                watch: *watch,
                name: name.to_owned(),
            });
        }
    }

    fn make(&mut self, path: &str) {
        if self.directories.contains_key(path) {
            return;
        }
        let object = self.next;
        self.next += 1;
        let inode = if self.kernfs { object } else { 2 };
        self.directories
            .insert(path.to_owned(), Directory { object, inode });
        self.tell_parent(path);
    }

    fn remove(&mut self, path: &str) {
        if path.is_empty() {
            return;
        }
        for child in self.children(path) {
            self.remove(&child);
        }
        let Some(directory) = self.directories.remove(path) else {
            return;
        };
        self.tell_parent(path);
        if !self.kernfs
            && let Some(watch) = self.watches.remove(&directory.object)
        {
            self.queue.push_back(Told::Gone { watch });
        }
    }

    fn sight(&mut self, path: &str) -> Option<Sighting> {
        let directory = *self.directories.get(path)?;
        let mut watch = self.watches.get(&directory.object).copied();
        if watch.is_none() && self.watches.len() < self.most_watches {
            let new = i32::try_from(self.next).expect("few");
            self.next += 1;
            self.watches.insert(directory.object, new);
            watch = Some(new);
        }
        Some(Sighting {
            inode: directory.inode,
            watch,
        })
    }

    fn look(&mut self, parent: CgroupId, name: &str) {
        let Some(path) = self.path(parent) else {
            return;
        };
        let found = self.sight(&format!("{path}/{name}"));
        self.handle(Event::Looked {
            parent,
            name,
            found,
        });
    }

    fn list(&mut self, directory: CgroupId) {
        let Some(path) = self.path(directory) else {
            return;
        };
        if !self.directories.contains_key(&path) {
            return;
        }
        let children = self.children(&path);
        let children = children
            .iter()
            .map(|child| {
                let name = child.rsplit_once('/').expect("below").1.to_owned();
                (name, self.sight(child).expect("stands"))
            })
            .collect();
        self.handle(Event::Listed {
            directory,
            children,
        });
    }

    fn path(&self, id: CgroupId) -> Option<String> {
        let path = self.tree.path(id)?;
        Some(if path == "/" { "" } else { path }.to_owned())
    }

    fn handle(&mut self, event: Event<'_>) {
        let mut actions = Vec::new();
        self.tree.handle(event, &mut actions);
        for action in actions {
            match action {
                Action::List(id) => self.list(id),
                Action::Look { parent, name } => self.look(parent, &name),
                Action::Probe(id) => self.handle(Event::Probed {
                    id,
                    verdict: Verdict::Container,
                }),
                Action::ReadPopulated { .. } => {}
                Action::Release(watch) => {
                    if self.tree.watched_by(watch).is_none() {
                        self.watches.retain(|_, live| *live != watch);
                    }
                }
                Action::Tell(Change::Born { id, found }) => {
                    let before = self.live.insert(id, found.path);
                    assert_eq!(before, None, "born twice");
                }
                Action::Tell(Change::Ended { id }) => {
                    assert!(self.live.remove(&id).is_some(), "ended without a birth");
                }
                Action::Tell(change) => panic!("{change:?} out of nowhere"),
            }
        }
    }

    fn deliver(&mut self, most: usize) {
        for _ in 0..most {
            match self.queue.pop_front() {
                Some(Told::Entry { watch, name }) => {
                    if let Some(parent) = self.tree.watched_by(watch) {
                        self.look(parent, &name);
                    }
                }
                Some(Told::Gone { watch }) => self.handle(Event::Gone { watch }),
                None => break,
            }
        }
        self.handle(Event::BatchEnd { swept: false });
    }

    fn sweep(&mut self) {
        let root = self.sight("").expect("the root stands");
        self.tree.set_root(root);
        let mut directories: Vec<CgroupId> = self.tree.directories().collect();
        directories.sort_unstable();
        for directory in directories {
            self.list(directory);
        }
        self.handle(Event::BatchEnd { swept: true });
    }

    /// The rows that there should be, by the plainest reading of the rules.
    fn truth(&self, scope: Scope) -> BTreeSet<String> {
        let all = scope == Scope::All;
        let mut only_pods = true;
        let mut rows = BTreeSet::new();
        for path in self.directories.keys().filter(|path| !path.is_empty()) {
            let row = match recognise(path) {
                Recognised::Container(_) => true,
                Recognised::Pod(_) => {
                    rows.insert(path.clone());
                    false
                }
                Recognised::Unit(_) => all,
                Recognised::Other => all && self.children(path).is_empty(),
                _ => false,
            };
            if row {
                only_pods = false;
                rows.insert(path.clone());
            }
        }
        if all && only_pods {
            rows.insert("/".to_owned());
        }
        rows
    }

    fn check(&self, scope: Scope) {
        let rows: BTreeSet<String> = self.live.values().cloned().collect();
        assert_eq!(rows, self.truth(scope));
        assert_eq!(rows.len(), self.live.len(), "two rows of one path");
        let told: BTreeSet<CgroupId> = self.live.keys().copied().collect();
        assert_eq!(told, self.tree.rows().collect());
        for (id, path) in &self.live {
            let directory = self.directories[path.trim_end_matches('/')];
            assert_eq!(self.tree.inode(*id), Some(directory.inode), "{path}");
            // The object tells apart what has the same inode.
            if let Some(watch) = self.watches.get(&directory.object) {
                assert_eq!(self.tree.watched_by(*watch), Some(*id), "{path}");
            }
        }
        let live: BTreeSet<i32> = self.watches.values().copied().collect();
        let known: BTreeSet<i32> = self.tree.watches.keys().copied().collect();
        assert_eq!(live, known, "watches leak or are forgotten");
    }
}

#[derive(Debug, Clone)]
enum Step {
    Make(usize, usize),
    Remove(usize),
    Replace(usize),
    Deliver(usize),
    LoseEvents,
    Sweep,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        5 => (any::<usize>(), 0..NAMES.len()).prop_map(|(at, name)| Step::Make(at, name)),
        2 => any::<usize>().prop_map(Step::Remove),
        2 => any::<usize>().prop_map(Step::Replace),
        3 => (0..6_usize).prop_map(Step::Deliver),
        1 => Just(Step::LoseEvents),
        1 => Just(Step::Sweep),
    ];
    proptest::collection::vec(step, 0..40)
}

impl World {
    fn nth(&self, at: usize) -> String {
        let paths: Vec<&String> = self.directories.keys().collect();
        paths[at % paths.len()].clone()
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Make(at, name) => {
                let parent = self.nth(at);
                if parent.split('/').count() < 6 {
                    self.make(&format!("{parent}/{}", NAMES[name]));
                }
            }
            Step::Remove(at) => self.remove(&self.nth(at)),
            Step::Replace(at) => {
                let path = self.nth(at);
                if !path.is_empty() {
                    self.remove(&path);
                    self.make(&path);
                }
            }
            Step::Deliver(most) => self.deliver(most),
            Step::LoseEvents => {
                self.queue.clear();
                self.lost = true;
            }
            Step::Sweep => self.sweep(),
        }
    }
}

proptest! {
    /// Whatever is made, removed and replaced, in whatever order events arrive and are lost:
    /// the rows become those of the tree, each change is told once, and no watch leaks.
    #[test]
    fn converges_to_the_truth(
        steps in steps(),
        all: bool,
        kernfs: bool,
        most_watches in prop_oneof![3 => Just(usize::MAX), 1 => 0..6_usize],
    ) {
        let scope = if all { Scope::All } else { Scope::Containers };
        let mut world = World::new(scope, kernfs, most_watches);
        for step in steps {
            world.step(step);
        }
        world.deliver(usize::MAX);
        if !world.lost && most_watches == usize::MAX {
            world.check(scope);
        }
        world.sweep();
        // Without a watch, only the inode tells apart two lives: no other than the kernel's
        // cgroup file system promises a new one.
        if most_watches == usize::MAX || kernfs {
            world.check(scope);
        }
    }
}
