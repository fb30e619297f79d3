//! Wrong command lines, files and numbers: message and exit code of each.

use super::{Place, snapshot};
use std::fs;

/// Name, command line, exit code.
const LINES: &[(&str, &str, i32)] = &[
    ("no_command", "frobnicate", 2),
    ("flag", "train lotka_volterra.node --stesp 3", 2),
    ("no_file", "train", 2),
    ("threads_zero", "train lotka_volterra.node --threads 0", 2),
    ("threads_word", "train lotka_volterra.node --threads many", 2),
    ("precision", "grad lotka_volterra.node --precision f16", 2),
    ("seed", "grad lotka_volterra.node --seed -1", 2),
    ("repeat_zero", "grad lotka_volterra.node --repeat 0", 2),
    ("method", "grad lotka_volterra.node --gradient adjoint", 2),
    ("set_without_value", "train lotka_volterra.node --set alpha", 2),
    ("set_word", "train lotka_volterra.node --set alpha=big", 2),
    ("set_nan", "train lotka_volterra.node --set alpha=nan", 2),
    ("set_unknown", "train lotka_volterra.node --set alhpa=1", 2),
    ("set_outside", "train lotka_volterra.node --set alpha=-1", 1),
    ("steps_zero", "train lotka_volterra.node --steps 0", 2),
    ("steps_and_epochs", "train lotka_volterra.node --steps 1 --epochs 1", 2),
    ("out_file", "train lotka_volterra.node --out file", 2),
    ("model_missing", "train lotka_voltera.node", 1),
    ("model_folder", "check .", 1),
    ("model_empty", "check empty.node", 1),
    ("not_separable", "check friction.node", 1),
    ("model_bytes", "check bytes.node", 1),
    ("data_missing", "train lotka_volterra.node --data hares.csv", 1),
    ("data_without_item", "train decay.node --data hare_lynx.csv", 1),
    ("inputs_without_data", "train input.node", 1),
    ("loss_missing", "train no_loss.node", 1),
    ("loss_missing_grad", "grad no_loss.node", 1),
    ("loss_nan", "grad nan.node", 3),
    ("loss_nan_train", "train nan.node --steps 10", 3),
    ("blow_up", "grad blow_up.node", 3),
    ("blow_up_run", "run blow_up.node", 3),
    ("blow_up_bench", "bench blow_up.node --repeat 1", 3),
    ("nothing_to_run", "run nothing.node", 1),
    ("sample", "run lotka_volterra.node --sample 5", 2),
    ("split", "eval lotka_volterra.node --split test", 2),
    ("params_missing", "eval lotka_volterra.node --params none.safetensors", 1),
    ("params_text", "eval lotka_volterra.node --params hare_lynx.csv", 1),
    ("params_of_another", "eval lotka_volterra.node --params decay/params.safetensors", 1),
    ("params_truncated", "eval decay.node --params cut.safetensors", 1),
    ("params_outside", "eval decay.node --params outside.safetensors", 1),
    ("resume_of_another", "train decay.node --resume --out other --steps 3", 1),
    ("stage", "show decay.node --stage ast", 2),
    ("no_stage", "show decay.node", 2),
    ("layout", "fmt --check ugly.node", 1),
    ("code", "explain N9999", 2),
    ("new_exists", "new decay", 2),
    ("new_name", "new 7", 2),
];

#[test]
fn messages() {
    let place = Place::new();
    place.good("train decay.node --steps 3 --no-plots");
    place.good("train lotka_volterra.node --steps 3 --no-plots --out other");
    let whole = fs::read(place.path("decay/params.safetensors")).unwrap();
    fs::write(place.path("cut.safetensors"), &whole[..whole.len() - 3]).unwrap();
    let mut negative = whole.clone();
    // The last byte of a little-endian number holds its sign.
    *negative.last_mut().unwrap() |= 0x80;
    fs::write(place.path("outside.safetensors"), negative).unwrap();
    let mut text = String::new();
    for (name, line, exit) in LINES {
        let ran = place.run(line);
        assert_eq!(ran.exit, *exit, "{name}: pullback {line}\n{}\n{}", ran.out, ran.err);
        assert!(!ran.err.is_empty(), "{name} says nothing");
        text.push_str(&format!("## {name}\n$ pullback {line}\n{}[exit code {exit}]\n\n", ran.err));
    }
    snapshot("wrong", &text);
}

#[cfg(unix)]
#[test]
fn a_folder_that_may_not_be_written() {
    use std::os::unix::fs::PermissionsExt;
    let place = Place::new();
    let folder = place.path("locked");
    fs::create_dir(&folder).unwrap();
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o555)).unwrap();
    if tempfile::tempfile_in(&folder).is_ok() {
        // The superuser may write everywhere.
        return;
    }
    let ran = place.run("train decay.node --out locked");
    assert_eq!(ran.exit, 2);
    assert!(ran.err.contains("N0806"), "{}", ran.err);
}
