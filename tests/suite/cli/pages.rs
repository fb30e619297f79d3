//! Every code has a page, and every page is in the program.

use super::Place;
use pullback::cli::{CODES, PAGES};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

#[test]
fn every_code_has_a_page() {
    let tables = [pullback::syntax::CODES, pullback::check::CODES, pullback::data::CODES, CODES];
    let listed: BTreeSet<&str> = PAGES.iter().map(|(code, _)| *code).collect();
    assert_eq!(listed.len(), PAGES.len(), "a page is listed twice");
    for (code, title) in tables.into_iter().flatten() {
        assert!(listed.contains(code), "{code} ({title}) has no page");
    }
    for (code, page) in PAGES {
        assert!(page.starts_with(&format!("# {code}: ")), "the page of {code} begins with its title");
    }
}

#[test]
fn every_page_is_listed() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/errors");
    let on_disk: BTreeSet<String> = fs::read_dir(folder)
        .unwrap()
        .filter_map(|e| e.unwrap().file_name().to_str()?.strip_suffix(".md").map(str::to_owned))
        .filter(|name| name.starts_with('N'))
        .collect();
    assert_eq!(on_disk, PAGES.iter().map(|(code, _)| (*code).to_owned()).collect());
}

#[test]
fn explain() {
    let place = Place::new();
    assert!(place.good("explain n0203").out.starts_with("# N0203: "));
    assert_eq!(place.good("explain").out.lines().count(), PAGES.len());
}
