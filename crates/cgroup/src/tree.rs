//! What is known of the cgroup tree: a state machine without clock, files or inotify.
//!
//! It is told what stands somewhere *now* (never "this was made", "this was removed"), so an
//! event that comes late, twice or not at all does no harm: the next look at the same place
//! makes the knowledge true again. Discovery does the looking, as the [`Action`]s say.
//!
//! A cgroup is the same one as long as its inode and its watch are: an inotify watch ends with
//! its directory, so even a directory that was made anew with the same inode has another watch.

mod message;
mod rows;

pub use message::{Action, CgroupId, Change, Event, Scope, Sighting};

use crate::found::Kind;
use crate::recognise::{Recognised, recognise};
use std::collections::{BTreeMap, HashMap};

/// Whether a cgroup has a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Row {
    /// It has none.
    Absent,
    /// It was told as born.
    Live,
    /// It is a sandbox.
    LeftOut,
}

#[derive(Debug)]
struct Node {
    parent: Option<CgroupId>,
    name: String,
    path: String,
    sighting: Sighting,
    recognised: Recognised,
    children: BTreeMap<String, CgroupId>,
    /// Whether the children are known.
    listed: bool,
    row: Row,
    populated: Option<bool>,
    told_limits: bool,
    told_memory: bool,
}

/// The tree.
#[derive(Debug)]
pub struct Tree {
    scope: Scope,
    nodes: HashMap<CgroupId, Node>,
    watches: HashMap<i32, CgroupId>,
    root: CgroupId,
    next: u64,
    /// Nodes to be judged again, or whose marks are to be cleared, at the end of the batch.
    touched: Vec<CgroupId>,
    /// Live rows that may be sandboxes, and the sweeps since their births.
    undecided: BTreeMap<CgroupId, u8>,
    /// Live rows but those of pods and of the machine.
    live: usize,
    /// Live rows of containers.
    containers: usize,
}

/// Files whose change is a change of limits.
const LIMIT_FILES: &[&str] = &[
    "cpu.max",
    "cpu.weight",
    "cpu.weight.nice",
    "memory.high",
    "memory.low",
    "memory.max",
    "memory.min",
    "memory.swap.max",
    "pids.max",
];

impl Tree {
    /// A tree of which only the root is known; list it first.
    #[must_use]
    pub fn new(scope: Scope, root: Sighting) -> Self {
        let mut tree = Self {
            scope,
            nodes: HashMap::new(),
            watches: HashMap::new(),
            root: CgroupId(0),
            next: 0,
            touched: Vec::new(),
            undecided: BTreeMap::new(),
            live: 0,
            containers: 0,
        };
        tree.root = tree.insert(None, "", root);
        tree
    }

    /// The root cgroup.
    #[must_use]
    pub const fn root(&self) -> CgroupId {
        self.root
    }

    /// Notes how the root was seen last; the root stays the root whatever stands there.
    pub fn set_root(&mut self, sighting: Sighting) {
        let Some(node) = self.nodes.get_mut(&self.root) else {
            return;
        };
        if let Some(watch) = node.sighting.watch {
            self.watches.remove(&watch);
        }
        if let Some(watch) = sighting.watch {
            self.watches.insert(watch, self.root);
        }
        node.sighting = sighting;
    }

    /// The path of a known cgroup, with a leading slash.
    #[must_use]
    pub fn path(&self, id: CgroupId) -> Option<&str> {
        self.nodes.get(&id).map(|node| node.path.as_str())
    }

    /// The cgroup that has the watch.
    #[must_use]
    pub fn watched_by(&self, watch: i32) -> Option<CgroupId> {
        self.watches.get(&watch).copied()
    }

    /// How many directories are watched, and how many are known.
    #[must_use]
    pub fn counts(&self) -> (usize, usize) {
        (self.watches.len(), self.nodes.len())
    }

    /// How many containers have rows.
    #[must_use]
    pub const fn containers(&self) -> usize {
        self.containers
    }

    /// The inode of a known cgroup.
    #[must_use]
    pub fn inode(&self, id: CgroupId) -> Option<u64> {
        self.nodes.get(&id).map(|node| node.sighting.inode)
    }

    /// What kind of row a known cgroup has or would have.
    #[must_use]
    pub fn kind(&self, id: CgroupId) -> Option<Kind> {
        self.nodes.get(&id).map(Node::kind)
    }

    /// The directories to be listed in a sweep: all but containers, whose inside is theirs.
    pub fn directories(&self) -> impl Iterator<Item = CgroupId> + '_ {
        self.nodes
            .iter()
            .filter(|(_, node)| node.has_inside())
            .map(|(id, _)| *id)
    }

    /// The cgroups that have rows.
    pub fn rows(&self) -> impl Iterator<Item = CgroupId> + '_ {
        self.nodes
            .iter()
            .filter(|(_, node)| node.row == Row::Live)
            .map(|(id, _)| *id)
    }

    /// The rows that may still turn out to be sandboxes.
    pub fn undecided(&self) -> impl Iterator<Item = CgroupId> + '_ {
        self.undecided.keys().copied()
    }

    /// Whether a row may still turn out to be a sandbox.
    #[must_use]
    pub fn is_undecided(&self, id: CgroupId) -> bool {
        self.undecided.contains_key(&id)
    }

    /// Takes in what was learned; what is to be done is added to `actions`.
    pub fn handle(&mut self, event: Event<'_>, actions: &mut Vec<Action>) {
        match event {
            Event::Looked {
                parent,
                name,
                found,
            } => self.looked(parent, name, found, actions),
            Event::Listed {
                directory,
                children,
            } => self.listed(directory, children, actions),
            Event::Gone { watch } => self.gone(watch, actions),
            Event::Written { watch, file } => self.written(watch, file, actions),
            Event::Populated {
                id,
                populated,
                changed,
            } => self.populated(id, populated, changed, actions),
            Event::Probed { id, verdict } => self.probed(id, verdict, actions),
            Event::BatchEnd { swept } => self.batch_end(swept, actions),
        }
    }

    fn looked(
        &mut self,
        parent: CgroupId,
        name: &str,
        found: Option<Sighting>,
        actions: &mut Vec<Action>,
    ) {
        let Some(node) = self.nodes.get(&parent).filter(|node| node.has_inside()) else {
            self.release(found, actions);
            return;
        };
        let known = node.children.get(name).copied();
        match (known, found) {
            (None, None) => {}
            (None, Some(sighting)) => self.appear(parent, name, sighting, actions),
            (Some(id), None) => self.remove(id, actions),
            (Some(id), Some(sighting)) => {
                if !self.is_same(id, sighting) {
                    self.remove(id, actions);
                    self.appear(parent, name, sighting, actions);
                }
            }
        }
    }

    fn listed(
        &mut self,
        directory: CgroupId,
        mut children: Vec<(String, Sighting)>,
        actions: &mut Vec<Action>,
    ) {
        let Some(node) = self
            .nodes
            .get_mut(&directory)
            .filter(|node| node.has_inside())
        else {
            for (_, sighting) in children {
                self.release(Some(sighting), actions);
            }
            return;
        };
        node.listed = true;
        self.touched.push(directory);
        let vanished: Vec<CgroupId> = node
            .children
            .iter()
            .filter(|(known, _)| !children.iter().any(|(name, _)| name == *known))
            .map(|(_, id)| *id)
            .collect();
        for id in vanished {
            self.remove(id, actions);
        }
        // The kernel numbers cgroups upwards: the oldest first, which a pod's sandbox is.
        children.sort_by_key(|(_, sighting)| sighting.inode);
        for (name, sighting) in children {
            self.looked(directory, &name, Some(sighting), actions);
        }
    }

    fn gone(&mut self, watch: i32, actions: &mut Vec<Action>) {
        let Some(id) = self.watched_by(watch) else {
            return;
        };
        self.watches.remove(&watch);
        let Some(node) = self.nodes.get_mut(&id) else {
            return;
        };
        node.sighting.watch = None;
        if let Some(parent) = node.parent {
            let name = node.name.clone();
            self.remove(id, actions);
            // Another may stand there already, and its making may have been told before.
            actions.push(Action::Look { parent, name });
        }
    }

    fn written(&mut self, watch: i32, file: &str, actions: &mut Vec<Action>) {
        let Some(id) = self.watched_by(watch) else {
            return;
        };
        let Some(node) = self.nodes.get_mut(&id) else {
            return;
        };
        if node.row != Row::Live {
            return;
        }
        if file == "cgroup.events" {
            actions.push(Action::ReadPopulated { id, changed: true });
        } else if file == "memory.events" && !node.told_memory {
            node.told_memory = true;
            self.touched.push(id);
            actions.push(Action::Tell(Change::MemoryEvents { id }));
        } else if LIMIT_FILES.contains(&file) && !node.told_limits {
            node.told_limits = true;
            self.touched.push(id);
            actions.push(Action::Tell(Change::LimitsWritten { id }));
        }
    }

    fn populated(
        &mut self,
        id: CgroupId,
        populated: bool,
        changed: bool,
        actions: &mut Vec<Action>,
    ) {
        let Some(node) = self.nodes.get_mut(&id) else {
            return;
        };
        let before = node.populated.replace(populated);
        // Told as changed and empty now, it had a process for a moment that nobody saw.
        if !populated && (changed || before == Some(true)) && node.row == Row::Live {
            actions.push(Action::Tell(Change::Unpopulated { id }));
        }
    }

    /// Whether what was seen is the cgroup that is known; notes a watch that it has got since.
    fn is_same(&mut self, id: CgroupId, sighting: Sighting) -> bool {
        let Some(node) = self.nodes.get_mut(&id) else {
            return false;
        };
        if node.sighting.inode != sighting.inode {
            return false;
        }
        match (node.sighting.watch, sighting.watch) {
            (Some(known), Some(seen)) => known == seen,
            (None, Some(watch)) => {
                node.sighting.watch = Some(watch);
                self.watches.insert(watch, id);
                true
            }
            (_, None) => true,
        }
    }

    fn appear(
        &mut self,
        parent: CgroupId,
        name: &str,
        sighting: Sighting,
        actions: &mut Vec<Action>,
    ) {
        let id = self.insert(Some(parent), name, sighting);
        self.touched.push(parent);
        self.judge_new(id, actions);
        if self.nodes.get(&id).is_some_and(Node::has_inside) {
            actions.push(Action::List(id));
        }
    }

    fn insert(&mut self, parent: Option<CgroupId>, name: &str, sighting: Sighting) -> CgroupId {
        let id = CgroupId(self.next);
        self.next += 1;
        let path = match parent.and_then(|parent| self.nodes.get_mut(&parent)) {
            Some(parent) => {
                parent.children.insert(name.to_owned(), id);
                format!("{}/{name}", parent.path.trim_end_matches('/'))
            }
            None => "/".to_owned(),
        };
        if let Some(watch) = sighting.watch {
            self.watches.insert(watch, id);
        }
        let node = Node {
            parent,
            name: name.to_owned(),
            sighting,
            recognised: recognise(&path),
            path,
            children: BTreeMap::new(),
            listed: false,
            row: Row::Absent,
            populated: None,
            told_limits: false,
            told_memory: false,
        };
        self.nodes.insert(id, node);
        id
    }

    /// Forgets a cgroup and all below it, the deepest first.
    fn remove(&mut self, id: CgroupId, actions: &mut Vec<Action>) {
        let Some(node) = self.nodes.get_mut(&id) else {
            return;
        };
        for child in std::mem::take(&mut node.children).into_values() {
            self.remove(child, actions);
        }
        self.end_row(id, actions);
        let Some(node) = self.nodes.remove(&id) else {
            return;
        };
        if let Some(watch) = node.sighting.watch {
            self.watches.remove(&watch);
            actions.push(Action::Release(watch));
        }
        if let Some(parent_id) = node.parent
            && let Some(parent) = self.nodes.get_mut(&parent_id)
        {
            parent.children.remove(&node.name);
            self.touched.push(parent_id);
        }
    }

    /// A watch was put on something that is of no interest by now.
    fn release(&self, found: Option<Sighting>, actions: &mut Vec<Action>) {
        if let Some(watch) = found.and_then(|sighting| sighting.watch)
            && !self.watches.contains_key(&watch)
        {
            actions.push(Action::Release(watch));
        }
    }
}

impl Node {
    /// Whether cgroups below it are cgroups of their own.
    const fn has_inside(&self) -> bool {
        !matches!(
            self.recognised,
            Recognised::Container(_) | Recognised::InContainer | Recognised::Helper
        )
    }

    const fn kind(&self) -> Kind {
        match self.recognised {
            Recognised::Container(_) => Kind::Container,
            Recognised::Pod(_) => Kind::Pod,
            Recognised::Unit(_) => Kind::Unit,
            _ if self.parent.is_none() => Kind::Machine,
            _ => Kind::Leaf,
        }
    }
}

#[cfg(test)]
mod tests;
