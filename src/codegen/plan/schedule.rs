//! The order of the work: what is ready joins the loop over its index space.

use super::{Domain, Kind, Planner};
use crate::graph::NodeId;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// The longest loop body; longer ones spill more than fusing saves.
const LONGEST_BODY: usize = 192;
impl Planner<'_> {
    pub(super) fn schedule(&mut self) {
        let work: Vec<NodeId> = self.order.iter().copied().filter(|&id| self.computed(id)).collect();
        let mut waits: HashMap<NodeId, usize> = HashMap::new();
        let mut direct: HashMap<NodeId, Vec<NodeId>> = HashMap::new();
        let mut later: HashMap<NodeId, Vec<NodeId>> = HashMap::new();
        let mut queue = Queue::default();
        for &id in &work {
            let needs = self.needs(id);
            waits.insert(id, needs.len());
            for &(base, is_direct) in &needs {
                self.users.entry(base).or_default().push(id);
                let list = if is_direct { &mut direct } else { &mut later };
                list.entry(base).or_default().push(id);
            }
            if needs.is_empty() {
                queue.push(self, id);
            }
        }
        for (slot, &id) in self.spec.inputs.iter().enumerate() {
            self.memory.input(id.0, slot);
        }
        for &root in &self.roots {
            if let (Some(base), _) = self.source(root) {
                // Results outlive every step.
                self.users.entry(base).or_default().push(root);
            }
        }
        self.left = self.users.iter().map(|(k, v)| (*k, v.len())).collect();
        let release =
            |queue: &mut Queue, planner: &Self, list: Option<Vec<NodeId>>, waits: &mut HashMap<NodeId, usize>| {
                for user in list.unwrap_or_default() {
                    if let Some(n) = waits.get_mut(&user) {
                        *n -= 1;
                        if *n == 0 {
                            queue.push(planner, user);
                        }
                    }
                }
            };
        loop {
            if let Some(id) = queue.others.pop_first() {
                self.emit(id);
                self.spend(id);
                release(&mut queue, self, later.remove(&id), &mut waits);
                release(&mut queue, self, direct.remove(&id), &mut waits);
                continue;
            }
            let Some(domain) = queue.first_domain() else { break };
            let mut group: Vec<NodeId> = Vec::new();
            while group.len() < LONGEST_BODY
                && let Some(id) = queue.pop(&domain)
            {
                group.push(id);
                release(&mut queue, self, direct.remove(&id), &mut waits);
            }
            self.emit_loop(domain, &group);
            for id in group {
                self.spend(id);
                release(&mut queue, self, later.remove(&id), &mut waits);
            }
        }
    }

    /// The node is computed: what nobody needs any more gives its memory back.
    pub(super) fn spend(&mut self, id: NodeId) {
        for (base, _) in self.needs(id) {
            let left = self.left.entry(base).or_default();
            *left = left.saturating_sub(1);
            if *left == 0 && !self.alias.contains_key(&base) {
                self.memory.free(base.0);
            }
        }
    }
}

#[derive(Default)]
struct Queue {
    others: BTreeSet<NodeId>,
    inline: BTreeMap<Domain, BTreeSet<NodeId>>,
}

impl Queue {
    pub(super) fn push(&mut self, planner: &Planner, id: NodeId) {
        if planner.kind[&id] == Kind::Inline {
            self.inline.entry(planner.domain(id)).or_default().insert(id);
        } else {
            self.others.insert(id);
        }
    }

    pub(super) fn pop(&mut self, domain: &Domain) -> Option<NodeId> {
        let set = self.inline.get_mut(domain)?;
        let id = set.pop_first();
        if set.is_empty() {
            self.inline.remove(domain);
        }
        id
    }

    /// The index space of the oldest node that is ready.
    pub(super) fn first_domain(&self) -> Option<Domain> {
        self.inline.iter().min_by_key(|(_, set)| set.first().copied()).map(|(domain, _)| domain.clone())
    }
}
