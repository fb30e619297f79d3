//! Expressions as LaTeX (with `amsmath`).

use super::math::{Math, Place};
use crate::graph::Relation;

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Level {
    Sum,
    Product,
    Atom,
}

fn level(m: &Math) -> Level {
    match m {
        Math::Sum(_) | Math::Compare(..) | Math::Total(..) => Level::Sum,
        Math::Number(x) if *x < 0.0 => Level::Sum,
        Math::Product(_) | Math::MatMul(..) | Math::Call { name: "grad" | "hess", .. } => Level::Product,
        Math::Number(_)
        | Math::Symbol(_)
        | Math::Power(..)
        | Math::Transpose(_)
        | Math::Call { .. }
        | Math::If(..)
        | Math::Index(..)
        | Math::Tensor(..)
        | Math::List(..)
        | Math::At(..) => Level::Atom,
    }
}

/// The expression as LaTeX.
pub(super) fn latex(m: &Math) -> String {
    match m {
        Math::Number(x) => number(*x),
        Math::Symbol(s) => s.tex.clone(),
        Math::Sum(terms) => sum(terms),
        Math::Product(factors) => product(factors),
        Math::Power(a, b) => format!("{}^{{{}}}", base(a), latex(b)),
        Math::MatMul(a, b) => {
            let left = if matches!(a.as_ref(), Math::MatMul(..)) { latex(a) } else { at(Level::Atom, a) };
            format!("{left} \\, {}", at(Level::Atom, b))
        }
        Math::Transpose(a) => format!("{}^{{\\top}}", base(a)),
        Math::Call { name, args, .. } => call(name, args),
        Math::Compare(r, a, b) => format!("{} {} {}", latex(a), relation(*r), latex(b)),
        Math::If(c, a, b) => format!(
            "\\begin{{cases}} {} & \\text{{if }} {} \\\\ {} & \\text{{otherwise}} \\end{{cases}}",
            latex(a),
            latex(c),
            latex(b)
        ),
        Math::Index(a, places) => format!("{}_{{{}}}", base(a), self::places(places)),
        Math::Tensor(names, body) => tensor(names, body),
        Math::Total(names, body) => format!("\\sum_{{{}}} {}", names.join(", "), at(Level::Product, body)),
        Math::List(items, _) => {
            let rows: Vec<String> = items.iter().map(latex).collect();
            format!("\\begin{{bmatrix}} {} \\end{{bmatrix}}", rows.join(" \\\\ "))
        }
        Math::At(value, times, _) => match value.as_ref() {
            Math::Symbol(s) => format!("{}({})", s.tex, latex(times)),
            other => format!("\\left. {} \\right|_{{t = {}}}", latex(other), latex(times)),
        },
    }
}

fn parens(text: &str) -> String {
    format!("\\left( {text} \\right)")
}

fn at(least: Level, m: &Math) -> String {
    if level(m) < least { parens(&latex(m)) } else { latex(m) }
}

/// What a sub- or superscript is attached to: a second one of the same kind would be an error of LaTeX.
fn base(m: &Math) -> String {
    match m {
        Math::Symbol(s) => format!("{{{}}}", s.tex),
        Math::Number(x) if *x >= 0.0 => number(*x),
        Math::List(..) | Math::Transpose(_) => format!("{{{}}}", latex(m)),
        other => parens(&latex(other)),
    }
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
        // Σ needs parentheses only where a term follows it.
        let last_total = matches!(term, Math::Total(..)) && k + 1 == terms.len();
        out += &if last_total { latex(term) } else { at(Level::Product, term) };
    }
    out
}

fn product(factors: &[(Math, i32)]) -> String {
    let over: Vec<&(Math, i32)> = factors.iter().filter(|f| f.1 > 0).collect();
    let under: Vec<&(Math, i32)> = factors.iter().filter(|f| f.1 < 0).collect();
    if under.is_empty() {
        return row(&over);
    }
    let over = match over.as_slice() {
        [] => "1".to_string(),
        [(m, 1)] => latex(m),
        many => row(many),
    };
    let under = match under.as_slice() {
        [(m, -1)] => latex(m),
        many => row(many),
    };
    format!("\\frac{{{over}}}{{{under}}}")
}

/// Factors side by side; ⊙ between tensors, · before a number.
fn row(factors: &[&(Math, i32)]) -> String {
    let mut out = String::new();
    let mut tensor_before = false;
    for (k, (m, exponent)) in factors.iter().enumerate() {
        let tensor = m.rank() > 0;
        if k > 0 {
            out += match (tensor_before && tensor, m) {
                (true, _) => " \\odot ",
                (false, Math::Number(_)) => " \\cdot ",
                (false, _) => " \\, ",
            };
        }
        tensor_before |= tensor;
        let power = exponent.abs();
        let factor = if power == 1 { at(Level::Atom, m) } else { format!("{}^{{{power}}}", base(m)) };
        out += &factor;
    }
    out
}

fn call(name: &str, args: &[Math]) -> String {
    let inner = || args.iter().map(latex).collect::<Vec<_>>().join(", ");
    match (name, args) {
        ("sqrt", _) => format!("\\sqrt{{{}}}", inner()),
        ("abs", _) => format!("\\left| {} \\right|", inner()),
        ("floor", _) => format!("\\left\\lfloor {} \\right\\rfloor", inner()),
        ("exp", _) => format!("e^{{{}}}", inner()),
        ("lgamma", _) => format!("\\log \\Gamma {}", parens(&inner())),
        ("grad", [of, x]) => format!("\\nabla_{{{}}} {}", latex(x), at(Level::Atom, of)),
        ("hess", [of, x]) => format!("\\nabla^2_{{{}}} {}", latex(x), at(Level::Atom, of)),
        ("jac", [of, x]) => format!("\\frac{{\\partial {}}}{{\\partial {}}}", at(Level::Atom, of), latex(x)),
        ("div", [of, x]) => {
            let jacobian = format!("\\frac{{\\partial {}}}{{\\partial {}}}", at(Level::Atom, of), latex(x));
            format!("\\operatorname{{tr}} {}", parens(&jacobian))
        }
        _ => format!("{} {}", function(name), parens(&inner())),
    }
}

fn function(name: &str) -> String {
    match name {
        "sin" | "cos" | "tan" | "sinh" | "cosh" | "tanh" | "log" | "min" | "max" => format!("\\{name}"),
        "asin" | "acos" | "atan" => format!("\\arc{}", &name[1..]),
        "sigmoid" => "\\sigma".into(),
        "digamma" => "\\psi".into(),
        "trigamma" => "\\psi'".into(),
        "sign" => "\\operatorname{sgn}".into(),
        other => format!("\\operatorname{{{}}}", other.replace('_', "\\_")),
    }
}

/// `a b^⊤` for an outer product, else the entries in brackets.
fn tensor(names: &[String], body: &Math) -> String {
    if let ([i, j], Math::Product(factors)) = (names, body)
        && let [(a, 1), (b, 1)] = factors.as_slice()
        && let (Some((a, n)), Some((b, m))) = (vector(a), vector(b))
        && [n, m].contains(&i.as_str())
        && [n, m].contains(&j.as_str())
    {
        let (first, second) = if n == i { (a, b) } else { (b, a) };
        return format!("{} \\, {}^{{\\top}}", at(Level::Atom, first), base(second));
    }
    format!("\\left[ {} \\right]_{{{}}}", latex(body), names.join(", "))
}

/// The vector and the index of `a[i]`.
fn vector(m: &Math) -> Option<(&Math, &str)> {
    match m {
        Math::Index(a, places) => match places.as_slice() {
            [Place::At(Math::Symbol(s))] => Some((a, &s.text)),
            _ => None,
        },
        _ => None,
    }
}

fn places(places: &[Place]) -> String {
    let place = |p: &Place| match p {
        Place::At(m) => latex(m),
        Place::Range(None) => ":".to_string(),
        Place::Range(Some((from, to))) => format!("{from}:{to}"),
    };
    places.iter().map(place).collect::<Vec<_>>().join(", ")
}

fn number(x: f64) -> String {
    if !x.is_finite() {
        return if x.is_nan() {
            "\\mathrm{NaN}"
        } else if x > 0.0 {
            "\\infty"
        } else {
            "-\\infty"
        }
        .into();
    }
    #[allow(clippy::float_cmp, reason = "only the constant of the normal density is written so")]
    if x == 0.5 * std::f64::consts::TAU.ln() {
        return "\\tfrac{1}{2} \\log 2 \\pi".into();
    }
    let (plain, scientific) = (format!("{x}"), format!("{x:e}"));
    match scientific.split_once('e') {
        Some(("1", power)) if scientific.len() < plain.len() => format!("10^{{{power}}}"),
        Some((digits, power)) if scientific.len() < plain.len() => format!("{{{digits} \\cdot 10^{{{power}}}}}"),
        _ => plain,
    }
}

fn relation(r: Relation) -> &'static str {
    match r {
        Relation::Less => "<",
        Relation::LessEq => "\\le",
        Relation::Equal => "=",
        Relation::NotEqual => "\\ne",
    }
}
