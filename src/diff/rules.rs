//! The derivative table of the nonlinear elementwise operators: partial derivatives as graph builders. They may use the
//! inputs and the output. `None` is a structural zero.

use crate::graph::{Binary, Graph, NodeId, Relation, Unary};

/// ∂f(x)/∂x, given y = f(x).
pub fn partial1(g: &mut Graph, f: Unary, x: NodeId, y: NodeId) -> Option<NodeId> {
    Some(match f {
        Unary::Neg => constant(g, -1.0, x),
        Unary::Exp => y,
        Unary::Log => reciprocal(g, x),
        Unary::Log1p => {
            let one_plus = g.shift(1.0, x);
            reciprocal(g, one_plus)
        }
        Unary::Expm1 => g.shift(1.0, y),
        Unary::Sqrt => {
            let half = constant(g, 0.5, x);
            g.over(half, y)
        }
        Unary::Sin => g.map1(Unary::Cos, x),
        Unary::Cos => {
            let s = g.map1(Unary::Sin, x);
            g.map1(Unary::Neg, s)
        }
        Unary::Tan => {
            let square = g.times(y, y);
            g.shift(1.0, square)
        }
        Unary::Asin => inverse_sine(g, x, 1.0),
        Unary::Acos => inverse_sine(g, x, -1.0),
        Unary::Atan => {
            let square = g.times(x, x);
            let d = g.shift(1.0, square);
            reciprocal(g, d)
        }
        Unary::Sinh => g.map1(Unary::Cosh, x),
        Unary::Cosh => g.map1(Unary::Sinh, x),
        Unary::Tanh => {
            let square = g.times(y, y);
            let one = constant(g, 1.0, x);
            g.minus(one, square)
        }
        Unary::Sigmoid => {
            let one = constant(g, 1.0, x);
            let rest = g.minus(one, y);
            g.times(y, rest)
        }
        Unary::Softplus => g.map1(Unary::Sigmoid, x),
        Unary::Abs => g.map1(Unary::Sign, x),
        Unary::Sign | Unary::Floor | Unary::Not => return None,
        Unary::Erf => {
            let square = g.times(x, x);
            let minus = g.map1(Unary::Neg, square);
            let e = g.map1(Unary::Exp, minus);
            g.scale(std::f64::consts::FRAC_2_SQRT_PI, e)
        }
        Unary::Lgamma => g.map1(Unary::Digamma, x),
        Unary::Digamma => g.map1(Unary::Trigamma, x),
        Unary::Trigamma => tetragamma(g, x),
    })
}

/// (∂f(a, b)/∂a, ∂f(a, b)/∂b), given y = f(a, b).
pub fn partial2(g: &mut Graph, f: Binary, a: NodeId, b: NodeId, y: NodeId) -> (Option<NodeId>, Option<NodeId>) {
    match f {
        Binary::Add => (Some(constant(g, 1.0, a)), Some(constant(g, 1.0, a))),
        Binary::Sub => (Some(constant(g, 1.0, a)), Some(constant(g, -1.0, a))),
        Binary::Mul => (Some(b), Some(a)),
        Binary::Div => {
            let ratio = g.over(y, b);
            let minus = g.map1(Unary::Neg, ratio);
            (Some(reciprocal(g, b)), Some(minus))
        }
        Binary::Pow => pow(g, a, b, y),
        Binary::Min => sides(g, Relation::LessEq, a, b),
        Binary::Max => {
            // Ties go to a, so it is `b > a` that decides.
            let (second, first) = sides(g, Relation::Less, a, b);
            (first, second)
        }
        Binary::Atan2 => {
            let (aa, bb) = (g.times(a, a), g.times(b, b));
            let r = g.plus(aa, bb);
            let minus = g.map1(Unary::Neg, a);
            (Some(g.over(b, r)), Some(g.over(minus, r)))
        }
        Binary::Guard => {
            let zero = constant(g, 0.0, a);
            let masked = g.compare(Relation::Equal, a, zero);
            (Some(g.select(masked, zero, b)), Some(a))
        }
    }
}

/// Whether the partial derivative can be infinite where the function is not used: a masked cotangent must then be
/// multiplied with [`Binary::Guard`].
pub fn singular1(f: Unary) -> bool {
    match f {
        Unary::Exp
        | Unary::Expm1
        | Unary::Log
        | Unary::Log1p
        | Unary::Sqrt
        | Unary::Tan
        | Unary::Asin
        | Unary::Acos
        | Unary::Sinh
        | Unary::Cosh
        | Unary::Lgamma
        | Unary::Digamma
        | Unary::Trigamma => true,
        Unary::Neg
        | Unary::Sin
        | Unary::Cos
        | Unary::Atan
        | Unary::Tanh
        | Unary::Sigmoid
        | Unary::Softplus
        | Unary::Abs
        | Unary::Sign
        | Unary::Floor
        | Unary::Erf
        | Unary::Not => false,
    }
}

/// The same for two arguments.
pub fn singular2(f: Binary) -> bool {
    match f {
        Binary::Div | Binary::Pow | Binary::Atan2 | Binary::Mul => true,
        Binary::Add | Binary::Sub | Binary::Min | Binary::Max | Binary::Guard => false,
    }
}

fn constant(g: &mut Graph, value: f64, like: NodeId) -> NodeId {
    let shape = g.shape(like).clone();
    g.full(value, &shape)
}

fn reciprocal(g: &mut Graph, x: NodeId) -> NodeId {
    let one = constant(g, 1.0, x);
    g.over(one, x)
}

/// ±1/√((1 − x)(1 + x))
fn inverse_sine(g: &mut Graph, x: NodeId, sign: f64) -> NodeId {
    let one = constant(g, 1.0, x);
    let (below, above) = (g.minus(one, x), g.shift(1.0, x));
    let product = g.times(below, above);
    let root = g.map1(Unary::Sqrt, product);
    let sign = constant(g, sign, x);
    g.over(sign, root)
}

/// ψ″(x) = Σ −2/(x+k)³ by eight steps of the recurrence and the asymptotic series (Abramowitz & Stegun 6.4.14).
fn tetragamma(g: &mut Graph, x: NodeId) -> NodeId {
    let mut total = constant(g, 0.0, x);
    let mut at = x;
    for _ in 0..12 {
        let (square, minus_two) = (g.times(at, at), constant(g, -2.0, x));
        let cube = g.times(square, at);
        let term = g.over(minus_two, cube);
        total = g.plus(total, term);
        at = g.shift(1.0, at);
    }
    // −1/x² − 1/x³ − 1/(2x⁴) + 1/(6x⁶) − 1/(6x⁸) + 3/(10x¹⁰) − 5/(6x¹²)
    let inverse = reciprocal(g, at);
    let powers = [(2, -1.0), (3, -1.0), (4, -0.5), (6, 1.0 / 6.0), (8, -1.0 / 6.0), (10, 0.3), (12, -5.0 / 6.0)];
    for (n, factor) in powers {
        let exponent = constant(g, f64::from(n), x);
        let p = g.map2(Binary::Pow, inverse, exponent);
        let term = g.scale(factor, p);
        total = g.plus(total, term);
    }
    total
}

/// d(aᵇ): b·aᵇ⁻¹ without a logarithm, and aᵇ·log a where a > 0, else 0 (the limit at a = 0, b > 0).
fn pow(g: &mut Graph, a: NodeId, b: NodeId, y: NodeId) -> (Option<NodeId>, Option<NodeId>) {
    let lower = match g.constant(b) {
        Some(value) => constant(g, value - 1.0, a),
        None => g.shift(-1.0, b),
    };
    let p = g.map2(Binary::Pow, a, lower);
    let da = g.times(b, p);
    if g.constant(b).is_some() {
        return (Some(da), None);
    }
    let (zero, one) = (constant(g, 0.0, a), constant(g, 1.0, a));
    let positive = g.compare(Relation::Less, zero, a);
    let safe = g.select(positive, a, one);
    let log = g.map1(Unary::Log, safe);
    let db = g.times(y, log);
    (Some(da), Some(db))
}

/// (1 where r(a, b), 1 elsewhere): which side a minimum or maximum takes.
fn sides(g: &mut Graph, r: Relation, a: NodeId, b: NodeId) -> (Option<NodeId>, Option<NodeId>) {
    let first = g.compare(r, a, b);
    let second = g.map1(Unary::Not, first);
    (Some(first), Some(second))
}
