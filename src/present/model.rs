//! The model itself as LaTeX.

use super::adjoint::title;
use super::build::build;
use super::math::{Class, Math};
use super::names::Names;
use super::page::{Left, Page};
use super::program_terms::{Leaves, program_terms};
use crate::check::{ExprId, Kind, Program};
use crate::load::Loaded;
use std::collections::HashMap;

/// A model as mathematics: an `align*` environment with its named values, equations, initial values, priors and loss.
/// At most 2000 lines are given.
pub fn model_latex(loaded: &Loaded) -> String {
    let program = &loaded.program;
    let mut names = Names::default();
    let leaves = leaves(program, &mut names);
    let lets = named(program, &mut names);
    let equations = equations(program, &leaves);
    let roots: Vec<ExprId> = equations.iter().map(|e| e.1).collect();
    let (terms, place) = program_terms(program, &roots, &leaves, &lets);
    let at: Vec<usize> = roots.iter().map(|r| place[r]).collect();
    let built = build(&terms, &at, &names.letters(), names.prefix());
    let mut page = Page::new(true);
    page.comment(&format!("the model {}", title(&loaded.lowered)));
    let mut given = vec![false; terms.len()];
    for ((left, _), k) in equations.iter().zip(at) {
        page.lets(&terms, &built, &mut given, &[k]);
        page.equation(left, &built.values[k]);
    }
    page.finish(program.exprs.len())
}

fn leaves(program: &Program, names: &mut Names) -> Leaves {
    let time = names.written("t", Class::Given, 0);
    let mut states = Vec::new();
    for system in &program.systems {
        let list = system.states.iter().map(|s| names.written(&s.name, Class::State, s.ty.dims.len()));
        states.push(list.collect());
    }
    let mut list = |name: &str, rank: usize| names.written(name, Class::Given, rank);
    Leaves {
        params: program.params.iter().map(|p| list(&p.name, p.ty.dims.len())).collect(),
        inputs: program.inputs.iter().map(|i| list(&i.name, i.ty.dims.len())).collect(),
        noises: program.noises.iter().map(|n| list(&n.name, n.ty.dims.len())).collect(),
        lengths: program.ragged.iter().map(|r| list(&r.0, 0)).collect(),
        states,
        time,
    }
}

/// What the author named; leaves keep their own names.
fn named(program: &Program, names: &mut Names) -> HashMap<ExprId, Math> {
    let mut lets = HashMap::new();
    for l in &program.lets {
        let typed = program.expr(l.value);
        let is_leaf = typed.kind.operands().is_empty() && !matches!(typed.kind, Kind::Const(_));
        if !is_leaf && !lets.contains_key(&l.value) {
            lets.insert(l.value, names.written(&l.name, Class::Value, typed.ty.dims.len()));
        }
    }
    lets
}

/// Left sides and values, in the order of the page.
fn equations(program: &Program, leaves: &Leaves) -> Vec<(Left, ExprId)> {
    let mut list = Vec::new();
    let tex = |m: &Math| super::latex::latex(m);
    for (system, symbols) in program.systems.iter().zip(&leaves.states) {
        for (state, symbol) in system.states.iter().zip(symbols) {
            list.extend(state.rate.map(|rate| (Left::Rate(symbol.clone()), rate)));
        }
        for (state, symbol) in system.states.iter().zip(symbols) {
            list.extend(state.init.map(|init| (Left::Tex(format!("{}(t_0)", tex(symbol))), init)));
        }
    }
    for (param, symbol) in program.params.iter().zip(&leaves.params) {
        list.extend(param.prior.map(|prior| (Left::Tex(format!("\\log p({})", tex(symbol))), prior)));
    }
    list.extend(program.loss.map(|loss| (Left::Tex("\\mathcal{L}".into()), loss)));
    list
}
