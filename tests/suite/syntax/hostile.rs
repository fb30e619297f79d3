//! Whatever the text is, the parser answers, and soon.

use super::programs;
use proptest::prelude::*;
use pullback::diag::{FileId, Sources, render, to_json};
use pullback::syntax::{format, parse, parse_expr};
use std::time::{Duration, Instant};

/// Parses and renders; gives the codes.
fn codes(text: &str) -> Vec<&'static str> {
    let (_, diags) = parse(FileId(0), text);
    let mut sources = Sources::default();
    sources.add("model.node", text);
    assert_eq!(render(&diags, &sources, true).is_empty(), diags.is_empty());
    assert_eq!(to_json(&diags, &sources).as_array().map(Vec::len), Some(diags.len()));
    diags.iter().map(|d| d.code).collect()
}

fn timed(text: &str) -> Vec<&'static str> {
    let start = Instant::now();
    let codes = codes(text);
    let taken = start.elapsed();
    assert!(taken < Duration::from_secs(3), "{taken:?} for {} bytes: {codes:?}", text.len());
    codes
}

#[test]
fn nesting_is_capped() {
    for (open, close) in [("(", ")"), ("[", "]"), ("f(", ")"), ("a[", "]"), ("if ", " then 1 else 2"), ("{", "}")] {
        let text = format!("let x = {}1{}", open.repeat(10_000), close.repeat(10_000));
        assert_eq!(timed(&text), ["N0120"], "{open}");
    }
    let nested = |n: usize| format!("let x = {}1{}", "(".repeat(n), ")".repeat(n));
    assert_eq!(timed(&nested(256)), [""; 0]);
    assert_eq!(timed(&nested(257)), ["N0120"]);
    assert_eq!(timed(&format!("let x = {}", "(".repeat(200))), ["N0112"]);
    for run in ["-", "not ", "2^", "a."] {
        assert_eq!(timed(&format!("let x = {}a", run.repeat(20_000))), ["N0120"], "{run}");
    }
    assert_eq!(timed(&format!("let x = {}a", "if a then b else ".repeat(20_000))), ["N0120"]);
}

#[test]
fn long_expressions_are_fine() {
    let sum = vec!["a*x"; 5000].join(" + ");
    assert_eq!(timed(&format!("let x = {sum}")), [""; 0]);
    let expr = parse_expr(FileId(0), &sum).expect("parses");
    assert_eq!(pullback::syntax::print_expr(&expr), sum);
    assert_eq!(timed(&format!("let x = {}", vec!["a"; 100_000].join("+"))), ["N0120"]);
    assert_eq!(timed(&format!("let x = [{}]", vec!["1"; 20_000].join(","))), [""; 0]);
}

#[test]
fn large_files_are_refused() {
    assert_eq!(timed(&" ".repeat((1 << 20) + 1)), ["N0121"]);
    let many = "let x = a*(b + c)\n".repeat(10_000);
    assert_eq!(timed(&many), [""; 0]);
    let broken = "let x = )\n".repeat(10_000);
    assert_eq!(timed(&broken).len(), 100);
    assert_eq!(timed(&";".repeat(1 << 20)).len(), 100);
}

#[test]
fn odd_bytes() {
    assert_eq!(codes("let x = 1\0\r\n"), ["N0118"]);
    assert_eq!(codes("\u{feff}let x = 1\r\nlet y = 2"), [""; 0]);
    assert_eq!(codes(""), ["N0119"]);
    assert_eq!(codes("# nothing\n\n"), ["N0119"]);
    assert_eq!(codes("let α' = 1\nα' = \"é"), ["N0118", "N0109", "N0118", "N0114"]);
    let _ = codes("dα\n/dt = 1 \n'é'\n“a” x′ = 1");
}

/// Damage: what to do, where, and with what.
fn damage() -> impl Strategy<Value = Vec<(u8, prop::sample::Index, String)>> {
    let piece = prop_oneof![
        "[ -~\n]{1,4}",
        "\\PC{1,3}",
        prop::sample::select(vec![
            "(",
            ")",
            "[",
            "]",
            "{",
            "}",
            "\"",
            "'",
            "\0",
            "let ",
            "ode f {",
            "if ",
            "else",
            "==",
            ":=",
            "/*",
            "//",
            "é",
            "1.2.3",
            "x'",
            "|>",
            "..",
            ";",
            "lambda x",
            "event e: a => {",
            "layer l: [] -> [] {",
        ])
        .prop_map(str::to_owned),
    ];
    prop::collection::vec((0_u8..3, any::<prop::sample::Index>(), piece), 1..6)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn damaged_programs_do_not_panic(which in any::<prop::sample::Index>(), damage in damage()) {
        let programs = programs();
        let mut chars: Vec<char> = which.get(&programs).1.chars().collect();
        for (kind, place, piece) in damage {
            let at = place.index(chars.len() + 1);
            let to = (at + piece.len() * 3).min(chars.len());
            match kind {
                0 => { chars.drain(at..to); }
                1 => { let copy = chars[at..to].to_vec(); chars.splice(at..at, copy); }
                _ => { chars.splice(at..at, piece.chars()); }
            }
        }
        let text: String = chars.into_iter().collect();
        if codes(&text).is_empty() {
            let once = format(&text).map_err(|d| TestCaseError::fail(format!("{d:?}")))?;
            prop_assert_eq!(format(&once), Ok(once.clone()));
        }
        let _ = parse_expr(FileId(0), &text);
    }
}
