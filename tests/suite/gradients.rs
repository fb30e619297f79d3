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
