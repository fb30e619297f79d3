//! Expressions as one writes them: sums with signs, products with exponents, matrix products, index notation.
//!
//! The constructors keep the value and only tidy: −(−x) = x, signs leave products, equal factors become powers. An
//! expression of rank 0 in the place of a tensor stands for a tensor of equal entries.

use crate::graph::Relation;

/// Where a factor stands in a product: numbers, parameters and inputs, states, composites, adjoints.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Class {
    Number,
    Given,
    State,
    Value,
    Adjoint,
}

/// A name in both notations.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Symbol {
    /// In `.node` syntax.
    pub text: String,
    /// In LaTeX.
    pub tex: String,
    pub class: Class,
    pub rank: usize,
}

/// One place of an index.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Place {
    At(Math),
    /// Half open; `None` is the whole axis.
    Range(Option<(usize, usize)>),
}

/// An expression.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Math {
    Number(f64),
    Symbol(Symbol),
    /// Terms, each with whether it is subtracted.
    Sum(Vec<(bool, Math)>),
    /// Factors with their exponents.
    Product(Vec<(Math, i32)>),
    Power(Box<Math>, Box<Math>),
    MatMul(Box<Math>, Box<Math>),
    Transpose(Box<Math>),
    Call {
        name: &'static str,
        args: Vec<Math>,
        rank: usize,
        /// Whether it acts on each entry alone.
        entrywise: bool,
    },
    Compare(Relation, Box<Math>, Box<Math>),
    If(Box<Math>, Box<Math>, Box<Math>),
    Index(Box<Math>, Vec<Place>),
    /// `tensor(i, j: …)`
    Tensor(Vec<String>, Box<Math>),
    /// `sum(i, j: …)`
    Total(Vec<String>, Box<Math>),
    List(Vec<Math>, usize),
    /// A signal at times.
    At(Box<Math>, Box<Math>, usize),
}

impl Math {
    pub fn count(n: usize) -> Self {
        #[allow(clippy::cast_precision_loss, reason = "sizes are far below 2^52")]
        Math::Number(n as f64)
    }

    pub fn index(name: &str) -> Self {
        let symbol = Symbol { text: name.into(), tex: name.into(), class: Class::Given, rank: 0 };
        Math::Symbol(symbol)
    }

    /// Number of axes.
    pub fn rank(&self) -> usize {
        match self {
            Math::Number(_) | Math::Total(..) => 0,
            Math::Symbol(s) => s.rank,
            Math::Sum(terms) => terms.iter().map(|t| t.1.rank()).max().unwrap_or(0),
            Math::Product(factors) => factors.iter().map(|f| f.0.rank()).max().unwrap_or(0),
            Math::Power(a, b) | Math::Compare(_, a, b) => a.rank().max(b.rank()),
            Math::MatMul(a, b) => (a.rank() + b.rank()).saturating_sub(2),
            Math::Transpose(a) => a.rank(),
            Math::Call { rank, .. } | Math::List(_, rank) | Math::At(_, _, rank) => *rank,
            Math::If(c, a, b) => c.rank().max(a.rank()).max(b.rank()),
            Math::Index(a, places) => {
                a.rank().saturating_sub(places.iter().filter(|p| matches!(p, Place::At(_))).count())
            }
            Math::Tensor(names, _) => names.len(),
        }
    }

    /// Number of names and numbers in it, and of calls: how much there is to read.
    pub fn weight(&self) -> usize {
        match self {
            Math::Number(_) | Math::Symbol(_) => 1,
            Math::Sum(terms) => terms.iter().map(|t| t.1.weight()).sum(),
            Math::Product(factors) => factors.iter().map(|f| f.0.weight()).sum(),
            Math::Power(a, b) | Math::Compare(_, a, b) => a.weight() + b.weight(),
            Math::MatMul(a, b) => 1 + a.weight() + b.weight(),
            Math::Transpose(a) => a.weight(),
            Math::Call { args, .. } | Math::List(args, _) => 1 + args.iter().map(Math::weight).sum::<usize>(),
            Math::If(c, a, b) => 1 + c.weight() + a.weight() + b.weight(),
            Math::Index(a, _) => a.weight(),
            Math::Tensor(_, a) | Math::Total(_, a) => 1 + a.weight(),
            Math::At(a, b, _) => a.weight() + b.weight(),
        }
    }

    fn class(&self) -> Class {
        match self {
            Math::Number(_) => Class::Number,
            Math::Symbol(s) => s.class,
            Math::Index(a, _) | Math::Transpose(a) | Math::At(a, ..) | Math::Power(a, _) => a.class(),
            Math::Sum(_)
            | Math::Product(_)
            | Math::MatMul(..)
            | Math::Call { .. }
            | Math::Compare(..)
            | Math::If(..)
            | Math::Tensor(..)
            | Math::Total(..)
            | Math::List(..) => Class::Value,
        }
    }

    pub fn neg(self) -> Self {
        match self {
            Math::Number(x) => Math::Number(-x),
            other => sum([(true, other)]),
        }
    }

    /// An entrywise function.
    pub fn map(name: &'static str, args: Vec<Math>) -> Self {
        let rank = args.iter().map(Math::rank).max().unwrap_or(0);
        Math::Call { name, args, rank, entrywise: true }
    }

    /// A truth value as the number 0 or 1.
    pub fn number_of_truth(self) -> Self {
        match self {
            Math::Compare(..) => Math::If(Box::new(self), Box::new(Math::Number(1.0)), Box::new(Math::Number(0.0))),
            other => other,
        }
    }
}

/// Σ ±terms, inner sums opened, a positive term first.
pub(super) fn sum(terms: impl IntoIterator<Item = (bool, Math)>) -> Math {
    let mut flat = Vec::new();
    for (minus, term) in terms {
        match term {
            Math::Sum(inner) => flat.extend(inner.into_iter().map(|(m, t)| (m != minus, t))),
            Math::Number(x) if x < 0.0 => flat.push((!minus, Math::Number(-x))),
            other => flat.push((minus, other)),
        }
    }
    if let Some(first) = flat.iter().position(|t| !t.0) {
        flat[..=first].rotate_right(1);
    }
    match flat.as_slice() {
        [(false, _)] => flat.remove(0).1,
        [] => Math::Number(0.0),
        _ => Math::Sum(flat),
    }
}

/// Π factors^exponents, inner products opened, equal factors joined, signs outside.
pub(super) fn product(factors: impl IntoIterator<Item = (Math, i32)>) -> Math {
    let mut joined = Joined { minus: false, scale: 1.0, factors: Vec::new() };
    for (factor, exponent) in factors {
        joined.add(factor, exponent);
    }
    let Joined { minus, scale, mut factors } = joined;
    factors.retain(|f| f.1 != 0);
    #[allow(clippy::float_cmp, reason = "a factor of exactly one is left out")]
    if scale != 1.0 {
        factors.push((Math::Number(scale), 1));
    }
    factors.sort_by_key(|f| f.0.class());
    let whole = match factors.as_slice() {
        [] => Math::Number(1.0),
        [(_, 1)] => factors.remove(0).0,
        _ => Math::Product(factors),
    };
    if minus { whole.neg() } else { whole }
}

struct Joined {
    minus: bool,
    scale: f64,
    factors: Vec<(Math, i32)>,
}

impl Joined {
    fn add(&mut self, factor: Math, exponent: i32) {
        match factor {
            Math::Number(x) if x < 0.0 => {
                self.minus ^= exponent % 2 != 0;
                self.add(Math::Number(-x), exponent);
            }
            Math::Number(x) if exponent == 1 => self.scale *= x,
            Math::Product(inner) => inner.into_iter().for_each(|(f, e)| self.add(f, e * exponent)),
            Math::Sum(mut terms) if terms.len() == 1 && terms[0].0 => {
                self.minus ^= exponent % 2 != 0;
                self.add(terms.remove(0).1, exponent);
            }
            other => match self.factors.iter_mut().find(|f| f.0 == other) {
                Some(found) => found.1 += exponent,
                None => self.factors.push((other, exponent)),
            },
        }
    }
}
