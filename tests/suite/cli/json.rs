//! `--json`: the shape of the results, and their numbers to six digits.

use super::{Place, snapshot};
use serde_json::{Value, json};

/// Times masked, numbers to six digits.
fn stable(value: &mut Value) {
    match value {
        Value::Object(map) => {
            for (key, inner) in map.iter_mut() {
                if key.ends_with("_ms") || key.ends_with("_ms_min") || key == "seconds" {
                    assert!(inner.as_f64().is_some_and(|x| x >= 0.0), "{key} is a time");
                    *inner = json!("time");
                } else {
                    stable(inner);
                }
            }
        }
        Value::Array(list) => list.iter_mut().for_each(stable),
        Value::Number(n) if n.is_f64() => {
            let x = n.as_f64().unwrap_or(f64::NAN);
            *value = json!(format!("{x:.5e}"));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn object(line: &str) -> Value {
    let mut value: Value = serde_json::from_str(line).unwrap();
    stable(&mut value);
    value
}

fn pretty(line: &str) -> String {
    serde_json::to_string_pretty(&object(line)).unwrap()
}

#[test]
fn check() {
    snapshot("check_json", &pretty(&Place::new().good("check lotka_volterra.node --json").out));
}

#[test]
fn grad() {
    let place = Place::new();
    snapshot("grad_json", &pretty(&place.good("grad lotka_volterra.node --json --repeat 3").out));
    let discrete = object(&place.good("grad decay.node --json").out);
    let backsolve = object(&place.good("grad decay.node --json --gradient backsolve").out);
    assert_eq!((&discrete["method"], &backsolve["method"]), (&json!("discrete"), &json!("backsolve")));
    // d/dk (exp(-k) - 0.2)^2 at k = 0.5
    let exact = -2.0 * ((-0.5_f64).exp() - 0.2) * (-0.5_f64).exp();
    for value in [discrete, backsolve] {
        let found: f64 = value["gradient"]["k"]["data"][0].as_str().unwrap().parse().unwrap();
        assert!((found - exact).abs() < 1e-5, "{found} is not {exact}");
    }
}

#[test]
fn check_of_gradients() {
    let ran = Place::new().good("grad lotka_volterra.node --check --json");
    let value: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(value["trusted"], json!(true));
    for method in ["discrete", "backsolve"] {
        let errors = value["check"][method]["max_relative_error"].as_object().unwrap();
        assert_eq!(errors.len(), 7);
        assert!(errors.values().all(|e| e.as_f64().is_some_and(|e| e < 1e-6)), "{errors:?}");
    }
}

/// Over 60 units of time the Lorenz system multiplies small changes by about e^(0.9·60): no method is believed, though two
/// of them may agree. Over one unit all is well.
#[test]
fn chaos_is_never_trusted() {
    let place = Place::new();
    let ran = place.run("grad lorenz.node --check --json");
    assert_eq!(ran.exit, 3, "{}", ran.err);
    let value: Value = serde_json::from_str(ran.out.lines().next().unwrap()).unwrap();
    assert_eq!(value["trusted"], json!(false));
    assert!(value["check"].as_object().unwrap().values().all(|m| m["trusted"] == json!(false)));
    assert!(value["sensitivity_growth"].as_f64().is_none_or(|g| g > 1e8), "{value}");
    let ran = place.run("grad lorenz.node --check");
    assert_eq!(ran.exit, 3);
    assert!(ran.err.contains("sensitivities grow without bound") && ran.err.contains("chaotic"), "{}", ran.err);
    let value: Value = serde_json::from_str(&place.good("grad lorenz_short.node --check --json").out).unwrap();
    assert_eq!(value["trusted"], json!(true));
    assert!(value["between_methods"][0]["max_relative_difference"].as_f64().unwrap() < 1e-6, "{value}");
}

#[test]
fn run() {
    let ran = Place::new().good("run lotka_volterra.node --json --points 3");
    snapshot("run_json", &pretty(&ran.out));
}

#[test]
fn train_ends_with_one_object_that_is_done() {
    let place = Place::new();
    let ran = place.good("train lotka_volterra.node --json --steps 3 --no-plots");
    let lines: Vec<Value> = ran.out.lines().map(object).collect();
    assert_eq!(lines.len(), 4, "{}", ran.out);
    for (line, step) in lines.iter().zip(1..=3) {
        assert_eq!(line["step"], json!(step));
        assert!(line["loss"].is_string() && line["metrics"].is_object());
    }
    assert_eq!(lines[3]["done"], json!(true));
    assert_eq!(lines[3]["params"]["sigma"]["shape"], json!([2]));
}

#[test]
fn errors_are_data() {
    let place = Place::new();
    for line in ["check empty.node --json", "train no_loss.node --json", "grad --json --frobnicate"] {
        let ran = place.run(line);
        assert_ne!(ran.exit, 0);
        assert!(ran.err.is_empty(), "{line}: {}", ran.err);
        let value: Value = serde_json::from_str(&ran.out).unwrap();
        assert!(value["errors"][0]["code"].as_str().is_some_and(|c| c.starts_with('N')), "{value}");
    }
}
