//! Wrong files, folders and options that only a command meets: each case is named after its code, and its snapshot is
//! what a user reads.

mod checkpoints;
mod models;
mod parameters;

use crate::cli::Place;
use std::fs;

/// One thing that goes wrong.
struct Case {
    /// The code in small letters and what is wrong.
    name: &'static str,
    /// Puts into the folder what the command finds there.
    prepare: fn(&Place),
    /// The command.
    line: &'static str,
    exit: i32,
}

/// A model that trains in three steps.
const DECAY: &str = "\
model Decay
param k: positive = 0.5
state x = 1
x' = -k*x
loss = (x(1) - 0.2)^2
solve 0 .. 1
train adam(lr = 0.01, steps = 3)
";

fn write(place: &Place, name: &str, contents: impl AsRef<[u8]>) {
    fs::write(place.path(name), contents).unwrap();
}

fn folder(place: &Place, name: &str) {
    fs::create_dir_all(place.path(name)).unwrap();
}

/// The model after its training.
fn trained(place: &Place) {
    write(place, "decay.node", DECAY);
    place.good("train decay.node --no-plots");
}

fn check(cases: &[Case]) {
    for case in cases {
        let place = Place::empty();
        (case.prepare)(&place);
        // Only the drawing of a density takes temporary files of the system.
        let ran = place.run_in(&[("TMPDIR", "/missing")], case.line);
        let (name, line) = (case.name, case.line);
        let text = format!("$ pullback {line}\n{}{}[exit code {}]\n", ran.out, ran.err, ran.exit);
        let code = name.split('_').next().unwrap_or_default().to_uppercase();
        assert!(ran.exit == case.exit && ran.err.contains(&format!("error[{code}]")), "{name}\n{text}");
        snapshot(name, &text);
    }
}

/// Compares with `tests/snapshots/commands/NAME.snap`.
pub(super) fn snapshot(name: &str, text: &str) {
    insta::with_settings!({ snapshot_path => "../../../snapshots/commands", prepend_module_to_snapshot => false }, {
        insta::assert_snapshot!(name, text);
    });
}
