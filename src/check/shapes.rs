//! Types written and types found: sizes, declared shapes, elementwise agreement, and what is said when they differ.

use super::checker::Checker;
use super::codes;
use super::domains::Domain;
use super::program::{Dim, ExprId, Kind, Ty};
use super::scope::{Scope, Value};
use crate::diag::{Diagnostic, Span};
use crate::syntax::ast::{Expr, ExprKind, Type};

/// A size of more than this is a mistake.
const MAX_SIZE: f64 = 2_147_483_648.0;

/// `value` as a whole number of at least `least`.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked right before")]
pub(super) fn whole(value: f64, least: f64) -> Option<usize> {
    (value >= least && value <= MAX_SIZE && value.fract() == 0.0).then_some(value as usize)
}

impl Checker<'_> {
    /// A size: a `dim` or a constant expression.
    pub fn dim(&mut self, e: &Expr, scope: &Scope) -> Option<Dim> {
        if let ExprKind::Name(name) = &e.kind {
            match self.resolve(name, e.span, scope) {
                Value::Size(dim) => return Some(dim),
                Value::Poison => return None,
                Value::Tensor(_)
                | Value::Solution(_)
                | Value::Callable(_)
                | Value::Builtin(_)
                | Value::Module
                | Value::Folded { .. } => {}
            }
        }
        let id = self.expr(e, scope)?;
        if let Some(Kind::Length(_)) = Some(&self.program.expr(id).kind) {
            return self.fail(bad_size(e.span, "a size that varies between samples can only stand by itself"));
        }
        let value = super::constant::evaluate(&self.program, id).filter(|v| v.len() == 1).map(|v| v[0]);
        match value.and_then(|v| whole(v, 1.0)) {
            Some(size) => Some(Dim::of(size)),
            None => {
                let found = value.map_or("not a constant".to_owned(), |v| format!("{v}"));
                self.fail(bad_size(e.span, &format!("a size must be a positive whole number, and this is {found}")))
            }
        }
    }

    /// The axes of a written type.
    pub fn written(&mut self, ty: &Type, scope: &Scope) -> Option<Ty> {
        let dims: Vec<Option<Dim>> = ty.dims.iter().map(|d| self.dim(d, scope)).collect();
        Some(Ty::of(dims.into_iter().collect::<Option<Vec<_>>>()?))
    }

    /// Matches a written type against a value's; free lower-case names become sizes in `scope`.
    pub fn matches(&mut self, ty: &Type, actual: &Ty, scope: &mut Scope) -> Option<bool> {
        if ty.dims.len() != actual.dims.len() {
            return Some(false);
        }
        let mut fits = true;
        for (e, dim) in ty.dims.iter().zip(&actual.dims) {
            if let ExprKind::Name(name) = &e.kind
                && name.starts_with(|c: char| c.is_lowercase())
                && !self.is_size(name, scope)
            {
                scope.locals.push((name.clone(), Value::Size(dim.clone())));
                continue;
            }
            fits &= self.dim(e, scope)?.fits(dim);
        }
        Some(fits)
    }

    fn is_size(&self, name: &str, scope: &Scope) -> bool {
        let is = |v: &Value| matches!(v, Value::Size(_));
        scope.locals.iter().any(|(n, v)| n == name && is(v))
            || self.modules[scope.module].locals.iter().any(|(n, v)| n == name && is(v))
            || self
                .find_decl(scope.module, name)
                .is_some_and(|d| matches!(self.decls[d].item.kind, crate::syntax::ast::ItemKind::Dim { .. }))
    }

    /// The domain of a written type, and the number of classes if it is a label.
    pub fn domain(&mut self, ty: &Type, scope: &Scope) -> Option<(Domain, Option<usize>)> {
        let Some(e) = &ty.domain else { return Some((Domain::Real, None)) };
        let (name, args) = match &e.kind {
            ExprKind::Name(name) => (name.as_str(), &[][..]),
            ExprKind::Call(callee, args) => match &callee.kind {
                ExprKind::Name(name) => (name.as_str(), args.as_slice()),
                _ => ("", &[][..]),
            },
            _ => ("", &[][..]),
        };
        let mut numbers = Vec::new();
        for a in args {
            numbers.push(self.constant_number(&a.value, scope, "an end of a domain")?);
        }
        let domain = match (name, numbers.as_slice()) {
            ("real", []) => Domain::Real,
            ("positive", []) => Domain::Positive,
            ("negative", []) => Domain::Negative,
            ("unit", []) => Domain::Unit,
            ("simplex", []) => Domain::Simplex,
            ("interval", [low, high]) if low < high => Domain::Interval(*low, *high),
            ("class", [n]) if whole(*n, 2.0).is_some() => return Some((Domain::Real, whole(*n, 2.0))),
            _ => {
                let d = Diagnostic::error(codes::DOMAIN, e.span, "this is no domain").here("unknown domain");
                let d = match crate::diag::did_you_mean(name, Domain::NAMES.iter().copied()) {
                    Some(meant) => d.help(format!("did you mean `{meant}`?")),
                    None => d,
                };
                return self.fail(d.help(
                    "domains: `real`, `positive`, `negative`, `unit`, `interval(low, high)` with low < high, `simplex`; \
                     for the label of an input `class(n)`",
                ));
            }
        };
        Some((domain, None))
    }

    /// A number known before anything runs.
    pub fn constant_number(&mut self, e: &Expr, scope: &Scope, what: &str) -> Option<f64> {
        let id = self.expr(e, scope)?;
        let value = super::constant::evaluate(&self.program, id).filter(|v| v.len() == 1);
        if let Some(v) = value {
            return Some(v[0]);
        }
        let d = Diagnostic::error(codes::NOT_CONSTANT, e.span, format!("{what} must be a number known beforehand"))
            .here("depends on parameters, inputs or states");
        self.fail(d.help("use numbers, `pi`, `dim`s and functions of them"))
    }

    /// Whether two operands combine elementwise, or a report.
    pub fn combine(
        &mut self,
        what: &str,
        a: (ExprId, &Expr),
        b: (ExprId, &Expr),
        span: Span,
        scope: &Scope,
    ) -> Option<()> {
        let (ta, tb) = (self.ty(a.0), self.ty(b.0));
        if ta.is_scalar() || tb.is_scalar() || ta.fits(&tb) {
            return Some(());
        }
        let mut d =
            Diagnostic::error(codes::SHAPES, span, format!("shapes {ta} and {tb} do not combine with `{what}`"))
                .label(a.1.span, format!("shape {ta}"))
                .label(b.1.span, format!("shape {tb}"));
        d = self.declared(d, a.1, scope);
        d = self.declared(d, b.1, scope);
        let outer = ta.dims.len() == 1 && tb.dims.len() == 1;
        d = if outer {
            d.help("elementwise operators need equal shapes; an outer combination is `tensor(i, j: a[i] + b[j])`")
        } else if ta.dims.len() == 2 && tb.dims.len() == 1 && ta.dims[1].fits(&tb.dims[0]) && what == "*" {
            d.help("a matrix times a vector is written `@`")
        } else {
            d.help("only scalars combine with tensors; for others use index notation: `tensor(i, j: A[i, j]*b[j])`")
        };
        self.fail(d)
    }

    /// Adds where the shape of `e` comes from, if it is a name.
    pub fn declared(&self, d: Diagnostic, e: &Expr, scope: &Scope) -> Diagnostic {
        let mut root = e;
        while let ExprKind::Index(inner, _) | ExprKind::Field(inner, _) | ExprKind::Unary(_, inner) = &root.kind {
            root = inner;
        }
        let ExprKind::Name(name) = &root.kind else { return d };
        if scope.locals.iter().any(|(n, _)| n == name) {
            return d;
        }
        match self.find_decl(scope.module, name) {
            Some(i) if !self.modules[self.decls[i].module].is_std => {
                let span = self.decls[i].name.span;
                if d.labels.iter().any(|l| l.span == span) {
                    d
                } else {
                    d.label(span, format!("`{name}` is declared here"))
                }
            }
            _ => d,
        }
    }

    /// A scalar, or a report.
    pub fn scalar(&mut self, id: ExprId, span: Span, what: &str) -> Option<ExprId> {
        let ty = self.ty(id);
        if ty.is_scalar() {
            return Some(id);
        }
        let d = Diagnostic::error(codes::NOT_SCALAR, span, format!("{what} must be a scalar"))
            .here(format!("this has shape {ty}"))
            .help("reduce it with `sum`, `mean` or `norm`, or take an entry with `[…]`");
        self.fail(d)
    }

    /// A truth value, or a report.
    pub fn boolean(&mut self, id: ExprId, span: Span, what: &str) -> Option<ExprId> {
        if self.program.ty(id).is_bool {
            return Some(id);
        }
        let d = Diagnostic::error(codes::NOT_BOOLEAN, span, format!("{what} must be a truth value"))
            .here("this is a number")
            .help("compare it: `x > 0`");
        self.fail(d)
    }

    /// A value that does not vary in time, or a report.
    pub fn constant_in_time(&mut self, id: ExprId, span: Span, what: &str) -> Option<ExprId> {
        let Some(signal) = self.program.expr(id).signal else { return Some(id) };
        let within = |at: &Span| at.file == span.file && at.start >= span.start && at.end <= span.end;
        // A use inside of what is reported is the better place.
        let direct = self.program.uses.iter().find(|u| within(&u.0)).cloned();
        let inside = direct.is_some();
        let first = self.program.uses.get(signal.cause as usize).cloned();
        let (at, name) = direct.or(first).unwrap_or((span, "t".into()));
        let is_state = self.program.systems.iter().any(|s| s.states.iter().any(|x| x.name == name));
        let d = if is_state && inside {
            Diagnostic::error(
                codes::STATE_WITHOUT_TIME,
                at,
                format!("`{name}` is a function of time, and {what} has no time"),
            )
            .here("which time?")
            .help(format!("write `{name}(ts)` for its values at the times `ts`, or `{name}(1)` at one time"))
        } else if name == "t" {
            Diagnostic::error(codes::SIGNAL_AS_STATIC, span, format!("{what} must not vary in time"))
                .here("this depends on `t`")
                .label(at, "`t` comes in here")
                .help("sample it at a time: name it with `let`, then write `name(ts)`")
        } else {
            Diagnostic::error(codes::SIGNAL_AS_STATIC, span, format!("{what} must not vary in time"))
                .here("this varies with the states")
                .label(at, format!("`{name}` comes in here"))
                .help("sample it at a time: name it with `let`, then write `name(ts)`")
        };
        self.fail(d)
    }
}

fn bad_size(span: Span, message: &str) -> Diagnostic {
    Diagnostic::error(codes::BAD_SIZE, span, message)
        .here("not a size")
        .help("a size is a `dim` or a number such as 50")
}
