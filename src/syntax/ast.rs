//! The syntax tree: what was written, with the place of everything, and nothing more.

use crate::diag::Span;

/// A name and its place.
#[derive(Clone, Debug, PartialEq)]
pub struct Name {
    /// The name; `nn.dense` keeps its dot.
    pub text: String,
    /// Where.
    pub span: Span,
}

/// A whole file.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct File {
    /// Items in order.
    pub items: Vec<Item>,
}

/// An item and its place.
#[derive(Clone, Debug, PartialEq)]
pub struct Item {
    /// What it is.
    pub kind: ItemKind,
    /// The whole item.
    pub span: Span,
    /// A one-line description at its end (`param k = 1 "rate"`).
    pub doc: Option<String>,
}

/// Every kind of item.
#[derive(Clone, Debug, PartialEq)]
pub enum ItemKind {
    /// `model Name "doc"`
    Model {
        /// Its name.
        name: Name,
    },
    /// `use nn` · `use "file.node" as f`
    Use {
        /// Module name, or the path in quotes.
        what: Name,
        /// Whether `what` was quoted.
        is_path: bool,
        /// `as` name.
        alias: Option<Name>,
    },
    /// `dim H = 50` · `dim T`
    Dim {
        /// Its name.
        name: Name,
        /// Its size; taken from the data when absent.
        value: Option<Expr>,
    },
    /// `param W: [H, D] = glorot() ~ normal(0, 1)`
    Param {
        /// Its name.
        name: Name,
        /// Shape and domain.
        ty: Type,
        /// Start value or initialiser.
        init: Option<Expr>,
        /// Prior: a distribution call without its first argument.
        prior: Option<Expr>,
    },
    /// `net f: [D] -> [D] = dense(H) |> tanh |> dense(D)`
    Net {
        /// Its name.
        name: Name,
        /// Input shape.
        from: Type,
        /// Output shape.
        to: Type,
        /// The pipe.
        body: Expr,
    },
    /// `layer dense(n): [m] -> [n] { param …; call(x) = … }`
    Layer {
        /// Its name.
        name: Name,
        /// Static arguments (sizes), each with an optional default.
        args: Vec<(Name, Option<Expr>)>,
        /// Input shape.
        from: Type,
        /// Output shape.
        to: Type,
        /// `param` and `let` items and exactly one `Call`.
        body: Vec<Item>,
    },
    /// `call(x) = W @ x + b`, only inside a layer.
    Call {
        /// The argument.
        arg: Name,
        /// The result.
        value: Expr,
    },
    /// `fn affine(W: [m, n], x: [n]) -> [m] = W @ x`
    Fn {
        /// Its name.
        name: Name,
        /// Arguments with optional types (none: any shape) and optional defaults.
        args: Vec<FnArg>,
        /// Result type.
        result: Option<Type>,
        /// The value.
        body: Expr,
    },
    /// `input y: [T, 2]`
    Input {
        /// Its name.
        name: Name,
        /// Its shape and domain (`class(10)` is a domain: a label 0 … 9).
        ty: Type,
    },
    /// `data csv("f.csv", by = "Subject")`; `test csv(…)`
    Data {
        /// `test` instead of `data`.
        is_test: bool,
        /// The reader and its arguments.
        reader: Expr,
    },
    /// `noise eps: [4] ~ normal(0, 1)`
    Noise {
        /// Its name.
        name: Name,
        /// Its shape.
        ty: Type,
        /// Its distribution.
        dist: Expr,
    },
    /// `state z: [D] = z0`
    State {
        /// Its name.
        name: Name,
        /// Shape and domain.
        ty: Type,
        /// Value at the start of the solve.
        init: Expr,
    },
    /// `z' = f(z, t)`
    Equation {
        /// The state.
        state: Name,
        /// Its time derivative.
        value: Expr,
    },
    /// `let v = …` · `let v: [D] = …`
    Let {
        /// Its name.
        name: Name,
        /// Its declared type.
        ty: Option<Type>,
        /// Its value.
        value: Expr,
    },
    /// `loss = …`
    Loss {
        /// The scalar to minimise.
        value: Expr,
    },
    /// `metric error = …`
    Metric {
        /// Its name.
        name: Name,
        /// Its value.
        value: Expr,
    },
    /// `output v = …`
    Output {
        /// Its name.
        name: Name,
        /// Its value.
        value: Expr,
    },
    /// `solve tsit5(rtol = 1e-6), 0 .. 25`; the span may be absent
    Solve {
        /// Method and options.
        method: Option<Expr>,
        /// From and to.
        over: Option<(Expr, Expr)>,
    },
    /// `train adam(lr = 1e-2)`
    Train {
        /// Optimiser and options.
        method: Expr,
    },
    /// `event hit: y < 0 => { v := -0.8*v }`
    Event {
        /// Its name.
        name: Name,
        /// When.
        condition: Expr,
        /// `state := value`.
        resets: Vec<(Name, Expr)>,
        /// `stop`: the solution ends here.
        stops: bool,
    },
    /// `ode flow(x: [2]) over 1 .. 0 { … }`
    Ode {
        /// Its name.
        name: Name,
        /// Arguments.
        args: Vec<FnArg>,
        /// From and to.
        over: Option<(Expr, Expr)>,
        /// `state`, equations, `let`, `solve`.
        body: Vec<Item>,
    },
}

/// `x: [n] = default`
#[derive(Clone, Debug, PartialEq)]
pub struct FnArg {
    /// Its name.
    pub name: Name,
    /// Its type; none means any shape.
    pub ty: Option<Type>,
    /// Used when the call leaves it out.
    pub default: Option<Expr>,
}

/// `[H, D] positive`, `positive`, `[4] interval(0, 1)`, or nothing: `param k: positive`, `param W: [H, D]`
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Type {
    /// Sizes; `None` is a scalar (`[]` too gives an empty list).
    pub dims: Vec<Expr>,
    /// `real positive negative unit interval(a, b) simplex class(n)`, as a name or a call.
    pub domain: Option<Expr>,
    /// The whole type (an empty span where nothing was written).
    pub span: Span,
}

/// An expression and its place.
#[derive(Clone, Debug, PartialEq)]
pub struct Expr {
    /// What it is.
    pub kind: ExprKind,
    /// Where.
    pub span: Span,
}

/// A binary operator as written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub enum BinaryOp {
    Add,
    Sub,
    Mul,
    Div,
    Pow,
    MatMul,
    Less,
    LessEq,
    Greater,
    GreaterEq,
    Equal,
    NotEqual,
    And,
    Or,
}

/// A prefix operator as written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub enum UnaryOp {
    Neg,
    Not,
}

/// One argument of a call: `x` or `rtol = 1e-6`.
#[derive(Clone, Debug, PartialEq)]
pub struct Arg {
    /// Its keyword.
    pub name: Option<Name>,
    /// Its value.
    pub value: Expr,
}

/// One place of an index: `i`, `0:N`, `:`.
#[derive(Clone, Debug, PartialEq)]
pub enum Index {
    /// One entry.
    At(Expr),
    /// `from:to`, either end may be absent.
    Range(Option<Expr>, Option<Expr>),
}

/// Every kind of expression.
#[derive(Clone, Debug, PartialEq)]
pub enum ExprKind {
    /// `1e-3`
    Number(f64),
    /// `"file.csv"`
    Text(String),
    /// `true`, `false`
    Bool(bool),
    /// `x`, `end` (inside an index)
    Name(String),
    /// `-x`, `not c`
    Unary(UnaryOp, Box<Expr>),
    /// `a + b`
    Binary(BinaryOp, Box<Expr>, Box<Expr>),
    /// `if c then a else b`
    If(Box<Expr>, Box<Expr>, Box<Expr>),
    /// `f(x, k = v)`; the callee is any postfix expression (`flow(x).z(0)`)
    Call(Box<Expr>, Vec<Arg>),
    /// `x.T`, `back.z`, `scan(…).last`
    Field(Box<Expr>, Name),
    /// `W[i, :]`
    Index(Box<Expr>, Vec<Index>),
    /// `[a, b]`: concatenation, or a list of values (data columns)
    List(Vec<Expr>),
    /// `a |> f`
    Pipe(Box<Expr>, Box<Expr>),
    /// `sum(i, j: W[i, j]*x[j])`, `tensor(i: a[i]*b[i])`: the head, the index names, the body
    Comprehension(Name, Vec<Name>, Box<Expr>),
    /// What could not be parsed; already reported.
    Error,
}
