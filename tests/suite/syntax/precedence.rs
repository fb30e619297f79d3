//! How expressions group: each is written with every parenthesis it implies, and with as few as possible.

use super::shape;
use pullback::diag::FileId;
use pullback::syntax::{parse_expr, print_expr};

/// The text, the same with all parentheses, and its canonical spelling.
const CASES: &[(&str, &str, &str)] = &[
    ("-x^2", "-(x^2)", "-x^2"),
    ("2^-3", "2^(-3)", "2^-3"),
    ("2^-3^2", "2^(-(3^2))", "2^-3^2"),
    ("2^3^4", "2^(3^4)", "2^3^4"),
    ("(2^3)^4", "((2^3))^4", "(2^3)^4"),
    ("2^-3*4", "(2^(-3))*4", "2^-3*4"),
    ("-a*b", "(-a)*b", "-a*b"),
    ("a - b - c", "(a - b) - c", "a - b - c"),
    ("a - (b - c)", "a - ((b - c))", "a - (b - c)"),
    ("a/b/c", "(a/b)/c", "a/b/c"),
    ("a @ b*c", "(a @ b)*c", "a @ b*c"),
    ("a+b*c", "a + (b*c)", "a + b*c"),
    ("not a < b", "not (a < b)", "not a < b"),
    ("not a and b", "(not a) and b", "not a and b"),
    ("a or b and c", "a or (b and c)", "a or b and c"),
    ("a |> f |> g", "(a |> f) |> g", "a |> f |> g"),
    ("a or b |> f", "(a or b) |> f", "a or b |> f"),
    ("if c then a else b |> f", "(if c then a else b) |> f", "if c then a else b |> f"),
    (
        "if c then a else if d then b else e + 1",
        "if c then a else (if d then b else (e + 1))",
        "if c then a else if d then b else e + 1",
    ),
    ("-f(x)[0].T", "-(((f(x))[0]).T)", "-f(x)[0].T"),
    ("((a))", "a", "a"),
    ("1.50", "1.5", "1.5"),
    (".5e-7", "5e-8", "5e-8"),
    ("a == -b", "a == (-b)", "a == -b"),
];

#[test]
fn operators_group_as_documented() {
    for (text, full, canonical) in CASES {
        let parse = |t: &str| parse_expr(FileId(0), t).unwrap_or_else(|d| panic!("{t}: {d:#?}"));
        assert_eq!(shape(&parse(text)), shape(&parse(full)), "{text}");
        assert_eq!(print_expr(&parse(text)), *canonical, "{text}");
    }
}

#[test]
fn places_cover_what_they_name() {
    let text = "(a + b)*f(x)[0]";
    let expr = parse_expr(FileId(0), text).expect("parses");
    assert_eq!((expr.span.start, expr.span.end), (0, 15));
    let pullback::syntax::ast::ExprKind::Binary(_, left, right) = expr.kind else { panic!("a product") };
    assert_eq!((left.span.start, left.span.end), (1, 6));
    assert_eq!((right.span.start, right.span.end), (8, 15));
}
