//! What a name stands for, and where it is looked up.

use super::checker::Checker;
use super::codes;
use super::program::{Dim, ExprId, Kind, Ty};
use crate::diag::{Diagnostic, Span, did_you_mean};
use crate::syntax::ast::{self, Item};
use std::collections::HashMap;
use std::rc::Rc;

/// What a name or a callee stands for.
#[derive(Clone, Debug)]
pub(super) enum Value {
    Tensor(ExprId),
    Size(Dim),
    /// A system with its arguments: a function of time for each state.
    Solution(u32),
    /// Something to call: a function, layer, net or system (index of its declaration).
    Callable(usize),
    Builtin(&'static str),
    Module,
    /// The states of a `scan`.
    Folded {
        last: ExprId,
        all: ExprId,
    },
    /// Already reported.
    Poison,
}

/// How far a declaration is.
#[derive(Clone, Debug)]
pub(super) enum Progress {
    Todo,
    Busy,
    Done(Value),
}

/// A declared name.
pub(super) struct Decl {
    pub name: ast::Name,
    pub item: Rc<Item>,
    pub module: usize,
    pub progress: Progress,
    pub used: bool,
}

/// A file, or the body of an instance of a layer or a system.
#[derive(Default)]
pub(super) struct Module {
    pub names: HashMap<String, usize>,
    /// Modules whose names are visible.
    pub open: Vec<usize>,
    pub aliases: HashMap<String, usize>,
    pub parent: Option<usize>,
    /// Arguments of the instance.
    pub locals: Vec<(String, Value)>,
    /// The system that `t` belongs to.
    pub system: Option<u32>,
    /// `f.0.` in front of parameter names.
    pub prefix: String,
    pub equations: Vec<Rc<Item>>,
    pub states: Vec<usize>,
    pub events: Vec<Rc<Item>>,
    pub solve: Option<Rc<Item>>,
    /// `over` of a named system.
    pub over: Option<(ast::Expr, ast::Expr)>,
    pub is_std: bool,
}

/// Where an expression stands.
#[derive(Clone, Debug, Default)]
pub(super) struct Scope {
    pub module: usize,
    /// Innermost last.
    pub locals: Vec<(String, Value)>,
}

impl Scope {
    pub fn of(module: usize) -> Self {
        Self { module, locals: Vec::new() }
    }
    pub fn with(&self, name: &str, value: Value) -> Self {
        let mut inner = self.clone();
        inner.locals.push((name.to_owned(), value));
        inner
    }
}

impl Checker<'_> {
    /// The declaration of a name as seen from a module.
    pub fn find_decl(&self, module: usize, name: &str) -> Option<usize> {
        let mut at = Some(module);
        while let Some(m) = at {
            let here = &self.modules[m];
            if let Some(&d) = here.names.get(name) {
                return Some(d);
            }
            if here.locals.iter().any(|(n, _)| n == name) {
                return None;
            }
            if let Some(d) = here.open.iter().find_map(|o| self.modules[*o].names.get(name)) {
                return Some(*d);
            }
            at = here.parent;
        }
        None
    }

    /// What a name stands for; `None`: nothing is called so (not reported).
    pub fn lookup(&mut self, name: &str, span: Span, scope: &Scope) -> Option<Value> {
        if let Some((_, value)) = scope.locals.iter().rev().find(|(n, _)| n == name) {
            return Some(value.clone());
        }
        if let Some((module, member)) = name.split_once('.') {
            let m = self.find_module(scope.module, module)?;
            let d = *self.modules[m].names.get(member)?;
            return Some(self.value_of(d, span));
        }
        if name == "t" {
            if self.find_decl(scope.module, name).is_some() {
                // Reported at its declaration.
                return Some(Value::Poison);
            }
            return Some(self.time(span, scope));
        }
        let mut at = Some(scope.module);
        while let Some(m) = at {
            if let Some((_, value)) = self.modules[m].locals.iter().rev().find(|(n, _)| n == name) {
                return Some(value.clone());
            }
            let here = &self.modules[m];
            let found = here.names.get(name).copied();
            let found = found.or_else(|| here.open.iter().find_map(|o| self.modules[*o].names.get(name)).copied());
            if let Some(d) = found {
                return Some(self.value_of(d, span));
            }
            at = self.modules[m].parent;
        }
        if name == "pi" {
            return Some(Value::Tensor(self.number(std::f64::consts::PI, span)));
        }
        if let Some(builtin) = super::builtins::find(name) {
            return Some(Value::Builtin(builtin));
        }
        self.find_module(scope.module, name).map(|_| Value::Module)
    }

    /// A module by the name that it has here.
    pub fn find_module(&self, module: usize, name: &str) -> Option<usize> {
        let mut at = Some(module);
        while let Some(m) = at {
            if let Some(found) = self.modules[m].aliases.get(name) {
                return Some(*found);
            }
            at = self.modules[m].parent;
        }
        None
    }

    /// What a name stands for, or a report.
    pub fn resolve(&mut self, name: &str, span: Span, scope: &Scope) -> Value {
        if let Some(value) = self.lookup(name, span, scope) {
            return value;
        }
        let d = self.unknown(name, span, scope);
        self.report(d);
        Value::Poison
    }

    fn unknown(&self, name: &str, span: Span, scope: &Scope) -> Diagnostic {
        let mut standard = self.modules.iter().filter(|m| m.is_std && !["dist", "loss"].contains(&m.prefix.as_str()));
        if let Some(m) = standard.find(|m| m.prefix == name || m.names.contains_key(name)) {
            let module = &m.prefix;
            return Diagnostic::error(codes::MISSING_USE, span, format!("`{name}` needs the module `{module}`"))
                .here("not visible here")
                .help(format!("write `use {module}` at the top of the file"));
        }
        let mut d =
            Diagnostic::error(codes::UNKNOWN_NAME, span, format!("nothing is called `{name}`")).here("unknown name");
        if name == "end" {
            return d.help("`end` stands for the last index, inside of `x[…]` only");
        }
        let mut candidates: Vec<&str> = scope.locals.iter().map(|(n, _)| n.as_str()).collect();
        let mut at = Some(scope.module);
        while let Some(m) = at {
            let here = &self.modules[m];
            candidates.extend(here.names.keys().map(String::as_str));
            candidates.extend(here.locals.iter().map(|(n, _)| n.as_str()));
            candidates.extend(here.open.iter().flat_map(|o| self.modules[*o].names.keys().map(String::as_str)));
            at = here.parent;
        }
        candidates.extend(super::builtins::BUILTINS.iter().map(|b| b.0));
        candidates.extend(["pi", "t"]);
        candidates.sort_unstable();
        if let Some(meant) = did_you_mean(name, candidates) {
            d = d.help(format!("did you mean `{meant}`?")).fix(span, meant, format!("write `{meant}`"));
            if let Some(decl) = self.find_decl(scope.module, meant).map(|i| &self.decls[i])
                && !self.modules[decl.module].is_std
            {
                d = d.label(decl.name.span, format!("`{meant}` is declared here"));
            }
        } else {
            d = d.help(format!(
                "declare it: `let {name} = …`, `param {name} = …`, `input {name}: […]` or `dim {name} = …`"
            ));
        }
        d
    }

    fn time(&mut self, span: Span, scope: &Scope) -> Value {
        let mut at = Some(scope.module);
        while let Some(m) = at {
            if let Some(system) = self.modules[m].system {
                self.used(span, "t");
                return self.push(Kind::Time(system), Ty::scalar(), span).map_or(Value::Poison, Value::Tensor);
            }
            at = self.modules[m].parent;
        }
        let d = Diagnostic::error(codes::TIME, span, "`t` is the time of a system, and there is none here")
            .here("no system around this")
            .help("pass the time to a function as an argument; it exists where a `state` has its equation");
        self.report(d);
        Value::Poison
    }

    /// The value of a declaration, worked out when first needed.
    pub fn value_of(&mut self, decl: usize, span: Span) -> Value {
        self.decls[decl].used = true;
        match self.decls[decl].progress.clone() {
            Progress::Done(Value::Tensor(id)) => self.note_state_use(id, decl, span),
            Progress::Done(value) => value,
            Progress::Busy => {
                let name = &self.decls[decl].name;
                let d = Diagnostic::error(codes::CYCLE, name.span, format!("`{}` needs its own value", name.text))
                    .here("defined here")
                    .label(span, "and used on the way to its own value here")
                    .help("only a state may depend on itself, through its equation `x' = …`");
                self.report(d);
                Value::Poison
            }
            Progress::Todo => {
                self.decls[decl].progress = Progress::Busy;
                let frames = std::mem::take(&mut self.frames);
                let value = self.evaluate_decl(decl, span);
                self.frames = frames;
                self.decls[decl].progress = Progress::Done(value.clone());
                match value {
                    Value::Tensor(id) => self.note_state_use(id, decl, span),
                    other => other,
                }
            }
        }
    }

    /// Remembers where a state was named, for messages about signals in static places.
    fn note_state_use(&mut self, id: ExprId, decl: usize, span: Span) -> Value {
        let name = self.decls[decl].name.text.clone();
        if self.program.expr(id).signal.is_some() {
            self.used(span, &name);
        }
        Value::Tensor(id)
    }
}
