//! Wrong models of the later stages: the folder names the stage, the file the code, the snapshot what a user reads.

use pullback::diag::render;
use pullback::load::{Request, load};
use std::path::PathBuf;

fn programs(stage: &str) -> Vec<PathBuf> {
    let folder = format!("tests/suite/errors/{stage}");
    let mut paths: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    paths.retain(|p| p.extension().is_some_and(|e| e == "node"));
    paths.sort();
    paths
}

fn check(stage: &str) {
    for path in programs(stage) {
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let code = name.split('_').next().unwrap_or_default().to_uppercase();
        // An end is needed only where a whole trajectory is asked for.
        let trajectory = (code == "N0413").then_some(10);
        let found = load(&Request { path: path.clone(), with_data: true, trajectory, ..Request::default() });
        let (problems, sources) = match found {
            Ok(loaded) => (loaded.warnings, loaded.sources),
            Err(refused) => (refused.problems, refused.sources),
        };
        let text = render(&problems, &sources, false);
        assert!(stage == "data" || problems.iter().any(|d| d.code == code), "{name} does not report {code}:\n{text}");
        assert!(stage != "data" || problems.iter().any(|d| d.code.starts_with("N05")), "{name}:\n{text}");
        let folder = format!("../../snapshots/{stage}");
        insta::with_settings!({ snapshot_path => folder, prepend_module_to_snapshot => false }, {
            insta::assert_snapshot!(name, text);
        });
    }
}

#[test]
fn names() {
    check("names");
}

#[test]
fn shapes() {
    check("shapes");
}

#[test]
fn domains() {
    check("domains");
}

#[test]
fn data() {
    check("data");
}
