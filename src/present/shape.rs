//! Operations that only move entries.

use super::math::{Math, Place};
use super::product::{index_names, tensor, transpose};

/// `f(…)` that is not entry by entry.
pub(super) fn call(name: &'static str, args: Vec<Math>, rank: usize) -> Math {
    Math::Call { name, args, rank, entrywise: false }
}

/// Equal entries written out, where a reader could not know how many there are.
pub(super) fn filled(m: &Math, shape: &[usize]) -> Math {
    if m.rank() > 0 || shape.is_empty() || shape == [1] {
        return m.clone();
    }
    let sizes = shape.iter().map(|n| Math::count(*n));
    match m {
        #[allow(clippy::float_cmp, reason = "only exactly zero is `zeros`")]
        Math::Number(x) if *x == 0.0 => call("zeros", sizes.collect(), shape.len()),
        other => call("fill", std::iter::once(other.clone()).chain(sizes).collect(), shape.len()),
    }
}

/// Axis k of `x` becomes axis `axes[k]` of `shape`.
pub(super) fn broadcast(x: &Math, axes: &[u8], shape: &[usize], letters: &[String]) -> Math {
    let ordered = axes.iter().enumerate().all(|(k, a)| usize::from(*a) == k);
    if x.rank() == 0 || (ordered && axes.len() == shape.len()) {
        return x.clone();
    }
    let names = index_names(letters, shape.len(), std::slice::from_ref(x));
    let at: Vec<Math> = axes.iter().filter_map(|a| names.get(usize::from(*a))).map(|n| Math::index(n)).collect();
    let out: Vec<(String, usize)> = names.into_iter().zip(shape.iter().copied()).collect();
    tensor(&out, x.entry(&at))
}

/// A box of `x`.
pub(super) fn slice(x: &Math, start: &[usize], shape: &[usize], from: &[usize]) -> Math {
    if x.rank() == 0 {
        return x.clone();
    }
    let place = |k: usize| Place::Range((shape[k] != from[k]).then(|| (start[k], start[k] + shape[k])));
    Math::Index(Box::new(x.clone()), (0..shape.len()).map(place).collect())
}

/// The same entries under another shape: axes of one entry come and go silently.
pub(super) fn reshape(x: &Math, from: &[usize], to: &[usize], letters: &[String]) -> Math {
    if x.rank() == 0 || from == to {
        return x.clone();
    }
    let long = |s: &[usize]| s.iter().copied().filter(|n| *n != 1).collect::<Vec<_>>();
    let (kept, wanted) = (long(from), long(to));
    if kept != wanted {
        return call(
            "reshape",
            std::iter::once(x.clone()).chain(to.iter().map(|n| Math::count(*n))).collect(),
            to.len(),
        );
    }
    if to.len() == kept.len() {
        return without_units(x, from);
    }
    let small = without_units(x, from);
    if small.rank() == 0 {
        return small;
    }
    let names = index_names(letters, to.len(), std::slice::from_ref(&small));
    let out: Vec<(String, usize)> = names.into_iter().zip(to.iter().copied()).collect();
    let at: Vec<Math> = out.iter().filter(|o| o.1 != 1).map(|o| Math::index(&o.0)).collect();
    tensor(&out, small.entry(&at))
}

/// `x[0, :]` for an `x` of shape [1, n]; a range of one entry becomes that entry.
fn without_units(x: &Math, shape: &[usize]) -> Math {
    if let Math::Index(base, places) = x
        && places.len() == shape.len()
        && places.iter().all(|p| matches!(p, Place::Range(_)))
    {
        let place = |(p, n): (&Place, &usize)| match p {
            Place::Range(Some((start, _))) if *n == 1 => Place::At(Math::count(*start)),
            Place::Range(None) if *n == 1 => Place::At(Math::Number(0.0)),
            Place::At(_) | Place::Range(_) => p.clone(),
        };
        return Math::Index(base.clone(), places.iter().zip(shape).map(place).collect());
    }
    if let Math::List(items, 1) = x
        && let ([only], [1]) = (items.as_slice(), shape)
        && only.rank() == 0
    {
        return only.clone();
    }
    if !shape.contains(&1) {
        return x.clone();
    }
    if shape.iter().all(|n| *n == 1) {
        return x.entry(&vec![Math::Number(0.0); shape.len()]);
    }
    let place = |n: &usize| if *n == 1 { Place::At(Math::Number(0.0)) } else { Place::Range(None) };
    Math::Index(Box::new(x.clone()), shape.iter().map(place).collect())
}

/// Zeros around `x`.
pub(super) fn pad(x: &Math, start: &[usize], from: &[usize], shape: &[usize]) -> Math {
    let x = filled(x, from);
    match (start, from, shape) {
        ([s], [n], [all]) => between_zeros(x, [*s, *n, *all], &[]),
        ([s0, s1], [n0, n1], [all0, all1]) => {
            let rows = between_zeros(x, [*s0, *n0, *all0], &[*n1]);
            transpose(&between_zeros(transpose(&rows), [*s1, *n1, *all1], &[*all0]))
        }
        _ => {
            let places = start.iter().chain(shape).map(|n| Math::count(*n));
            call("pad", std::iter::once(x).chain(places).collect(), shape.len())
        }
    }
}

/// `[zeros(…), x, zeros(…)]` along the first axis: where `x` starts, its size, the whole size, the other axes.
fn between_zeros(x: Math, [start, n, all]: [usize; 3], rest: &[usize]) -> Math {
    if n == all {
        return x;
    }
    let zeros = |n: usize| filled(&Math::Number(0.0), &[&[n], rest].concat());
    let parts = [(start, zeros(start)), (n, x), (all - start - n, zeros(all - start - n))];
    Math::List(parts.into_iter().filter(|p| p.0 > 0).map(|p| p.1).collect(), 1 + rest.len())
}

/// One after another along an axis.
pub(super) fn concat(axis: usize, parts: &[(Math, Vec<usize>)], rank: usize) -> Math {
    let parts: Vec<Math> = parts.iter().map(|(m, s)| filled(m, s)).collect();
    if axis == 0 {
        return Math::List(parts, rank);
    }
    call("concat", std::iter::once(Math::count(axis)).chain(parts).collect(), rank)
}
