//! The checked model: typed expressions in an arena (arguments before users, equal expressions once) and what they are
//! for. Functions, nets and index notation are already expanded; states, signals and derivatives are not.

use super::domains::Domain;
use crate::diag::Span;
use crate::graph::{Binary, Einsum, Relation, Scalar, Unary};
use crate::solve::Options as SolveOptions;
use crate::train::TrainSpec;

/// An expression of one [`Program`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ExprId(pub u32);

impl ExprId {
    /// Position in the arena.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// One axis.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Dim {
    /// Number of entries; the largest of all samples if ragged.
    pub size: usize,
    /// The `dim` that it comes from, for messages.
    pub name: Option<String>,
    /// Which ragged dim, if samples differ in it.
    pub ragged: Option<u32>,
}

impl Dim {
    /// A size without a name.
    pub fn of(size: usize) -> Self {
        Self { size, name: None, ragged: None }
    }
    /// Whether two axes have the same entries in every sample.
    pub fn fits(&self, other: &Self) -> bool {
        self.size == other.size && self.ragged == other.ragged
    }
}

/// What is known about a value.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub struct Ty {
    /// Axes; empty for a scalar.
    pub dims: Vec<Dim>,
    /// Whether entries are truth values.
    pub is_bool: bool,
}

impl Ty {
    /// A number.
    pub fn scalar() -> Self {
        Self::default()
    }
    /// Numbers on these axes.
    pub fn of(dims: Vec<Dim>) -> Self {
        Self { dims, is_bool: false }
    }
    /// The sizes.
    pub fn shape(&self) -> Vec<usize> {
        self.dims.iter().map(|d| d.size).collect()
    }
    /// Whether it is a single number.
    pub fn is_scalar(&self) -> bool {
        self.dims.is_empty()
    }
    /// Whether all axes fit.
    pub fn fits(&self, other: &Self) -> bool {
        self.dims.len() == other.dims.len() && self.dims.iter().zip(&other.dims).all(|(a, b)| a.fits(b))
    }
}

impl std::fmt::Display for Ty {
    /// `[T=20, 2]`
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let one = |d: &Dim| match (&d.name, d.ragged) {
            (Some(name), None) => format!("{name}={}", d.size),
            (Some(name), Some(_)) => format!("{name}≤{}", d.size),
            (None, None) => d.size.to_string(),
            (None, Some(_)) => format!("≤{}", d.size),
        };
        write!(f, "[{}]", self.dims.iter().map(one).collect::<Vec<_>>().join(", "))
    }
}

/// The derivative operators.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Derivative {
    /// ∂y/∂x of a scalar y.
    Grad,
    /// ∂y/∂x · v
    Jvp,
    /// wᵀ ∂y/∂x
    Vjp,
    /// ∂y/∂x
    Jac,
    /// tr ∂y/∂x
    Div,
    /// ∂²y/∂x²
    Hess,
    /// tr ∂²y/∂x²
    Lap,
    /// ∂²y/∂x² · v
    Hvp,
}

impl Derivative {
    /// Every operator.
    pub const ALL: [Self; 8] =
        [Self::Grad, Self::Jvp, Self::Vjp, Self::Jac, Self::Div, Self::Hess, Self::Lap, Self::Hvp];

    /// Its name in the language.
    pub fn name(self) -> &'static str {
        match self {
            Self::Grad => "grad",
            Self::Jvp => "jvp",
            Self::Vjp => "vjp",
            Self::Jac => "jac",
            Self::Div => "div",
            Self::Hess => "hess",
            Self::Lap => "lap",
            Self::Hvp => "hvp",
        }
    }

    /// Whether it takes a third argument.
    pub fn has_direction(self) -> bool {
        matches!(self, Self::Jvp | Self::Vjp | Self::Hvp)
    }
}

/// What an expression is. Binary operators accept a scalar beside a tensor.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "operands are named by the graph operation of the same name")]
pub enum Kind {
    Const(Scalar),
    /// The natural value of a parameter.
    Param(u32),
    Input(u32),
    Noise(u32),
    /// Actual size of a ragged dim.
    Length(u32),
    /// Time of a system.
    Time(u32),
    /// The natural value of a state now.
    State {
        system: u32,
        index: u32,
    },
    Iota,
    Delta,
    Map1(Unary, ExprId),
    Map2(Binary, ExprId, ExprId),
    Compare(Relation, ExprId, ExprId),
    Select(ExprId, ExprId, ExprId),
    Stop(ExprId),
    Einsum(Einsum, Vec<ExprId>),
    /// Two-dimensional convolution: x `[channels, height, width]` with a kernel `[outputs, channels, height, width]`.
    Conv {
        x: ExprId,
        kernel: ExprId,
        stride: usize,
        padding: usize,
    },
    /// Axis k of the operand becomes axis `axes[k]`.
    Broadcast(Vec<u8>, ExprId),
    Reshape(ExprId),
    Slice(Vec<usize>, ExprId),
    Concat(usize, Vec<ExprId>),
    Gather(ExprId, ExprId),
    ArgMax(ExprId),
    MaxLast(ExprId),
    LogSumExpLast(ExprId),
    Interp {
        table: ExprId,
        times: ExprId,
        at: ExprId,
    },
    /// A value that a derivative may be taken with respect to, whatever expression it was given as.
    Argument(u32, ExprId),
    /// `body`, where argument `index` is `value`.
    Bind {
        index: u32,
        value: ExprId,
        body: ExprId,
    },
    Derivative {
        op: Derivative,
        of: ExprId,
        wrt: ExprId,
        direction: Option<ExprId>,
    },
    /// A signal at a time (a scalar) or at times (a vector).
    Sample {
        system: u32,
        value: ExprId,
        times: ExprId,
    },
}

impl Kind {
    /// The expressions that it is made of.
    pub fn operands(&self) -> Vec<ExprId> {
        match self {
            Kind::Const(_)
            | Kind::Param(_)
            | Kind::Input(_)
            | Kind::Noise(_)
            | Kind::Length(_)
            | Kind::Time(_)
            | Kind::State { .. }
            | Kind::Iota
            | Kind::Delta => Vec::new(),
            Kind::Map1(_, a)
            | Kind::Stop(a)
            | Kind::Broadcast(_, a)
            | Kind::Reshape(a)
            | Kind::Slice(_, a)
            | Kind::ArgMax(a)
            | Kind::MaxLast(a)
            | Kind::LogSumExpLast(a)
            | Kind::Argument(_, a) => vec![*a],
            Kind::Map2(_, a, b) | Kind::Compare(_, a, b) | Kind::Gather(a, b) => vec![*a, *b],
            Kind::Select(a, b, c) => vec![*a, *b, *c],
            Kind::Einsum(_, args) | Kind::Concat(_, args) => args.clone(),
            Kind::Conv { x, kernel, .. } => vec![*x, *kernel],
            Kind::Interp { table, times, at } => vec![*table, *times, *at],
            Kind::Bind { value, body, .. } => vec![*value, *body],
            Kind::Derivative { of, wrt, direction, .. } => [*of, *wrt].into_iter().chain(*direction).collect(),
            Kind::Sample { value, times, .. } => vec![*value, *times],
        }
    }
}

/// Which system a value varies with, and the use of a name that makes it so (an index into [`Program::uses`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signal {
    /// The system.
    pub system: u32,
    /// The first use of a state or of time.
    pub cause: u32,
}

/// An expression with everything known about it.
#[derive(Clone, Debug)]
pub struct Typed {
    /// What it is.
    pub kind: Kind,
    /// Its type.
    pub ty: Ty,
    /// Where it was first written.
    pub span: Span,
    /// Set if it varies in time.
    pub signal: Option<Signal>,
}

/// How a parameter starts.
#[derive(Clone, Debug, PartialEq)]
pub enum Init {
    /// These entries (natural values).
    Constant(Vec<f64>),
    /// Independent normal draws.
    Normal {
        /// Mean.
        mean: f64,
        /// Standard deviation.
        std: f64,
    },
    /// Independent uniform draws.
    Uniform {
        /// Lower end.
        low: f64,
        /// Upper end.
        high: f64,
    },
}

/// The distribution of a noise.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum NoiseDist {
    /// Normal.
    Normal {
        /// Mean.
        mean: f64,
        /// Standard deviation.
        std: f64,
    },
    /// Uniform on [a, b).
    Uniform {
        /// Lower end.
        a: f64,
        /// Upper end.
        b: f64,
    },
    /// 1 with probability p, else 0.
    Bernoulli {
        /// Probability of 1.
        p: f64,
    },
    /// Uniform on [centre − radius, centre + radius), one draw for all samples of a step of training; the centre
    /// otherwise. Ghosh et al., STEER: Simple Temporal Regularization for Neural ODEs, 2020.
    Steer {
        /// The nominal value.
        centre: f64,
        /// How far it may be off.
        radius: f64,
    },
}

/// A parameter.
#[derive(Clone, Debug)]
#[allow(missing_docs, reason = "the names say it")]
pub struct ParamInfo {
    pub name: String,
    pub ty: Ty,
    pub domain: Domain,
    pub init: Init,
    /// Its prior log-density, a scalar.
    pub prior: Option<ExprId>,
    pub doc: Option<String>,
    pub span: Span,
}

/// What a sample brings.
#[derive(Clone, Debug)]
#[allow(missing_docs, reason = "the names say it")]
pub struct InputInfo {
    pub name: String,
    pub ty: Ty,
    /// Number of classes of a label.
    pub class: Option<usize>,
    pub span: Span,
}

/// A fresh draw.
#[derive(Clone, Debug)]
#[allow(missing_docs, reason = "the names say it")]
pub struct NoiseInfo {
    pub name: String,
    pub ty: Ty,
    pub dist: NoiseDist,
    pub span: Span,
}

/// A state of a system.
#[derive(Clone, Debug)]
#[allow(missing_docs, reason = "the names say it")]
pub struct StateInfo {
    pub name: String,
    pub ty: Ty,
    pub domain: Domain,
    pub init: Option<ExprId>,
    pub rate: Option<ExprId>,
    pub span: Span,
}

/// An event of a system.
#[derive(Clone, Debug)]
pub struct EventInfo {
    /// Its name.
    pub name: String,
    /// A scalar that is positive where the condition holds and zero where the event fires.
    pub when: ExprId,
    /// It fires at every change of sign.
    pub either: bool,
    /// The states that it resets (by their place) and their new values.
    pub resets: Vec<(usize, ExprId)>,
    /// The solution ends there.
    pub stops: bool,
    /// Its name in the text.
    pub span: Span,
}

/// How the gradient of a solve is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Gradient {
    /// The exact reverse of the accepted steps.
    #[default]
    Discrete,
    /// The adjoint equation integrated backwards.
    Backsolve,
    /// The adjoint equation integrated backwards along the solution, which is read from the steps that were taken.
    Interpolated,
    /// Tangents along every parameter, integrated beside the states. One such system makes the whole loss so.
    Forward,
}

/// A system of equations with its arguments bound.
#[derive(Clone, Debug)]
#[allow(missing_docs, reason = "the names say it")]
pub struct SystemInfo {
    /// Empty for the states at top level.
    pub name: String,
    pub states: Vec<StateInfo>,
    pub events: Vec<EventInfo>,
    pub from: Option<ExprId>,
    pub to: Option<ExprId>,
    pub options: SolveOptions,
    pub gradient: Gradient,
    pub span: Span,
}

/// A named expression.
#[derive(Clone, Debug)]
#[allow(missing_docs, reason = "the names say it")]
pub struct NamedExpr {
    pub name: String,
    pub value: ExprId,
    pub span: Span,
}

/// A net with the names of its parameters.
#[derive(Clone, Debug)]
#[allow(missing_docs, reason = "the names say it")]
pub struct NetInfo {
    pub name: String,
    pub from: Ty,
    pub to: Ty,
    pub params: Vec<u32>,
}

/// A checked model.
#[derive(Clone, Debug, Default)]
#[allow(missing_docs, reason = "the names say it")]
pub struct Program {
    pub name: String,
    pub doc: String,
    pub exprs: Vec<Typed>,
    /// Uses of states and of time: where, and the name.
    pub uses: Vec<(Span, String)>,
    pub dims: Vec<Dim>,
    /// Ragged dims and their largest sizes.
    pub ragged: Vec<(String, usize)>,
    pub params: Vec<ParamInfo>,
    pub inputs: Vec<InputInfo>,
    pub noises: Vec<NoiseInfo>,
    pub nets: Vec<NetInfo>,
    pub systems: Vec<SystemInfo>,
    /// Which system is the anonymous one.
    pub main_system: Option<u32>,
    pub lets: Vec<NamedExpr>,
    pub loss: Option<ExprId>,
    pub metrics: Vec<NamedExpr>,
    pub outputs: Vec<NamedExpr>,
    pub train: Option<TrainSpec>,
}

impl SystemInfo {
    /// What happens on the way: rates, event functions and resets.
    pub fn dynamics(&self) -> impl Iterator<Item = ExprId> + '_ {
        let resets = self.events.iter().flat_map(|e| e.resets.iter().map(|r| r.1));
        self.states.iter().filter_map(|s| s.rate).chain(self.events.iter().map(|e| e.when)).chain(resets)
    }
}

impl Program {
    /// An expression.
    pub fn expr(&self, id: ExprId) -> &Typed {
        &self.exprs[id.index()]
    }
    /// Its type.
    pub fn ty(&self, id: ExprId) -> &Ty {
        &self.expr(id).ty
    }

    /// Everything that the values of `roots` are computed from, samples' equations included if `through` says so.
    pub fn reachable(&self, roots: &[ExprId], through: bool) -> std::collections::BTreeSet<ExprId> {
        let mut seen = std::collections::BTreeSet::new();
        let mut stack = roots.to_vec();
        while let Some(id) = stack.pop() {
            if !seen.insert(id) {
                continue;
            }
            let kind = &self.expr(id).kind;
            stack.extend(kind.operands());
            if let Kind::Sample { system, .. } = kind {
                let system = &self.systems[*system as usize];
                stack.extend(system.from.into_iter().chain(system.states.iter().filter_map(|s| s.init)));
                if through {
                    stack.extend(system.dynamics());
                }
            }
        }
        seen
    }
}
