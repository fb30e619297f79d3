//! Events of a system → their functions, rates and resets.

use super::model::Events;
use super::walk::Walk;
use crate::check::{EventInfo, NO_DERIVATIVE};
use crate::diag::Diagnostic;
use crate::diff;
use crate::graph::{Leaf, NodeId};
use crate::solve::EventRule;

/// The events of system `k` with the right-hand side `rhs`.
pub(super) fn events(walk: &mut Walk, k: usize, rhs: NodeId) -> Option<Events> {
    let program = walk.program;
    let infos = &program.systems[k].events;
    let first = infos.first()?;
    let mut functions = Vec::new();
    for event in infos {
        let g = walk.node(event.when);
        functions.push(walk.g.reshape(g, &[1]));
    }
    let when = walk.g.concat(0, &functions);
    let (state, time, one) = (walk.flat_leaf(k), walk.g.leaf(Leaf::Time, &[]), walk.g.scalar(1.0));
    let rates = match diff::jvp(&mut walk.g, &[when], &[(state, rhs), (time, one)]) {
        Ok(found) => found[0].unwrap_or_else(|| walk.g.full(0.0, &[infos.len()])),
        Err(error) => {
            let message = format!("the condition of an event has no derivative: {}", error.why);
            walk.problems.push(Diagnostic::error(NO_DERIVATIVE, first.span, message).here("one of these events"));
            when
        }
    };
    let resets: Vec<NodeId> = infos.iter().map(|event| reset(walk, k, event)).collect();
    let resets = walk.g.concat(0, &resets);
    let rules = infos.iter().map(|e| EventRule { either: e.either, stops: e.stops }).collect();
    Some(Events { rules, when, rates, resets })
}

/// The flat state behind the reset of an event.
fn reset(walk: &mut Walk, k: usize, event: &EventInfo) -> NodeId {
    let flat = walk.flat_leaf(k);
    let mut parts = Vec::new();
    for (index, slot) in walk.slots[k].clone().into_iter().enumerate() {
        let size = slot.shape.iter().product();
        let raw = match event.resets.iter().find(|r| r.0 == index) {
            Some((_, id)) => {
                let natural = walk.node(*id);
                slot.domain.unconstrain(&mut walk.g, natural)
            }
            None => walk.g.slice(flat, &[slot.offset], &[size]),
        };
        parts.push(walk.g.reshape(raw, &[size]));
    }
    walk.g.concat(0, &parts)
}
