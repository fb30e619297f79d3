//! Expressions as one writes them: sums with signs, products with exponents, matrix products, index notation.
//!
//! The constructors keep the value and only tidy: −(−x) = x, signs leave products, equal factors become powers. An
//! expression of rank 0 in the place of a tensor stands for a tensor of equal entries.

use crate::graph::Relation;
use std::borrow::Cow;

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
            Math::Power(a, b) | Math::Compare(_, a, b) | Math::At(a, b, _) => a.weight() + b.weight(),
            Math::MatMul(a, b) => 1 + a.weight() + b.weight(),
            Math::Call { args, .. } | Math::List(args, _) => 1 + args.iter().map(Math::weight).sum::<usize>(),
            Math::If(c, a, b) => 1 + c.weight() + a.weight() + b.weight(),
            Math::Transpose(a) | Math::Index(a, _) => a.weight(),
            Math::Tensor(_, a) | Math::Total(_, a) => 1 + a.weight(),
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

    /// What parameters and states are sorted by in a product; everything else keeps its order.
    fn given_name(&self) -> &str {
        match self {
            Math::Symbol(s) if matches!(s.class, Class::Given | Class::State) => &s.text,
            Math::Index(a, _) | Math::Transpose(a) | Math::At(a, ..) | Math::Power(a, _) => a.given_name(),
            Math::Symbol(_)
            | Math::Number(_)
            | Math::Sum(_)
            | Math::Product(_)
            | Math::MatMul(..)
            | Math::Call { .. }
            | Math::Compare(..)
            | Math::If(..)
            | Math::Tensor(..)
            | Math::Total(..)
            | Math::List(..) => "",
        }
    }

    /// The first adjoint in a term.
    pub fn adjoint_name(&self) -> &str {
        match self {
            Math::Product(factors) => factors.iter().map(|f| f.0.adjoint_name()).find(|n| !n.is_empty()).unwrap_or(""),
            Math::Symbol(s) if s.class == Class::Adjoint => &s.text,
            Math::Index(a, _) => a.adjoint_name(),
            Math::Number(_)
            | Math::Symbol(_)
            | Math::Sum(_)
            | Math::Power(..)
            | Math::Transpose(_)
            | Math::At(..)
            | Math::MatMul(..)
            | Math::Call { .. }
            | Math::Compare(..)
            | Math::If(..)
            | Math::Tensor(..)
            | Math::Total(..)
            | Math::List(..) => "",
        }
    }

    pub fn neg(self) -> Self {
        match self {
            Math::Number(0.0) => self,
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

/// Σ ±terms, inner sums opened, equal terms counted, a positive term first.
pub(super) fn sum(terms: impl IntoIterator<Item = (bool, Math)>) -> Math {
    let mut flat = Vec::new();
    for (minus, term) in terms {
        match term {
            Math::Sum(inner) => inner.into_iter().for_each(|(m, t)| add_term(&mut flat, m != minus, t)),
            other => add_term(&mut flat, minus, other),
        }
    }
    positive_first(&mut flat);
    match flat.as_slice() {
        [(false, _)] => flat.remove(0).1,
        [] => Math::Number(0.0),
        _ => Math::Sum(flat),
    }
}

/// Brings a term that is added to the front.
pub(super) fn positive_first(terms: &mut [(bool, Math)]) {
    if let Some(first) = terms.iter().position(|t| !t.0) {
        terms[..=first].rotate_right(1);
    }
}

fn add_term(flat: &mut Vec<(bool, Math)>, minus: bool, term: Math) {
    match term {
        Math::Number(0.0) => {}
        Math::Number(x) if x < 0.0 => flat.push((!minus, Math::Number(-x))),
        other => {
            let (times, rest) = counted(&other);
            let same = flat.iter_mut().find(|(m, t)| *m == minus && *counted(t).1 == *rest);
            match same {
                Some(found) => {
                    let times = times + counted(&found.1).0;
                    found.1 = product([(Math::Number(times), 1), (rest.into_owned(), 1)]);
                }
                None => flat.push((minus, other)),
            }
        }
    }
}

/// A term as a number of times something.
fn counted(term: &Math) -> (f64, Cow<'_, Math>) {
    if let Math::Product(factors) = term
        && let [(Math::Number(x), 1), rest @ ..] = factors.as_slice()
    {
        let rest = match rest {
            [(only, 1)] => only.clone(),
            many => Math::Product(many.to_vec()),
        };
        return (*x, Cow::Owned(rest));
    }
    (1.0, Cow::Borrowed(term))
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
        factors.push(fraction(scale));
    }
    factors.sort_by(|a, b| (a.0.class(), a.0.given_name()).cmp(&(b.0.class(), b.0.given_name())));
    let whole = match factors.as_slice() {
        [] => Math::Number(1.0),
        [(_, 1)] => factors.remove(0).0,
        _ => Math::Product(factors),
    };
    if minus { whole.neg() } else { whole }
}

/// A number as a factor: 0.333… is 1/3.
fn fraction(x: f64) -> (Math, i32) {
    let whole = x.recip().round();
    #[allow(clippy::float_cmp, reason = "only the double next to 1/n is written so")]
    let reciprocal = whole < 1000.0 && whole.recip() == x && format!("{x}").len() > 8;
    if reciprocal { (Math::Number(whole), -1) } else { (Math::Number(x), 1) }
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
            Math::Number(1.0) => {}
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
