//! Which components of a system are positions and which momenta, for symplectic methods: from what its rates depend on.

use crate::graph::{Graph, NodeId, Op};
use crate::lower::System;
use std::collections::HashSet;
use std::ops::Range;

/// For every component of the flat state whether it is a position: rates of positions depend on momenta only, and the
/// other way round. The state declared first is a position.
///
/// # Errors
/// Why there is no such division, as a sentence.
pub(super) fn positions(g: &Graph, rhs: NodeId, leaf: NodeId, system: &System) -> Result<Vec<bool>, String> {
    let count = system.states.len();
    let mut uses = vec![HashSet::new(); count];
    let of = |range: &Range<usize>| -> Vec<usize> {
        let overlaps = |k: &usize| {
            let state = &system.states[*k];
            let size: usize = state.shape.iter().product();
            state.offset < range.end && range.start < state.offset + size
        };
        (0..count).filter(overlaps).collect()
    };
    for (part, range) in parts(g, rhs) {
        let found: HashSet<usize> = read(g, part, leaf).iter().flat_map(&of).collect();
        for state in of(&range) {
            uses[state].extend(found.iter().copied());
        }
    }
    let sides = divide(&uses).map_err(|(a, b)| {
        let (a, b) = (&system.states[a].name, &system.states[b].name);
        if a == b {
            format!("the rate of `{a}` depends on `{a}` itself")
        } else {
            format!("`{a}` and `{b}` would have to be on one side, but the rate of one depends on the other")
        }
    })?;
    let mut mask = vec![true; system.dim];
    for (state, side) in system.states.iter().zip(sides) {
        let size: usize = state.shape.iter().product();
        mask[state.offset..state.offset + size].fill(side);
    }
    Ok(mask)
}

/// A division into two sides, across which alone there are uses; else two states for which there is none.
fn divide(uses: &[HashSet<usize>]) -> Result<Vec<bool>, (usize, usize)> {
    let mut side: Vec<Option<bool>> = vec![None; uses.len()];
    let linked = |a: usize, b: usize| uses[a].contains(&b) || uses[b].contains(&a);
    for start in 0..uses.len() {
        if side[start].is_some() {
            continue;
        }
        side[start] = Some(true);
        let mut stack = vec![start];
        while let Some(a) = stack.pop() {
            for b in (0..uses.len()).filter(|&b| linked(a, b)) {
                match side[b] {
                    Some(other) if Some(other) == side[a] => return Err((a.min(b), a.max(b))),
                    Some(_) => {}
                    None => {
                        side[b] = side[a].map(|s| !s);
                        stack.push(b);
                    }
                }
            }
        }
    }
    Ok(side.into_iter().map(|s| s.unwrap_or(true)).collect())
}

/// The parts that a flat vector is joined from, with the entries that each holds.
fn parts(g: &Graph, rhs: NodeId) -> Vec<(NodeId, Range<usize>)> {
    let node = g.node(rhs);
    if node.op != Op::Concat(0) {
        return vec![(rhs, 0..g.size(rhs))];
    }
    let mut start = 0;
    let mut list = Vec::new();
    for &part in &node.args {
        list.push((part, start..start + g.size(part)));
        start += g.size(part);
    }
    list
}

/// Entries of the flat state that a value is computed from.
fn read(g: &Graph, root: NodeId, leaf: NodeId) -> Vec<Range<usize>> {
    let (mut seen, mut stack, mut found) = (HashSet::new(), vec![root], Vec::new());
    while let Some(id) = stack.pop() {
        if !seen.insert(id) {
            continue;
        }
        let node = g.node(id);
        match &node.op {
            _ if id == leaf => found.push(0..g.size(leaf)),
            Op::Slice(start) if node.args[0] == leaf => found.push(start[0]..start[0] + g.size(id)),
            _ => stack.extend(g.args(id)),
        }
    }
    found
}
