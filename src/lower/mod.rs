//! Program → Graph: a plain walk over the typed expressions. Derivative operators are expanded here, innermost first;
//! sampling a signal solves its system and rebuilds the signal on the solution.
//!
//! The flat state of system k is `Leaf::State(k)`: its states in order, row-major, each unconstrained. The right-hand
//! side uses outer nodes directly; a later pass turns them into captures.
#![allow(
    clippy::many_single_char_names,
    clippy::single_match_else,
    reason = "g, x, y are the graph and operands; `match` shows both cases"
)]

mod domain;
mod events;
mod lift;
mod model;
#[cfg(test)]
mod tests;
mod walk;

#[cfg(test)]
pub(crate) use walk::has_argument;

pub(crate) use lift::{lift, substitute};

pub use model::{Domain, Events, Gradient, Init, Input, Lowered, Noise, NoiseDist, Options, Param, StateInfo, System};

use crate::check::{ExprId, NO_SPAN, Program};
use crate::diag::Diagnostic;
use crate::graph::NodeId;
use walk::Walk;

/// Lowers a checked model.
///
/// # Errors
/// A derivative that does not exist; a trajectory of a model whose `solve` has no end.
pub fn lower(program: &Program, options: &Options) -> Result<Lowered, Vec<Diagnostic>> {
    let mut walk = Walk::new(program);
    let mut roots: Vec<ExprId> = program.loss.into_iter().collect();
    roots.extend(program.metrics.iter().chain(&program.outputs).map(|m| m.value));
    roots.extend(program.params.iter().filter_map(|p| p.prior));
    for s in &program.systems {
        roots.extend(s.from.into_iter().chain(s.to));
        roots.extend(s.states.iter().filter_map(|x| x.init).chain(s.dynamics()));
    }
    if options.trajectory.is_some() {
        roots.extend(signals(program).map(|(_, id)| id));
    }
    walk.run(&roots);
    let loss = program.loss.map(|id| {
        let loss = walk.node(id);
        with_priors(&mut walk, loss, options.samples.unwrap_or(1))
    });
    let named = |walk: &mut Walk, list: &[crate::check::NamedExpr]| {
        list.iter().map(|m| (m.name.clone(), walk.node(m.value))).collect::<Vec<_>>()
    };
    let metrics = named(&mut walk, &program.metrics);
    let mut outputs = named(&mut walk, &program.outputs);
    if let Some(points) = options.trajectory {
        outputs.extend(trajectory(&mut walk, points));
    }
    let systems = (0..program.systems.len()).map(|k| system(&mut walk, k)).collect();
    let params = (0..program.params.len()).map(|k| param(&mut walk, k)).collect();
    if !walk.problems.is_empty() {
        return Err(walk.problems);
    }
    Ok(Lowered {
        graph: walk.g,
        name: program.name.clone(),
        doc: program.doc.clone(),
        params,
        inputs: program.inputs.iter().map(input).collect(),
        noises: program
            .noises
            .iter()
            .map(|n| Noise { name: n.name.clone(), shape: n.ty.shape(), dist: n.dist })
            .collect(),
        ragged: program.ragged.clone(),
        systems,
        loss,
        metrics,
        outputs,
        train: program.train.clone(),
    })
}

fn input(i: &crate::check::InputInfo) -> Input {
    let ragged = i.ty.dims.iter().find_map(|d| d.ragged).map(|k| k as usize);
    Input { name: i.name.clone(), shape: i.ty.shape(), ragged, class: i.class }
}

fn param(walk: &mut Walk, k: usize) -> Param {
    let value = walk.param(k);
    let p = &walk.program.params[k];
    let shape = p.ty.shape();
    Param {
        name: p.name.clone(),
        raw_shape: p.domain.raw_shape(&shape),
        shape,
        domain: p.domain,
        value,
        init: p.init.clone(),
        doc: p.doc.clone(),
    }
}

/// loss − Σ log p / N: the mean over N samples is then the objective of the maximum a posteriori.
fn with_priors(walk: &mut Walk, loss: NodeId, samples: usize) -> NodeId {
    let priors: Vec<ExprId> = walk.program.params.iter().filter_map(|p| p.prior).collect();
    let mut loss = loss;
    #[allow(clippy::cast_precision_loss, reason = "far below 2^52 samples")]
    let share = 1.0 / samples.max(1) as f64;
    for id in priors {
        let density = walk.node(id);
        let part = walk.g.scale(share, density);
        loss = walk.g.minus(loss, part);
    }
    loss
}

fn system(walk: &mut Walk, k: usize) -> System {
    let program = walk.program;
    let info = &program.systems[k];
    let mut parts = Vec::new();
    for (index, state) in info.states.iter().enumerate() {
        let rate = match state.rate {
            Some(id) => walk.node(id),
            None => {
                let shape = state.ty.shape();
                walk.g.full(0.0, &shape)
            }
        };
        let natural = walk.state(k, index);
        let raw = match state.domain.slope(&mut walk.g, natural) {
            Some(slope) => walk.g.over(rate, slope),
            None => rate,
        };
        let size = walk.g.size(raw);
        parts.push(walk.g.reshape(raw, &[size]));
    }
    let rhs = walk.g.concat(0, &parts);
    let start = walk.start(k);
    let events = events::events(walk, k, rhs);
    let from = match info.from {
        Some(id) => walk.node(id),
        None => walk.g.scalar(0.0),
    };
    System {
        name: info.name.clone(),
        states: walk.slots[k].clone(),
        dim: walk.dim(k),
        rhs,
        events,
        start,
        span: (from, info.to.map(|id| walk.node(id))),
        options: info.options.clone(),
        gradient: info.gradient,
    }
}

/// Signal lets of the anonymous system.
fn signals(program: &Program) -> impl Iterator<Item = (String, ExprId)> + '_ {
    let main = program.main_system;
    let of_main = move |id: ExprId| program.expr(id).signal.is_some_and(|s| Some(s.system) == main);
    program.lets.iter().filter(move |l| of_main(l.value)).map(|l| (l.name.clone(), l.value))
}

/// `t`, the states and the signals at evenly spaced times over the span.
fn trajectory(walk: &mut Walk, points: usize) -> Vec<(String, NodeId)> {
    let program = walk.program;
    let Some(main) = program.main_system else { return Vec::new() };
    let info = &program.systems[main as usize];
    let (Some(from), Some(to)) = (info.from, info.to) else {
        let d = Diagnostic::error(NO_SPAN, info.span, "how far should the solution go?")
            .here("these states have a start, but no end")
            .help("say from when to when: `solve 0 .. 10`");
        walk.problems.push(d);
        return Vec::new();
    };
    let (from, to) = (walk.node(from), walk.node(to));
    let n = points.max(2);
    #[allow(clippy::cast_precision_loss, reason = "far below 2^52 points")]
    let gaps = (n - 1) as f64;
    let g = &mut walk.g;
    let iota = g.iota(n);
    let share = g.scale(1.0 / gaps, iota);
    let range = g.minus(to, from);
    let rise = g.times(share, range);
    let ts = g.plus(rise, from);
    let mut found = vec![("t".to_owned(), ts)];
    for (index, state) in info.states.iter().enumerate() {
        let value = walk.state(main as usize, index);
        found.push((state.name.clone(), walk.sample(main, value, ts)));
    }
    for (name, id) in signals(program).collect::<Vec<_>>() {
        let value = walk.node(id);
        found.push((name, walk.sample(main, value, ts)));
    }
    found
}
