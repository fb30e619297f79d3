//! Scalar operations → fewer of them, in an order that needs few registers. Cranelift keeps that order.

use super::{Scalar, Store, Straight};
use crate::graph::{Binary, Unary};

/// Cycles of a product and a sum in one operation.
pub(super) const FUSED: u32 = 4;

/// Products that are used once, in a sum or a difference, become one operation with it, unless the whole would take
/// longer then: one operation of both waits for the later one of product and sum, two may not.
pub(super) fn fuse(plain: &Straight) -> Straight {
    let mut uses = vec![0_usize; plain.code.len()];
    plain.code.iter().for_each(|scalar| scalar.operands().into_iter().for_each(|x| uses[x] += 1));
    plain.stores.iter().for_each(|store| uses[store.value] += 1);
    let latest = latest(plain);
    let mut ready: Vec<u32> = Vec::with_capacity(plain.code.len());
    let mut absorbed: Vec<Option<usize>> = Vec::with_capacity(plain.code.len());
    let mut gone = vec![false; plain.code.len()];
    for (own, scalar) in plain.code.iter().enumerate() {
        let at = |x: usize| ready[x];
        let apart = scalar.operands().into_iter().map(at).max().unwrap_or(0) + scalar.latency();
        let fused = |x: usize, rest: usize| match plain.code[x] {
            Scalar::Map2(Binary::Mul, p, q) if uses[x] == 1 => {
                let time = at(p).max(at(q)).max(at(rest)) + FUSED;
                (time <= apart.max(latest[own])).then_some((time, x))
            }
            _ => None,
        };
        let found = match *scalar {
            Scalar::Map2(Binary::Add | Binary::Sub, a, b) => fused(b, a).or_else(|| fused(a, b)),
            _ => None,
        };
        ready.push(found.map_or(apart, |(time, _)| time));
        absorbed.push(found.map(|(_, x)| x));
        found.into_iter().for_each(|(_, x)| gone[x] = true);
    }
    let product = |x: usize| match plain.code[x] {
        Scalar::Map2(Binary::Mul, a, b) => Some((a, b)),
        _ => None,
    };
    let mut fused = Straight { constants: plain.constants.clone(), ..Straight::default() };
    let mut to = vec![usize::MAX; plain.code.len()];
    for (at, scalar) in plain.code.iter().enumerate() {
        if gone[at] {
            continue;
        }
        let mut push = |scalar: Scalar| {
            fused.code.push(scalar);
            fused.code.len() - 1
        };
        to[at] = match (scalar, absorbed[at]) {
            (Scalar::Map2(f, a, b), Some(x)) => {
                let (p, q) = product(x).map_or((x, x), |(p, q)| (to[p], to[q]));
                let rest = to[if x == *b { *a } else { *b }];
                match (f, x == *b) {
                    (Binary::Sub, true) => {
                        let p = push(Scalar::Map1(Unary::Neg, p));
                        push(Scalar::MulAdd(p, q, rest))
                    }
                    (Binary::Sub, false) => {
                        let rest = push(Scalar::Map1(Unary::Neg, rest));
                        push(Scalar::MulAdd(p, q, rest))
                    }
                    _ => push(Scalar::MulAdd(p, q, rest)),
                }
            }
            _ => push(scalar.with(|x| to[x])),
        };
    }
    fused.stores = plain.stores.iter().map(|store| Store { value: to[store.value], ..*store }).collect();
    fused
}

/// When each operation must be done at the latest, in cycles, so that the last one is done when it could be.
fn latest(plain: &Straight) -> Vec<u32> {
    let mut ready: Vec<u32> = Vec::with_capacity(plain.code.len());
    for scalar in &plain.code {
        ready.push(scalar.operands().into_iter().map(|x| ready[x]).max().unwrap_or(0) + scalar.latency());
    }
    let mut latest = vec![ready.iter().copied().max().unwrap_or(0); ready.len()];
    for (at, scalar) in plain.code.iter().enumerate().rev() {
        let start = latest[at] - scalar.latency();
        scalar.operands().into_iter().for_each(|x| latest[x] = latest[x].min(start));
    }
    latest
}

/// The same code in another order: an operation that uses up a value comes as soon as its operands are there. Sums over
/// stages are then added up on the way, not at the end.
pub(super) fn order(plain: &Straight) -> Straight {
    let operands: Vec<Vec<usize>> = plain.code.iter().map(Scalar::operands).collect();
    let in_register = |x: usize| !matches!(plain.code[x], Scalar::Load { .. } | Scalar::Const(_));
    let mut users = vec![Vec::new(); plain.code.len()];
    let mut waiting = vec![0_usize; plain.code.len()];
    for (at, own) in operands.iter().enumerate() {
        own.iter().for_each(|&x| users[x].push(at));
        waiting[at] = own.iter().filter(|x| in_register(**x)).count();
    }
    let mut left: Vec<usize> = users.iter().map(Vec::len).collect();
    plain.stores.iter().for_each(|store| left[store.value] += 1);
    let mut to = vec![usize::MAX; plain.code.len()];
    let mut out = Straight { constants: plain.constants.clone(), ..Straight::default() };
    for start in 0..plain.code.len() {
        let mut next = vec![start];
        while let Some(at) = next.pop() {
            if to[at] != usize::MAX {
                continue;
            }
            to[at] = out.code.len();
            out.code.push(plain.code[at].with(|x| to[x]));
            operands[at].iter().for_each(|&x| left[x] -= 1);
            if !in_register(at) {
                continue;
            }
            users[at].iter().for_each(|&user| waiting[user] -= 1);
            let ready = |user: &usize| {
                let uses_up = operands[*user].iter().any(|&x| in_register(x) && left[x] == 1);
                waiting[*user] == 0 && uses_up && operands[*user].iter().all(|&x| to[x] != usize::MAX)
            };
            next.extend(users[at].iter().copied().filter(ready));
        }
    }
    out.stores = plain.stores.iter().map(|store| Store { value: to[store.value], ..*store }).collect();
    out
}
