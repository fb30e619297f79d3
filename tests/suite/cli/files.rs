//! What commands write.

use super::Place;
use std::fs;

#[test]
fn train_writes_what_run_and_eval_read() {
    let place = Place::new();
    let ran = place.good("train lotka_volterra.node");
    for name in ["params.safetensors", "history.csv", "checkpoint", "loss.svg", "loss.png", "fit.svg", "fit.png"] {
        assert!(ran.out.contains(name), "{name} is not announced:\n{}", ran.out);
        assert!(fs::metadata(place.path("lotka_volterra").join(name)).unwrap().len() > 100, "{name}");
    }
    let params = "--params lotka_volterra/params.safetensors";
    let ran = place.good(&format!("eval lotka_volterra.node {params} --json"));
    let value: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    assert!(value["loss"].as_f64().unwrap() < -4.1, "{value}");
    place.good(&format!("run lotka_volterra.node {params} --points 11"));
    let table = fs::read_to_string(place.path("lotka_volterra/trajectory.csv")).unwrap();
    assert_eq!(table.lines().next(), Some("sample,t,x,y"));
    assert_eq!(table.lines().count(), 12);
    place.good(&format!("run lotka_volterra.node {params} --format npz"));
    assert!(fs::read(place.path("lotka_volterra/trajectory.npz")).unwrap().starts_with(b"PK"));
}

#[test]
fn resuming_gives_the_same_bits() {
    let place = Place::new();
    place.good("train decay.node --steps 40 --no-plots --out whole");
    place.good("train decay.node --steps 15 --no-plots --out parts");
    place.good("train decay.node --steps 40 --no-plots --out parts --resume");
    let read = |folder: &str| fs::read(place.path(folder).join("params.safetensors")).unwrap();
    assert_eq!(read("whole"), read("parts"));
}

#[test]
fn threads_do_not_change_a_bit() {
    let place = Place::new();
    place.good("new spiral");
    place.good("train spiral.node --steps 3 --no-plots --threads 1 --out one");
    place.good("train spiral.node --steps 3 --no-plots --threads 2 --out two");
    let read = |folder: &str| fs::read(place.path(folder).join("params.safetensors")).unwrap();
    assert_eq!(read("one"), read("two"));
}

#[test]
fn a_new_model_learns() {
    let place = Place::new();
    place.good("new spiral");
    let loss = |line: &str| {
        let value: serde_json::Value = serde_json::from_str(&place.good(line).out).unwrap();
        value["loss"].as_f64().unwrap()
    };
    let before = loss("eval spiral.node --json");
    place.good("train spiral.node --steps 200 --no-plots");
    let after = loss("eval spiral.node --json --params spiral/params.safetensors");
    assert!(after < 0.3 * before, "{after} after {before}");
    assert_eq!(place.run("fmt --check spiral.node").exit, 0, "the template is in the canonical layout");
}

#[test]
fn fmt_rewrites_once() {
    let place = Place::new();
    place.good("fmt ugly.node");
    let text = fs::read_to_string(place.path("ugly.node")).unwrap();
    assert_eq!(text, "model Ugly\nparam p = 1\nloss = p^2\n");
    place.good("fmt --check ugly.node");
}

#[test]
fn single_precision() {
    let place = Place::new();
    place.good("train decay.node --steps 2 --precision f32 --no-plots");
    let bytes = fs::read(place.path("decay/params.safetensors")).unwrap();
    assert!(String::from_utf8_lossy(&bytes).contains("F32"));
    place.good("grad decay.node --precision f32 --check");
}

#[test]
fn every_stage_and_bench() {
    let place = Place::new();
    for stage in ["syntax", "program", "graph", "adjoint", "optimised", "clif", "asm"] {
        let ran = place.good(&format!("show decay.node --stage {stage}"));
        assert!(ran.out.lines().count() > 3, "{stage}: {}", ran.out);
    }
    assert!(place.good("show decay.node --stage asm --target x86").out.contains("ret"));
    let value: serde_json::Value = serde_json::from_str(&place.good("bench decay.node --json --repeat 2").out).unwrap();
    assert!(value["kernels"].as_array().is_some_and(|k| k.len() == 2), "{value}");
    assert!(value["compile_ms"].as_f64().is_some_and(|ms| ms > 0.0));
}

/// A pull-back without a result, and a component without an error or a scale.
#[test]
fn nothing_to_do() {
    let place = Place::new();
    let text = "param a = 1\nstate z = a\nz' = 1\nloss = z(1)\nsolve dopri5, 0 .. 1\n";
    std::fs::write(place.folder.path().join("ramp.node"), text).unwrap();
    place.good("bench ramp.node --repeat 2");
    let text = "param a = 1\nstate x = 0\nstate y = a\nx' = 1e-9*x*y\ny' = -1e-12*y\nloss = y(1e12)\n\
        solve dopri5(atol = 0, rtol = 1e-3), 0 .. 1e12\n";
    std::fs::write(place.folder.path().join("slow.node"), text).unwrap();
    for precision in ["f32", "f64"] {
        let ran = place.good(&format!("grad slow.node --json --precision {precision}"));
        let value: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
        let work = &value["stats"]["forward"];
        assert!(work["accepted"].as_u64() < Some(30) && work["rejected"].as_u64() == Some(0), "{precision}: {work}");
    }
}
