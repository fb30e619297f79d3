//! `gradient = forward` and `grad --hvp` as their user meets them.

use super::Place;
use pullback::train::params::{Precision, save};
use serde_json::Value;
use std::fs;

const DECAY: &str = "\
model Decay
param k: positive = 0.5
param s = 3
state x = s
x' = -k*x
loss = (x(2) - 1)^2
solve tsit5(rtol = 1e-10, atol = 1e-12), 0 .. 2
train adam(lr = 0.1, steps = 20)
";

fn place() -> Place {
    let place = Place::empty();
    fs::write(place.path("reverse.node"), DECAY).unwrap();
    fs::write(place.path("forward.node"), DECAY.replace("atol = 1e-12", "atol = 1e-12, gradient = forward")).unwrap();
    place
}

fn number(value: &Value) -> f64 {
    value["data"][0].as_f64().unwrap()
}

fn losses(place: &Place, folder: &str) -> Vec<f64> {
    let text = fs::read_to_string(place.path(folder).join("history.csv")).unwrap();
    let mut lines = text.lines();
    let column = lines.next().unwrap().split(',').position(|name| name == "loss").unwrap();
    lines.map(|line| line.split(',').nth(column).unwrap().parse().unwrap()).collect()
}

#[test]
fn training_with_tangents_has_the_losses_of_the_reverse() {
    let place = place();
    place.good("train reverse.node --no-plots");
    place.good("train forward.node --no-plots");
    let (reverse, forward) = (losses(&place, "reverse"), losses(&place, "forward"));
    assert!(reverse.len() >= 20 && reverse.len() == forward.len());
    assert!(reverse.last() < reverse.first());
    for (a, b) in reverse.iter().zip(&forward) {
        assert!((a - b).abs() <= 1e-10 * a.abs(), "{a} {b}");
    }
}

#[test]
fn the_method_is_an_option_of_the_command_too() {
    let place = place();
    let run = |line: &str| -> Value { serde_json::from_str(&place.good(line).out).unwrap() };
    let (reverse, forward) = (run("grad reverse.node --json"), run("grad reverse.node --json --gradient forward"));
    assert_eq!(forward["method"], "forward");
    assert_eq!(forward["stats"]["backward"]["vjp"], 0);
    for name in ["k", "s"] {
        let (a, b) = (number(&reverse["gradient"][name]), number(&forward["gradient"][name]));
        assert!((a - b).abs() <= 1e-12 * a.abs(), "{name}: {a} {b}");
    }
    let check = run("grad forward.node --json --check");
    assert_eq!((&check["method"], &check["trusted"]), (&"forward".into(), &true.into()));
    let columns: Vec<&String> = check["check"].as_object().unwrap().keys().collect();
    assert_eq!(columns, ["backsolve", "discrete", "forward", "interpolated"]);
}

/// With y = s e^(−2k): L = (y − 1)², ∂y/∂k = −2y, ∂y/∂s = y/s.
#[test]
fn a_product_with_the_hessian() {
    let place = place();
    let y = 3.0 * (-1.0_f64).exp();
    let curved = 2.0 * (y - 1.0);
    let mixed = (-4.0 * y * y - 2.0 * curved * y) / 3.0;
    let exact = [[8.0 * y * y + 4.0 * curved * y, mixed], [mixed, 2.0 * y * y / 9.0]];
    let check = |direction: &str, v: [f64; 2]| {
        let text = place.good(&format!("grad reverse.node --json --hvp {direction}")).out;
        let found: Value = serde_json::from_str(&text).unwrap();
        let slope = curved * (-2.0 * y * v[0] + y / 3.0 * v[1]);
        assert!((found["slope"].as_f64().unwrap() - slope).abs() < 1e-8, "{text}");
        for (k, name) in ["k", "s"].into_iter().enumerate() {
            assert!((number(&found["direction"][name]) - v[k]).abs() < 1e-15, "{text}");
            let product = exact[k][0] * v[0] + exact[k][1] * v[1];
            assert!((number(&found["hvp"][name]) - product).abs() < 1e-8, "{product}: {text}");
        }
        found
    };
    save(&place.path("both.safetensors"), &[("k", &[], &[0.4]), ("s", &[], &[-2.0])], Precision::F64, &[]).unwrap();
    check("both.safetensors", [0.4, -2.0]);
    save(&place.path("one.safetensors"), &[("k", &[], &[1.5])], Precision::F64, &[]).unwrap();
    check("one.safetensors", [1.5, 0.0]);
    let drawn: Value = serde_json::from_str(&place.good("grad reverse.node --json --seed 4 --hvp random").out).unwrap();
    let v = [number(&drawn["direction"]["k"]), number(&drawn["direction"]["s"])];
    check("random --seed 4", v);
    let shown = place.good("grad reverse.node --hvp one.safetensors").out;
    assert!(shown.contains("Hessian times v") && shown.contains("slope"), "{shown}");
}
