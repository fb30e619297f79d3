//! Calls: user functions are expanded at each call, nets run their pipe, layers belong to one place in a pipe.

use super::checker::{Checker, Frame};
use super::codes;
use super::program::{Dim, ExprId, Kind, Ty};
use super::scope::{Scope, Value};
use crate::diag::{Diagnostic, Span, did_you_mean};
use crate::syntax::ast::{Arg, Expr, ExprKind, FnArg, ItemKind, Name, Type};

/// More expansions than this are a mistake.
const MAX_CALLS: usize = 50_000;

/// An argument that was worked out.
pub(super) struct Given<'e> {
    pub id: ExprId,
    pub expr: &'e Expr,
}

/// Positional and keyword arguments.
pub(super) struct Args<'e> {
    pub positional: Vec<Given<'e>>,
    pub named: Vec<(&'e Name, Given<'e>)>,
}

impl Checker<'_> {
    /// The value of `callee(args)`; `piped` comes first.
    pub fn call<'e>(
        &mut self,
        callee: &'e Expr,
        args: &'e [Arg],
        piped: Option<(ExprId, &'e Expr)>,
        span: Span,
        scope: &Scope,
    ) -> Value {
        let uses = self.program.uses.len();
        match self.value(callee, scope) {
            Value::Builtin(name) => self.builtin(name, args, piped, span, scope),
            Value::Callable(decl) => self.call_decl(decl, args, piped, span, scope),
            Value::Tensor(id) => {
                self.program.uses.truncate(uses);
                let Some(given) = self.arguments(args, piped, scope) else { return Value::Poison };
                self.sample_call(id, callee, &given, span, scope).map_or(Value::Poison, Value::Tensor)
            }
            Value::Poison => {
                let _ = self.arguments(args, piped, scope);
                Value::Poison
            }
            Value::Solution(_) | Value::Size(_) | Value::Module | Value::Folded { .. } => {
                let d = Diagnostic::error(codes::WRONG_KIND, callee.span, "this cannot be called")
                    .here("not a function")
                    .help("of a solution, call a state: `.z(1)`");
                self.report(d);
                Value::Poison
            }
        }
    }

    fn call_decl<'e>(
        &mut self,
        decl: usize,
        args: &'e [Arg],
        piped: Option<(ExprId, &'e Expr)>,
        span: Span,
        scope: &Scope,
    ) -> Value {
        let item = self.decls[decl].item.clone();
        let Some(given) = self.arguments(args, piped, scope) else { return Value::Poison };
        let result = match &item.kind {
            ItemKind::Fn { args: formal, result, body, .. } => {
                self.call_fn(decl, (formal, result.as_ref(), body), &given, span)
            }
            ItemKind::Net { name, .. } => match given.positional.as_slice() {
                [x] if given.named.is_empty() => self.call_net(decl, x, span, scope),
                found => {
                    let d = wrong_count(&format!("{}(x)", name.text), found.len() + given.named.len(), span)
                        .label(name.span, "declared here")
                        .help(format!("several values go in as one list: `{}([a, b])`", name.text));
                    self.fail(d)
                }
            },
            ItemKind::Ode { .. } => {
                return self.instance(decl, &given, span).map_or(Value::Poison, Value::Solution);
            }
            _ => {
                let name = &self.decls[decl].name;
                let d = Diagnostic::error(codes::WRONG_KIND, span, format!("`{}` is a layer", name.text))
                    .here("a layer belongs into a net")
                    .label(name.span, "declared here")
                    .help(format!("write `net f: [m] -> [n] = {}(…)` and call `f`", name.text));
                self.fail(d)
            }
        };
        result.map_or(Value::Poison, Value::Tensor)
    }

    /// Works out all arguments, so that each has its errors reported.
    pub fn arguments<'e>(
        &mut self,
        args: &'e [Arg],
        piped: Option<(ExprId, &'e Expr)>,
        scope: &Scope,
    ) -> Option<Args<'e>> {
        let mut found = Args { positional: Vec::new(), named: Vec::new() };
        found.positional.extend(piped.map(|(id, expr)| Given { id, expr }));
        let mut poisoned = false;
        for arg in args {
            match (self.expr(&arg.value, scope), &arg.name) {
                (Some(id), None) => found.positional.push(Given { id, expr: &arg.value }),
                (Some(id), Some(name)) => found.named.push((name, Given { id, expr: &arg.value })),
                (None, _) => poisoned = true,
            }
        }
        (!poisoned).then_some(found)
    }

    /// Puts arguments into the places of a signature; places without an argument stay empty.
    pub fn place(
        &mut self,
        name: &str,
        formal: &[FnArg],
        given: &Args,
        span: Span,
    ) -> Option<Vec<Option<(ExprId, Span)>>> {
        let mut places: Vec<Option<(ExprId, Span)>> = vec![None; formal.len()];
        let signature = signature(name, formal);
        if given.positional.len() > formal.len() {
            let d = wrong_count(&signature, given.positional.len() + given.named.len(), span);
            return self.fail(d);
        }
        for (k, g) in given.positional.iter().enumerate() {
            places[k] = Some((g.id, g.expr.span));
        }
        for (keyword, g) in &given.named {
            let Some(k) = formal.iter().position(|f| f.name.text == keyword.text) else {
                let mut d = Diagnostic::error(
                    codes::ARGUMENTS,
                    keyword.span,
                    format!("`{name}` has no argument `{}`", keyword.text),
                )
                .here("unknown argument")
                .note(format!("its signature: `{signature}`"));
                if let Some(meant) = did_you_mean(&keyword.text, formal.iter().map(|f| f.name.text.as_str())) {
                    d = d.help(format!("did you mean `{meant}`?")).fix(keyword.span, meant, format!("write `{meant}`"));
                }
                return self.fail(d);
            };
            if places[k].is_some() {
                let d = Diagnostic::error(codes::ARGUMENTS, keyword.span, format!("`{}` is given twice", keyword.text))
                    .here("a second time")
                    .note(format!("the signature: `{signature}`"));
                return self.fail(d);
            }
            places[k] = Some((g.id, g.expr.span));
        }
        if let Some(k) = (0..formal.len()).find(|k| places[*k].is_none() && formal[*k].default.is_none()) {
            let d = wrong_count(&signature, given.positional.len() + given.named.len(), span)
                .help(format!("`{}` is missing", formal[k].name.text));
            return self.fail(d);
        }
        Some(places)
    }

    fn call_fn(
        &mut self,
        decl: usize,
        f: (&[FnArg], Option<&Type>, &Expr),
        given: &Args,
        span: Span,
    ) -> Option<ExprId> {
        let formal = f.0;
        let name = self.decls[decl].name.clone();
        if self.frames.iter().any(|frame| frame.decl == decl) {
            let d = Diagnostic::error(codes::RECURSION, name.span, format!("`{}` calls itself", name.text))
                .here("a function is expanded where it is called, so this would never end")
                .help("write the recursion as a differential equation, or out for the few steps it has");
            return self.fail(d);
        }
        let places = self.place(&name.text, formal, given, span)?;
        let key = (decl, places.iter().map(|p| p.map(|p| p.0)).collect::<Vec<_>>());
        if let Some(known) = self.results.get(&key) {
            return *known;
        }
        let value = self.expand(decl, &name, f, places, span);
        self.results.insert(key, value);
        value
    }

    /// The body of a function with its arguments in place.
    fn expand(
        &mut self,
        decl: usize,
        name: &Name,
        (formal, result, body): (&[FnArg], Option<&Type>, &Expr),
        places: Vec<Option<(ExprId, Span)>>,
        span: Span,
    ) -> Option<ExprId> {
        self.calls += 1;
        if self.calls > MAX_CALLS {
            let d = Diagnostic::error(codes::DEEP, span, "this model expands to too many calls")
                .here(format!("more than {MAX_CALLS} calls of functions"))
                .help("name repeated values with `let`");
            return self.fail(d);
        }
        let module = self.decls[decl].module;
        let is_std = self.modules[module].is_std;
        let mut scope = Scope::of(module);
        let differentiated = arguments_differentiated(body);
        let mut bound = Vec::new();
        for (arg, place) in formal.iter().zip(places) {
            let (id, at) = match (place, &arg.default) {
                (Some(found), _) => found,
                (None, Some(default)) => (self.expr(default, &scope)?, default.span),
                (None, None) => return None,
            };
            let actual = self.ty(id);
            if let Some(ty) = &arg.ty
                && !self.matches(ty, &actual, &mut scope)?
            {
                let d = Diagnostic::error(
                    codes::ARGUMENT_SHAPE,
                    at,
                    format!("`{}` of `{}` has another shape", arg.name.text, name.text),
                )
                .here(format!("shape {actual}"));
                let d = if is_std { d } else { d.label(ty.span, "declared like this") };
                return self.fail(d.note(format!("the signature: `{}`", signature(&name.text, formal))));
            }
            let id = if differentiated.contains(&arg.name.text.as_str()) {
                self.arguments += 1;
                let index = self.arguments;
                let inner = self.push(Kind::Argument(index, id), actual, at)?;
                bound.push((index, id));
                inner
            } else {
                id
            };
            scope.locals.push((arg.name.text.clone(), Value::Tensor(id)));
        }
        self.frames.push(Frame { name: name.text.clone(), span, is_std, decl });
        let value = self.expr(body, &scope).and_then(|id| match result {
            Some(ty) => self.declared_result(id, ty, body.span, &mut scope),
            None => Some(id),
        });
        self.frames.pop();
        let mut value = value?;
        for (index, id) in bound.into_iter().rev() {
            let ty = self.ty(value);
            value = self.push(Kind::Bind { index, value: id, body: value }, ty, span)?;
        }
        Some(value)
    }

    pub fn declared_result(&mut self, id: ExprId, ty: &Type, span: Span, scope: &mut Scope) -> Option<ExprId> {
        let actual = self.ty(id);
        if self.matches(ty, &actual, scope)? {
            return Some(id);
        }
        let wanted = self.written(ty, scope).map_or("another".to_owned(), |t| t.to_string());
        let d = Diagnostic::error(codes::DECLARED_SHAPE, span, "the value has another shape than declared")
            .here(format!("shape {actual}"))
            .label(ty.span, format!("declared as {wanted}"));
        self.fail(d)
    }
}

/// `affine(W, x, b = 0)`
pub(super) fn signature(name: &str, formal: &[FnArg]) -> String {
    let one = |f: &FnArg| if f.default.is_some() { format!("{} = …", f.name.text) } else { f.name.text.clone() };
    format!("{name}({})", formal.iter().map(one).collect::<Vec<_>>().join(", "))
}

/// The number of arguments does not fit.
pub(super) fn wrong_count(signature: &str, found: usize, span: Span) -> Diagnostic {
    let plural = if found == 1 { "argument does" } else { "arguments do" };
    Diagnostic::error(codes::ARGUMENTS, span, format!("{found} {plural} not fit `{signature}`"))
        .here("this call")
        .note(format!("the signature: `{signature}`"))
}

/// Names that derivative operators in `body` are taken with respect to.
fn arguments_differentiated(body: &Expr) -> Vec<&str> {
    let mut names = Vec::new();
    let mut stack = vec![body];
    while let Some(e) = stack.pop() {
        match &e.kind {
            ExprKind::Call(callee, args) => {
                if let ExprKind::Name(f) = &callee.kind
                    && super::derive::find(f).is_some()
                    && let Some(ExprKind::Name(x)) = args.get(1).map(|a| &a.value.kind)
                {
                    names.push(x.as_str());
                }
                stack.push(callee);
                stack.extend(args.iter().map(|a| &a.value));
            }
            ExprKind::Unary(_, a)
            | ExprKind::Field(a, _)
            | ExprKind::Index(a, _)
            | ExprKind::Comprehension(_, _, a) => {
                stack.push(a);
            }
            ExprKind::Binary(_, a, b) | ExprKind::Pipe(a, b) => stack.extend([a.as_ref(), b.as_ref()]),
            ExprKind::If(a, b, c) => stack.extend([a.as_ref(), b.as_ref(), c.as_ref()]),
            ExprKind::List(parts) => stack.extend(parts),
            ExprKind::Number(_) | ExprKind::Text(_) | ExprKind::Bool(_) | ExprKind::Name(_) | ExprKind::Error => {}
        }
    }
    names
}

impl Ty {
    /// The same numbers on no more than one axis.
    pub(super) fn flat(&self) -> Dim {
        Dim::of(self.dims.iter().map(|d| d.size).product())
    }
}
