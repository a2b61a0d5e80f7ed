//! Which cgroups of the tree get rows: births, sandboxes, leaves and the machine itself.

use super::{Action, CgroupId, Change, Row, Scope, Tree};
use crate::found::{Found, Kind};
use crate::recognise::Recognised;
use crate::sandbox::Verdict;

/// After this many sweeps what still has not shown a process is taken for a container.
const UNDECIDED_SWEEPS: u8 = 2;

impl Tree {
    /// A new cgroup: a row at once, except where its processes or its children must be seen.
    pub(super) fn judge_new(&mut self, id: CgroupId, actions: &mut Vec<Action>) {
        let Some(node) = self.nodes.get(&id) else {
            return;
        };
        match &node.recognised {
            Recognised::Container(boundary) if boundary.may_be_sandbox() => {
                actions.push(Action::Probe(id));
            }
            Recognised::Container(_) | Recognised::Pod(_) => {
                self.begin_row(id, actions);
            }
            Recognised::Unit(_) if self.scope == Scope::All => {
                self.begin_row(id, actions);
            }
            _ => {}
        }
    }

    /// What the processes say of a cgroup that may be a sandbox.
    pub(super) fn probed(&mut self, id: CgroupId, verdict: Verdict, actions: &mut Vec<Action>) {
        let sandbox = verdict == Verdict::OnlyPause && self.is_oldest_of_pod(id);
        let Some(node) = self.nodes.get_mut(&id) else {
            return;
        };
        match node.row {
            Row::Absent if sandbox => node.row = Row::LeftOut,
            Row::Absent => {
                self.begin_row(id, actions);
                if verdict == Verdict::Unknown {
                    self.undecided.insert(id, 0);
                }
            }
            Row::Live if verdict != Verdict::Unknown && self.undecided.remove(&id).is_some() => {
                if sandbox {
                    self.take_off(id, Row::LeftOut);
                    actions.push(Action::Tell(Change::LeftOut { id }));
                }
            }
            Row::Live | Row::LeftOut => {}
        }
    }

    /// A pod's sandbox is made before its containers; a container may run `pause` as well.
    fn is_oldest_of_pod(&self, id: CgroupId) -> bool {
        let parent = self.nodes.get(&id).and_then(|node| node.parent);
        let Some(pod) = parent.and_then(|parent| self.nodes.get(&parent)) else {
            return false;
        };
        let containers = pod.children.values().filter(|child| {
            self.nodes
                .get(child)
                .is_some_and(|node| matches!(node.recognised, Recognised::Container(_)))
        });
        containers.min() == Some(&id)
    }

    /// Leaves and the machine are judged when the dust has settled.
    pub(super) fn batch_end(&mut self, swept: bool, actions: &mut Vec<Action>) {
        let mut touched = std::mem::take(&mut self.touched);
        for id in touched.drain(..) {
            if let Some(node) = self.nodes.get_mut(&id) {
                node.told_limits = false;
                node.told_memory = false;
            }
            self.judge_leaf(id, actions);
        }
        // Given back for its capacity: a steady batch allocates nothing.
        self.touched = touched;
        if swept {
            self.undecided.retain(|_, sweeps| {
                *sweeps += 1;
                *sweeps < UNDECIDED_SWEEPS
            });
        }
        self.judge_machine(actions);
    }

    fn judge_leaf(&mut self, id: CgroupId, actions: &mut Vec<Action>) {
        let Some(node) = self.nodes.get(&id) else {
            return;
        };
        if self.scope != Scope::All || id == self.root || node.recognised != Recognised::Other {
            return;
        }
        match (node.listed && node.children.is_empty(), node.row) {
            (true, Row::Absent) => self.begin_row(id, actions),
            (false, Row::Live) => self.end_row(id, actions),
            _ => {}
        }
    }

    fn judge_machine(&mut self, actions: &mut Vec<Action>) {
        let Some(root) = self.nodes.get(&self.root) else {
            return;
        };
        let alone = self.scope == Scope::All && root.listed && self.live == 0;
        match (alone, root.row) {
            (true, Row::Absent) => self.begin_row(self.root, actions),
            (false, Row::Live) => self.end_row(self.root, actions),
            _ => {}
        }
    }

    fn begin_row(&mut self, id: CgroupId, actions: &mut Vec<Action>) {
        let Some(node) = self.nodes.get_mut(&id) else {
            return;
        };
        let Some(found) = Found::of(&node.path, node.sighting.inode, &node.recognised) else {
            return;
        };
        node.row = Row::Live;
        self.count(found.kind, 1);
        let found = Box::new(found);
        actions.push(Action::Tell(Change::Born { id, found }));
        // Reading it once also makes the kernel tell of its changes.
        actions.push(Action::ReadPopulated { id, changed: false });
    }

    pub(super) fn end_row(&mut self, id: CgroupId, actions: &mut Vec<Action>) {
        if self.take_off(id, Row::Absent) {
            actions.push(Action::Tell(Change::Ended { id }));
        }
    }

    /// Ends a live row, if there was one.
    fn take_off(&mut self, id: CgroupId, after: Row) -> bool {
        let Some(node) = self.nodes.get_mut(&id) else {
            return false;
        };
        if node.row != Row::Live {
            return false;
        }
        node.row = after;
        self.undecided.remove(&id);
        let kind = node.kind();
        self.count(kind, -1);
        true
    }

    const fn count(&mut self, kind: Kind, by: isize) {
        if !matches!(kind, Kind::Pod | Kind::Machine) {
            self.live = self.live.saturating_add_signed(by);
        }
        if matches!(kind, Kind::Container) {
            self.containers = self.containers.saturating_add_signed(by);
        }
    }
}
