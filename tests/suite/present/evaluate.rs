//! A tiny evaluator of printed expressions, independent of the compiler: scalars and tensors by name.

use pullback::syntax::ast::{BinaryOp, Expr, ExprKind, Index, UnaryOp};
use std::collections::HashMap;

#[derive(Clone, Debug, PartialEq)]
pub struct Value {
    pub shape: Vec<usize>,
    pub data: Vec<f64>,
}

pub type Scope = HashMap<String, Value>;

pub fn scalar(x: f64) -> Value {
    Value { shape: vec![], data: vec![x] }
}

impl Value {
    fn at(&self, places: &[usize]) -> f64 {
        self.data[places.iter().zip(&self.shape).fold(0, |sum, (i, n)| sum * n + i)]
    }

    fn filled(shape: &[usize], f: impl Fn(&[usize]) -> f64) -> Self {
        let places = product(shape);
        Self { shape: shape.to_vec(), data: places.iter().map(|p| f(p)).collect() }
    }

    /// A scalar is repeated.
    pub fn as_shape(&self, shape: &[usize]) -> Self {
        if self.shape.is_empty() { Self::filled(shape, |_| self.data[0]) } else { self.clone() }
    }
}

fn product(shape: &[usize]) -> Vec<Vec<usize>> {
    shape.iter().fold(vec![vec![]], |all, n| {
        all.iter().flat_map(|p| (0..*n).map(move |i| p.iter().copied().chain([i]).collect())).collect()
    })
}

pub fn evaluate(e: &Expr, scope: &Scope) -> Value {
    let ev = |e: &Expr| evaluate(e, scope);
    match &e.kind {
        ExprKind::Number(x) => scalar(*x),
        ExprKind::Name(n) => scope.get(n).unwrap_or_else(|| panic!("unknown {n}")).clone(),
        ExprKind::Unary(UnaryOp::Neg, a) => map(&ev(a), |x| -x),
        ExprKind::Unary(UnaryOp::Not, a) => map(&ev(a), |x| f64::from(x == 0.0)),
        ExprKind::Binary(BinaryOp::MatMul, a, b) => matmul(&ev(a), &ev(b)),
        ExprKind::Binary(op, a, b) => zip(&ev(a), &ev(b), |x, y| binary(*op, x, y)),
        ExprKind::If(c, a, b) => {
            let (c, a, b) = (ev(c), ev(a), ev(b));
            let shape = [&c, &a, &b].iter().max_by_key(|v| v.shape.len()).unwrap().shape.clone();
            let (c, a, b) = (c.as_shape(&shape), a.as_shape(&shape), b.as_shape(&shape));
            let data = (0..c.data.len()).map(|k| if c.data[k] == 0.0 { b.data[k] } else { a.data[k] }).collect();
            Value { shape, data }
        }
        ExprKind::Field(a, name) if name.text == "T" => {
            let a = ev(a);
            Value::filled(&[a.shape[1], a.shape[0]], |p| a.at(&[p[1], p[0]]))
        }
        ExprKind::Index(a, places) => index(&ev(a), places, scope),
        ExprKind::List(items) => {
            let items: Vec<Value> = items.iter().map(ev).collect();
            let rest: Vec<usize> = items[0].shape.iter().skip(1).copied().collect();
            let data: Vec<f64> = items.into_iter().flat_map(|i| i.data).collect();
            let rows = data.len() / rest.iter().product::<usize>();
            Value { shape: [vec![rows], rest].concat(), data }
        }
        ExprKind::Call(f, args) => {
            let ExprKind::Name(f) = &f.kind else { panic!("a call of {f:?}") };
            call(f, &args.iter().map(|a| ev(&a.value)).collect::<Vec<_>>())
        }
        ExprKind::Comprehension(head, names, body) => {
            let names: Vec<&str> = names.iter().map(|n| n.text.as_str()).collect();
            let sizes: Vec<usize> =
                names.iter().map(|n| size(body, n, scope).unwrap_or_else(|| panic!("no size for {n}"))).collect();
            let entry = |p: &[usize]| {
                let mut inner = scope.clone();
                inner.extend(names.iter().zip(p).map(|(n, i)| ((*n).to_string(), scalar(*i as f64))));
                evaluate(body, &inner).data[0]
            };
            let all = Value::filled(&sizes, entry);
            if head.text == "sum" { scalar(all.data.iter().sum()) } else { all }
        }
        other => panic!("not printed by the compiler: {other:?}"),
    }
}

/// How many values an index name takes: the size of an axis that it stands at.
fn size(e: &Expr, name: &str, scope: &Scope) -> Option<usize> {
    let all = |list: &[&Expr]| list.iter().find_map(|e| size(e, name, scope));
    match &e.kind {
        ExprKind::Index(a, places) => {
            let here = places
                .iter()
                .position(|p| matches!(p, Index::At(e) if matches!(&e.kind, ExprKind::Name(n) if n == name)));
            match here {
                Some(k) => Some(evaluate(a, scope).shape[k]),
                None => size(a, name, scope),
            }
        }
        ExprKind::Unary(_, a) | ExprKind::Field(a, _) | ExprKind::Comprehension(_, _, a) => size(a, name, scope),
        ExprKind::Binary(_, a, b) => all(&[a, b]),
        ExprKind::If(c, a, b) => all(&[c, a, b]),
        ExprKind::Call(_, args) => all(&args.iter().map(|a| &a.value).collect::<Vec<_>>()),
        ExprKind::List(items) => all(&items.iter().collect::<Vec<_>>()),
        _ => None,
    }
}

fn index(a: &Value, places: &[Index], scope: &Scope) -> Value {
    let whole = |e: &Option<Expr>, default: usize| e.as_ref().map_or(default, |e| evaluate(e, scope).data[0] as usize);
    let mut ranges = Vec::new();
    let mut shape = Vec::new();
    for (place, n) in places.iter().zip(&a.shape) {
        match place {
            Index::At(e) => {
                let i = evaluate(e, scope).data[0] as usize;
                ranges.push(i..i + 1);
            }
            Index::Range(from, to) => {
                let range = whole(from, 0)..whole(to, *n);
                shape.push(range.len());
                ranges.push(range);
            }
        }
    }
    assert_eq!(places.len(), a.shape.len(), "an index for each axis");
    let sizes: Vec<usize> = ranges.iter().map(ExactSizeIterator::len).collect();
    let data = product(&sizes)
        .iter()
        .map(|p| a.at(&p.iter().zip(&ranges).map(|(i, r)| r.start + i).collect::<Vec<_>>()))
        .collect();
    Value { shape, data }
}

fn map(a: &Value, f: impl Fn(f64) -> f64) -> Value {
    Value { shape: a.shape.clone(), data: a.data.iter().map(|x| f(*x)).collect() }
}

fn zip(a: &Value, b: &Value, f: impl Fn(f64, f64) -> f64) -> Value {
    let shape = if a.shape.is_empty() { &b.shape } else { &a.shape };
    let (a, b) = (a.as_shape(shape), b.as_shape(shape));
    assert_eq!(a.shape, b.shape, "shapes of a printed expression");
    Value { shape: shape.clone(), data: a.data.iter().zip(&b.data).map(|(x, y)| f(*x, *y)).collect() }
}

fn matmul(a: &Value, b: &Value) -> Value {
    assert!(!a.shape.is_empty() && !b.shape.is_empty(), "@ is of matrices");
    assert_eq!(a.shape[1], b.shape[0], "inner sizes of @");
    let inner = a.shape[1];
    let shape: Vec<usize> = [a.shape[0]].into_iter().chain(b.shape[1..].iter().copied()).collect();
    Value::filled(&shape, |p| (0..inner).map(|k| a.at(&[p[0], k]) * b.at(&[&[k], &p[1..]].concat())).sum())
}

fn binary(op: BinaryOp, x: f64, y: f64) -> f64 {
    match op {
        BinaryOp::Add => x + y,
        BinaryOp::Sub => x - y,
        BinaryOp::Mul => x * y,
        BinaryOp::Div => x / y,
        BinaryOp::Pow => x.powf(y),
        BinaryOp::Less => f64::from(x < y),
        BinaryOp::LessEq => f64::from(x <= y),
        BinaryOp::Greater => f64::from(x > y),
        BinaryOp::GreaterEq => f64::from(x >= y),
        BinaryOp::Equal => f64::from(x == y),
        BinaryOp::NotEqual => f64::from(x != y),
        BinaryOp::MatMul | BinaryOp::And | BinaryOp::Or => panic!("{op:?} of numbers"),
    }
}

fn call(f: &str, args: &[Value]) -> Value {
    let sizes = |list: &[Value]| list.iter().map(|v| v.data[0] as usize).collect::<Vec<_>>();
    match (f, args) {
        ("sum", [a]) => scalar(a.data.iter().sum()),
        ("tanh", [a]) => map(a, f64::tanh),
        ("exp", [a]) => map(a, f64::exp),
        ("sin", [a]) => map(a, f64::sin),
        ("cos", [a]) => map(a, f64::cos),
        ("sqrt", [a]) => map(a, f64::sqrt),
        ("max", [a, b]) => zip(a, b, f64::max),
        ("min", [a, b]) => zip(a, b, f64::min),
        ("zeros", n) => Value::filled(&sizes(n), |_| 0.0),
        ("ones", n) => Value::filled(&sizes(n), |_| 1.0),
        ("fill", [x, n @ ..]) => Value::filled(&sizes(n), |_| x.data[0]),
        _ => panic!("the evaluator does not know {f}"),
    }
}
