//! Book-keeping of the nodes that passes must carry along, by name.

mod tangents;

use super::Derived;
use crate::diag::Diagnostic;
use crate::diff::{self, DiffError, Mode};
use crate::graph::{Graph, Leaf, NodeId, Op};
use crate::lower::{Events, Lowered, System};
use crate::model::{EventParts, JacobianParts, Roots, SystemParts};
use crate::opt::{self, Staged};
use crate::solve::{Method, Sparsity, Stepping};
use std::collections::HashMap;
use std::sync::Arc;
use tangents::Tangents;

/// Every root of a model's graph. Passes see one flat list.
#[derive(Clone, Debug, Default)]
pub(super) struct Ids {
    loss: Option<NodeId>,
    metrics: Vec<NodeId>,
    outputs: Vec<NodeId>,
    natural: Vec<NodeId>,
    /// Where the gradient is found by tangents.
    tangents: Option<Tangents>,
    rhs: Vec<NodeId>,
    /// Functions, rates and resets of each system's events; empty where it has none.
    events: Vec<Vec<NodeId>>,
    /// The captures of each system: outer node and leaf inside.
    captures: Vec<Vec<NodeId>>,
    bars: [Vec<Option<NodeId>>; 3],
    /// Whether the samples of each system share its time.
    clocks: Vec<bool>,
    /// Whether anybody reads derivatives by its times.
    times: Vec<bool>,
    /// Absent where nothing is pulled back through the system.
    system_bars: Vec<Option<Vec<Option<NodeId>>>>,
    /// Absent where the method is explicit.
    jacobians: Vec<Option<JacobianParts>>,
    /// The same for the events' functions and resets.
    event_bars: Vec<Option<Vec<Option<NodeId>>>>,
}

impl Ids {
    pub fn of(lowered: &Lowered) -> Self {
        Self {
            loss: lowered.loss,
            metrics: lowered.metrics.iter().map(|m| m.1).collect(),
            outputs: lowered.outputs.iter().map(|o| o.1).collect(),
            natural: lowered.params.iter().map(|p| p.value).collect(),
            rhs: lowered.systems.iter().map(|s| s.rhs).collect(),
            events: lowered.systems.iter().map(|s| events(s.events.as_ref())).collect(),
            clocks: vec![false; lowered.systems.len()],
            times: vec![true; lowered.systems.len()],
            ..Self::default()
        }
    }

    fn slots(&mut self) -> Vec<&mut NodeId> {
        let mut slots: Vec<&mut NodeId> = self.loss.iter_mut().collect();
        slots.extend(self.metrics.iter_mut().chain(&mut self.outputs).chain(&mut self.natural).chain(&mut self.rhs));
        slots.extend(self.tangents.iter_mut().flat_map(Tangents::all));
        slots.extend(self.events.iter_mut().flatten());
        slots.extend(self.captures.iter_mut().flatten());
        slots.extend(self.bars.iter_mut().flatten().flatten());
        slots.extend(self.system_bars.iter_mut().chain(&mut self.event_bars).flatten().flatten().flatten());
        for jacobian in self.jacobians.iter_mut().flatten() {
            slots.extend([&mut jacobian.dfdz, &mut jacobian.dfdt]);
            slots.extend(jacobian.bars.iter_mut().flatten().flatten());
        }
        slots
    }

    pub fn all(&self) -> Vec<NodeId> {
        self.clone().slots().into_iter().map(|id| *id).collect()
    }

    pub fn replace(&mut self, new: &[NodeId]) {
        for (slot, id) in self.slots().into_iter().zip(new) {
            *slot = *id;
        }
    }

    pub fn loss(&self) -> Option<NodeId> {
        self.loss
    }

    /// What each system computes on the way.
    pub fn inner(&self) -> Vec<Vec<NodeId>> {
        let all = |(rhs, events): (&NodeId, &Vec<NodeId>)| std::iter::once(rhs).chain(events).copied().collect();
        self.rhs.iter().zip(&self.events).map(all).collect()
    }

    /// Roots outside of the systems.
    pub fn outer(&self) -> Vec<NodeId> {
        let lists = self.metrics.iter().chain(&self.outputs).chain(&self.natural);
        let mut outer: Vec<NodeId> = self.loss.iter().chain(lists).copied().collect();
        outer.extend(self.tangents.clone().iter_mut().flat_map(Tangents::all).map(|id| *id));
        outer
    }

    pub fn set_staged(&mut self, staged: &[Staged], outer: &[NodeId]) {
        let mut outer = outer.iter().copied();
        let lists = self.metrics.iter_mut().chain(&mut self.outputs).chain(&mut self.natural);
        let tangents = self.tangents.iter_mut().flat_map(Tangents::all);
        for slot in self.loss.iter_mut().chain(lists).chain(tangents) {
            *slot = outer.next().unwrap_or(*slot);
        }
        self.rhs = staged.iter().map(|s| s.inner[0]).collect();
        self.events = staged.iter().map(|s| s.inner[1..].to_vec()).collect();
        self.captures = staged.iter().map(|s| s.leaves.clone()).collect();
    }

    /// Cotangents of parameters, their natural values and the inputs, for the weighted sum of the samples' losses.
    pub fn differentiate_objective(
        &mut self,
        g: &mut Graph,
        lowered: &Lowered,
        inputs: bool,
    ) -> Result<(), Diagnostic> {
        let Some(loss) = self.loss else { return Ok(()) };
        let weight = g.leaf(Leaf::Weight, &[]);
        let wrt = self.moving(g, lowered, inputs);
        let mut natural = match &self.tangents {
            Some(tangents) => tangents.cotangents(g, &wrt),
            None => diff::vjp(g, &[(loss, weight)], &wrt, Mode::Total).map_err(|e| refused(&e))?,
        };
        let given = natural.split_off(self.natural.len());
        let mut raw = Vec::new();
        for ((k, p), bar) in (0_u32..).zip(&lowered.params).zip(&natural) {
            let Some(bar) = *bar else {
                raw.push(None);
                continue;
            };
            let leaf = g.leaf(Leaf::Param(k), &p.raw_shape);
            let value = p.domain.constrain(g, leaf, &p.shape);
            raw.extend(diff::vjp(g, &[(value, bar)], &[leaf], Mode::Total).map_err(|e| refused(&e))?);
        }
        self.bars = [raw, natural, given];
        Ok(())
    }

    /// Natural values become leaves.
    pub fn hide_parameters(&mut self, lowered: &Lowered) -> Graph {
        let hidden: HashMap<NodeId, u32> = self.natural.iter().copied().zip(0..).collect();
        let opaque = opt::replace(&lowered.graph, &self.all(), |g, id, node| {
            hidden.get(&id).map(|k| g.leaf(Leaf::Natural(*k), &node.shape))
        });
        self.replace(&opaque.roots);
        opaque.graph
    }

    /// Natural values become functions of the unconstrained ones again.
    pub fn reveal_parameters(&mut self, graph: &Graph, lowered: &Lowered) -> Graph {
        let revealed = opt::replace(graph, &self.all(), |g, _, node| match node.op {
            Op::Leaf(Leaf::Natural(k)) => {
                let p = &lowered.params[k as usize];
                let leaf = g.leaf(Leaf::Param(k), &p.raw_shape);
                Some(p.domain.constrain(g, leaf, &p.shape))
            }
            _ => None,
        });
        self.replace(&revealed.roots);
        revealed.graph
    }

    /// Looks who reads derivatives by times, and shares time among the samples of each system that step together unless
    /// somebody does: what is summed over the samples cannot be told apart again.
    pub fn share_times(&mut self, g: &mut Graph, systems: &[System]) {
        for (k, system) in systems.iter().enumerate() {
            let options = &system.options;
            let (read, apart) = self.uses_of_times(g, k);
            // An event moves with what comes before it, and moves what comes after.
            self.times[k] = read || system.events.is_some();
            let shares = options.stepping == Stepping::Batch && options.keeps_steps() && system.events.is_none();
            let runge_kutta = !matches!(options.method, Method::Adams | Method::Implicit(_));
            if shares && runge_kutta && !read && !apart {
                self.rhs[k] = opt::share_time(g, self.rhs[k]);
                self.clocks[k] = true;
            }
        }
    }

    /// Whether derivatives by the times of a system are read, and whether samples may start it at times of their own.
    fn uses_of_times(&self, g: &Graph, k: usize) -> (bool, bool) {
        let (mut read, mut apart) = (false, false);
        for id in g.reachable(&self.all()) {
            let node = g.node(id);
            match node.op {
                Op::Solve(system) if system == index(k) => apart |= g.batched(node.args[1]),
                Op::SolvePart { argument: 1 | 2, .. } => read |= g.node(node.args[0]).op == Op::SolveVjp(index(k)),
                _ => {}
            }
        }
        (read, apart)
    }

    fn leaves(&self, g: &mut Graph, k: usize, dim: usize) -> [NodeId; 3] {
        let time = if self.clocks[k] { Leaf::Clock } else { Leaf::Time };
        let k = index(k);
        [g.leaf(Leaf::State(k), &[dim]), g.leaf(time, &[]), g.leaf(Leaf::Seed(k), &[dim])]
    }

    /// Cotangents of state, time and captures of one right-hand side, and of the events.
    pub fn differentiate_system(
        &mut self,
        g: &mut Graph,
        k: usize,
        system: &System,
        all: bool,
    ) -> Result<(), Diagnostic> {
        let pulled = g.reachable(&self.outer()).iter().any(|&id| g.node(id).op == Op::SolveVjp(index(k)));
        if !all && !pulled {
            self.system_bars.push(None);
            self.event_bars.push(None);
            return Ok(());
        }
        let [state, time, seed] = self.leaves(g, k, system.dim);
        let wrt: Vec<NodeId> = [state, time].into_iter().chain(self.captures[k].iter().copied()).collect();
        let mut bars = diff::vjp(g, &[(self.rhs[k], seed)], &wrt, Mode::Total).map_err(|e| refused(&e))?;
        if !self.times[k] {
            bars[1] = None;
        }
        self.system_bars.push(Some(bars));
        let bars = match self.events[k].as_slice() {
            [when, _, resets] => {
                let all = g.concat(0, &[*when, *resets]);
                let seed = event_seed(g, k, *when, *resets);
                Some(diff::vjp(g, &[(all, seed)], &wrt, Mode::Total).map_err(|e| refused(&e))?)
            }
            _ => None,
        };
        self.event_bars.push(bars);
        Ok(())
    }

    /// The Jacobian of one right-hand side for an implicit method, and its pull-back where the reverse pass needs it.
    pub fn differentiate_jacobian(&mut self, g: &mut Graph, k: usize, info: &System) -> Result<(), Diagnostic> {
        let Method::Implicit(method) = info.options.method else {
            self.jacobians.push(None);
            return Ok(());
        };
        let [state, time, _] = self.leaves(g, k, info.dim);
        let rhs = self.rhs[k];
        let rows = diff::pattern(g, rhs, state);
        let sparsity = rows.and_then(|rows| Sparsity::new(&rows)).map(|sparsity| {
            let leaf = jacobian_directions(g, k, &sparsity);
            (Arc::new(sparsity), leaf)
        });
        if sparsity.is_none() && info.dim.pow(2) > MOST_ENTRIES {
            return Err(too_large(info.dim));
        }
        let dfdz = match &sparsity {
            Some((sparsity, leaf)) => diff::jacobian_along(g, rhs, state, *leaf, sparsity.directions()),
            None => diff::jacobian(g, rhs, state),
        };
        let dfdz = dfdz.map_err(|e| refused(&e))?;
        let dfdt = diff::jacobian(g, rhs, time).map_err(|e| refused(&e))?;
        let columns = sparsity.as_ref().map_or(info.dim, |known| known.0.directions());
        let seeds = jacobian_seeds(g, k, info.dim, columns);
        let mut bars = None;
        if method.differentiates_jacobian() && self.system_bars[k].is_some() {
            let wrt: Vec<NodeId> = [state, time].into_iter().chain(self.captures[k].iter().copied()).collect();
            let pairs = [(dfdz, seeds[0]), (dfdt, seeds[1])];
            bars = Some(diff::vjp(g, &pairs, &wrt, Mode::Total).map_err(|e| refused(&e))?);
        }
        self.jacobians.push(Some(JacobianParts { dfdz, dfdt, seeds, sparsity, bars }));
        Ok(())
    }

    pub fn derived(self, mut graph: Graph, infos: Vec<System>) -> Derived {
        let mut systems = Vec::new();
        for (k, info) in infos.iter().enumerate() {
            let jacobian = self.jacobians.get(k).cloned().flatten();
            systems.push(SystemParts {
                dim: info.dim,
                leaves: self.leaves(&mut graph, k, info.dim),
                captures: self.captures[k].clone(),
                times: self.times[k],
                rhs: self.rhs[k],
                kept: Vec::new(),
                gathered: None,
                events: match (self.events[k].as_slice(), &info.events) {
                    ([when, rates, resets], Some(events)) => Some(EventParts {
                        rules: events.rules.clone(),
                        when: *when,
                        rates: *rates,
                        resets: *resets,
                        seed: event_seed(&mut graph, k, *when, *resets),
                        bars: self.event_bars.get(k).cloned().flatten(),
                    }),
                    _ => None,
                },
                bars: self.system_bars.get(k).cloned().flatten(),
                jacobian: jacobian.map(|parts| relocated(&mut graph, k, info.dim, parts)),
            });
        }
        let Self { loss, metrics, outputs, natural, bars, tangents, .. } = self;
        let tangents = tangents.map(|found| (found.loss, found.metrics));
        Derived { graph, loss, metrics, outputs, natural, bars, tangents, systems, infos, positions: Vec::new() }
    }
}

/// Seeds of Jacobians are numbered from here, far from those of the systems.
const JACOBIAN: u32 = 1 << 28;

/// Entries of a dense Jacobian at most: 1 GiB in double precision, as of any tensor.
const MOST_ENTRIES: usize = 1 << 27;

fn too_large(dim: usize) -> Diagnostic {
    Diagnostic::global("N0312", format!("the Jacobian of these {dim} states is dense, and too large for memory"))
        .help("an implicit method solves linear systems with it: use an explicit method")
        .help("or let the rate of each state depend on few others: a mean over all states, say, makes it dense")
}

fn index(k: usize) -> u32 {
    u32::try_from(k).unwrap_or(u32::MAX)
}

fn jacobian_seeds(g: &mut Graph, k: usize, dim: usize, columns: usize) -> [NodeId; 2] {
    let first = JACOBIAN + 3 * index(k);
    [g.leaf(Leaf::Seed(first), &[dim, columns]), g.leaf(Leaf::Seed(first + 1), &[dim])]
}

fn jacobian_directions(g: &mut Graph, k: usize, sparsity: &Sparsity) -> NodeId {
    g.leaf(Leaf::Seed(JACOBIAN + 3 * index(k) + 2), &[sparsity.directions(), sparsity.dim()])
}

/// The leaves of a Jacobian in another graph.
fn relocated(g: &mut Graph, k: usize, dim: usize, parts: JacobianParts) -> JacobianParts {
    let columns = parts.sparsity.as_ref().map_or(dim, |known| known.0.directions());
    let seeds = jacobian_seeds(g, k, dim, columns);
    let sparsity = parts.sparsity.map(|(sparsity, _)| {
        let leaf = jacobian_directions(g, k, &sparsity);
        (sparsity, leaf)
    });
    JacobianParts { seeds, sparsity, ..parts }
}

/// The seeds of systems' events; those below are of systems, those from 2^24 on of arguments.
const EVENT_SEEDS: u32 = 1 << 23;

/// The cotangent of a system's event functions and resets, one after the other.
fn event_seed(g: &mut Graph, k: usize, when: NodeId, resets: NodeId) -> NodeId {
    let size = g.size(when) + g.size(resets);
    g.leaf(Leaf::Seed(EVENT_SEEDS + index(k)), &[size])
}

fn events(events: Option<&Events>) -> Vec<NodeId> {
    events.map_or_else(Vec::new, |e| vec![e.when, e.rates, e.resets])
}

pub(super) fn refused(error: &DiffError) -> Diagnostic {
    Diagnostic::global("N0702", format!("the model cannot be differentiated: {}", error.why))
        .help("use the derivative of a solve in `metric` or `output`, or write the quantity as one more state")
}

/// Roots of a program as they are listed.
#[derive(Clone, Debug, Default)]
pub(super) struct EntryList {
    pub nodes: Vec<NodeId>,
    pub roots: Roots,
}

impl EntryList {
    pub fn add(&mut self, id: NodeId) -> usize {
        self.nodes.push(id);
        self.nodes.len() - 1
    }

    pub fn value(loss: NodeId, metrics: &[NodeId]) -> Self {
        let mut list = Self::default();
        list.roots.loss = Some(list.add(loss));
        list.roots.metrics = metrics.iter().map(|&m| list.add(m)).collect();
        list
    }

    pub fn gradient(loss: NodeId, derived: &Derived) -> Self {
        let (loss, metrics) = derived.tangents.as_ref().map_or((loss, &derived.metrics), |t| (t.0, &t.1));
        let mut list = Self::value(loss, metrics);
        let [raw, natural, inputs] = &derived.bars;
        let all = |list: &mut Self, bars: &[Option<NodeId>]| bars.iter().map(|b| b.map(|b| list.add(b))).collect();
        list.roots.raw = all(&mut list, raw);
        list.roots.natural = all(&mut list, natural);
        list.roots.inputs = all(&mut list, inputs);
        list
    }
}
