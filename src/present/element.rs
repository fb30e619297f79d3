//! One entry of a tensor expression: indices are pushed inwards through whatever acts entry by entry.

use super::math::{Math, Place, product, sum};

impl Math {
    /// The entry at these indices, one for each axis; equal entries have no axes to index.
    pub fn entry(&self, at: &[Math]) -> Math {
        if self.rank() == 0 {
            return self.clone();
        }
        let inner = |a: &Math| Box::new(a.entry(at));
        match self {
            Math::Number(_) | Math::Total(..) => self.clone(),
            Math::Sum(terms) => sum(terms.iter().map(|(m, t)| (*m, t.entry(at)))),
            Math::Product(factors) => product(factors.iter().map(|(f, e)| (f.entry(at), *e))),
            Math::Power(a, b) => Math::Power(inner(a), inner(b)),
            Math::Compare(r, a, b) => Math::Compare(*r, inner(a), inner(b)),
            Math::If(c, a, b) => Math::If(inner(c), inner(a), inner(b)),
            Math::Call { name, args, entrywise: true, .. } => {
                Math::map(name, args.iter().map(|a| a.entry(at)).collect())
            }
            Math::Tensor(names, body) => body.renamed(names, at),
            Math::Transpose(a) if at.len() == 2 => a.entry(&[at[1].clone(), at[0].clone()]),
            Math::Symbol(_)
            | Math::MatMul(..)
            | Math::Transpose(_)
            | Math::Call { .. }
            | Math::Index(..)
            | Math::List(..)
            | Math::At(..) => Math::Index(Box::new(self.clone()), at.iter().cloned().map(Place::At).collect()),
        }
    }

    /// Index names replaced.
    fn renamed(&self, names: &[String], at: &[Math]) -> Math {
        let inner = |a: &Math| Box::new(a.renamed(names, at));
        let all = |list: &[Math]| list.iter().map(|a| a.renamed(names, at)).collect::<Vec<_>>();
        match self {
            Math::Number(_) => self.clone(),
            Math::Symbol(s) => match names.iter().zip(at).find(|(n, _)| **n == s.text) {
                Some((_, value)) => value.clone(),
                None => self.clone(),
            },
            Math::Sum(terms) => sum(terms.iter().map(|(m, t)| (*m, t.renamed(names, at)))),
            Math::Product(factors) => product(factors.iter().map(|(f, e)| (f.renamed(names, at), *e))),
            Math::Power(a, b) => Math::Power(inner(a), inner(b)),
            Math::MatMul(a, b) => Math::MatMul(inner(a), inner(b)),
            Math::Transpose(a) => Math::Transpose(inner(a)),
            Math::Call { name, args, rank, entrywise } => {
                Math::Call { name, args: all(args), rank: *rank, entrywise: *entrywise }
            }
            Math::Compare(r, a, b) => Math::Compare(*r, inner(a), inner(b)),
            Math::If(c, a, b) => Math::If(inner(c), inner(a), inner(b)),
            Math::Index(a, places) => {
                let place = |p: &Place| match p {
                    Place::At(m) => Place::At(m.renamed(names, at)),
                    Place::Range(_) => p.clone(),
                };
                Math::Index(inner(a), places.iter().map(place).collect())
            }
            Math::Tensor(own, a) => Math::Tensor(own.clone(), inner(a)),
            Math::Total(own, a) => Math::Total(own.clone(), inner(a)),
            Math::List(list, rank) => Math::List(all(list), *rank),
            Math::At(a, b, rank) => Math::At(inner(a), inner(b), *rank),
        }
    }

    /// Whether an index name occurs.
    pub fn mentions(&self, name: &str) -> bool {
        let mut stack = vec![self];
        while let Some(m) = stack.pop() {
            match m {
                Math::Symbol(s) if s.text == name => return true,
                Math::Number(_) | Math::Symbol(_) => {}
                Math::Sum(terms) => stack.extend(terms.iter().map(|t| &t.1)),
                Math::Product(factors) => stack.extend(factors.iter().map(|f| &f.0)),
                Math::Power(a, b) | Math::MatMul(a, b) | Math::Compare(_, a, b) | Math::At(a, b, _) => {
                    stack.extend([a.as_ref(), b.as_ref()]);
                }
                Math::Transpose(a) | Math::Tensor(_, a) | Math::Total(_, a) => stack.push(a),
                Math::Call { args, .. } | Math::List(args, _) => stack.extend(args),
                Math::If(c, a, b) => stack.extend([c.as_ref(), a.as_ref(), b.as_ref()]),
                Math::Index(a, places) => {
                    stack.push(a);
                    stack.extend(places.iter().filter_map(|p| match p {
                        Place::At(m) => Some(m),
                        Place::Range(_) => None,
                    }));
                }
            }
        }
        false
    }
}

/// Index names that are bound inside of `m`, but for those that [`Math::entry`] replaces.
pub(super) fn bound(m: &Math) -> Vec<String> {
    let mut found = Vec::new();
    let mut stack = vec![if let Math::Tensor(_, body) = m { body.as_ref() } else { m }];
    while let Some(m) = stack.pop() {
        match m {
            Math::Number(_) | Math::Symbol(_) => {}
            Math::Sum(terms) => stack.extend(terms.iter().map(|t| &t.1)),
            Math::Product(factors) => stack.extend(factors.iter().map(|f| &f.0)),
            Math::Power(a, b) | Math::MatMul(a, b) | Math::Compare(_, a, b) | Math::At(a, b, _) => {
                stack.extend([a.as_ref(), b.as_ref()]);
            }
            Math::Tensor(names, a) | Math::Total(names, a) => {
                found.extend(names.iter().cloned());
                stack.push(a);
            }
            Math::Transpose(a) | Math::Index(a, _) => stack.push(a),
            Math::Call { args, .. } | Math::List(args, _) => stack.extend(args),
            Math::If(c, a, b) => stack.extend([c.as_ref(), a.as_ref(), b.as_ref()]),
        }
    }
    found
}
