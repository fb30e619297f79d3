//! Every code of the source stands in a table, has a page, and some snapshot shows it to its reader.

use pullback::cli::PAGES;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// The tables of the stages, in the order of their codes.
const TABLES: &[&[(&str, &str)]] = &[
    pullback::syntax::CODES,
    pullback::check::CODES,
    pullback::data::CODES,
    pullback::train::CODES,
    pullback::compile::CODES,
    pullback::cli::CODES,
];

/// Codes that no test can provoke, and why.
const EXEMPT: &[(&str, &str)] =
    &[("N0701", "needs a machine without a code generator, or a system that forbids executable memory")];

/// Calls `see` with every file below a folder whose name ends like this.
fn visit(folder: &Path, ending: &str, see: &mut dyn FnMut(&Path, &str)) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            visit(&path, ending, see);
        } else if path.to_string_lossy().ends_with(ending) {
            see(&path, &fs::read_to_string(&path).unwrap());
        }
    }
}

/// The codes that stand between these two texts.
fn between(text: &str, before: &str, after: &str) -> Vec<String> {
    let is_code = |c: &str| c.len() == 5 && c.starts_with('N') && c.bytes().skip(1).all(|b| b.is_ascii_digit());
    let parts = text.split(before).skip(1);
    parts.filter_map(|p| p.split_once(after)).map(|p| p.0.to_owned()).filter(|c| is_code(c)).collect()
}

#[test]
fn every_code_has_a_page_and_a_snapshot() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut problems = Vec::new();
    let mut titles = BTreeMap::new();
    for (code, title) in TABLES.iter().copied().flatten() {
        if titles.insert((*code).to_owned(), *title).is_some() {
            problems.push(format!("{code} stands in two tables"));
        }
    }

    let pages: BTreeMap<&str, &str> = PAGES.iter().copied().collect();
    assert_eq!(pages.len(), PAGES.len(), "a page is listed twice");
    for (code, title) in &titles {
        let head = format!("# {code}: {title}\n");
        if !pages.get(code.as_str()).is_some_and(|page| page.starts_with(&head)) {
            problems.push(format!("{code} has no page that begins with `{}`", head.trim_end()));
        }
    }
    let stray = pages.keys().filter(|code| !titles.contains_key(**code));
    problems.extend(stray.map(|code| format!("{code} has a page, but stands in no table")));

    let mut shown = BTreeSet::new();
    visit(&root.join("tests/snapshots"), ".snap", &mut |_, text| {
        for severity in ["error[", "warning["] {
            shown.extend(between(text, severity, "]"));
        }
    });
    let exempt: BTreeSet<String> = EXEMPT.iter().map(|(code, _)| (*code).to_owned()).collect();
    for code in titles.keys().filter(|code| shown.contains(*code) == exempt.contains(*code)) {
        let shown = if exempt.contains(code) { "is exempt, but a snapshot shows it" } else { "is in no snapshot" };
        problems.push(format!("{code} {shown}"));
    }

    // Unit tests may make up codes of their own.
    visit(&root.join("src"), ".rs", &mut |path, text| {
        let test = path.components().any(|c| c.as_os_str() == "tests" || c.as_os_str() == "tests.rs");
        let used = between(text, "\"", "\"").into_iter().filter(|code| !test && !titles.contains_key(code));
        problems.extend(used.map(|code| format!("{} uses {code}, which stands in no table", path.display())));
    });
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}
