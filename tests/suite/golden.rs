//! Losses and gradients against values on which two other tools agree (tests/golden/golden.json, made at tolerance
//! 1e-12 in double precision).

use crate::graphs::Rng;
use pullback::compile::{Settings, compile, lanes_for};
use pullback::data::write_npz;
use pullback::load::{Request, load};
use pullback::lower::Gradient;
use pullback::model::{Batch, unconstrain};
use serde_json::Value;

/// `n` values, uniform in ±bound.
fn symmetric(rng: &mut Rng, n: usize, bound: f64) -> Vec<f64> {
    (0..n).map(|_| (2.0 * rng.unit() - 1.0) * bound).collect()
}

/// Weights and biases of a network, bound 1/√inputs.
fn linear(rng: &mut Rng, sizes: &[usize]) -> Vec<Vec<f64>> {
    let mut out = Vec::new();
    for w in sizes.windows(2) {
        let bound = 1.0 / (w[0] as f64).sqrt();
        out.push(symmetric(rng, w[0] * w[1], bound));
        out.push(symmetric(rng, w[1], bound));
    }
    out
}

fn spiral_true() -> Vec<[f64; 2]> {
    let text = std::fs::read_to_string("tests/golden/spiral_true.csv").unwrap();
    let row = |line: &str| {
        let cells: Vec<f64> = line.split(',').map(|c| c.parse().unwrap()).collect();
        [cells[1], cells[2]]
    };
    text.lines().skip(1).map(row).collect()
}

/// A workload: parameters and (name, shape, values) of the data.
type Workload = (Vec<Vec<f64>>, Vec<(&'static str, Vec<usize>, Vec<f64>)>);

fn workload(name: &str) -> Workload {
    match name {
        "spiral" => {
            let mut rng = Rng(1);
            let bound = 0.1 * 3.0_f64.sqrt();
            let w1 = symmetric(&mut rng, 100, bound);
            let w2 = symmetric(&mut rng, 100, bound);
            let truth = spiral_true();
            let starts: Vec<usize> = (0..20).map(|k| (47 * k) % 990).collect();
            let y0 = starts.iter().flat_map(|&s| truth[s]).collect();
            let target = starts.iter().flat_map(|&s| (0..10).flat_map(move |j| [s + j])).flat_map(|i| truth[i]).collect();
            let data = vec![("y0", vec![20, 2], y0), ("target", vec![20, 10, 2], target)];
            (vec![w1, vec![0.0; 50], w2, vec![0.0; 2]], data)
        }
        "spiral_long" => {
            let text = std::fs::read_to_string("tests/golden/spiral_trained.json").unwrap();
            let json: Value = serde_json::from_str(&text).unwrap();
            let params = ["w1", "b1", "w2", "b2"].iter().map(|k| numbers(&json[k])).collect();
            let target = spiral_true().into_iter().flatten().collect();
            (params, vec![("y0", vec![1, 2], vec![2.0, 0.0]), ("target", vec![1, 1000, 2], target)])
        }
        "lotka_volterra" => {
            let params = vec![vec![1.5], vec![1.0], vec![3.0], vec![1.0]];
            (params, vec![("y0", vec![1, 2], vec![1.0, 1.0])])
        }
        "cnf2d" => {
            let z = symmetric(&mut Rng(3), 1024, 2.0);
            let s0 = z.chunks(2).flat_map(|p| [p[0], p[1], 0.0]).collect();
            (linear(&mut Rng(2), &[3, 64, 64, 2]), vec![("s0", vec![512, 3], s0)])
        }
        _ => {
            let y0 = symmetric(&mut Rng(5), 128 * 64, 1.0);
            (linear(&mut Rng(4), &[64, 256, 256, 64]), vec![("y0", vec![128, 64], y0)])
        }
    }
}

fn numbers(value: &Value) -> Vec<f64> {
    match value {
        Value::Array(list) => list.iter().flat_map(numbers).collect(),
        other => vec![other.as_f64().unwrap()],
    }
}

/// Compares an array with its summary; the largest difference relative to the array's size.
fn difference(found: &[f64], summary: &Value) -> f64 {
    let l2 = found.iter().map(|x| x * x).sum::<f64>().sqrt();
    if let Some(values) = summary.get("values") {
        let golden = numbers(values);
        let top = golden.iter().fold(0.0_f64, |m, x| m.max(x.abs()));
        return found.iter().zip(&golden).fold(0.0, |m, (a, b)| f64::max(m, (a - b).abs())) / top;
    }
    let number = |k: &str| summary[k].as_f64().unwrap();
    let projection: Vec<f64> = symmetric(&mut Rng(summary["projection_seed"].as_u64().unwrap()), found.len(), 1.0);
    let dot: f64 = found.iter().zip(&projection).map(|(a, b)| a * b).sum();
    let mut worst = (l2 - number("l2")).abs() / l2;
    worst = worst.max((dot - number("projection")).abs() / l2);
    worst = worst.max((found.iter().sum::<f64>() - number("sum")).abs() / l2);
    for (a, b) in found.iter().zip(numbers(&summary["first8"])) {
        worst = worst.max((a - b).abs() / l2);
    }
    let last = &found[found.len() - 8..];
    last.iter().zip(numbers(&summary["last8"])).fold(worst, |m, (a, b)| m.max((a - b).abs() / l2))
}

fn check(name: &str, gradient: Gradient) {
    let golden: Value = serde_json::from_str(&std::fs::read_to_string("tests/golden/golden.json").unwrap()).unwrap();
    let golden = &golden["workloads"][name];
    let (params, data) = workload(name);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("data.npz");
    let arrays: Vec<(&str, &[usize], &[f64])> = data.iter().map(|d| (d.0, d.1.as_slice(), d.2.as_slice())).collect();
    write_npz(&file, &arrays).unwrap();
    let path = format!("benches/models/{name}.node").into();
    let request = Request { path, data: Some(file), with_data: true, ..Request::default() };
    let mut loaded =
        load(&request).unwrap_or_else(|r| panic!("{}", pullback::diag::render(&r.problems, &r.sources, false)));
    for system in &mut loaded.lowered.systems {
        (system.options.rtol, system.options.atol, system.gradient) = (1e-12, 1e-12, gradient);
    }
    let set = loaded.data.unwrap();
    let raw = unconstrain(&loaded.lowered, &params);
    let lanes = lanes_for(&loaded.lowered, set.len);
    let settings = Settings { lanes, inputs: true, ..Settings::default() };
    let model = compile::<f64>(loaded.lowered, &settings).unwrap();
    let samples: Vec<usize> = (0..set.len).collect();
    let batch = Batch { data: Some(&set), samples: &samples, seed: 0, step: 0 };
    let found = model.evaluate(model.gradient.as_ref().unwrap(), &raw, &batch);
    assert!(found.dropped.is_empty(), "{:?}", found.dropped);
    let loss = golden["loss"].as_f64().unwrap();
    let mut worst = vec![(found.loss - loss).abs() / loss.abs()];
    worst.push(difference(&found.inputs[0], &golden["dy0"]));
    let parameters: Vec<f64> = found.natural.concat();
    if golden["dparams"].as_array().unwrap().len() == 1 {
        worst.push(difference(&parameters, &golden["dparams"][0]));
    } else {
        worst.extend(found.natural.iter().zip(golden["dparams"].as_array().unwrap()).map(|(f, g)| difference(f, g)));
    }
    eprintln!("{name} {gradient:?}: {worst:?}");
    assert!(worst.iter().all(|w| *w < 1e-8), "{name} {gradient:?}: {worst:?}");
}

macro_rules! golden {
    ($($test:ident $backsolve:ident $name:literal;)*) => {$(
        #[test]
        fn $test() {
            check($name, Gradient::Discrete);
        }
        #[test]
        fn $backsolve() {
            check($name, Gradient::Backsolve);
        }
    )*};
}

golden! {
    spiral spiral_backsolve "spiral";
    spiral_long spiral_long_backsolve "spiral_long";
    lotka_volterra lotka_volterra_backsolve "lotka_volterra";
    cnf2d cnf2d_backsolve "cnf2d";
    mlp_wide mlp_wide_backsolve "mlp_wide";
}
