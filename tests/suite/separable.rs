//! Symplectic methods in the language: positions and momenta are told from the equations.

use pullback::compile::{Settings, compile};
use pullback::load::{Request, load};
use pullback::model::{Batch, initial, unconstrain};

/// The loss and its gradient, or the message.
fn evaluate(text: &str) -> Result<(f64, Vec<f64>), String> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("model.node");
    std::fs::write(&file, text).unwrap();
    let loaded = load(&Request { path: file, ..Request::default() })
        .map_err(|r| pullback::diag::render(&r.problems, &r.sources, false))?;
    let raw = unconstrain(&loaded.lowered, &initial(&loaded.lowered, 0));
    let model = compile::<f64>(loaded.lowered, &Settings::default()).map_err(|d| d.message.clone())?;
    let batch = Batch { data: None, samples: &[0], seed: 0, step: 0 };
    let found = model.evaluate(model.gradient.as_ref().unwrap(), &raw, &batch);
    assert!(found.dropped.is_empty(), "{:?}", found.dropped);
    Ok((found.loss, found.raw))
}

const SYSTEMS: [&str; 3] = [
    "q' = p\np' = -k*sin(q)",
    "let energy = p^2/2 - k*cos(q)\nq' = grad(energy, p)\np' = -grad(energy, q)",
    "let energy = p^2/2 + k*exp(tanh(q))*q^2\np' = -grad(energy, q)\nq' = grad(energy, p)",
];

#[test]
fn all_methods_agree() {
    for equations in SYSTEMS {
        let text = |method: &str| {
            format!(
                "param k = 1.2\nparam a = 0.8\nstate q = a\nstate p = 0\n{equations}\nloss = q(3)*p(2)\nsolve {method}, 0 .. 3\n"
            )
        };
        let (loss, slope) = evaluate(&text("dopri5(rtol = 1e-11, atol = 1e-12)")).unwrap();
        for method in ["leapfrog(dt = 0.0002)", "yoshida4(dt = 0.01)", "tsit5(dt = 0.02, reversible = true)"] {
            let (found, gradient) = evaluate(&text(method)).unwrap();
            assert!((found - loss).abs() < 1e-6, "{method}: {found} for {loss}");
            for (a, b) in gradient.iter().zip(&slope) {
                assert!((a - b).abs() < 1e-5, "{method}: {gradient:?} for {slope:?}");
            }
        }
    }
}

#[test]
fn vectors_have_sides_too() {
    let text = |method: &str| {
        format!(
            "param k = 1.2\nstate a: [2] = [1, 0]\nstate u: [2] = [0, 0.9]\na' = u\nu' = -k*a/norm(a)^3\n\
             loss = a(2)[0] + u(2)[1]\nsolve {method}, 0 .. 2\n"
        )
    };
    let (loss, slope) = evaluate(&text("dopri5(rtol = 1e-11, atol = 1e-12)")).unwrap();
    let (found, gradient) = evaluate(&text("yoshida4(dt = 0.005)")).unwrap();
    assert!((found - loss).abs() < 1e-6 && (gradient[0] - slope[0]).abs() < 1e-5, "{found} {gradient:?}");
}

#[test]
fn a_system_that_is_not_separable_is_refused() {
    for equations in ["q' = p\np' = -q - k*p", "q' = p + q*p\np' = -k*q", "q' = -q*k\np' = q"] {
        let text = format!(
            "param k = 1\nstate q = 1\nstate p = 0\n{equations}\nloss = q(1)\nsolve leapfrog(dt = 0.1), 0 .. 1\n"
        );
        let message = evaluate(&text).unwrap_err();
        assert!(message.contains("separable") && message.contains("itself"), "{message}");
    }
    let ring = "state x = 1\nstate y = 1\nstate z = 1\nx' = y\ny' = z\nz' = x\nparam k = 1\nloss = k*x(1)\n\
                solve leapfrog(dt = 0.1), 0 .. 1\n";
    let message = evaluate(ring).unwrap_err();
    assert!(message.contains("on one side"), "{message}");
}

#[test]
fn options_that_contradict_each_other_are_refused() {
    for (method, why) in [
        ("leapfrog", "needs a step"),
        ("tsit5(reversible = true)", "need a length"),
        ("leapfrog(dt = 0.1, reversible = true)", "reversible as it is"),
        ("leapfrog(dt = 0.1, gradient = backsolve)", "undone exactly"),
    ] {
        let text = format!("state q = 1\nstate p = 0\nq' = p\np' = -q\nloss = q(1)\nsolve {method}, 0 .. 1\n");
        let message = evaluate(&text).unwrap_err();
        assert!(message.contains("N0412") && message.contains(why), "{message}");
    }
    let text = "state q = 1\nstate p = 0\nq' = p\np' = -q\nevent e: q < 0 => { p := 1 }\nloss = q(1)\n\
                solve leapfrog(dt = 0.1), 0 .. 1\n";
    assert!(evaluate(text).unwrap_err().contains("cannot be combined with events"));
}
