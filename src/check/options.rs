//! `solve` and `train` items: method, options, span.

use super::checker::Checker;
use super::codes;
use super::params::head;
use super::program::{ExprId, Gradient};
use super::scope::Scope;
use crate::diag::{Diagnostic, Span, did_you_mean};
use crate::solve::{Controller, Implicit, Method, Norm, Options as SolveOptions, Stepping};
use crate::syntax::ast::{Arg, Expr, ExprKind, ItemKind};
use crate::train::{OptionValue, TrainSpec};

/// Options of every solver.
const OPTIONS: &[&str] = &[
    "rtol",
    "atol",
    "norm",
    "gradient",
    "step",
    "max_steps",
    "dt",
    "first_step",
    "min_step",
    "max_step",
    "stops",
    "controller",
    "restart",
    "reversible",
    "error_penalty",
    "stiffness_penalty",
    "memory",
];

impl Checker<'_> {
    /// Method, options and span of a system, from its `solve` item and its `over`.
    pub fn solve_options(&mut self, k: u32, module: usize) {
        let scope = Scope::of(module);
        let (mut options, mut gradient) = (SolveOptions::default(), Gradient::Discrete);
        let mut span = self.modules[module].over.clone();
        if let Some(item) = self.inherited_solve(module)
            && let ItemKind::Solve { method, over } = &item.kind
        {
            if let Some(e) = method {
                self.method(e, &mut options, &mut gradient, &scope);
                self.state_tolerances(k, e, self.modules[module].solve.is_some(), &mut options, &scope);
                self.budget(k, e, &options, gradient);
            }
            if self.modules[module].solve.is_some() && over.is_some() {
                span.clone_from(over);
            }
        }
        let zero = self.number(0.0, self.program.systems[k as usize].span);
        let (from, to) = match &span {
            Some((from, to)) => (self.bound_of(from, &scope), self.bound_of(to, &scope)),
            None => (Some(zero), None),
        };
        let system = &mut self.program.systems[k as usize];
        (system.options, system.gradient, system.from, system.to) = (options, gradient, from, to);
    }

    /// The `solve` of a module; a named system without one takes the method of the file.
    fn inherited_solve(&self, module: usize) -> Option<std::rc::Rc<crate::syntax::ast::Item>> {
        let mut at = Some(module);
        while let Some(m) = at {
            if let Some(item) = &self.modules[m].solve {
                return Some(item.clone());
            }
            at = self.modules[m].parent;
        }
        None
    }

    fn bound_of(&mut self, e: &Expr, scope: &Scope) -> Option<ExprId> {
        let id = self.expr(e, scope)?;
        let id = self.constant_in_time(id, e.span, "an end of the time span")?;
        self.scalar(id, e.span, "an end of the time span")
    }

    fn method(&mut self, e: &Expr, options: &mut SolveOptions, gradient: &mut Gradient, scope: &Scope) {
        let (word, args) = head(e).unwrap_or(("", &[]));
        let Some(method) = Method::from_name(word) else {
            let known: Vec<&str> = Method::every().map(Method::name).collect();
            let mut d = Diagnostic::error(codes::METHOD, e.span, format!("no method is called `{word}`"))
                .here("unknown method");
            if let Some(meant) = did_you_mean(word, known.iter().copied()) {
                d = d.help(format!("did you mean `{meant}`?"));
            }
            self.report(d.help(format!("methods: {}", known.join(", "))));
            return;
        };
        options.method = method;
        for arg in args {
            // `x(atol = 1e-12)` is for a state: see `state_tolerances`.
            let Some(name) = &arg.name else {
                if !matches!(arg.value.kind, ExprKind::Call(..)) {
                    let d = Diagnostic::error(codes::OPTION, arg.value.span, "an option needs its name")
                        .here("which option?")
                        .help(format!("write `{word}(rtol = 1e-6)`"));
                    self.report(d);
                }
                continue;
            };
            self.solve_option(&name.text, name.span, arg, options, gradient, scope);
        }
        self.without_discrete(method, args, options, gradient);
        self.fixed(options, e.span);
        if let Method::Implicit(method) = method {
            self.implicit(method, options, e.span);
        }
        self.undone(e.span, options, *gradient);
        self.penalised(args, options, *gradient);
        if options.fixed_step.is_none() && (options.reversible || method.tableau().embedded_order.is_none()) {
            let d = Diagnostic::error(
                codes::OPTION_VALUE,
                e.span,
                if options.reversible {
                    "reversible steps have no error estimate, so they need a length".to_owned()
                } else {
                    format!("`{word}` has no error estimate, so it needs a step")
                },
            )
            .here("steps of what length?")
            .help(format!("write `{word}(dt = 0.01)`"));
            self.report(d);
        }
    }

    /// What has no say where the length of the steps is given.
    fn fixed(&mut self, options: &SolveOptions, at: Span) {
        if options.fixed_step.is_some() && (options.max_step.is_finite() || options.norm == Norm::Max) {
            let d = Diagnostic::error(codes::OPTION_VALUE, at, "`dt` gives the length of every step")
                .here("together with `max_step` or `norm`")
                .help("leave out `dt` to control the error, or leave out the other");
            self.report(d);
        }
    }

    /// What implicit methods do not have.
    fn implicit(&mut self, method: Implicit, options: &SolveOptions, at: Span) {
        let name = method.name();
        let (what, here, help) = if options.stepping == Stepping::Batch {
            let what = format!("`{name}` cannot step a batch together");
            (what, "implicit method", "leave out `step`: every sample then has its own step size")
        } else if options.norm == Norm::Max || options.max_step.is_finite() {
            let what = format!("`{name}` has no `norm` and no `max_step`");
            (what, "implicit method", "leave them out, or choose an explicit method")
        } else {
            return;
        };
        self.report(Diagnostic::error(codes::OPTION_VALUE, at, what).here(here).help(help));
    }

    /// What methods whose steps are undone in reverse cannot have.
    fn undone(&mut self, at: Span, options: &SolveOptions, gradient: Gradient) {
        let symplectic = matches!(options.method, Method::Symplectic(_));
        let (what, help) = if options.reversible && symplectic {
            ("a symplectic method is reversible as it is", "leave out `reversible`")
        } else if !options.keeps_steps() && matches!(gradient, Gradient::Backsolve | Gradient::Interpolated) {
            ("the steps of this method are undone exactly", "leave out `gradient`: `discrete` keeps no steps here")
        } else {
            return;
        };
        self.report(Diagnostic::error(codes::OPTION_VALUE, at, what).here("one or the other").help(help));
    }

    /// A method whose steps cannot be reversed has another default gradient, and refuses `discrete` and `dt`.
    fn without_discrete(&mut self, method: Method, args: &[Arg], options: &SolveOptions, gradient: &mut Gradient) {
        if method.has_discrete() {
            return;
        }
        let word = method.name();
        let given = |name: &str| args.iter().find(|arg| arg.name.as_ref().is_some_and(|n| n.text == name));
        if let Some(arg) = given("gradient").filter(|_| *gradient == Gradient::Discrete) {
            let message = format!("the steps of `{word}` cannot be reversed");
            let d = Diagnostic::error(codes::OPTION_VALUE, arg.value.span, message)
                .here("not for this method")
                .help(format!("write `{word}(gradient = backsolve)` or `interpolated`, or choose a Runge–Kutta method such as `dopri8`"));
            self.report(d);
        }
        if let Some(arg) = given("dt").filter(|_| options.fixed_step.is_some()) {
            let d = Diagnostic::error(codes::OPTION_VALUE, arg.value.span, format!("`{word}` chooses its own steps"))
                .here("a constant length")
                .help("leave `dt` out, and give tolerances, or choose a Runge–Kutta method");
            self.report(d);
        }
        if *gradient == Gradient::Discrete {
            *gradient = Gradient::Backsolve;
        }
    }

    /// Penalties are functions of the stages of explicit steps that are kept and reversed.
    fn penalised(&mut self, args: &[Arg], options: &SolveOptions, gradient: Gradient) {
        let named = |a: &&Arg| a.name.as_ref().is_some_and(|n| n.text.ends_with("_penalty"));
        let Some(at) = args.iter().find(named).filter(|_| !options.penalties.is_none()) else { return };
        let (method, tableau) = (options.method, options.method.tableau());
        let word = method.name();
        let (what, help) = if !Method::ALL.contains(&method) || !options.keeps_steps() {
            ("only the steps of explicit Runge–Kutta methods have penalties".to_owned(), "write `tsit5(…)`")
        } else if gradient != Gradient::Discrete {
            ("penalties on the steps need the `discrete` gradient".to_owned(), "leave out `gradient`")
        } else if options.penalties.error > 0.0 && tableau.embedded_order.is_none() {
            (format!("`{word}` has no error estimate to penalise"), "choose a method with one, such as `tsit5`")
        } else if options.penalties.stiffness > 0.0 && !tableau.tells_stiffness() {
            let help = "choose heun, dopri5, tsit5, vern7 or dopri8, or `error_penalty`";
            (format!("no two stages of `{word}` are at the end of the step, so they do not tell how stiff it is"), help)
        } else {
            return;
        };
        self.report(Diagnostic::error(codes::OPTION_VALUE, at.value.span, what).here("not possible here").help(help));
    }

    fn solve_option(
        &mut self,
        name: &str,
        at: Span,
        arg: &Arg,
        o: &mut SolveOptions,
        gradient: &mut Gradient,
        scope: &Scope,
    ) {
        let e = &arg.value;
        match name {
            "rtol" => o.rtol = self.at_least(e, scope, 0.0).unwrap_or(o.rtol),
            "atol" => o.atol = self.at_least(e, scope, 0.0).unwrap_or(o.atol),
            "dt" => o.fixed_step = self.at_least(e, scope, f64::MIN_POSITIVE),
            "first_step" => o.first_step = self.at_least(e, scope, f64::MIN_POSITIVE),
            "min_step" => o.min_step = self.at_least(e, scope, 0.0).unwrap_or(o.min_step),
            "max_step" => o.max_step = self.at_least(e, scope, f64::MIN_POSITIVE).unwrap_or(o.max_step),
            "stops" => o.stops = self.constant_numbers(e, scope).unwrap_or_default(),
            "norm" => {
                let choices = [("rms", Norm::Rms), ("max", Norm::Max)];
                o.norm = self.word(e, &choices).unwrap_or(o.norm);
            }
            "max_steps" => {
                let n = self.at_least(e, scope, 1.0).and_then(|n| super::shapes::whole(n.floor(), 1.0));
                o.max_steps = n.unwrap_or(o.max_steps);
            }
            "gradient" => {
                let choices = [
                    ("discrete", Gradient::Discrete),
                    ("backsolve", Gradient::Backsolve),
                    ("interpolated", Gradient::Interpolated),
                    ("forward", Gradient::Forward),
                ];
                *gradient = self.word(e, &choices).unwrap_or(*gradient);
            }
            "step" => {
                let choices = [("sample", Stepping::PerSample), ("batch", Stepping::Batch)];
                o.stepping = self.word(e, &choices).unwrap_or(o.stepping);
            }
            "controller" => {
                let choices = [("pi", Controller::PI), ("i", Controller::I), ("pid", Controller::PID)];
                o.controller = self.word(e, &choices).unwrap_or(o.controller);
            }
            "restart" => o.restart = self.flag(e).unwrap_or(o.restart),
            "reversible" => o.reversible = self.flag(e).unwrap_or(o.reversible),
            "error_penalty" => o.penalties.error = self.at_least(e, scope, 0.0).unwrap_or(0.0),
            "stiffness_penalty" => o.penalties.stiffness = self.at_least(e, scope, 0.0).unwrap_or(0.0),
            "memory" => o.memory = self.memory(e),
            _ => {
                let mut d = Diagnostic::error(codes::OPTION, at, format!("solvers have no option `{name}`"))
                    .here("unknown option");
                if let Some(meant) = did_you_mean(name, OPTIONS.iter().copied()) {
                    d = d.help(format!("did you mean `{meant}`?")).fix(at, meant, format!("write `{meant}`"));
                }
                self.report(d.help(format!("options: {}", OPTIONS.join(", "))));
            }
        }
    }

    pub(super) fn at_least(&mut self, e: &Expr, scope: &Scope, least: f64) -> Option<f64> {
        let value = self.constant_number(e, scope, "an option")?;
        if value.is_finite() && value >= least {
            return Some(value);
        }
        let wanted = if least > 0.0 { "positive" } else { "zero or more" };
        let d = Diagnostic::error(codes::OPTION_VALUE, e.span, format!("this option must be {wanted}"))
            .here(format!("{value}"));
        self.fail(d)
    }

    fn flag(&mut self, e: &Expr) -> Option<bool> {
        match e.kind {
            ExprKind::Bool(value) => Some(value),
            _ => self.word(e, &[("true", true), ("false", false)]),
        }
    }

    fn word<T: Copy>(&mut self, e: &Expr, choices: &[(&str, T)]) -> Option<T> {
        if let ExprKind::Name(word) = &e.kind
            && let Some((_, value)) = choices.iter().find(|c| c.0 == word)
        {
            return Some(*value);
        }
        let known: Vec<&str> = choices.iter().map(|c| c.0).collect();
        let d = Diagnostic::error(codes::OPTION_VALUE, e.span, "this is no choice for the option")
            .here("unknown choice")
            .help(format!("choose one of {}", known.join(", ")));
        self.fail(d)
    }

    /// A `train` item.
    pub fn train_spec(&mut self, method: &Expr, scope: &Scope) -> Option<TrainSpec> {
        let (word, args) = head(method).unwrap_or(("", &[]));
        let (mut options, mut spans) = (Vec::new(), Vec::new());
        for arg in args {
            let Some(name) = &arg.name else {
                let d = Diagnostic::error(codes::OPTION, arg.value.span, "an option needs its name")
                    .here("which option?")
                    .help(format!("write `{word}(lr = 1e-3)`"));
                return self.fail(d);
            };
            let value = match &arg.value.kind {
                ExprKind::Name(w) if self.lookup(w, arg.value.span, scope).is_none() => OptionValue::Word(w.clone()),
                ExprKind::Name(w) if name.text == "schedule" => OptionValue::Word(w.clone()),
                ExprKind::Text(w) => OptionValue::Word(w.clone()),
                _ => OptionValue::Number(self.constant_number(&arg.value, scope, "an option")?),
            };
            spans.push((name.text.clone(), name.span));
            options.push((name.text.clone(), value));
        }
        match TrainSpec::from_options(word, &options) {
            Ok(spec) => Some(spec),
            Err(error) => {
                let at = error.option.as_ref().and_then(|o| spans.iter().find(|s| s.0 == *o)).map(|s| s.1);
                let unknown = error.option.is_none() || error.message.contains("no option");
                let code = match (&error.option, unknown) {
                    (None, _) => codes::METHOD,
                    (Some(_), true) => codes::OPTION,
                    (Some(_), false) => codes::OPTION_VALUE,
                };
                let mut d = Diagnostic::error(code, at.unwrap_or(method.span), error.message);
                if let Some(meant) = &error.did_you_mean {
                    d = d.help(format!("did you mean `{meant}`?"));
                }
                if let Some(help) = error.help {
                    d = d.help(help);
                }
                self.fail(d)
            }
        }
    }
}
