//! Names of a model in both notations: legal and unique in `.node` syntax, Greek letters and subscripts in LaTeX.

use super::math::{Class, Math, Symbol};
use std::collections::BTreeSet;

const GREEK: [&str; 28] = [
    "alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta", "iota", "kappa", "lambda", "mu", "nu", "xi",
    "pi", "rho", "sigma", "tau", "upsilon", "phi", "chi", "psi", "omega", "Gamma", "Delta", "Sigma", "Phi", "Omega",
];

/// Hands out names.
#[derive(Clone, Debug, Default)]
pub(super) struct Names {
    taken: BTreeSet<String>,
}

impl Names {
    /// A name like `wanted` that nothing else has.
    pub fn give(&mut self, wanted: &str, tex: &str, class: Class, rank: usize) -> Symbol {
        let legal: String = wanted.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
        let mut text = legal.clone();
        let mut k = 2;
        while !self.taken.insert(text.clone()) {
            text = format!("{legal}_{k}");
            k += 1;
        }
        Symbol { text, tex: tex.to_string(), class, rank }
    }

    /// The same for a name that the author wrote.
    pub fn written(&mut self, name: &str, class: Class, rank: usize) -> Math {
        Math::Symbol(self.give(name, &tex_name(name), class, rank))
    }

    /// Names for indices that mean nothing else.
    pub fn letters(&self) -> Vec<String> {
        let plain = "ijklmnpqrs".chars().map(String::from);
        let numbered = (1..=40).map(|k| format!("i{k}"));
        plain.chain(numbered).filter(|l| !self.taken.contains(l)).collect()
    }

    /// A beginning for the names of intermediate values: with a number after it, nothing else is called so.
    pub fn prefix(&self) -> &'static str {
        let free = |p: &&&str| {
            let numbered = |n: &String| n.strip_prefix(**p).is_some_and(|r| r.chars().all(|c| c.is_ascii_digit()));
            !self.taken.iter().any(numbered)
        };
        ["v", "w", "u", "r", "value"].iter().find(free).copied().unwrap_or("intermediate")
    }
}

/// `alpha` → α, `x0` → x₀, `y_1` → y₁, `f.0.W` → W with the subscript f, 0.
pub(super) fn tex_name(name: &str) -> String {
    if let Some((place, last)) = name.rsplit_once('.') {
        let place: Vec<String> = place.split('.').map(tex_name).collect();
        return subscript(&tex_name(last), &place.join(","));
    }
    if let Some((head, rest)) = name.split_once('_')
        && !head.is_empty()
        && !rest.is_empty()
    {
        return subscript(&tex_name(head), &tex_name(rest));
    }
    let digits = name.chars().rev().take_while(char::is_ascii_digit).count();
    let (head, number) = name.split_at(name.len() - digits);
    match (head, number) {
        ("", number) => number.to_string(),
        (head, "") => word(head),
        (head, number) => subscript(&word(head), number),
    }
}

fn subscript(base: &str, sub: &str) -> String {
    // A second subscript joins the first one.
    match base.strip_suffix('}').filter(|_| base.contains("_{")) {
        Some(open) => format!("{open},{sub}}}"),
        None => format!("{base}_{{{sub}}}"),
    }
}

fn word(name: &str) -> String {
    if GREEK.contains(&name) {
        return format!("\\{name}");
    }
    if name.len() == 1 && name != "_" { name.to_string() } else { format!("\\mathrm{{{}}}", name.replace('_', "\\_")) }
}
