//! Right-hand sides with jumps, at which an adaptive method shrinks its steps and which gradients miss, and those
//! through some of whose states goes more than one solution.

use super::checker::Checker;
use super::codes;
use super::probe::{Along, Break, Found, probe};
use super::program::{ExprId, Kind, StateInfo, SystemInfo};
use crate::diag::Diagnostic;
use crate::graph::Unary;

impl Checker<'_> {
    /// Warns where an equation jumps, or is steeper than any line, as a state varies, or jumps in time.
    pub fn warn_breaks(&mut self) {
        let mut warnings = Vec::new();
        for (k, system) in self.program.systems.iter().enumerate() {
            for state in &system.states {
                let Some(rate) = state.rate else { continue };
                let breaks = probe(&self.program, k, rate);
                let root = breaks.iter().find(|f| f.how != Break::Jump);
                let jump = breaks.iter().find(|f| f.how == Break::Jump).map(|f| (f.part, Some(*f)));
                let jump = jump.or_else(|| self.jump(rate).map(|part| (part, None)));
                let told = |part: &(ExprId, _)| !system.options.stops.is_empty() && !self.has_state(part.0);
                if let Some((part, found)) = jump.filter(|jump| !told(jump)) {
                    warnings.push(self.jumps(system, state, part, found));
                }
                warnings.extend(root.and_then(|found| self.parts(system, state, found)));
            }
        }
        self.diagnostics.extend(warnings);
    }

    fn jumps(&self, system: &SystemInfo, state: &StateInfo, part: ExprId, found: Option<Found>) -> Diagnostic {
        let (name, in_time) = (&state.name, !self.has_state(part));
        let at = found.map(|f| format!(" at {} = {}", variable(system, f.along), short(f.at))).unwrap_or_default();
        let d = self.at(state, part, codes::DISCONTINUOUS, format!("the equation of `{name}` jumps{at}"));
        let d = d.here("the value changes abruptly here");
        let d = d.note("step control slows down at a jump, and gradients do not see it move");
        if in_time {
            let t = found.filter(|f| f.along == Along::Time).map_or("…".into(), |f| short(f.at));
            let method = system.options.method.name();
            return d.help(format!("let steps end there: `solve {method}(stops = [{t}])`")).warning();
        }
        d.help(
            "let an `event` change a state that says which branch holds, or smooth it, for example with `sigmoid(k*x)`",
        )
        .warning()
    }

    /// `None` where the exponent is that of a jump.
    fn parts(&self, system: &SystemInfo, state: &StateInfo, found: &Found) -> Option<Diagnostic> {
        let Break::Root(exponent) = found.how else { return None };
        let (name, along, at) = (&state.name, variable(system, found.along), short(found.at));
        let d = self.at(
            state,
            found.part,
            codes::NOT_LIPSCHITZ,
            format!("the equation of `{name}` is not Lipschitz at {along} = {at}"),
        );
        Some(
            d.here("infinitely steep there")
                .note(format!(
                    "beside {along} = {at} it changes like the power {exponent:.2} of the distance: more than one \
                     solution may go through this point, and gradients are infinite there"
                ))
                .help(format!(
                    "keep `{along}` away from it: a domain such as `positive`, an event that stops, or a small number \
                     added under the root"
                ))
                .warning(),
        )
    }

    /// A diagnostic at a part of an equation, or at its state where the part is written in another file.
    fn at(&self, state: &StateInfo, part: ExprId, code: &'static str, message: String) -> Diagnostic {
        let span = self.program.expr(part).span;
        Diagnostic::error(code, if span.file == state.span.file { span } else { state.span }, message)
    }

    fn has_state(&self, id: ExprId) -> bool {
        let is_state = |e: &ExprId| matches!(self.program.expr(*e).kind, Kind::State { .. });
        let condition = match &self.program.expr(id).kind {
            Kind::Select(c, ..) => *c,
            _ => id,
        };
        self.program.reachable(&[condition], false).iter().any(is_state)
    }

    /// A jump that is one wherever it lies, also beyond the places that are tried.
    fn jump(&self, root: ExprId) -> Option<ExprId> {
        let mut seen = vec![false; root.index() + 1];
        let mut stack = vec![root];
        while let Some(id) = stack.pop() {
            if std::mem::replace(&mut seen[id.index()], true) {
                continue;
            }
            let node = self.program.expr(id);
            if node.signal.is_none() {
                continue;
            }
            let varies = |id: &ExprId| self.program.expr(*id).signal.is_some();
            match &node.kind {
                Kind::Map1(Unary::Floor | Unary::Sign, a) | Kind::ArgMax(a) if varies(a) => return Some(id),
                // A kink such as `if x > 0 then x else 0` is harmless; jumps are told by constant branches.
                Kind::Select(c, a, b) if varies(c) && !varies(a) && !varies(b) => return Some(id),
                kind => stack.extend(kind.operands()),
            }
        }
        None
    }
}

/// The name of what is varied.
fn variable(system: &SystemInfo, along: Along) -> String {
    match along {
        Along::Time => "t".to_owned(),
        Along::State(k, i) => {
            let state = &system.states[k];
            if state.ty.is_scalar() { state.name.clone() } else { format!("{}[{i}]", state.name) }
        }
    }
}

/// Four digits are enough to find a place.
fn short(x: f64) -> String {
    let rounded = (x * 1e4).round() / 1e4;
    if rounded == 0.0 { "0".to_owned() } else { format!("{rounded}") }
}
