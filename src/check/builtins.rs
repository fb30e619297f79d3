//! The built-in functions: their table, and how each is made of graph operations.

use super::calls::{Args, Given, wrong_count};
use super::checker::Checker;
use super::codes;
use super::program::{Dim, ExprId, Kind, Ty};
use super::reduce::Reduction;
use super::scope::{Scope, Value};
use crate::diag::{Diagnostic, Span};
use crate::graph::{Binary, Relation, Unary};
use crate::syntax::ast::{Arg, Expr};

/// Name and signature of every built-in function.
pub(super) const BUILTINS: &[(&str, &str)] = &[
    ("exp", "exp(x)"),
    ("log", "log(x)"),
    ("log1p", "log1p(x)"),
    ("expm1", "expm1(x)"),
    ("sqrt", "sqrt(x)"),
    ("sin", "sin(x)"),
    ("cos", "cos(x)"),
    ("tan", "tan(x)"),
    ("asin", "asin(x)"),
    ("acos", "acos(x)"),
    ("atan", "atan(x)"),
    ("sinh", "sinh(x)"),
    ("cosh", "cosh(x)"),
    ("tanh", "tanh(x)"),
    ("sigmoid", "sigmoid(x)"),
    ("softplus", "softplus(x)"),
    ("abs", "abs(x)"),
    ("sign", "sign(x)"),
    ("floor", "floor(x)"),
    ("erf", "erf(x)"),
    ("lgamma", "lgamma(x)"),
    ("digamma", "digamma(x)"),
    ("relu", "relu(x)"),
    ("elu", "elu(x)"),
    ("gelu", "gelu(x)"),
    ("silu", "silu(x)"),
    ("min", "min(x, axis = k) or min(a, b)"),
    ("max", "max(x, axis = k) or max(a, b)"),
    ("pow", "pow(a, b)"),
    ("atan2", "atan2(y, x)"),
    ("clamp", "clamp(x, low, high)"),
    ("sum", "sum(x, axis = k)"),
    ("mean", "mean(x, axis = k)"),
    ("logsumexp", "logsumexp(x, axis = k)"),
    ("norm", "norm(x, axis = k)"),
    ("softmax", "softmax(x, axis = k)"),
    ("log_softmax", "log_softmax(x, axis = k)"),
    ("dot", "dot(a, b)"),
    ("argmax", "argmax(x)"),
    ("zeros", "zeros(n, …)"),
    ("ones", "ones(n, …)"),
    ("fill", "fill(value, n, …)"),
    ("eye", "eye(n)"),
    ("linspace", "linspace(from, to, n)"),
    ("flatten", "flatten(x)"),
    ("reshape", "reshape(x, n, …)"),
    ("conv2d", "conv2d(x, kernel, stride = 1, padding = 0)"),
    ("interp", "interp(table, ts, t)"),
    ("stop", "stop(x)"),
    ("grad", "grad(y, x)"),
    ("jvp", "jvp(y, x, v)"),
    ("vjp", "vjp(y, x, w)"),
    ("jac", "jac(y, x)"),
    ("div", "div(y, x)"),
    ("hess", "hess(y, x)"),
    ("lap", "lap(y, x)"),
    ("hvp", "hvp(y, x, v)"),
    ("tensor", "tensor(i, j: …)"),
    ("scan", "scan(cell, h0, xs, reverse = false)"),
];

/// The table's own spelling of a name.
pub(super) fn find(name: &str) -> Option<&'static str> {
    BUILTINS.iter().find(|b| b.0 == name).map(|b| b.0)
}

/// The signature of a built-in function.
pub(super) fn signature(name: &str) -> &'static str {
    BUILTINS.iter().find(|b| b.0 == name).map_or("…", |b| b.1)
}

impl Checker<'_> {
    /// A call of a built-in function.
    pub fn builtin<'e>(
        &mut self,
        name: &'static str,
        args: &'e [Arg],
        piped: Option<(ExprId, &'e Expr)>,
        span: Span,
        scope: &Scope,
    ) -> Value {
        if name == "scan" {
            return self.scan(args, span, scope).unwrap_or(Value::Poison);
        }
        let sized = match name {
            "zeros" => self.sized(Some(0.0), args, span, scope),
            "ones" => self.sized(Some(1.0), args, span, scope),
            "fill" => self.sized(None, args, span, scope),
            "eye" => self.eye(args, span, scope),
            "linspace" => self.linspace(args, span, scope),
            "reshape" => self.reshaped(args, piped, span, scope),
            _ => {
                let Some(given) = self.arguments(args, piped, scope) else { return Value::Poison };
                self.function(name, &given, span, scope)
            }
        };
        sized.map_or(Value::Poison, Value::Tensor)
    }

    fn function(&mut self, name: &'static str, given: &Args, span: Span, scope: &Scope) -> Option<ExprId> {
        if let Some(op) = super::derive::find(name) {
            return self.derivative(op, given, span, scope);
        }
        if let Some(f) = Reduction::of(name)
            && !(matches!(name, "min" | "max") && given.positional.len() == 2)
        {
            return self.reduction(name, f, given, span);
        }
        if name == "conv2d" {
            return self.convolution(given, span, scope);
        }
        if let Some(keyword) = given.named.first() {
            let d = Diagnostic::error(
                codes::ARGUMENTS,
                keyword.0.span,
                format!("`{name}` has no argument `{}`", keyword.0.text),
            )
            .here("unknown argument")
            .note(format!("the signature: `{}`", signature(name)));
            return self.fail(d);
        }
        match given.positional.as_slice() {
            [x] => self.of_one(name, x, span),
            [a, b] => self.of_two(name, a, b, span, scope),
            [a, b, c] => self.of_three(name, [a, b, c], span, scope),
            _ => self.wrong(name, given.positional.len(), span),
        }
    }

    fn wrong(&mut self, name: &str, found: usize, span: Span) -> Option<ExprId> {
        let d = wrong_count(signature(name), found, span);
        self.fail(d)
    }

    /// An elementwise function of one argument by its name.
    pub fn of_one(&mut self, name: &str, x: &Given, span: Span) -> Option<ExprId> {
        if let Some(f) = Unary::from_name(name).filter(|f| !matches!(f, Unary::Not | Unary::Neg)) {
            return self.map1(f, x.id, span);
        }
        let zero = self.number(0.0, span);
        match name {
            // Ties of max go to the first, so the slope at 0 is 0.
            "relu" => self.map2(Binary::Max, zero, x.id, span),
            "elu" => {
                let low = self.map2(Binary::Min, x.id, zero, span)?;
                let low = self.map1(Unary::Expm1, low, span)?;
                let positive = self.compare(Relation::Less, zero, x.id, span)?;
                self.select(positive, x.id, low, span)
            }
            "gelu" => {
                let root = self.number(std::f64::consts::FRAC_1_SQRT_2, span);
                let scaled = self.map2(Binary::Mul, x.id, root, span)?;
                let erf = self.map1(Unary::Erf, scaled, span)?;
                let (one, half) = (self.number(1.0, span), self.number(0.5, span));
                let gate = self.map2(Binary::Add, erf, one, span)?;
                let gate = self.map2(Binary::Mul, gate, half, span)?;
                self.map2(Binary::Mul, x.id, gate, span)
            }
            "silu" => {
                let gate = self.map1(Unary::Sigmoid, x.id, span)?;
                self.map2(Binary::Mul, x.id, gate, span)
            }
            "stop" => {
                let ty = self.ty(x.id);
                self.push(Kind::Stop(x.id), ty, span)
            }
            "flatten" => {
                let ty = self.ty(x.id);
                self.reshape(x.id, vec![ty.flat()], span)
            }
            "argmax" => {
                let mut dims = self.ty(x.id).dims;
                if dims.pop().is_none() {
                    let d = Diagnostic::error(codes::AXIS, span, "`argmax` needs a vector").here("this is a scalar");
                    return self.fail(d);
                }
                self.push(Kind::ArgMax(x.id), Ty::of(dims), span)
            }
            _ => self.wrong(name, 1, span),
        }
    }

    fn of_two(&mut self, name: &str, a: &Given, b: &Given, span: Span, scope: &Scope) -> Option<ExprId> {
        let f = match name {
            "min" => Binary::Min,
            "max" => Binary::Max,
            "pow" => Binary::Pow,
            "atan2" => Binary::Atan2,
            "dot" => Binary::Mul,
            _ => return self.wrong(name, 2, span),
        };
        self.combine(name, (a.id, a.expr), (b.id, b.expr), span, scope)?;
        let x = self.map2(f, a.id, b.id, span)?;
        if name == "dot" { self.reduce(Reduction::Sum, x, None, span) } else { Some(x) }
    }

    fn of_three(&mut self, name: &str, [a, b, c]: [&Given; 3], span: Span, scope: &Scope) -> Option<ExprId> {
        match name {
            "clamp" => {
                self.combine(name, (a.id, a.expr), (b.id, b.expr), span, scope)?;
                self.combine(name, (a.id, a.expr), (c.id, c.expr), span, scope)?;
                let low = self.map2(Binary::Max, a.id, b.id, span)?;
                self.map2(Binary::Min, low, c.id, span)
            }
            "interp" => {
                let (table, times) = (self.ty(a.id), self.ty(b.id));
                self.scalar(c.id, c.expr.span, "the time of `interp`")?;
                let fits = times.dims.len() == 1 && table.dims.first().is_some_and(|d| d.fits(&times.dims[0]));
                if !fits || times.dims[0].size < 2 {
                    let d = Diagnostic::error(
                        codes::SHAPES,
                        span,
                        "`interp` needs a table with a row for each of its times",
                    )
                    .label(a.expr.span, format!("table: {table}"))
                    .label(b.expr.span, format!("times: {times}"))
                    .help("`interp(table, ts, t)` with table [N, …], ts [N], N ≥ 2, and a scalar t");
                    return self.fail(d);
                }
                let dims = table.dims[1..].to_vec();
                self.push(Kind::Interp { table: a.id, times: b.id, at: c.id }, Ty::of(dims), span)
            }
            _ => self.wrong(name, 3, span),
        }
    }

    /// `zeros(n, m)`, `ones(n, m)`, `fill(value, n, m)`.
    fn sized(&mut self, value: Option<f64>, args: &[Arg], span: Span, scope: &Scope) -> Option<ExprId> {
        let (value, sizes) = match (value, args) {
            (Some(v), sizes) => (self.number(v, span), sizes),
            (None, [first, sizes @ ..]) => {
                let id = self.expr(&first.value, scope)?;
                (self.scalar(id, first.value.span, "the value of `fill`")?, sizes)
            }
            (None, []) => return self.wrong("fill", 0, span),
        };
        let dims = sizes.iter().map(|a| self.dim(&a.value, scope)).collect::<Option<Vec<_>>>()?;
        self.broadcast(value, &[], dims, span)
    }

    fn eye(&mut self, args: &[Arg], span: Span, scope: &Scope) -> Option<ExprId> {
        let [n] = args else { return self.wrong("eye", args.len(), span) };
        let dim = self.dim(&n.value, scope)?;
        self.push(Kind::Delta, Ty::of(vec![dim.clone(), dim]), span)
    }

    fn linspace(&mut self, args: &[Arg], span: Span, scope: &Scope) -> Option<ExprId> {
        let [from, to, n] = args else { return self.wrong("linspace", args.len(), span) };
        let (a, b) = (self.expr(&from.value, scope), self.expr(&to.value, scope));
        let dim = self.dim(&n.value, scope);
        let (a, b, dim) = (a?, b?, dim?);
        let a = self.scalar(a, from.value.span, "an end of `linspace`")?;
        let b = self.scalar(b, to.value.span, "an end of `linspace`")?;
        self.even_steps(a, b, dim, span)
    }

    /// `dim` evenly spaced numbers from `a` to `b`.
    pub fn even_steps(&mut self, a: ExprId, b: ExprId, dim: Dim, span: Span) -> Option<ExprId> {
        #[allow(clippy::cast_precision_loss, reason = "sizes stay below 2^31")]
        let gaps = dim.size.saturating_sub(1).max(1) as f64;
        let iota = self.push(Kind::Iota, Ty::of(vec![dim]), span)?;
        let gaps = self.number(1.0 / gaps, span);
        let share = self.map2(Binary::Mul, iota, gaps, span)?;
        let range = self.map2(Binary::Sub, b, a, span)?;
        let rise = self.map2(Binary::Mul, share, range, span)?;
        self.map2(Binary::Add, rise, a, span)
    }
}
