//! Options of a `solve` item that are for one state: `tsit5(rtol = 1e-6, x(atol = 1e-12))`; lists of times.

use super::checker::Checker;
use super::codes;
use super::params::head;
use super::scope::Scope;
use crate::diag::{Diagnostic, did_you_mean};
use crate::solve::{Options as SolveOptions, Tolerance};
use crate::syntax::ast::{Arg, Expr, ExprKind};

impl Checker<'_> {
    /// The tolerances of states in a method with its options, into `options`. An inherited `solve` may name states of
    /// other systems; one of the system's `own` may not.
    pub fn state_tolerances(&mut self, k: u32, method: &Expr, own: bool, options: &mut SolveOptions, scope: &Scope) {
        let (_, args) = head(method).unwrap_or(("", &[]));
        for arg in args.iter().filter(|arg| arg.name.is_none()) {
            let ExprKind::Call(callee, inner) = &arg.value.kind else { continue };
            let states = &self.program.systems[k as usize].states;
            let size = |shape: Vec<usize>| shape.iter().product::<usize>();
            let sizes: Vec<usize> = states.iter().map(|s| size(s.ty.shape())).collect();
            let names: Vec<String> = states.iter().map(|s| s.name.clone()).collect();
            let word = if let ExprKind::Name(word) = &callee.kind { word.as_str() } else { "" };
            let Some(at) = names.iter().position(|name| name == word) else {
                if own {
                    let mut d = Diagnostic::error(codes::OPTION, callee.span, format!("no state is called `{word}`"))
                        .here("tolerances of which state?");
                    if let Some(meant) = did_you_mean(word, names.iter().map(String::as_str)) {
                        d = d.help(format!("did you mean `{meant}`?"));
                    }
                    self.report(d.help(format!("states: {}", names.join(", "))));
                }
                continue;
            };
            let common = Tolerance { rtol: options.rtol, atol: options.atol };
            if options.tolerances.is_empty() {
                options.tolerances = vec![common; sizes.iter().sum()];
            }
            let tolerance = self.state_tolerance(inner, common, scope);
            let first: usize = sizes[..at].iter().sum();
            options.tolerances[first..first + sizes[at]].fill(tolerance);
        }
    }

    fn state_tolerance(&mut self, args: &[Arg], common: Tolerance, scope: &Scope) -> Tolerance {
        let mut tolerance = common;
        for arg in args {
            let value = &arg.value;
            match arg.name.as_ref().map(|name| name.text.as_str()) {
                Some("rtol") => tolerance.rtol = self.at_least(value, scope, 0.0).unwrap_or(tolerance.rtol),
                Some("atol") => tolerance.atol = self.at_least(value, scope, 0.0).unwrap_or(tolerance.atol),
                _ => {
                    let at = arg.name.as_ref().map_or(value.span, |name| name.span);
                    let d = Diagnostic::error(codes::OPTION, at, "a state has only its tolerances as options")
                        .here("neither of them")
                        .help("options: rtol, atol");
                    self.report(d);
                }
            }
        }
        tolerance
    }

    /// A list of finite numbers known beforehand, or one of them.
    pub fn constant_numbers(&mut self, e: &Expr, scope: &Scope) -> Option<Vec<f64>> {
        let entries = if let ExprKind::List(entries) = &e.kind { entries.as_slice() } else { std::slice::from_ref(e) };
        let mut all = Vec::new();
        for entry in entries {
            let value = self.constant_number(entry, scope, "an option")?;
            if !value.is_finite() {
                let d = Diagnostic::error(codes::OPTION_VALUE, entry.span, "this option must be finite");
                return self.fail(d.here(format!("{value}")));
            }
            all.push(value);
        }
        Some(all)
    }
}
