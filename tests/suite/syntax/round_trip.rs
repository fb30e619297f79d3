//! Printing a tree and parsing the text gives the tree back.

use super::{programs, shape};
use proptest::prelude::*;
use pullback::diag::{FileId, Span};
use pullback::syntax::ast::{Arg, BinaryOp, Expr, ExprKind, Index, Name, UnaryOp};
use pullback::syntax::{parse, parse_expr, print_expr, print_item};

#[test]
fn programs_survive_printing() {
    for (name, text) in programs() {
        let (file, diags) = parse(FileId(0), &text);
        assert!(diags.is_empty(), "{name}: {diags:#?}");
        assert!(file.items.len() > 5, "{name}");
        let printed: String = file.items.iter().map(|i| print_item(i) + "\n").collect();
        let (again, diags) = parse(FileId(0), &printed);
        assert!(diags.is_empty(), "{name}: {diags:#?}\n{printed}");
        assert_eq!(shape(&file), shape(&again), "{name}\n{printed}");
    }
}

fn at(kind: ExprKind) -> Expr {
    Expr { kind, span: Span::default() }
}

fn name() -> impl Strategy<Value = Name> {
    "[a-d]_?[0-9]?".prop_map(|text| Name { text, span: Span::default() })
}

fn binary_op() -> impl Strategy<Value = BinaryOp> {
    use BinaryOp::*;
    prop::sample::select(vec![
        Add, Sub, Mul, Div, Pow, MatMul, Less, LessEq, Greater, GreaterEq, Equal, NotEqual, And, Or,
    ])
}

fn index(e: impl Strategy<Value = Expr> + Clone + 'static) -> impl Strategy<Value = Index> {
    prop_oneof![
        e.clone().prop_map(Index::At),
        (prop::option::of(e.clone()), prop::option::of(e)).prop_map(|(a, b)| Index::Range(a, b)),
    ]
}

/// Any expression that can be written (numbers have no sign of their own).
fn expr() -> impl Strategy<Value = Expr> {
    let leaf = prop_oneof![
        (0.0..1e12).prop_map(ExprKind::Number),
        any::<f64>().prop_filter("finite", |x| x.is_finite()).prop_map(|x| ExprKind::Number(x.abs())),
        (0_u32..100).prop_map(|n| ExprKind::Number(f64::from(n))),
        "[ -~]{0,6}".prop_map(ExprKind::Text),
        any::<bool>().prop_map(ExprKind::Bool),
        name().prop_map(|n| ExprKind::Name(n.text)),
    ]
    .prop_map(at);
    leaf.prop_recursive(6, 48, 4, |e| {
        let boxed = e.clone().prop_map(Box::new);
        let arg = (prop::option::of(name()), e.clone()).prop_map(|(name, value)| Arg { name, value });
        prop_oneof![
            (binary_op(), boxed.clone(), boxed.clone()).prop_map(|(op, a, b)| ExprKind::Binary(op, a, b)),
            (binary_op(), boxed.clone(), boxed.clone()).prop_map(|(op, a, b)| ExprKind::Binary(op, a, b)),
            (prop::sample::select(vec![UnaryOp::Neg, UnaryOp::Not]), boxed.clone())
                .prop_map(|(op, a)| ExprKind::Unary(op, a)),
            (boxed.clone(), boxed.clone(), boxed.clone()).prop_map(|(c, a, b)| ExprKind::If(c, a, b)),
            (boxed.clone(), prop::collection::vec(arg, 0..3)).prop_map(|(f, args)| ExprKind::Call(f, args)),
            (boxed.clone(), name()).prop_map(|(a, n)| ExprKind::Field(a, n)),
            (boxed.clone(), prop::collection::vec(index(e.clone()), 1..3)).prop_map(|(a, i)| ExprKind::Index(a, i)),
            prop::collection::vec(e.clone(), 0..3).prop_map(ExprKind::List),
            (boxed.clone(), boxed.clone()).prop_map(|(a, b)| ExprKind::Pipe(a, b)),
            (name(), prop::collection::vec(name(), 1..3), boxed).prop_map(|(h, n, b)| ExprKind::Comprehension(h, n, b)),
        ]
        .prop_map(at)
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, ..ProptestConfig::default() })]

    #[test]
    fn expressions_survive_printing(expr in expr()) {
        let text = print_expr(&expr);
        let again = parse_expr(FileId(0), &text);
        prop_assert!(again.is_ok(), "{text}: {again:?}");
        let again = again.map_err(|_| TestCaseError::fail("unreachable"))?;
        prop_assert_eq!(shape(&expr), shape(&again), "{}", text);
    }

    #[test]
    fn formatting_an_expression_changes_nothing_but_places(expr in expr()) {
        let text = format!("let x = {}", print_expr(&expr));
        let formatted = pullback::syntax::format(&text);
        // A printed tree is already in the canonical layout.
        prop_assert_eq!(formatted, Ok(text + "\n"));
    }
}
