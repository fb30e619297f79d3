//! Values of constant expressions, for sizes and start values.

use super::program::{ExprId, Kind, Program};
use crate::graph::{Binary, Relation, Scalar, Unary};

/// An elementwise function of one number.
pub(super) fn unary(f: Unary, x: f64) -> f64 {
    match f {
        Unary::Neg => -x,
        Unary::Exp => libm::exp(x),
        Unary::Log => libm::log(x),
        Unary::Log1p => libm::log1p(x),
        Unary::Expm1 => libm::expm1(x),
        Unary::Sqrt => libm::sqrt(x),
        Unary::Sin => libm::sin(x),
        Unary::Cos => libm::cos(x),
        Unary::Tan => libm::tan(x),
        Unary::Asin => libm::asin(x),
        Unary::Acos => libm::acos(x),
        Unary::Atan => libm::atan(x),
        Unary::Sinh => libm::sinh(x),
        Unary::Cosh => libm::cosh(x),
        Unary::Tanh => libm::tanh(x),
        Unary::Sigmoid => 1.0 / (1.0 + libm::exp(-x)),
        Unary::Softplus => x.max(0.0) + libm::log1p(libm::exp(-x.abs())),
        Unary::Abs => x.abs(),
        Unary::Sign => sign(x),
        Unary::Floor => x.floor(),
        Unary::Erf => libm::erf(x),
        Unary::Lgamma => libm::lgamma(x),
        // Not folded: they are left to the graph.
        Unary::Digamma | Unary::Trigamma => f64::NAN,
        Unary::Not => f64::from(x == 0.0),
    }
}

fn sign(x: f64) -> f64 {
    f64::from(i8::from(x > 0.0) - i8::from(x < 0.0))
}

/// An elementwise function of two numbers.
pub(super) fn binary(f: Binary, a: f64, b: f64) -> f64 {
    match f {
        Binary::Add => a + b,
        Binary::Sub => a - b,
        Binary::Mul => a * b,
        Binary::Div => a / b,
        Binary::Pow => libm::pow(a, b),
        Binary::Min => a.min(b),
        Binary::Max => a.max(b),
        Binary::Atan2 => libm::atan2(a, b),
        Binary::Guard => {
            if a == 0.0 {
                0.0
            } else {
                a * b
            }
        }
    }
}

fn relation(r: Relation, a: f64, b: f64) -> f64 {
    #[allow(clippy::float_cmp, reason = "the language's own `==`")]
    f64::from(match r {
        Relation::Less => a < b,
        Relation::LessEq => a <= b,
        Relation::Equal => a == b,
        Relation::NotEqual => a != b,
    })
}

/// More operations than this are no start value.
const MAX_WORK: usize = 1 << 24;

/// The entries of a constant expression, row-major; `None` if it is not constant (or too large to evaluate here).
pub(super) fn evaluate(program: &Program, id: ExprId) -> Option<Vec<f64>> {
    let mut needed = vec![false; id.index() + 1];
    needed[id.index()] = true;
    for k in (0..=id.index()).rev() {
        if needed[k] {
            for o in program.exprs[k].kind.operands() {
                needed[o.index()] = true;
            }
        }
    }
    let mut values: Vec<Option<Vec<f64>>> = vec![None; id.index() + 1];
    for k in 0..=id.index() {
        if needed[k] {
            values[k] = Some(one(program, k, &values)?);
        }
    }
    values.pop().flatten()
}

fn one(program: &Program, k: usize, values: &[Option<Vec<f64>>]) -> Option<Vec<f64>> {
    let node = &program.exprs[k];
    let shape = node.ty.shape();
    let n: usize = shape.iter().product();
    if n > MAX_WORK {
        return None;
    }
    let value = |id: &ExprId| values[id.index()].as_deref();
    let at = |v: &[f64], i: usize| if v.len() == 1 { v[0] } else { v[i] };
    Some(match &node.kind {
        Kind::Const(Scalar(v)) => vec![*v],
        #[allow(clippy::cast_precision_loss, reason = "far below 2^52")]
        Kind::Iota => (0..n).map(|i| i as f64).collect(),
        Kind::Delta => (0..n).map(|i| f64::from(i / shape[0] == i % shape[0])).collect(),
        Kind::Map1(f, a) => value(a)?.iter().map(|x| unary(*f, *x)).collect(),
        Kind::Stop(a) | Kind::Reshape(a) => value(a)?.to_vec(),
        Kind::Map2(f, a, b) => {
            let (a, b) = (value(a)?, value(b)?);
            (0..n).map(|i| binary(*f, at(a, i), at(b, i))).collect()
        }
        Kind::Compare(r, a, b) => {
            let (a, b) = (value(a)?, value(b)?);
            (0..n).map(|i| relation(*r, at(a, i), at(b, i))).collect()
        }
        Kind::Select(c, a, b) => {
            let (c, a, b) = (value(c)?, value(a)?, value(b)?);
            (0..n).map(|i| if at(c, i) == 0.0 { at(b, i) } else { at(a, i) }).collect()
        }
        Kind::Broadcast(axes, a) => {
            let from = program.ty(*a).shape();
            let a = value(a)?;
            let source = |index: &[usize]| axes.iter().zip(&from).fold(0, |p, (axis, m)| p * m + index[*axis as usize]);
            indices(&shape).map(|index| a[source(&index)]).collect()
        }
        Kind::Slice(start, a) => {
            let from = program.ty(*a).shape();
            let a = value(a)?;
            let source = |index: &[usize]| (0..from.len()).fold(0, |p, d| p * from[d] + index[d] + start[d]);
            indices(&shape).map(|index| a[source(&index)]).collect()
        }
        Kind::Concat(axis, parts) => concat(program, *axis, parts, values)?,
        Kind::Einsum(spec, args) if args.len() == 1 && spec.args[0].len() == spec.out.len() => {
            let from = program.ty(args[0]).shape();
            let a = value(&args[0])?;
            let place = |l: &u8| spec.out.iter().position(|o| o == l);
            let axes: Option<Vec<usize>> = spec.args[0].iter().map(place).collect();
            let axes = axes?;
            indices(&shape).map(|index| a[axes.iter().zip(&from).fold(0, |p, (x, m)| p * m + index[*x])]).collect()
        }
        _ => return None,
    })
}

fn concat(program: &Program, axis: usize, parts: &[ExprId], values: &[Option<Vec<f64>>]) -> Option<Vec<f64>> {
    let shape = program.ty(*parts.first()?).shape();
    let outer: usize = shape[..axis].iter().product();
    let mut out = Vec::new();
    for o in 0..outer {
        for part in parts {
            let v = values[part.index()].as_deref()?;
            let chunk = v.len() / outer.max(1);
            out.extend_from_slice(&v[o * chunk..(o + 1) * chunk]);
        }
    }
    Some(out)
}

/// Every index of a shape, row-major.
fn indices(shape: &[usize]) -> impl Iterator<Item = Vec<usize>> + '_ {
    let n: usize = shape.iter().product();
    (0..n).map(move |flat| {
        let mut rest = flat;
        let mut index = vec![0; shape.len()];
        for d in (0..shape.len()).rev() {
            index[d] = rest % shape[d].max(1);
            rest /= shape[d].max(1);
        }
        index
    })
}
