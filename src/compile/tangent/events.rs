//! Events of a system with tangents.
//!
//! An event at t*, where g(t*, z*) = 0, moves by ṫ = −ġ/(dg/dt). The state behind its reset z⁺ = r(t*, z*) moves by
//! ṙ + (dr/dt) ṫ, and at a time that stays where it is by −f(t*, z⁺) ṫ more: the saltation matrix, see `solve::event`.
//! Where an event fires because of the reset of another one, at the same time, ṫ is that of the other. With several
//! events the state therefore carries time and ṫ of the last one along.

use super::Sweep;
use crate::diff::DiffError;
use crate::graph::{Graph, Leaf, NodeId, Relation, Unary};
use crate::lower::{System, substitute};
use std::collections::HashMap;

/// Number of components that tell when the last event was and how that time moves.
pub(super) fn memory(system: &System, directions: usize) -> usize {
    match &system.events {
        Some(events) if events.rules.len() > 1 => 1 + directions,
        _ => 0,
    }
}

/// A time at which there was no event; finite in single precision.
const NEVER: f64 = -1e30;

/// The start of `size` such components.
pub(super) fn start(g: &mut Graph, size: usize) -> Option<NodeId> {
    if size == 0 {
        return None;
    }
    let (never, still) = (g.full(NEVER, &[1]), g.full(0.0, &[size - 1]));
    Some(g.concat(0, &[never, still]))
}

impl Sweep<'_> {
    /// Functions, rates and resets of the events of system `k`, with tangents behind the states, over the state of the
    /// system itself and over the `whole` one.
    pub(super) fn events(
        &mut self,
        k: usize,
        whole: NodeId,
        tangents: &[(NodeId, NodeId)],
    ) -> Result<[NodeId; 3], DiffError> {
        let [f, when, rates, resets] = self.inner[k][..] else { return Err(DiffError { node: whole, why: "" }) };
        let rules = self.systems[k].events.as_ref().map(|e| e.rules.clone()).unwrap_or_default();
        let (dim, n) = (self.systems[k].dim, self.directions());
        let (state, time) = (super::state_leaf(self.g, k, dim), self.g.leaf(Leaf::Time, &[]));
        let one = self.g.scalar(1.0);
        let moved = self.along(&[when, resets], tangents)?;
        let rise = crate::diff::jvp(self.g, &[resets], &[(state, f), (time, one)])?[0];
        let memory = memory(&self.systems[k], n);
        let mut parts = Vec::new();
        for (e, rule) in rules.iter().enumerate() {
            let part = |sweep: &mut Self, x: NodeId| sweep.g.slice(x, &[e * dim], &[dim]);
            let reset = part(self, resets);
            let t_dot = self.moved_time(moved[0], rates, e);
            let t_dot = self.unless_together(t_dot, whole, memory);
            let mut speed = rise.map(|rise| part(self, rise));
            if !rule.stops {
                let behind = substitute(self.g, f, &HashMap::from([(state, reset)]));
                let behind = self.g.map1(Unary::Neg, behind);
                speed = Some(speed.map_or(behind, |speed| self.g.plus(speed, behind)));
            }
            let mut dot = moved[1].map(|all| self.part_of(all, e * dim, dim));
            if let Some(speed) = speed {
                let change = self.product("a,n->na", &[speed, t_dot]);
                dot = Some(dot.map_or(change, |dot| self.g.plus(dot, change)));
            }
            let dot = self.flat(dot, dim);
            parts.extend([reset, dot]);
            if memory > 0 {
                let (now, t_dot) = (self.g.reshape(time, &[1]), self.g.reshape(t_dot, &[n]));
                parts.extend([now, t_dot]);
            }
        }
        Ok([when, rates, self.g.concat(0, &parts)])
    }

    /// ṫ of event `e` along every direction, from tangents of the event functions. Not a number where the condition
    /// jumps (its rate is 0): nothing is known of the time then, even if nothing seems to move it.
    fn moved_time(&mut self, when: Option<NodeId>, rates: NodeId, e: usize) -> NodeId {
        let shape: Vec<usize> = self.axis.into_iter().collect();
        let own = match when {
            Some(when) => {
                let own = self.part_of(when, e, 1);
                self.g.reshape(own, &shape)
            }
            None => self.g.full(0.0, &shape),
        };
        let rate = self.g.row(rates, e);
        let ratio = self.g.over(own, rate);
        self.g.map1(Unary::Neg, ratio)
    }

    /// `size` entries from `first` on, along every direction.
    fn part_of(&mut self, tangent: NodeId, first: usize, size: usize) -> NodeId {
        match self.axis {
            Some(n) => self.g.slice(tangent, &[0, first], &[n, size]),
            None => self.g.slice(tangent, &[first], &[size]),
        }
    }

    /// ṫ, or that of the last event if this one is at the same time.
    fn unless_together(&mut self, t_dot: NodeId, whole: NodeId, memory: usize) -> NodeId {
        if memory == 0 {
            return t_dot;
        }
        let first = self.g.size(whole) - memory;
        let last = self.g.slice(whole, &[first], &[1]);
        let last = self.g.reshape(last, &[]);
        let shape = self.g.shape(t_dot).clone();
        let last_dot = self.g.slice(whole, &[first + 1], &[memory - 1]);
        let last_dot = self.g.reshape(last_dot, &shape);
        let now = self.g.leaf(Leaf::Time, &[]);
        let together = self.g.compare(Relation::Equal, now, last);
        self.g.select(together, last_dot, t_dot)
    }
}
