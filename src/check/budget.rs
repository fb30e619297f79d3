//! The `memory` of a `solve` item: how much the tape of a sample may keep.

use super::checker::Checker;
use super::codes;
use super::params::head;
use super::program::Gradient;
use crate::diag::{Diagnostic, Span};
use crate::solve::Options as SolveOptions;
use crate::syntax::ast::{Expr, ExprKind};

const UNITS: &[(&str, f64)] = &[("B", 1.0), ("KiB", 1024.0), ("MiB", 1_048_576.0), ("GiB", 1_073_741_824.0)];

/// `64 KiB` → 65536.
fn bytes(text: &str) -> Option<usize> {
    let unit = text.trim_start().trim_start_matches(|c: char| c.is_ascii_digit() || c == '.').trim();
    let factor = UNITS.iter().find(|(name, _)| *name == unit)?.1;
    let number: f64 = text.trim().strip_suffix(unit)?.trim().parse().ok()?;
    let bytes = number * factor;
    // Exact below 2^53, and more than any machine has.
    if (1.0..9e15).contains(&bytes) { Some(bytes as usize) } else { None }
}

impl Checker<'_> {
    /// An amount of memory with its unit.
    pub(super) fn memory(&mut self, e: &Expr) -> Option<usize> {
        if let ExprKind::Text(text) = &e.kind
            && let Some(bytes) = bytes(text)
        {
            return Some(bytes);
        }
        let units: Vec<&str> = UNITS.iter().map(|(name, _)| *name).collect();
        let d = Diagnostic::error(codes::OPTION_VALUE, e.span, "this is no amount of memory")
            .here("how much?")
            .help(format!("write a number and a unit, `memory = \"64 KiB\"`; units: {}", units.join(", ")));
        self.fail(d)
    }

    /// Refuses a `memory` that has no say, and one too small for system `k`.
    pub(super) fn budget(&mut self, k: u32, method: &Expr, options: &SolveOptions, gradient: Gradient) {
        let Some(memory) = options.memory else { return };
        let at = budget_span(method);
        let sizes = self.program.systems[k as usize].states.iter().map(|s| s.ty.shape().iter().product::<usize>());
        let least = options.least_memory(sizes.sum());
        let d = if gradient != Gradient::Discrete || !options.keeps_steps() {
            Diagnostic::error(codes::OPTION_VALUE, at, "this gradient keeps no steps, so it needs no `memory`")
                .here("nothing to bound")
                .help("leave it out; it is for `gradient = discrete` of other methods")
        } else if memory < least {
            Diagnostic::error(codes::OPTION_VALUE, at, "this is too little memory for a step")
                .here(format!("{memory} B"))
                .help(format!("a step and a few states of this system take {least} B"))
        } else {
            return;
        };
        self.report(d);
    }
}

fn budget_span(method: &Expr) -> Span {
    let (_, args) = head(method).unwrap_or(("", &[]));
    let named = args.iter().find(|arg| arg.name.as_ref().is_some_and(|name| name.text == "memory"));
    named.map_or(method.span, |arg| arg.value.span)
}
