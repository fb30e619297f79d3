//! Expressions as text.

use super::super::ast::{Arg, BinaryOp, Expr, ExprKind, Index, Name, UnaryOp};
use super::super::parse::{precedence, unary_precedence};

const PIPE: u8 = 0;
const CHOICE: u8 = 1;
const COMPARISON: u8 = 5;
const NEGATION: u8 = 8;
const POWER: u8 = 9;
const ATOM: u8 = 10;

/// An expression in the canonical spelling. Parsing it gives the expression back.
#[must_use]
pub fn print_expr(expr: &Expr) -> String {
    let mut out = String::new();
    write(expr, PIPE, &mut out);
    out
}

/// How tightly an expression holds together.
fn level(expr: &Expr) -> u8 {
    match &expr.kind {
        ExprKind::Pipe(..) => PIPE,
        ExprKind::If(..) => CHOICE,
        ExprKind::Binary(op, ..) => precedence(*op),
        ExprKind::Unary(op, _) => unary_precedence(*op),
        ExprKind::Number(value) if value.is_sign_negative() => NEGATION,
        ExprKind::Number(_)
        | ExprKind::Text(_)
        | ExprKind::Bool(_)
        | ExprKind::Name(_)
        | ExprKind::Call(..)
        | ExprKind::Field(..)
        | ExprKind::Index(..)
        | ExprKind::List(_)
        | ExprKind::Comprehension(..)
        | ExprKind::Error => ATOM,
    }
}

/// Writes an expression where one that binds at least as tightly as `least` may stand.
fn write(expr: &Expr, least: u8, out: &mut String) {
    if level(expr) < least {
        out.push('(');
        write(expr, PIPE, out);
        out.push(')');
        return;
    }
    match &expr.kind {
        ExprKind::Number(value) => out.push_str(&number(*value)),
        ExprKind::Text(text) => out.push_str(&quote(text)),
        ExprKind::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
        ExprKind::Name(name) => out.push_str(name),
        ExprKind::Unary(op, inner) => unary(*op, inner, out),
        ExprKind::Binary(..) => binary(expr, out),
        ExprKind::If(condition, yes, no) => {
            out.push_str("if ");
            write(condition, PIPE, out);
            out.push_str(" then ");
            write(yes, PIPE, out);
            out.push_str(" else ");
            write(no, CHOICE, out);
        }
        ExprKind::Call(callee, args) => {
            write(callee, ATOM, out);
            out.push('(');
            list(args, out, argument);
            out.push(')');
        }
        ExprKind::Field(base, name) => {
            field_base(base, out);
            out.push('.');
            out.push_str(&name.text);
        }
        ExprKind::Index(base, places) => {
            write(base, ATOM, out);
            out.push('[');
            list(places, out, place);
            out.push(']');
        }
        ExprKind::List(entries) => {
            out.push('[');
            list(entries, out, |entry, out| write(entry, PIPE, out));
            out.push(']');
        }
        ExprKind::Pipe(left, right) => {
            write(left, PIPE, out);
            out.push_str(" |> ");
            write(right, CHOICE, out);
        }
        ExprKind::Comprehension(head, names, body) => comprehension(head, names, body, out),
        ExprKind::Error => out.push_str("<error>"),
    }
}

/// A number before a dot would swallow it.
fn field_base(base: &Expr, out: &mut String) {
    if matches!(base.kind, ExprKind::Number(_)) {
        out.push('(');
        write(base, PIPE, out);
        out.push(')');
    } else {
        write(base, ATOM, out);
    }
}

fn unary(op: UnaryOp, inner: &Expr, out: &mut String) {
    match op {
        UnaryOp::Neg => {
            out.push('-');
            // `--x` is legal, `-(-x)` can be read.
            write(inner, POWER, out);
        }
        UnaryOp::Not => {
            out.push_str("not ");
            write(inner, unary_precedence(op), out);
        }
    }
}

/// Walks down the left spine without recursion: sums may have thousands of terms.
fn binary(expr: &Expr, out: &mut String) {
    let mut spine = Vec::new();
    let mut leaf = expr;
    while let ExprKind::Binary(op, left, right) = &leaf.kind {
        if spine.last().is_some_and(|(above, _)| precedence(*op) < left_least(*above)) {
            break;
        }
        spine.push((*op, right));
        leaf = left;
    }
    if let Some((op, _)) = spine.last() {
        write(leaf, left_least(*op), out);
    }
    for (op, right) in spine.into_iter().rev() {
        out.push_str(operator(op));
        write(right, right_least(op, right), out);
    }
}

/// What may stand to the left of an operator.
fn left_least(op: BinaryOp) -> u8 {
    match precedence(op) {
        // Comparisons do not chain, powers go to the right.
        level @ (COMPARISON | POWER) => level + 1,
        level => level,
    }
}

/// What may stand to its right.
fn right_least(op: BinaryOp, right: &Expr) -> u8 {
    match precedence(op) {
        POWER if matches!(right.kind, ExprKind::Unary(UnaryOp::Neg, _)) => NEGATION,
        POWER => POWER,
        level => level + 1,
    }
}

/// An operator with its canonical spaces: products are tight, sums are wide.
fn operator(op: BinaryOp) -> &'static str {
    match op {
        BinaryOp::Add => " + ",
        BinaryOp::Sub => " - ",
        BinaryOp::Mul => "*",
        BinaryOp::Div => "/",
        BinaryOp::Pow => "^",
        BinaryOp::MatMul => " @ ",
        BinaryOp::Less => " < ",
        BinaryOp::LessEq => " <= ",
        BinaryOp::Greater => " > ",
        BinaryOp::GreaterEq => " >= ",
        BinaryOp::Equal => " == ",
        BinaryOp::NotEqual => " != ",
        BinaryOp::And => " and ",
        BinaryOp::Or => " or ",
    }
}

fn list<T>(entries: &[T], out: &mut String, mut each: impl FnMut(&T, &mut String)) {
    for (i, entry) in entries.iter().enumerate() {
        if i > 0 {
            out.push_str(", ");
        }
        each(entry, out);
    }
}

/// One argument of a call.
pub(super) fn argument(arg: &Arg, out: &mut String) {
    if let Some(name) = &arg.name {
        out.push_str(&name.text);
        out.push_str(" = ");
    }
    write(&arg.value, PIPE, out);
}

fn place(place: &Index, out: &mut String) {
    match place {
        Index::At(at) => write(at, PIPE, out),
        Index::Range(from, to) => {
            if let Some(from) = from {
                write(from, PIPE, out);
            }
            out.push(':');
            if let Some(to) = to {
                write(to, PIPE, out);
            }
        }
    }
}

fn comprehension(head: &Name, names: &[Name], body: &Expr, out: &mut String) {
    out.push_str(&head.text);
    out.push('(');
    list(names, out, |name, out| out.push_str(&name.text));
    out.push_str(": ");
    write(body, PIPE, out);
    out.push(')');
}

/// The shortest spelling that reads back to the same bits.
fn number(value: f64) -> String {
    let (plain, scientific) = (format!("{value}"), format!("{value:e}"));
    if scientific.len() < plain.len() { scientific } else { plain }
}

/// A string in quotes.
pub(super) fn quote(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}
