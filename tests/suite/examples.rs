//! The examples, trained: a short form by default, the stated results with `--ignored` (`just slow`).

use pullback::compile::{Settings, compile, lanes_for};
use pullback::load::{Loaded, Request, load};
use pullback::model::{Batch, Model, ModelObjective, ObjectiveSetup, initial, unconstrain};
use pullback::train::{Job, Length, train};
use std::sync::atomic::AtomicBool;
use std::time::Instant;

struct Trained {
    model: Model<f64>,
    raw: Vec<f64>,
    loss: f64,
    seconds: f64,
}

fn open(name: &str, set: &[(&str, f64)]) -> Loaded {
    let path = format!("examples/{name}.node").into();
    let set = set.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect();
    load(&Request { path, set, with_data: true, ..Request::default() })
        .unwrap_or_else(|r| panic!("{}", pullback::diag::render(&r.problems, &r.sources, false)))
}

/// Trains an example as its file says, or for fewer steps.
fn run(name: &str, steps: Option<u64>) -> Trained {
    run_set(name, steps, &[])
}

/// The same with values of `--set`.
fn run_set(name: &str, steps: Option<u64>, set: &[(&str, f64)]) -> Trained {
    let loaded = open(name, set);
    let mut spec = loaded.lowered.train.clone().unwrap();
    if let Some(steps) = steps {
        spec.length = Length::Steps(steps);
    }
    let raw = unconstrain(&loaded.lowered, &initial(&loaded.lowered, spec.seed));
    let samples = loaded.data.as_ref().map_or(spec.batch.unwrap_or(1), |d| spec.batch.unwrap_or(d.len).min(d.len));
    let lanes = lanes_for(&loaded.lowered, samples);
    let model = compile::<f64>(loaded.lowered, &Settings { lanes, threads: 2, ..Settings::default() }).unwrap();
    let setup = ObjectiveSetup { train: loaded.data, validation: None, validation_draws: 0, seed: spec.seed };
    let stop = AtomicBool::new(false);
    let job = Job { spec: &spec, model: 0, checkpoint: None, history: None, resume: false, stop: &stop };
    let mut params = raw;
    let start = Instant::now();
    let report = train(&mut ModelObjective::new(&model, setup), &mut params, &job, &mut ()).unwrap();
    let seconds = start.elapsed().as_secs_f64();
    let loss = report.loss.unwrap();
    eprintln!("{name}: loss {loss} after {} steps, {seconds:.2} s, {:?}", report.steps, report.ended);
    for (p, v) in model.lowered.params.iter().zip(model.constrain(&params)) {
        if v.len() <= 4 {
            eprintln!("  {} = {v:?}", p.name);
        }
    }
    Trained { model, raw: params, loss, seconds }
}

fn parameter(t: &Trained, name: &str) -> Vec<f64> {
    let k = t.model.lowered.params.iter().position(|p| p.name == name).unwrap();
    t.model.constrain(&t.raw).swap_remove(k)
}

/// Every file below `examples`, with its open sizes set: the data of some are made by a recipe.
#[test]
fn all_compile() {
    let (mut folders, mut files) = (vec![std::path::PathBuf::from("examples")], Vec::new());
    while let Some(folder) = folders.pop() {
        for path in std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "node") {
                files.push(path);
            }
        }
    }
    files.sort();
    for path in &files {
        let text = std::fs::read_to_string(path).unwrap();
        let open = text.lines().filter(|l| l.starts_with("dim ") && !l.contains('='));
        let set = open.map(|l| (l.split_whitespace().nth(1).unwrap().to_owned(), 6.0)).collect();
        let loaded = load(&Request { path: path.clone(), set, ..Request::default() })
            .unwrap_or_else(|r| panic!("{}", pullback::diag::render(&r.problems, &r.sources, false)));
        compile::<f64>(loaded.lowered, &Settings::default()).unwrap_or_else(|d| panic!("{}: {d:?}", path.display()));
    }
    assert!(files.len() >= 20, "{files:?}");
}

#[test]
fn lotka_volterra_lands_near_the_published_posterior() {
    let t = run("lotka_volterra", None);
    let near = [
        ("alpha", 0.55, 0.1),
        ("beta", 0.028, 0.006),
        ("gamma", 0.80, 0.15),
        ("delta", 0.024, 0.006),
        ("x0", 34.0, 4.0),
        ("y0", 5.9, 1.0),
    ];
    for (name, value, within) in near {
        let found = parameter(&t, name)[0];
        assert!((found - value).abs() < within, "{name} = {found}, published {value}");
    }
    for sigma in parameter(&t, "sigma") {
        assert!((sigma - 0.25).abs() < 0.06, "sigma = {sigma}");
    }
    assert!(t.seconds < 1.0, "{} s", t.seconds);
}

#[test]
fn theophylline_fits_the_population() {
    let t = run("theophylline", None);
    let (ka, ke, v) = (parameter(&t, "ka")[0], parameter(&t, "ke")[0], parameter(&t, "v")[0]);
    assert!(ka > 0.8 && ka < 3.0 && ke > 0.05 && ke < 0.15 && v > 0.3 && v < 0.7, "ka {ka} ke {ke} v {v}");
}

/// The learned factor is 1/(1 + 5c): checked at three values of c, relative.
#[test]
fn kinetics_learns_the_rate_law_through_the_implicit_solver() {
    let t = run("kinetics", None);
    let loaded = open("kinetics", &[]);
    let batch = Batch { data: loaded.data.as_ref(), samples: &[0], seed: 0, step: 0 };
    let error = t.model.evaluate(t.model.value.as_ref().unwrap(), &t.raw, &batch).metrics[0];
    eprintln!("largest relative error of the rate: {error}");
    assert!(t.loss < 1e-4 && error < 0.02, "loss {}, error {error}", t.loss);
}

/// Within three standard errors of what the data were made with (h 2, e 0.85, g 9.81, errors of 0.01).
#[test]
fn a_bouncing_ball_tells_its_gravity() {
    let t = run("bouncing_ball", None);
    for (name, value, within) in [("h", 2.0, 0.01), ("e", 0.85, 0.005), ("g", 9.81, 0.05), ("sigma", 0.01, 0.004)] {
        let found = parameter(&t, name)[0];
        assert!((found - value).abs() < within, "{name} = {found} for {value}");
    }
}

#[test]
fn spiral_learns() {
    let t = run("spiral", Some(60));
    assert!(t.loss < 4e-3, "{}", t.loss);
}

#[test]
fn moons_learns() {
    let t = run("moons", Some(60));
    assert!(t.loss < 2.2, "{}", t.loss);
}

#[test]
fn pendulum_learns() {
    let t = run("pendulum", Some(60));
    assert!(t.loss < 0.2, "{}", t.loss);
}

/// Mean absolute error of the whole trajectory from its start, as the paper's demo measures it.
#[test]
#[ignore = "a minute of training; run by `just slow`"]
fn spiral_reaches_its_stated_error() {
    let t = run("spiral", None);
    let whole = std::fs::read_to_string("examples/spiral.node").unwrap().replace(", window = 10", "");
    let folder = tempfile::tempdir().unwrap();
    std::fs::copy("examples/spiral.csv", folder.path().join("spiral.csv")).unwrap();
    let file = folder.path().join("whole.node");
    std::fs::write(&file, whole).unwrap();
    let loaded =
        load(&Request { path: file, with_data: true, ..Request::default() }).unwrap_or_else(|_| panic!("loads"));
    let model = compile::<f64>(loaded.lowered, &Settings::default()).unwrap();
    let batch = Batch { data: loaded.data.as_ref(), samples: &[0], seed: 0, step: 0 };
    let error = model.evaluate(model.value.as_ref().unwrap(), &t.raw, &batch).metrics[0];
    eprintln!("mean absolute error of the trajectory: {error}");
    assert!(error < 0.1, "{error}");
}

/// How far the pendulum's true energy drifts in ten periods of a trained model from (q, p) = (1, 0): the difference
/// between its means over the last period (6.7 s at this amplitude) and over the first.
fn energy_drift(t: &Trained, equations: &str) -> f64 {
    let text = format!(
        "model Long\nuse nn\n{equations}\nlet ts = linspace(0, 67, 500)\n\
         let e = p(ts)^2/2 - cos(q(ts))\nloss = abs(mean(e[450:500]) - mean(e[0:50]))\nsolve tsit5(rtol = 1e-8, atol = 1e-10), 0 .. 67\n"
    );
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("long.node");
    std::fs::write(&file, text).unwrap();
    let loaded = load(&Request { path: file, ..Request::default() })
        .unwrap_or_else(|r| panic!("{}", pullback::diag::render(&r.problems, &r.sources, false)));
    let model = compile::<f64>(loaded.lowered, &Settings::default()).unwrap();
    let batch = Batch { data: None, samples: &[0], seed: 0, step: 0 };
    let found = model.evaluate(model.value.as_ref().unwrap(), &t.raw, &batch);
    assert!(found.dropped.is_empty(), "{:?}", found.dropped);
    found.loss
}

#[test]
#[ignore = "a minute of training; run by `just slow`"]
fn a_hamiltonian_network_keeps_the_energy() {
    let hamiltonian = run("pendulum", None);
    let plain = run("pendulum_plain", None);
    assert!(hamiltonian.raw.len() <= plain.raw.len());
    let states = "state q = 1\nstate p = 0\n";
    let kept = energy_drift(
        &hamiltonian,
        &format!(
            "net H: [2] -> [1] = dense(32) |> tanh |> dense(32) |> tanh |> dense(1)\n{states}\
             let energy = H([q, p])[0]\nq' = grad(energy, p)\np' = -grad(energy, q)"
        ),
    );
    let lost = energy_drift(
        &plain,
        &format!(
            "net f: [2] -> [2] = dense(32) |> tanh |> dense(32) |> tanh |> dense(2)\n{states}\
             let v = f([q, p])\nq' = v[0]\np' = v[1]"
        ),
    );
    eprintln!("energy drift over 10 periods: Hamiltonian {kept}, plain {lost}");
    assert!(lost > 10.0 * kept, "{lost} against {kept}");
}

#[test]
#[ignore = "minutes of training; run by `just slow`"]
fn moons_reaches_its_stated_likelihood() {
    let t = run("moons", None);
    let samples: Vec<usize> = (0..20_000).collect();
    let batch = Batch { data: None, samples: &samples, seed: 99, step: u64::MAX };
    let held_out = t.model.evaluate(t.model.value.as_ref().unwrap(), &t.raw, &batch).loss;
    eprintln!("held-out negative log-likelihood: {held_out} nats (floor 1.008)");
    assert!(held_out < 1.008 + 0.15, "{held_out}");
}

#[test]
#[ignore = "a minute of training; run by `just slow`"]
fn a_regulariser_saves_evaluations() {
    let work = |set: &[(&str, f64)]| {
        let t = run_set("regularisers/rings", None, set);
        let samples: Vec<usize> = (0..2000).collect();
        let batch = Batch { data: None, samples: &samples, seed: 99, step: u64::MAX };
        let found = t.model.evaluate(t.model.value.as_ref().unwrap(), &t.raw, &batch);
        (found.forward.rhs as f64 / 2000.0, found.metrics[0])
    };
    let (plain, wrong) = work(&[]);
    let (kept, still) = work(&[("KINETIC", 2.0), ("JACOBIAN", 3.0)]);
    eprintln!("{plain} evaluations and {wrong} wrong, with RNODE {kept} and {still}");
    assert!(kept < 0.7 * plain, "{kept} instead of {plain}");
    assert!(still <= wrong + 0.01, "{still} instead of {wrong}");
}
