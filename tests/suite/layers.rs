//! Who may use whom, and the shape of the source tree.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// A module and what it may use of ours, in the order of `lib.rs`. `docs/architecture.md` shows the same table.
const MAY_USE: &[(&str, &[&str])] = &[
    ("diag", &[]),
    ("syntax", &["diag"]),
    ("check", &["data", "diag", "graph", "solve", "syntax", "train"]),
    ("graph", &[]),
    ("lower", &["check", "diag", "diff", "graph", "solve", "train"]),
    ("diff", &["graph"]),
    ("opt", &["graph"]),
    ("codegen", &["graph"]),
    ("solve", &[]),
    ("data", &["diag"]),
    ("model", &["codegen", "data", "graph", "lower", "solve", "train"]),
    ("compile", &["codegen", "diag", "diff", "graph", "lower", "model", "opt", "solve"]),
    ("train", &["diag"]),
    ("load", &["check", "data", "diag", "lower", "syntax"]),
    ("plot", &[]),
    (
        "present",
        &[
            "check", "codegen", "compile", "data", "diag", "diff", "graph", "load", "lower", "model", "opt", "plot",
            "solve", "syntax", "train",
        ],
    ),
    (
        "cli",
        &[
            "check", "codegen", "compile", "data", "diag", "diff", "graph", "load", "lower", "model", "opt", "plot",
            "present", "solve", "syntax", "train",
        ],
    ),
];

/// The only module with `unsafe` code.
const MAY_BE_UNSAFE: &str = "codegen";

/// Longest source file, and the median, in lines.
const LONGEST: usize = 600;
const MEDIAN: usize = 200;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every Rust file below `src`, relative to it.
fn sources() -> Vec<(PathBuf, String)> {
    let src = root().join("src");
    let (mut folders, mut found) = (vec![src.clone()], Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder of src") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") {
                let text = fs::read_to_string(&path).expect("a source file");
                found.push((path.strip_prefix(&src).expect("below src").to_path_buf(), text));
            }
        }
    }
    found.sort();
    assert!(found.len() > 50, "the scan found only {} files", found.len());
    found
}

/// The path of a file's module: `codegen/emit/mod.rs` is `[codegen, emit]`.
fn module_of(file: &Path) -> Vec<String> {
    let stem = file.with_extension("");
    let mut parts: Vec<String> = stem.iter().map(|p| p.to_string_lossy().into_owned()).collect();
    if parts.last().is_some_and(|p| p == "mod") {
        parts.pop();
    }
    parts
}

/// Unit tests may look at more than their module: they check it from outside.
fn is_test(module: &[String]) -> bool {
    module.iter().any(|part| part == "tests")
}

/// The code of a file without comments, and without a test module at its end.
fn code(text: &str) -> String {
    let end = text.find("#[cfg(test)]\nmod tests {").unwrap_or(text.len());
    text[..end].lines().map(|line| line.split("//").next().unwrap_or("")).collect::<Vec<_>>().join("\n")
}

/// Identifiers and the punctuation between them.
fn tokens(code: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut rest = code;
    while let Some(first) = rest.chars().next() {
        let is_word = |c: char| c.is_alphanumeric() || c == '_';
        let len = match first {
            c if is_word(c) => rest.find(|c| !is_word(c)).unwrap_or(rest.len()),
            ':' if rest.starts_with("::") => 2,
            c => c.len_utf8(),
        };
        if !first.is_whitespace() {
            found.push(&rest[..len]);
        }
        rest = &rest[len..];
    }
    found
}

/// The names right below the crate's root that `code` of `module` mentions: `crate::x`, `crate::{x, y}`, `super::x`.
fn uses<'c>(module: &[String], code: &'c str) -> BTreeSet<&'c str> {
    let tokens = tokens(code);
    let mut found = BTreeSet::new();
    let mut at = 0;
    while at < tokens.len() {
        let mut end = at;
        let mut left = module.len();
        if tokens[at] == "crate" && tokens.get(at + 1) == Some(&"::") {
            (end, left) = (at + 2, 0);
        } else {
            while tokens.get(end) == Some(&"super") && tokens.get(end + 1) == Some(&"::") && left > 0 {
                (end, left) = (end + 2, left - 1);
            }
        }
        if end > at && left == 0 {
            found.extend(heads(&tokens[end..]));
        }
        at = end.max(at + 1);
    }
    found
}

/// `x…` or `{x…, y…}`: the first name of each path.
fn heads<'c>(tokens: &[&'c str]) -> Vec<&'c str> {
    if tokens.first() != Some(&"{") {
        return tokens.first().copied().into_iter().collect();
    }
    let (mut found, mut depth) = (Vec::new(), 0);
    for pair in tokens.windows(2) {
        match pair[0] {
            "{" => depth += 1,
            "}" => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            break;
        }
        if depth == 1 && matches!(pair[0], "{" | ",") && pair[1] != "}" {
            found.push(pair[1]);
        }
    }
    found
}

#[test]
fn arrows_are_in_the_table() {
    let table: BTreeMap<&str, &[&str]> = MAY_USE.iter().copied().collect();
    let mut wrong = Vec::new();
    let mut arrows = 0;
    for (file, text) in sources() {
        let module = module_of(&file);
        let top = module[0].as_str();
        if matches!(top, "lib" | "main") || is_test(&module) {
            continue;
        }
        let Some(allowed) = table.get(top) else {
            wrong.push(format!("{}: the module `{top}` is not in the table", file.display()));
            continue;
        };
        let code = code(&text);
        for used in uses(&module, &code) {
            if used == top || !table.contains_key(used) {
                continue;
            }
            arrows += 1;
            if !allowed.contains(&used) {
                wrong.push(format!("{}: `{top}` may not use `{used}`", file.display()));
            }
        }
    }
    assert!(arrows > 50, "the scan found only {arrows} arrows");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_table_has_no_circle() {
    let mut left: Vec<(&str, &[&str])> = MAY_USE.to_vec();
    let mut done: BTreeSet<&str> = BTreeSet::new();
    while !left.is_empty() {
        let before = left.len();
        left.retain(|(module, allowed)| {
            let ready = allowed.iter().all(|m| done.contains(m));
            if ready {
                done.insert(module);
            }
            !ready
        });
        assert!(left.len() < before, "a circle among {:?}", left.iter().map(|l| l.0).collect::<Vec<_>>());
    }
}

#[test]
fn the_scan_sees_every_spelling() {
    let module = ["check".to_owned(), "calls".to_owned()];
    let seen = |code| uses(&module, code).into_iter().collect::<Vec<_>>();
    assert_eq!(seen("use crate::diff::vjp;"), ["diff"]);
    assert_eq!(seen("use crate::{graph::{Op, Leaf}, opt};"), ["graph", "opt"]);
    assert_eq!(seen("let x = super::super::codegen::interp();"), ["codegen"]);
    assert_eq!(seen("use super::codes; fn f() -> crate::solve::Method {}"), ["solve"]);
    assert_eq!(seen("use std::fs; let s = super_crate::x;"), Vec::<&str>::new());
    assert!(!code("let a = 1; // crate::plot\n#[cfg(test)]\nmod tests {\nuse crate::cli;").contains("crate"));
}

#[test]
fn the_table_is_the_one_in_the_book() {
    let page = fs::read_to_string(root().join("docs/architecture.md")).expect("docs/architecture.md");
    let (_, rest) = page.split_once("<!-- may-use -->\n").expect("the table is marked");
    let (table, _) = rest.split_once("<!-- /may-use -->").expect("the end of the table is marked");
    let row = |(module, allowed): &(&str, &[&str])| {
        let names: Vec<String> = allowed.iter().map(|m| format!("`{m}`")).collect();
        let text = if names.is_empty() { "nothing of ours".to_owned() } else { names.join(", ") };
        format!("| `{module}` | {text} |\n")
    };
    let rows: Vec<String> = MAY_USE.iter().map(row).collect();
    let expected = format!("| module | may use |\n|---|---|\n{}", rows.concat());
    assert_eq!(table, expected, "docs/architecture.md differs from tests/suite/layers.rs");
}

#[test]
fn only_one_module_is_unsafe() {
    let mut wrong = Vec::new();
    for (file, text) in sources() {
        let module = module_of(&file);
        if module[0] != MAY_BE_UNSAFE && tokens(&code(&text)).contains(&"unsafe") {
            wrong.push(file.display().to_string());
        }
    }
    assert!(wrong.is_empty(), "unsafe code outside of {MAY_BE_UNSAFE}: {}", wrong.join(", "));
}

#[test]
fn files_are_short() {
    let mut lengths: Vec<(usize, PathBuf)> = sources().into_iter().map(|(f, text)| (text.lines().count(), f)).collect();
    lengths.sort();
    let median = lengths[lengths.len() / 2].0;
    assert!(median <= MEDIAN, "half of the source files have more than {median} lines");
    let long: Vec<String> =
        lengths.iter().filter(|l| l.0 > LONGEST).map(|l| format!("{} has {} lines", l.1.display(), l.0)).collect();
    assert!(long.is_empty(), "at most {LONGEST} lines in a file: {}", long.join(", "));
}
