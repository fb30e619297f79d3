//! One system in natural values: its right-hand side and the vector-Jacobian products of it, optimised.
//!
//! States and parameters of a domain are leaves here, whatever bijection the solver integrates them through.

use crate::check::Domain;
use crate::diag::Diagnostic;
use crate::diff::{self, DiffError, Mode};
use crate::graph::{Binary, Graph, Leaf, NodeId, Op};
use crate::lower::{Lowered, System};
use crate::opt;
use std::collections::HashMap;

/// A system with its adjoint.
pub(super) struct Adjoint {
    pub graph: Graph,
    /// Rate of each state.
    pub rates: Vec<NodeId>,
    /// aᵀ ∂f/∂ of each state, of time, of each parameter; `None` is zero.
    pub states: Vec<Option<NodeId>>,
    pub time: Option<NodeId>,
    pub params: Vec<Option<NodeId>>,
}

/// The leaf of the natural value of a state.
pub(super) fn state_leaf(index: usize) -> Leaf {
    Leaf::Capture { index: small(index), batched: true }
}

/// Derives the adjoint of system `k`.
pub(super) fn derive(lowered: &Lowered, k: usize) -> Result<Adjoint, Diagnostic> {
    let system = &lowered.systems[k];
    let (graph, rates) = natural(lowered, k)?;
    let (mut g, rates) = improve(&graph, &rates);
    let states: Vec<NodeId> = system.states.iter().enumerate().map(|(i, s)| g.leaf(state_leaf(i), &s.shape)).collect();
    let time = g.leaf(Leaf::Time, &[]);
    let params: Vec<NodeId> =
        lowered.params.iter().enumerate().map(|(i, p)| g.leaf(Leaf::Param(small(i)), &p.shape)).collect();
    let outputs: Vec<(NodeId, NodeId)> = rates
        .iter()
        .zip(&system.states)
        .enumerate()
        .map(|(i, (rate, s))| (*rate, g.leaf(Leaf::Seed(small(i)), &s.shape)))
        .collect();
    let wrt: Vec<NodeId> = states.iter().chain([&time]).chain(&params).copied().collect();
    let bars = diff::vjp(&mut g, &outputs, &wrt, Mode::PerSample).map_err(|e| refused(&e))?;
    let roots: Vec<NodeId> = rates.iter().copied().chain(bars.iter().copied().flatten()).collect();
    let (graph, roots) = improve(&g, &roots);
    let mut found = roots.iter().skip(rates.len()).copied();
    let mut bars = bars.iter().map(|b| b.and_then(|_| found.next())).collect::<Vec<_>>().into_iter();
    Ok(Adjoint {
        graph,
        rates: roots[..rates.len()].to_vec(),
        states: bars.by_ref().take(states.len()).collect(),
        time: bars.next().flatten(),
        params: bars.collect(),
    })
}

fn small(k: usize) -> u32 {
    u32::try_from(k).unwrap_or(u32::MAX)
}

fn refused(error: &DiffError) -> Diagnostic {
    Diagnostic::global("N0702", format!("the model cannot be differentiated: {}", error.why))
        .help("use the derivative of a solve in `metric` or `output`, or write the quantity as one more state")
}

fn improve(graph: &Graph, roots: &[NodeId]) -> (Graph, Vec<NodeId>) {
    let simple = opt::simplify(graph, roots);
    let ordered = opt::contract(&simple.graph, &simple.roots);
    (ordered.graph, ordered.roots)
}

/// The rates of the states in a graph where natural values of states and parameters are leaves.
fn natural(lowered: &Lowered, k: usize) -> Result<(Graph, Vec<NodeId>), Diagnostic> {
    let system = &lowered.systems[k];
    // Equal nodes are one node: building the natural values again finds those of the right-hand side.
    let mut source = lowered.graph.clone();
    let flat = source.leaf(Leaf::State(small(k)), &[system.dim]);
    let mut g = Graph::new();
    let mut done = HashMap::new();
    for (i, p) in lowered.params.iter().enumerate() {
        done.insert(p.value, g.leaf(Leaf::Param(small(i)), &p.shape));
    }
    for (i, s) in system.states.iter().enumerate() {
        let size: usize = s.shape.iter().product();
        let part = source.slice(flat, &[s.offset], &[size]);
        let raw = source.reshape(part, &s.shape);
        let value = s.domain.constrain(&mut source, raw, &s.shape);
        let leaf = g.leaf(state_leaf(i), &s.shape);
        done.insert(value, leaf);
        if s.domain == Domain::Real {
            // Reshapes join: `[q, p]` reads this part of the flat state and not the scalar made of it.
            let flattened = g.reshape(leaf, &[size]);
            done.insert(part, flattened);
        }
    }
    let rates = natural_rates(&source, system)?;
    for id in source.reachable(&rates) {
        if !done.contains_key(&id) {
            let mut node = source.node(id).clone();
            for a in &mut node.args {
                *a = done[a];
            }
            let copy = g.add(node);
            done.insert(id, copy);
        }
    }
    let rates = rates.iter().zip(&system.states).map(|(r, s)| g.reshape(done[r], &s.shape)).collect();
    Ok((g, rates))
}

/// Lowering divides the rate of a state by the slope of its bijection and flattens it; this undoes both.
fn natural_rates(g: &Graph, system: &System) -> Result<Vec<NodeId>, Diagnostic> {
    let parts = if system.states.len() == 1 { vec![system.rhs] } else { g.args(system.rhs).to_vec() };
    if parts.len() != system.states.len() {
        return Err(unknown());
    }
    let mut rates = Vec::new();
    for (part, state) in parts.into_iter().zip(&system.states) {
        if matches!(state.domain, Domain::Real | Domain::Simplex) {
            rates.push(part);
            continue;
        }
        let flattened = g.node(part).op == Op::Reshape;
        let quotient = if flattened { g.args(part)[0] } else { part };
        if g.node(quotient).op != Op::Map2(Binary::Div) {
            return Err(unknown());
        }
        rates.push(g.args(quotient)[0]);
    }
    Ok(rates)
}

fn unknown() -> Diagnostic {
    Diagnostic::global("N0702", "the right-hand side of this system has no form in natural values")
}
