//! Systems: states with their start values and equations, named systems bound to arguments, sampling.

use super::calls::{Args, Given, wrong_count};
use super::checker::{Checker, Frame};
use super::codes;
use super::domains::Domain;
use super::program::{Dim, ExprId, Gradient, Kind, StateInfo, SystemInfo, Ty};
use super::scope::{Module, Progress, Scope, Value};
use crate::diag::{Diagnostic, Span, did_you_mean};
use crate::solve::Options as SolveOptions;
use crate::syntax::ast::{Expr, ItemKind, Name};
use std::rc::Rc;

/// How far a system is.
pub(super) struct SystemState {
    /// The module that holds its states.
    pub module: usize,
    pub start: Progress,
    pub finished: bool,
}

impl Checker<'_> {
    /// Makes the system of the states of a module.
    pub fn declare_system(&mut self, module: usize, name: &str, span: Span) -> u32 {
        let k = u32::try_from(self.program.systems.len()).unwrap_or(u32::MAX);
        self.modules[module].system = Some(k);
        self.systems.push(SystemState { module, start: Progress::Todo, finished: false });
        self.program.systems.push(SystemInfo {
            name: name.to_owned(),
            states: Vec::new(),
            events: Vec::new(),
            from: None,
            to: None,
            options: SolveOptions::default(),
            gradient: Gradient::Discrete,
            span,
        });
        k
    }

    /// Works out start values and start time, once.
    pub fn start_system(&mut self, k: u32, span: Span) -> Option<()> {
        match self.systems[k as usize].start {
            Progress::Done(_) => return Some(()),
            Progress::Busy => {
                let d = Diagnostic::error(
                    codes::OWN_SOLUTION,
                    span,
                    "a start value cannot depend on the solution that it starts",
                )
                .here("used while its own start values are worked out")
                .help("start values depend on parameters, inputs and static lets");
                return self.fail(d);
            }
            Progress::Todo => {}
        }
        self.systems[k as usize].start = Progress::Busy;
        let module = self.systems[k as usize].module;
        for d in self.modules[module].states.clone() {
            let state = self.start_state(k, d);
            self.program.systems[k as usize].states.push(state);
        }
        self.solve_options(k, module);
        self.systems[k as usize].start = Progress::Done(Value::Poison);
        Some(())
    }

    fn start_state(&mut self, k: u32, decl: usize) -> StateInfo {
        let item = self.decls[decl].item.clone();
        let scope = Scope::of(self.decls[decl].module);
        let name = self.decls[decl].name.clone();
        let mut info = StateInfo {
            name: name.text.clone(),
            ty: Ty::scalar(),
            domain: Domain::Real,
            init: None,
            rate: None,
            span: name.span,
        };
        let ItemKind::State { ty, init, .. } = &item.kind else { return info };
        let declared = self.written(ty, &scope);
        if let Some((domain, class)) = self.domain(ty, &scope) {
            if class.is_some() || domain == Domain::Simplex {
                let d = Diagnostic::error(codes::STATE_DOMAIN, ty.span, "a state cannot have this domain")
                    .here("not for states")
                    .help("states may be `real`, `positive`, `negative`, `unit` or `interval(low, high)`");
                self.report(d);
            } else {
                info.domain = domain;
            }
        }
        let value = self.expr(init, &scope);
        let value = value.and_then(|id| self.constant_in_time(id, init.span, "a start value"));
        info.ty = declared.unwrap_or_default();
        if let Some(id) = value {
            info.init = self.fit(id, init, &mut info.ty, ty.dims.is_empty(), (ty.span, &name), &scope);
            if let Some(values) = super::constant::evaluate(&self.program, id)
                && !info.domain.contains(&values)
            {
                let d = Diagnostic::error(
                    codes::OUTSIDE,
                    init.span,
                    format!("the start value of `{}` is not {}", name.text, info.domain.spell()),
                )
                .here("outside of the domain")
                .label(ty.span, "the domain");
                self.report(d);
            }
        }
        let _ = k;
        info
    }

    /// `id` with the declared shape: a scalar fills it; a declaration without sizes takes those of the value.
    pub fn fit(
        &mut self,
        id: ExprId,
        value: &Expr,
        ty: &mut Ty,
        free: bool,
        declared: (Span, &Name),
        scope: &Scope,
    ) -> Option<ExprId> {
        let found = self.ty(id);
        if free {
            ty.dims.clone_from(&found.dims);
        }
        if found.fits(ty) {
            return Some(id);
        }
        if found.is_scalar() {
            return self.broadcast(id, &[], ty.dims.clone(), value.span);
        }
        let name = &declared.1.text;
        let d = Diagnostic::error(
            codes::DECLARED_SHAPE,
            value.span,
            format!("`{name}` has shape {ty}, but its value has {found}"),
        )
        .here(format!("shape {found}"))
        .label(
            if declared.0.end > declared.0.start { declared.0 } else { declared.1.span },
            format!("declared as {ty}"),
        );
        let d = self.declared(d, value, scope);
        self.fail(d)
    }

    /// The value of a state's name.
    pub fn state_value(&mut self, decl: usize, span: Span) -> Value {
        let module = self.decls[decl].module;
        let Some(k) = self.modules[module].system else { return Value::Poison };
        if self.start_system(k, span).is_none() {
            return Value::Poison;
        }
        let Some(index) = self.modules[module].states.iter().position(|s| *s == decl) else { return Value::Poison };
        let ty = self.program.systems[k as usize].states[index].ty.clone();
        let index = u32::try_from(index).unwrap_or(u32::MAX);
        self.push(Kind::State { system: k, index }, ty, span).map_or(Value::Poison, Value::Tensor)
    }

    /// Checks the equations of every system; new ones may come up on the way.
    pub fn finish_systems(&mut self) {
        let mut k = 0;
        while k < self.systems.len() {
            if !self.systems[k].finished {
                self.systems[k].finished = true;
                self.finish_system(u32::try_from(k).unwrap_or(u32::MAX));
            }
            k += 1;
        }
        self.sampling_cycles();
    }

    fn finish_system(&mut self, k: u32) {
        let module = self.systems[k as usize].module;
        let span = self.program.systems[k as usize].span;
        if self.start_system(k, span).is_none() {
            return;
        }
        self.inside = Some(k);
        let scope = Scope::of(module);
        let names: Vec<String> = self.program.systems[k as usize].states.iter().map(|s| s.name.clone()).collect();
        let mut seen: Vec<(usize, Span)> = Vec::new();
        for item in self.modules[module].equations.clone() {
            let ItemKind::Equation { state, value } = &item.kind else { continue };
            let Some(index) = names.iter().position(|n| *n == state.text) else {
                self.equation_without_state(state, &names, module);
                continue;
            };
            if let Some((_, first)) = seen.iter().find(|s| s.0 == index) {
                let d = Diagnostic::error(codes::DUPLICATE, state.span, format!("`{}` has two equations", state.text))
                    .here("the second")
                    .label(*first, "the first");
                self.report(d);
                continue;
            }
            seen.push((index, state.span));
            let Some(id) = self.expr(value, &scope) else { continue };
            let Some(id) = self.own_signal(id, value.span, k) else { continue };
            let mut ty = self.program.systems[k as usize].states[index].ty.clone();
            let place = (self.program.systems[k as usize].states[index].span, state);
            let rate = self.fit(id, value, &mut ty, false, place, &scope);
            self.program.systems[k as usize].states[index].rate = rate;
        }
        self.events(k, module, &scope);
        for (index, d) in self.modules[module].states.clone().into_iter().enumerate() {
            if !seen.iter().any(|s| s.0 == index) {
                let name = self.decls[d].name.clone();
                let d = Diagnostic::error(
                    codes::NO_EQUATION,
                    name.span,
                    format!("the state `{}` has no equation", name.text),
                )
                .here("declared here")
                .help(format!("write its time derivative: `{}' = …`", name.text));
                self.report(d);
            }
        }
        self.inside = None;
    }

    /// A value inside of system `k` must not vary with another system.
    pub fn own_signal(&mut self, id: ExprId, span: Span, k: u32) -> Option<ExprId> {
        match self.program.expr(id).signal {
            Some(s) if s.system != k => self.constant_in_time(id, span, "what another system contributes"),
            _ => Some(id),
        }
    }

    pub fn equation_without_state(&mut self, state: &Name, names: &[String], module: usize) {
        let mut d = Diagnostic::error(codes::NO_STATE, state.span, format!("there is no state `{}`", state.text))
            .here("not a state");
        if let Some(meant) = did_you_mean(&state.text, names.iter().map(String::as_str)) {
            d = d.help(format!("did you mean `{meant}'`?")).fix(state.span, meant, format!("write `{meant}`"));
        } else if let Some(i) = self.modules[module].names.get(&state.text) {
            d = d.label(self.decls[*i].name.span, "declared here, but not as a state");
        } else {
            d = d.help(format!("declare it with its start value: `state {} = …`", state.text));
        }
        self.report(d);
    }

    /// A call of a named system: one instance for equal arguments.
    pub fn instance(&mut self, decl: usize, given: &Args, span: Span) -> Option<u32> {
        let item = self.decls[decl].item.clone();
        let ItemKind::Ode { name, args, over, body } = &item.kind else { return None };
        let places = self.place(&name.text, args, given, span)?;
        let parent = self.decls[decl].module;
        let mut scope = Scope::of(parent);
        let mut ids = Vec::new();
        for (f, place) in args.iter().zip(places) {
            let (id, at) = match (place, &f.default) {
                (Some(found), _) => found,
                (None, Some(default)) => (self.expr(default, &scope)?, default.span),
                (None, None) => return None,
            };
            let id = self.constant_in_time(id, at, "an argument of a system")?;
            let actual = self.ty(id);
            let is_argument = |e: &ExprId| matches!(self.program.expr(*e).kind, Kind::Argument(..));
            if self.program.reachable(&[id], false).iter().any(is_argument) {
                let d = Diagnostic::error(
                    codes::NOT_YET,
                    at,
                    "a system depends on the variable of a derivative inside of a function",
                )
                .here("this varies with what is differentiated")
                .help("differentiate the solution outside of the function, with respect to a parameter or an input");
                return self.fail(d);
            }
            if let Some(ty) = &f.ty
                && !self.matches(ty, &actual, &mut scope)?
            {
                let d = Diagnostic::error(
                    codes::ARGUMENT_SHAPE,
                    at,
                    format!("`{}` of `{}` has another shape", f.name.text, name.text),
                )
                .here(format!("shape {actual}"))
                .label(ty.span, "declared like this");
                return self.fail(d);
            }
            scope.locals.push((f.name.text.clone(), Value::Tensor(id)));
            ids.push(id);
        }
        if let Some(k) = self.instances.get(&(decl, ids.clone())) {
            return Some(*k);
        }
        if self.frames.iter().filter(|f| f.decl == decl).count() > 0 {
            let d = Diagnostic::error(codes::RECURSION, span, format!("`{}` needs its own solution", name.text))
                .here("inside of itself");
            return self.fail(d);
        }
        let m = self.modules.len();
        self.modules.push(Module {
            parent: Some(parent),
            locals: scope.locals,
            is_std: self.modules[parent].is_std,
            over: over.clone(),
            ..Module::default()
        });
        let count = self.instances.len() + 1;
        let label = if self.instances.keys().any(|i| i.0 == decl) {
            format!("{}.{count}", name.text)
        } else {
            name.text.clone()
        };
        for item in body {
            self.add_decl(m, Rc::new(item.clone()));
        }
        let k = self.declare_system(m, &label, name.span);
        self.instances.insert((decl, ids), k);
        if self.modules[m].states.is_empty() {
            let d = Diagnostic::error(codes::NO_EQUATION, name.span, format!("`{}` has no state", name.text))
                .here("a system needs a state and its equation");
            return self.fail(d);
        }
        self.frames.push(Frame { name: name.text.clone(), span, is_std: false, decl });
        let started = self.start_system(k, span);
        self.frames.pop();
        started.map(|()| k)
    }

    /// `solution.name`
    pub fn state_of(&mut self, k: u32, name: &Name) -> Value {
        let module = self.systems[k as usize].module;
        if let Some(&d) = self.modules[module].names.get(&name.text) {
            return self.value_of(d, name.span);
        }
        let names: Vec<String> = self.program.systems[k as usize].states.iter().map(|s| s.name.clone()).collect();
        let d = Diagnostic::error(codes::FIELD, name.span, format!("the solution has no `{}`", name.text))
            .here("unknown state");
        let d = match did_you_mean(&name.text, names.iter().map(String::as_str)) {
            Some(meant) => d.help(format!("did you mean `{meant}`?")),
            None => d.help(format!("its states: {}", names.join(", "))),
        };
        self.report(d);
        Value::Poison
    }

    /// `signal(times)`
    pub fn sample_call(
        &mut self,
        id: ExprId,
        callee: &Expr,
        given: &Args,
        span: Span,
        scope: &Scope,
    ) -> Option<ExprId> {
        let [times] = given.positional.as_slice() else {
            let d = wrong_count("signal(time)", given.positional.len() + given.named.len(), span)
                .help("a signal takes one argument: a time, or a vector of times");
            return self.fail(d);
        };
        let Some(signal) = self.program.expr(id).signal else {
            let d = Diagnostic::error(codes::NOT_A_SIGNAL, span, "this does not vary in time")
                .here("it cannot be called with a time")
                .label(callee.span, format!("shape {}", self.ty(id)));
            let d = self.declared(d, callee, scope);
            return self.fail(d.help("an entry is taken with `[…]`; a product is written with `*`"));
        };
        self.sample(id, signal.system, times, span)
    }

    fn sample(&mut self, id: ExprId, system: u32, times: &Given, span: Span) -> Option<ExprId> {
        let at = self.constant_in_time(times.id, times.expr.span, "a time")?;
        let ty = self.ty(at);
        if ty.dims.len() > 1 {
            let d = Diagnostic::error(codes::NOT_SCALAR, times.expr.span, "times are a scalar or a vector")
                .here(format!("shape {ty}"));
            return self.fail(d);
        }
        if self.inside == Some(system) {
            let d =
                Diagnostic::error(codes::OWN_SOLUTION, span, "an equation cannot use the solution of its own system")
                    .here("the solution at another time")
                    .help("inside of the equations a state stands for its value now; delays are not supported");
            return self.fail(d);
        }
        self.start_system(system, span)?;
        self.of_one_system(id, system, span)?;
        if let Some(user) = self.inside {
            self.samples.push((user, system, span));
        }
        let dims: Vec<Dim> = ty.dims.into_iter().chain(self.ty(id).dims).collect();
        self.push(Kind::Sample { system, value: id, times: at }, Ty::of(dims), span)
    }

    /// A signal varies with one system only.
    fn of_one_system(&mut self, id: ExprId, system: u32, span: Span) -> Option<()> {
        let (mut seen, mut stack) = (std::collections::HashSet::new(), vec![id]);
        while let Some(at) = stack.pop() {
            let node = self.program.expr(at);
            let foreign = match node.kind {
                Kind::State { system: s, .. } | Kind::Time(s) => s != system,
                _ => false,
            };
            if foreign {
                let d = Diagnostic::error(codes::SIGNAL_AS_STATIC, span, "this signal varies with two systems")
                    .here("the times of which system?")
                    .help("sample the parts at the times first, then combine them");
                return self.fail(d);
            }
            if node.signal.is_some() && seen.insert(at) {
                stack.extend(node.kind.operands());
            }
        }
        Some(())
    }

    fn sampling_cycles(&mut self) {
        let edges = self.samples.clone();
        for (user, used, span) in &edges {
            let (mut seen, mut stack) = (vec![*used], vec![*used]);
            while let Some(at) = stack.pop() {
                for (_, next, _) in edges.iter().filter(|e| e.0 == at) {
                    if !seen.contains(next) {
                        seen.push(*next);
                        stack.push(*next);
                    }
                }
            }
            if seen.contains(user) {
                let d = Diagnostic::error(codes::OWN_SOLUTION, *span, "two systems need each other's solution")
                    .here("on the way back to itself");
                self.report(d);
            }
        }
    }
}
