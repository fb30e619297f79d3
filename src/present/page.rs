//! Lines of definitions and equations, in one of the two notations, up to a limit.

use super::build::Built;
use super::latex::latex;
use super::math::{Math, positive_first};
use super::term::Term;
use super::text::text;

/// More lines than this are not printed.
const MOST_LINES: usize = 2000;

/// What stands left of an equals sign.
#[derive(Clone, Debug)]
pub(super) enum Left {
    /// `let v = …`
    Let(Math),
    /// `x' = …`
    Rate(Math),
    /// Something that only LaTeX has a notation for.
    Tex(String),
}

/// A page being written.
#[derive(Debug, Default)]
pub(super) struct Page {
    latex: bool,
    lines: Vec<(bool, String)>,
    left_out: usize,
}

impl Page {
    pub fn new(latex: bool) -> Self {
        Self { latex, ..Self::default() }
    }

    fn line(&mut self, comment: bool, line: String) {
        if self.lines.len() < MOST_LINES {
            self.lines.push((comment, line));
        } else {
            self.left_out += 1;
        }
    }

    pub fn comment(&mut self, words: &str) {
        let mark = if self.latex { '%' } else { '#' };
        self.line(true, format!("{mark} {words}"));
    }

    pub fn blank(&mut self) {
        // An empty line ends a paragraph, which an `align*` must not contain.
        if !self.latex {
            self.line(true, String::new());
        }
    }

    pub fn equation(&mut self, left: &Left, value: &Math) {
        let line = if self.latex {
            let left = match left {
                Left::Let(m) => latex(m),
                Left::Rate(m) => format!("\\dot{{{}}}", latex(m)),
                Left::Tex(tex) => tex.clone(),
            };
            format!("{left} &= {}", latex(value))
        } else {
            let left = match left {
                Left::Let(m) => format!("let {}", text(m)),
                Left::Rate(m) => format!("{}'", text(m)),
                Left::Tex(tex) => format!("let {tex}"),
            };
            format!("{left} = {}", text(value))
        };
        self.line(false, line);
    }

    /// `a' = -(…)`
    pub fn minus_equation(&mut self, left: &Math, value: &Math) {
        match value {
            Math::Sum(terms) if terms.len() > 1 => {
                let mut terms = terms.clone();
                terms.sort_by(|a, b| a.1.adjoint_name().cmp(b.1.adjoint_name()));
                positive_first(&mut terms);
                let value = &Math::Sum(terms);
                let line = if self.latex {
                    format!("\\dot{{{}}} &= -\\left( {} \\right)", latex(left), latex(value))
                } else {
                    format!("{}' = -({})", text(left), text(value))
                };
                self.line(false, line);
            }
            other => self.equation(&Left::Rate(left.clone()), &other.clone().neg()),
        }
    }

    /// Definitions that `roots` need and that were not given yet.
    pub fn lets(&mut self, terms: &[Term], built: &Built, given: &mut [bool], roots: &[usize]) {
        let mut needed = vec![false; terms.len()];
        let mut stack = roots.to_vec();
        while let Some(k) = stack.pop() {
            if !given[k] && !std::mem::replace(&mut needed[k], true) {
                stack.extend(&terms[k].args);
            }
        }
        for k in (0..terms.len()).filter(|k| needed[*k]) {
            given[k] = true;
            if let Some(definition) = &built.lets[k] {
                self.equation(&Left::Let(definition.name.clone()), &definition.value);
            }
        }
    }

    /// The whole text. `nodes` is the size of what it was made from.
    pub fn finish(mut self, nodes: usize) -> String {
        if self.left_out > 0 {
            let (mark, more) = (if self.latex { '%' } else { '#' }, self.left_out);
            self.lines.push((true, format!("{mark} … and {more} more lines: the graph has {nodes} nodes")));
        }
        if self.latex { self.aligned() } else { self.lines.into_iter().map(|l| l.1 + "\n").collect() }
    }

    fn aligned(self) -> String {
        let last = self.lines.iter().rposition(|l| !l.0);
        let mut out = String::from("\\begin{align*}\n");
        for (k, (comment, line)) in self.lines.into_iter().enumerate() {
            out += &line;
            out += if comment || Some(k) == last { "\n" } else { " \\\\\n" };
        }
        out + "\\end{align*}\n"
    }
}
