//! Solves with tangents beside their states: forward sensitivities, and what second derivatives are taken of.
//!
//! Along a direction θ̇ of the parameters the solution of z' = f(t, z, θ) moves with the velocity ż, where
//! ż' = ∂f/∂z ż + ∂f/∂θ θ̇ (Hairer, Nørsett, Wanner, Solving Ordinary Differential Equations I, section I.14). The
//! *augmented* system has the state (z, ż₁ … żₘ), one tangent for each of m directions side by side, and a
//! right-hand side of f and its forward derivative. It is an ordinary system, so every method, output and gradient
//! serves as it is.
//!
//! Steps look at z alone ([`solve::Options::measured`]), hence are those of the plain solve. A step commutes with
//! differentiation, so ż is then the exact derivative of what was computed, the steps being constants: the same
//! number as that of [`solve::discrete`]. Only where times depend on the direction it is that of the exact solution:
//! ż(t₀) = ż₀ − f ṫ₀ at the start, and ż + f ṫ at the outputs.

mod events;

use crate::diff::{self, DiffError};
use crate::graph::{Graph, Leaf, NodeId, Op};
use crate::lower::{Domain, StateInfo, System, lift, substitute};
use crate::solve::{self, Penalties};
use std::collections::{HashMap, HashSet};

/// Why a solve whose output times move may have no tangent: behind an event that stops its slope is not f.
pub(super) const STOPS: &str = "output times move, and an event may stop the solution before them";

/// What moves, and how.
pub(super) struct Directions {
    /// Values and their tangents, which have an axis of directions in front where there is one.
    pub seeds: Vec<(NodeId, NodeId)>,
    /// Number of directions; none: a single one, without an axis.
    pub axis: Option<usize>,
}

/// A system with tangents.
pub(super) struct Augmented {
    /// The system that it augments.
    pub base: usize,
    /// Right-hand side, and functions, rates and resets of the events, if there are any.
    pub inner: Vec<NodeId>,
    /// What is known of it.
    pub info: System,
}

/// What became of some values.
pub(super) struct Swept {
    /// The values, read off the augmented solves.
    pub values: Vec<NodeId>,
    /// The tangent of the first one, `[directions, …]`; none: it does not move.
    pub tangent: Option<NodeId>,
    /// The new systems, which follow the old ones.
    pub systems: Vec<Augmented>,
}

/// Puts augmented solves in the place of those that move with the directions, and differentiates the first value.
///
/// # Errors
/// A value on the way that has no forward derivative.
pub(super) fn sweep(
    g: &mut Graph,
    systems: &[System],
    inner: &[Vec<NodeId>],
    directions: Directions,
    values: &[NodeId],
) -> Result<Swept, DiffError> {
    let Directions { seeds, axis } = directions;
    let mut sweep = Sweep {
        g,
        systems,
        inner,
        axis,
        tangents: seeds,
        replaced: HashMap::new(),
        index: HashMap::new(),
        augmented: Vec::new(),
    };
    for solve in sweep.solves(values) {
        sweep.solve(solve)?;
    }
    let tangent = sweep.tangents_of(&values[..1])?[0];
    let tangent = tangent.map(|dot| sweep.read(dot));
    let values = values.iter().map(|&value| if sweep.pulls(value) { value } else { sweep.read(value) }).collect();
    Ok(Swept { values, tangent, systems: sweep.augmented })
}

struct Sweep<'a> {
    g: &'a mut Graph,
    systems: &'a [System],
    inner: &'a [Vec<NodeId>],
    axis: Option<usize>,
    /// Of the seeds and of the solves so far.
    tangents: Vec<(NodeId, NodeId)>,
    /// Solves and the part of the augmented solve in their place.
    replaced: HashMap<NodeId, NodeId>,
    /// Where in `augmented` each system has gone.
    index: HashMap<usize, usize>,
    augmented: Vec<Augmented>,
}

impl Sweep<'_> {
    /// The solves that `values` need, each behind those that it needs, be it in its equations.
    fn solves(&self, values: &[NodeId]) -> Vec<NodeId> {
        let mut order = Vec::new();
        let mut seen: HashSet<NodeId> = HashSet::new();
        let mut stack: Vec<(NodeId, bool)> = values.iter().map(|&id| (id, false)).collect();
        while let Some((id, ready)) = stack.pop() {
            if ready {
                order.push(id);
                continue;
            }
            if !seen.insert(id) {
                continue;
            }
            if let Op::Solve(system) = self.g.node(id).op {
                stack.push((id, true));
                stack.extend(self.inner[system as usize].iter().map(|&root| (root, false)));
            }
            stack.extend(self.g.args(id).into_iter().map(|a| (a, false)));
        }
        order
    }

    /// Whether a value has a derivative of a solve inside: that one must find its solve.
    fn pulls(&self, value: NodeId) -> bool {
        self.g.reachable(&[value]).iter().any(|&id| matches!(self.g.node(id).op, Op::SolveVjp(_)))
    }

    /// The value with augmented solves in it.
    fn read(&mut self, value: NodeId) -> NodeId {
        substitute(self.g, value, &self.replaced)
    }

    fn tangents_of(&mut self, values: &[NodeId]) -> Result<Vec<Option<NodeId>>, DiffError> {
        let tangents = self.tangents.clone();
        self.along(values, &tangents)
    }

    /// Tangents of values along tangents of others.
    fn along(&mut self, values: &[NodeId], of: &[(NodeId, NodeId)]) -> Result<Vec<Option<NodeId>>, DiffError> {
        match self.axis {
            None => diff::jvp(self.g, values, of),
            Some(n) => diff::jvp_directions(self.g, values, of, n),
        }
    }

    fn directions(&self) -> usize {
        self.axis.unwrap_or(1)
    }

    /// A vector of `size` entries for every direction, from one after another.
    fn by_direction(&mut self, flat: NodeId, size: usize) -> NodeId {
        match self.axis {
            None => flat,
            Some(n) => self.g.reshape(flat, &[n, size]),
        }
    }

    /// The opposite.
    fn flat(&mut self, tangent: Option<NodeId>, size: usize) -> NodeId {
        let all = size * self.directions();
        match tangent {
            None => self.g.full(0.0, &[all]),
            Some(tangent) => self.g.reshape(tangent, &[all]),
        }
    }

    /// `spell` with the letter `n` for the directions, which is left out where there is no axis.
    fn product(&mut self, spell: &str, args: &[NodeId]) -> NodeId {
        let spell = if self.axis.is_some() { spell.to_owned() } else { spell.replace('n', "") };
        self.g.einsum_text(&spell, args)
    }

    fn solve(&mut self, id: NodeId) -> Result<(), DiffError> {
        let node = self.g.node(id).clone();
        let Op::Solve(system) = node.op else { return Ok(()) };
        let k = system as usize;
        let moved = self.tangents_of(&node.args)?;
        let Some(at) = self.augment(k, moved.iter().any(Option::is_some))? else { return Ok(()) };
        let (dim, total) = (self.systems[k].dim, self.augmented[at].info.dim);
        let [z0, t0, ts] = [node.args[0], node.args[1], node.args[2]];
        let (state, time) = (state_leaf(self.g, k, dim), self.g.leaf(Leaf::Time, &[]));
        let f = self.inner[k][0];
        let mut start = self.flat(moved[0], dim);
        if let Some(t0_dot) = moved[1] {
            let f0 = substitute(self.g, f, &HashMap::from([(state, z0), (time, t0)]));
            let change = self.product("a,n->na", &[f0, t0_dot]);
            let change = self.flat(Some(change), dim);
            start = self.g.minus(start, change);
        }
        let rest = events::start(self.g, total - dim - dim * self.directions());
        let parts: Vec<NodeId> = [z0, start].into_iter().chain(rest).collect();
        let start = self.g.concat(0, &parts);
        let args = [start, t0, ts].map(|x| self.read(x));
        let index = index(self.systems.len() + at);
        let all = self.g.solve(index, &args);
        let rows = self.g.shape(all)[0];
        let value = self.g.slice(all, &[0, 0], &[rows, dim]);
        let n = self.directions();
        let mut dot = self.g.slice(all, &[0, dim], &[rows, n * dim]);
        if self.axis.is_some() {
            dot = self.g.reshape(dot, &[rows, n, dim]);
            dot = self.g.transpose(dot, &[1, 0, 2]);
        }
        if let Some(ts_dot) = moved[2] {
            if self.systems[k].events.iter().flat_map(|e| &e.rules).any(|rule| rule.stops) {
                return Err(DiffError { node: id, why: STOPS });
            }
            let f = lift(self.g, f, &HashMap::from([(state, value), (time, ts)]), rows);
            let change = self.product("ta,nt->nta", &[f, ts_dot]);
            dot = self.g.plus(dot, change);
        }
        self.tangents.push((id, dot));
        self.replaced.insert(id, value);
        Ok(())
    }

    /// The augmented system of system `k`, if it moves by itself or because of what is `moved` from outside.
    fn augment(&mut self, k: usize, moved: bool) -> Result<Option<usize>, DiffError> {
        if let Some(&at) = self.index.get(&k) {
            return Ok(Some(at));
        }
        let inner = &self.inner[k];
        if !moved && self.tangents_of(inner)?.iter().all(Option::is_none) {
            return Ok(None);
        }
        let (base, at) = (&self.systems[k], self.augmented.len());
        let (dim, n) = (base.dim, self.directions());
        let memory = events::memory(base, n);
        let total = dim * (1 + n) + memory;
        let whole = state_leaf(self.g, self.systems.len() + at, total);
        let state = state_leaf(self.g, k, dim);
        let z = self.g.slice(whole, &[0], &[dim]);
        let z_dot = self.g.slice(whole, &[dim], &[n * dim]);
        let z_dot = self.by_direction(z_dot, dim);
        let mut tangents = self.tangents.clone();
        tangents.push((state, z_dot));
        let f_dot = self.along(&inner[..1], &tangents)?[0];
        let f_dot = self.flat(f_dot, dim);
        let still = (memory > 0).then(|| self.g.full(0.0, &[memory]));
        let parts: Vec<NodeId> = [inner[0], f_dot].into_iter().chain(still).collect();
        let mut roots = vec![self.g.concat(0, &parts)];
        if base.events.is_some() {
            roots.extend(self.events(k, whole, &tangents)?);
        }
        let mut map = self.replaced.clone();
        map.insert(state, z);
        let roots: Vec<NodeId> = roots.into_iter().map(|root| substitute(self.g, root, &map)).collect();
        let info = info(base, total);
        self.augmented.push(Augmented { base: k, inner: roots, info });
        self.index.insert(k, at);
        Ok(Some(at))
    }
}

/// What is known of an augmented system; its nodes are those of the system that it augments.
fn info(base: &System, dim: usize) -> System {
    let tangents =
        StateInfo { name: "tangents".to_owned(), shape: vec![dim - base.dim], offset: base.dim, domain: Domain::Real };
    let options = solve::Options { measured: Some(base.dim), penalties: Penalties::default(), ..base.options.clone() };
    System { states: base.states.iter().cloned().chain([tangents]).collect(), dim, options, ..base.clone() }
}

fn state_leaf(g: &mut Graph, k: usize, dim: usize) -> NodeId {
    g.leaf(Leaf::State(index(k)), &[dim])
}

fn index(k: usize) -> u32 {
    u32::try_from(k).unwrap_or(u32::MAX)
}
