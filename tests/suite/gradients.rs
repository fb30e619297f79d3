//! The thin path: a file to a gradient.

use pullback::compile::{Settings, compile};
use pullback::load::{Request, load};
use pullback::model::{Batch, initial, unconstrain};

#[test]
fn lotka_volterra_gradient_matches_differences() {
    let loaded = load(&Request { path: "examples/lotka_volterra.node".into(), with_data: true, ..Request::default() })
        .unwrap_or_else(|r| panic!("{}", pullback::diag::render(&r.problems, &r.sources, false)));
    let mut loaded = loaded;
    for system in &mut loaded.lowered.systems {
        (system.options.rtol, system.options.atol) = (1e-11, 1e-13);
    }
    let natural = initial(&loaded.lowered, 0);
    let raw = unconstrain(&loaded.lowered, &natural);
    let model = compile::<f64>(loaded.lowered, &Settings::default()).unwrap();
    let batch = Batch { data: loaded.data.as_ref(), samples: &[0], seed: 0, step: 0 };
    let found = model.evaluate(model.gradient.as_ref().unwrap(), &raw, &batch);
    eprintln!("{} {:?} {:?}", found.loss, found.raw, found.dropped);
    let value = |raw: &[f64]| model.evaluate(model.value.as_ref().unwrap(), raw, &batch).loss;
    for k in 0..raw.len() {
        let (mut up, mut down) = (raw.clone(), raw.clone());
        up[k] += 1e-5;
        down[k] -= 1e-5;
        let difference = (value(&up) - value(&down)) / 2e-5;
        assert!(
            (difference - found.raw[k]).abs() < 1e-5 * (1.0 + difference.abs()),
            "{k}: {difference} {}",
            found.raw[k]
        );
    }
}

/// Every gradient method against finite differences, for every example with a loss and the small models of the benches.
#[test]
fn of_every_example_agree_with_differences() {
    let mut checked = 0;
    let folders = ["examples", "benches/models/native"].map(|folder| std::fs::read_dir(folder).unwrap());
    for entry in folders.into_iter().flatten() {
        let path = entry.unwrap().path();
        let is_model = path.extension().is_some_and(|e| e == "node");
        if !is_model || !std::fs::read_to_string(&path).unwrap().contains("loss =") {
            continue;
        }
        let run = std::process::Command::new(env!("CARGO_BIN_EXE_pullback"))
            .args(["grad", "--check"])
            .arg(&path)
            .output()
            .unwrap();
        let shown = String::from_utf8_lossy(&run.stdout);
        assert!(run.status.success(), "{}:\n{shown}\n{}", path.display(), String::from_utf8_lossy(&run.stderr));
        checked += 1;
    }
    assert!(checked >= 12, "{checked} examples");
}

/// The same seed gives the same bits, whatever the number of threads.
#[test]
fn have_the_same_bits_for_any_number_of_threads() {
    let gradient = |threads: usize| {
        let request = Request { path: "examples/moons.node".into(), ..Request::default() };
        let loaded = load(&request).unwrap_or_else(|_| panic!("moons.node loads"));
        let raw = unconstrain(&loaded.lowered, &initial(&loaded.lowered, 3));
        let settings = Settings { lanes: 16, threads, ..Settings::default() };
        let model = compile::<f64>(loaded.lowered, &settings).unwrap();
        let samples: Vec<usize> = (0..100).collect();
        let batch = Batch { data: None, samples: &samples, seed: 7, step: 5 };
        let found = model.evaluate(model.gradient.as_ref().unwrap(), &raw, &batch);
        (found.loss.to_bits(), found.raw.iter().map(|x| x.to_bits()).collect::<Vec<u64>>())
    };
    assert_eq!(gradient(1), gradient(2));
}

/// Ragged output times, a positive state, a known jump, a network, dropout of times for some samples: in both precisions.
const MIXED: &str = "\
model Mixed
use nn
param c: positive = 0.5
noise e: [] ~ uniform(0.5, 2)
net f: [2] -> [2] = dense(6) |> tanh |> dense(2)
state x: positive = 1.5*e
state z: [2] = [e, -0.3]
x' = x*(c - 0.3*x) + (if t < 1.2 then 0 else 0.4*sin(3*t))
z' = f(z) + [0.2*x, cos(t)]
loss = (x(0.7*e) - 1)^2 + sum(z([2.5*e, 0, e])^2)
";

#[test]
fn interpolated_agrees_with_discrete() {
    fn gradient<T: pullback::model::Number>(solver: &str, lanes: usize) -> Vec<f64> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("model.node");
        std::fs::write(&file, format!("{MIXED}solve {solver}, 0 .. 5\n")).unwrap();
        let loaded = load(&Request { path: file, ..Request::default() })
            .unwrap_or_else(|r| panic!("{}", pullback::diag::render(&r.problems, &r.sources, false)));
        let raw = unconstrain(&loaded.lowered, &initial(&loaded.lowered, 3));
        let model = compile::<T>(loaded.lowered, &Settings { lanes, ..Settings::default() }).unwrap();
        let batch = Batch { data: None, samples: &[0, 1, 2, 3, 4], seed: 7, step: 5 };
        let found = model.evaluate(model.gradient.as_ref().unwrap(), &raw, &batch);
        assert!(found.dropped.is_empty(), "{:?}", found.dropped);
        found.raw
    }
    let exact = gradient::<f64>("dopri8(rtol = 1e-11, atol = 1e-11)", 4);
    let size = exact.iter().map(|x| x.abs()).fold(0.0, f64::max);
    let off = |found: &[f64]| found.iter().zip(&exact).map(|(x, y)| (x - y).abs()).fold(0.0, f64::max) / size;
    for method in ["bosh3", "dopri5", "tsit5", "vern7", "dopri8", "adams"] {
        for (rest, lanes) in [("", 1), ("", 4), (", stops = [1.2]", 4)] {
            let given = |rtol: &str| format!("{method}(rtol = {rtol}, atol = {rtol}, gradient = interpolated{rest})");
            let (double, single) =
                (off(&gradient::<f64>(&given("1e-8"), lanes)), off(&gradient::<f32>(&given("1e-5"), lanes)));
            eprintln!("{method}{rest}, {lanes} lanes: {double:e} {single:e}");
            assert!(double < 1e-6, "{method}{rest}, {lanes} lanes: {double:e}");
            assert!(single < 1e-3, "{method}{rest}, {lanes} lanes: {single:e}");
        }
    }
}
