//! Right-hand sides with jumps: an adaptive method shrinks its steps there, and gradients miss the jump.

use super::checker::Checker;
use super::codes;
use super::program::{ExprId, Kind};
use crate::diag::Diagnostic;
use crate::graph::Unary;

impl Checker<'_> {
    /// Warns where an equation jumps as the state or time varies.
    pub fn warn_discontinuous(&mut self) {
        let mut warnings = Vec::new();
        for system in &self.program.systems {
            for state in &system.states {
                let Some(rate) = state.rate else { continue };
                if let Some(at) = self.jump(rate) {
                    let span = self.program.expr(at).span;
                    let inside = span.file == state.span.file;
                    let d = Diagnostic::error(
                        codes::DISCONTINUOUS,
                        if inside { span } else { state.span },
                        format!("the equation of `{}` jumps", state.name),
                    );
                    warnings.push(
                        d.here("the value changes abruptly here")
                            .note("step control slows down at a jump, and gradients do not see it move")
                            .help("smooth it, for example with `sigmoid(k*x)`")
                            .warning(),
                    );
                }
            }
        }
        self.diagnostics.extend(warnings);
    }

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
