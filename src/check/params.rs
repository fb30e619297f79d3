//! Parameters with their domains, start values and priors; noises with their distributions.

use super::checker::Checker;
use super::codes;
use super::domains::Domain;
use super::program::{ExprId, Init, Kind, NoiseDist, NoiseInfo, ParamInfo, Ty};
use super::scope::{Scope, Value};
use crate::diag::{Diagnostic, Span, did_you_mean};
use crate::syntax::ast::{Arg, Expr, ExprKind, Item, Name, Type};

/// Initialisers and their arguments.
const INITIALISERS: &[(&str, &str)] = &[
    ("glorot", "glorot()"),
    ("he", "he()"),
    ("lecun", "lecun()"),
    ("normal", "normal(mean, std)"),
    ("uniform", "uniform(low, high)"),
];

/// Where each prior's density is positive.
const PRIORS: &[(&str, Domain)] = &[
    ("normal", Domain::Real),
    ("student_t", Domain::Real),
    ("laplace", Domain::Real),
    ("cauchy", Domain::Real),
    ("lognormal", Domain::Positive),
    ("exponential", Domain::Positive),
    ("gamma", Domain::Positive),
    ("beta", Domain::Unit),
    ("uniform", Domain::Real),
];

/// The name and the arguments of `name(…)` or `name`.
pub(super) fn head(e: &Expr) -> Option<(&str, &[Arg])> {
    match &e.kind {
        ExprKind::Name(name) => Some((name, &[])),
        ExprKind::Call(callee, args) => match &callee.kind {
            ExprKind::Name(name) => Some((name, args)),
            ExprKind::Field(_, name) => Some((&name.text, args)),
            _ => None,
        },
        _ => None,
    }
}

impl Checker<'_> {
    /// A `param` item.
    pub fn param(
        &mut self,
        name: &Name,
        ty: &Type,
        init: Option<&Expr>,
        prior: Option<&Expr>,
        item: &Item,
        scope: &Scope,
    ) -> Value {
        let (shape, domain) = (self.written(ty, scope), self.domain(ty, scope));
        let (Some(mut shape), Some((domain, class))) = (shape, domain) else { return Value::Poison };
        if class.is_some() {
            let d = Diagnostic::error(codes::DOMAIN, ty.span, "a parameter cannot be a class").here("only for inputs");
            self.report(d);
            return Value::Poison;
        }
        if domain == Domain::Simplex && (shape.dims.len() != 1 || shape.dims[0].size < 2) {
            let d = Diagnostic::error(codes::DOMAIN, ty.span, "a simplex is a vector of at least two entries")
                .here(format!("shape {shape}"));
            self.report(d);
            return Value::Poison;
        }
        if shape.dims.iter().any(|d| d.ragged.is_some()) {
            let d = Diagnostic::error(
                codes::BAD_SIZE,
                ty.span,
                "a parameter cannot have a size that differs between samples",
            )
            .here(format!("shape {shape}"));
            self.report(d);
            return Value::Poison;
        }
        if self.bounded(&shape, ty.span).is_none() {
            return Value::Poison;
        }
        let full = format!("{}{}", self.modules[scope.module].prefix, name.text);
        let init = self.init(&full, (name, ty), &mut shape, domain, init, scope);
        let k = self.program.params.len();
        self.program.params.push(ParamInfo {
            name: full,
            ty: shape.clone(),
            domain,
            init,
            prior: None,
            doc: item.doc.clone(),
            span: name.span,
        });
        let kind = Kind::Param(u32::try_from(k).unwrap_or(u32::MAX));
        let Some(id) = self.push(kind, shape, name.span) else { return Value::Poison };
        if let Some(prior) = prior {
            let density = self.prior(id, prior, (domain, ty.span), scope);
            self.program.params[k].prior = density;
        }
        Value::Tensor(id)
    }

    fn init(
        &mut self,
        full: &str,
        (name, ty): (&Name, &Type),
        shape: &mut Ty,
        domain: Domain,
        init: Option<&Expr>,
        scope: &Scope,
    ) -> Init {
        let entries = |shape: &Ty| shape.shape().iter().product::<usize>();
        if let Some(value) = self.options.overrides.iter().find(|o| o.0 == full).map(|o| o.1) {
            let values = vec![value; entries(shape)];
            if !domain.contains(&values) {
                self.outside_domain(full, name.span, domain, ty.span);
            }
            return Init::Constant(values);
        }
        let Some(e) = init else {
            return if domain == Domain::Real && shape.dims.len() >= 2 {
                glorot(shape)
            } else {
                Init::Constant(domain.middle(entries(shape)))
            };
        };
        if let Some((word, args)) = head(e)
            && let Some(found) = self.initialiser(word, args, shape, e.span, scope)
        {
            let reachable = match (&found, domain) {
                (_, Domain::Real) => true,
                (Init::Uniform { low, high }, d) => {
                    let inside =
                        |v: f64| d.contains(&[v]) || v == 0.0 || matches!(d, Domain::Unit | Domain::Interval(..));
                    d != Domain::Simplex && inside(*low) && inside(*high)
                }
                (Init::Normal { .. } | Init::Constant(_), _) => false,
            };
            if !reachable {
                self.outside_domain(full, e.span, domain, ty.span);
            }
            return found;
        }
        let fallback = Init::Constant(domain.middle(entries(shape)));
        let Some(id) = self.expr(e, scope) else { return fallback };
        let Some(id) = self.fit(id, e, shape, ty.dims.is_empty(), (ty.span, name), scope) else { return fallback };
        let Some(values) = super::constant::evaluate(&self.program, id) else {
            let d = Diagnostic::error(codes::NOT_CONSTANT, e.span, "a start value must be known beforehand")
                .here("depends on parameters, inputs or states")
                .help("use numbers and `dim`s, or an initialiser such as `glorot()` or `normal(0, 0.1)`");
            self.report(d);
            return fallback;
        };
        if !domain.contains(&values) {
            self.outside_domain(full, e.span, domain, ty.span);
        }
        Init::Constant(values)
    }

    fn outside_domain(&mut self, name: &str, span: Span, domain: Domain, declared: Span) {
        let d =
            Diagnostic::error(codes::OUTSIDE, span, format!("the start value of `{name}` is not {}", domain.spell()))
                .here("outside of the domain")
                .label(declared, "the domain")
                .help("start strictly inside of the domain, or change it");
        self.report(d);
    }

    /// An initialiser call; `None` if the word is not one (nor close to one).
    fn initialiser(&mut self, word: &str, args: &[Arg], shape: &Ty, span: Span, scope: &Scope) -> Option<Init> {
        if !INITIALISERS.iter().any(|i| i.0 == word) {
            let unknown = self.lookup(word, span, scope).is_none();
            let near = did_you_mean(word, INITIALISERS.iter().map(|i| i.0));
            if let (true, Some(meant)) = (unknown, near) {
                let d = Diagnostic::error(codes::INITIALISER, span, format!("no initialiser is called `{word}`"))
                    .here("unknown initialiser")
                    .help(format!("did you mean `{meant}`?"));
                self.report(d);
                return Some(glorot(shape));
            }
            return None;
        }
        let mut numbers = Vec::new();
        for a in args {
            numbers.push(self.constant_number(&a.value, scope, "an argument of an initialiser").unwrap_or(1.0));
        }
        #[allow(clippy::cast_precision_loss, reason = "sizes stay below 2^31")]
        let fan_in = fans(shape).0 as f64;
        let uniform = |r: f64| Init::Uniform { low: -r, high: r };
        Some(match (word, numbers.as_slice()) {
            ("glorot", []) => glorot(shape),
            // He et al., Delving deep into rectifiers, ICCV 2015, equation 10.
            ("he", []) => Init::Normal { mean: 0.0, std: (2.0 / fan_in).sqrt() },
            // LeCun et al., Efficient BackProp, 1998: variance 1/fan-in.
            ("lecun", []) => uniform((3.0 / fan_in).sqrt()),
            ("normal", []) => Init::Normal { mean: 0.0, std: 1.0 },
            ("normal", [mean, std]) if *std >= 0.0 => Init::Normal { mean: *mean, std: *std },
            ("uniform", [low, high]) if low < high => Init::Uniform { low: *low, high: *high },
            _ => {
                let signature = INITIALISERS.iter().find(|i| i.0 == word).map_or("", |i| i.1);
                let d =
                    Diagnostic::error(codes::INITIALISER, span, format!("these arguments do not fit `{signature}`"))
                        .here("unusable arguments")
                        .help("a standard deviation is not negative, and low < high");
                self.report(d);
                glorot(shape)
            }
        })
    }

    /// `~ normal(0, 1)`: log-density of the parameter.
    fn prior(&mut self, id: ExprId, prior: &Expr, (domain, declared): (Domain, Span), scope: &Scope) -> Option<ExprId> {
        let (word, args) = head(prior).unwrap_or(("", &[]));
        let Some((_, support)) = PRIORS.iter().find(|p| p.0 == word) else {
            let known: Vec<&str> = PRIORS.iter().map(|p| p.0).collect();
            let d = Diagnostic::error(codes::DISTRIBUTION, prior.span, "no distribution has this name")
                .here("unknown distribution");
            let d = match did_you_mean(word, known.iter().copied()) {
                Some(meant) => d.help(format!("did you mean `{meant}`?")),
                None => d,
            };
            return self.fail(d.help(format!("distributions: {}", known.join(", "))));
        };
        let wider = match (support, domain) {
            (Domain::Positive, Domain::Interval(low, _)) => low < 0.0,
            (Domain::Positive, d) => !matches!(d, Domain::Positive | Domain::Unit | Domain::Simplex),
            (Domain::Unit, Domain::Interval(low, high)) => low < 0.0 || high > 1.0,
            (Domain::Unit, d) => !matches!(d, Domain::Unit | Domain::Simplex),
            (Domain::Real | Domain::Negative | Domain::Interval(..) | Domain::Simplex, _) => false,
        };
        if wider {
            let d = Diagnostic::error(
                codes::PRIOR_SUPPORT,
                prior.span,
                format!("the prior `{word}` has no density outside of `{}`", support.spell()),
            )
            .here(format!("needs a parameter that is {}", support.spell()))
            .label(declared, format!("the parameter is {}", domain.spell()))
            .help(format!("declare the parameter as `{}`", support.spell()));
            return self.fail(d);
        }
        let callee = Expr { kind: ExprKind::Name(format!("{word}_logpdf")), span: prior.span };
        // The parameter goes in by a name that a model cannot have.
        let inner = scope.with("%prior", Value::Tensor(id));
        let first = Arg { name: None, value: Expr { kind: ExprKind::Name("%prior".into()), span: prior.span } };
        let all: Vec<Arg> = std::iter::once(first).chain(args.iter().cloned()).collect();
        match self.call(&callee, &all, None, prior.span, &inner) {
            Value::Tensor(density) => self.scalar(density, prior.span, "a prior log-density"),
            _ => None,
        }
    }

    /// A `noise` item.
    pub fn noise(&mut self, name: &Name, ty: &Type, dist: &Expr, scope: &Scope) -> Value {
        let Some(shape) = self.written(ty, scope) else { return Value::Poison };
        let (word, args) = head(dist).unwrap_or(("", &[]));
        let mut numbers = Vec::new();
        for a in args {
            match self.constant_number(&a.value, scope, "an argument of a noise") {
                Some(v) => numbers.push(v),
                None => return Value::Poison,
            }
        }
        let found = match (word, numbers.as_slice()) {
            ("normal", []) => NoiseDist::Normal { mean: 0.0, std: 1.0 },
            ("normal", [mean, std]) if *std >= 0.0 => NoiseDist::Normal { mean: *mean, std: *std },
            ("uniform", []) => NoiseDist::Uniform { a: 0.0, b: 1.0 },
            ("uniform", [a, b]) if a < b => NoiseDist::Uniform { a: *a, b: *b },
            ("bernoulli", [p]) if (0.0..=1.0).contains(p) => NoiseDist::Bernoulli { p: *p },
            ("steer", [centre, radius]) if *radius >= 0.0 => NoiseDist::Steer { centre: *centre, radius: *radius },
            _ => {
                let d = Diagnostic::error(codes::DISTRIBUTION, dist.span, "a noise cannot be drawn from this")
                    .here("unknown distribution, or unusable arguments")
                    .help("noises: `normal(mean, std)`, `uniform(a, b)`, `bernoulli(p)`, `steer(t, b)` with constant arguments");
                self.report(d);
                return Value::Poison;
            }
        };
        let k = u32::try_from(self.program.noises.len()).unwrap_or(u32::MAX);
        let typed = Ty { is_bool: matches!(found, NoiseDist::Bernoulli { .. }), ..shape };
        self.program.noises.push(NoiseInfo {
            name: name.text.clone(),
            ty: typed.clone(),
            dist: found,
            span: name.span,
        });
        self.push(Kind::Noise(k), typed, name.span).map_or(Value::Poison, Value::Tensor)
    }
}

/// Fan-in and fan-out of a weight [out, in, …].
fn fans(shape: &Ty) -> (usize, usize) {
    let sizes = shape.shape();
    let inner: usize = sizes.iter().skip(2).product();
    match sizes.as_slice() {
        [] => (1, 1),
        [n] => (*n, *n),
        [out, into, ..] => (into * inner, out * inner),
    }
}

/// Glorot, Bengio, Understanding the difficulty of training deep feedforward neural networks, AISTATS 2010, eq. 16.
fn glorot(shape: &Ty) -> Init {
    let (fan_in, fan_out) = fans(shape);
    #[allow(clippy::cast_precision_loss, reason = "sizes stay below 2^31")]
    let r = (6.0 / (fan_in + fan_out) as f64).sqrt();
    Init::Uniform { low: -r, high: r }
}
