//! Ast → Program: every name resolved, every shape known, every expression typed, or diagnostics that say why not.
//!
//! Functions, nets, layers and systems are expanded at each call with the shapes of its arguments, so that the program
//! is one arena of typed expressions. A poisoned value (`None`) was reported once and causes no further report.
#![allow(
    clippy::many_single_char_names,
    clippy::single_match_else,
    reason = "a, b, x, y are operands; a poisoned value is told apart by `match`"
)]

mod budget;
mod builtins;
mod calls;
mod checker;
mod codes;
mod constant;
mod convolution;
mod data;
mod derive;
mod domains;
mod events;
mod expr;
mod index;
mod items;
mod modules;
mod nets;
mod notation;
mod options;
mod params;
mod probe;
mod program;
mod reduce;
mod scan;
mod scope;
mod shapes;
mod show;
mod systems;
#[cfg(test)]
mod tests;
mod tolerances;
mod uncalled;
mod warn;

pub use codes::CODES;
pub(crate) use codes::{NO_DERIVATIVE, NO_SPAN};
pub use data::{DataItems, data_items};
pub use domains::Domain;
pub use modules::Loader;
pub use program::{
    Derivative, Dim, EventInfo, ExprId, Gradient, Init, InputInfo, Kind, NamedExpr, NetInfo, NoiseDist, NoiseInfo,
    ParamInfo, Program, Signal, StateInfo, SystemInfo, Ty, Typed,
};
pub use show::show;

use crate::data::DimSize;
use crate::diag::{Diagnostic, Severity, Sources};
use crate::syntax::ast::{File, ItemKind};
use checker::Checker;

/// What a model needs to know from outside.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Sizes of dims that the data decided.
    pub sizes: Vec<(String, DimSize)>,
    /// Number of samples: priors are weighted 1/N, so that the mean over samples is the MAP objective.
    pub samples: Option<usize>,
    /// P: also give P evenly spaced times over the solve span, and every state and signal at them.
    pub trajectory: Option<usize>,
    /// `--set name=value`: dims, and start values of parameters.
    pub overrides: Vec<(String, f64)>,
}

/// Stack for a check: trees may be 6000 operators deep on their left side, which copying and dropping follow down.
const STACK: usize = 64 << 20;

/// Checks a file. The program is there only if there is no error; warnings may come with it.
pub fn check(
    file: &File,
    sources: &mut Sources,
    loader: Loader,
    options: &Options,
) -> (Option<Program>, Vec<Diagnostic>) {
    stacker::maybe_grow(STACK / 2, STACK, || run(file, sources, loader, options))
}

fn run(file: &File, sources: &mut Sources, loader: Loader, options: &Options) -> (Option<Program>, Vec<Diagnostic>) {
    let mut checker = Checker::new(options);
    let mut modules = modules::Modules::new(&mut checker, sources, loader);
    let (main, items) = modules.add(&mut checker, file, "");
    header(&mut checker, &items);
    for d in 0..checker.decls.len() {
        if checker.decls[d].module == main {
            let (used, span) = (checker.decls[d].used, checker.decls[d].name.span);
            let before = checker.program.uses.len();
            let _ = checker.value_of(d, span);
            checker.decls[d].used = used;
            // Declaring a state is no use of it.
            if matches!(checker.decls[d].item.kind, ItemKind::State { .. }) {
                checker.program.uses.truncate(before);
            }
        }
    }
    checker.results(main, &items);
    checker.finish_systems();
    checker.check_uncalled(main);
    let mut diagnostics = std::mem::take(&mut checker.diagnostics);
    let failed = diagnostics.iter().any(|d| d.severity == Severity::Error);
    if !failed {
        checker.warn_unused(main);
        checker.warn_breaks();
        diagnostics.append(&mut checker.diagnostics);
    }
    (if failed { None } else { Some(checker.program) }, diagnostics)
}

fn header(checker: &mut Checker, items: &[std::rc::Rc<crate::syntax::ast::Item>]) {
    let mut first = None;
    for item in items {
        if let ItemKind::Model { name } = &item.kind {
            if let Some(first) = first {
                checker.twice("model", item.span, first);
                continue;
            }
            first = Some(item.span);
            checker.program.name.clone_from(&name.text);
            checker.program.doc = item.doc.clone().unwrap_or_default();
        }
    }
}
