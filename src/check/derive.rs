//! `grad jvp vjp jac div hess lap hvp`: what they need of their arguments, and the shape of their value.

use super::builtins::signature;
use super::calls::{Args, wrong_count};
use super::checker::Checker;
use super::codes;
use super::program::{Derivative, ExprId, Kind, Ty};
use super::scope::Scope;
use crate::diag::{Diagnostic, Span};
use crate::syntax::ast::ExprKind;

/// The operator of a name.
pub(super) fn find(name: &str) -> Option<Derivative> {
    Derivative::ALL.into_iter().find(|d| d.name() == name)
}

impl Checker<'_> {
    /// A derivative operator on its arguments.
    pub fn derivative(&mut self, op: Derivative, given: &Args, span: Span, scope: &Scope) -> Option<ExprId> {
        let count = if op.has_direction() { 3 } else { 2 };
        if given.positional.len() != count || !given.named.is_empty() {
            let d = wrong_count(signature(op.name()), given.positional.len() + given.named.len(), span);
            return self.fail(d);
        }
        let (y, x) = (&given.positional[0], &given.positional[1]);
        let differentiable = match self.program.expr(x.id).kind {
            Kind::Param(_)
            | Kind::Input(_)
            | Kind::Noise(_)
            | Kind::State { .. }
            | Kind::Time(_)
            | Kind::Argument(..) => true,
            // An argument of a system stands for the value that it was given.
            _ => matches!(&x.expr.kind, ExprKind::Name(n) if self.is_argument(n, scope)),
        };
        if !differentiable {
            let d = Diagnostic::error(
                codes::WRT,
                x.expr.span,
                format!("`{}` differentiates with respect to a variable", op.name()),
            )
            .here("this is an expression")
            .help(
                "differentiate with respect to a parameter, an input, a state, `t`, or an argument of a function: \
                       `fn slope(x) = grad(f(x), x)`, then `slope(…)`",
            );
            return self.fail(d);
        }
        let (ty, tx) = (self.ty(y.id), self.ty(x.id));
        let needs_scalar = matches!(op, Derivative::Grad | Derivative::Hess | Derivative::Lap | Derivative::Hvp);
        if needs_scalar {
            self.scalar(y.id, y.expr.span, &format!("what `{}` differentiates", op.name()))?;
        }
        if op == Derivative::Div && !ty.fits(&tx) {
            let d = Diagnostic::error(codes::SHAPES, span, "a divergence needs a vector field: equal shapes")
                .label(y.expr.span, format!("shape {ty}"))
                .label(x.expr.span, format!("shape {tx}"));
            return self.fail(d);
        }
        if let Some(v) = given.positional.get(2) {
            let wanted = if op == Derivative::Vjp { &ty } else { &tx };
            let found = self.ty(v.id);
            if !found.fits(wanted) {
                let what = if op == Derivative::Vjp { "what is differentiated" } else { "the variable" };
                let d = Diagnostic::error(
                    codes::SHAPES,
                    v.expr.span,
                    format!("the direction must have the shape of {what}"),
                )
                .here(format!("shape {found}, not {wanted}"));
                return self.fail(d);
            }
        }
        let dims = match op {
            Derivative::Grad | Derivative::Vjp | Derivative::Hvp => tx.dims,
            Derivative::Jvp => ty.dims,
            Derivative::Div | Derivative::Lap => Vec::new(),
            Derivative::Jac => [ty.dims, tx.dims].concat(),
            Derivative::Hess => [tx.dims.clone(), tx.dims].concat(),
        };
        let direction = given.positional.get(2).map(|v| v.id);
        self.push(Kind::Derivative { op, of: y.id, wrt: x.id, direction }, Ty::of(dims), span)
    }

    fn is_argument(&self, name: &str, scope: &Scope) -> bool {
        scope.locals.iter().any(|(n, _)| n == name) || self.modules[scope.module].locals.iter().any(|(n, _)| n == name)
    }
}
