//! The rewrite table: one rule a function, tried in order. A rule never makes more work, and keeps NaN, ±inf and the
//! domain (x·0 stays x·0: x may be infinite).

use crate::graph::{Binary, Graph, Node, NodeId, Op, Scalar, Unary};
use smallvec::SmallVec;

/// A rewrite rule.
pub struct Rule {
    /// What it does, as an equation.
    pub law: &'static str,
    /// The replacement, if the rule fits.
    pub rewrite: fn(&mut Graph, &Node) -> Option<NodeId>,
}

/// Every rule, in order.
pub const RULES: &[Rule] = &[
    Rule { law: "f(constants) = constant", rewrite: fold },
    Rule { law: "x·1 = x, 1·x = x, x/1 = x", rewrite: unit },
    Rule { law: "x + 0 = x, 0 + x = x, x − 0 = x, 0 − x = −x", rewrite: zero },
    Rule { law: "−(−x) = x", rewrite: double_negation },
    Rule { law: "a + (−b) = a − b, a − (−b) = a + b", rewrite: signs },
    Rule { law: "x/c = x·(1/c) for c a power of two", rewrite: division },
    Rule {
        law: "x² = x·x, x³ = x·x·x, x⁴ = (x·x)², x^½ = √x, x^−1 = 1/x, and products of these up to x^±4",
        rewrite: power,
    },
    Rule { law: "log(1 + x) = log1p(x), e^x − 1 = expm1(x)", rewrite: near_one },
    Rule { law: "log(1 + e^x) = softplus(x)", rewrite: softplus },
    Rule { law: "f(a, b) = f(b, a) in one order for +, ·", rewrite: commute },
    Rule { law: "if c then x else x = x", rewrite: same_branches },
    Rule { law: "stop(stop(x)) = stop(x)", rewrite: stop },
    Rule { law: "reshape(reshape(x)) = reshape(x)", rewrite: reshape },
];

/// The first rule that fits.
pub fn apply(g: &mut Graph, node: &Node) -> Option<NodeId> {
    RULES.iter().find_map(|rule| (rule.rewrite)(g, node))
}

fn fold(g: &mut Graph, node: &Node) -> Option<NodeId> {
    let value = |k: usize| g.constant(node.args[k]);
    let folded = match &node.op {
        Op::Map1(f) => exact1(*f, value(0)?)?,
        Op::Map2(f) => exact2(*f, value(0)?, value(1)?)?,
        _ => return None,
    };
    let shape = node.shape.clone();
    Some(g.full(folded, &shape))
}

/// Only operations that are the same everywhere: correctly rounded ones.
fn exact1(f: Unary, x: f64) -> Option<f64> {
    match f {
        Unary::Neg => Some(-x),
        Unary::Sqrt => Some(x.sqrt()),
        Unary::Abs => Some(x.abs()),
        Unary::Floor => Some(x.floor()),
        _ => None,
    }
}

fn exact2(f: Binary, a: f64, b: f64) -> Option<f64> {
    match f {
        Binary::Add => Some(a + b),
        Binary::Sub => Some(a - b),
        Binary::Mul => Some(a * b),
        Binary::Div => Some(a / b),
        Binary::Pow | Binary::Min | Binary::Max | Binary::Atan2 | Binary::Guard => None,
    }
}

fn is(g: &Graph, id: NodeId, value: f64) -> bool {
    g.constant(id).is_some_and(|c| Scalar(c) == Scalar(value))
}

fn unit(g: &mut Graph, node: &Node) -> Option<NodeId> {
    match node.op {
        Op::Map2(Binary::Mul) if is(g, node.args[0], 1.0) => Some(node.args[1]),
        Op::Map2(Binary::Mul | Binary::Div) if is(g, node.args[1], 1.0) => Some(node.args[0]),
        _ => None,
    }
}

/// (−0) + 0 is +0: the sign of zero is not kept, as nothing but 1/x and atan2 can tell.
fn zero(g: &mut Graph, node: &Node) -> Option<NodeId> {
    match node.op {
        Op::Map2(Binary::Add) if is(g, node.args[0], 0.0) => Some(node.args[1]),
        Op::Map2(Binary::Add | Binary::Sub) if is(g, node.args[1], 0.0) => Some(node.args[0]),
        Op::Map2(Binary::Sub) if is(g, node.args[0], 0.0) => Some(g.map1(Unary::Neg, node.args[1])),
        _ => None,
    }
}

fn negated(g: &Graph, id: NodeId) -> Option<NodeId> {
    let node = g.node(id);
    (node.op == Op::Map1(Unary::Neg)).then(|| node.args[0])
}

fn double_negation(g: &mut Graph, node: &Node) -> Option<NodeId> {
    if node.op == Op::Map1(Unary::Neg) { negated(g, node.args[0]) } else { None }
}

fn signs(g: &mut Graph, node: &Node) -> Option<NodeId> {
    match node.op {
        Op::Map2(Binary::Add) => match (negated(g, node.args[0]), negated(g, node.args[1])) {
            (_, Some(b)) => Some(g.minus(node.args[0], b)),
            (Some(a), None) => Some(g.minus(node.args[1], a)),
            (None, None) => None,
        },
        Op::Map2(Binary::Sub) => negated(g, node.args[1]).map(|b| g.plus(node.args[0], b)),
        _ => None,
    }
}

fn division(g: &mut Graph, node: &Node) -> Option<NodeId> {
    if node.op != Op::Map2(Binary::Div) {
        return None;
    }
    let c = g.constant(node.args[1])?;
    let exact = c.is_normal() && c.to_bits().trailing_zeros() >= 52 && c.recip().is_normal();
    let scale = exact.then(|| c.recip())?;
    let scale = g.full(scale, &node.shape.clone());
    Some(g.times(node.args[0], scale))
}

/// Products, roots and reciprocals take a tenth of the time of a power with any exponent.
fn power(g: &mut Graph, node: &Node) -> Option<NodeId> {
    if node.op != Op::Map2(Binary::Pow) {
        return None;
    }
    let (x, n) = (node.args[0], g.constant(node.args[1])?);
    let shape = node.shape.clone();
    if Scalar(n) == Scalar(0.0) {
        return Some(g.full(1.0, &shape));
    }
    if Scalar(n) == Scalar(1.0) {
        return Some(x);
    }
    let (whole, half) = (n.abs().floor(), n.abs().fract());
    if n.abs() > 4.0 || (Scalar(half) != Scalar(0.0) && Scalar(half) != Scalar(0.5)) {
        return None;
    }
    let square = |g: &mut Graph| g.times(x, x);
    let mut factors: SmallVec<[NodeId; 2]> = SmallVec::new();
    if Scalar(whole) == Scalar(1.0) {
        factors.push(x);
    } else if Scalar(whole) == Scalar(2.0) {
        factors.push(square(g));
    } else if Scalar(whole) == Scalar(3.0) {
        let square = square(g);
        factors.push(g.times(square, x));
    } else if Scalar(whole) == Scalar(4.0) {
        let square = square(g);
        factors.push(g.times(square, square));
    }
    if half > 0.0 {
        factors.push(g.map1(Unary::Sqrt, x));
    }
    let product = factors.into_iter().reduce(|a, b| g.times(a, b))?;
    let one = g.full(1.0, &shape);
    Some(if n < 0.0 { g.over(one, product) } else { product })
}

fn plus_one(g: &Graph, id: NodeId) -> Option<NodeId> {
    let node = g.node(id);
    if node.op != Op::Map2(Binary::Add) {
        return None;
    }
    let (a, b) = (node.args[0], node.args[1]);
    if is(g, a, 1.0) {
        Some(b)
    } else if is(g, b, 1.0) {
        Some(a)
    } else {
        None
    }
}

fn near_one(g: &mut Graph, node: &Node) -> Option<NodeId> {
    match node.op {
        Op::Map1(Unary::Log) => {
            let x = plus_one(g, node.args[0])?;
            if g.node(x).op == Op::Map1(Unary::Exp) {
                let inner = g.args(x)[0];
                return Some(g.map1(Unary::Softplus, inner));
            }
            Some(g.map1(Unary::Log1p, x))
        }
        Op::Map2(Binary::Sub) if is(g, node.args[1], 1.0) && g.node(node.args[0]).op == Op::Map1(Unary::Exp) => {
            let inner = g.args(node.args[0])[0];
            Some(g.map1(Unary::Expm1, inner))
        }
        _ => None,
    }
}

fn softplus(g: &mut Graph, node: &Node) -> Option<NodeId> {
    if node.op != Op::Map1(Unary::Log1p) || g.node(node.args[0]).op != Op::Map1(Unary::Exp) {
        return None;
    }
    let inner = g.args(node.args[0])[0];
    Some(g.map1(Unary::Softplus, inner))
}

fn commute(g: &mut Graph, node: &Node) -> Option<NodeId> {
    let commutes = matches!(node.op, Op::Map2(Binary::Add | Binary::Mul));
    (commutes && node.args[0] > node.args[1]).then(|| {
        let mut swapped = node.clone();
        swapped.args.reverse();
        g.add(swapped)
    })
}

fn same_branches(_: &mut Graph, node: &Node) -> Option<NodeId> {
    (node.op == Op::Select && node.args[1] == node.args[2]).then(|| node.args[1])
}

fn stop(g: &mut Graph, node: &Node) -> Option<NodeId> {
    (node.op == Op::Stop && g.node(node.args[0]).op == Op::Stop).then(|| node.args[0])
}

fn reshape(g: &mut Graph, node: &Node) -> Option<NodeId> {
    let nested = node.op == Op::Reshape && g.node(node.args[0]).op == Op::Reshape;
    nested.then(|| {
        let inner = g.args(node.args[0])[0];
        g.reshape(inner, &node.shape.clone())
    })
}
