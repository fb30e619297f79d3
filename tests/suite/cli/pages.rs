//! Every page is in the program, and the README shows what the program says.

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

/// A text without the time that something took.
fn untimed(text: &str) -> Vec<String> {
    let timed = |line: &str| Some((line.find(" steps in ")?, line.find(": ")?));
    text.trim()
        .lines()
        .map(|line| match timed(line) {
            Some((from, to)) => format!("{} steps{}", &line[..from], &line[to..]),
            None => line.to_owned(),
        })
        .collect()
}

#[test]
fn the_readme_shows_what_the_program_says() {
    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    let (_, shown) = readme.split_once("<!-- output -->\n```text\n").unwrap();
    let (shown, _) = shown.split_once("```\n<!-- /output -->").unwrap();
    let ran = Place::new().good("train lotka_volterra.node --no-plots");
    let (said, _) = ran.out.split_once("\n\n  written: ").unwrap();
    assert_eq!(untimed(shown), untimed(&format!("{}{said}", ran.err)));
}
