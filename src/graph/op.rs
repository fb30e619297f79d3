//! The operator table. Adding an elementwise operator: a row here, an arm in `diff/rules.rs`, and one in
//! `codegen/emit/scalar.rs` (inline code) or a kernel of the same name.

use super::{Conv, Einsum};
use smallvec::SmallVec;

/// A constant, compared and hashed by its bits.
#[derive(Clone, Copy)]
pub struct Scalar(pub f64);

impl PartialEq for Scalar {
    fn eq(&self, other: &Self) -> bool {
        self.0.to_bits() == other.0.to_bits()
    }
}
impl Eq for Scalar {}
impl std::hash::Hash for Scalar {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.0.to_bits().hash(state);
    }
}
impl std::fmt::Debug for Scalar {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

macro_rules! rows {
    ($(#[$meta:meta])* $enum:ident { $($(#[$doc:meta])* $variant:ident $name:literal,)* }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum $enum { $($(#[$doc])* $variant,)* }
        impl $enum {
            /// Every row of the table.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];
            /// Its name in dumps, and in the language where it has one.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),* }
            }
            /// The row of a name.
            pub fn from_name(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|op| op.name() == name)
            }
        }
    };
}

rows! {
    /// Elementwise functions of one argument.
    Unary {
        /// −x
        Neg "neg",
        /// eˣ
        Exp "exp",
        /// Natural logarithm.
        Log "log",
        /// log(1 + x)
        Log1p "log1p",
        /// eˣ − 1
        Expm1 "expm1",
        /// Square root.
        Sqrt "sqrt",
        /// Sine.
        Sin "sin",
        /// Cosine.
        Cos "cos",
        /// Tangent.
        Tan "tan",
        /// Inverse sine.
        Asin "asin",
        /// Inverse cosine.
        Acos "acos",
        /// Inverse tangent.
        Atan "atan",
        /// Hyperbolic sine.
        Sinh "sinh",
        /// Hyperbolic cosine.
        Cosh "cosh",
        /// Hyperbolic tangent.
        Tanh "tanh",
        /// 1/(1 + e⁻ˣ)
        Sigmoid "sigmoid",
        /// log(1 + eˣ)
        Softplus "softplus",
        /// |x|, derivative 0 at 0
        Abs "abs",
        /// −1, 0 or 1
        Sign "sign",
        /// Largest integer not above x; derivative 0
        Floor "floor",
        /// Error function.
        Erf "erf",
        /// log|Γ(x)|
        Lgamma "lgamma",
        /// ψ(x), the derivative of lgamma
        Digamma "digamma",
        /// ψ′(x); differentiated by the central difference of itself, see `diff/rules.rs`
        Trigamma "trigamma",
        /// 1 where x is 0, else 0
        Not "not",
    }
}

rows! {
    /// Elementwise functions of two arguments of equal shape.
    Binary {
        /// a + b
        Add "add",
        /// a − b
        Sub "sub",
        /// a·b
        Mul "mul",
        /// a/b
        Div "div",
        /// aᵇ
        Pow "pow",
        /// Smaller; ties go to a
        Min "min",
        /// Larger; ties go to a
        Max "max",
        /// Angle of the point (b, a)
        Atan2 "atan2",
        /// a·b, but 0 where a is 0 whatever b is: the product with a cotangent that a branch has masked
        Guard "guard",
    }
}

rows! {
    /// Comparisons, giving 1 or 0.
    Relation {
        /// a < b
        Less "lt",
        /// a ≤ b
        LessEq "le",
        /// a = b
        Equal "eq",
        /// a ≠ b
        NotEqual "ne",
    }
}

/// Values that come from outside a graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Leaf {
    /// An unconstrained trainable tensor; shared by the samples.
    Param(u32),
    /// The natural value of a parameter, while derivatives with respect to it are taken.
    Natural(u32),
    /// What a sample brings.
    Input(u32),
    /// A fresh draw.
    Noise(u32),
    /// Time, inside a system.
    Time,
    /// Time, inside a system whose samples step together: shared by them.
    Clock,
    /// The flat state of a system.
    State(u32),
    /// A value computed outside of a system's right-hand side and used inside: shared or per sample.
    Capture {
        /// Which operand of the solve, from 0.
        index: u32,
        /// Whether it is per sample.
        batched: bool,
    },
    /// The actual size of a ragged dimension in this sample.
    Length(u32),
    /// The weight of this sample in the objective: 1/N, or 0 for padding.
    Weight,
    /// The cotangent that a vector-Jacobian product starts from.
    Seed(u32),
}

impl Leaf {
    /// Whether the samples differ in it.
    pub fn batched(self) -> bool {
        match self {
            Leaf::Param(_) | Leaf::Natural(_) | Leaf::Clock => false,
            Leaf::Capture { batched, .. } => batched,
            Leaf::Input(_)
            | Leaf::Noise(_)
            | Leaf::Time
            | Leaf::State(_)
            | Leaf::Length(_)
            | Leaf::Weight
            | Leaf::Seed(_) => true,
        }
    }
}

/// Every operation. Shapes follow from arguments except where the node's own shape is part of the operation
/// (`Iota`, `Conv`, `Broadcast`, `Reshape`, `Slice`, `Pad`, `ScatterAdd`).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Op {
    /// A scalar constant.
    Const(Scalar),
    /// A value from outside.
    Leaf(Leaf),
    /// 0, 1, …, n − 1
    Iota,
    /// The n × n identity, never stored: `einsum` absorbs it.
    Delta,
    /// Elementwise function of one argument.
    Map1(Unary),
    /// Elementwise function of two.
    Map2(Binary),
    /// Elementwise comparison.
    Compare(Relation),
    /// Elementwise `if c then a else b`.
    Select,
    /// The value, with derivative 0.
    Stop,
    /// Products summed over the indices that the output lacks.
    Einsum(Einsum),
    /// A tensor of a convolution from the other two; see [`Conv`].
    Conv(Conv),
    /// Repeats: axis k of the argument becomes axis `axes[k]` of the result.
    Broadcast(SmallVec<[u8; 4]>),
    /// The same entries in row-major order under another shape.
    Reshape,
    /// A box of the argument that starts at these indices.
    Slice(SmallVec<[usize; 4]>),
    /// Zeros around the argument, which starts at these indices.
    Pad(SmallVec<[usize; 4]>),
    /// Arguments one after another along an axis.
    Concat(u8),
    /// Rows `x[index]`; index: a scalar or a vector of whole numbers (clamped to the rows there are).
    Gather,
    /// Zeros with `updates` (argument 1) added at rows `index` (argument 0).
    ScatterAdd,
    /// The position of the first largest entry along the last axis.
    ArgMax,
    /// The interval k of the increasing vector `ts` with `ts[k] ≤ t < ts[k+1]`, from 0 to n − 2: arguments ts, t.
    Search,
    /// The sum over samples of a batched value.
    SumLanes,
    /// `ODESolve`: z0 `[D]`, t0 `[]`, ts `[T]`, captures … → z(ts) `[T, D]`
    Solve(u32),
    /// The cotangents of a solve: its arguments and the cotangent of its value; read by `SolvePart`.
    SolveVjp(u32),
    /// The cotangent of an argument of a solve.
    SolvePart {
        /// Which argument.
        argument: u32,
        /// Summed over the samples where they share that argument.
        total: bool,
    },
}
