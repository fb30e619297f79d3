//! Values of constant expressions, for sizes and start values, and of others where the values of their leaves are given.

use super::program::{ExprId, Kind, Program, Typed};
use crate::graph::{Binary, Einsum, Relation, Scalar, Unary};

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

/// More multiplications than this neither.
const MAX_PRODUCTS: usize = 1 << 20;

/// The entries of a constant expression, row-major; `None` if it is not constant (or too large to evaluate here).
pub(super) fn evaluate(program: &Program, id: ExprId) -> Option<Vec<f64>> {
    values(program, &needed(program, &[id]), &|_| None)?.pop().flatten()
}

/// What the values of `roots` are computed from, arguments before users.
pub(super) fn needed(program: &Program, roots: &[ExprId]) -> Vec<usize> {
    let last = roots.iter().map(|id| id.index()).max().unwrap_or(0);
    let mut needed = vec![false; last + 1];
    roots.iter().for_each(|id| needed[id.index()] = true);
    for k in (0..=last).rev() {
        // A solution is a given value: what it was sampled from is not evaluated.
        if needed[k] && !matches!(program.exprs[k].kind, Kind::Sample { .. }) {
            program.exprs[k].kind.operands().iter().for_each(|o| needed[o.index()] = true);
        }
    }
    (0..=last).filter(|&k| needed[k]).collect()
}

/// The entries of every expression of `order` (see [`needed`]), by its place in the arena. `leaf` is asked first for
/// everything that has no value of its own; `None`: something cannot be evaluated here.
pub(super) fn values(
    program: &Program,
    order: &[usize],
    leaf: &dyn Fn(&Typed) -> Option<Vec<f64>>,
) -> Option<Vec<Option<Vec<f64>>>> {
    let mut values: Vec<Option<Vec<f64>>> = vec![None; order.last()? + 1];
    for &k in order {
        values[k] = Some(match leaf(&program.exprs[k]) {
            Some(given) => given,
            None => one(program, k, &values)?,
        });
    }
    Some(values)
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
        Kind::Stop(a) | Kind::Reshape(a) | Kind::Argument(_, a) => value(a)?.to_vec(),
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
        Kind::Einsum(spec, args) => contract(program, spec, args, values)?,
        Kind::MaxLast(a) => rows(program, *a, values, largest)?,
        Kind::LogSumExpLast(a) => rows(program, *a, values, log_sum_exp)?,
        Kind::ArgMax(a) => rows(program, *a, values, place_of_largest)?,
        Kind::Param(_)
        | Kind::Input(_)
        | Kind::Noise(_)
        | Kind::Length(_)
        | Kind::Time(_)
        | Kind::State { .. }
        | Kind::Conv { .. }
        | Kind::Gather(..)
        | Kind::Interp { .. }
        | Kind::Bind { .. }
        | Kind::Derivative { .. }
        | Kind::Sample { .. } => return None,
    })
}

/// A function of each row of the last axis.
fn rows(program: &Program, id: ExprId, values: &[Option<Vec<f64>>], f: fn(&[f64]) -> f64) -> Option<Vec<f64>> {
    let width = program.ty(id).shape().last().copied().filter(|width| *width > 0)?;
    Some(values[id.index()].as_deref()?.chunks_exact(width).map(f).collect())
}

fn largest(row: &[f64]) -> f64 {
    row.iter().copied().fold(f64::NEG_INFINITY, f64::max)
}

fn place_of_largest(row: &[f64]) -> f64 {
    let most = largest(row);
    #[allow(clippy::cast_precision_loss, reason = "far below 2^52")]
    row.iter().position(|x| x.total_cmp(&most).is_eq()).map_or(0.0, |at| at as f64)
}

fn log_sum_exp(row: &[f64]) -> f64 {
    let most = largest(row);
    if most.is_finite() { most + libm::log(row.iter().map(|x| libm::exp(x - most)).sum()) } else { most }
}

/// Any product and sum over indices.
fn contract(program: &Program, spec: &Einsum, args: &[ExprId], values: &[Option<Vec<f64>>]) -> Option<Vec<f64>> {
    let mut labels: Vec<u8> = spec.out.to_vec();
    labels.extend(spec.args.iter().flatten().copied().filter(|l| !spec.out.contains(l)));
    let mut unique: Vec<u8> = Vec::new();
    labels.into_iter().for_each(|l| {
        if !unique.contains(&l) {
            unique.push(l);
        }
    });
    let shapes: Vec<Vec<usize>> = args.iter().map(|a| program.ty(*a).shape()).collect();
    let size = |label: &u8| {
        let places = spec.args.iter().zip(&shapes);
        places.flat_map(|(ls, shape)| ls.iter().zip(shape)).find(|(l, _)| *l == label).map(|(_, n)| *n)
    };
    let sizes: Vec<usize> = unique.iter().map(size).collect::<Option<_>>()?;
    if sizes.iter().try_fold(1_usize, |p, n| p.checked_mul(*n)).is_none_or(|work| work > MAX_PRODUCTS) {
        return None;
    }
    let entries: Vec<&[f64]> = args.iter().map(|a| values[a.index()].as_deref()).collect::<Option<_>>()?;
    let place = |l: &u8| unique.iter().position(|u| u == l).unwrap_or(0);
    let places: Vec<Vec<usize>> = spec.args.iter().map(|ls| ls.iter().map(place).collect()).collect();
    let inner: usize = sizes[spec.out.len()..].iter().product();
    let outer: usize = sizes[..spec.out.len()].iter().product();
    let mut out = vec![0.0; outer];
    for (flat, index) in indices(&sizes).enumerate() {
        let factor = |((places, shape), entries): ((&Vec<usize>, &Vec<usize>), &&[f64])| {
            entries[places.iter().zip(shape).fold(0, |p, (at, n)| p * n + index[*at])]
        };
        out[flat / inner.max(1)] += places.iter().zip(&shapes).zip(&entries).map(factor).product::<f64>();
    }
    Some(out)
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
