//! `--help` of every command.

use super::{Place, snapshot};

#[test]
fn help() {
    let place = Place::new();
    let mut text = String::new();
    for command in ["", "new", "check", "train", "run", "eval", "grad", "show", "fmt", "explain", "bench"] {
        let ran = place.good(&format!("{command} --help"));
        assert!(ran.err.is_empty());
        text.push_str(&format!("$ pullback {command} --help\n{}\n", ran.out));
    }
    snapshot("help", &text);
}
