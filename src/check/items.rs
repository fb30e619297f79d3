//! Declarations: which names a file or a body declares, and the value of each when it is first needed.

use super::checker::Checker;
use super::codes;
use super::program::{Dim, InputInfo, Kind, NamedExpr, Ty};
use super::scope::{Decl, Progress, Scope, Value};
use crate::data::DimSize;
use crate::diag::{Diagnostic, Span};
use crate::syntax::ast::{Expr, Item, ItemKind, Name, Type};
use std::rc::Rc;

/// The name that an item declares.
pub(super) fn declared_name(item: &Item) -> Option<&Name> {
    match &item.kind {
        ItemKind::Dim { name, .. }
        | ItemKind::Param { name, .. }
        | ItemKind::Net { name, .. }
        | ItemKind::Layer { name, .. }
        | ItemKind::Fn { name, .. }
        | ItemKind::Input { name, .. }
        | ItemKind::Noise { name, .. }
        | ItemKind::State { name, .. }
        | ItemKind::Let { name, .. }
        | ItemKind::Ode { name, .. } => Some(name),
        ItemKind::Model { .. }
        | ItemKind::Use { .. }
        | ItemKind::Call { .. }
        | ItemKind::Data { .. }
        | ItemKind::Equation { .. }
        | ItemKind::Loss { .. }
        | ItemKind::Metric { .. }
        | ItemKind::Output { .. }
        | ItemKind::Solve { .. }
        | ItemKind::Train { .. }
        | ItemKind::Event { .. } => None,
    }
}

impl Checker<'_> {
    /// Adds an item to a module; gives its declaration if it has a name.
    pub fn add_decl(&mut self, module: usize, item: Rc<Item>) -> Option<usize> {
        match &item.kind {
            ItemKind::Equation { .. } => self.modules[module].equations.push(item.clone()),
            ItemKind::Event { .. } => self.modules[module].events.push(item.clone()),
            ItemKind::Solve { .. } => {
                if let Some(first) = self.modules[module].solve.clone() {
                    self.twice("solve", item.span, first.span);
                } else {
                    self.modules[module].solve = Some(item.clone());
                }
            }
            _ => {}
        }
        let name = declared_name(&item)?.clone();
        if let Some(&first) = self.modules[module].names.get(&name.text) {
            let d = Diagnostic::error(codes::DUPLICATE, name.span, format!("`{}` is declared twice", name.text))
                .here("the second declaration")
                .label(self.decls[first].name.span, "the first declaration")
                .help("rename one of them");
            self.report(d);
            return None;
        }
        if !self.modules[module].is_std {
            self.check_shadowing(&name);
        }
        let d = self.decls.len();
        if matches!(item.kind, ItemKind::State { .. }) {
            self.modules[module].states.push(d);
        }
        self.modules[module].names.insert(name.text.clone(), d);
        self.decls.push(Decl { name, item, module, progress: Progress::Todo, used: false });
        Some(d)
    }

    fn check_shadowing(&mut self, name: &Name) {
        let fixed = match name.text.as_str() {
            "t" => Some("the time of a system"),
            "pi" => Some("the number π"),
            "end" => Some("the last index"),
            _ => None,
        };
        if let Some(meaning) = fixed {
            let d = Diagnostic::error(codes::SHADOWS, name.span, format!("`{}` is {meaning}", name.text))
                .here("cannot be declared again")
                .help(format!("call it `{}0` or `{0}_value`, say", name.text));
            self.report(d);
        } else if super::builtins::find(&name.text).is_some() {
            let d = Diagnostic::error(codes::SHADOWS, name.span, format!("`{}` hides a built-in function", name.text))
                .here(format!("`{}` is built in", super::builtins::signature(&name.text)))
                .help("choose another name")
                .warning();
            self.report(d);
        }
    }

    pub fn twice(&mut self, what: &str, second: Span, first: Span) {
        let d = Diagnostic::error(codes::TWICE, second, format!("there are two `{what}` items"))
            .here("the second")
            .label(first, "the first")
            .help("keep one of them");
        self.report(d);
    }

    /// What a declaration stands for. Called once for each.
    pub fn evaluate_decl(&mut self, decl: usize, span: Span) -> Value {
        let item = self.decls[decl].item.clone();
        let scope = Scope::of(self.decls[decl].module);
        match &item.kind {
            ItemKind::Dim { name, value } => self.dim_decl(name, value.as_ref(), &scope),
            ItemKind::Param { name, ty, init, prior } => {
                self.param(name, ty, init.as_ref(), prior.as_ref(), &item, &scope)
            }
            ItemKind::Input { name, ty } => self.input(name, ty, &scope),
            ItemKind::Noise { name, ty, dist } => self.noise(name, ty, dist, &scope),
            ItemKind::State { .. } => self.state_value(decl, span),
            ItemKind::Let { name, ty, value } => self.let_decl(name, ty.as_ref(), value, &scope),
            ItemKind::Net { .. } => match self.declare_net(decl) {
                Some(()) => Value::Callable(decl),
                None => Value::Poison,
            },
            ItemKind::Layer { .. } | ItemKind::Fn { .. } | ItemKind::Ode { .. } => Value::Callable(decl),
            ItemKind::Model { .. }
            | ItemKind::Use { .. }
            | ItemKind::Call { .. }
            | ItemKind::Data { .. }
            | ItemKind::Equation { .. }
            | ItemKind::Loss { .. }
            | ItemKind::Metric { .. }
            | ItemKind::Output { .. }
            | ItemKind::Solve { .. }
            | ItemKind::Train { .. }
            | ItemKind::Event { .. } => Value::Poison,
        }
    }

    fn dim_decl(&mut self, name: &Name, value: Option<&Expr>, scope: &Scope) -> Value {
        let text = name.text.clone();
        let overridden = self.options.overrides.iter().find(|o| o.0 == text).map(|o| o.1);
        if let Some(n) = overridden {
            let Some(size) = super::shapes::whole(n, 1.0) else {
                let d = Diagnostic::error(codes::BAD_SIZE, name.span, format!("`--set {text}={n}` is not a size"))
                    .here("a dim");
                self.report(d);
                return Value::Poison;
            };
            return self.new_dim(Dim { size, name: Some(text), ragged: None });
        }
        let from_data = self.options.sizes.iter().find(|s| s.0 == text).map(|s| s.1);
        match (value, from_data) {
            (Some(e), _) => match self.dim(e, scope) {
                Some(dim) => self.new_dim(Dim { name: Some(text), ..dim }),
                None => Value::Poison,
            },
            (None, Some(DimSize::Fixed(size))) => self.new_dim(Dim { size, name: Some(text), ragged: None }),
            (None, Some(DimSize::Ragged { max })) => {
                let k = u32::try_from(self.program.ragged.len()).unwrap_or(u32::MAX);
                self.program.ragged.push((text.clone(), max));
                self.new_dim(Dim { size: max, name: Some(text), ragged: Some(k) })
            }
            (None, None) => {
                let d = Diagnostic::error(codes::NO_SIZE, name.span, format!("`{text}` has no size"))
                    .here("neither a value nor data to take it from")
                    .help(format!(
                        "write `dim {text} = 10`, give an input fed by data this size, or say `--set {text}=10`"
                    ));
                self.report(d);
                Value::Poison
            }
        }
    }

    fn new_dim(&mut self, dim: Dim) -> Value {
        self.program.dims.push(dim.clone());
        Value::Size(dim)
    }

    fn input(&mut self, name: &Name, ty: &Type, scope: &Scope) -> Value {
        let (shape, domain) = (self.written(ty, scope), self.domain(ty, scope));
        let (Some(shape), Some((_, class))) = (shape, domain) else { return Value::Poison };
        let k = u32::try_from(self.program.inputs.len()).unwrap_or(u32::MAX);
        self.program.inputs.push(InputInfo { name: name.text.clone(), ty: shape.clone(), class, span: name.span });
        self.push(Kind::Input(k), shape, name.span).map_or(Value::Poison, Value::Tensor)
    }

    fn let_decl(&mut self, name: &Name, ty: Option<&Type>, value: &Expr, scope: &Scope) -> Value {
        let found = self.value(value, scope);
        let id = match found {
            Value::Tensor(id) => id,
            Value::Solution(_) | Value::Folded { .. } | Value::Poison => return found,
            Value::Size(_) | Value::Callable(_) | Value::Builtin(_) | Value::Module => match self.expr(value, scope) {
                Some(id) => id,
                None => return Value::Poison,
            },
        };
        let mut id = id;
        if let Some(ty) = ty {
            let Some(mut wanted) = self.written(ty, scope) else { return Value::Poison };
            match self.fit(id, value, &mut wanted, false, (ty.span, name), scope) {
                Some(fitted) => id = fitted,
                None => return Value::Poison,
            }
        }
        self.program.lets.push(NamedExpr { name: name.text.clone(), value: id, span: name.span });
        Value::Tensor(id)
    }

    /// What `loss`, `metric` and `output` say, in a file.
    pub fn results(&mut self, module: usize, items: &[Rc<Item>]) {
        let scope = Scope::of(module);
        let (mut loss, mut train): (Option<Span>, Option<Span>) = (None, None);
        for item in items {
            match &item.kind {
                ItemKind::Loss { value } => {
                    if let Some(first) = loss {
                        self.twice("loss", item.span, first);
                        continue;
                    }
                    loss = Some(item.span);
                    let found = self.result("the loss", value, &scope, true);
                    self.program.loss = found;
                }
                ItemKind::Metric { name, value } => {
                    if let Some(id) = self.result("a metric", value, &scope, true) {
                        self.program.metrics.push(NamedExpr { name: name.text.clone(), value: id, span: name.span });
                    }
                }
                ItemKind::Output { name, value } => {
                    if let Some(id) = self.result("an output", value, &scope, false) {
                        self.program.outputs.push(NamedExpr { name: name.text.clone(), value: id, span: name.span });
                    }
                }
                ItemKind::Train { method } => {
                    if let Some(first) = train {
                        self.twice("train", item.span, first);
                        continue;
                    }
                    train = Some(item.span);
                    let spec = self.train_spec(method, &scope);
                    self.program.train = spec;
                }
                _ => {}
            }
        }
    }

    fn result(&mut self, what: &str, value: &Expr, scope: &Scope, scalar: bool) -> Option<super::ExprId> {
        let id = self.expr(value, scope)?;
        let id = self.constant_in_time(id, value.span, what)?;
        if scalar { self.scalar(id, value.span, what) } else { Some(id) }
    }

    /// Warns about declarations of a file that nothing uses.
    pub fn warn_unused(&mut self, module: usize) {
        let mut unused = Vec::new();
        for decl in self.decls.iter().filter(|d| d.module == module && !d.used) {
            let what = match &decl.item.kind {
                ItemKind::Let { .. } => "let",
                ItemKind::Param { .. } => "parameter",
                ItemKind::Input { .. } => "input",
                ItemKind::Noise { .. } => "noise",
                ItemKind::Net { .. } => "net",
                _ => continue,
            };
            let name = &decl.name;
            unused.push(
                Diagnostic::error(codes::UNUSED, name.span, format!("the {what} `{}` is never used", name.text))
                    .here("no effect")
                    .help("remove it, or use it")
                    .warning(),
            );
        }
        self.diagnostics.extend(unused);
    }
}

/// A shape with the sizes of an input, used where a model is described.
pub(super) fn spelled(ty: &Ty) -> String {
    if ty.is_scalar() { "scalar".to_owned() } else { ty.to_string() }
}
