//! Every page is in the program.

use super::Place;
use pullback::cli::PAGES;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

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
