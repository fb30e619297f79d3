//! Products summed over indices, in the most familiar notation that says the same: entry by entry, `W @ x`, `W.T @ a`,
//! `sum(x)`, else index notation.

use super::element::bound;
use super::math::{Math, product};
use crate::graph::Einsum;

/// Names for indices: those of `letters` that no operand binds.
pub(super) fn index_names(letters: &[String], n: usize, operands: &[Math]) -> Vec<String> {
    let taken: Vec<String> = operands.iter().flat_map(bound).collect();
    letters.iter().filter(|l| !taken.contains(l)).take(n).cloned().collect()
}

/// An einsum of operands whose shapes are `shapes`.
pub(super) fn einsum(spec: &Einsum, operands: &[Math], shapes: &[Vec<usize>], letters: &[String]) -> Math {
    familiar(spec, operands).unwrap_or_else(|| indexed(spec, operands, shapes, letters))
}

fn familiar(spec: &Einsum, operands: &[Math]) -> Option<Math> {
    let distinct = |labels: &[u8]| (1..labels.len()).all(|k| !labels[..k].contains(&labels[k]));
    let whole = operands.iter().zip(&spec.args).all(|(m, l)| m.rank() == l.len() && distinct(l));
    let plain = !operands.iter().any(|m| matches!(m, Math::Tensor(..)));
    if !whole || !plain {
        return None;
    }
    // A scalar factor stands outside of the sum.
    if let Some(k) = spec.args.iter().position(smallvec::SmallVec::is_empty).filter(|_| operands.len() > 1) {
        let (mut rest, mut others) = (spec.clone(), operands.to_vec());
        rest.args.remove(k);
        let factor = others.remove(k);
        return familiar(&rest, &others).map(|m| product([(factor, 1), (m, 1)]));
    }
    let same = spec.args.iter().all(|l| *l == spec.args[0]);
    if same && spec.args[0] == spec.out {
        return Some(product(operands.iter().map(|m| (m.clone(), 1))));
    }
    if same && spec.out.is_empty() {
        let body = product(operands.iter().map(|m| (m.clone(), 1)));
        return Some(Math::Call { name: "sum", args: vec![body], rank: 0, entrywise: false });
    }
    match (operands, spec.args.as_slice()) {
        ([x], [l]) if l.len() == 2 && spec.out.as_slice() == [l[1], l[0]] => Some(transpose(x)),
        ([a, b], [la, lb]) => matrices((a, la), (b, lb), &spec.out),
        _ => None,
    }
}

/// The transpose of a matrix.
pub(super) fn transpose(x: &Math) -> Math {
    match x {
        Math::Transpose(inner) => inner.as_ref().clone(),
        Math::MatMul(a, b) if a.rank() == 2 && b.rank() == 2 => {
            Math::MatMul(Box::new(transpose(b)), Box::new(transpose(a)))
        }
        other => Math::Transpose(Box::new(other.clone())),
    }
}

/// The product of two matrices, or of a matrix and a vector, over the one index that they share.
fn matrices(a: (&Math, &[u8]), b: (&Math, &[u8]), out: &[u8]) -> Option<Math> {
    let shared: Vec<u8> = a.1.iter().copied().filter(|l| b.1.contains(l)).collect();
    let (&[k], 1..=2, 1..=2) = (shared.as_slice(), a.1.len(), b.1.len()) else { return None };
    let free = a.1.len() + b.1.len() - 2;
    if out.contains(&k) || out.len() != free || free == 0 {
        return None;
    }
    // The first factor is the one whose free index comes first; a vector comes last.
    let first_is_a = a.1.len() == 2 && a.1.contains(&out[0]);
    let (left, right) = if first_is_a { (a, b) } else { (b, a) };
    let l = if left.1[1] == k { left.0.clone() } else { transpose(left.0) };
    let r = if right.1[0] == k { right.0.clone() } else { transpose(right.0) };
    Some(Math::MatMul(Box::new(l), Box::new(r)))
}

fn indexed(spec: &Einsum, operands: &[Math], shapes: &[Vec<usize>], letters: &[String]) -> Math {
    // Indices of the result first, so that they get the first names.
    let mut labels: Vec<u8> = spec.out.to_vec();
    for l in spec.args.iter().flatten() {
        if !labels.contains(l) {
            labels.push(*l);
        }
    }
    let names = index_names(letters, labels.len(), operands);
    let name = |l: &u8| labels.iter().position(|m| m == l).and_then(|k| names.get(k)).map_or("_", String::as_str);
    let size = |l: &u8| {
        spec.args.iter().zip(shapes).find_map(|(a, s)| a.iter().position(|m| m == l).map(|k| s[k])).unwrap_or(1)
    };
    let entry = |(m, l): (&Math, &smallvec::SmallVec<[u8; 4]>)| {
        let at: Vec<Math> = l.iter().map(|l| Math::index(name(l))).collect();
        (m.entry(&at), 1)
    };
    let mut body = product(operands.iter().zip(&spec.args).map(entry));
    let mut over = Vec::new();
    for l in labels.iter().filter(|l| !spec.out.contains(l)) {
        if body.mentions(name(l)) {
            over.push(name(l).to_string());
        } else {
            // Equal terms: their number.
            body = product([(Math::count(size(l)), 1), (body, 1)]);
        }
    }
    if !over.is_empty() {
        body = Math::Total(over, Box::new(body));
    }
    let out: Vec<(String, usize)> = spec.out.iter().map(|l| (name(l).to_string(), size(l))).collect();
    tensor(&out, body)
}

/// `tensor(i, j: body)`; an index that the body lacks is given its size by a factor `ones(n)[i]`.
pub(super) fn tensor(out: &[(String, usize)], body: Math) -> Math {
    if out.is_empty() || !out.iter().any(|o| body.mentions(&o.0)) {
        return body;
    }
    let mut body = body;
    for (name, size) in out {
        if !body.mentions(name) {
            let ones = Math::Call { name: "ones", args: vec![Math::count(*size)], rank: 1, entrywise: false };
            body = product([(body, 1), (ones.entry(&[Math::index(name)]), 1)]);
        }
    }
    Math::Tensor(out.iter().map(|o| o.0.clone()).collect(), Box::new(body))
}
