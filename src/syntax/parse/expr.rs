//! Matched pairs → expressions. Precedence is decided here, over the flat run of a `chain`, with an explicit stack
//! instead of recursion: a sum of thousands of terms is fine.

use super::super::ast::{Arg, BinaryOp, Expr, ExprKind, Index, Name, UnaryOp};
use super::super::codes;
use super::grammar::Rule;
use super::lex::Lexer;
use crate::diag::{Diagnostic, Span};
use pest::iterators::Pair;

/// Operators on one path from the root of an expression to a leaf: trees are walked and dropped by recursion.
const MAX_CHAIN: usize = 6000;

/// What a prefix, a power or a postfix counts: those cannot be walked by a loop down the left operands.
const NESTING_COST: usize = 20;

/// Precedences, and one more for prefixes and postfixes.
const LEVELS: usize = 11;

/// What building a tree needs: the lexer for reports, and where the matched text begins.
pub(super) struct Builder<'l, 'a> {
    pub lexer: &'l mut Lexer<'a>,
    pub offset: usize,
}

/// An expression, and its place with the parentheses around it.
struct Operand {
    expr: Expr,
    outer: Span,
}

/// An operator that waits for its right operand.
enum Waiting {
    Prefix(UnaryOp, Span),
    Infix(BinaryOp),
}

impl Waiting {
    fn precedence(&self) -> u8 {
        match self {
            Self::Prefix(op, _) => unary_precedence(*op),
            Self::Infix(op) => precedence(*op),
        }
    }
}

/// How tightly a binary operator binds; `|>` is 0 and `if` 1, unary operators stand between.
pub(in crate::syntax) fn precedence(op: BinaryOp) -> u8 {
    match op {
        BinaryOp::Or => 2,
        BinaryOp::And => 3,
        BinaryOp::Less
        | BinaryOp::LessEq
        | BinaryOp::Greater
        | BinaryOp::GreaterEq
        | BinaryOp::Equal
        | BinaryOp::NotEqual => 5,
        BinaryOp::Add | BinaryOp::Sub => 6,
        BinaryOp::Mul | BinaryOp::Div | BinaryOp::MatMul => 7,
        BinaryOp::Pow => 9,
    }
}

/// How tightly a prefix operator binds.
pub(in crate::syntax) fn unary_precedence(op: UnaryOp) -> u8 {
    match op {
        UnaryOp::Not => 4,
        UnaryOp::Neg => 8,
    }
}

impl Builder<'_, '_> {
    /// The place of a pair in the file.
    pub fn span(&self, pair: &Pair<'_, Rule>) -> Span {
        let span = pair.as_span();
        self.lexer.span(self.offset + span.start(), self.offset + span.end())
    }

    /// A name or any word.
    pub fn name(&self, pair: &Pair<'_, Rule>) -> Name {
        Name { text: pair.as_str().to_owned(), span: self.span(pair) }
    }

    /// An `expr` (or the `chain` after an `else`), `depth` operators below the root.
    pub fn expr(&mut self, pair: Pair<'_, Rule>, depth: usize) -> Expr {
        let span = self.span(&pair);
        if pair.as_rule() == Rule::chain {
            return self.chain(pair, depth).expr;
        }
        let chains: Vec<_> = pair.into_inner().filter(|p| p.as_rule() == Rule::chain).collect();
        let depth = depth + chains.len();
        let mut result: Option<Operand> = None;
        for chain in chains {
            let next = self.chain(chain, depth);
            result = Some(match result {
                None => next,
                Some(left) => {
                    let outer = left.outer.to(next.outer);
                    let kind = ExprKind::Pipe(Box::new(left.expr), Box::new(next.expr));
                    Operand { expr: Expr { kind, span: outer }, outer }
                }
            });
        }
        result.map_or(Expr { kind: ExprKind::Error, span }, |operand| operand.expr)
    }

    fn chain(&mut self, pair: Pair<'_, Rule>, depth: usize) -> Operand {
        let span = self.span(&pair);
        let depth = depth + height(&pair);
        if depth > MAX_CHAIN {
            self.lexer.report(
                Diagnostic::error(codes::TOO_DEEP, span, format!("more than {MAX_CHAIN} operators within one another"))
                    .help("split it with `let`, or use `sum(i: …)`"),
            );
            return Operand { expr: Expr { kind: ExprKind::Error, span }, outer: span };
        }
        let mut operands: Vec<Operand> = Vec::new();
        let mut waiting: Vec<Waiting> = Vec::new();
        let mut chained = false;
        for part in pair.into_inner() {
            match part.as_rule() {
                Rule::prefix => waiting.push(Waiting::Prefix(unary(part.as_str()), self.span(&part))),
                Rule::infix => {
                    let op = binary(part.as_str());
                    self.reduce(&mut operands, &mut waiting, op, &mut chained);
                    waiting.push(Waiting::Infix(op));
                }
                Rule::call | Rule::index | Rule::field => {
                    if let Some(callee) = operands.pop() {
                        operands.push(self.postfix(callee, part, depth));
                    }
                }
                _ => operands.push(self.primary(part, depth)),
            }
        }
        while let Some(op) = waiting.pop() {
            apply(&mut operands, &op);
        }
        operands.pop().unwrap_or(Operand { expr: Expr { kind: ExprKind::Error, span }, outer: span })
    }

    /// Applies what binds tighter than the operator that comes.
    fn reduce(&mut self, operands: &mut Vec<Operand>, waiting: &mut Vec<Waiting>, op: BinaryOp, chained: &mut bool) {
        let next = precedence(op);
        while let Some(top) = waiting.last() {
            let tighter = top.precedence() > next || (top.precedence() == next && op != BinaryOp::Pow);
            if !tighter {
                return;
            }
            let compares =
                matches!(top, Waiting::Infix(o) if precedence(*o) == next && next == precedence(BinaryOp::Less));
            if compares && !*chained {
                *chained = true;
                self.chained_comparison(operands);
            }
            if let Some(top) = waiting.pop() {
                apply(operands, &top);
            }
        }
    }

    fn chained_comparison(&mut self, operands: &[Operand]) {
        let Some(middle) = operands.last() else { return };
        let text = self.lexer.text.get(middle.outer.start as usize..middle.outer.end as usize).unwrap_or("x");
        let behind = self.lexer.span(middle.outer.end as usize, middle.outer.end as usize);
        self.lexer.report(
            Diagnostic::error(codes::CHAINED, middle.outer, "comparisons cannot be chained")
                .here("this stands between two comparisons")
                .fix(behind, format!(" and {text}"), "compare twice")
                .help("`a < x < b` is written `a < x and x < b`"),
        );
    }

    fn primary(&mut self, pair: Pair<'_, Rule>, depth: usize) -> Operand {
        let span = self.span(&pair);
        let kind = match pair.as_rule() {
            Rule::number => ExprKind::Number(pair.as_str().parse().unwrap_or(f64::NAN)),
            Rule::text => ExprKind::Text(unescape(pair.as_str())),
            Rule::boolean => ExprKind::Bool(pair.as_str() == "true"),
            Rule::name => ExprKind::Name(pair.as_str().to_owned()),
            Rule::list => ExprKind::List(self.exprs(pair, depth)),
            Rule::choice | Rule::elif => self.choice(pair, depth),
            Rule::group => {
                let inner = pair.into_inner().find(|p| p.as_rule() == Rule::expr);
                let expr = inner.map_or(Expr { kind: ExprKind::Error, span }, |p| self.expr(p, depth));
                return Operand { expr, outer: span };
            }
            _ => ExprKind::Error,
        };
        Operand { expr: Expr { kind, span }, outer: span }
    }

    /// Every expression directly inside a pair.
    pub fn exprs(&mut self, pair: Pair<'_, Rule>, depth: usize) -> Vec<Expr> {
        pair.into_inner().filter(|p| p.as_rule() == Rule::expr).map(|p| self.expr(p, depth + 1)).collect()
    }

    fn choice(&mut self, pair: Pair<'_, Rule>, depth: usize) -> ExprKind {
        let mut parts = Vec::new();
        for part in pair.into_inner() {
            match part.as_rule() {
                Rule::expr | Rule::chain => parts.push(self.expr(part, depth + 1)),
                Rule::elif => parts.push(self.primary(part, depth + 1).expr),
                _ => {}
            }
        }
        let mut parts = parts.into_iter().map(Box::new);
        match (parts.next(), parts.next(), parts.next()) {
            (Some(condition), Some(yes), Some(no)) => ExprKind::If(condition, yes, no),
            _ => ExprKind::Error,
        }
    }

    fn postfix(&mut self, callee: Operand, pair: Pair<'_, Rule>, depth: usize) -> Operand {
        let outer = callee.outer.to(self.span(&pair));
        let base = callee.expr;
        let kind = match pair.as_rule() {
            Rule::call => self.call(base, pair, depth),
            Rule::index => {
                let places = pair.into_inner().filter(|p| p.as_rule() == Rule::place);
                let places: Vec<Index> = places.map(|p| self.place(p, depth)).collect();
                ExprKind::Index(Box::new(base), places)
            }
            _ => match pair.into_inner().find(|p| p.as_rule() == Rule::word) {
                Some(word) => ExprKind::Field(Box::new(base), self.name(&word)),
                None => ExprKind::Error,
            },
        };
        Operand { expr: Expr { kind, span: outer }, outer }
    }

    fn call(&mut self, callee: Expr, pair: Pair<'_, Rule>, depth: usize) -> ExprKind {
        let mut binders = Vec::new();
        let mut args = Vec::new();
        let mut body = None;
        let place = self.span(&pair);
        for part in pair.into_inner() {
            match part.as_rule() {
                Rule::binders => {
                    binders = part.into_inner().filter(|p| p.as_rule() == Rule::name).map(|p| self.name(&p)).collect();
                }
                Rule::arg => args.push(self.arg(part, depth)),
                Rule::expr => body = Some(self.expr(part, depth + 1)),
                _ => {}
            }
        }
        match (body, callee.kind) {
            (None, kind) => ExprKind::Call(Box::new(Expr { kind, span: callee.span }), args),
            (Some(body), ExprKind::Name(head)) => {
                ExprKind::Comprehension(Name { text: head, span: callee.span }, binders, Box::new(body))
            }
            (Some(_), _) => {
                self.lexer.report(
                    Diagnostic::error(codes::UNEXPECTED, place, "index names follow only a plain name")
                        .here("such as `sum(i: a[i])` or `tensor(i, j: a[i]*b[j])`"),
                );
                ExprKind::Error
            }
        }
    }

    /// The arguments of a `call` pair.
    pub fn args(&mut self, pair: Pair<'_, Rule>) -> Vec<Arg> {
        pair.into_inner().filter(|p| p.as_rule() == Rule::arg).map(|p| self.arg(p, 0)).collect()
    }

    fn arg(&mut self, pair: Pair<'_, Rule>, depth: usize) -> Arg {
        let span = self.span(&pair);
        let mut name = None;
        let mut value = Expr { kind: ExprKind::Error, span };
        for part in pair.into_inner() {
            match part.as_rule() {
                Rule::word => name = Some(self.name(&part)),
                Rule::expr => value = self.expr(part, depth + 1),
                _ => {}
            }
        }
        Arg { name, value }
    }

    fn place(&mut self, pair: Pair<'_, Rule>, depth: usize) -> Index {
        let (mut ends, mut colon) = ([None, None], false);
        for part in pair.into_inner() {
            match part.as_rule() {
                Rule::colon => colon = true,
                Rule::expr => ends[usize::from(colon)] = Some(self.expr(part, depth + 1)),
                _ => {}
            }
        }
        match (ends, colon) {
            ([Some(at), None], false) => Index::At(at),
            ([from, to], _) => Index::Range(from, to),
        }
    }
}

/// An upper bound of the height of the tree a chain becomes: for each precedence the longest run of operators that
/// nothing looser interrupts.
fn height(chain: &Pair<'_, Rule>) -> usize {
    let (mut runs, mut longest) = ([0_usize; LEVELS], [0_usize; LEVELS]);
    for part in chain.clone().into_inner() {
        let level = match part.as_rule() {
            Rule::infix => usize::from(precedence(binary(part.as_str()))),
            Rule::prefix | Rule::call | Rule::index | Rule::field => LEVELS - 1,
            _ => continue,
        };
        runs.iter_mut().skip(level + 1).for_each(|run| *run = 0);
        runs[level] += 1;
        longest[level] = longest[level].max(runs[level]);
    }
    let nested = usize::from(precedence(BinaryOp::Pow));
    longest.iter().enumerate().map(|(level, n)| if level < nested { *n } else { NESTING_COST * n }).sum()
}

fn apply(operands: &mut Vec<Operand>, op: &Waiting) {
    let Some(right) = operands.pop() else { return };
    let (kind, outer) = match op {
        Waiting::Prefix(op, span) => (ExprKind::Unary(*op, Box::new(right.expr)), span.to(right.outer)),
        Waiting::Infix(op) => {
            let Some(left) = operands.pop() else { return };
            (ExprKind::Binary(*op, Box::new(left.expr), Box::new(right.expr)), left.outer.to(right.outer))
        }
    };
    operands.push(Operand { expr: Expr { kind, span: outer }, outer });
}

fn unary(text: &str) -> UnaryOp {
    if text == "-" { UnaryOp::Neg } else { UnaryOp::Not }
}

fn binary(text: &str) -> BinaryOp {
    match text {
        "-" => BinaryOp::Sub,
        "*" => BinaryOp::Mul,
        "/" => BinaryOp::Div,
        "@" => BinaryOp::MatMul,
        "^" => BinaryOp::Pow,
        "<" => BinaryOp::Less,
        "<=" => BinaryOp::LessEq,
        ">" => BinaryOp::Greater,
        ">=" => BinaryOp::GreaterEq,
        "==" => BinaryOp::Equal,
        "!=" => BinaryOp::NotEqual,
        "and" | "&&" => BinaryOp::And,
        "or" | "||" => BinaryOp::Or,
        _ => BinaryOp::Add,
    }
}

/// What a string in quotes says.
pub(super) fn unescape(quoted: &str) -> String {
    let inner = quoted.strip_prefix('"').and_then(|s| s.strip_suffix('"')).unwrap_or(quoted);
    let mut text = String::with_capacity(inner.len());
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => text.extend(chars.next()),
            _ => text.push(c),
        }
    }
    text
}
