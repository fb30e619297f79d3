//! The printed adjoint systems: what they look like, that they are `.node` syntax, and that they are true.

mod evaluate;
mod truth;

use pullback::diag::{Diagnostic, Sources};
use pullback::load::{Loaded, Request, load};
use pullback::present;
use pullback::syntax::{ast, parse};
use std::path::Path;

/// Every model of this suite: Lotka-Volterra and those of `models/`.
pub const MODELS: [&str; 5] = [
    "examples/lotka_volterra.node",
    "tests/suite/present/models/net.node",
    "tests/suite/present/models/hamiltonian.node",
    "tests/suite/present/models/flow.node",
    "tests/suite/present/models/mixed.node",
];

pub fn loaded(path: &str) -> Loaded {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    load(&Request { path, with_data: true, ..Request::default() }).unwrap_or_else(|r| panic!("{:#?}", r.problems))
}

pub fn parsed(text: &str) -> (ast::File, Vec<Diagnostic>) {
    let mut sources = Sources::default();
    let id = sources.add("printed".to_string(), text.to_string());
    parse(id, text)
}

fn stem(path: &str) -> String {
    Path::new(path).file_stem().and_then(|s| s.to_str()).unwrap_or_default().to_string()
}

fn snapshot(name: &str, text: &str) {
    let mut settings = insta::Settings::clone_current();
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(name.to_string(), text));
}

#[test]
fn looks() {
    for path in MODELS {
        let model = loaded(path);
        snapshot(&format!("{}_adjoint", stem(path)), &present::adjoint(&model, false).unwrap());
        snapshot(&format!("{}_adjoint_latex", stem(path)), &present::adjoint(&model, true).unwrap());
        snapshot(&format!("{}_model_latex", stem(path)), &present::model_latex(&model));
    }
}

#[test]
fn text_is_node_syntax() {
    for path in MODELS {
        let text = present::adjoint(&loaded(path), false).unwrap();
        let (file, problems) = parsed(&text);
        assert!(problems.is_empty(), "{path}: {problems:#?}\n{text}");
        assert!(file.items.len() >= 2, "{path}: no equations in\n{text}");
    }
}

#[test]
fn every_line_comes_out_the_same_twice() {
    for path in MODELS {
        let (a, b) = (loaded(path), loaded(path));
        assert_eq!(present::adjoint(&a, false).unwrap(), present::adjoint(&b, false).unwrap());
        assert_eq!(present::model_latex(&a), present::model_latex(&b));
    }
}

/// Gradients of scalar states that are read through `[q, p]` once came out as 0.
#[test]
fn a_hamiltonian_network_moves() {
    let text = present::adjoint(&loaded(MODELS[2]), false).unwrap();
    for (line, network) in text.lines().filter(|l| l.starts_with(['q', 'p'])).map(|l| (l, l.contains("H_0_W"))) {
        assert!(!line.ends_with("= 0"), "{text}");
        assert!(network || line.contains('v'), "{text}");
    }
}

/// A ring of 1200 coupled states needs more lines than are printed; a long sum is split and not nested.
#[test]
fn big_systems_are_cut() {
    use std::fmt::Write;
    let n = 1200;
    let mut text = String::from("model Ring\nparam k = 0.5\n");
    for i in 0..n {
        let next = (i + 1) % n;
        let _ = writeln!(text, "state x{i} = {i}\nx{i}' = k*(x{next} - x{i})");
    }
    let all: Vec<String> = (0..n).map(|i| format!("x{i}(1)")).collect();
    let _ = writeln!(text, "loss = {}\nsolve tsit5, 0 .. 1", all.join(" + "));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ring.node");
    std::fs::write(&path, text).unwrap();
    let model = load(&Request { path, ..Request::default() }).unwrap_or_else(|r| panic!("{:#?}", r.problems));
    for latex in [false, true] {
        let text = present::adjoint(&model, latex).unwrap();
        assert!((2000..=2004).contains(&text.lines().count()), "{} lines", text.lines().count());
        let cut = text.lines().find(|l| l.contains("more lines: the graph has")).unwrap();
        assert!(cut.ends_with("nodes"), "{cut}");
        assert!(text.lines().all(|l| l.len() < 400), "lines stay readable");
    }
    let model_text = present::model_latex(&model);
    assert!(model_text.contains("\\mathcal{L}") || model_text.contains("more lines"));
}

/// Braces, `\left` and `\right`, and environments close; no empty line ends the paragraph inside `align*`.
#[test]
fn latex_is_balanced() {
    for path in MODELS {
        let model = loaded(path);
        for text in [present::adjoint(&model, true).unwrap(), present::model_latex(&model)] {
            let mut depth = 0_i32;
            let mut before = ' ';
            for c in text.chars() {
                depth += match c {
                    '{' if before != '\\' => 1,
                    '}' if before != '\\' => -1,
                    _ => 0,
                };
                assert!(depth >= 0, "{path}: a brace closes nothing\n{text}");
                before = c;
            }
            assert_eq!(depth, 0, "{path}\n{text}");
            let count = |word: &str| text.matches(word).count();
            assert_eq!(count("\\left") - count("\\leftarrow"), count("\\right"), "{path}\n{text}");
            assert_eq!(count("\\begin{"), count("\\end{"), "{path}\n{text}");
            assert!(!text.contains("\n\n"), "{path}: an empty line\n{text}");
            assert!(!text.contains("_{}") && !text.contains("NaN"), "{path}\n{text}");
        }
    }
}
