//! Nets and layers: a net is instantiated at its declaration and runs its pipe at each call; a layer belongs to one
//! place in a pipe, with parameters of its own.

use super::calls::Given;
use super::checker::{Checker, Frame};
use super::codes;
use super::program::{Dim, ExprId, Kind, NetInfo};
use super::scope::{Module, Scope, Value};
use crate::diag::{Diagnostic, Span};
use crate::syntax::ast::{Arg, Expr, ExprKind, FnArg, Item, ItemKind, Name};
use std::rc::Rc;

impl Checker<'_> {
    /// Instantiates a net at its declaration: its parameters come into being, its output is checked.
    pub fn declare_net(&mut self, decl: usize) -> Option<()> {
        let item = self.decls[decl].item.clone();
        let ItemKind::Net { name, from, to, body } = &item.kind else { return None };
        let scope = Scope::of(self.decls[decl].module);
        let (from, wanted) = (self.written(from, &scope), self.written(to, &scope));
        let (from, wanted) = (from?, wanted?);
        let first = u32::try_from(self.program.params.len()).unwrap_or(u32::MAX);
        // Stands for any input; never part of the model.
        let zero = self.full(0.0, from.dims.clone(), name.span)?;
        let x = self.push(Kind::Stop(zero), from.clone(), name.span)?;
        let y = self.run_pipe(decl, x, name.span)?;
        let last = u32::try_from(self.program.params.len()).unwrap_or(u32::MAX);
        let found = self.ty(y);
        if !found.fits(&wanted) {
            let stage = pipe_stages(body).last().map_or(body.span, |e| e.span);
            let d =
                Diagnostic::error(codes::NET_OUTPUT, to.span, format!("`{}` gives {found}, not {wanted}", name.text))
                    .here("declared output")
                    .label(stage, format!("the last stage gives {found}"))
                    .help("change the size of the last layer, or the declared output");
            return self.fail(d);
        }
        self.nets.insert(decl, self.program.nets.len());
        self.program.nets.push(NetInfo { name: name.text.clone(), from, to: wanted, params: (first..last).collect() });
        Some(())
    }

    pub fn call_net(&mut self, decl: usize, x: &Given, span: Span, scope: &Scope) -> Option<ExprId> {
        let name = self.decls[decl].name.clone();
        let from = self.program.nets.get(*self.nets.get(&decl)?)?.from.clone();
        let actual = self.ty(x.id);
        let mut id = x.id;
        if !actual.fits(&from) {
            if actual.is_scalar() && from.dims.len() == 1 && from.dims[0] == Dim::of(1) {
                id = self.reshape(id, vec![Dim::of(1)], span)?;
            } else {
                let d = Diagnostic::error(codes::ARGUMENT_SHAPE, x.expr.span, format!("`{}` takes {from}", name.text))
                    .here(format!("shape {actual}"))
                    .label(name.span, "declared here");
                let d = self.declared(d, x.expr, scope);
                return self.fail(d.help("several values go in as one list: `f([z, t])`"));
            }
        }
        self.run_pipe(decl, id, span)
    }

    fn run_pipe(&mut self, decl: usize, x: ExprId, span: Span) -> Option<ExprId> {
        let item = self.decls[decl].item.clone();
        let ItemKind::Net { name, body, .. } = &item.kind else { return None };
        let scope = Scope::of(self.decls[decl].module);
        let mut x = x;
        for (k, stage) in pipe_stages(body).into_iter().enumerate() {
            let (callee, args): (&Expr, &[Arg]) = match &stage.kind {
                ExprKind::Call(callee, args) => (callee, args),
                _ => (stage, &[]),
            };
            let value = self.value(callee, &scope);
            x = match value {
                Value::Callable(layer) if matches!(self.decls[layer].item.kind, ItemKind::Layer { .. }) => {
                    let prefix = format!("{}.{k}.", name.text);
                    self.run_layer((decl, k), layer, &prefix, (args, &scope), (x, stage.span))?
                }
                Value::Poison => return None,
                _ => {
                    let found = self.call(callee, args, Some((x, stage)), stage.span, &scope);
                    match found {
                        Value::Tensor(id) => id,
                        _ => return None,
                    }
                }
            };
        }
        let _ = span;
        Some(x)
    }

    /// Runs the layer at place `at` of a net; its instance is made the first time.
    pub fn run_layer(
        &mut self,
        at: (usize, usize),
        layer: usize,
        prefix: &str,
        (args, scope): (&[Arg], &Scope),
        (x, span): (ExprId, Span),
    ) -> Option<ExprId> {
        let item = self.decls[layer].item.clone();
        let ItemKind::Layer { name, args: formal, from, to, body } = &item.kind else { return None };
        let actual = self.ty(x);
        let instance = match self.layers.get(&at) {
            Some(m) => *m,
            None => {
                let locals = self.layer_arguments(layer, &name.text, formal, args, scope, span)?;
                let mut inner = Scope { module: self.decls[layer].module, locals };
                if !self.matches(from, &actual, &mut inner)? {
                    let d = Diagnostic::error(
                        codes::ARGUMENT_SHAPE,
                        span,
                        format!("the layer `{}` cannot take {actual}", name.text),
                    )
                    .here("this stage of the pipe")
                    .note("a dense layer takes a vector");
                    return self.fail(d);
                }
                let m = self.modules.len();
                self.modules.push(Module {
                    parent: Some(self.decls[layer].module),
                    locals: inner.locals,
                    prefix: prefix.to_owned(),
                    is_std: self.modules[self.decls[layer].module].is_std,
                    ..Module::default()
                });
                let is_std = self.modules[m].is_std;
                self.frames.push(Frame { name: name.text.clone(), span, is_std, decl: layer });
                self.layers.insert(at, m);
                for item in body.iter().filter(|i| !matches!(i.kind, ItemKind::Call { .. })) {
                    if let Some(d) = self.add_decl(m, Rc::new(item.clone())) {
                        let _ = self.value_of(d, span);
                    }
                }
                self.frames.pop();
                m
            }
        };
        let call = body.iter().find_map(|i: &Item| match &i.kind {
            ItemKind::Call { arg, value } => Some((arg, value)),
            _ => None,
        });
        let (arg, value) = call?;
        let mut inner = Scope::of(instance).with(&arg.text, Value::Tensor(x));
        let is_std = self.modules[instance].is_std;
        self.frames.push(Frame { name: name.text.clone(), span, is_std, decl: layer });
        let result = self.expr(value, &inner).and_then(|y| self.declared_result(y, to, value.span, &mut inner));
        self.frames.pop();
        result
    }

    fn layer_arguments(
        &mut self,
        layer: usize,
        name: &str,
        formal: &[(Name, Option<Expr>)],
        args: &[Arg],
        scope: &Scope,
        span: Span,
    ) -> Option<Vec<(String, Value)>> {
        let formal: Vec<FnArg> =
            formal.iter().map(|(n, d)| FnArg { name: n.clone(), ty: None, default: d.clone() }).collect();
        let given = self.arguments(args, None, scope)?;
        let places = self.place(name, &formal, &given, span)?;
        let mut locals = Vec::new();
        for (f, place) in formal.iter().zip(places) {
            let id = match (place, &f.default) {
                (Some((id, _)), _) => id,
                (None, Some(default)) => {
                    let inner = Scope { module: self.decls[layer].module, locals: locals.clone() };
                    self.expr(default, &inner)?
                }
                (None, None) => return None,
            };
            let size = super::constant::evaluate(&self.program, id).filter(|v| v.len() == 1);
            let value = match size.and_then(|v| super::shapes::whole(v[0], 1.0)) {
                Some(n) => Value::Size(Dim::of(n)),
                None => Value::Tensor(id),
            };
            locals.push((f.name.text.clone(), value));
        }
        Some(locals)
    }
}

/// The stages of a pipe, in order.
pub(super) fn pipe_stages(body: &Expr) -> Vec<&Expr> {
    let mut stages = Vec::new();
    let mut at = body;
    while let ExprKind::Pipe(before, stage) = &at.kind {
        stages.push(stage.as_ref());
        at = before;
    }
    stages.push(at);
    stages.reverse();
    stages
}
