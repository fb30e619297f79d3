//! The adjoint system of a model (Chen et al. 2018, "Neural ordinary differential equations", equations 4 and 5):
//! a′ = −aᵀ ∂f/∂z, and for the gradient of each parameter g′ = −aᵀ ∂f/∂θ.

use super::build::build;
use super::graph_terms::graph_terms;
use super::math::{Class, Math};
use super::names::{Names, tex_name};
use super::page::{Left, Page};
use super::system::{Adjoint, derive};
use crate::check::Domain;
use crate::diag::Diagnostic;
use crate::graph::{Leaf, NodeId};
use crate::load::Loaded;
use crate::lower::Lowered;

/// The derived adjoint of every system of a model: in `.node` syntax, or as an `align*` environment of LaTeX.
///
/// The equations are in natural values, whatever bijections the solver integrates through. Intermediate values that
/// are used more than once come first, as `let` lines. At most 2000 lines are given.
///
/// # Errors
/// A right-hand side that has no derivative (N0702).
pub fn adjoint(loaded: &Loaded, latex: bool) -> Result<String, Diagnostic> {
    let lowered = &loaded.lowered;
    let mut page = Page::new(latex);
    page.comment(&format!("the adjoint system of {}, derived by reverse differentiation", title(lowered)));
    if lowered.systems.is_empty() {
        page.comment("the model has no states: there is nothing to integrate");
    }
    let mut nodes = 0;
    for k in 0..lowered.systems.len() {
        let derived = derive(lowered, k)?;
        nodes += derived.graph.len();
        page.blank();
        write_system(&mut page, lowered, k, &derived);
    }
    Ok(page.finish(nodes))
}

pub(super) fn title(lowered: &Lowered) -> &str {
    if lowered.name.is_empty() { "the model" } else { &lowered.name }
}

/// The names of one system.
struct SystemNames {
    params: Vec<Math>,
    inputs: Vec<Math>,
    noises: Vec<Math>,
    lengths: Vec<Math>,
    states: Vec<Math>,
    time: Math,
    /// Adjoints of the states and of time.
    adjoints: Vec<Math>,
    time_adjoint: Math,
    gradients: Vec<Math>,
    names: Names,
}

impl SystemNames {
    fn new(lowered: &Lowered, k: usize) -> Self {
        let mut names = Names::default();
        let system = &lowered.systems[k];
        let time = names.written("t", Class::Given, 0);
        let states: Vec<Math> =
            system.states.iter().map(|s| names.written(&s.name, Class::State, s.shape.len())).collect();
        let params: Vec<Math> =
            lowered.params.iter().map(|p| names.written(&p.name, Class::Given, p.shape.len())).collect();
        let inputs = lowered.inputs.iter().map(|i| names.written(&i.name, Class::Given, i.shape.len())).collect();
        let noises = lowered.noises.iter().map(|n| names.written(&n.name, Class::Given, n.shape.len())).collect();
        let lengths = lowered.ragged.iter().map(|r| names.written(&r.0, Class::Given, 0)).collect();
        let mut derived = |letter: &str, name: &str, rank: usize| {
            let tex = format!("{letter}_{{{}}}", tex_name(name));
            Math::Symbol(names.give(&format!("{letter}_{name}"), &tex, Class::Adjoint, rank))
        };
        let adjoints = system.states.iter().map(|s| derived("a", &s.name, s.shape.len())).collect();
        let time_adjoint = derived("a", "t", 0);
        let gradients = lowered.params.iter().map(|p| derived("g", &p.name, p.shape.len())).collect();
        Self { params, inputs, noises, lengths, states, time, adjoints, time_adjoint, gradients, names }
    }

    fn leaf(&self, leaf: Leaf) -> Math {
        let of = |list: &[Math], k: u32| list.get(k as usize).cloned();
        let found = match leaf {
            Leaf::Param(k) => of(&self.params, k),
            Leaf::Input(k) => of(&self.inputs, k),
            Leaf::Noise(k) => of(&self.noises, k),
            Leaf::Length(k) => of(&self.lengths, k),
            Leaf::Time | Leaf::Clock => Some(self.time.clone()),
            Leaf::Capture { index, .. } => of(&self.states, index),
            Leaf::Seed(k) => of(&self.adjoints, k),
            Leaf::State(_) | Leaf::Natural(_) | Leaf::Weight => None,
        };
        found.unwrap_or_else(|| Math::index("state"))
    }
}

fn write_system(page: &mut Page, lowered: &Lowered, k: usize, derived: &Adjoint) {
    let names = SystemNames::new(lowered, k);
    let bars = derived.states.iter().chain([&derived.time]).chain(&derived.params);
    let roots: Vec<NodeId> = derived.rates.iter().copied().chain(bars.copied().flatten()).collect();
    let (terms, place) = graph_terms(&derived.graph, &roots, &|l| names.leaf(l));
    let at = |ids: &[NodeId]| ids.iter().map(|id| place[id]).collect::<Vec<usize>>();
    let built = build(&terms, &at(&roots), &names.names.letters(), names.names.prefix());
    let value = |id: &NodeId| built.values[place[id]].clone();
    let mut given = vec![false; terms.len()];

    page.comment(&heading(lowered, k));
    page.lets(&terms, &built, &mut given, &at(&derived.rates));
    for (state, rate) in names.states.iter().zip(&derived.rates) {
        page.equation(&Left::Rate(state.clone()), &value(rate));
    }

    page.blank();
    explain(page, lowered, k);
    let bars: Vec<NodeId> = derived.states.iter().copied().flatten().collect();
    page.lets(&terms, &built, &mut given, &at(&bars));
    for (adjoint, bar) in names.adjoints.iter().zip(&derived.states) {
        page.minus_equation(adjoint, &bar.as_ref().map_or(Math::Number(0.0), value));
    }

    let quadratures = || names.gradients.iter().zip(&derived.params).chain([(&names.time_adjoint, &derived.time)]);
    let bars: Vec<NodeId> = quadratures().filter_map(|q| *q.1).collect();
    if bars.is_empty() {
        return;
    }
    page.blank();
    page.comment("quadratures: from 0 at t1 to the derivative of the loss at t0, on top of what the loss itself adds");
    page.lets(&terms, &built, &mut given, &at(&bars));
    for (gradient, bar) in quadratures() {
        if let Some(bar) = bar {
            page.minus_equation(gradient, &value(bar));
        }
    }
}

fn heading(lowered: &Lowered, k: usize) -> String {
    let name = &lowered.systems[k].name;
    if name.is_empty() { "forward, from t0 to t1".into() } else { format!("the system {name}: forward, from t0 to t1") }
}

fn explain(page: &mut Page, lowered: &Lowered, k: usize) {
    page.comment(
        "adjoint, integrated from t1 back to t0; a is the derivative of the loss with respect to the state at t",
    );
    page.comment("at t1 it starts from 0; at each observation time it jumps by the derivative of the loss there");
    for s in &lowered.systems[k].states {
        let (name, value) = (
            &s.name,
            match s.domain {
                Domain::Real | Domain::Simplex => continue,
                Domain::Positive => format!("log({})", s.name),
                Domain::Negative => format!("log(-{})", s.name),
                Domain::Unit => format!("log({0}/(1 - {0}))", s.name),
                Domain::Interval(low, high) => format!("log(({0} - {low})/({high} - {0}))", s.name),
            },
        );
        page.comment(&format!("{name} is integrated as u = {value}; the adjoint of u is a_{name} times d{name}/du"));
    }
}
