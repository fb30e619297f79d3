//! The parser, the printer and the formatter on whole programs, on random expressions and on damaged text.

mod format;
mod hostile;
mod precedence;
mod round_trip;

use std::fs;
use std::path::{Path, PathBuf};

/// Every program of `tests/programs`, with its name.
pub fn programs() -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/programs");
    let mut paths: Vec<PathBuf> = fs::read_dir(folder).expect("programs").map(|e| e.expect("entry").path()).collect();
    paths.sort();
    assert!(paths.len() >= 4, "the programs of the language reference are missing");
    paths.into_iter().map(|p| (p.display().to_string(), fs::read_to_string(&p).expect("text"))).collect()
}

/// A debug print without places: two equal trees print the same.
pub fn shape(tree: &impl std::fmt::Debug) -> String {
    let text = format!("{tree:?}");
    let mut out = String::with_capacity(text.len());
    let mut rest = text.as_str();
    while let Some(at) = rest.find("span: ") {
        out.push_str(&rest[..at]);
        rest = rest[at + 6..].trim_start_matches(|c: char| c.is_ascii_digit() || matches!(c, ':' | '.'));
    }
    out + rest
}
