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
