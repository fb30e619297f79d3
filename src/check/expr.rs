//! Expressions → typed expressions. `None` is a poisoned value: the reason was reported.

use super::checker::Checker;
use super::codes;
use super::program::{Dim, ExprId, Kind, Ty};
use super::scope::{Scope, Value};
use crate::diag::{Diagnostic, Span};
use crate::graph::{Binary, Relation, Scalar, Unary};
use crate::syntax::ast::{BinaryOp, Expr, ExprKind, Name, UnaryOp};

/// Deeper nesting than this (calls included) is a mistake, and would overflow the stack.
const MAX_DEPTH: usize = 160;

/// When less stack than this is left, more is taken.
const STACK_LEFT: usize = 128 << 10;
const STACK_MORE: usize = 1 << 20;

impl Checker<'_> {
    /// A value that is a tensor.
    pub fn expr(&mut self, e: &Expr, scope: &Scope) -> Option<ExprId> {
        if self.depth >= MAX_DEPTH {
            let d = Diagnostic::error(codes::DEEP, e.span, "this is nested too deeply")
                .here(format!("more than {MAX_DEPTH} levels of expressions and calls"))
                .help("name parts of it with `let`");
            return self.fail(d);
        }
        self.depth += 1;
        // A level may expand calls, layers and systems; its frames are large.
        let id = stacker::maybe_grow(STACK_LEFT, STACK_MORE, || self.expr_kind(e, scope));
        self.depth -= 1;
        id
    }

    fn expr_kind(&mut self, e: &Expr, scope: &Scope) -> Option<ExprId> {
        match &e.kind {
            ExprKind::Number(v) => Some(self.number(*v, e.span)),
            ExprKind::Bool(v) => {
                let ty = Ty { dims: Vec::new(), is_bool: true };
                self.push(Kind::Const(Scalar(f64::from(*v))), ty, e.span)
            }
            ExprKind::Text(_) => {
                let d = Diagnostic::error(codes::WRONG_KIND, e.span, "a string is no number").here("a string");
                self.fail(d.help("strings name files and columns in a `data` item"))
            }
            ExprKind::Name(name) => {
                let value = self.resolve(name, e.span, scope);
                self.tensor(value, e.span, name)
            }
            ExprKind::Unary(op, a) => {
                let x = self.expr(a, scope)?;
                match op {
                    UnaryOp::Neg => self.map1(Unary::Neg, x, e.span),
                    UnaryOp::Not => {
                        let x = self.boolean(x, a.span, "the operand of `not`")?;
                        self.map1(Unary::Not, x, e.span)
                    }
                }
            }
            ExprKind::Binary(..) => self.chain(e, scope),
            ExprKind::If(c, a, b) => self.choice(c, a, b, e.span, scope),
            ExprKind::List(parts) => self.list(parts, e.span, scope),
            ExprKind::Index(base, places) => self.index(base, places, e.span, scope),
            ExprKind::Comprehension(head, names, body) => self.comprehension(head, names, body, e.span, scope),
            ExprKind::Call(..) | ExprKind::Field(..) | ExprKind::Pipe(..) => {
                let value = self.value(e, scope);
                self.tensor(value, e.span, "this")
            }
            ExprKind::Error => None,
        }
    }

    /// A value of any kind: what a callee may be.
    pub fn value(&mut self, e: &Expr, scope: &Scope) -> Value {
        let from = |found: Option<ExprId>| found.map_or(Value::Poison, Value::Tensor);
        match &e.kind {
            ExprKind::Name(name) => self.resolve(name, e.span, scope),
            ExprKind::Call(callee, args) => self.call(callee, args, None, e.span, scope),
            ExprKind::Field(base, name) => self.field(base, name, e.span, scope),
            ExprKind::Pipe(a, f) => {
                let Some(x) = self.expr(a, scope) else { return Value::Poison };
                match &f.kind {
                    ExprKind::Call(callee, args) => self.call(callee, args, Some((x, a)), e.span, scope),
                    _ => self.call(f, &[], Some((x, a)), e.span, scope),
                }
            }
            _ => from(self.expr(e, scope)),
        }
    }

    fn tensor(&mut self, value: Value, span: Span, name: &str) -> Option<ExprId> {
        let d = match value {
            Value::Tensor(id) => return Some(id),
            Value::Poison => return None,
            Value::Size(Dim { ragged: Some(k), .. }) => return self.push(Kind::Length(k), Ty::scalar(), span),
            #[allow(clippy::cast_precision_loss, reason = "sizes stay below 2^31")]
            Value::Size(dim) => return Some(self.number(dim.size as f64, span)),
            Value::Solution(k) => {
                let states: Vec<&str> =
                    self.program.systems[k as usize].states.iter().map(|s| s.name.as_str()).collect();
                let first = states.first().copied().unwrap_or("z").to_owned();
                Diagnostic::error(codes::WRONG_KIND, span, "a solution is not a number")
                    .here(format!("it has the states {}", states.join(", ")))
                    .help(format!("take a state at a time: `.{first}(1)`"))
            }
            Value::Callable(decl) => {
                let decl = &self.decls[decl].name;
                Diagnostic::error(codes::WRONG_KIND, span, format!("`{}` is not a number", decl.text))
                    .here("a function, used as a value")
                    .label(decl.span, "declared here")
                    .help(format!("call it: `{}(…)`", decl.text))
            }
            Value::Builtin(name) => {
                Diagnostic::error(codes::WRONG_KIND, span, format!("`{name}` is a function, not a number"))
                    .here("a function, used as a value")
                    .help(format!("call it: `{}`", super::builtins::signature(name)))
            }
            Value::Folded { .. } => Diagnostic::error(codes::WRONG_KIND, span, "a `scan` has many states")
                .here("which of them?")
                .help("write `.last` for the last state, `.all` for all of them"),
            Value::Module => Diagnostic::error(codes::WRONG_KIND, span, format!("`{name}` is a module"))
                .here("a module, used as a value")
                .help(format!("name something in it: `{name}.…`")),
        };
        self.fail(d)
    }

    /// A run of binary operators, without recursing down its left side.
    fn chain(&mut self, e: &Expr, scope: &Scope) -> Option<ExprId> {
        let mut spine = Vec::new();
        let mut left = e;
        while let ExprKind::Binary(op, a, b) = &left.kind {
            spine.push((*op, a.as_ref(), b.as_ref(), left.span));
            left = a;
        }
        let mut value = self.expr(left, scope);
        for (op, a, b, span) in spine.into_iter().rev() {
            let right = self.expr(b, scope);
            value = match (value, right) {
                (Some(x), Some(y)) => self.binary(op, (x, a), (y, b), span, scope),
                _ => None,
            };
        }
        value
    }

    fn binary(
        &mut self,
        op: BinaryOp,
        a: (ExprId, &Expr),
        b: (ExprId, &Expr),
        span: Span,
        scope: &Scope,
    ) -> Option<ExprId> {
        if op == BinaryOp::MatMul {
            return self.matmul(a, b, span, scope);
        }
        self.combine(symbol(op), a, b, span, scope)?;
        self.elementwise(op, (a.0, a.1.span), (b.0, b.1.span), span)
    }

    /// An elementwise operator on operands that combine.
    pub fn elementwise(&mut self, op: BinaryOp, a: (ExprId, Span), b: (ExprId, Span), span: Span) -> Option<ExprId> {
        let (x, y) = (a.0, b.0);
        match op {
            BinaryOp::Add => self.map2(Binary::Add, x, y, span),
            BinaryOp::Sub => self.map2(Binary::Sub, x, y, span),
            BinaryOp::Mul | BinaryOp::MatMul => self.map2(Binary::Mul, x, y, span),
            BinaryOp::Div => self.map2(Binary::Div, x, y, span),
            BinaryOp::Pow => self.map2(Binary::Pow, x, y, span),
            BinaryOp::Less => self.compare(Relation::Less, x, y, span),
            BinaryOp::LessEq => self.compare(Relation::LessEq, x, y, span),
            BinaryOp::Greater => self.compare(Relation::Less, y, x, span),
            BinaryOp::GreaterEq => self.compare(Relation::LessEq, y, x, span),
            BinaryOp::Equal => self.compare(Relation::Equal, x, y, span),
            BinaryOp::NotEqual => self.compare(Relation::NotEqual, x, y, span),
            BinaryOp::And | BinaryOp::Or => {
                let what = format!("an operand of `{}`", symbol(op));
                let (x, y) = (self.boolean(x, a.1, &what), self.boolean(y, b.1, &what));
                let (x, y) = (x?, y?);
                let f = if op == BinaryOp::And { Binary::Min } else { Binary::Max };
                let dims = if self.ty(x).is_scalar() { self.ty(y).dims } else { self.ty(x).dims };
                self.push(Kind::Map2(f, x, y), Ty { dims, is_bool: true }, span)
            }
        }
    }

    fn matmul(&mut self, a: (ExprId, &Expr), b: (ExprId, &Expr), span: Span, scope: &Scope) -> Option<ExprId> {
        let (ta, tb) = (self.ty(a.0), self.ty(b.0));
        let spec = match (ta.dims.len(), tb.dims.len()) {
            (1, 1) => Some("a,a->"),
            (2, 1) => Some("ab,b->a"),
            (1, 2) => Some("a,ab->b"),
            (2, 2) => Some("ab,bc->ac"),
            _ => None,
        };
        if let Some(spec) = spec
            && ta.dims[ta.dims.len() - 1].fits(&tb.dims[0])
        {
            let (x, y) = self.mask_contracted(a.0, b.0, span)?;
            return self.einsum_text(spec, vec![x, y], span);
        }
        let mut d = Diagnostic::error(codes::MATMUL, span, format!("`@` cannot multiply {ta} and {tb}"))
            .label(a.1.span, format!("shape {ta}"))
            .label(b.1.span, format!("shape {tb}"));
        d = self.declared(d, a.1, scope);
        d = self.declared(d, b.1, scope);
        let (text_a, text_b) = (spelled(a.1), spelled(b.1));
        let last = |t: &Ty| t.dims.last().cloned();
        let swapped = spec.is_some() && last(&tb).zip(ta.dims.first().cloned()).is_some_and(|(x, y)| x.fits(&y));
        if ta.is_scalar() || tb.is_scalar() {
            d = d.help("multiply with a scalar by `*`");
        } else if let (true, Some(x), Some(y)) = (swapped, &text_a, &text_b) {
            d = d.help(format!("the other order fits: `{y} @ {x}`")).fix(
                span,
                format!("{y} @ {x}"),
                "swap the factors",
            );
        } else if spec.is_some() && ta.dims.len() == 2 && ta.dims[0].fits(&tb.dims[0]) {
            d = d.help(format!("the transpose fits: `{}.T @ …`", text_a.as_deref().unwrap_or("A")));
        } else if ta.dims.len() > 2 || tb.dims.len() > 2 {
            d = d.help("`@` multiplies vectors and matrices; other products are written `tensor(i, j: …)`");
        } else {
            d = d.note("the last axis on the left and the first axis on the right must have the same size");
        }
        self.fail(d)
    }

    /// The contracted axis may be ragged: then the left factor is zero in the padding.
    fn mask_contracted(&mut self, a: ExprId, b: ExprId, span: Span) -> Option<(ExprId, ExprId)> {
        let ty = self.ty(a);
        let Some(last) = ty.dims.last().filter(|d| d.ragged.is_some()) else { return Some((a, b)) };
        let axis = ty.dims.len() - 1;
        let mask = self.mask(last.clone(), span)?;
        let mask = self.broadcast(mask, &[axis], ty.dims, span)?;
        let zero = self.number(0.0, span);
        Some((self.select(mask, a, zero, span)?, b))
    }

    fn choice(&mut self, c: &Expr, a: &Expr, b: &Expr, span: Span, scope: &Scope) -> Option<ExprId> {
        let condition = self.expr(c, scope);
        let (x, y) = (self.expr(a, scope), self.expr(b, scope));
        let condition = condition.and_then(|id| self.boolean(id, c.span, "a condition"))?;
        let (x, y) = (x?, y?);
        self.combine("if", (x, a), (y, b), span, scope)?;
        let whole = if self.ty(x).is_scalar() { (y, b) } else { (x, a) };
        self.combine("if", (condition, c), whole, span, scope)?;
        self.select(condition, x, y, span)
    }

    /// `[a, b]`: scalars and tensors one after another along the first axis.
    fn list(&mut self, parts: &[Expr], span: Span, scope: &Scope) -> Option<ExprId> {
        let ids: Vec<Option<ExprId>> = parts.iter().map(|p| self.expr(p, scope)).collect();
        let ids = ids.into_iter().collect::<Option<Vec<_>>>()?;
        if ids.is_empty() {
            let d = Diagnostic::error(codes::CONCAT, span, "an empty list has no value").here("nothing in it");
            return self.fail(d);
        }
        let rank = ids.iter().map(|id| self.ty(*id).dims.len()).max().unwrap_or(0).max(1);
        let mut widened = Vec::new();
        let mut tail: Option<(Vec<Dim>, Span)> = None;
        for (id, part) in ids.into_iter().zip(parts) {
            let ty = self.ty(id);
            let id = if ty.is_scalar() && rank == 1 { self.reshape(id, vec![Dim::of(1)], part.span)? } else { id };
            let ty = self.ty(id);
            let rest: Vec<Dim> = ty.dims.iter().skip(1).cloned().collect();
            let fits = |t: &Vec<Dim>| t.len() == rest.len() && t.iter().zip(&rest).all(|(a, b)| a.fits(b));
            let ragged = ty.dims.first().is_some_and(|d| d.ragged.is_some()) && parts.len() > 1;
            if ty.dims.len() != rank || ragged || tail.as_ref().is_some_and(|(t, _)| !fits(t)) {
                let mut d = Diagnostic::error(codes::CONCAT, part.span, "this part does not fit into the list")
                    .here(format!("shape {ty}"))
                    .help("all parts need the same sizes but for the first axis; scalars go with vectors");
                if ragged {
                    d = d.note("an axis whose size differs between samples cannot be continued");
                }
                if let Some((t, at)) = tail {
                    d = d.label(at, format!("other parts are like this: […, {}]", Ty::of(t)));
                }
                return self.fail(d);
            }
            tail.get_or_insert((rest, part.span));
            widened.push(id);
        }
        if widened.len() == 1 {
            return widened.pop();
        }
        let size = widened.iter().map(|id| self.ty(*id).dims[0].size).sum();
        let mut dims = self.ty(widened[0]).dims;
        dims[0] = Dim::of(size);
        self.push(Kind::Concat(0, widened), Ty::of(dims), span)
    }

    fn field(&mut self, base: &Expr, name: &Name, span: Span, scope: &Scope) -> Value {
        if let ExprKind::Name(module) = &base.kind
            && let Some(m) = self.find_module(scope.module, module)
            && !self.is_value(module, scope)
        {
            if let Some(&d) = self.modules[m].names.get(&name.text) {
                return self.value_of(d, span);
            }
            let names: Vec<&str> = self.modules[m].names.keys().map(String::as_str).collect();
            let mut d = Diagnostic::error(
                codes::UNKNOWN_NAME,
                name.span,
                format!("`{module}` has nothing called `{}`", name.text),
            )
            .here("unknown name");
            if let Some(meant) = crate::diag::did_you_mean(&name.text, names) {
                d = d.help(format!("did you mean `{module}.{meant}`?"));
            }
            self.report(d);
            return Value::Poison;
        }
        match self.value(base, scope) {
            Value::Solution(k) => self.state_of(k, name),
            Value::Folded { last, .. } if name.text == "last" => Value::Tensor(last),
            Value::Folded { all, .. } if name.text == "all" => Value::Tensor(all),
            Value::Poison => Value::Poison,
            other => {
                let Some(x) = self.tensor(other, base.span, "this") else { return Value::Poison };
                self.transposed(x, name, span)
            }
        }
    }

    fn is_value(&self, name: &str, scope: &Scope) -> bool {
        scope.locals.iter().any(|(n, _)| n == name) || self.find_decl(scope.module, name).is_some()
    }

    fn transposed(&mut self, x: ExprId, name: &Name, span: Span) -> Value {
        let ty = self.ty(x);
        if name.text == "T" && ty.dims.len() <= 2 {
            let order: Vec<usize> = (0..ty.dims.len()).rev().collect();
            return self.transpose(x, &order, span).map_or(Value::Poison, Value::Tensor);
        }
        let d = if name.text == "T" {
            Diagnostic::error(codes::INDEX_COUNT, name.span, "`.T` transposes a matrix")
                .here(format!("this has shape {ty}"))
                .help("write `tensor(i, j, k: x[k, j, i])` for other orders")
        } else {
            Diagnostic::error(codes::FIELD, name.span, format!("a tensor has no field `{}`", name.text))
                .here("unknown field")
                .help("a matrix has `.T`; a solution has its states, as in `flow(x).z(0)`")
        };
        self.report(d);
        Value::Poison
    }
}

/// The operator as written.
pub(super) fn symbol(op: BinaryOp) -> &'static str {
    match op {
        BinaryOp::Add => "+",
        BinaryOp::Sub => "-",
        BinaryOp::Mul => "*",
        BinaryOp::Div => "/",
        BinaryOp::Pow => "^",
        BinaryOp::MatMul => "@",
        BinaryOp::Less => "<",
        BinaryOp::LessEq => "<=",
        BinaryOp::Greater => ">",
        BinaryOp::GreaterEq => ">=",
        BinaryOp::Equal => "==",
        BinaryOp::NotEqual => "!=",
        BinaryOp::And => "and",
        BinaryOp::Or => "or",
    }
}

/// A short expression as written, for suggestions.
fn spelled(e: &Expr) -> Option<String> {
    match &e.kind {
        ExprKind::Name(name) => Some(name.clone()),
        ExprKind::Field(base, name) => Some(format!("{}.{}", spelled(base)?, name.text)),
        _ => None,
    }
}
