//! Expressions in `.node` syntax, with the fewest parentheses.

use super::math::{Math, Place};
use crate::graph::Relation;

/// How tightly an expression binds; the order of the grammar.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Level {
    If,
    Compare,
    Sum,
    Product,
    Power,
    Atom,
}

fn level(m: &Math) -> Level {
    match m {
        Math::If(..) => Level::If,
        Math::Compare(..) => Level::Compare,
        Math::Sum(_) => Level::Sum,
        Math::Number(x) if *x < 0.0 => Level::Sum,
        Math::Product(factors) => match factors.as_slice() {
            [(_, exponent)] if *exponent > 0 => Level::Power,
            _ => Level::Product,
        },
        Math::MatMul(..) => Level::Product,
        Math::Power(..) => Level::Power,
        Math::At(a, ..) if !matches!(a.as_ref(), Math::Symbol(_)) => Level::Atom,
        Math::Number(_)
        | Math::Symbol(_)
        | Math::Transpose(_)
        | Math::Call { .. }
        | Math::Index(..)
        | Math::Tensor(..)
        | Math::Total(..)
        | Math::List(..)
        | Math::At(..) => Level::Atom,
    }
}

/// The expression as text.
pub(super) fn text(m: &Math) -> String {
    match m {
        Math::Number(x) => number(*x),
        Math::Symbol(s) => s.text.clone(),
        Math::Sum(terms) => sum(terms),
        Math::Product(factors) => product(factors),
        Math::Power(a, b) => format!("{}^{}", at(Level::Atom, a), at(Level::Power, b)),
        Math::MatMul(a, b) => {
            let left = if matches!(a.as_ref(), Math::MatMul(..)) { text(a) } else { at(Level::Power, a) };
            format!("{left} @ {}", at(Level::Power, b))
        }
        Math::Transpose(a) => format!("{}.T", at(Level::Atom, a)),
        Math::Call { name, args, .. } => format!("{name}({})", list(args)),
        Math::Compare(r, a, b) => format!("{} {} {}", at(Level::Sum, a), relation(*r), at(Level::Sum, b)),
        Math::If(c, a, b) => format!("if {} then {} else {}", at(Level::Compare, c), at(Level::Compare, a), text(b)),
        Math::Index(a, places) => format!("{}[{}]", at(Level::Atom, a), self::places(places)),
        Math::Tensor(names, body) => format!("tensor({}: {})", names.join(", "), text(body)),
        Math::Total(names, body) => format!("sum({}: {})", names.join(", "), text(body)),
        Math::List(items, _) => format!("[{}]", list(items)),
        Math::At(value, times, _) => match value.as_ref() {
            Math::Symbol(s) => format!("{}({})", s.text, text(times)),
            other => format!("at({}, {})", text(other), text(times)),
        },
    }
}

fn at(least: Level, m: &Math) -> String {
    if level(m) < least { format!("({})", text(m)) } else { text(m) }
}

fn list(items: &[Math]) -> String {
    items.iter().map(text).collect::<Vec<_>>().join(", ")
}

fn sum(terms: &[(bool, Math)]) -> String {
    let mut out = String::new();
    for (k, (minus, term)) in terms.iter().enumerate() {
        out += match (k, minus) {
            (0, false) => "",
            (0, true) => "-",
            (_, false) => " + ",
            (_, true) => " - ",
        };
        out += &at(Level::Product, term);
    }
    out
}

fn product(factors: &[(Math, i32)]) -> String {
    let factor = |(m, e): &(Math, i32)| match e.abs() {
        1 => at(Level::Power, m),
        n => format!("{}^{n}", at(Level::Atom, m)),
    };
    let over: Vec<String> = factors.iter().filter(|f| f.1 > 0).map(factor).collect();
    let under: Vec<String> = factors.iter().filter(|f| f.1 < 0).map(factor).collect();
    let over = if over.is_empty() { "1".to_string() } else { over.join("*") };
    match under.as_slice() {
        [] => over,
        [one] => format!("{over}/{one}"),
        many => format!("{over}/({})", many.join("*")),
    }
}

fn places(places: &[Place]) -> String {
    let place = |p: &Place| match p {
        Place::At(m) => text(m),
        Place::Range(None) => ":".to_string(),
        Place::Range(Some((from, to))) => format!("{from}:{to}"),
    };
    places.iter().map(place).collect::<Vec<_>>().join(", ")
}

/// The shortest digits that read back the same; infinities and NaN as what gives them.
fn number(x: f64) -> String {
    if x.is_nan() {
        return "(0/0)".into();
    }
    if x.is_infinite() {
        return if x > 0.0 { "(1/0)".into() } else { "-(1/0)".into() };
    }
    let (plain, scientific) = (format!("{x}"), format!("{x:e}"));
    if scientific.len() < plain.len() { scientific } else { plain }
}

pub(super) fn relation(r: Relation) -> &'static str {
    match r {
        Relation::Less => "<",
        Relation::LessEq => "<=",
        Relation::Equal => "==",
        Relation::NotEqual => "!=",
    }
}
